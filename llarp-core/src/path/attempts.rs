//! How often paths towards one target are tried.
//!
//! Whoever chooses the target can make builds fail, and each new one shows it a fresh third hop: so
//! builds towards one target wait longer after each failure, and an hour has a cap.

use core::fmt;
use std::collections::{BTreeMap, VecDeque};

use rand_core::Rng;

use super::{Millis, draw};
use crate::wire::limits::{TARGET_BUILDS_PER_HOUR, TARGETS_MAX};

const HOUR_MILLIS: u64 = 60 * 60 * 1000;
/// The wait after a first failure, at most.
const WAIT_MILLIS: u64 = 1000;
/// The wait after many failures, at most.
const WAIT_MAX_MILLIS: u64 = 10 * 60 * 1000;

/// Not now: too many builds towards this target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("builds towards this target wait for {millis} ms")]
pub struct WaitFor {
    /// How long to wait.
    pub millis: u64,
}

/// Builds towards each target of the last hour. A target is whatever somebody else chose: a relay's
/// id, or an address.
#[derive(Default)]
pub struct Attempts {
    targets: BTreeMap<[u8; 32], Target>,
}

#[derive(Default)]
struct Target {
    /// When builds were started, at most [`TARGET_BUILDS_PER_HOUR`].
    starts: VecDeque<Millis>,
    failures: u32,
    not_before: Millis,
}

impl Attempts {
    /// No builds yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a build towards `target`, if it may start now.
    ///
    /// # Errors
    /// [`WaitFor`]; nothing is then counted.
    pub fn start(&mut self, target: [u8; 32], now: Millis) -> Result<(), WaitFor> {
        if !self.targets.contains_key(&target) {
            self.make_room(now);
        }
        let counted = self.targets.entry(target).or_default();
        counted.forget(now);
        let free = match counted.starts.front() {
            Some(first) if counted.starts.len() >= TARGET_BUILDS_PER_HOUR => {
                first.plus(HOUR_MILLIS)
            }
            _ => now,
        };
        match free.max(counted.not_before).since(now) {
            0 => {
                counted.starts.push_back(now);
                Ok(())
            }
            millis => Err(WaitFor { millis }),
        }
    }

    /// A build towards `target` failed: the next waits, twice as long each time, with jitter.
    pub fn failed(&mut self, target: &[u8; 32], now: Millis, rng: &mut impl Rng) {
        if let Some(target) = self.targets.get_mut(target) {
            let most = 1_u64
                .checked_shl(target.failures)
                .and_then(|factor| WAIT_MILLIS.checked_mul(factor))
                .map_or(WAIT_MAX_MILLIS, |wait| wait.min(WAIT_MAX_MILLIS));
            target.failures = target.failures.saturating_add(1).min(32);
            target.not_before = now.plus(draw::between(most / 2, most, rng));
        }
    }

    /// A path to `target` carries cells. The hour's count stays.
    pub fn succeeded(&mut self, target: &[u8; 32]) {
        if let Some(target) = self.targets.get_mut(target) {
            target.failures = 0;
            target.not_before = Millis::default();
        }
    }

    /// How many targets are remembered.
    #[must_use]
    pub fn targets(&self) -> usize {
        self.targets.len()
    }

    /// Forgets whom an hour has passed over; if all are fresh, the one that was tried longest ago.
    fn make_room(&mut self, now: Millis) {
        if self.targets.len() < TARGETS_MAX {
            return;
        }
        self.targets.retain(|_, target| {
            target.forget(now);
            !target.starts.is_empty() || target.not_before > now
        });
        if self.targets.len() >= TARGETS_MAX {
            let last = |target: &Target| target.starts.back().copied();
            let oldest = self.targets.iter().min_by_key(|(_, target)| last(target));
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.targets.remove(&oldest);
            }
        }
    }
}

impl Target {
    fn forget(&mut self, now: Millis) {
        while self
            .starts
            .front()
            .is_some_and(|start| now.since(*start) >= HOUR_MILLIS)
        {
            self.starts.pop_front();
        }
    }
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attempts({} targets, redacted)", self.targets.len())
    }
}
