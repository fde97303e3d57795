//! What the targets stand on: keys that are made once, and relays without a network.

use std::sync::LazyLock;

use llarp_core::build::{
    BuildHop, BuildRequest, ExpectReply, Minute, OpenedBuild, Refusal, RelayContext, ReplayCache,
    open_build, start_build,
};
use llarp_core::cell::{HopKeys, PathId};
use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{RelayId, SecretKey};
use llarp_core::crypto::noise::Split;
use llarp_core::crypto::onion_key::{OnionPublic, OnionSecret};
use llarp_core::crypto::secret::Secret;
use llarp_core::wire::limits::HOPS_MAX;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// The clock when a target starts.
pub(crate) const NOW: Minute = Minute(29_000_000);

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(crate) static NETWORK: LazyLock<NetworkId> = LazyLock::new(|| NetworkId::from_name("fuzz"));

/// An identity to sign and to be written to files with.
pub(crate) static IDENTITY: LazyLock<SecretKey> =
    LazyLock::new(|| SecretKey::generate(&mut rng(1)));

/// The keys of a path of three hops.
pub(crate) static HOP_KEYS: LazyLock<[HopKeys; 3]> = LazyLock::new(|| {
    let mut rng = rng(2);
    std::array::from_fn(|_| {
        let split = Split {
            to_responder: Secret::random(&mut rng),
            to_initiator: Secret::random(&mut rng),
        };
        HopKeys::of_split(&NETWORK, &split)
    })
});

/// A relay's keys.
pub(crate) struct Relay {
    pub(crate) id: RelayId,
    pub(crate) onion: [OnionSecret; 1],
    pub(crate) public: OnionPublic,
}

pub(crate) static RELAYS: LazyLock<[Relay; HOPS_MAX]> = LazyLock::new(|| {
    let mut rng = rng(3);
    std::array::from_fn(|_| {
        let id = SecretKey::generate(&mut rng).relay_id();
        let onion = OnionSecret::generate(&NETWORK, &id, &mut rng);
        Relay {
            id,
            public: onion.public(),
            onion: [onion],
        }
    })
});

impl Relay {
    /// Opens `request` as this relay does.
    pub(crate) fn open(
        &self,
        replays: &mut ReplayCache,
        now: Minute,
        request: BuildRequest,
        rng: &mut ChaCha20Rng,
    ) -> Result<OpenedBuild, Refusal> {
        let context = RelayContext {
            network: &NETWORK,
            relay: &self.id,
            now,
        };
        open_build(context, self.onion.as_slice(), replays, request, rng)
    }
}

/// A build over the first `hops` relays; the same bytes for the same arguments.
pub(crate) fn start(hops: usize, now: Minute, seed: u64) -> (BuildRequest, ExpectReply) {
    let hops: Vec<_> = RELAYS[..hops]
        .iter()
        .map(|relay| BuildHop {
            relay: &relay.id,
            onion: &relay.public,
        })
        .collect();
    let mut rng = rng(seed);
    let path_id = PathId::random(&mut rng);
    let started = start_build(&NETWORK, &hops, path_id, now, &mut rng);
    started.expect("one to four good hops")
}
