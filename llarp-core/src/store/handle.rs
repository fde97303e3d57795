//! The store that everybody shares.

use core::fmt;
use std::path::Path;
use std::sync::Arc;

use super::batch::{Batch, TableId};
use super::engine::Engine;
use super::error::{CommitError, OpenError, ReadError};
use super::file::LockedDir;
use super::medium::Medium;
use super::memory::Memory;
use super::range::KeyRange;
use super::snapshot::{Row, Snapshot, Source};
use super::writer::Writer;

/// Tables on a disk or in memory. Clones share them.
///
/// When the last clone is dropped it waits, for milliseconds, until everything handed over is
/// durable and the file is closed; whoever opens the directory then finds it free.
#[derive(Clone)]
pub struct Store(Arc<Backend>);

enum Backend {
    Memory(Memory),
    Disk(Disk),
}

struct Disk {
    // Dropped first: its thread holds the engine.
    writer: Writer,
    engine: Arc<Engine>,
}

/// How a store on a disk is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    /// Memory for rows that were read or are being written, in bytes. Default 16 MiB; the rest
    /// comes from the system's own cache of the file.
    pub cache_bytes: usize,
    /// Reads the whole file and verifies every checksum before the store opens: seconds for each
    /// gigabyte. Default no: a crash leaves nothing that would need it, only a bad disk does.
    pub check: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 16 << 20,
            check: false,
        }
    }
}

impl Store {
    /// Opens the store of a directory and locks it. What is missing is made, for this user alone.
    ///
    /// # Errors
    /// [`OpenError`], each kind of which says what to do.
    pub fn open(dir: &Path, options: StoreOptions) -> Result<Self, OpenError> {
        let dir = LockedDir::open(dir)?;
        if !dir.has_file()? {
            // Made under another name: a crash meanwhile leaves nothing half there.
            drop(Engine::open(Arc::new(dir.new_file()?), options)?);
            dir.keep_new_file()?;
        }
        Self::on_medium(Arc::new(dir.into_file()?), options)
    }

    /// A store on any medium, such as a disk that fails on purpose. Nothing locks it.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn on_medium(medium: Arc<dyn Medium>, options: StoreOptions) -> Result<Self, OpenError> {
        let engine = Arc::new(Engine::open(medium, options)?);
        let writer = Writer::start(Arc::clone(&engine));
        let writer = writer.map_err(|error| OpenError::Io(error.kind()))?;
        Ok(Self(Arc::new(Backend::Disk(Disk { writer, engine }))))
    }

    /// A store that ends with its last clone. Commits happen at once, on the caller's thread.
    #[must_use]
    pub fn in_memory() -> Self {
        Self(Arc::new(Backend::Memory(Memory::default())))
    }

    /// Makes a batch durable; waits for that, and before it for room in the queue. Batches of one
    /// task apply in the order of its calls.
    ///
    /// Cancel-safe: when the future is dropped, the batch still commits as a whole, or not at all.
    ///
    /// # Errors
    /// [`CommitError`]: the batch is not acknowledged.
    pub async fn commit(&self, batch: Batch) -> Result<(), CommitError> {
        match &*self.0 {
            Backend::Memory(memory) => memory.commit(&batch),
            Backend::Disk(disk) => disk.writer.commit(batch).await,
        }
    }

    /// The value of a key in the last durable state.
    ///
    /// # Errors
    /// [`ReadError`], if the disk fails.
    pub fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.read(|snapshot| snapshot.get(table, key))
    }

    /// The first rows of a range in the last durable state, at most `limit`, ordered by key.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn range(
        &self,
        table: TableId,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Row>, ReadError> {
        self.read(|snapshot| snapshot.range(table, range, limit))
    }

    /// Several reads of one durable state. `look` is called a second time if a disk that fails
    /// interrupts it. It must not wait for a commit.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn read<T>(
        &self,
        mut look: impl FnMut(&Snapshot<'_>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        match (self.attempt(&mut look), &*self.0) {
            (Err(_), Backend::Disk(_)) => self.attempt(&mut look),
            (result, _) => result,
        }
    }

    /// One look; after a failure the engine is opened anew for the next.
    fn attempt<T>(
        &self,
        look: &mut impl FnMut(&Snapshot<'_>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let snapshot = self.snapshot()?;
        let opening = snapshot.opening();
        let result = look(&snapshot);
        drop(snapshot);
        if let (Err(_), Backend::Disk(disk), Some(opening)) = (&result, &*self.0, opening) {
            disk.engine.reopen(opening)?;
        }
        result
    }

    fn snapshot(&self) -> Result<Snapshot<'_>, ReadError> {
        Ok(Snapshot::new(match &*self.0 {
            Backend::Memory(memory) => Source::Memory(memory.snapshot()),
            Backend::Disk(disk) => Source::Disk(disk.engine.view()?),
        }))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.0 {
            Backend::Memory(_) => "Store(in memory)",
            Backend::Disk(_) => "Store(on disk)",
        })
    }
}
