//! The words of this layer: what a path is to the driver, what a cell becomes, how a path ends.

use core::ops::Range;

use crate::cell::{CloseReason, MiddleHop, PathId, Reason, TerminalHop};

/// A link, as the driver numbers it. Numbers are not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// A path in one table. Refers to nothing once the path is closed, never to another path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathRef {
    pub(super) index: u32,
    pub(super) serial: u64,
}

impl PathRef {
    /// The same as one number below 2⁹⁶, for layers that know no tables.
    #[must_use]
    pub const fn to_number(self) -> u128 {
        (self.serial as u128) << 32 | self.index as u128
    }

    /// The path of that number.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the parts that to_number put together"
    )]
    pub const fn from_number(number: u128) -> Self {
        Self {
            index: number as u32,
            serial: (number >> 32) as u64,
        }
    }
}

/// One side of a path: the neighbour there, and the ids of both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// The link to the neighbour.
    pub link: LinkId,
    /// The id under which the neighbour's cells arrive here; drawn by
    /// [`PathTable::draw_id`](super::PathTable::draw_id).
    pub ours: PathId,
    /// The id that the neighbour wants on cells from here.
    pub theirs: PathId,
}

/// A path as a build leaves it, by the relay's part in it.
pub enum NewPath {
    /// The relay forwards between two sides.
    Middle {
        /// Its layers.
        hop: MiddleHop,
        /// Towards the client.
        prev: Side,
        /// Towards the terminal.
        next: Side,
    },
    /// The relay is the terminal.
    Terminal {
        /// Its layers.
        hop: TerminalHop,
        /// Towards the client.
        prev: Side,
    },
}

impl NewPath {
    pub(crate) const fn prev(&self) -> &Side {
        match self {
            Self::Middle { prev, .. } | Self::Terminal { prev, .. } => prev,
        }
    }

    pub(crate) const fn next(&self) -> Option<&Side> {
        match self {
            Self::Middle { next, .. } => Some(next),
            Self::Terminal { .. } => None,
        }
    }
}

/// What became of a cell. The driver acts on it; the cell is still in its buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Send the buffer, now re-addressed, over `link`.
    Forward {
        /// Where to.
        link: LinkId,
        /// Which path it is queued for.
        path: PathRef,
    },
    /// A packet for this terminal: the bytes `data` of the buffer.
    Deliver {
        /// Of which path.
        path: PathRef,
        /// Where in the cell.
        data: Range<usize>,
    },
    /// A question was answered in place: send the buffer over `link`, back towards the client.
    Answer {
        /// Where to.
        link: LinkId,
        /// Which path it is queued for.
        path: PathRef,
    },
    /// The path is gone.
    Closed(Closing),
    /// It had no effect, as it should.
    Absorbed,
    /// It died here. For counting only: nothing is sent.
    Drop(DropReason),
}

/// Why a cell died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DropReason {
    /// No path has this id.
    #[error("no path has this id")]
    UnknownPath,
    /// A path has this id, but on another link.
    #[error("the id belongs to another link")]
    ForeignLink,
    /// The path's time is over; it closes with the next call of
    /// [`PathTable::expire`](super::PathTable::expire).
    #[error("the path's time is over")]
    Expired,
    /// The same bytes came before.
    #[error("a copy of an earlier cell")]
    Copy,
    /// The onion layer refuses it.
    #[error(transparent)]
    Discarded(Reason),
}

/// A path that was closed, and whom to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Closing {
    /// The path; it refers to nothing any more.
    pub path: PathRef,
    /// Why.
    pub reason: CloseReason,
    /// The link over which its cells came up; its caps are to be given back to
    /// [`BuildAdmission`](super::BuildAdmission).
    pub prev: LinkId,
    /// Whether the caller's buffer now holds a CLOSED cell, to be sent over `prev`.
    pub cell: bool,
    /// What to tell the next hop.
    pub next: Option<CloseNext>,
    /// Its cells.
    pub counts: Counts,
}

/// A message between two neighbours: the sender forgets this path, and will carry no cell of it.
/// Only the client can seal cells upstream, hence not a cell (`docs/spec/04-hop.md` §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseNext {
    /// The link to send it over.
    pub link: LinkId,
    /// The id that cells of the path bear there.
    pub path_id: PathId,
}

/// Cells of a path. Dropped ones are not among them, so that a neighbour cannot cover a loss with
/// copies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// From the client's side, accepted.
    pub up_in: u64,
    /// Towards the terminal's side, forwarded.
    pub up_out: u64,
    /// From the terminal's side, accepted.
    pub down_in: u64,
    /// Towards the client's side: forwarded, answered and sealed here.
    pub down_out: u64,
}
