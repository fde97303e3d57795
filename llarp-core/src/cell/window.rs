//! Counters: each is accepted once, within a window behind the newest; and when to give up.

use crate::wire::WireError;
use crate::wire::limits::{STRIKES_MAX, WINDOW_CELLS};

/// A cell that an end threw away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cell discarded: {reason}")]
pub struct Discarded {
    /// Why.
    pub reason: Reason,
    /// Whether the path must close now: [`STRIKES_MAX`] cells have failed or come too late.
    pub close: bool,
}

/// Why a cell was thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// No layer shows the zeros: the cell was changed under way, or was never ours.
    #[error("garbled on its way")]
    Garbled,
    /// Its counter was seen before.
    #[error("duplicate of counter {counter}")]
    Duplicate {
        /// The cell's counter.
        counter: u64,
    },
    /// Its counter lies behind the window.
    #[error("counter {counter} is {WINDOW_CELLS} or more behind the newest")]
    TooOld {
        /// The cell's counter.
        counter: u64,
    },
    /// Its counter is one that no honest sender reaches.
    #[error("counter {counter} is beyond the path's life")]
    Spent {
        /// The cell's counter.
        counter: u64,
    },
    /// The sender sealed it, but its fields are wrong.
    #[error(transparent)]
    Malformed(WireError),
}

const WORDS: usize = (WINDOW_CELLS / 64) as usize;

/// A sliding window over the counters of one sender: 4,096 of them, one bit each.
#[derive(Debug, Clone)]
pub struct Window {
    /// One above the newest counter accepted.
    next: u64,
    /// Bit `c % WINDOW_CELLS` tells whether counter `c` was accepted, for the counters
    /// `next - WINDOW_CELLS .. next`.
    seen: [u64; WORDS],
}

impl Default for Window {
    fn default() -> Self {
        Self {
            next: 0,
            seen: [0; WORDS],
        }
    }
}

impl Window {
    /// Accepts `counter` once.
    ///
    /// # Errors
    /// [`Reason::Duplicate`], [`Reason::TooOld`], or [`Reason::Spent`] for `u64::MAX`; the window is then unchanged.
    pub fn accept(&mut self, counter: u64) -> Result<(), Reason> {
        if counter == u64::MAX {
            return Err(Reason::Spent { counter });
        }
        if counter >= self.next {
            self.slide_to(counter);
        } else if self.next - counter > WINDOW_CELLS {
            return Err(Reason::TooOld { counter });
        }
        let (word, bit) = self.slot(counter);
        if *word & bit != 0 {
            return Err(Reason::Duplicate { counter });
        }
        *word |= bit;
        Ok(())
    }

    /// Makes `counter` the newest and forgets what falls out; at most one pass over the window.
    fn slide_to(&mut self, counter: u64) {
        if counter - self.next >= WINDOW_CELLS {
            self.seen = [0; WORDS];
        } else {
            for skipped in self.next..=counter {
                let (word, bit) = self.slot(skipped);
                *word &= !bit;
            }
        }
        self.next = counter + 1;
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a remainder by the array's own length"
    )]
    const fn slot(&mut self, counter: u64) -> (&mut u64, u64) {
        let index = (counter / 64) as usize % WORDS;
        (&mut self.seen[index], 1 << (counter % 64))
    }
}

/// Counts what an honest end must not put up with.
#[derive(Debug, Clone, Default)]
pub(super) struct Strikes(u8);

impl Strikes {
    /// A discarded cell; duplicates within the window are the network's doing and do not count.
    pub(super) const fn discard(&mut self, reason: Reason) -> Discarded {
        if !matches!(reason, Reason::Duplicate { .. }) {
            self.0 = self.0.saturating_add(1);
        }
        Discarded {
            reason,
            close: self.0 >= STRIKES_MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn duplicates_and_old_counters_are_refused() {
        let mut window = Window::default();
        assert_eq!(window.accept(5), Ok(()));
        assert_eq!(window.accept(5), Err(Reason::Duplicate { counter: 5 }));
        assert_eq!(window.accept(3), Ok(()));
        assert_eq!(window.accept(5 + WINDOW_CELLS), Ok(()));
        assert_eq!(window.accept(5), Err(Reason::TooOld { counter: 5 }));
        assert_eq!(window.accept(6), Ok(()));
        assert_eq!(window.accept(u64::MAX - 1), Ok(()));
        let counter = u64::MAX;
        assert_eq!(window.accept(counter), Err(Reason::Spent { counter }));
    }

    #[test]
    fn third_strike_closes_and_duplicates_are_no_strikes() {
        let mut strikes = Strikes::default();
        assert!(!strikes.discard(Reason::Garbled).close);
        assert!(!strikes.discard(Reason::Duplicate { counter: 1 }).close);
        assert!(!strikes.discard(Reason::TooOld { counter: 1 }).close);
        assert!(strikes.discard(Reason::Garbled).close);
    }

    proptest! {
        /// Against the obvious model: a set of all counters, and the newest.
        #[test]
        fn window_agrees_with_its_model(steps in prop::collection::vec((any::<bool>(), 0u64..9000), 1..400)) {
            let (mut window, mut seen, mut next) = (Window::default(), HashSet::new(), 0u64);
            for (forward, step) in steps {
                let counter = if forward { next + step } else { next.saturating_sub(step) };
                let expected = if counter < next && next - counter > WINDOW_CELLS {
                    Err(Reason::TooOld { counter })
                } else if seen.insert(counter) {
                    next = next.max(counter + 1);
                    Ok(())
                } else {
                    Err(Reason::Duplicate { counter })
                };
                prop_assert_eq!(window.accept(counter), expected);
            }
        }
    }
}
