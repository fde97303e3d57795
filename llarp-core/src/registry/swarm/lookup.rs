//! Who keeps a mailbox: the swarms of a snapshot, looked up by relay, by id and by mailbox key.

use super::SwarmId;
use crate::crypto::hash::{NetworkId, hash, label};
use crate::crypto::identity::RelayId;

/// The swarms of one snapshot. Does not change; a lookup takes logarithmic time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swarms {
    /// By ascending id, each with the place behind its last member in `members`.
    ids: Vec<(SwarmId, usize)>,
    /// Members of the first swarm, of the second, …; by ascending id within a swarm.
    members: Vec<RelayId>,
    /// The same by relay.
    by_relay: Vec<(RelayId, SwarmId)>,
}

impl Swarms {
    /// The swarms of these relays, given in any order.
    pub fn new(members: impl IntoIterator<Item = (RelayId, SwarmId)>) -> Self {
        let mut by_relay: Vec<_> = members.into_iter().collect();
        by_relay.sort_unstable();
        // A relay is in one swarm: of several, in the lowest.
        by_relay.dedup_by_key(|(relay, _)| *relay);
        let mut by_swarm = by_relay.clone();
        by_swarm.sort_by_key(|(_, swarm)| *swarm);
        let mut ids: Vec<(SwarmId, usize)> = Vec::new();
        for (at, (_, swarm)) in by_swarm.iter().enumerate() {
            match ids.last_mut() {
                Some((last, end)) if last == swarm => *end = at + 1,
                _ => ids.push((*swarm, at + 1)),
            }
        }
        let members = by_swarm.into_iter().map(|(relay, _)| relay).collect();
        Self {
            ids,
            members,
            by_relay,
        }
    }

    /// The swarm that keeps the mailbox of this key; none if there is no relay.
    #[must_use]
    pub fn swarm_of(&self, mailbox: &[u8; 32], network: &NetworkId) -> Option<SwarmId> {
        self.nearest(mailbox_position(mailbox, network))
    }

    /// The swarm whose id is nearest to a place on the ring; of two equally near, the one before it.
    #[must_use]
    pub fn nearest(&self, place: u64) -> Option<SwarmId> {
        let next = self.ids.partition_point(|(id, _)| id.0 <= place);
        let ((first, _), (last, _)) = (self.ids.first()?, self.ids.last()?);
        let after = self.ids.get(next).map_or(*first, |(id, _)| *id);
        let before = next.checked_sub(1).and_then(|at| self.ids.get(at));
        let before = before.map_or(*last, |(id, _)| *id);
        let nearer = after.0.wrapping_sub(place) < place.wrapping_sub(before.0);
        // With one swarm both are the same.
        Some(if nearer { after } else { before })
    }

    /// The relays of a swarm, by ascending id; none if there is no such swarm.
    #[must_use]
    pub fn members(&self, swarm: SwarmId) -> &[RelayId] {
        let found = self.ids.binary_search_by_key(&swarm, |(id, _)| *id);
        found.map_or(&[], |at| self.members_at(at))
    }

    /// The swarm of a relay; none if it is not in the snapshot.
    #[must_use]
    pub fn of_relay(&self, relay: &RelayId) -> Option<SwarmId> {
        let found = self.by_relay.binary_search_by_key(relay, |(id, _)| *id);
        self.by_relay.get(found.ok()?).map(|(_, swarm)| *swarm)
    }

    /// All swarms with their relays, by ascending id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (SwarmId, &[RelayId])> + '_ {
        let ids = self.ids.iter().enumerate();
        ids.map(|(at, (id, _))| (*id, self.members_at(at)))
    }

    /// How many swarms there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    fn members_at(&self, at: usize) -> &[RelayId] {
        let end = |at: usize| self.ids.get(at).map_or(0, |(_, end)| *end);
        let start = at.checked_sub(1).map_or(0, end);
        self.members.get(start..end(at)).unwrap_or(&[])
    }
}

/// The place of a mailbox on the ring.
#[must_use]
pub fn mailbox_position(mailbox: &[u8; 32], network: &NetworkId) -> u64 {
    let place = hash(label::SWARM_MAILBOX, network, &[mailbox]);
    u64::from_be_bytes(*place.first_chunk().unwrap_or(&[0; 8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swarms(ids: &[u64]) -> Swarms {
        let members = ids
            .iter()
            .zip(0..)
            .map(|(id, n)| (RelayId([n; 32]), SwarmId(*id)));
        Swarms::new(members)
    }

    #[test]
    fn the_nearest_id_wins_around_the_end_of_the_ring_and_ties_go_back() {
        let swarms = swarms(&[10, 20, u64::MAX - 9]);
        let nearest = |place| swarms.nearest(place).unwrap().0;
        for (place, id) in [
            (10, 10),
            (14, 10),
            (15, 10),
            (16, 20),
            (20, 20),
            (0, u64::MAX - 9),
            (1, 10),
            (u64::MAX, u64::MAX - 9),
            (1 << 63, 20),
            ((1 << 63) + 10, u64::MAX - 9),
        ] {
            assert_eq!(nearest(place), id, "{place}");
        }
    }

    #[test]
    fn one_swarm_keeps_everything_and_none_nothing() {
        let network = NetworkId::from_name("test");
        assert_eq!(swarms(&[]).swarm_of(&[1; 32], &network), None);
        assert!(swarms(&[]).is_empty());
        let one = swarms(&[77]);
        for place in [0, 76, 77, 78, u64::MAX] {
            assert_eq!(one.nearest(place), Some(SwarmId(77)));
        }
    }

    #[test]
    fn members_are_found_from_either_side() {
        let swarms = swarms(&[5, 9, 5, 9, 5]);
        assert_eq!(
            swarms.members(SwarmId(5)),
            [0, 2, 4].map(|n| RelayId([n; 32]))
        );
        assert_eq!(swarms.members(SwarmId(9)), [1, 3].map(|n| RelayId([n; 32])));
        assert!(swarms.members(SwarmId(6)).is_empty());
        assert_eq!(swarms.of_relay(&RelayId([3; 32])), Some(SwarmId(9)));
        assert_eq!(swarms.of_relay(&RelayId([5; 32])), None);
        assert_eq!((swarms.len(), swarms.iter().len()), (2, 2));
        let all: usize = swarms.iter().map(|(_, relays)| relays.len()).sum();
        assert_eq!(all, 5);
    }
}
