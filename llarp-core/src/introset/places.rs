//! Which epochs' introsets are found, and under which beacons.
//!
//! ```text
//!   day      T − 1        T           T + 1
//!   beacon   b(T−1)       b(T)        b(T+1)
//!                 └─▶ introsets of T
//!                             └─▶ introsets of T + 1
//! ```
//! An introset lies under the beacon of the last epoch *before* its own that the registry has: owners
//! can publish it a day ahead, storers cannot be chosen earlier. Whoever has one snapshot knows two
//! beacons, its own and the one before. Specification: `docs/spec/12-introsets.md` §3.

use super::{DeviceSlot, Location};
use crate::crypto::epoch::Epoch;
use crate::crypto::hash::NetworkId;
use crate::crypto::identity::PublicKey;
use crate::registry;

/// An epoch whose introsets can be located, and the beacon under which they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The epoch.
    pub epoch: Epoch,
    /// The beacon of the last epoch before it.
    pub beacon: [u8; 32],
}

impl Place {
    /// Where the record of the blinded key `blinded` lies; that key must be of this epoch.
    #[must_use]
    pub fn locate(&self, network: &NetworkId, blinded: &PublicKey, slot: DeviceSlot) -> Location {
        Location::of(network, blinded.as_bytes(), slot, &self.beacon)
    }
}

/// What can be located on one day with one snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    today: Option<Place>,
    tomorrow: Option<Place>,
    yesterday: Option<Place>,
}

impl Places {
    /// The places at the time `now`, in seconds since 1970, for whoever has the snapshot of the epoch
    /// `snapshot` with its `beacon`, and `before`, that of the last epoch before it, if there was one.
    ///
    /// A snapshot of tomorrow knows nothing of where today's introsets are, one of a later epoch
    /// nothing at all: then the clock is wrong, or the next snapshot is long overdue at whoever asks.
    #[must_use]
    pub fn of(
        now: u64,
        snapshot: registry::Epoch,
        before: Option<[u8; 32]>,
        beacon: [u8; 32],
    ) -> Self {
        let place = |epoch: Epoch| {
            let beacon = match snapshot.0.cmp(&u64::from(epoch.0)) {
                core::cmp::Ordering::Less => Some(beacon),
                core::cmp::Ordering::Equal => before,
                core::cmp::Ordering::Greater => None,
            };
            beacon.map(|beacon| Place { epoch, beacon })
        };
        let today = Epoch::at(now);
        Self {
            today: place(today),
            tomorrow: place(today.next()),
            yesterday: place(today.previous()),
        }
    }

    /// Where an owner publishes: today's and tomorrow's introset, so that nobody misses it while the
    /// day turns, or clocks and snapshots differ.
    pub fn to_publish(&self) -> impl Iterator<Item = Place> {
        [self.today, self.tomorrow].into_iter().flatten()
    }

    /// Where a caller looks, the likeliest first: today's, then tomorrow's, then yesterday's.
    pub fn to_read(&self) -> impl Iterator<Item = Place> {
        [self.today, self.tomorrow, self.yesterday]
            .into_iter()
            .flatten()
    }

    /// The place of `epoch`, if it is known.
    #[must_use]
    pub fn of_epoch(&self, epoch: Epoch) -> Option<Place> {
        self.to_read().find(|place| place.epoch == epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Epoch = Epoch(20_000);
    const BEFORE: [u8; 32] = [1; 32];
    const BEACON: [u8; 32] = [2; 32];

    fn places(snapshot: u64) -> Places {
        let noon = TODAY.start() + 12 * 3600;
        Places::of(noon, registry::Epoch(snapshot), Some(BEFORE), BEACON)
    }

    fn days(places: impl Iterator<Item = Place>) -> Vec<(i64, u8)> {
        let day = |place: Place| i64::from(place.epoch.0) - i64::from(TODAY.0);
        places.map(|place| (day(place), place.beacon[0])).collect()
    }

    #[test]
    fn with_todays_snapshot_today_lies_under_the_beacon_before() {
        let places = places(20_000);
        assert_eq!(days(places.to_publish()), [(0, 1), (1, 2)]);
        assert_eq!(days(places.to_read()), [(0, 1), (1, 2)]);
    }

    #[test]
    fn with_yesterdays_snapshot_all_three_days_are_known() {
        let places = places(19_999);
        assert_eq!(days(places.to_publish()), [(0, 2), (1, 2)]);
        assert_eq!(days(places.to_read()), [(0, 2), (1, 2), (-1, 1)]);
    }

    #[test]
    fn with_an_older_snapshot_all_days_lie_under_its_beacon() {
        let places = places(19_990);
        assert_eq!(days(places.to_read()), [(0, 2), (1, 2), (-1, 2)]);
    }

    #[test]
    fn with_tomorrows_snapshot_tomorrow_is_still_found() {
        let places = places(20_001);
        assert_eq!(days(places.to_publish()), [(1, 1)]);
        assert_eq!(days(places.to_read()), [(1, 1)]);
        assert_eq!(days(self::places(20_002).to_read()), []);
    }

    #[test]
    fn the_first_snapshot_of_a_network_has_no_beacon_before() {
        let places = Places::of(TODAY.start(), registry::Epoch(20_000), None, BEACON);
        assert_eq!(days(places.to_read()), [(1, 2)]);
    }

    #[test]
    fn owners_and_callers_one_snapshot_apart_have_a_place_in_common() {
        // Of each pair of neighbours, the owner publishes where the caller looks: beacons by epoch.
        let beacon = |epoch: u64| [u8::try_from(epoch % 251).unwrap(); 32];
        let places = |now, snapshot| {
            let (before, own) = (beacon(snapshot - 1), beacon(snapshot));
            Places::of(now, registry::Epoch(snapshot), Some(before), own)
        };
        for seconds in [0, 1, 43_200, 86_399] {
            let now = TODAY.start() + seconds;
            for (owner, caller) in [(-1, -1), (-1, 0), (0, -1), (0, 0), (0, 1), (1, 0), (1, 1)] {
                let snapshot = |offset: i64| 20_000_u64.checked_add_signed(offset).unwrap();
                let published: Vec<_> = places(now, snapshot(owner)).to_publish().collect();
                let read: Vec<_> = places(now, snapshot(caller)).to_read().collect();
                assert!(
                    published.iter().any(|place| read.contains(place)),
                    "owner {owner}, caller {caller}: {published:?} {read:?}"
                );
            }
        }
    }

    #[test]
    fn clocks_a_few_minutes_apart_at_midnight_have_a_place_in_common() {
        for (owner, caller) in [(-300_i64, 300), (300, -300)] {
            let at = |offset: i64| TODAY.start().checked_add_signed(offset).unwrap();
            let of = |now| Places::of(now, registry::Epoch(19_999), Some(BEFORE), BEACON);
            let published: Vec<_> = of(at(owner)).to_publish().collect();
            assert!(
                of(at(caller))
                    .to_read()
                    .any(|place| published.contains(&place))
            );
        }
    }
}
