//! A client's open paths and its links to guards, behind one lock. Nothing here waits.

use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use rand_core::Rng;
use tokio::sync::{Notify, mpsc};

use crate::cell::{
    Arrived, CloseReason, Command, Content, HopKeys, InboundLayers, OutboundLayers, PathId,
    split_cell,
};
use crate::hop::{Cell, CellPool, Closes, LinkId, PathRef};
use crate::link::{Carriage, Link, Outlet, Waiting};
use crate::path::{Millis, PathState, Probing};
use crate::wire::limits::{CELL_LEN, PATH_CELLS_MAX, TERMINAL_WAITING_CELLS};

/// What becomes of a packet that a terminal sent.
pub(super) trait Deliver {
    fn deliver(&self, path: u64, packet: &[u8]);
}

/// What a path's keeper hears of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// A hop has answered a probe.
    Answered { nonce: [u8; 8] },
    /// Something was sent: the path is to be looked at sooner than was planned.
    Look,
    /// A hop has closed the path.
    Closed { hop: usize, reason: CloseReason },
    /// Too many cells came garbled.
    Garbled,
    /// The guard's link has ended.
    LinkLost,
    /// The path has carried all that it may.
    Spent,
    /// The client leaves the network.
    Left,
}

/// Cells in one direction after which a path is over here, a little before its relays refuse more
/// without a word: twice what may be under way on it.
const SPENT_CELLS: u64 = PATH_CELLS_MAX - (1 << 14);

/// A path that a build has made.
pub(super) struct NewPath<'a> {
    pub(super) guard: LinkId,
    pub(super) ours: PathId,
    pub(super) theirs: PathId,
    pub(super) keys: &'a [HopKeys],
    pub(super) probing: Probing,
    pub(super) events: mpsc::Sender<Event>,
}

struct Open {
    number: u64,
    guard: LinkId,
    ours: PathId,
    theirs: PathId,
    hops: usize,
    out: OutboundLayers,
    inbound: InboundLayers,
    /// Cells that came.
    received: u64,
    /// For how many each of its cells counts.
    weight: u64,
    probing: Probing,
    /// When its keeper looks at it next.
    looks_at: Millis,
    events: mpsc::Sender<Event>,
}

/// Why nothing can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendError {
    /// Too many of the path's cells wait.
    #[error("the path's queue is full")]
    Full,
    /// The path is gone, or has carried all that it may.
    #[error("the path is closed")]
    Closed,
}

/// A link to a guard.
struct Guard {
    outlet: Outlet,
    /// Paths that are over here and not yet there.
    closes: Closes,
    closes_wait: Arc<Notify>,
    /// When a cell of an open path came last.
    heard: Millis,
    /// Whether somebody asked for it since links were last looked at.
    wanted: bool,
}

/// What the tasks of a link that was taken in need.
pub(super) struct TakenIn {
    pub(super) waiting: Waiting,
    pub(super) closes_wait: Arc<Notify>,
}

pub(super) struct Table {
    guards: BTreeMap<LinkId, Guard>,
    paths: BTreeMap<u64, Open>,
    by_id: BTreeMap<PathId, u64>,
    next_link: u64,
    next_path: u64,
    /// For how many each cell of a path counts that is opened now.
    weight: u64,
    pool: CellPool,
    carriage: Carriage,
    /// The cell that is being opened.
    scratch: Box<Cell>,
    full: bool,
    waiting: Vec<Waker>,
}

/// Buffers that a client keeps: its cells wait only while a guard's link is full.
const POOL_CELLS: usize = 512;

impl Table {
    pub(super) fn new() -> Self {
        Self {
            guards: BTreeMap::new(),
            paths: BTreeMap::new(),
            by_id: BTreeMap::new(),
            next_link: 0,
            next_path: 0,
            weight: 1,
            pool: CellPool::new(POOL_CELLS),
            carriage: Carriage::default(),
            scratch: Box::new([0; CELL_LEN]),
            full: false,
            waiting: Vec::new(),
        }
    }

