//! The order in which cells leave over one link (`docs/spec/04-hop.md` §4).
//!
//! Cells have one size, so that deficit round-robin with a quantum of one cell is plain round-robin
//! and needs no deficits.
//!
//! ```text
//!              few cells wait                    ┌───────────── fifo, ≤ 32 ─┐
//!   push ─────────────────────────────────────▶  └──────────────────────────┴─▶ pop
//!     │        more wait                         one cell of each in turn  ▲
//!     └──────▶ flow of its path  ▒▒▒▒▒▒▒▒▒▒  ──────────────────────────────┤
//!              flow of another   ▒           ──────────────────────────────┘
//! ```

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use super::{CellBuf, PathRef};
use crate::wire::limits::{QUEUE_FIFO_CELLS, QUEUE_LINK_CELLS, QUEUE_PATH_CELLS};

/// Flows without cells that keep their room for new ones; more than paths that a link usually has
/// in its queue, so that usually nothing is allocated.
const IDLE_FLOWS_KEPT: usize = 64;

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
    turns: VecDeque<usize>,
    lengths: Lengths,
    waiting: usize,
}

struct Flow {
    path: PathRef,
    cells: VecDeque<CellBuf>,
    /// Its place among the flows of its length.
    place: usize,
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
            turns: VecDeque::new(),
            lengths: Lengths::default(),
            waiting: 0,
        }
    }

    /// Cells that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fifo.len() + self.waiting
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets a cell wait. Constant work.
    ///
    /// # Errors
    /// [`Overflow`] holds the cell that was lost for it: the cell itself if its path has its fill
    /// or most waiting, else the last one of the path that has most waiting.
    pub fn push(&mut self, path: PathRef, cell: CellBuf) -> Result<(), Overflow> {
        if self.waiting == 0 && self.fifo.len() < self.limits.fifo {
            self.fifo.push_back(cell);
            return Ok(());
        }
        let known = self.by_path.get(&path).copied();
        let held = known.and_then(|at| self.flows.get(at));
        let held = held.map_or(0, |flow| flow.cells.len());
        if held >= self.limits.per_path {
            return Err(Overflow { path, cell });
        }
        let lost = if self.waiting < self.limits.total {
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
        let at = self.turns.pop_front()?;
        let flow = self.flows.get_mut(at)?;
        let len = flow.cells.len();
        let cell = flow.cells.pop_front()?;
        self.waiting -= 1;
        self.lengths.moved(&mut self.flows, at, len, len - 1);
        if len > 1 {
            self.turns.push_back(at);
        } else {
            self.retire(at);
        }
        Some(cell)
    }

    fn open(&mut self, path: PathRef) -> usize {
        let at = self.idle.pop().unwrap_or_else(|| {
            self.flows.push(Flow {
                path,
                cells: VecDeque::new(),
                place: 0,
            });
            self.flows.len() - 1
        });
        if let Some(flow) = self.flows.get_mut(at) {
            flow.path = path;
        }
        self.by_path.insert(path, at);
        self.turns.push_back(at);
        at
    }

    fn append(&mut self, at: usize, cell: CellBuf) {
        if let Some(flow) = self.flows.get_mut(at) {
            let len = flow.cells.len();
            flow.cells.push_back(cell);
            self.waiting += 1;
            self.lengths.moved(&mut self.flows, at, len, len + 1);
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
        let (path, cell) = (flow.path, flow.cells.pop_back()?);
        self.waiting -= 1;
        self.lengths.moved(&mut self.flows, at, len, len - 1);
        Some(Overflow { path, cell })
    }

    fn retire(&mut self, at: usize) {
        if let Some(flow) = self.flows.get_mut(at) {
            self.by_path.remove(&flow.path);
            if self.idle.len() >= IDLE_FLOWS_KEPT {
                flow.cells = VecDeque::new();
            }
            self.idle.push(at);
        }
    }
}

/// Flows by how many cells they have, so that the longest is found without a search.
#[derive(Default)]
struct Lengths {
    /// `of[n]`: flows with `n + 1` cells, in no order.
    of: Vec<Vec<usize>>,
    /// The length of the longest; 0 if all are empty.
    longest: usize,
}

impl Lengths {
    fn longest(&self) -> Option<(usize, usize)> {
        let of = self.of.get(self.longest.checked_sub(1)?)?;
        Some((*of.last()?, self.longest))
    }

    /// A flow's length has changed by one.
    fn moved(&mut self, flows: &mut [Flow], at: usize, from: usize, to: usize) {
        self.take_out(flows, at, from);
        self.put_in(flows, at, to);
        self.longest = self.longest.max(to);
        if from == self.longest && self.is_none_of(from) {
            self.longest = to;
        }
    }

    fn is_none_of(&self, len: usize) -> bool {
        len.checked_sub(1)
            .and_then(|index| self.of.get(index))
            .is_none_or(Vec::is_empty)
    }

    fn take_out(&mut self, flows: &mut [Flow], at: usize, len: usize) {
        let of = len.checked_sub(1).and_then(|index| self.of.get_mut(index));
        let (Some(of), Some(place)) = (of, flows.get(at).map(|flow| flow.place)) else {
            return;
        };
        if place < of.len() {
            of.swap_remove(place);
        }
        let moved = of.get(place).and_then(|moved| flows.get_mut(*moved));
        if let Some(moved) = moved {
            moved.place = place;
        }
    }

    fn put_in(&mut self, flows: &mut [Flow], at: usize, len: usize) {
        let Some(index) = len.checked_sub(1) else {
            return;
        };
        if self.of.len() <= index {
            self.of.resize_with(index + 1, Vec::new);
        }
        if let (Some(of), Some(flow)) = (self.of.get_mut(index), flows.get_mut(at)) {
            flow.place = of.len();
            of.push(at);
        }
    }
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
