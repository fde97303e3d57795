//! Everything that a relay's tasks share, behind one lock: the table of paths, the queues, the
//! counts. Nothing here waits.

use core::task::{Context, Poll};

use bytes::Bytes;
use chacha20::ChaCha20Rng;
use tokio::time::Instant;

use super::load::{Excess, Load};
use super::neighbours::{Neighbour, Neighbours, Queue, TakenIn};
use super::room::Refusals;
use super::stats::Stats;
use crate::build::ReplayCache;
use crate::cell::{CloseReason, PathId};
use crate::hop::{
    Asker, BuildAdmission, CellBuf, CellPool, Closing, DropReason, LinkId, Millis, NewPath,
    PathRef, PathTable, SendError, Verdict,
};
use crate::link::{Carriage, CloseCode, Link, Peer};
use crate::wire::limits::{POOL_CELLS, QUEUE_CUT_CELLS, TERMINAL_WAITING_CELLS};

/// What becomes of a packet for the terminal.
pub(super) trait Deliver {
    fn deliver(&self, path: PathRef, packet: &[u8]);
}

/// A path's queue at its terminal is full.
pub(super) struct QueueFull;

pub(super) struct Core {
    started: Instant,
    pub(super) table: PathTable,
    pub(super) admission: BuildAdmission,
    pub(super) replays: ReplayCache,
    pub(super) rng: ChaCha20Rng,
    pub(super) neighbours: Neighbours,
    pub(super) stats: Stats,
    pool: CellPool,
    carriage: Carriage,
    load: Load,
    /// Cells that waited at the last look for links that take cells.
    pressing: usize,
    /// Whether the relay is leaving: no path begins any more.
    draining: bool,
    dirty: Vec<LinkId>,
    refusals: Refusals,
}

impl Core {
    pub(super) fn new(mut rng: ChaCha20Rng, replays: ReplayCache) -> Self {
        Self {
            started: Instant::now(),
            table: PathTable::new(&mut rng),
            admission: BuildAdmission::new(Millis(0)),
            replays,
            rng,
            neighbours: Neighbours::default(),
            stats: Stats::default(),
            pool: CellPool::new(POOL_CELLS),
            carriage: Carriage::default(),
            load: Load::default(),
            pressing: 0,
            draining: false,
            dirty: Vec::new(),
            refusals: Refusals::default(),
        }
    }

