//! Where a record is stored.

use core::fmt;

use super::DeviceSlot;
use crate::crypto::hash::{NetworkId, hash, label};

/// A place among the storers: the key under which they keep a record. Nobody can compute it before
/// the beacon is known, so that nobody can have settled around it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location(pub [u8; 32]);

impl Location {
    /// Where the record of `slot` lies whose blinded key is `blinded`, under `beacon`: the one of
    /// the last epoch before the record's.
    #[must_use]
    pub fn of(
        network: &NetworkId,
        blinded: &[u8; 32],
        slot: DeviceSlot,
        beacon: &[u8; 32],
    ) -> Self {
        let parts: [&[u8]; 3] = [blinded, &[slot.number()], beacon];
        Self(hash(label::INTROSET_LOCATION, network, &parts))
    }
}

/// Shows nothing: which introset a client asks for is nobody's business.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Location(..)")
    }
}
