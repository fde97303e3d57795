//! A path build at each of its places. `cargo bench -p llarp-core --bench build`

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, criterion_group, criterion_main};
use llarp_core::build::{
    BuildHop, BuildReply, BuildRequest, ExpectReply, Minute, OpenedBuild, RelayContext,
    ReplayCache, open_build, start_build,
};
use llarp_core::cell::PathId;
use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{RelayId, SecretKey};
use llarp_core::crypto::kem::KemSecret;
use llarp_core::crypto::onion_key::{OnionPublic, OnionSecret};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const NOW: Minute = Minute(29_000_000);

struct Relay {
    id: RelayId,
    onion: [OnionSecret; 1],
    public: OnionPublic,
}

impl Relay {
    fn new(network: &NetworkId, rng: &mut ChaCha20Rng) -> Self {
        let id = SecretKey::generate(rng).relay_id();
        let onion = OnionSecret::generate(network, &id, rng);
        let public = onion.public();
        Self {
            id,
            onion: [onion],
            public,
        }
    }
}

struct Bench {
    network: NetworkId,
    relays: Vec<Relay>,
    rng: ChaCha20Rng,
}

impl Bench {
    fn new() -> Self {
        let network = NetworkId::from_name("bench");
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let relays = (0..3).map(|_| Relay::new(&network, &mut rng)).collect();
        Self {
            network,
            relays,
            rng,
        }
    }

    fn request(&mut self) -> BuildRequest {
        self.start().0
    }

    fn start(&mut self) -> (BuildRequest, ExpectReply) {
        let hops: Vec<_> = self
            .relays
            .iter()
            .map(|relay| BuildHop {
                relay: &relay.id,
                onion: &relay.public,
            })
            .collect();
        let path_id = PathId([0; 8]);
        start_build(&self.network, &hops, path_id, NOW, &mut self.rng).unwrap()
    }

    fn open(
        &mut self,
        hop: usize,
        replays: &mut ReplayCache,
        request: BuildRequest,
    ) -> OpenedBuild {
        let Self {
            network,
            relays,
            rng,
        } = self;
        let relay = &relays[hop];
        let context = RelayContext {
            network,
            relay: &relay.id,
            now: NOW,
        };
        open_build(context, relay.onion.as_slice(), replays, request, rng).unwrap()
    }

    /// What a relay does for one build that it forwards: open, then answer.
    fn relay(&mut self, replays: &mut ReplayCache, request: Option<BuildRequest>) {
        let Some(OpenedBuild::Forward(build)) = request.map(|r| self.open(0, replays, r)) else {
            unreachable!("the first of three hops forwards");
        };
        let (_, wait) = build.into_next(PathId([1; 8]));
        let behind = BuildReply::random(&mut self.rng);
        let done = wait.accept(behind, PathId([2; 8]));
        assert!(done.is_ok());
    }

    /// A whole path's reply, and who expects it.
    fn reply(&mut self) -> (ExpectReply, BuildReply) {
        let (mut request, expect) = self.start();
        let mut waiting = Vec::new();
        let mut reply = loop {
            let mut replays = ReplayCache::for_fresh_keys(&mut self.rng);
            match self.open(waiting.len(), &mut replays, request) {
                OpenedBuild::Terminal(build) => {
                    break build.accept(PathId([1; 8]), &mut self.rng).unwrap().1;
                }
                OpenedBuild::Forward(build) => {
                    let (next, wait) = build.into_next(PathId([1; 8]));
                    waiting.push(wait);
                    request = next;
                }
            }
        };
        while let Some(wait) = waiting.pop() {
            reply = wait.accept(reply, PathId([1; 8])).unwrap().1;
        }
        (expect, reply)
    }

    fn replies(&mut self, group: &mut BenchmarkGroup<'_, WallTime>) {
        group.bench_function("client reads the reply of 3 hops", |b| {
            b.iter_batched(
                || self.reply(),
                |(expect, reply)| expect.handle_reply(reply).unwrap().len(),
                BatchSize::SmallInput,
            );
        });
    }
}

fn build(c: &mut Criterion) {
    let mut bench = Bench::new();
    let mut group = c.benchmark_group("build");
    group.bench_function("client makes a request for 3 hops", |b| {
        b.iter(|| bench.request())
    });

    let requests: Vec<_> = (0..256).map(|_| bench.request()).collect();
    let mut fresh = requests.iter().cycle().cloned();
    let mut replays = ReplayCache::for_fresh_keys(&mut bench.rng);
    group.bench_function("relay opens, forwards and answers", |b| {
        b.iter_batched(
            || fresh.next(),
            |request| {
                if replays.len() == requests.len() {
                    replays = ReplayCache::for_fresh_keys(&mut bench.rng);
                }
                bench.relay(&mut replays, request);
            },
            BatchSize::SmallInput,
        );
    });

    bench.replies(&mut group);
    let kem = KemSecret::generate(&mut bench.rng);
    let (_, ciphertext) = kem.public().encapsulate(&mut bench.rng);
    group.bench_function("ML-KEM-768 decapsulation", |b| {
        b.iter(|| kem.decapsulate(&ciphertext))
    });
    group.bench_function("ML-KEM-768 encapsulation", |b| {
        b.iter(|| kem.public().encapsulate(&mut bench.rng));
    });
    group.finish();
}

criterion_group!(benches, build);
criterion_main!(benches);
