//! Networks on paper that live through epochs, for the tests of swarms.

use std::collections::BTreeMap;

use llarp_core::crypto::identity::RelayId;
use llarp_core::registry::swarm::{Seat, SwarmId, SwarmParams, Swarms, assign};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

pub(crate) use crate::evidence::{Whole, is_full as full};
use crate::support::{network, rng};

/// Prints a figure, for `--nocapture`.
#[expect(
    clippy::print_stdout,
    reason = "figures are what these tests are run by hand for"
)]
pub(crate) fn say(figure: &str) {
    println!("{figure}");
}

pub(crate) fn bytes(rng: &mut ChaCha20Rng) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// A number below `end`.
pub(crate) fn below(rng: &mut ChaCha20Rng, end: usize) -> usize {
    usize::try_from(rng.next_u64() % end as u64).unwrap()
}

/// A network's snapshots, one behind the other.
#[derive(Clone)]
pub(crate) struct History {
    /// The newest snapshot's, each with its swarm in it.
    pub(crate) seats: Vec<Seat>,
    pub(crate) params: SwarmParams,
    pub(crate) epoch: u64,
    pub(crate) rng: ChaCha20Rng,
}

/// What one snapshot changed.
pub(crate) struct Change {
    /// Relays of both snapshots whose swarm is another.
    pub(crate) relays: usize,
    /// Share of the ring that belongs to another swarm.
    pub(crate) mailboxes: f64,
}

impl History {
    pub(crate) fn empty(seed: u64) -> Self {
        Self {
            seats: Vec::new(),
            params: SwarmParams::DEFAULT,
            epoch: 0,
            rng: rng(seed),
        }
    }

    /// A network of `count` relays that all begin at once.
    pub(crate) fn genesis(count: usize, seed: u64) -> Self {
        let mut history = Self::empty(seed);
        let joins = history.newcomers(count);
        history.step(joins);
        history
    }

    pub(crate) fn newcomers(&mut self, count: usize) -> Vec<Seat> {
        (0..count).map(|_| self.newcomer()).collect()
    }

    pub(crate) fn newcomer(&mut self) -> Seat {
        Seat {
            relay: RelayId(bytes(&mut self.rng)),
            height: self.epoch * 720,
            block: bytes(&mut self.rng),
            previous: None,
        }
    }

    /// The next snapshot, with these newcomers.
    pub(crate) fn step(&mut self, joins: Vec<Seat>) {
        let beacon = bytes(&mut self.rng);
        self.seats.extend(joins);
        self.seats.sort_by_key(|seat| seat.relay);
        let swarms = assign(&self.seats, &beacon, &network(), &self.params);
        for (seat, swarm) in self.seats.iter_mut().zip(swarms) {
            seat.previous = Some(swarm);
        }
        self.epoch += 1;
    }

    pub(crate) fn leave_at_random(&mut self) -> Seat {
        let at = below(&mut self.rng, self.seats.len());
        self.seats.remove(at)
    }

    /// An epoch in which `leaves` go and `joins` come.
    pub(crate) fn churn(&mut self, leaves: usize, joins: usize) {
        for _ in 0..leaves {
            self.leave_at_random();
        }
        let joins = self.newcomers(joins);
        self.step(joins);
    }

    pub(crate) fn swarms(&self) -> Swarms {
        let placed = self.seats.iter();
        Swarms::new(placed.map(|seat| (seat.relay, seat.previous.unwrap())))
    }

    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.swarms()
            .iter()
            .map(|(_, relays)| relays.len())
            .collect()
    }

    /// What has changed since `before`.
    pub(crate) fn change_since(&self, before: &Self) -> Change {
        let old: BTreeMap<_, _> = before.seats.iter().map(|s| (s.relay, s.previous)).collect();
        let moved = |seat: &&Seat| {
            let old = old.get(&seat.relay);
            old.is_some_and(|old| *old != seat.previous)
        };
        Change {
            relays: self.seats.iter().filter(moved).count(),
            mailboxes: other_keepers(&before.swarms(), &self.swarms()),
        }
    }
}

/// Share of all mailboxes that each swarm keeps, by ascending id.
pub(crate) fn shares(swarms: &Swarms) -> Vec<f64> {
    let ids: Vec<u64> = swarms.iter().map(|(id, _)| id.0).collect();
    let count = ids.len();
    let distance = |from: u64, to: u64| to.wrapping_sub(from).wrapping_sub(1) as f64 + 1.0;
    let around = |at: usize| {
        let (before, after) = (ids[(at + count - 1) % count], ids[(at + 1) % count]);
        (distance(before, ids[at]) + distance(ids[at], after)) / 2.0
    };
    (0..count).map(|at| around(at) / 2f64.powi(64)).collect()
}

/// Largest share of mailboxes of one swarm, over the mean.
pub(crate) fn largest_share(swarms: &Swarms) -> f64 {
    shares(swarms).into_iter().fold(0.0, f64::max) * swarms.len() as f64
}

/// Share of the ring that is another swarm's in `one` than in `other`, to the place.
fn other_keepers(one: &Swarms, other: &Swarms) -> f64 {
    let mut edges: Vec<u64> = [one, other].into_iter().flat_map(first_places).collect();
    edges.sort_unstable();
    edges.dedup();
    let nexts = edges.iter().skip(1).chain(edges.first());
    let differs = |from: u64| one.nearest(from) != other.nearest(from);
    let lengths = edges.iter().zip(nexts).filter(|(from, _)| differs(**from));
    lengths
        .map(|(from, to)| to.wrapping_sub(*from).wrapping_sub(1) as f64 + 1.0)
        .fold(0.0, |sum, length| sum + length)
        / 2f64.powi(64)
}

/// The first place of each swarm.
fn first_places(swarms: &Swarms) -> Vec<u64> {
    let ids: Vec<u64> = swarms.iter().map(|(SwarmId(id), _)| id).collect();
    let befores = ids.iter().cycle().skip(ids.len().saturating_sub(1));
    ids.iter()
        .zip(befores)
        .map(|(id, before)| before.wrapping_add(id.wrapping_sub(*before) / 2 + 1))
        .collect()
}

/// Mean, 99th percentile and largest.
pub(crate) fn summary(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let p99 = values[(values.len() - 1) * 99 / 100];
    [mean, p99, values[values.len() - 1]]
}
