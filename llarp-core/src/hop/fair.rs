//! The order in which cells leave over one link (`docs/spec/04-hop.md` §4).
//!
//! Cells have one size, so that deficit round-robin with a quantum of one cell is plain round-robin
//! and needs no deficits.
//!
//! ```text
//!              few cells wait                    ┌───────────── fifo, ≤ 8 ──┐
//!   push ─────────────────────────────────────▶  └──────────────────────────┴─▶ pop
//!     │        more wait                         one cell of each in turn  ▲
//!     └──────▶ flow of its path  ▒▒▒▒▒▒▒▒▒▒  ──────────────────────────────┤
//!              flow of another   ▒           ──────────────────────────────┘
//! ```

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use super::lists::{Links, List};
use super::{CellBuf, CellPool, PathRef};
use crate::wire::limits::{QUEUE_FIFO_CELLS, QUEUE_LINK_CELLS, QUEUE_PATH_CELLS};

/// How much waits, in cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FairLimits {
    /// Cells that wait in the order of their arrival before fairness sets in.
    pub fifo: usize,
    /// Cells of one path behind those.
    pub per_path: usize,
    /// Cells of all paths behind those.
    pub total: usize,
}

impl Default for FairLimits {
    fn default() -> Self {
        Self {
            fifo: QUEUE_FIFO_CELLS,
            per_path: QUEUE_PATH_CELLS,
            total: QUEUE_LINK_CELLS,
        }
    }
}

/// A cell that a queue had no room for; its buffer is to be given back.
#[must_use]
pub struct Overflow {
    /// Whose cell was lost: the path that has most waiting.
    pub path: PathRef,
    /// Its buffer.
    pub cell: CellBuf,
}

/// Cells that wait for one link, fairly by path: a cell of a path that has none waiting is popped
/// after at most [`FairLimits::fifo`] cells and one of each other path that has some waiting.
pub struct FairQueue {
    limits: FairLimits,
    fifo: VecDeque<CellBuf>,
    flows: Vec<Flow>,
    idle: Vec<usize>,
    by_path: HashMap<PathRef, usize, BuildHasherDefault<PathHasher>>,
    /// Flows that have cells, in the order of their turns.
    turns: List,
    order: Links,
    lengths: Lengths,
    waiting: Waiting,
}

struct Flow {
    path: PathRef,
    cells: List,
}

impl FairQueue {
    /// An empty queue.
    #[must_use]
    pub fn new(limits: FairLimits) -> Self {
        Self {
            limits,
            fifo: VecDeque::with_capacity(limits.fifo),
            flows: Vec::new(),
            idle: Vec::new(),
            by_path: HashMap::default(),
            turns: List::EMPTY,
            order: Links::default(),
            lengths: Lengths::default(),
            waiting: Waiting::default(),
        }
    }

    /// Cells that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fifo.len() + self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Cells of one path that wait behind the first of all.
    #[must_use]
    pub fn waiting_of(&self, path: PathRef) -> usize {
        let flow = self.by_path.get(&path).and_then(|at| self.flows.get(*at));
        flow.map_or(0, |flow| flow.cells.len())
    }

    /// Lets a cell wait. Constant work.
    ///
    /// # Errors
    /// [`Overflow`] holds the cell that was lost for it: the cell itself if its path has its fill
    /// or most waiting, else the last one of the path that has most waiting.
    pub fn push(&mut self, path: PathRef, cell: CellBuf) -> Result<(), Overflow> {
        if self.waiting.len() == 0 && self.fifo.len() < self.limits.fifo {
            self.fifo.push_back(cell);
            return Ok(());
        }
        let known = self.by_path.get(&path).copied();
        let held = known.and_then(|at| self.flows.get(at));
        let held = held.map_or(0, |flow| flow.cells.len());
        if held >= self.limits.per_path {
            return Err(Overflow { path, cell });
        }
        let lost = if self.waiting.len() < self.limits.total {
            Ok(())
        } else {
            match self.cut_longest(held) {
                Some(lost) => Err(lost),
                None => return Err(Overflow { path, cell }),
            }
        };
        // The cut may have emptied no flow of this path: it was shorter than the one cut.
        let at = known.unwrap_or_else(|| self.open(path));
        self.append(at, cell);
        lost
    }

    /// The next cell to send.
    pub fn pop(&mut self) -> Option<CellBuf> {
        if let Some(cell) = self.fifo.pop_front() {
            return Some(cell);
        }
        let at = self.turns.first()?;
        self.order.take_out(&mut self.turns, at);
        let flow = self.flows.get_mut(at)?;
        let len = flow.cells.len();
        let cell = self.waiting.pop_first(&mut flow.cells)?;
        self.lengths.moved(at, len, len - 1);
        if len > 1 {
            self.order.append(&mut self.turns, at);
        } else {
            self.retire(at);
        }
        Some(cell)
    }

    /// Cells behind the first of each path: those that [`FairQueue::cut`] may take.
    #[must_use]
    pub const fn surplus(&self) -> usize {
        self.waiting.len() - self.turns.len()
    }

