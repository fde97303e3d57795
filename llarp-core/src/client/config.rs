//! What a client is told.

use core::fmt;

use crate::clock::Clock;
use crate::crypto::hash::NetworkId;
use crate::crypto::secret::Secret;
use crate::path::Profile;
use crate::registry::RelayList;

/// Everything that a client is told.
pub struct ClientConfig {
    /// The network.
    pub network: NetworkId,
    /// The relays that count.
    pub relays: RelayList,
    /// Guards and second hops, as an earlier run left them, or new.
    pub profile: Profile,
    /// The wall clock.
    pub clock: Clock,
    /// 32 fresh random bytes, never used twice.
    pub seed: Secret<32>,
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("relays", &self.relays.len())
            .finish_non_exhaustive()
    }
}
