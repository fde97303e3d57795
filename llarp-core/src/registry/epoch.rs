//! Time as the whole network counts it: days, and the epochs of onion keys.
//!
//! ```text
//!        day n            day n + 1          day n + 2
//!  ──────┼──────────────────┼──────────────────┼──────
//!        │◀── key epoch k: two days ──────────▶│
//!   ▲ 6 h: its keys are announced              │ 6 h ▲ then they are erased
//! ```

use crate::wire::limits::{EPOCH_SECONDS, KEY_EPOCH_SECONDS, KEY_OVERLAP_SECONDS};

/// A network-wide day, counted from 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch in which the time `unix` lies, in seconds since 1970.
    #[must_use]
    pub const fn at(unix: u64) -> Self {
        Self(unix / EPOCH_SECONDS)
    }

    /// When it begins, in seconds since 1970.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.0.saturating_mul(EPOCH_SECONDS)
    }

    /// The one behind it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// For how long a set of onion keys is in use: two days, for all relays the same two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyEpoch(pub u32);

impl KeyEpoch {
    /// The key epoch in which the time `unix` lies, in seconds since 1970.
    #[must_use]
    pub fn at(unix: u64) -> Self {
        Self(u32::try_from(unix / KEY_EPOCH_SECONDS).unwrap_or(u32::MAX))
    }

    /// When it begins, in seconds since 1970.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.0 as u64 * KEY_EPOCH_SECONDS
    }

    /// From when on a relay announces keys of this epoch, and accepts builds to them.
    #[must_use]
    pub const fn announced(self) -> u64 {
        self.start().saturating_sub(KEY_OVERLAP_SECONDS)
    }

    /// When a relay erases the keys of this epoch, after which nothing that was built to them opens.
    #[must_use]
    pub const fn erased(self) -> u64 {
        self.start() + KEY_EPOCH_SECONDS + KEY_OVERLAP_SECONDS
    }

    /// The one before it.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The one behind it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Whether a relay holds keys of this epoch at the time `unix`.
    #[must_use]
    pub const fn is_open(self, unix: u64) -> bool {
        self.announced() <= unix && unix < self.erased()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600;

    #[test]
    fn a_key_epoch_is_open_six_hours_longer_at_either_end() {
        let epoch = KeyEpoch::at(1_740_000_000);
        assert!(epoch.start() <= 1_740_000_000 && 1_740_000_000 < epoch.next().start());
        assert_eq!(epoch.next().start() - epoch.start(), 48 * HOUR);
        let (first, last) = (
            epoch.start() - 6 * HOUR,
            epoch.next().start() + 6 * HOUR - 1,
        );
        assert!(epoch.is_open(first) && epoch.is_open(last));
        assert!(!epoch.is_open(first - 1) && !epoch.is_open(last + 1));
        // So that no moment has more than two sets of keys, and each has its own.
        for hour in 0..48 {
            let now = epoch.start() + hour * HOUR;
            let open = [epoch.previous(), epoch, epoch.next()].map(|epoch| epoch.is_open(now));
            assert!(open[1] && !(open[0] && open[2]), "hour {hour}: {open:?}");
        }
    }

    #[test]
    fn days_begin_at_midnight() {
        let day = Epoch::at(1_740_000_000);
        assert_eq!(day.start() % (24 * HOUR), 0);
        assert_eq!(Epoch::at(day.next().start()), day.next());
        assert_eq!(Epoch::at(day.next().start() - 1), day);
    }
}
