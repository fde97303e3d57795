//! The beacons that a node knows, and what it can locate by them.

use crate::directory::NetworkView;
use crate::introset::Places;
use crate::registry::Epoch;

/// The beacons that one snapshot names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beacons {
    /// The snapshot's epoch.
    pub epoch: Epoch,
    /// Its beacon.
    pub beacon: [u8; 32],
    /// The beacon of the last epoch before; `None` in a network's first.
    pub before: Option<[u8; 32]>,
}

impl Beacons {
    /// What can be located by them at the time `now`, in seconds since 1970.
    #[must_use]
    pub fn places(&self, now: u64) -> Places {
        Places::of(now, self.epoch, self.before, self.beacon)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = [u8; 32]> {
        [Some(self.beacon), self.before].into_iter().flatten()
    }
}

/// Who knows the newest beacons.
pub trait KnowsBeacons: Send + Sync {
    /// Those of the newest snapshot; `None` if there is none.
    fn beacons(&self) -> Option<Beacons>;
}

impl KnowsBeacons for Beacons {
    fn beacons(&self) -> Option<Beacons> {
        Some(*self)
    }
}

impl KnowsBeacons for NetworkView {
    fn beacons(&self) -> Option<Beacons> {
        let newest = self.newest()?;
        let terms = newest.terms();
        Some(Beacons {
            epoch: terms.epoch,
            beacon: terms.beacon,
            before: Some(terms.beacon_before),
        })
    }
}
