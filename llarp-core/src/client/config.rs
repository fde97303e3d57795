//! What a client is told.

use core::fmt;

use super::directory::Relays;
use crate::clock::Clock;
use crate::crypto::hash::NetworkId;
use crate::crypto::secret::Secret;
use crate::path::Diversity;
use crate::store::Store;

/// Everything that a client is told.
pub struct ClientConfig {
    /// The network.
    pub network: NetworkId,
    /// The relays that count.
    pub relays: Relays,
    /// Which relays may not share a path.
    pub diversity: Diversity,
    /// Where guards and second hops are kept from one run to the next. On a disk, unless the client
    /// is to be a stranger to its own past: who draws new guards each time meets a bad one soon.
    pub store: Store,
    /// The wall clock.
    pub clock: Clock,
    /// 32 fresh random bytes, never used twice.
    pub seed: Secret<32>,
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("relays", &self.relays)
            .finish_non_exhaustive()
    }
}
