//! Whose handshake goes on, whose address must be proven first, who is refused. Pure: no socket, and
//! the time is an argument.
//!
//! A handshake costs half a millisecond of the thread that moves cells, so that there is a pace
//! for them all, and shares of it. An address that is not proven counts for nobody's share: a forger
//! would lock out whom it names.
//!
//! ```text
//!  unproven ─ within the pace of the unproven? ──────────────────── yes ▶ welcome
//!                 └ no ▶ prove: QUIC Retry, and it comes back proven
//!  proven ─── source's pace? ─┬─ a relay's? ─ pace of relays? ──────── yes ▶ welcome
//!                 └ no ▶ refuse└──────────── network's pace? all's? ─── yes ▶ welcome
//!                                                └ no ▶ refuse
//! ```

use core::time::Duration;
use std::collections::BTreeMap;

use super::config::Limits;
use super::origin::{Source, network};
use super::pace::{Pace, Taken};
use crate::crypto::identity::RelayId;
use crate::wire::limits::{KNOCKERS_SWEPT, RELAYS_MAX};

/// What becomes of somebody who knocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The handshake goes on; [`Knocks::end`] must follow.
    Welcome,
    /// The address must be proven first.
    Prove,
    /// Not now.
    Refuse,
}

/// What became of those who knocked, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KnockCounts {
    /// Handshakes that went on.
    pub welcomed: u64,
    /// Addresses that had to be proven first.
    pub to_prove: u64,
    /// Handshakes that were refused.
    pub refused: u64,
}

/// The handshakes of an endpoint: under way, and how many of late.
#[derive(Debug)]
pub(super) struct Knocks {
    limits: Limits,
    under_way: usize,
    under_way_from: BTreeMap<Source, usize>,
    under_way_around: BTreeMap<Source, usize>,
    unproven: Taken,
    all: Taken,
    relays: Taken,
    sources: Shares,
    networks: Shares,
    homes: Homes,
    counts: KnockCounts,
}

impl Knocks {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            under_way: 0,
            under_way_from: BTreeMap::new(),
            under_way_around: BTreeMap::new(),
            unproven: Taken::default(),
            all: Taken::default(),
            relays: Taken::default(),
            sources: Shares::new(limits.handshake_pace_per_source),
            networks: Shares::new(limits.handshake_pace_per_network),
            homes: Homes::default(),
            counts: KnockCounts::default(),
            limits,
        }
    }

    /// Somebody at `source` knocks.
    pub(super) fn begin(&mut self, now: Duration, source: Source, proven: bool) -> Verdict {
        let verdict = self.judge(now, source, proven);
        match verdict {
            Verdict::Welcome => {
                self.counts.welcomed += 1;
                self.under_way += 1;
                *self.under_way_from.entry(source).or_default() += 1;
                let around = network(*source.expose());
                *self.under_way_around.entry(around).or_default() += 1;
            }
            Verdict::Prove => self.counts.to_prove += 1,
            Verdict::Refuse => self.counts.refused += 1,
        }
        verdict
    }

    /// A handshake from `source` is over, however it ended.
    pub(super) fn end(&mut self, source: Source) {
        self.under_way = self.under_way.saturating_sub(1);
        one_less(&mut self.under_way_from, source);
        one_less(&mut self.under_way_around, network(*source.expose()));
    }

    /// `relay` has proven its key from `source`: that is where it dials from next time, too.
    pub(super) fn note_home(&mut self, relay: RelayId, source: Source) {
        self.homes.note(relay, source);
    }

    pub(super) const fn counts(&self) -> KnockCounts {
        self.counts
    }

    fn judge(&mut self, now: Duration, source: Source, proven: bool) -> Verdict {
        if self.under_way >= self.limits.handshakes {
            return Verdict::Refuse;
        }
        let from_there = self.under_way_from.get(&source).copied().unwrap_or(0);
        let crowded = from_there >= self.limits.handshakes_per_source;
        if proven {
            let room = !crowded && self.leaves_room(source);
            return match room && self.take(now, source).is_some() {
                true => Verdict::Welcome,
                false => Verdict::Refuse,
            };
        }
        let pace = self.limits.handshake_pace_unproven;
        match pace.one_more(self.unproven, now) {
            Some(taken) if !crowded && self.under_way < self.limits.handshakes_unproven => {
                self.unproven = taken;
                Verdict::Welcome
            }
            _ => Verdict::Prove,
        }
    }

    /// Whether a handshake with `source` leaves room for others. A stranger may take his time: a network
    /// has an eighth of the handshakes under way, and all strangers three quarters.
    fn leaves_room(&self, source: Source) -> bool {
        if source.expose().is_loopback() || self.homes.has(source) {
            return true;
        }
        let most = self.limits.handshakes;
        let around = network(*source.expose());
        let around = self.under_way_around.get(&around).copied().unwrap_or(0);
        let of_network = (most / 8).max(2 * self.limits.handshakes_per_source);
        around < of_network && self.under_way < most - most / 4
    }

    /// Takes a handshake from all the shares that `source` has a part in, or from none.
    fn take(&mut self, now: Duration, source: Source) -> Option<()> {
        // Our own machine has no neighbours whose part it could take.
        if source.expose().is_loopback() {
            self.all = self.limits.handshake_pace.one_more(self.all, now)?;
            return Some(());
        }
        let of_source = self.sources.one_more(source, now)?;
        let reserved = self.limits.handshake_pace_relays;
        match reserved.one_more(self.relays, now) {
            Some(taken) if self.homes.has(source) => self.relays = taken,
            _ => {
                let around = network(*source.expose());
                let of_network = self.networks.one_more(around, now)?;
                self.all = self.limits.handshake_pace.one_more(self.all, now)?;
                self.networks.set(around, of_network, now);
            }
        }
        self.sources.set(source, of_source, now);
        Some(())
    }
}

