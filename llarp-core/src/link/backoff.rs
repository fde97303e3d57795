//! How long to wait after a failure. Pure: the random generator is the caller's.

use core::time::Duration;

use rand_core::Rng;

use crate::wire::limits::{BACKOFF_BASE, BACKOFF_CAP};

/// Exponential waits with full jitter: after the n-th failure in a row, uniform between zero and
/// `min(cap, base · 2ⁿ⁻¹)`, so that those who failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits of at most `base` after the first failure, and never above `cap`.
    #[must_use]
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            cap,
            failures: 0,
        }
    }

    /// Notes a failure; how long to wait.
    #[must_use]
    pub fn failed(&mut self, rng: &mut impl Rng) -> Duration {
        self.failures = self.failures.saturating_add(1);
        uniform(self.ceiling(), rng)
    }

    /// Notes a success: the next failure is a first one.
    pub const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// The longest wait that the failures so far allow.
    #[must_use]
    pub fn ceiling(&self) -> Duration {
        match self.failures.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => 2_u32
                .checked_pow(doublings)
                .and_then(|factor| self.base.checked_mul(factor))
                .map_or(self.cap, |wait| wait.min(self.cap)),
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(BACKOFF_BASE, BACKOFF_CAP)
    }
}

fn uniform(ceiling: Duration, rng: &mut impl Rng) -> Duration {
    let nanos = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
    let drawn = (u128::from(nanos) * u128::from(rng.next_u64())) >> 64;
    Duration::from_nanos(u64::try_from(drawn).unwrap_or(nanos))
}