    /// Takes the newest cell of the path that has most waiting; `None` if none has more than one.
    pub fn cut(&mut self) -> Option<CellBuf> {
        self.cut_longest(1).map(|lost| lost.cell)
    }

    /// Gives up what waits of a path that is closed, but for what is among the first of all; how many
    /// cells that is.
    pub fn forget(&mut self, path: PathRef, pool: &mut CellPool) -> usize {
        let Some(at) = self.by_path.get(&path).copied() else {
            return 0;
        };
        let mut given_up = 0;
        while let Some(flow) = self.flows.get_mut(at)
            && let Some(cell) = self.waiting.pop_last(&mut flow.cells)
        {
            let len = flow.cells.len();
            self.lengths.moved(at, len + 1, len);
            pool.give(cell);
            given_up += 1;
        }
        self.order.take_out(&mut self.turns, at);
        self.retire(at);
        given_up
    }

    fn open(&mut self, path: PathRef) -> usize {
        let cells = List::EMPTY;
        let flow = Flow { path, cells };
        let at = match self.idle.pop() {
            Some(at) => at,
            None => {
                self.order.new_node();
                self.lengths.flows.new_node()
            }
        };
        match self.flows.get_mut(at) {
            Some(idle) => *idle = flow,
            None => self.flows.push(flow),
        }
        self.by_path.insert(path, at);
        self.order.append(&mut self.turns, at);
        at
    }

    fn append(&mut self, at: usize, cell: CellBuf) {
        if let Some(flow) = self.flows.get_mut(at) {
            let len = flow.cells.len();
            self.waiting.append(&mut flow.cells, cell);
            self.lengths.moved(at, len, len + 1);
        }
    }

    /// Takes the last cell of the longest flow, if that has more than `held` and one cell: it then
    /// keeps its turn.
    fn cut_longest(&mut self, held: usize) -> Option<Overflow> {
        let (at, len) = self.lengths.longest()?;
        if len <= held.max(1) {
            return None;
        }
        let flow = self.flows.get_mut(at)?;
        let cell = self.waiting.pop_last(&mut flow.cells)?;
        self.lengths.moved(at, len, len - 1);
        let path = flow.path;
        Some(Overflow { path, cell })
    }

    fn retire(&mut self, at: usize) {
        if let Some(flow) = self.flows.get(at) {
            self.by_path.remove(&flow.path);
            self.idle.push(at);
        }
    }
}

/// The cells of all flows; which is whose, the flows' lists tell.
#[derive(Default)]
struct Waiting {
    cells: Vec<Option<CellBuf>>,
    links: Links,
    free: Vec<usize>,
}

impl Waiting {
    const fn len(&self) -> usize {
        self.cells.len() - self.free.len()
    }

    fn append(&mut self, flow: &mut List, cell: CellBuf) {
        let node = match self.free.pop() {
            Some(node) => node,
            None => {
                self.cells.push(None);
                self.links.new_node()
            }
        };
        if let Some(place) = self.cells.get_mut(node) {
            *place = Some(cell);
        }
        self.links.append(flow, node);
    }

    fn pop_first(&mut self, flow: &mut List) -> Option<CellBuf> {
        let node = flow.first()?;
        self.take(flow, node)
    }

    fn pop_last(&mut self, flow: &mut List) -> Option<CellBuf> {
        let node = flow.last()?;
        self.take(flow, node)
    }

    fn take(&mut self, flow: &mut List, node: usize) -> Option<CellBuf> {
        self.links.take_out(flow, node);
        self.free.push(node);
        self.cells.get_mut(node)?.take()
    }
}

/// Flows by how many cells they have, so that the longest is found without a search.
#[derive(Default)]
struct Lengths {
    flows: Links,
    /// `of[n]`: flows with `n + 1` cells.
    of: Vec<List>,
    /// The length of the longest; 0 if all are empty.
    longest: usize,
}

impl Lengths {
    /// The longest flow, and its length.
    fn longest(&self) -> Option<(usize, usize)> {
        let of = self.of.get(self.longest.checked_sub(1)?)?;
        Some((of.last()?, self.longest))
    }

    /// A flow's length has changed by one.
    fn moved(&mut self, flow: usize, from: usize, to: usize) {
        if let Some(of) = list_of(&mut self.of, from) {
            self.flows.take_out(of, flow);
            if self.longest == from && of.len() == 0 {
                self.longest = to;
            }
        }
        if let Some(of) = list_of(&mut self.of, to) {
            self.flows.append(of, flow);
        }
        self.longest = self.longest.max(to);
    }
}

/// The flows of this length; none are listed that have no cell.
fn list_of(of: &mut Vec<List>, len: usize) -> Option<&mut List> {
    let index = len.checked_sub(1)?;
    if of.len() <= index {
        of.resize(len, List::EMPTY);
    }
    of.get_mut(index)
}

/// Mixes a path's index and serial, which are this relay's own.
#[derive(Debug, Default)]
struct PathHasher(u64);

impl Hasher for PathHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
