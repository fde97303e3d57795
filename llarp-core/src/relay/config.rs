//! What a relay is told.

use core::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::gossip::Registered;
use crate::build::ReplayCache;
use crate::clock::Clock;
use crate::crypto::hash::NetworkId;
use crate::crypto::identity::{RelayId, SecretKey};
use crate::crypto::onion_key::OnionSecret;
use crate::crypto::secret::Secret;
use crate::directory::NetworkView;
use crate::link::KnownRelays;
use crate::registry::RelayList;
use crate::tunnel::Services;

/// The relays that count, and where they are.
pub trait Directory: KnownRelays {
    /// Where `relay` is to be dialled; `None` if it is not registered.
    fn address_of(&self, relay: &RelayId) -> Option<SocketAddr>;
}

impl Directory for RelayList {
    fn address_of(&self, relay: &RelayId) -> Option<SocketAddr> {
        Some(self.get(relay)?.addresses.preferred())
    }
}

impl Directory for NetworkView {
    fn address_of(&self, relay: &RelayId) -> Option<SocketAddr> {
        Self::address_of(self, relay)
    }
}

/// Where handshakes of builds are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Handshakes {
    /// On tokio's threads for blocking work, so that cells need not wait for them.
    #[default]
    OtherThreads,
    /// Where the build is handled: 0.1 ms during which no cell moves. For tests that must repeat.
    Inline,
}

/// Everything that a relay is told.
pub struct RelayConfig {
    /// The network.
    pub network: NetworkId,
    /// The relay's key; its public half is the relay's id.
    pub key: Arc<SecretKey>,
    /// Its place in a registry. `None`: a relay of a fixed list, which tells nobody of itself, and
    /// whose onion keys are [`RelayConfig::onion`].
    pub registered: Option<Registered>,
    /// Onion keys that never change, for relays without a registry.
    pub onion: Vec<OnionSecret>,
    /// What the relay remembers of builds against replays: [`ReplayCache::for_fresh_keys`] or
    /// [`ReplayCache::after_restart`].
    pub replays: ReplayCache,
    /// The other relays.
    pub directory: Arc<dyn Directory>,
    /// The wall clock.
    pub clock: Clock,
    /// 32 fresh random bytes, never used twice.
    pub seed: Secret<32>,
    /// Where handshakes are computed.
    pub handshakes: Handshakes,
    /// What it offers at the end of paths; see [`Services::of_relay`].
    pub services: Services,
}

impl fmt::Debug for RelayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayConfig")
            .field("relay", &self.key.relay_id())
            .field("handshakes", &self.handshakes)
            .finish_non_exhaustive()
    }
}