    /// Takes in the link to a guard; its old number if it is here already.
    pub(super) fn add_guard(&mut self, link: &Link) -> (LinkId, Option<TakenIn>) {
        let quic = link.quic().stable_id();
        let mut held = self.guards.iter_mut();
        let held = held.find(|(_, guard)| guard.outlet.link().quic().stable_id() == quic);
        if let Some((id, guard)) = held {
            guard.wanted = true;
            return (*id, None);
        }
        let id = LinkId(self.next_link);
        self.next_link += 1;
        let (outlet, waiting) = Outlet::new(link.clone());
        let closes_wait = Arc::<Notify>::default();
        let guard = Guard {
            outlet,
            closes: Closes::default(),
            closes_wait: Arc::clone(&closes_wait),
            heard: Millis(0),
            wanted: true,
        };
        self.guards.insert(id, guard);
        let taken_in = TakenIn {
            waiting,
            closes_wait,
        };
        (id, Some(taken_in))
    }

    /// A guard's link is gone, and with it its paths.
    pub(super) fn lose_guard(&mut self, guard: LinkId) {
        if let Some(mut guard) = self.guards.remove(&guard) {
            guard.outlet.empty(&mut self.pool);
        }
        for (_, open) in self.paths.extract_if(.., |_, open| open.guard == guard) {
            self.by_id.remove(&open.ours);
            let _ = open.events.try_send(Event::LinkLost);
        }
        self.made_room();
    }

    /// The links that carry no path, and that no build asked for since the last call.
    pub(super) fn unused_guards(&mut self) -> Vec<Link> {
        let mut unused = Vec::new();
        for (id, guard) in &mut self.guards {
            let used = self.paths.values().any(|open| open.guard == *id);
            if !core::mem::take(&mut guard.wanted) && !used {
                unused.push(guard.outlet.link().clone());
            }
        }
        unused
    }

    /// When the guard of a path sent a cell of any open path last.
    pub(super) fn heard_of_guard(&self, number: u64) -> Option<Millis> {
        let open = self.paths.get(&number)?;
        Some(self.guards.get(&open.guard)?.heard)
    }

    /// Takes a path in, and gives it a number that is not used again.
    pub(super) fn open(&mut self, path: NewPath<'_>) -> u64 {
        let number = self.next_path;
        self.next_path += 1;
        let open = Open {
            number,
            guard: path.guard,
            ours: path.ours,
            theirs: path.theirs,
            hops: path.keys.len(),
            out: OutboundLayers::new(path.keys),
            inbound: InboundLayers::new(path.keys),
            received: 0,
            weight: self.weight,
            probing: path.probing,
            looks_at: Millis(0),
            events: path.events,
        };
        if self.guards.contains_key(&path.guard) {
            self.by_id.insert(path.ours, number);
            self.paths.insert(number, open);
        } else {
            let _ = open.events.try_send(Event::LinkLost);
        }
        number
    }

    /// Forgets a path, of which its guard is told; the link to that.
    pub(super) fn close(&mut self, number: u64) -> Option<Link> {
        let open = self.paths.remove(&number)?;
        self.by_id.remove(&open.ours);
        self.tell_closed(open.guard, open.theirs);
        Some(self.guards.get(&open.guard)?.outlet.link().clone())
    }

    /// A guard is to be told that a path is over; it tells the next hop, and so on.
    pub(super) fn tell_closed(&mut self, guard: LinkId, path: PathId) {
        if let Some(guard) = self.guards.get_mut(&guard) {
            guard.closes.push(path);
            guard.closes_wait.notify_one();
        }
    }

    /// Paths of which a guard is to be told, as many as one message takes.
    pub(super) fn next_closes(&mut self, guard: LinkId) -> Vec<PathId> {
        let guard = self.guards.get_mut(&guard);
        guard.map_or_else(Vec::new, |guard| guard.closes.take())
    }

