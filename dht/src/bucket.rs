//! How much one peer may ask.

use core::time::Duration;

use tokio::time::Instant;

use llarp_core::wire::limits::{DHT_ASKS, DHT_ASKS_A_SECOND};

/// What one peer has left: [`DHT_ASKS`] at once, and [`DHT_ASKS_A_SECOND`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    /// When it will be full again. In the past: it is full.
    full_at: Instant,
}

impl Bucket {
    pub(crate) const fn full(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes `cost`; `false` if there is not enough, and nothing is taken.
    pub(crate) fn take(&mut self, now: Instant, cost: u32) -> bool {
        let full_at = self.full_at.max(now) + ONE * cost;
        let enough = full_at.saturating_duration_since(now) <= ONE * DHT_ASKS;
        if enough {
            self.full_at = full_at;
        }
        enough
    }

    /// Takes `cost`, there or not.
    pub(crate) fn charge(&mut self, now: Instant, cost: u32) {
        self.full_at = self.full_at.max(now) + ONE * cost;
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self, now: Instant) -> bool {
        self.full_at.saturating_duration_since(now) >= ONE * DHT_ASKS
    }

    /// Whether it says no more than that there is one.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

/// The time in which one question comes back.
const ONE: Duration = Duration::from_nanos(1_000_000_000 / DHT_ASKS_A_SECOND as u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_a_rate() {
        let mut now = Instant::now();
        let mut bucket = Bucket::full(now);
        let taken = (0..DHT_ASKS * 2).filter(|_| bucket.take(now, 1)).count();
        assert_eq!(taken, DHT_ASKS as usize);
        assert!(bucket.is_empty(now) && !bucket.is_full(now));
        now += Duration::from_millis(250);
        let taken = (0..DHT_ASKS).filter(|_| bucket.take(now, 1)).count();
        assert_eq!(taken, DHT_ASKS_A_SECOND as usize / 4);
    }

    #[test]
    fn a_debt_is_worked_off() {
        let now = Instant::now();
        let mut bucket = Bucket::full(now);
        bucket.charge(now, 2 * DHT_ASKS);
        let one_burst = ONE * DHT_ASKS;
        assert!(bucket.is_empty(now + one_burst - ONE));
        assert!(!bucket.take(now + one_burst - ONE, 1));
        assert!(bucket.take(now + one_burst + ONE, 1));
        assert!(bucket.is_full(now + one_burst * 3));
    }
}
