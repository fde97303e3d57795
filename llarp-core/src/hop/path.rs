//! One path at a relay: its layers, its two sides, what a cell of it becomes.

use core::ops::Range;

use super::filter::{Budget, Filter, PlaceKey};
use super::verdict::{Counts, DropReason, LinkId, NewPath};
use super::{Cell, Millis};
use crate::cell::{
    Body, CloseReason, Command, Content, Discarded, PathId, Peeled, Probe, SealError, WrapError,
};
use crate::wire::limits::{CELL_HEADER_LEN, PATH_ID_LEN, PATH_LIFE_MILLIS, PATH_UNUSED_MILLIS};

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
    /// When it is to be looked at: whether it was used at all, then its end.
    pub(super) due: Millis,
    pub(super) parts: NewPath,
    pub(super) counts: Counts,
    up_seen: Filter,
    down_seen: Filter,
}

impl Path {
    pub(super) fn new(serial: u64, built: Millis, parts: NewPath) -> Self {
        Self {
            serial,
            expires: built.plus(PATH_LIFE_MILLIS),
            due: built.plus(PATH_UNUSED_MILLIS),
            parts,
            counts: Counts::default(),
            up_seen: Filter::default(),
            down_seen: Filter::default(),
        }
    }

    /// Whether its client has sent anything over it.
    pub(super) const fn is_used(&self) -> bool {
        self.counts.up_in > 0
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
        let prev = self.parts.prev().link;
        let Shared { key, budget } = shared;
        if !self.up_seen.is_new(body, *key, budget, prev) {
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
        let prev = self.parts.prev().link;
        let Shared { key, budget } = shared;
        if !self.down_seen.is_new(body, *key, budget, prev) {
            return Effect::Drop(DropReason::Copy);
        }
        let NewPath::Middle { hop, prev, .. } = &mut self.parts else {
            return Effect::Drop(DropReason::UnknownPath);
        };
        match hop.wrap(body) {
            Ok(()) => (),
            Err(WrapError::PathSpent) => return SPENT,
            // The neighbour behind speaks in our name: whatever else it sends is no better.
            Err(WrapError::Forged) => {
                return Effect::Close {
                    reason: CloseReason::Garbled,
                    tell: true,
                };
            }
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
