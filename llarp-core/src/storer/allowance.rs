//! How much strangers may ask of the storers through one terminal.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::introset::message::Request;
use crate::wire::limits::{INTROSET_ASKS, INTROSET_ASKS_A_SECOND, PUBLISH_ASKS};

/// What all strangers together have left: [`INTROSET_ASKS`] at once, and [`INTROSET_ASKS_A_SECOND`].
/// One that stores costs [`PUBLISH_ASKS`].
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
            asks: f64::from(INTROSET_ASKS),
            at: Instant::now(),
        }))
    }

    /// Takes what `request` costs; the error is after how many seconds it could.
    pub(super) fn take(&self, request: &Request) -> Result<(), u32> {
        let cost = match request {
            Request::Publish { .. } => f64::from(PUBLISH_ASKS),
            Request::Fetch(_) => 1.0,
        };
        let left = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let passed = now.saturating_duration_since(left.at).as_secs_f64();
        let rate = f64::from(INTROSET_ASKS_A_SECOND);
        left.asks = (left.asks + passed * rate).min(f64::from(INTROSET_ASKS));
        left.at = now;
        if left.asks >= cost {
            left.asks -= cost;
            return Ok(());
        }
        // Of a second at most, as the rate is above what one request costs.
        Err(1)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::introset::Location;

    #[tokio::test(start_paused = true)]
    async fn strangers_have_a_burst_and_then_a_rate() {
        let allowance = Allowance::new();
        let fetch = Request::Fetch(Location([0; 32]));
        let taken = || (0..).take_while(|_| allowance.take(&fetch).is_ok()).count();
        assert_eq!(taken(), INTROSET_ASKS as usize);
        assert_eq!(allowance.take(&fetch), Err(1));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(taken(), INTROSET_ASKS_A_SECOND as usize);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(taken(), INTROSET_ASKS as usize);
    }
}
