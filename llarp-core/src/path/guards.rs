//! The relays that a client keeps: guards, and sticky second hops.
//!
//! Each stands in a slot with an end of its own. When it is over, another is drawn into the same
//! slot; so what becomes of the slots behind, which nobody has seen, exposes nobody.

use rand_core::Rng;

use super::{Diversity, Seconds, draw};
use crate::crypto::identity::RelayId;
use crate::registry::{RelayContact, RelayList};

const DAY_SECS: u64 = 24 * 60 * 60;
/// A guard is kept for 60 days, give or take 12, so that clients do not change together.
pub(super) const GUARD_SECS: (u64, u64) = (48 * DAY_SECS, 72 * DAY_SECS);
/// A second hop is kept for 1 to 12 days: who waits for its turn does not know how long.
pub(super) const SECOND_SECS: (u64, u64) = (DAY_SECS, 12 * DAY_SECS);
/// A relay that left the list keeps its slot for so long, in case it comes back.
const ABSENT_SECS: u64 = 3 * DAY_SECS;
/// And for so long while too few others are listed: longer than a list is short that is only being learned.
const ABSENT_SHORT_SECS: u64 = 10 * 60;
/// Too few: those in use, and as many in their places.
const GUARDS_LISTED: usize = 4;
/// Too few of the second hops: as many as stand behind a guard.
const SECOND_HOPS_LISTED: usize = 4;
/// The wait after a guard's first failure, at most.
const RETRY_SECS: u64 = 30;
/// The wait after many failures, at most.
const RETRY_MAX_SECS: u64 = 60 * 60;
/// Failures in a row, all its own or its link's, after which a guard that is linked is skipped. Eight:
/// one second hop in four that fails everything does this once in 65,000 such rows.
const STRIKES: u8 = 8;

/// A relay in a slot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) relay: RelayId,
    pub(super) until: Seconds,
    /// Since when the list does not have it; 0 if it has.
    pub(super) absent_since: Seconds,
}

impl Kept {
    fn draw(relay: RelayId, life: (u64, u64), now: Seconds, rng: &mut impl Rng) -> Self {
        Self {
            relay,
            until: now.plus(draw::between(life.0, life.1, rng)),
            absent_since: Seconds(0),
        }
    }

    /// Compares with the list and the clock; whether the slot is free again. If it `is_short` of
    /// others, a relay that has left it makes room sooner: a client must not be without a route while
    /// it waits for relays to come back.
    fn is_over(
        &mut self,
        list: &RelayList,
        life: (u64, u64),
        is_short: bool,
        now: Seconds,
    ) -> bool {
        // A clock that was set back must not make a relay immortal.
        self.until = self.until.min(now.plus(life.1));
        self.absent_since = match (list.get(&self.relay), self.absent_since) {
            (Some(_), _) => Seconds(0),
            (None, Seconds(0)) => Seconds(now.0.max(1)),
            (None, since) => since.min(Seconds(now.0.max(1))),
        };
        let wait = if is_short {
            ABSENT_SHORT_SECS
        } else {
            ABSENT_SECS
        };
        let absent = self.absent_since.0 > 0 && now.since(self.absent_since) >= wait;
        absent || self.until <= now
    }
}

/// A guard: a relay in a slot, and whether it can be reached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Guard {
    pub(super) kept: Kept,
    /// Times in a row that it could not be reached.
    pub(super) failures: u8,
    /// Not to be tried before.
    pub(super) retry_at: Seconds,
    /// Builds in a row that it failed while it was linked. Not kept on disk.
    pub(super) strikes: u8,
}

impl Guard {
    /// Whether it may be used, as far as is known.
    pub(super) fn is_usable(&self, list: &RelayList, now: Seconds) -> bool {
        self.retry_at <= now && self.kept.until > now && list.get(&self.kept.relay).is_some()
    }

