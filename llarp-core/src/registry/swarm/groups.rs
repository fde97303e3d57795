//! The swarms while the machine works on them: their places on the ring, and who is in which.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::SwarmId;

/// Swarms of seat numbers, found by place and by size.
#[derive(Default)]
pub(super) struct Groups {
    members: BTreeMap<SwarmId, Group>,
    /// Size, tie and id of each: the first is the poorest, the last the richest.
    by_size: BTreeSet<(usize, u64, SwarmId)>,
}

struct Group {
    /// Decides between swarms of one size.
    tie: u64,
    /// In ascending order.
    seats: Vec<usize>,
}

impl Groups {
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Opens an empty swarm, unless it exists.
    pub(super) fn open(&mut self, id: SwarmId, tie: u64) {
        if let Entry::Vacant(place) = self.members.entry(id) {
            let seats = Vec::new();
            place.insert(Group { tie, seats });
            self.by_size.insert((0, tie, id));
        }
    }

    /// Dissolves a swarm and gives its members.
    pub(super) fn dissolve(&mut self, id: SwarmId) -> Vec<usize> {
        let Some(group) = self.members.remove(&id) else {
            return Vec::new();
        };
        self.by_size.remove(&(group.seats.len(), group.tie, id));
        group.seats
    }

    pub(super) fn add(&mut self, id: SwarmId, seat: usize) {
        self.change(id, |seats| {
            let at = seats.partition_point(|other| *other < seat);
            seats.insert(at, seat);
        });
    }

    /// Takes out the member at the place `at` among all of this swarm.
    pub(super) fn take(&mut self, id: SwarmId, at: usize) -> Option<usize> {
        self.change(id, |seats| (at < seats.len()).then(|| seats.remove(at)))?
    }

    /// Size and id of the smallest swarm.
    pub(super) fn poorest(&self) -> Option<(usize, SwarmId)> {
        self.by_size.first().map(|(size, _, id)| (*size, *id))
    }

    /// Size and id of the largest swarm.
    pub(super) fn richest(&self) -> Option<(usize, SwarmId)> {
        self.by_size.last().map(|(size, _, id)| (*size, *id))
    }

    /// The middle of the largest gap; of equals, of that behind the lowest id. 0 on an empty ring.
    pub(super) fn middle_of_largest_gap(&self) -> SwarmId {
        let mut best: Option<(u64, SwarmId)> = None;
        for (id, gap) in self.gaps() {
            if best.is_none_or(|(largest, _)| gap > largest) {
                best = Some((gap, id));
            }
        }
        let middle = |(gap, id): (u64, SwarmId)| id.0.wrapping_add(gap.div_ceil(2));
        SwarmId(best.map_or(0, middle))
    }

    /// The swarm whose neighbours on the ring are nearest to each other: without it the ring is as
    /// even as it can be, and the fewest mailboxes move. Of equals, the lowest.
    pub(super) fn most_crowded(&self) -> Option<SwarmId> {
        let mut behind = self.gaps().last()?.1;
        let mut best: Option<(u128, SwarmId)> = None;
        for (id, ahead) in self.gaps() {
            let room = u128::from(behind) + u128::from(ahead);
            if best.is_none_or(|(least, _)| room < least) {
                best = Some((room, id));
            }
            behind = ahead;
        }
        best.map(|(_, id)| id)
    }

    /// Seat and swarm of everybody.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, SwarmId)> {
        let all = self.members.iter();
        all.flat_map(|(id, group)| group.seats.iter().map(|seat| (*seat, *id)))
    }

    /// Each swarm with how many free places lie between it and the next; all others if it is alone.
    fn gaps(&self) -> impl Iterator<Item = (SwarmId, u64)> {
        let ids = self.members.keys();
        let nexts = ids.clone().skip(1).chain(ids.clone().take(1));
        ids.zip(nexts)
            .map(|(id, next)| (*id, next.0.wrapping_sub(id.0).wrapping_sub(1)))
    }

    fn change<T>(&mut self, id: SwarmId, how: impl FnOnce(&mut Vec<usize>) -> T) -> Option<T> {
        let group = self.members.get_mut(&id)?;
        self.by_size.remove(&(group.seats.len(), group.tie, id));
        let done = how(&mut group.seats);
        self.by_size.insert((group.seats.len(), group.tie, id));
        Some(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(ids: &[u64]) -> Groups {
        let mut groups = Groups::default();
        for id in ids {
            groups.open(SwarmId(*id), 0);
        }
        groups
    }

    #[test]
    fn new_places_halve_the_ring_around_its_end_too() {
        let mut groups = ring(&[]);
        let mut opened = Vec::new();
        for _ in 0..5 {
            let id = groups.middle_of_largest_gap();
            groups.open(id, 0);
            opened.push(id.0);
        }
        let quarter = 1 << 62;
        assert_eq!(opened, [0, 1 << 63, quarter, 3 * quarter, quarter / 2]);
        let over_the_end = ring(&[1, 1 << 62, u64::MAX - (1 << 63)]);
        assert_eq!(
            over_the_end.middle_of_largest_gap().0,
            u64::MAX - (1 << 62) + 1
        );
    }

    #[test]
    fn the_most_crowded_goes() {
        let groups = ring(&[0, 1 << 60, 1 << 62, 1 << 63]);
        assert_eq!(groups.most_crowded(), Some(SwarmId(1 << 60)));
        let around_zero = ring(&[3, 1 << 62, 1 << 63, 3 << 62, u64::MAX - 1]);
        assert_eq!(around_zero.most_crowded(), Some(SwarmId(3)));
        assert_eq!(ring(&[]).most_crowded(), None);
        assert_eq!(ring(&[7]).most_crowded(), Some(SwarmId(7)));
    }
}