    pub(super) fn now(&self) -> Millis {
        let millis = self.started.elapsed().as_millis();
        Millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    /// Cells that wait for all links together.
    pub(super) const fn queued(&self) -> usize {
        self.load.all()
    }

    /// Those of them that show how much there is to do: a link that takes none says nothing of us.
    pub(super) const fn pressing(&self) -> usize {
        self.pressing
    }

    /// Whether the relay is leaving.
    pub(super) const fn is_draining(&self) -> bool {
        self.draining
    }

    /// Takes a link in; `None` if it is there already.
    pub(super) fn take_in(&mut self, link: Link) -> Option<TakenIn> {
        let taken_in = self.neighbours.insert(link)?;
        let asker = self.neighbours.asker(taken_in.id);
        if let Some(network) = asker.and_then(Asker::network)
            && let Some(link) = self.neighbours.get_mut(taken_in.id)
        {
            link.share = Some(self.load.enter(network));
        }
        Some(taken_in)
    }

    /// What came over `from` is no cell by its length.
    pub(super) fn handle_wrong_length(&mut self, from: LinkId) {
        let now = self.now();
        if let Some(from) = self.neighbours.get_mut(from) {
            from.handle_wrong_length(now);
        }
    }

    /// A cell that came over `from`. [`Core::flush`] must follow the last of a batch.
    pub(super) fn handle_cell(
        &mut self,
        now: Millis,
        from: LinkId,
        received: &Bytes,
        terminal: &impl Deliver,
    ) {
        let mut cell = self.pool.take();
        cell.copy_from_slice(received);
        match self.table.handle_cell(now, from, &mut cell) {
            Verdict::Forward { link, path } => {
                self.stats.forwarded += 1;
                self.push(link, path, cell);
            }
            Verdict::Answer { link, path } => {
                self.stats.answered += 1;
                self.push(link, path, cell);
            }
            Verdict::Deliver { path, data } => {
                self.stats.delivered += 1;
                if let Some(packet) = cell.get(data) {
                    terminal.deliver(path, packet);
                }
                self.pool.give(cell);
            }
            Verdict::Closed(closing) => self.act(closing, cell),
            Verdict::Absorbed => self.pool.give(cell),
            Verdict::Drop(reason) => {
                self.stats.dropped += 1;
                if let DropReason::UnknownPath | DropReason::ForeignLink = reason
                    && let Some(from) = self.neighbours.get_mut(from)
                {
                    from.handle_unknown_cell(now);
                }
                self.pool.give(cell);
            }
        }
    }

    /// A packet from this terminal to a path's client.
    ///
    /// # Errors
    /// [`QueueFull`]. A path that is gone takes the packet and drops it.
    pub(super) fn send_down(&mut self, path: PathRef, packet: &[u8]) -> Result<(), QueueFull> {
        let Some(prev) = self.table.prev(path) else {
            return Ok(());
        };
        if self.is_full(prev, path) {
            self.refusals.note(prev, path);
            return Err(QueueFull);
        }
        let mut cell = self.pool.take();
        match self.table.send_down(path, packet, &mut cell) {
            Ok(link) => {
                self.stats.sealed += 1;
                self.push(link, path, cell);
            }
            Err(SendError::Closed | SendError::Seal(_)) => self.pool.give(cell),
        }
        Ok(())
    }

    /// Ready when [`Core::send_down`] is worth another try by this task.
    pub(super) fn poll_room(&mut self, cx: &Context<'_>) -> Poll<()> {
        match self.refusals.take() {
            // Asked under the lock: cells may have left since the packet was refused.
            Some((link, path)) if self.is_full(link, path) => {
                if let Some(to) = self.neighbours.get_mut(link) {
                    to.room.wait(path, cx.waker());
                }
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    /// Whether as many cells of a path wait for a link as its tunnels may let wait.
    fn is_full(&mut self, link: LinkId, path: PathRef) -> bool {
        let to = self.neighbours.get_mut(link);
        to.is_some_and(|to| to.outlet.waiting_of(path) >= TERMINAL_WAITING_CELLS)
    }

    /// Takes in a path that a build has made. `None`: its id is taken.
    pub(super) fn open(&mut self, path: NewPath) -> Option<PathRef> {
        let now = self.now();
        self.table.insert(now, path).ok()
    }

    /// Whether the links of a path that is to be taken in are still there.
    pub(super) fn has_links_of(&mut self, path: &NewPath) -> bool {
        let mut sides = [Some(path.prev()), path.next()].into_iter().flatten();
        sides.all(|side| self.neighbours.get_mut(side.link).is_some())
    }

    /// The previous hop forgets these paths.
    pub(super) fn handle_closes(&mut self, link: LinkId, ids: impl Iterator<Item = PathId>) {
        for id in ids {
            if let Some(closing) = self.table.handle_close_next(link, id) {
                let cell = self.pool.take();
                self.act(closing, cell);
            }
        }
        self.flush();
    }

    /// Closes a path whose build came to nothing after all.
    pub(super) fn close(&mut self, path: PathRef) {
        self.close_for(path, CloseReason::Done);
        self.flush();
    }

    /// The relay is leaving: no path begins any more, and those end that go on to another relay, or
    /// with `terminals` those too that end here.
    pub(super) fn drain(&mut self, terminals: bool) {
        self.draining = true;
        for (path, ends_here) in self.table.paths() {
            if terminals || !ends_here {
                self.close_for(path, CloseReason::Draining);
            }
        }
        self.flush();
    }

    fn close_for(&mut self, path: PathRef, reason: CloseReason) {
        let mut cell = self.pool.take();
        match self.table.close(path, reason, &mut cell) {
            Some(closing) => self.act(closing, cell),
            None => self.pool.give(cell),
        }
    }

    /// Closes the links that were dialled here and that no path uses any more.
    pub(super) fn close_unused_links(&mut self) {
        let now = self.now();
        let (table, admission) = (&self.table, &self.admission);
        let used = |link| table.uses(link) || admission.has_pending(link);
        self.neighbours.close_unused(now, used);
    }

    /// Closes the paths whose time is over.
    pub(super) fn expire(&mut self) {
        let now = self.now();
        loop {
            let mut cell = self.pool.take();
            match self.table.expire(now, &mut cell) {
                Some(closing) => self.act(closing, cell),
                None => break self.pool.give(cell),
            }
        }
        self.flush();
    }

    /// Looks, each second, at how cells leave. A client that takes none for long is let go; what waits
    /// for a relay meanwhile is of no use to anybody any more.
    pub(super) fn look_at_queues(&mut self) {
        let now = self.now();
        self.pressing = 0;
        for link in self.neighbours.each_mut() {
            match link.look(now) {
                Queue::Moves => self.pressing += link.outlet.len(),
                Queue::Still => (),
                Queue::Stuck if link.outlet.link().peer() == Peer::Anonymous => {
                    link.outlet.link().close(CloseCode::Useless);
                }
                Queue::Stuck => {
                    let lost = link.outlet.empty(&mut self.pool);
                    self.stats.overflowed += lost as u64;
                    cells_left(link, lost, &mut self.load);
                }
            }
        }
    }

    /// A link is gone, and with it its paths.
    pub(super) fn lose_link(&mut self, link: LinkId) {
        if let Some(mut gone) = self.neighbours.remove(link) {
            let waited = gone.outlet.empty(&mut self.pool);
            self.load.take(gone.share, waited);
            if let Some(share) = gone.share {
                self.load.leave(share);
            }
            gone.room.wake_all();
        }
        loop {
            let mut cell = self.pool.take();
            match self.table.lose_link(link, &mut cell) {
                Some(closing) => self.act(closing, cell),
                None => break self.pool.give(cell),
            }
        }
        self.admission.link_gone(link);
        self.flush();
    }

    /// Sends what was queued since the last time, as far as QUIC has room.
    pub(super) fn flush(&mut self) {
        while let Some(link) = self.dirty.pop() {
            self.flush_link(link);
        }
    }

    /// Sends what waits for one link, as far as QUIC has room.
    pub(super) fn flush_link(&mut self, link: LinkId) {
        let Some(to) = self.neighbours.get_mut(link) else {
            return;
        };
        to.dirty = false;
        let sent = to.outlet.flush(&mut self.carriage, &mut self.pool);
        to.left += sent;
        cells_left(to, sent, &mut self.load);
    }

    /// The next cell for one link behind what there is room for; its task sends it when room comes.
    pub(super) fn next_cell(&mut self, link: LinkId) -> Option<Bytes> {
        self.flush_link(link);
        let to = self.neighbours.get_mut(link)?;
        let cell = to.outlet.next(&mut self.carriage, &mut self.pool)?;
        to.left += 1;
        cells_left(to, 1, &mut self.load);
        Some(cell)
    }

    /// Paths of which the peer of one link is to be told, as many as one message takes.
    pub(super) fn next_closes(&mut self, link: LinkId) -> Vec<PathId> {
        let to = self.neighbours.get_mut(link);
        to.map_or_else(Vec::new, |to| to.closes.take())
    }

    fn push(&mut self, link: LinkId, path: PathRef, cell: CellBuf) {
        let Some(to) = self.neighbours.get_mut(link) else {
            return self.pool.give(cell);
        };
        if !core::mem::replace(&mut to.dirty, true) {
            self.dirty.push(link);
        }
        if let Err(overflow) = to.outlet.push(path, cell) {
            self.stats.overflowed += 1;
            return self.pool.give(overflow.cell);
        }
        if let Some(excess) = self.load.add(to.share) {
            self.relieve(excess);
        }
    }

    /// Too many cells wait: whoever has most to spare of those who have them loses half of that, always
    /// the newest of the path that has most. Searched for among all links, hence many at once.
    #[cold]
    fn relieve(&mut self, excess: Excess) {
        let Some(fullest) = self.neighbours.fullest(excess) else {
            return;
        };
        let most = (fullest.outlet.surplus() / 2).clamp(1, QUEUE_CUT_CELLS);
        let lost = fullest.outlet.cut(most, &mut self.pool);
        self.stats.overflowed += lost as u64;
        cells_left(fullest, lost, &mut self.load);
    }

    /// Tells the neighbours of a path that is closed. What waits of it goes nowhere any more.
    fn act(&mut self, closing: Closing, cell: CellBuf) {
        self.stats.closed += 1;
        self.admission.closed(closing.prev);
        self.forget(closing.prev, closing.path);
        if let Some(next) = closing.next {
            self.forget(next.link, closing.path);
            if let Some(to) = self.neighbours.get_mut(next.link) {
                to.closes.push(next.path_id);
                to.closes_wait.notify_one();
            }
        }
        if closing.cell {
            self.push(closing.prev, closing.path, cell);
        } else {
            self.pool.give(cell);
        }
    }

    fn forget(&mut self, link: LinkId, path: PathRef) {
        if let Some(to) = self.neighbours.get_mut(link) {
            let lost = to.outlet.forget(path, &mut self.pool);
            cells_left(to, lost, &mut self.load);
        }
    }
}

/// So many cells wait for a link no more.
fn cells_left(link: &mut Neighbour, count: usize, load: &mut Load) {
    load.take(link.share, count);
    link.room.cells_left(count, &link.outlet);
}
