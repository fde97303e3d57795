//! The machine: from the swarms of a snapshot's predecessor to those of the snapshot.
//!
//! Steps and names of draws are those of `docs/spec/11-swarms.md` §3.

use super::draw::{Draws, scale};
use super::groups::Groups;
use super::{Seat, SwarmId, SwarmParams};
use crate::crypto::hash::NetworkId;

/// The swarm of each seat, in the order of `seats`.
///
/// Each relay may have one seat only. The order of the seats does not matter. Takes time in
/// proportion to the seats and to the square of the swarms that open or dissolve: 0.1 s for a
/// network of 10,000 relays that begins.
#[must_use]
pub fn assign(
    seats: &[Seat],
    beacon: &[u8; 32],
    network: &NetworkId,
    params: &SwarmParams,
) -> Vec<SwarmId> {
    let mut order: Vec<(usize, &Seat)> = seats.iter().enumerate().collect();
    order.sort_by_key(|(_, seat)| seat.relay);
    let machine = Machine {
        seats: order.iter().map(|(_, seat)| *seat).collect(),
        draws: Draws { network, beacon },
        params,
    };
    let mut assigned: Vec<_> = order.into_iter().zip(machine.run()).collect();
    assigned.sort_by_key(|((given, _), _)| *given);
    assigned.into_iter().map(|(_, swarm)| swarm).collect()
}

struct Machine<'a> {
    /// By ascending relay id.
    seats: Vec<&'a Seat>,
    draws: Draws<'a>,
    params: &'a SwarmParams,
}

impl Machine<'_> {
    fn run(&self) -> Vec<SwarmId> {
        let (old, new): (Vec<usize>, Vec<usize>) = (0..self.seats.len())
            .partition(|at| self.seats.get(*at).is_some_and(|s| s.previous.is_some()));
        let mut groups = self.before();
        let homeless = self.resize(&mut groups);
        self.pour(&mut groups, homeless, "home");
        self.refill(&mut groups, old.len());
        let newcomers = self.pour(&mut groups, new, "order");
        let mut homes: Vec<_> = groups.iter().collect();
        homes.sort_unstable();
        let mut swarms: Vec<_> = homes.into_iter().map(|(_, swarm)| swarm).collect();
        self.scatter(&mut swarms, &newcomers);
        self.stir(&mut swarms, &old, newcomers.len());
        swarms
    }

    /// Step 1: the swarms as they were, without those who left.
    fn before(&self) -> Groups {
        let mut groups = Groups::default();
        for (at, seat) in self.seats.iter().enumerate() {
            if let Some(id) = seat.previous {
                self.open(&mut groups, id);
                groups.add(id, at);
            }
        }
        groups
    }

    /// Step 2: as many swarms as there should be. Gives the members of those that are no more.
    fn resize(&self, groups: &mut Groups) -> Vec<usize> {
        let wanted = self.params.swarms(self.seats.len(), groups.len());
        let mut homeless = Vec::new();
        while groups.len() > wanted {
            let Some(id) = groups.most_crowded() else {
                break;
            };
            homeless.append(&mut groups.dissolve(id));
        }
        while groups.len() < wanted {
            let id = groups.middle_of_largest_gap();
            self.open(groups, id);
        }
        homeless
    }

    /// Steps 3 and 5: these go to the poorest swarms, in the order of their draws, which is given
    /// back.
    fn pour(&self, groups: &mut Groups, seats: Vec<usize>, what: &str) -> Vec<usize> {
        let draw = |at: usize| {
            self.seats
                .get(at)
                .map(|seat| self.draws.of_seat(what, seat))
        };
        let mut drawn: Vec<_> = seats.into_iter().map(|at| (draw(at), at)).collect();
        drawn.sort_unstable();
        let order: Vec<_> = drawn.into_iter().map(|(_, at)| at).collect();
        for at in &order {
            if let Some((_, poorest)) = groups.poorest() {
                groups.add(poorest, *at);
            }
        }
        order
    }

    /// Step 4: swarms that starve get members of the richest, drawn among all of it. Nobody is a
    /// newcomer here: those are not in any swarm yet.
    fn refill(&self, groups: &mut Groups, old: usize) {
        let least = usize::from(self.params.least());
        let floor = least.min(old.checked_div(groups.len()).unwrap_or_default());
        for number in 0.. {
            let (Some((size, poor)), Some((spare, rich))) = (groups.poorest(), groups.richest())
            else {
                return;
            };
            if size >= floor {
                return;
            }
            let (drawn, _) = self.draws.of_event("refill", number);
            if let Some(moved) = groups.take(rich, scale(drawn, spare)) {
                groups.add(poor, moved);
            }
        }
    }

    /// Step 6: each newcomer changes places with somebody drawn among all, so that it comes to a
    /// swarm by its share of the seats alone, whatever was free.
    fn scatter(&self, swarms: &mut [SwarmId], newcomers: &[usize]) {
        for at in newcomers {
            if let Some(seat) = self.seats.get(*at) {
                let other = scale(self.draws.of_seat("place", seat), swarms.len());
                exchange(swarms, *at, other);
            }
        }
    }

    /// Step 7: for each newcomer, some pairs of old members change places, a quarter of them at
    /// most. So whoever comes again and again stirs those away whom it has placed already.
    fn stir(&self, swarms: &mut [SwarmId], old: &[usize], newcomers: usize) {
        let pairs = newcomers.saturating_mul(self.params.stirs().into());
        for number in 0..pairs.min(old.len() / 4) {
            let (one, other) = self.draws.of_event("stir", number);
            let [one, other] = [one, other].map(|drawn| old.get(scale(drawn, old.len())));
            if let (Some(one), Some(other)) = (one, other) {
                exchange(swarms, *one, *other);
            }
        }
    }

    fn open(&self, groups: &mut Groups, id: SwarmId) {
        groups.open(id, self.draws.of_swarm(id));
    }
}

fn exchange(swarms: &mut [SwarmId], one: usize, other: usize) {
    // Both are numbers of seats, and each seat has a swarm.
    if one.max(other) < swarms.len() {
        swarms.swap(one, other);
    }
}
