//! Proof of work, and what introsets cost those who make, store and open them.
//! `cargo bench -p llarp-core --bench introset`

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use llarp_core::crypto::epoch::Epoch;
use llarp_core::crypto::hash::{NetworkId, label};
use llarp_core::crypto::identity::{RelayId, SecretKey, X25519Secret};
use llarp_core::crypto::kem::KemSecret;
use llarp_core::crypto::pow::{Effort, Proof, Puzzle};
use llarp_core::crypto::secret::Secret;
use llarp_core::introset::{
    ClientKey, Cookie, DeviceSlot, DeviceSlots, Introducer, Introset, Lookup, Publisher, Readers,
    Record, Rules, SessionKeys,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const EPOCH: Epoch = Epoch(20_000);
const NOW: u64 = EPOCH.0 as u64 * 86_400 + 40_000;
const TRIES: u64 = 10_000;

fn work(c: &mut Criterion) {
    let mut group = c.benchmark_group("proof of work");
    let network = NetworkId::from_name("bench");
    let puzzle = Puzzle::new(label::INTROSET_WORK, &network, &[&[7; 53]]);
    let hard = Effort::new(u32::MAX).unwrap_or(Effort::LEAST);
    group.throughput(Throughput::Elements(TRIES));
    group.bench_function("10,000 tries", |b| {
        b.iter(|| puzzle.search(black_box(hard), 0, TRIES));
    });
    group.throughput(Throughput::Elements(1));
    let proof = Proof {
        effort: hard,
        nonce: 5,
    };
    group.bench_function("verify", |b| b.iter(|| puzzle.verify(black_box(&proof))));
    group.bench_function("a puzzle and verify", |b| {
        b.iter(|| Puzzle::new(label::INTROSET_WORK, &network, &[&[7; 53]]).verify(&proof));
    });
    group.finish();
}

struct Owner {
    network: NetworkId,
    identity: SecretKey,
    publisher: Publisher,
    contents: Introset,
    rng: ChaCha20Rng,
}

impl Owner {
    fn new() -> Self {
        let network = NetworkId::from_name("bench");
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let identity = SecretKey::generate(&mut rng);
        let slot = DeviceSlot::FIRST;
        let introducer = Introducer {
            relay: RelayId([1; 32]),
            cookie: Cookie([2; 32]),
            until: NOW + 40_000,
        };
        let contents = Introset {
            slots: DeviceSlots::default().with(slot),
            keys: SessionKeys {
                x25519: [3; 32],
                kem: KemSecret::generate(&mut rng).public().clone(),
                until: NOW + 80_000,
            },
            work: None,
            introducers: vec![introducer; 3],
            extension: Vec::new(),
        };
        Self {
            publisher: Publisher::new(&identity, network, EPOCH, slot, &mut rng),
            network,
            identity,
            contents,
            rng,
        }
    }

    fn publish(&mut self, readers: Readers<'_>) -> Record {
        let draft = self.publisher.draft(NOW);
        let proof = Proof {
            effort: Effort::LEAST,
            nonce: 1,
        };
        let (contents, rng) = (&self.contents, &mut self.rng);
        let sealed = (self.publisher).seal(&draft, proof, contents, readers, NOW, rng);
        sealed.expect("an introset of today")
    }
}

fn records(c: &mut Criterion) {
    let mut group = c.benchmark_group("introset");
    let mut owner = Owner::new();
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let clients: Vec<_> = (0..64)
        .map(|_| X25519Secret::new(Secret::random(&mut rng)))
        .collect();
    let keys: Vec<_> = clients.iter().map(ClientKey::from).collect();
    let slot = DeviceSlot::FIRST;
    group.bench_function("a publisher for an epoch", |b| {
        b.iter(|| Publisher::new(&owner.identity, owner.network, EPOCH, slot, &mut rng));
    });
    group.bench_function("publish for everyone, without work", |b| {
        b.iter(|| owner.publish(Readers::Everyone));
    });
    group.bench_function("publish for 64 clients, without work", |b| {
        b.iter(|| owner.publish(Readers::Only(&keys)));
    });
    let (open, closed) = (
        owner.publish(Readers::Everyone),
        owner.publish(Readers::Only(&keys)),
    );
    group.bench_function("decode", |b| {
        b.iter(|| Record::decode(black_box(open.as_bytes())));
    });
    let beacon = [9; 32];
    let at = open.location(&owner.network, &beacon);
    let rules = Rules {
        network: &owner.network,
        now: NOW,
        beacons: &[beacon],
        least: Effort::LEAST,
    };
    group.bench_function("verify, a storer's", |b| {
        b.iter(|| open.clone().verify(&at, &rules));
    });
    let address = owner.identity.address();
    group.bench_function("a look-up: blinded key and place", |b| {
        b.iter(|| Lookup::new(owner.network, address, EPOCH, slot).location(&beacon));
    });
    let lookup = Lookup::new(owner.network, address, EPOCH, slot);
    group.bench_function("open", |b| b.iter(|| lookup.open(&open, NOW, None)));
    group.bench_function("open, one of 64 clients", |b| {
        b.iter(|| lookup.open(&closed, NOW, clients.last()));
    });
    group.finish();
}

criterion_group!(benches, work, records);
criterion_main!(benches);
