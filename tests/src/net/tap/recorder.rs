//! A policy that passes everything and forgets nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::policy::{Cell, CellFate, Passing, Policy, ReplyFate, RequestFate};

/// Notes everything that passes; clones share the notes, also of several taps.
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    cells: Vec<Heard<Box<Cell>>>,
    messages: Vec<Heard<Message>>,
}

/// Something that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard<T> {
    /// Where.
    pub passing: Passing,
    /// When.
    pub at: Instant,
    /// What.
    pub what: T,
}

/// A request or a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What is asked.
    pub kind: u8,
    /// Whether this is the reply.
    pub is_reply: bool,
    /// Question or answer.
    pub body: Vec<u8>,
}

impl Recorder {
    /// No notes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The cells that passed where `which` says, in order.
    #[must_use]
    pub fn cells(&self, which: impl Fn(&Passing) -> bool) -> Vec<Heard<Box<Cell>>> {
        let notes = self.notes();
        let wanted = notes.cells.iter().filter(|heard| which(&heard.passing));
        wanted.cloned().collect()
    }

    /// The requests and replies that passed where `which` says, in order.
    #[must_use]
    pub fn messages(&self, which: impl Fn(&Passing) -> bool) -> Vec<Heard<Message>> {
        let notes = self.notes();
        let wanted = notes.messages.iter().filter(|heard| which(&heard.passing));
        wanted.cloned().collect()
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, passing: &Passing, kind: u8, is_reply: bool, body: &[u8]) {
        self.notes().messages.push(Heard {
            passing: *passing,
            at: Instant::now(),
            what: Message {
                kind,
                is_reply,
                body: body.to_vec(),
            },
        });
    }
}

impl Policy for Recorder {
    fn cell(&mut self, passing: &Passing, cell: &mut Cell) -> CellFate {
        self.notes().cells.push(Heard {
            passing: *passing,
            at: Instant::now(),
            what: Box::new(*cell),
        });
        CellFate::Pass
    }

    fn request(&mut self, passing: &Passing, kind: u8, body: &mut Vec<u8>) -> RequestFate {
        self.note(passing, kind, false, body);
        RequestFate::Pass
    }

    fn reply(&mut self, passing: &Passing, kind: u8, body: &mut Vec<u8>) -> ReplyFate {
        self.note(passing, kind, true, body);
        ReplyFate::Pass
    }
}
