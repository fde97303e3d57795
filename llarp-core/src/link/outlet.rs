//! What waits for a link, fairly by path, and how it gets out.
//!
//! ```text
//!   push ─▶ FairQueue ─ flush ─▶ QUIC's buffer of one batch ─▶ packets
//!                └─ no room: `Waiting::run` sends the rest as room comes
//! ```

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;

use super::connection::Link;
use crate::hop::{Cell, CellBuf, CellPool, FairLimits, FairQueue, Overflow, PathRef};
use crate::wire::limits::{CARRIAGE_CELLS, CELL_LEN};

/// A link, and the cells that wait for it.
pub struct Outlet {
    link: Link,
    queue: FairQueue,
    room: Arc<Notify>,
}

/// What sends a link's waiting cells as QUIC gets room; run it in a task.
pub struct Waiting {
    link: Link,
    room: Arc<Notify>,
}

impl Outlet {
    /// The outlet of a link, with nothing waiting, and what is to run beside it.
    #[must_use]
    pub fn new(link: Link) -> (Self, Waiting) {
        let room = Arc::new(Notify::new());
        let waiting = Waiting {
            link: link.clone(),
            room: Arc::clone(&room),
        };
        let queue = FairQueue::new(FairLimits::default());
        (Self { link, queue, room }, waiting)
    }

    /// The link.
    #[must_use]
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// Cells of one path that wait behind the first of all.
    #[must_use]
    pub fn waiting_of(&self, path: PathRef) -> usize {
        self.queue.waiting_of(path)
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Cells that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Cells that may be cut off without silencing a path: see [`FairQueue::surplus`].
    #[must_use]
    pub const fn surplus(&self) -> usize {
        self.queue.surplus()
    }

    /// Cuts off so many cells at most, each time the newest of the path that has most; how many.
    pub fn cut(&mut self, most: usize, pool: &mut CellPool) -> usize {
        let cells = (0..most).map_while(|_| self.queue.cut());
        cells.map(|cell| pool.give(cell)).count()
    }

    /// Gives up what waits of a path that is closed; how many cells that is.
    pub fn forget(&mut self, path: PathRef, pool: &mut CellPool) -> usize {
        self.queue.forget(path, pool)
    }

    /// Lets a cell wait; [`Outlet::flush`] must follow the last of a batch.
    ///
    /// # Errors
    /// [`Overflow`]: a cell that there was no room for.
    pub fn push(&mut self, path: PathRef, cell: CellBuf) -> Result<(), Overflow> {
        self.queue.push(path, cell)
    }

    /// Gives QUIC as many cells as it has room for; how many.
    pub fn flush(&mut self, carriage: &mut Carriage, pool: &mut CellPool) -> usize {
        let room = self.link.cell_room();
        let mut sent = 0;
        while sent < room {
            let Some(cell) = self.next(carriage, pool) else {
                return sent;
            };
            // A link that is closed takes nothing more: whoever receives from it finds out.
            let _ = self.link.send_cell(cell);
            sent += 1;
        }
        if !self.queue.is_empty() {
            self.room.notify_one();
        }
        sent
    }

    /// Takes the next cell that waits.
    pub fn next(&mut self, carriage: &mut Carriage, pool: &mut CellPool) -> Option<Bytes> {
        let cell = self.queue.pop()?;
        let bytes = carriage.load(&cell);
        pool.give(cell);
        Some(bytes)
    }

    /// Gives back the buffers of all that waits; how many they were.
    pub fn empty(&mut self, pool: &mut CellPool) -> usize {
        let mut emptied = 0;
        while let Some(cell) = self.queue.pop() {
            pool.give(cell);
            emptied += 1;
        }
        emptied
    }
}

impl Waiting {
    /// Sends what waits whenever QUIC has room again, until the link ends or `next` is over.
    /// `next` calls [`Outlet::flush`], then [`Outlet::next`], under whatever lock guards the outlet.
    pub async fn run(self, mut next: impl FnMut() -> Option<Option<Bytes>>) {
        while until(&self.link, self.room.notified()).await {
            loop {
                match next() {
                    None => return,
                    Some(None) => break,
                    Some(Some(cell)) => {
                        if self.link.send_cell_wait(cell).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }
}

/// Waits for `ready`; `false` if the link ended first.
pub(crate) async fn until(link: &Link, ready: impl Future<Output = ()>) -> bool {
    tokio::select! {
        biased;
        () = ready => true,
        _ = link.closed() => false,
    }
}

/// Cells on their way out: one allocation for many, used again when QUIC has sent them all.
#[derive(Debug, Default)]
pub struct Carriage(BytesMut);

impl Carriage {
    /// A copy of `cell` to send.
    #[must_use]
    pub fn load(&mut self, cell: &Cell) -> Bytes {
        if self.0.capacity() < CELL_LEN {
            self.0.reserve(CARRIAGE_CELLS * CELL_LEN);
        }
        self.0.extend_from_slice(cell);
        self.0.split().freeze()
    }
}

impl core::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Outlet")
            .field("waiting", &self.queue.len())
            .finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}
