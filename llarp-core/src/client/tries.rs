//! The tries of one build: which are under way, and what those that failed say together.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::{PathError, TryFailed};
use crate::build::{BuildFailed, Cause, Minute, Status};
use crate::crypto::identity::RelayId;
use crate::link::DialError;
use crate::path::Route;

/// Builds of one path under way at a time: one may wait for a dead guard, one for a dead relay behind.
pub(super) const TRIES_AT_ONCE: usize = 3;

/// What became of the tries so far.
pub(super) struct Tries {
    pub(super) started: u32,
    under_way: Vec<RelayId>,
    /// First hops that said that clocks differ, and by how many minutes ours is ahead.
    clocks: BTreeMap<RelayId, (Route, i64)>,
    /// First hops that said anything else.
    others: BTreeSet<RelayId>,
    last: TryFailed,
    /// Why a guard was not linked, unless one was.
    unlinked: Option<DialError>,
    linked: bool,
    /// A path that is silent or may be one day: who is on it had better not be on another one.
    silent: Option<Route>,
}

impl Tries {
    pub(super) const fn new(silent: Option<Route>) -> Self {
        Self {
            silent,
            started: 0,
            under_way: Vec::new(),
            clocks: BTreeMap::new(),
            others: BTreeSet::new(),
            last: TryFailed::TimedOut,
            unlinked: None,
            linked: false,
        }
    }

    pub(super) const fn have_room(&self) -> bool {
        self.under_way.len() < TRIES_AT_ONCE
    }

    pub(super) const fn any_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// What speaks against a try over this route, the least first: that it shares relays with a path
    /// that is silent; that the guard tells no more than it has, since a try over it is under way or
    /// it has said that clocks differ.
    pub(super) fn doubts(&self, route: &Route) -> u32 {
        let silent = self.silent.as_ref().map_or(&[][..], Route::hops);
        let hops = route.hops();
        let told = hops
            .first()
            .is_none_or(|guard| self.under_way.contains(guard) || self.clocks.contains_key(guard));
        shared(hops, silent) + 8 * u32::from(told)
    }

    pub(super) fn start(&mut self, route: &Route) {
        self.started += 1;
        self.under_way.extend(route.hops().first());
    }

    /// A try has failed; `now` is our own clock.
    pub(super) fn failed(&mut self, route: &Route, failed: TryFailed, now: Minute) {
        let Some(guard) = route.hops().first() else {
            return;
        };
        let at = self.under_way.iter().position(|other| other == guard);
        if let Some(at) = at {
            self.under_way.swap_remove(at);
        }
        match (&failed, failed.clock_of_guard()) {
            (_, Some(theirs)) => {
                let ahead = i64::from(now.0) - i64::from(theirs.0);
                self.clocks.insert(*guard, (route.clone(), ahead));
            }
            (TryFailed::Failed(BuildFailed { hop: 1.., .. }), None) => {
                self.others.insert(*guard);
            }
            _ => (),
        }
        match failed {
            TryFailed::Guard(DialError::BackingOff { .. }) | TryFailed::Left => (),
            TryFailed::Guard(error) => self.unlinked = Some(error),
            _ => self.linked = true,
        }
        self.last = failed;
    }

    /// Whether the last try did not reach its guard.
    pub(super) const fn lacks_guard(&self) -> bool {
        matches!(self.last, TryFailed::Guard(_))
    }

    /// The error, if more first hops than one, and more than half, say that clocks differ.
    pub(super) fn clock_is_wrong(&self) -> Option<PathError> {
        let said = self.clocks.len();
        if said < 2 || said <= self.others.len() {
            return None;
        }
        let mut ahead: Vec<_> = self.clocks.values().map(|(_, ahead)| *ahead).collect();
        ahead.sort_unstable();
        let minutes = ahead.get(said / 2).copied()?;
        Some(PathError::ClockSkew { minutes })
    }

    /// Routes over guards that said that clocks differ, when another has shown that they do not.
    pub(super) fn false_clocks(self) -> impl Iterator<Item = Route> {
        self.clocks.into_values().map(|(route, _)| route)
    }

    /// The error when time is over.
    pub(super) fn give_up(self) -> PathError {
        let tries = self.started;
        match self.unlinked {
            Some(last) if !self.linked => PathError::NoGuard { tries, last },
            _ => PathError::GaveUp {
                tries,
                last: self.last,
            },
        }
    }
}

/// What speaks against hops since a path is silent: the least its guard, more a hop between, whose
/// link nobody sees; wherever they are, since who was between may be a guard, too. Its terminal is
/// wanted.
fn shared(hops: &[RelayId], silent: &[RelayId]) -> u32 {
    let doubt = |relay| match silent.iter().position(|other| other == relay) {
        Some(0) => 1,
        Some(at) if at + 1 < silent.len() => 2,
        _ => 0,
    };
    hops.iter().map(doubt).sum()
}

impl TryFailed {
    /// The first hop's clock, if it says, authenticated, that clocks differ.
    pub(super) const fn clock_of_guard(&self) -> Option<Minute> {
        match self {
            Self::Failed(BuildFailed {
                hop: 0,
                cause:
                    Cause::Refused {
                        status: Status::ClockSkew,
                        minute,
                    },
                ..
            }) => Some(*minute),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_hop_is_doubted_wherever_it_is_and_the_terminal_nowhere() {
        let relays = |hops: [u8; 3]| hops.map(|n| RelayId([n; 32]));
        let doubts = |hops| shared(&relays(hops), &relays([1, 2, 3]));
        assert_eq!(doubts([4, 5, 3]), 0, "the terminal is wanted");
        assert_eq!((doubts([1, 5, 3]), doubts([4, 1, 3])), (1, 1));
        assert_eq!((doubts([2, 5, 3]), doubts([4, 2, 3])), (2, 2));
        assert_eq!(doubts([1, 2, 3]), 3);
    }
}
