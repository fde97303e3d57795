//! `hop_queue`: the cells that wait for one link.
//!
//! Holds: each cell comes out once, or is lost once; in the order of its path; the first cells as
//! they came, then one of each path in turn; bounds; the lost cell is the one that the queue says.

use std::collections::{BTreeMap, VecDeque};

use llarp_core::hop::{CellBuf, CellPool, FairLimits, FairQueue, Overflow, PathRef};

use crate::Seed;
use crate::input::Input;

/// Cells of one run.
const PUSHES_MAX: u64 = 512;
const PATHS: usize = 6;

/// The input is three limits, then ops: a cell of a path, several of it, or the next cell out.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let limits = FairLimits {
        fifo: input.below(5),
        per_path: input.below(8),
        total: input.below(20),
    };
    let mut world = World::new(limits);
    while !input.is_empty() && world.pushed < PUSHES_MAX {
        let op = input.u8();
        let path = usize::from(op >> 3) % PATHS;
        match op % 8 {
            0..4 => world.push(path),
            4 => (0..input.below(10)).for_each(|_| world.push(path)),
            _ => drop(world.pop()),
        }
        world.compare();
    }
    while world.pop().is_some() {}
    assert!(world.queue.is_empty());
    assert_eq!(world.queue.len(), 0);
}

struct World {
    queue: FairQueue,
    pool: CellPool,
    limits: FairLimits,
    pushed: u64,
    fifo: VecDeque<u64>,
    flows: BTreeMap<usize, VecDeque<u64>>,
    turns: VecDeque<usize>,
}

/// The path of this number; its table is far along.
fn path(number: usize) -> PathRef {
    PathRef::from_number((7_u128 << 64) | number as u128)
}

fn stamp(cell: &CellBuf) -> u64 {
    cell.first_chunk()
        .map_or(0, |head| u64::from_be_bytes(*head))
}

impl World {
    fn new(limits: FairLimits) -> Self {
        Self {
            queue: FairQueue::new(limits),
            pool: CellPool::new(3),
            limits,
            pushed: 0,
            fifo: VecDeque::new(),
            flows: BTreeMap::new(),
            turns: VecDeque::new(),
        }
    }

    fn waiting(&self) -> usize {
        self.flows.values().map(VecDeque::len).sum()
    }

    fn push(&mut self, number: usize) {
        self.pushed += 1;
        let mut cell = self.pool.take();
        cell[..8].copy_from_slice(&self.pushed.to_be_bytes());
        let found = self.queue.push(path(number), cell);
        let waiting = self.waiting();
        if waiting == 0 && self.fifo.len() < self.limits.fifo {
            assert!(found.is_ok(), "there was room");
            self.fifo.push_back(self.pushed);
            return;
        }
        let held = self.flows.get(&number).map_or(0, VecDeque::len);
        let longest = self.flows.values().map(VecDeque::len).max().unwrap_or(0);
        let full = held >= self.limits.per_path;
        if !full && waiting < self.limits.total {
            assert!(found.is_ok(), "there was room");
        } else {
            let Err(lost) = found else {
                panic!("room above the limits");
            };
            // A path is not cut to nothing, so that it keeps its turn.
            if full || longest <= held.max(1) {
                assert_eq!((lost.path, stamp(&lost.cell)), (path(number), self.pushed));
                return self.pool.give(lost.cell);
            }
            self.lose(lost, longest);
        }
        if held == 0 {
            self.turns.push_back(number);
        }
        let flow = self.flows.entry(number).or_default();
        flow.push_back(self.pushed);
    }

    /// Any of the longest may have lost its last cell.
    fn lose(&mut self, lost: Overflow, longest: usize) {
        let mut flows = self.flows.iter_mut();
        let found = flows.find(|(number, _)| path(**number) == lost.path);
        let (_, flow) = found.expect("a path that has cells");
        assert_eq!(flow.len(), longest);
        assert_eq!(flow.pop_back(), Some(stamp(&lost.cell)));
        self.pool.give(lost.cell);
    }

    fn pop(&mut self) -> Option<u64> {
        let expected = self.fifo.pop_front().or_else(|| {
            let number = self.turns.pop_front()?;
            let flow = self.flows.get_mut(&number)?;
            let cell = flow.pop_front();
            if !flow.is_empty() {
                self.turns.push_back(number);
            }
            cell
        });
        let cell = self.queue.pop();
        let found = cell.as_ref().map(stamp);
        assert_eq!(found, expected);
        if let Some(cell) = cell {
            self.pool.give(cell);
        }
        found
    }

    fn compare(&self) {
        let waiting = self.waiting();
        assert!(waiting <= self.limits.total);
        assert_eq!(self.queue.len(), self.fifo.len() + waiting);
        assert_eq!(self.queue.is_empty(), self.fifo.is_empty() && waiting == 0);
        for number in 0..PATHS {
            let held = self.flows.get(&number).map_or(0, VecDeque::len);
            assert_eq!(self.queue.waiting_of(path(number)), held);
        }
    }
}

pub(crate) fn seeds() -> Vec<Seed> {
    let push = |path: u8| vec![path << 3];
    let burst = |path: u8, cells| vec![path << 3 | 4, cells];
    let pops = |count| vec![5; count];
    let limits = |fifo, per_path, total| vec![fifo, per_path, total];
    vec![
        (
            "fifo_only",
            [limits(4, 7, 19), push(0), push(1), push(0), pops(4)].concat(),
        ),
        (
            "turns",
            [
                limits(2, 7, 19),
                burst(0, 6),
                burst(1, 3),
                push(2),
                pops(12),
            ]
            .concat(),
        ),
        (
            "path_has_its_fill",
            [limits(1, 3, 19), burst(0, 9), push(1), pops(6)].concat(),
        ),
        (
            "longest_is_cut",
            [
                limits(0, 7, 9),
                burst(0, 6),
                burst(1, 3),
                push(2),
                push(3),
                burst(1, 4),
                pops(10),
            ]
            .concat(),
        ),
        (
            "one_of_each",
            [limits(0, 7, 3), push(0), push(1), push(2), push(3), pops(4)].concat(),
        ),
        (
            "no_room_at_all",
            [limits(0, 0, 0), push(0), push(1), pops(1)].concat(),
        ),
        (
            "again_after_rest",
            [
                limits(1, 2, 4),
                burst(0, 5),
                pops(5),
                burst(0, 5),
                burst(1, 2),
                pops(5),
            ]
            .concat(),
        ),
    ]
}
