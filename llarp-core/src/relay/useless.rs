//! What a link brings that is no cell, or of no path: how much of it a relay takes.
//!
//! A relay's link may bring any number of cells of unknown paths: a client can make an honest relay send
//! them, by going on after the next hop has closed its path. A client's are its own.

use crate::hop::Millis;
use crate::wire::limits::{UNKNOWN_CELLS_AT_ONCE, UNKNOWN_CELLS_PER_SECOND, WRONG_LENGTHS_AT_ONCE};

/// Counts of one link.
#[derive(Debug)]
pub(super) struct Useless {
    unknown: Bucket,
    wrong: Bucket,
}

/// Fills with each count, and runs out by `per_second`.
#[derive(Debug)]
struct Bucket {
    thousandths: u64,
    per_second: u64,
    most: u64,
    at: Millis,
}

impl Useless {
    pub(super) const fn new(now: Millis) -> Self {
        Self {
            unknown: Bucket::new(now, UNKNOWN_CELLS_PER_SECOND, UNKNOWN_CELLS_AT_ONCE),
            wrong: Bucket::new(now, 1, WRONG_LENGTHS_AT_ONCE),
        }
    }

    /// A cell came that belongs to no path of the link; whether that is too many.
    pub(super) fn unknown_cell(&mut self, now: Millis) -> bool {
        self.unknown.count(now)
    }

    /// Something came that is no cell by its length; whether that is too much.
    pub(super) fn wrong_length(&mut self, now: Millis) -> bool {
        self.wrong.count(now)
    }
}

impl Bucket {
    const fn new(at: Millis, per_second: u64, most: u64) -> Self {
        Self {
            thousandths: 0,
            per_second,
            most,
            at,
        }
    }

    fn count(&mut self, now: Millis) -> bool {
        let out = now.since(self.at).saturating_mul(self.per_second);
        self.thousandths = self.thousandths.saturating_sub(out).saturating_add(1000);
        self.at = self.at.max(now);
        self.thousandths > self.most.saturating_mul(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_race_brings_is_taken_and_what_goes_on_is_not() {
        let mut useless = Useless::new(Millis(0));
        for _ in 0..UNKNOWN_CELLS_AT_ONCE {
            assert!(!useless.unknown_cell(Millis(0)));
        }
        assert!(useless.unknown_cell(Millis(0)));
        // At the rate, for ever.
        let mut useless = Useless::new(Millis(0));
        for cell in 0..10 * UNKNOWN_CELLS_AT_ONCE {
            let now = Millis(cell * 1000 / UNKNOWN_CELLS_PER_SECOND);
            assert!(!useless.unknown_cell(now), "cell {cell}");
        }
        assert!(!useless.wrong_length(Millis(0)), "each has its own count");
    }

    #[test]
    fn what_is_no_cell_is_taken_less_often() {
        let mut useless = Useless::new(Millis(0));
        let taken = (0..).take_while(|_| !useless.wrong_length(Millis(5)));
        assert_eq!(taken.count() as u64, WRONG_LENGTHS_AT_ONCE);
        assert!(!useless.wrong_length(Millis(5_000)));
    }
}