    /// Paths that are opened from now on carry so many cells at most.
    pub(super) fn limit_cells(&mut self, cells: u64) {
        self.weight = PATH_CELLS_MAX.div_ceil(cells.clamp(1, PATH_CELLS_MAX));
    }

    /// Cells that a path has carried in the direction that has more, of [`PATH_CELLS_MAX`].
    pub(super) fn carried(&self, number: u64) -> u64 {
        let open = self.paths.get(&number);
        open.map_or(0, |open| open.weigh(open.out.sent().max(open.received)))
    }

    /// Sends a packet to a path's terminal.
    ///
    /// # Errors
    /// [`SendError`].
    pub(super) fn send_data(
        &mut self,
        number: u64,
        packet: &[u8],
        now: Millis,
        rng: &mut impl Rng,
    ) -> Result<(), SendError> {
        let open = self.paths.get(&number).ok_or(SendError::Closed)?;
        let terminal = open.hops.saturating_sub(1);
        if self.is_full(open) {
            self.full = true;
            return Err(SendError::Full);
        }
        self.send(number, terminal, Command::Data, packet)?;
        if let Some(open) = self.paths.get_mut(&number) {
            open.note_sent(terminal, now, rng);
        }
        Ok(())
    }

    fn is_full(&self, open: &Open) -> bool {
        let path = PathRef::from_number(open.number.into());
        let guard = self.guards.get(&open.guard);
        guard.is_some_and(|guard| guard.outlet.waiting_of(path) >= TERMINAL_WAITING_CELLS)
    }

    /// Sends a probe to a hop of a path that somebody waits for; its nonce.
    pub(super) fn ask(
        &mut self,
        number: u64,
        hop: usize,
        now: Millis,
        rng: &mut impl Rng,
    ) -> Option<[u8; 8]> {
        let open = self.paths.get_mut(&number)?;
        if hop >= open.hops {
            return None;
        }
        let ask = open.probing.ask(now, hop, rng);
        let probe = ask.probe.encode();
        self.send(number, hop, Command::Probe, &probe).ok()?;
        Some(ask.probe.nonce)
    }

    /// Sends the probes that are due; how the path is, and when to look again.
    pub(super) fn look_after(
        &mut self,
        number: u64,
        now: Millis,
        rng: &mut impl Rng,
    ) -> Option<(PathState, Millis)> {
        while let Some(ask) = self.paths.get_mut(&number)?.probing.poll(now, rng) {
            // What finds no room is not there when its answer is due, which is the truth.
            let _ = self.send(number, ask.hop, Command::Probe, &ask.probe.encode());
        }
        let open = self.paths.get_mut(&number)?;
        open.looks_at = open.probing.wakes_at(now);
        Some((open.probing.state(now), open.looks_at))
    }

    fn send(
        &mut self,
        number: u64,
        hop: usize,
        command: Command,
        data: &[u8],
    ) -> Result<(), SendError> {
        let open = self.paths.get_mut(&number).ok_or(SendError::Closed)?;
        let guard = self.guards.get_mut(&open.guard).ok_or(SendError::Closed)?;
        let outlet = &mut guard.outlet;
        let path = PathRef::from_number(number.into());
        let mut cell = self.pool.take();
        if open.seal(hop, command, data, &mut cell).is_err() {
            self.pool.give(cell);
            return Err(SendError::Closed);
        }
        if let Err(overflow) = outlet.push(path, cell) {
            self.pool.give(overflow.cell);
        }
        outlet.flush(&mut self.carriage, &mut self.pool);
        Ok(())
    }

    /// The next cell that waits for a guard, behind what there is room for now.
    pub(super) fn next_cell(&mut self, guard: LinkId) -> Option<Bytes> {
        self.made_room();
        let outlet = &mut self.guards.get_mut(&guard)?.outlet;
        outlet.flush(&mut self.carriage, &mut self.pool);
        outlet.next(&mut self.carriage, &mut self.pool)
    }

