//! When a path ends, and when its successor must be started.

use rand_core::Rng;

use super::{Millis, draw};
use crate::wire::limits::{PATH_CELLS_MAX, PATH_LIFE_MILLIS};

/// A client closes a path when this share of a relay's ten minutes is over, in percent: never the
/// same for two paths, and early enough that no relay closes first.
const LIFE_PERCENT: (u64, u64) = (70, 95);
/// The same for cells in one direction.
const CELLS_PERCENT: (u64, u64) = (75, 90);
/// The successor is started so long before: several builds, should the first ones fail.
const LEAD_MILLIS: u64 = 30_000;
/// Or when this share of the cells is used up, in percent: two seconds before at 100,000 cells/s.
const LEAD_CELLS_PERCENT: u64 = 75;

/// What is to be done about a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing.
    Fresh,
    /// Its successor must be started; this one still carries.
    Replace,
    /// It carries nothing new: close it, once its successor stands.
    Retire,
}

/// The planned life of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathLife {
    retire_at: Millis,
    replace_at: Millis,
    cells: u64,
}

impl PathLife {
    /// The life of a path whose build is *sent* now. Relays count from their answers, so their ten
    /// minutes end later than those that are counted here.
    #[must_use]
    pub fn plan(build_sent: Millis, rng: &mut impl Rng) -> Self {
        let percent = |whole: u64, (low, high): (u64, u64)| (whole / 100 * low, whole / 100 * high);
        let (low, high) = percent(PATH_LIFE_MILLIS, LIFE_PERCENT);
        let life = draw::between(low, high, rng);
        let (low, high) = percent(PATH_CELLS_MAX, CELLS_PERCENT);
        Self {
            retire_at: build_sent.plus(life),
            replace_at: build_sent.plus(life - LEAD_MILLIS),
            cells: draw::between(low, high, rng),
        }
    }

    /// Of four plans the one that ends furthest from those of `others`, so that paths which serve
    /// together do not end together.
    #[must_use]
    pub fn plan_apart(build_sent: Millis, others: &[Self], rng: &mut impl Rng) -> Self {
        let gap = |plan: &Self| {
            let apart = |other: &Self| plan.retire_at.0.abs_diff(other.retire_at.0);
            others.iter().map(apart).min().unwrap_or(u64::MAX)
        };
        let first = Self::plan(build_sent, rng);
        (0..3).fold(first, |best, _| {
            let other = Self::plan(build_sent, rng);
            if gap(&other) > gap(&best) {
                other
            } else {
                best
            }
        })
    }

    /// What is to be done now, after so many cells in the direction that has more.
    #[must_use]
    pub const fn stage(&self, now: Millis, cells: u64) -> Stage {
        if now.0 >= self.retire_at.0 || cells >= self.cells {
            Stage::Retire
        } else if now.0 >= self.replace_at.0 || cells >= self.cells / 100 * LEAD_CELLS_PERCENT {
            Stage::Replace
        } else {
            Stage::Fresh
        }
    }

    /// When the path is closed at the latest.
    #[must_use]
    pub const fn retire_at(&self) -> Millis {
        self.retire_at
    }

    /// When the stage changes next, if no cells do it before.
    #[must_use]
    pub fn wakes_at(&self, now: Millis) -> Millis {
        if now < self.replace_at {
            self.replace_at
        } else {
            self.retire_at
        }
    }
}
