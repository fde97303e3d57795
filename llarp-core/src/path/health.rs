//! Which relays and which pairs of neighbours have failed of late.
//!
//! A charge is never proof: who lies about a neighbour, and which of two it was, a client cannot
//! tell. So charges fade, they only lower a relay's chances, and only a bounded share of the
//! candidates is lowered at all (`docs/spec/07-path.md` §5).

use std::collections::BTreeMap;

use super::Seconds;
use crate::crypto::identity::RelayId;
use crate::wire::limits::{HEALTH_PAIRS_MAX, HEALTH_RELAYS_MAX};

/// One vote: what a failure between two neighbours costs each of them, and their pair.
const VOTE: u32 = 1000;
/// What a relay is charged that says of itself that it is overloaded, and for a part in a build that
/// ran out of time.
const LIGHT: u32 = 250;
/// From here on a relay is avoided: more than one neighbour can do alone.
const AVOIDED: u32 = 1500;
/// From here on a pair is avoided, and one more failure of it is no further vote.
const PAIR_AVOIDED: u32 = 500;
/// No charge is higher, so that none lasts much beyond four half-lives.
const CHARGE_MAX: u32 = 16 * VOTE;
/// Half of a charge is forgotten in this time: as long as two paths live.
const HALF_LIFE_SECS: u64 = 20 * 60;
/// A relay that says of itself that it cannot is left in peace for so long, if others can.
const REST_SECS: u64 = 60;
/// The chance of a candidate, and that of one that is avoided: still tried, so that it can recover.
const WEIGHT: u64 = 8;
const WEIGHT_AVOIDED: u64 = 1;
/// Of third hops, at most one in this many is avoided.
const SHARE_OF_ALL: usize = 8;
/// Of the sticky second hops, at most one in this many.
const SHARE_OF_STICKY: usize = 2;

/// A charge, and when it was that high.
#[derive(Debug, Clone, Copy)]
struct Faded {
    amount: u32,
    at: Seconds,
}

impl Faded {
    fn now(self, now: Seconds) -> u32 {
        let elapsed = now.since(self.at);
        let halvings = u32::try_from(elapsed / HALF_LIFE_SECS).unwrap_or(u32::MAX);
        let amount = u64::from(self.amount.checked_shr(halvings).unwrap_or(0));
        // Between two halvings in a straight line.
        let faded = amount - amount * (elapsed % HALF_LIFE_SECS) / (2 * HALF_LIFE_SECS);
        u32::try_from(faded).unwrap_or(u32::MAX)
    }
}

/// Charges by relay or by pair, of which the least are forgotten first.
#[derive(Debug, Clone)]
struct Charges<K> {
    of: BTreeMap<K, Faded>,
    max: usize,
}

impl<K: Ord + Copy> Charges<K> {
    const fn new(max: usize) -> Self {
        let of = BTreeMap::new();
        Self { of, max }
    }

    fn get(&self, key: &K, now: Seconds) -> u32 {
        self.of.get(key).map_or(0, |charge| charge.now(now))
    }

    fn now(&self, now: Seconds) -> impl Iterator<Item = (K, u32)> {
        let all = self.of.iter();
        let charged = all.map(move |(key, charge)| (*key, charge.now(now)));
        charged.filter(|(_, amount)| *amount > 0)
    }

    fn add(&mut self, key: K, amount: u32, now: Seconds) {
        if !self.of.contains_key(&key) && self.of.len() >= self.max {
            self.of.retain(|_, charge| charge.now(now) > 0);
            let least = self.of.iter().min_by_key(|(_, charge)| charge.now(now));
            if let Some(least) = least
                .map(|(key, _)| *key)
                .filter(|_| self.of.len() >= self.max)
            {
                self.of.remove(&least);
            }
        }
        let amount = self.get(&key, now).saturating_add(amount).min(CHARGE_MAX);
        self.of.insert(key, Faded { amount, at: now });
    }

    fn halve(&mut self, key: &K, now: Seconds) {
        if let Some(charge) = self.of.get_mut(key) {
            let amount = charge.now(now) / 2;
            *charge = Faded { amount, at: now };
        }
    }
}

/// Which relays and pairs have failed of late. Nothing of it is kept on disk, and nothing of it
/// moves a guard.
#[derive(Clone)]
pub(super) struct Health {
    relays: Charges<RelayId>,
    pairs: Charges<(RelayId, RelayId)>,
    /// Until when those that have said that they cannot are left in peace.
    resting: BTreeMap<RelayId, Seconds>,
}

