//! Buffers of cells, used again and again.

use core::ops::{Deref, DerefMut};

use super::Cell;
use crate::wire::limits::CELL_LEN;

/// One cell's buffer. Has one owner at a time; moves as a pointer.
pub struct CellBuf(Box<Cell>);

impl Deref for CellBuf {
    type Target = Cell;

    fn deref(&self) -> &Cell {
        &self.0
    }
}

impl DerefMut for CellBuf {
    fn deref_mut(&mut self) -> &mut Cell {
        &mut self.0
    }
}

/// Buffers that are free. Allocates only when more are in use than ever before; what queues hold
/// bounds how many those are.
pub struct CellPool {
    free: Vec<CellBuf>,
    keep: usize,
}

impl CellPool {
    /// A pool that keeps up to `keep` free buffers of [`CELL_LEN`] bytes and frees others.
    #[must_use]
    pub fn new(keep: usize) -> Self {
        Self {
            free: Vec::with_capacity(keep),
            keep,
        }
    }

    /// A buffer with what its last cell left in it: write all of it.
    #[must_use]
    pub fn take(&mut self) -> CellBuf {
        self.free
            .pop()
            .unwrap_or_else(|| CellBuf(Box::new([0; CELL_LEN])))
    }

    /// Gives a buffer back.
    pub fn give(&mut self, cell: CellBuf) {
        if self.free.len() < self.keep {
            self.free.push(cell);
        }
    }
}
