//! The wall clock, as the drivers read it: the machine's, or one that follows virtual time.
//!
//! In: nothing. Out: seconds and minutes since 1970. *Not* here: monotonic time, which is tokio's.

use core::time::Duration;
use std::time::SystemTime;

use tokio::time::Instant;

use crate::build::Minute;

/// What time it is. Clones tell the same time.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Source);

#[derive(Debug, Clone, Copy)]
enum Source {
    System,
    Set { unix: Duration, at: Instant },
}

impl Clock {
    /// The machine's own clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that says `unix` (since 1970) now, and goes on with tokio's time: for virtual time,
    /// and for machines whose clock is wrong. In a tokio runtime.
    #[must_use]
    pub fn set_to(unix: Duration) -> Self {
        let at = Instant::now();
        Self(Source::Set { unix, at })
    }

    /// Time since 1970. Before 1970 it is 1970.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
    pub fn unix(&self) -> Duration {
        match self.0 {
            Source::System => SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
            Source::Set { unix, at } => unix.saturating_add(at.elapsed()),
        }
    }

    /// The minute that stamps of builds are compared with.
    #[must_use]
    pub fn minute(&self) -> Minute {
        Minute::at(self.unix().as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_set_clock_follows_virtual_time() {
        let clock = Clock::set_to(Duration::from_secs(600));
        assert_eq!(clock.minute(), Minute(10));
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.unix(), Duration::from_secs(690));
        assert_eq!(clock.minute(), Minute(11));
    }
}
