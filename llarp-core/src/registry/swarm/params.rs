//! What a network decides about its swarms.

use crate::wire::limits::{SWARM_STIRS_MAX, SWARM_TARGET_MAX};

/// How large swarms are, and how much a newcomer stirs. Part of a snapshot's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwarmParams {
    target: u8,
    least: u8,
    stirs: u8,
}

/// Why numbers are no parameters of swarms. For whoever signs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SwarmParamsError {
    /// No room for hysteresis: one leave would dissolve the swarm that one join made.
    #[error("the least size must be from 1 to one below the target {target}, not {least}")]
    Least {
        /// Members that a swarm is made for.
        target: u8,
        /// Members below which it is refilled, as given.
        least: u8,
    },
    /// More members than messages are worth copying to.
    #[error("a swarm's target is at most {SWARM_TARGET_MAX} members, {target} given")]
    Target {
        /// Members that a swarm is made for, as given.
        target: u8,
    },
    /// More moves than a newcomer is worth.
    #[error("a newcomer stirs at most {SWARM_STIRS_MAX} pairs, {stirs} given")]
    Stirs {
        /// Pairs that change places for each newcomer, as given.
        stirs: u8,
    },
}

impl SwarmParams {
    /// Nine members, no fewer than seven, three stirs: `docs/spec/11-swarms.md` §7 has the figures
    /// that the three were chosen by.
    pub const DEFAULT: Self = Self {
        target: 9,
        least: 7,
        stirs: 3,
    };

    /// Swarms made for `target` members and refilled below `least`; `stirs` pairs of members change
    /// places for each newcomer.
    ///
    /// # Errors
    /// [`SwarmParamsError`] names the number that is out of bounds.
    pub const fn new(target: u8, least: u8, stirs: u8) -> Result<Self, SwarmParamsError> {
        if target > SWARM_TARGET_MAX {
            return Err(SwarmParamsError::Target { target });
        }
        if least == 0 || least >= target {
            return Err(SwarmParamsError::Least { target, least });
        }
        if stirs > SWARM_STIRS_MAX {
            return Err(SwarmParamsError::Stirs { stirs });
        }
        Ok(Self {
            target,
            least,
            stirs,
        })
    }

    /// Members that a swarm is made for: a further swarm opens when all could have as many.
    #[must_use]
    pub const fn target(&self) -> u8 {
        self.target
    }

    /// Members below which a swarm is refilled.
    #[must_use]
    pub const fn least(&self) -> u8 {
        self.least
    }

    /// Pairs of members that change places for each newcomer.
    #[must_use]
    pub const fn stirs(&self) -> u8 {
        self.stirs
    }

    /// How many swarms `relays` relays form that formed `before` until now.
    ///
    /// Between the two bounds nothing changes, so that a relay that comes and goes moves nothing.
    pub(super) fn swarms(&self, relays: usize, before: usize) -> usize {
        let (target, floor) = (usize::from(self.target), usize::from(self.least) + 1);
        let wanted = if relays >= (before + 1) * target {
            relays / target
        } else if relays < before * floor {
            relays / floor
        } else {
            before
        };
        // Whoever there is forms one, however few.
        wanted.max(relays.min(1))
    }
}

impl Default for SwarmParams {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_bounds_are_refused_by_name() {
        use SwarmParamsError as E;
        let default = SwarmParams::DEFAULT;
        assert_eq!(SwarmParams::new(9, 7, 3), Ok(default));
        assert!(SwarmParams::new(8, 5, 0).is_ok(), "the blog's 5 to 8");
        let least = |target, least| Err(E::Least { target, least });
        assert_eq!(SwarmParams::new(9, 9, 3), least(9, 9));
        assert_eq!(SwarmParams::new(9, 0, 3), least(9, 0));
        assert_eq!(SwarmParams::new(0, 0, 3), least(0, 0));
        assert_eq!(SwarmParams::new(65, 7, 3), Err(E::Target { target: 65 }));
        assert_eq!(SwarmParams::new(9, 7, 17), Err(E::Stirs { stirs: 17 }));
    }

    #[test]
    fn one_that_comes_and_goes_neither_opens_nor_dissolves_twice() {
        let params = SwarmParams::DEFAULT;
        assert_eq!([0, 1, 8, 17].map(|n| params.swarms(n, 0)), [0, 1, 1, 1]);
        assert_eq!(params.swarms(18, 1), 2);
        assert_eq!(params.swarms(17, 2), 2);
        assert_eq!(params.swarms(16, 2), 2);
        assert_eq!(params.swarms(15, 2), 1);
        assert_eq!(params.swarms(16, 1), 1);
        assert_eq!(params.swarms(0, 5), 0);
        assert_eq!(params.swarms(3, 5), 1);
    }
}
