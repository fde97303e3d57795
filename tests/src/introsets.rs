//! Introsets in a [`TestNet`](crate::testnet::TestNet): relays that serve them, owners that publish, one store or many.

use core::time::Duration;
use std::sync::Arc;

use llarp_core::client::{Client, Introsets, Publication, Published, Wanted};
use llarp_core::clock::Clock;
use llarp_core::crypto::identity::{RelayId, SecretKey};
use llarp_core::crypto::kem::KemSecret;
use llarp_core::crypto::pow::Effort;
use llarp_core::introset::{Cookie, DeviceSlot, DeviceSlots, Introducer, Introset, SessionKeys};
use llarp_core::registry::Epoch;
use llarp_core::storer::{Beacons, IntrosetService, IntrosetStore, ServiceConfig};
use llarp_core::tunnel::TerminalService;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use tokio::sync::watch;

use crate::testnet::{START, network};

const DAY: u64 = 24 * 3600;

/// The beacons of the day on which tests begin.
pub const BEACONS: Beacons = Beacons {
    epoch: Epoch(START / DAY),
    beacon: [0xb1; 32],
    before: Some([0xb0; 32]),
};

/// The service of a relay whose records go to `store`.
#[must_use]
pub fn service(
    store: Arc<dyn IntrosetStore>,
    clock: Clock,
    least: u32,
) -> Arc<dyn TerminalService> {
    Arc::new(IntrosetService::new(ServiceConfig {
        network: network(),
        clock,
        beacons: Arc::new(BEACONS),
        store,
        least: Effort::new(least).expect("some effort"),
    }))
}

/// An owner of an identity, on one device.
pub struct Owner {
    /// The identity.
    pub identity: Arc<SecretKey>,
    /// Which device.
    pub slot: DeviceSlot,
    /// What it says.
    pub contents: watch::Sender<Introset>,
}

impl Owner {
    /// A device of the identity that `seed` makes; `now` in seconds since 1970.
    ///
    /// # Panics
    /// If there is no such slot.
    #[must_use]
    pub fn new(seed: u64, slot: u8, now: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = Arc::new(SecretKey::generate(&mut rng));
        let slot = DeviceSlot::new(slot).expect("a slot");
        let slots = DeviceSlots::default().with(slot);
        let contents = watch::Sender::new(introset(slots, now, 1));
        Self {
            identity,
            slot,
            contents,
        }
    }

    /// Publishes over `client` from now on.
    #[must_use]
    pub fn publish(&self, introsets: &Introsets) -> Published {
        introsets.publish(self.publication())
    }

    /// What it publishes.
    #[must_use]
    pub fn publication(&self) -> Publication {
        Publication {
            identity: Arc::clone(&self.identity),
            slot: self.slot,
            contents: self.contents.subscribe(),
            readers: None,
            effort: Effort::LEAST,
        }
    }

    /// Whoever looks for it.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        Wanted {
            address: self.identity.address(),
            client: None,
        }
    }
}

/// What a device says: that it can be met at relay `n`.
#[must_use]
pub fn introset(slots: DeviceSlots, now: u64, n: u8) -> Introset {
    let mut rng = ChaCha20Rng::seed_from_u64(n.into());
    let until = now + 20 * 3600;
    Introset {
        slots,
        keys: SessionKeys {
            x25519: [n; 32],
            kem: KemSecret::generate(&mut rng).public().clone(),
            until,
        },
        work: None,
        introducers: vec![Introducer {
            relay: RelayId([n; 32]),
            cookie: Cookie([n; 32]),
            until,
        }],
        extension: Vec::new(),
    }
}

/// A client's way to introsets, located by [`BEACONS`].
#[must_use]
pub fn introsets(client: &Client) -> Introsets {
    client.introsets(Arc::new(BEACONS))
}

/// How long a scenario waits for what must come.
pub const SOON: Duration = Duration::from_secs(60);