    pub(super) fn unreachable(&mut self, now: Seconds, rng: &mut impl Rng) {
        let most = RETRY_SECS
            .checked_shl(self.failures.into())
            .map_or(RETRY_MAX_SECS, |wait| wait.min(RETRY_MAX_SECS));
        self.failures = self.failures.saturating_add(1).min(16);
        self.strikes = 0;
        self.retry_at = now.plus(draw::between(most / 2, most, rng));
    }

    pub(super) fn strike(&mut self, now: Seconds, rng: &mut impl Rng) {
        self.strikes = self.strikes.saturating_add(1);
        if self.is_struck_out() {
            self.unreachable(now, rng);
            self.strikes = STRIKES;
        }
    }

    /// Whether it is set aside for its builds, not for its link.
    pub(super) const fn is_struck_out(&self) -> bool {
        self.strikes >= STRIKES
    }
}

/// Draws into slots that are over, and into new ones until there are `most`.
pub(super) fn refill_guards(
    guards: &mut Vec<Guard>,
    most: usize,
    list: &RelayList,
    now: Seconds,
    rng: &mut impl Rng,
) {
    for at in 0..most {
        let kept = guards.iter().map(|guard| &guard.kept);
        let is_short = listed(kept, list) < GUARDS_LISTED;
        // A wait is an hour at most, whatever a clock that was set back makes of it.
        if let Some(guard) = guards.get_mut(at) {
            guard.retry_at = guard.retry_at.min(now.plus(RETRY_MAX_SECS));
            if !guard.kept.is_over(list, GUARD_SECS, is_short, now) {
                continue;
            }
        }
        let free = |relay: &RelayId| {
            let mut others = guards.iter().enumerate().filter(|(slot, _)| *slot != at);
            !others.any(|(_, guard)| guard.kept.relay == *relay)
        };
        let candidates: Vec<_> = list.iter().map(|contact| contact.id).filter(free).collect();
        let Some(relay) = draw::one_of(&candidates, rng) else {
            continue;
        };
        let guard = Guard {
            kept: Kept::draw(relay, GUARD_SECS, now, rng),
            failures: 0,
            retry_at: Seconds(0),
            strikes: 0,
        };
        put(guards, at, guard);
    }
}

/// The same for second hops, of which no two are alike.
pub(super) fn refill_second_hops(
    kept: &mut Vec<Kept>,
    most: usize,
    diversity: Diversity,
    list: &RelayList,
    now: Seconds,
    rng: &mut impl Rng,
) {
    for at in 0..most {
        let alone = |relay: &RelayContact, others: &[Kept]| {
            let mut others = others.iter().enumerate().filter(|(slot, _)| *slot != at);
            others.all(|(_, other)| match list.get(&other.relay) {
                Some(other) => diversity.admits(relay, other),
                None => relay.id != other.relay,
            })
        };
        let is_short = listed(kept.iter(), list) < SECOND_HOPS_LISTED;
        let over = kept
            .get_mut(at)
            .map(|own| own.is_over(list, SECOND_SECS, is_short, now));
        if over == Some(false) {
            // Families and addresses change: of two that became alike, the later one goes.
            let own = kept.get(at).and_then(|own| list.get(&own.relay));
            let before = kept.get(..at).unwrap_or_default();
            if own.is_none_or(|own| alone(own, before)) {
                continue;
            }
        }
        let candidates: Vec<_> = list
            .iter()
            .filter(|relay| alone(relay, kept))
            .map(|relay| relay.id)
            .collect();
        let Some(relay) = draw::one_of(&candidates, rng) else {
            continue;
        };
        put(kept, at, Kept::draw(relay, SECOND_SECS, now, rng));
    }
}

/// How many of them the list has.
fn listed<'a>(kept: impl Iterator<Item = &'a Kept>, list: &RelayList) -> usize {
    kept.filter(|kept| list.get(&kept.relay).is_some()).count()
}

fn put<T>(slots: &mut Vec<T>, at: usize, new: T) {
    match slots.get_mut(at) {
        Some(slot) => *slot = new,
        None => slots.push(new),
    }
}