impl Health {
    pub(super) const fn new() -> Self {
        Self {
            relays: Charges::new(HEALTH_RELAYS_MAX),
            pairs: Charges::new(HEALTH_PAIRS_MAX),
            resting: BTreeMap::new(),
        }
    }

    /// Something failed between two neighbours. Each gets a vote against it, but only one from the
    /// same neighbour until that has faded: so no relay can bring an honest neighbour above what
    /// one vote is worth, while it collects one vote itself from each that it blames.
    pub(super) fn pair_failed(&mut self, one: RelayId, other: RelayId, now: Seconds) {
        if self.pairs.get(&(one, other), now) < PAIR_AVOIDED {
            self.relays.add(one, VOTE, now);
            self.relays.add(other, VOTE, now);
        }
        self.pairs.add((one, other), VOTE, now);
    }

    /// A relay says of itself that it cannot. Only its own word counts for this, which is
    /// authenticated: nobody else can push it aside.
    pub(super) fn declined(&mut self, relay: RelayId, now: Seconds) {
        self.lightly(relay, now);
        self.resting.retain(|_, until| *until > now);
        if self.resting.len() < HEALTH_RELAYS_MAX {
            self.resting.insert(relay, now.plus(REST_SECS));
        }
    }

    /// Whether a relay is left in peace.
    pub(super) fn rests(&self, relay: &RelayId, now: Seconds) -> bool {
        self.resting.get(relay).is_some_and(|until| *until > now)
    }

    /// A relay had a part in a build that ran out of time.
    pub(super) fn lightly(&mut self, relay: RelayId, now: Seconds) {
        self.relays.add(relay, LIGHT, now);
    }

    /// A path over these hops has served.
    pub(super) fn succeeded(&mut self, hops: &[RelayId], now: Seconds) {
        for relay in hops {
            self.relays.halve(relay, now);
        }
        for pair in hops.windows(2) {
            if let [one, other] = pair {
                self.pairs.halve(&(*one, *other), now);
            }
        }
    }

    /// Relays that are charged now, and how much.
    pub(super) fn relays(&self, now: Seconds) -> impl Iterator<Item = (RelayId, u32)> {
        self.relays.now(now)
    }

    /// Neighbours that are charged as a pair now, and how much.
    pub(super) fn pairs(&self, now: Seconds) -> impl Iterator<Item = ((RelayId, RelayId), u32)> {
        self.pairs.now(now)
    }

    /// The candidates for the sticky hop behind `guard`, with their weights.
    pub(super) fn weigh_sticky(
        &self,
        guard: &RelayId,
        candidates: &[RelayId],
        now: Seconds,
    ) -> Vec<(RelayId, u64)> {
        let most = candidates.len() / SHARE_OF_STICKY;
        self.weigh(guard, candidates, most, now)
    }

    /// The candidates for the fresh hop behind `before`, with their weights.
    pub(super) fn weigh_fresh(
        &self,
        before: &RelayId,
        candidates: &[RelayId],
        now: Seconds,
    ) -> Vec<(RelayId, u64)> {
        let most = candidates.len() / SHARE_OF_ALL;
        self.weigh(before, candidates, most, now)
    }

    fn weigh(
        &self,
        before: &RelayId,
        candidates: &[RelayId],
        most: usize,
        now: Seconds,
    ) -> Vec<(RelayId, u64)> {
        let mut worst: Vec<(u32, RelayId)> = candidates
            .iter()
            .map(|relay| (self.behind(before, relay, now), *relay))
            .filter(|(charge, _)| *charge >= AVOIDED)
            .collect();
        worst.sort_unstable_by(|one, other| other.cmp(one));
        worst.truncate(most);
        let weight = |relay: &RelayId| {
            let avoided = worst.iter().any(|(_, worst)| worst == relay);
            if avoided { WEIGHT_AVOIDED } else { WEIGHT }
        };
        let weigh = |relay: &RelayId| (*relay, weight(relay));
        candidates.iter().map(weigh).collect()
    }

    /// What speaks against `relay` behind `before`. A pair that fails is avoided whoever of it is
    /// at fault.
    fn behind(&self, before: &RelayId, relay: &RelayId, now: Seconds) -> u32 {
        let own = self.relays.get(relay, now);
        let pair = self.pairs.get(&(*before, *relay), now);
        if pair >= PAIR_AVOIDED {
            own.saturating_add(AVOIDED)
        } else {
            own
        }
    }
}
