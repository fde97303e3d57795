//! One path at a relay: its layers, its two sides, what a cell of it becomes.

use core::ops::Range;

use super::filter::{Budget, Filter, PlaceKey};
use super::{Cell, Millis};
use crate::cell::{
    Body, CloseReason, Command, Content, Discarded, MiddleHop, PathId, Peeled, Probe, Reason,
    SealError, TerminalHop,
};
use crate::wire::limits::{CELL_HEADER_LEN, PATH_ID_LEN};

/// A link, as the driver numbers it. Numbers are not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// A path in one table. Refers to nothing once the path is closed, never to another path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathRef {
    pub(super) index: u32,
    pub(super) serial: u64,
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
    pub(super) const fn prev(&self) -> &Side {
        match self {
            Self::Middle { prev, .. } | Self::Terminal { prev, .. } => prev,
        }
    }

    pub(super) const fn next(&self) -> Option<&Side> {
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

/// What a cell does to its path.
pub(super) enum Effect {
    Forward(LinkId),
    Deliver(Range<usize>),
    Answer(LinkId),
    /// Close the path, and `tell` the client about it unless it was the client's own word.
    Close {
        reason: CloseReason,
        tell: bool,
    },
    Absorbed,
    Drop(DropReason),
}

/// A path that may carry no more cells: nothing can be sealed to tell the client, who counts, too.
const SPENT: Effect = Effect::Close {
    reason: CloseReason::Done,
    tell: false,
};

/// What all paths of a relay share.
pub(super) struct Shared {
    pub(super) key: PlaceKey,
    pub(super) budget: Budget,
}

pub(super) struct Path {
    pub(super) serial: u64,
    pub(super) expires: Millis,
    pub(super) parts: NewPath,
    pub(super) counts: Counts,
    up_seen: Filter,
    down_seen: Filter,
}

impl Path {
    pub(super) fn new(serial: u64, expires: Millis, parts: NewPath) -> Self {
        Self {
            serial,
            expires,
            parts,
            counts: Counts::default(),
            up_seen: Filter::default(),
            down_seen: Filter::default(),
        }
    }

    /// Bytes of its filters.
    pub(super) const fn filter_bytes(&self) -> usize {
        self.up_seen.bytes() + self.down_seen.bytes()
    }

    /// A cell from the client's side.
    pub(super) fn handle_up(
        &mut self,
        shared: &mut Shared,
        id: &mut PathId,
        body: &mut Body,
    ) -> Effect {
        if !self.up_seen.is_new(body, shared.key, &mut shared.budget) {
            return Effect::Drop(DropReason::Copy);
        }
        let read = match &mut self.parts {
            NewPath::Middle { hop, next, .. } => match hop.peel(body) {
                Ok(Peeled::Onward) => {
                    self.counts.up_in += 1;
                    self.counts.up_out += 1;
                    *id = next.theirs;
                    return Effect::Forward(next.link);
                }
                Ok(Peeled::Ours { command, data }) => Ok(Own::read(command, data, false)),
                Err(discarded) => Err(discarded),
            },
            NewPath::Terminal { hop, .. } => hop
                .open(body)
                .map(|(command, data)| Own::read(command, data, true)),
        };
        match read {
            Ok(own) => {
                self.counts.up_in += 1;
                self.act(own, id, body)
            }
            Err(Discarded { close: true, .. }) => Effect::Close {
                reason: CloseReason::Garbled,
                tell: true,
            },
            Err(Discarded { reason, .. }) => Effect::Drop(DropReason::Discarded(reason)),
        }
    }

    /// A cell from the terminal's side.
    pub(super) fn handle_down(
        &mut self,
        shared: &mut Shared,
        id: &mut PathId,
        body: &mut Body,
    ) -> Effect {
        if !self.down_seen.is_new(body, shared.key, &mut shared.budget) {
            return Effect::Drop(DropReason::Copy);
        }
        let NewPath::Middle { hop, prev, .. } = &mut self.parts else {
            return Effect::Drop(DropReason::UnknownPath);
        };
        if hop.wrap(body).is_err() {
            return SPENT;
        }
        self.counts.down_in += 1;
        self.counts.down_out += 1;
        *id = prev.theirs;
        Effect::Forward(prev.link)
    }

    /// Acts on a cell that was sealed for this hop.
    fn act(&mut self, own: Own, id: &mut PathId, body: &mut Body) -> Effect {
        match own {
            Own::Data(range) => Effect::Deliver(range),
            Own::Closed(reason) => Effect::Close {
                reason,
                tell: false,
            },
            Own::Nothing => Effect::Absorbed,
            Own::Probe(nonce) => {
                let answer = Probe {
                    nonce,
                    sent: self.counts.down_out + 1,
                    received: self.counts.up_in,
                };
                match self.send_down(Command::Probe, &answer.encode(), id, body) {
                    Ok(link) => Effect::Answer(link),
                    Err(_) => SPENT,
                }
            }
        }
    }

    /// Writes over the whole cell one from this hop to the client.
    pub(super) fn send_down(
        &mut self,
        command: Command,
        data: &[u8],
        id: &mut PathId,
        body: &mut Body,
    ) -> Result<LinkId, SealError> {
        match &mut self.parts {
            NewPath::Middle { hop, .. } => hop.seal(command, data, body),
            NewPath::Terminal { hop, .. } => hop.seal(command, data, body),
        }?;
        self.counts.down_out += 1;
        let prev = self.parts.prev();
        *id = prev.theirs;
        Ok(prev.link)
    }
}

/// A cell for this hop, read, so that its buffer is free for an answer.
enum Own {
    Data(Range<usize>),
    Probe([u8; 8]),
    Closed(CloseReason),
    Nothing,
}

impl Own {
    /// What is not in form is absorbed, as is data at a middle hop (`docs/spec/02-cell.md` §5).
    fn read(command: Command, data: &[u8], terminal: bool) -> Self {
        match Content::parse(command, data) {
            Ok(Content::Data(data)) if terminal => {
                let start = PATH_ID_LEN + CELL_HEADER_LEN;
                Self::Data(start..start + data.len())
            }
            Ok(Content::Probe(probe)) => Self::Probe(probe.nonce),
            Ok(Content::Closed(reason)) => Self::Closed(reason),
            _ => Self::Nothing,
        }
    }
}

/// The two parts of a cell: its id as a value, and its body.
pub(super) fn parts(cell: &mut Cell) -> Option<(PathId, &mut Body)> {
    crate::cell::split_cell(cell).ok()
}

/// Writes the id under which the next link carries the cell.
pub(super) fn address(cell: &mut Cell, id: PathId) {
    if let Some(head) = cell.first_chunk_mut() {
        *head = id.0;
    }
}
