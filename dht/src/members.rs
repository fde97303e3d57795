//! The relays that keep values, and which of them are close to a key. Pure.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::Arc;

use llarp_core::crypto::identity::RelayId;

use crate::names::{Distance, Key, Place};

/// The relays that keep values: those of a snapshot of the registry that are old enough. Clones
/// share them.
///
/// This is the whole routing table, at every relay the same: no peer's word adds to it.
#[derive(Clone, Default)]
pub struct Members(Arc<[(Place, RelayId)]>);

/// A registered relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub relay: RelayId,
    /// Whether it has been registered for long enough to be given values. Others only ask.
    pub keeps: bool,
}

impl Members {
    /// Those of `members` that keep values.
    #[must_use]
    pub fn new(members: impl IntoIterator<Item = Member>) -> Self {
        let keepers = members.into_iter().filter(|member| member.keeps);
        let mut relays: Vec<_> = keepers.map(|member| member.relay).collect();
        relays.sort_unstable();
        relays.dedup();
        let place = |relay| (Place::of_relay(&relay), relay);
        Self(relays.into_iter().map(place).collect())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The `count` closest to `key`, the closest first.
    #[must_use]
    pub fn closest(&self, key: &Key, count: usize) -> Vec<RelayId> {
        let target = Place::of_key(key);
        let mut best: BTreeMap<Distance, RelayId> = BTreeMap::new();
        for (place, relay) in self.0.iter() {
            let distance = place.distance(&target);
            let last = best.last_key_value().map(|(last, _)| *last);
            if best.len() < count || last.is_some_and(|last| distance < last) {
                best.insert(distance, *relay);
                if best.len() > count {
                    best.pop_last();
                }
            }
        }
        best.into_values().collect()
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Members").field(&self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(count: u8, keeps: impl Fn(u8) -> bool) -> Members {
        Members::new((0..count).map(|n| Member {
            relay: RelayId([n; 32]),
            keeps: keeps(n),
        }))
    }

    #[test]
    fn the_closest_are_those_of_a_sort() {
        let members = members(100, |_| true);
        for n in 0..20 {
            let key = [n; 32];
            let mut all: Vec<_> = members.0.to_vec();
            all.sort_by_key(|(place, _)| place.distance(&Place::of_key(&key)));
            let sorted: Vec<_> = all.iter().map(|(_, relay)| *relay).take(8).collect();
            assert_eq!(members.closest(&key, 8), sorted);
        }
    }

    #[test]
    fn the_young_are_never_close() {
        let members = members(30, |n| n % 2 == 0);
        assert_eq!(members.len(), 15);
        let closest = members.closest(&[1; 32], 40);
        assert_eq!(closest.len(), 15);
        assert!(closest.iter().all(|relay| relay.0[0] % 2 == 0));
        assert!(members.closest(&[1; 32], 0).is_empty());
    }
}