    /// Ready when sending is worth another try after [`SendError::Full`].
    pub(super) fn poll_room(&mut self, cx: &Context<'_>) -> Poll<()> {
        if !self.full {
            return Poll::Ready(());
        }
        self.waiting.push(cx.waker().clone());
        Poll::Pending
    }

    fn made_room(&mut self) {
        self.full = false;
        for waker in self.waiting.drain(..) {
            waker.wake();
        }
    }

    /// Ends all paths, and gives the links to their guards.
    pub(super) fn leave(&mut self) -> Vec<Link> {
        for open in self.paths.values() {
            let _ = open.events.try_send(Event::Left);
        }
        let guards = self.guards.values();
        guards.map(|guard| guard.outlet.link().clone()).collect()
    }

    /// A cell that came from a guard.
    pub(super) fn handle_cell(
        &mut self,
        now: Millis,
        guard: LinkId,
        received: &[u8],
        to: &impl Deliver,
    ) {
        if received.len() != CELL_LEN {
            return;
        }
        self.scratch.copy_from_slice(received);
        let Ok((id, body)) = split_cell(&mut *self.scratch) else {
            return;
        };
        let Some(number) = self.by_id.get(&id).copied() else {
            return;
        };
        let Some(open) = self
            .paths
            .get_mut(&number)
            .filter(|open| open.guard == guard)
        else {
            return;
        };
        match open.inbound.open(body) {
            Ok(arrived) => {
                open.received += 1;
                if let Some(guard) = self.guards.get_mut(&guard) {
                    guard.heard = now;
                }
                open.probing.handle_received(arrived.hop);
                open.act(number, now, &arrived, to);
            }
            Err(discarded) if discarded.close => {
                let _ = open.events.try_send(Event::Garbled);
            }
            Err(_) => (),
        }
    }
}

impl Open {
    fn seal(
        &mut self,
        hop: usize,
        command: Command,
        data: &[u8],
        cell: &mut Cell,
    ) -> Result<(), SendError> {
        let (_, body) = split_cell(cell).map_err(|_| SendError::Closed)?;
        let sealed = self.out.seal(hop, command, data, body);
        sealed.map_err(|_| SendError::Closed)?;
        if let Some(head) = cell.first_chunk_mut() {
            *head = self.theirs.0;
        }
        Ok(())
    }

    /// Something for the terminal is sent; its keeper learns of it if it would look too late.
    fn note_sent(&mut self, terminal: usize, now: Millis, rng: &mut impl Rng) {
        self.probing.handle_sent(now, terminal, rng);
        let wake = self.probing.wakes_at(now);
        if wake < self.looks_at {
            self.looks_at = wake;
            let _ = self.events.try_send(Event::Look);
        }
        self.note_carried(self.out.sent());
    }

    /// Each cell behind the last says so, should the event find no room.
    fn note_carried(&self, cells: u64) {
        if self.weigh(cells) >= SPENT_CELLS {
            let _ = self.events.try_send(Event::Spent);
        }
    }

    const fn weigh(&self, cells: u64) -> u64 {
        cells.saturating_mul(self.weight)
    }

    fn act(&mut self, number: u64, now: Millis, arrived: &Arrived<'_>, to: &impl Deliver) {
        self.note_carried(self.received);
        let hop = arrived.hop;
        match Content::parse(arrived.command, arrived.data) {
            Ok(Content::Data(packet)) if hop + 1 == self.hops => to.deliver(number, packet),
            Ok(Content::Probe(probe)) => {
                let answered = self.probing.handle_answer(now, hop, &probe);
                let nonce = probe.nonce;
                if answered.is_some() {
                    let _ = self.events.try_send(Event::Answered { nonce });
                }
            }
            Ok(Content::Closed(reason)) => {
                let _ = self.events.try_send(Event::Closed { hop, reason });
            }
            // Padding, and what only another version understands, or a hop may not say.
            _ => (),
        }
    }
}
