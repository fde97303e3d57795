//! What a tap does with what passes through it.

use core::time::Duration;

use llarp_core::crypto::identity::RelayId;
use llarp_core::link::Peer;
use llarp_core::wire::limits::CELL_LEN;

/// A cell on a link.
pub type Cell = [u8; CELL_LEN];

/// Which way something goes through a tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the peer that dialled to the true relay.
    ToRelay,
    /// From the true relay to the peer.
    ToPeer,
}

/// Where something passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Passing {
    /// The relay before which the tap sits.
    pub relay: RelayId,
    /// Who has dialled it.
    pub peer: Peer,
    /// Running number of the link at this tap, from 1.
    pub link: u16,
    /// Which way.
    pub direction: Direction,
}

/// What becomes of a cell, after the policy has changed it or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellFate {
    /// It goes on.
    Pass,
    /// It is gone.
    Drop,
    /// It goes on twice.
    Twice,
    /// It goes on later, and lets others overtake it.
    Hold(Duration),
    /// It goes on, and this one behind it.
    Also(Box<Cell>),
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestFate {
    /// It goes on.
    Pass,
    /// It is refused.
    Refuse,
    /// It goes on later.
    Hold(Duration),
    /// It goes on, and once more when it is answered; the first reply counts.
    Twice,
    /// The tap answers it.
    Answer(Vec<u8>),
}

/// What becomes of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyFate {
    /// It goes on.
    Pass,
    /// The request is refused instead.
    Refuse,
    /// It goes on later.
    Hold(Duration),
}

/// Decides on everything that passes a tap. What it does not decide on, passes.
///
/// A closure decides on cells; `()` on nothing; of a pair, the second is asked about what the
/// first lets pass, so that a [`Recorder`](super::Recorder) in front notes what came and one
/// behind what goes on at once: neither what is dropped nor what is held, doubled or joined.
pub trait Policy: Send {
    /// A cell.
    fn cell(&mut self, passing: &Passing, cell: &mut Cell) -> CellFate {
        let _ = (passing, cell);
        CellFate::Pass
    }

    /// A request of `kind`. `passing` says which way it goes.
    fn request(&mut self, passing: &Passing, kind: u8, body: &mut Vec<u8>) -> RequestFate {
        let _ = (passing, kind, body);
        RequestFate::Pass
    }

    /// The reply to a request of `kind`. `passing` says which way the reply goes.
    fn reply(&mut self, passing: &Passing, kind: u8, body: &mut Vec<u8>) -> ReplyFate {
        let _ = (passing, kind, body);
        ReplyFate::Pass
    }
}

impl Policy for () {}

impl<F: FnMut(&Passing, &mut Cell) -> CellFate + Send> Policy for F {
    fn cell(&mut self, passing: &Passing, cell: &mut Cell) -> CellFate {
        self(passing, cell)
    }
}

impl<A: Policy, B: Policy> Policy for (A, B) {
    fn cell(&mut self, passing: &Passing, cell: &mut Cell) -> CellFate {
        match self.0.cell(passing, cell) {
            CellFate::Pass => self.1.cell(passing, cell),
            other => other,
        }
    }

    fn request(&mut self, passing: &Passing, kind: u8, body: &mut Vec<u8>) -> RequestFate {
        match self.0.request(passing, kind, body) {
            RequestFate::Pass => self.1.request(passing, kind, body),
            other => other,
        }
    }

    fn reply(&mut self, passing: &Passing, kind: u8, body: &mut Vec<u8>) -> ReplyFate {
        match self.0.reply(passing, kind, body) {
            ReplyFate::Pass => self.1.reply(passing, kind, body),
            other => other,
        }
    }
}

impl Direction {
    /// The way back.
    #[must_use]
    pub const fn back(self) -> Self {
        match self {
            Self::ToRelay => Self::ToPeer,
            Self::ToPeer => Self::ToRelay,
        }
    }
}

impl Passing {
    /// The same link, the other way.
    #[must_use]
    pub const fn back(self) -> Self {
        Self {
            direction: self.direction.back(),
            ..self
        }
    }
}
