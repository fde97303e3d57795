//! What a store's bytes lie on.

use core::fmt::Debug;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::Fault;

/// Bytes that can be made durable: a file, or in tests a disk that fails.
///
/// After a failed write or sync the store opens the same medium again, without knowing which of the
/// writes since the last good sync took hold.
#[expect(
    clippy::len_without_is_empty,
    reason = "a size in bytes; nobody asks whether it is zero"
)]
pub trait Medium: Debug + Send + Sync + 'static {
    /// Bytes in all.
    ///
    /// # Errors
    /// Whatever the disk says, as with the others.
    fn len(&self) -> io::Result<u64>;

    /// Fills `out` with what stands at `offset`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`], if not so much is there.
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Makes it this long; what is new is zero.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] and its like make the store say that there is no space.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Writes at `offset`; never past the end.
    ///
    /// # Errors
    /// As with [`Medium::set_len`].
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Returns when everything written before is durable.
    ///
    /// # Errors
    /// As with [`Medium::set_len`].
    fn sync(&self) -> io::Result<()>;
}

/// A medium as the engine wants it, for one opening of the engine.
#[derive(Debug)]
pub(super) struct Opening {
    medium: Arc<dyn Medium>,
    first: FirstFault,
}

/// What failed first in an opening. The engine itself forgets, and says only that something did.
#[derive(Debug, Clone, Default)]
pub(super) struct FirstFault(Arc<Mutex<Option<Fault>>>);

impl FirstFault {
    /// The fault in full.
    pub(super) fn explain(&self, fault: Fault) -> Fault {
        let first = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match fault {
            Fault::Latched => first.unwrap_or(fault),
            fault => fault,
        }
    }

    fn note<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert(Fault::of_kind(error.kind()));
        }
        result
    }
}

impl Opening {
    pub(super) fn new(medium: Arc<dyn Medium>, first: FirstFault) -> Self {
        Self { medium, first }
    }
}

/// Locking is left out: the directory is locked by a file of its own, through every opening.
impl redb::StorageBackend for Opening {
    fn len(&self) -> io::Result<u64> {
        self.first.note(self.medium.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.first.note(self.medium.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.first.note(self.medium.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.first.note(self.medium.sync())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.first.note(self.medium.write(offset, data))
    }
}
