//! Identities that publish introsets: what the tests of that layer stand on.

use llarp_core::crypto::epoch::Epoch;
use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{RelayId, SecretKey};
use llarp_core::crypto::kem::KemSecret;
use llarp_core::crypto::pow::{Effort, Proof, Search};
use llarp_core::crypto::secret::Secret;
use llarp_core::introset::{
    Cookie, CookieSecret, DeviceSlot, DeviceSlots, Draft, Introducer, IntroductionWork, Introset,
    Location, Lookup, Publisher, Readers, Record, Refused, Rules, SessionKeys, VerifiedRecord,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

use crate::support::{network, rng};

pub(crate) const HOUR: u64 = 3600;
pub(crate) const TODAY: Epoch = Epoch(20_000);
/// Ten to one in the afternoon.
pub(crate) const NOW: u64 = TODAY.0 as u64 * 86_400 + 12 * HOUR + 3000;
/// The beacons that a node with today's snapshot knows: under the first lies today's introset, under
/// the second tomorrow's.
pub(crate) const BEACONS: [[u8; 32]; 2] = [[0xb1; 32], [0xb2; 32]];

pub(crate) fn effort(tries: u32) -> Effort {
    Effort::new(tries).unwrap()
}

pub(crate) fn slot(number: u8) -> DeviceSlot {
    DeviceSlot::new(number).unwrap()
}

/// A device of an identity.
pub(crate) struct Device {
    pub(crate) identity: SecretKey,
    pub(crate) network: NetworkId,
    pub(crate) epoch: Epoch,
    pub(crate) slot: DeviceSlot,
    pub(crate) effort: Effort,
    pub(crate) publisher: Publisher,
    pub(crate) rng: ChaCha20Rng,
}

impl Device {
    /// The first device of identity `seed`, today.
    pub(crate) fn new(seed: u64) -> Self {
        Self::of(seed, network(), TODAY, DeviceSlot::FIRST)
    }

    pub(crate) fn of(seed: u64, network: NetworkId, epoch: Epoch, slot: DeviceSlot) -> Self {
        let identity = SecretKey::generate(&mut rng(seed));
        let mut rng = rng(seed ^ u64::from(epoch.0) << 8 ^ u64::from(slot.number()) << 40);
        Self {
            publisher: Publisher::new(&identity, network, epoch, slot, &mut rng),
            identity,
            network,
            epoch,
            slot,
            effort: effort(64),
            rng,
        }
    }

    pub(crate) fn contents(&mut self) -> Introset {
        contents(&self.network, self.slot, 3, &mut self.rng)
    }

    pub(crate) fn publish(&mut self) -> Record {
        let contents = self.contents();
        self.publish_at(&contents, Readers::Everyone, NOW)
    }

    pub(crate) fn publish_at(
        &mut self,
        contents: &Introset,
        readers: Readers<'_>,
        now: u64,
    ) -> Record {
        let draft = self.publisher.draft(now);
        let proof = self.solve(&draft);
        self.publisher
            .seal(&draft, proof, contents, readers, now, &mut self.rng)
            .unwrap()
    }

    pub(crate) fn solve(&mut self, draft: &Draft) -> Proof {
        match draft
            .puzzle()
            .search(self.effort, self.rng.next_u64(), u64::MAX)
        {
            Search::Found(proof) => proof,
            Search::Next(_) => unreachable!("all nonces were tried"),
        }
    }

    pub(crate) fn lookup(&self) -> Lookup {
        Lookup::new(self.network, self.identity.address(), self.epoch, self.slot)
    }

    /// Where today's record of it lies.
    pub(crate) fn location(&self) -> Location {
        self.publisher.location(&BEACONS[0])
    }

    /// What a storer with the rules of today says to `record`.
    pub(crate) fn stored(&self, record: Record) -> Result<VerifiedRecord, Refused> {
        record.verify(&self.location(), &rules(&self.network, NOW))
    }
}

pub(crate) fn rules(network: &NetworkId, now: u64) -> Rules<'_> {
    Rules {
        network,
        now,
        beacons: &BEACONS,
        least: effort(64),
    }
}

/// What a device in `slot` would say, with `count` introducers.
pub(crate) fn contents(
    network: &NetworkId,
    slot: DeviceSlot,
    count: u8,
    rng: &mut ChaCha20Rng,
) -> Introset {
    let introducers = (0..count).map(|number| {
        let relay = RelayId([number; 32]);
        let secret = CookieSecret::new(Secret::random(rng));
        Introducer {
            relay,
            cookie: Cookie::of(network, &relay, &secret),
            until: NOW + 12 * HOUR,
        }
    });
    Introset {
        introducers: introducers.collect(),
        slots: DeviceSlots::default().with(slot).with(DeviceSlot::FIRST),
        keys: SessionKeys {
            x25519: [7; 32],
            kem: KemSecret::generate(rng).public().clone(),
            until: NOW + 24 * HOUR,
        },
        work: Some(IntroductionWork {
            seed: [9; 32],
            effort: effort(1000),
        }),
        extension: vec![1, 2, 3],
    }
}

/// `record` with `change` made to its bytes.
pub(crate) fn changed(record: &Record, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = record.as_bytes().to_vec();
    change(&mut bytes);
    bytes
}
