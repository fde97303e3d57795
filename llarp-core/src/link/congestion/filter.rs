//! What was highest and what was shortest of late.

use core::time::Duration;

/// Rounds that a highest value lasts: a whole probing cycle and some.
const ROUNDS: usize = 10;

/// The highest value of the round that runs and of those before it.
#[derive(Debug, Clone, Default)]
pub(super) struct Highest {
    /// The highest of each round, the youngest first.
    rounds: [u64; ROUNDS],
}

impl Highest {
    pub(super) fn note(&mut self, value: u64) {
        let [youngest, ..] = &mut self.rounds;
        *youngest = value.max(*youngest);
    }

    pub(super) fn get(&self) -> u64 {
        self.rounds.iter().copied().max().unwrap_or(0)
    }

    /// A round is over.
    pub(super) const fn advance(&mut self) {
        self.rounds.rotate_right(1);
        let [youngest, ..] = &mut self.rounds;
        *youngest = 0;
    }

    /// Nothing was higher than `value` after all.
    pub(super) fn lower_to(&mut self, value: u64) {
        for round in &mut self.rounds {
            *round = value.min(*round);
        }
    }
}

/// The shortest round trip, and when it was last seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shortest {
    value: Duration,
    seen: Duration,
}

impl Shortest {
    pub(super) const fn new(value: Duration, now: Duration) -> Self {
        Self { value, seen: now }
    }

    pub(super) const fn get(&self) -> Duration {
        self.value
    }

    /// A sixteenth more is still the same round trip: timers are not exact.
    pub(super) fn note(&mut self, value: Duration, now: Duration) {
        if value <= self.value + self.value / 16 {
            self.seen = now;
        }
        self.value = self.value.min(value);
    }

    pub(super) const fn unseen_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.seen)
    }
}
