//! How often something may happen: so often at once, and so often a second for ever. Pure.
//!
//! ```text
//!      now            back: all that was taken has come back
//!  ─────┼───────────────┼──────────────────────▶
//!       │◀── taken ────▶│  never longer than at_once / per_second
//! ```

use core::time::Duration;

/// So many at once, and so many a second for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// At once, by whoever has taken none for a while.
    pub at_once: u32,
    /// A second; at least one.
    pub per_second: u32,
}

/// What was taken at a pace, by when all of it will have come back. Times are since any beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Taken(Duration);

impl Pace {
    /// One more than `taken`, if it may be taken at `now`.
    pub(super) fn one_more(self, taken: Taken, now: Duration) -> Option<Taken> {
        let each = Duration::from_secs(1) / self.per_second.max(1);
        let back = taken.0.max(now).saturating_add(each);
        let longest = each.saturating_mul(self.at_once);
        (back.saturating_sub(now) <= longest).then_some(Taken(back))
    }
}

impl Taken {
    /// Whether nothing is taken any more, so that nothing need be remembered.
    pub(super) fn is_back(self, now: Duration) -> bool {
        self.0 <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        at_once: 5,
        per_second: 3,
    };

    /// How many may be taken at `now`.
    fn all(taken: &mut Taken, now: Duration) -> usize {
        let more = || PACE.one_more(*taken, now).map(|more| *taken = more);
        core::iter::repeat_with(more)
            .take_while(Option::is_some)
            .count()
    }

    #[test]
    fn so_many_are_taken_at_once_and_so_many_a_second() {
        let (mut taken, mut now) = (Taken::default(), Duration::from_secs(100));
        assert_eq!(all(&mut taken, now), 5);
        for _ in 0..10 {
            now += Duration::from_secs(1);
            assert_eq!(all(&mut taken, now), 3);
        }
        assert!(!taken.is_back(now));
        now += Duration::from_secs(60);
        assert!(taken.is_back(now));
        assert_eq!(all(&mut taken, now), 5, "time saves up no more than that");
    }

    #[test]
    fn a_pace_of_nothing_at_once_lets_nothing_pass() {
        let nothing = Pace { at_once: 0, ..PACE };
        assert_eq!(nothing.one_more(Taken::default(), Duration::ZERO), None);
    }
}
