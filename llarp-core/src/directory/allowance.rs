//! How much strangers may ask.

use core::time::Duration;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::wire::limits::{STRANGER_ASKS, STRANGER_ASKS_A_SECOND};

/// Requests that all strangers together have left: [`STRANGER_ASKS`] at once, and
/// [`STRANGER_ASKS_A_SECOND`].
#[derive(Debug)]
pub(super) struct Allowance(Mutex<Left>);

#[derive(Debug)]
struct Left {
    asks: f64,
    at: Instant,
}

impl Allowance {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Left {
            asks: f64::from(STRANGER_ASKS),
            at: Instant::now(),
        }))
    }

    /// Takes one, if there is one.
    pub(super) fn take(&self) -> bool {
        let left = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let passed: Duration = now.saturating_duration_since(left.at);
        let more = passed.as_secs_f64() * f64::from(STRANGER_ASKS_A_SECOND);
        left.asks = (left.asks + more).min(f64::from(STRANGER_ASKS));
        left.at = now;
        let may = left.asks >= 1.0;
        if may {
            left.asks -= 1.0;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn strangers_have_a_burst_and_then_a_rate() {
        let allowance = Allowance::new();
        let taken = (0..STRANGER_ASKS * 2).filter(|_| allowance.take()).count();
        assert_eq!(taken, STRANGER_ASKS as usize);
        tokio::time::advance(Duration::from_millis(100)).await;
        let taken = (0..STRANGER_ASKS).filter(|_| allowance.take()).count();
        assert_eq!(taken, STRANGER_ASKS_A_SECOND as usize / 10);
    }
}