/// What each has taken of late. Who has all of it back is forgotten: addresses are not kept.
#[derive(Debug)]
struct Shares {
    pace: Pace,
    taken: BTreeMap<Source, Taken>,
    swept: Duration,
}

/// How often those are forgotten who have all of their share back, while others knock.
const SWEEP: Duration = Duration::from_secs(10);

impl Shares {
    const fn new(pace: Pace) -> Self {
        Self {
            pace,
            taken: BTreeMap::new(),
            swept: Duration::ZERO,
        }
    }

    fn one_more(&self, whose: Source, now: Duration) -> Option<Taken> {
        let taken = self.taken.get(&whose).copied().unwrap_or_default();
        self.pace.one_more(taken, now)
    }

    fn set(&mut self, whose: Source, taken: Taken, now: Duration) {
        if self.taken.len() >= KNOCKERS_SWEPT || self.swept + SWEEP <= now {
            self.swept = now;
            self.taken.retain(|_, taken| !taken.is_back(now));
        }
        self.taken.insert(whose, taken);
    }
}

/// Where relays have proven their keys: one source a relay, so that a key buys no others.
#[derive(Debug, Default)]
struct Homes {
    of: BTreeMap<RelayId, Source>,
    at: BTreeMap<Source, RelayId>,
}

impl Homes {
    fn note(&mut self, relay: RelayId, source: Source) {
        if !self.of.contains_key(&relay) && self.of.len() >= RELAYS_MAX {
            return;
        }
        if let Some(before) = self.of.insert(relay, source)
            && self.at.get(&before) == Some(&relay)
        {
            self.at.remove(&before);
        }
        self.at.insert(source, relay);
    }

    fn has(&self, source: Source) -> bool {
        self.at.contains_key(&source)
    }
}

fn one_less(counts: &mut BTreeMap<Source, usize>, whose: Source) {
    match counts.get_mut(&whose) {
        Some(count) if *count > 1 => *count -= 1,
        _ => {
            counts.remove(&whose);
        }
    }
}

#[cfg(test)]
mod tests;
