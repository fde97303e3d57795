//! Epochs: the network-wide day by which introset keys change, on the wall clock.

use core::fmt;

/// Seconds of an epoch.
pub const EPOCH_SECS: u64 = 24 * 60 * 60;

/// A network-wide day, counted from 1970-01-01 00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The epoch of a wall-clock time in seconds since 1970. Times past the year 11 million
    /// saturate.
    #[must_use]
    pub fn at(unix_secs: u64) -> Self {
        Self(u32::try_from(unix_secs / EPOCH_SECS).unwrap_or(u32::MAX))
    }

    /// The wall-clock second at which the epoch begins.
    #[must_use]
    pub fn start(self) -> u64 {
        u64::from(self.0) * EPOCH_SECS
    }

    /// The epoch after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The epoch before this one.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_utc() {
        let epoch = Epoch::at(1_700_000_000);
        assert_eq!(epoch, Epoch(19_675));
        assert_eq!(Epoch::at(epoch.start() - 1), epoch.previous());
        assert_eq!(Epoch::at(epoch.next().start()), epoch.next());
        assert_eq!(Epoch::at(u64::MAX), Epoch(u32::MAX));
    }
}
