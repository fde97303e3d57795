//! What goes wrong with a store, by operation, and who must act. No error holds a key or a path.

use std::io::ErrorKind;

/// Who must act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The caller: it asked for what cannot be.
    FixCall,
    /// Whoever runs the machine: make room, repair the disk, or restore the directory.
    Operator,
    /// Nobody: try again later.
    RetryLater,
}

/// Why a store does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another store of this one, has it.
    #[error("the data directory is in use: only one process may have it open")]
    Locked,
    /// The disk is full.
    #[error("the disk is full: make room and start again")]
    NoSpace,
    /// The file is not what a store wrote, and no crash makes it so.
    #[error(
        "the store is damaged: restore the data directory from a copy, or move it away and lose what it held"
    )]
    Corrupted,
    /// The file is of another version of this program.
    #[error("the store was written by another version of this program")]
    OtherVersion,
    /// The directory or the file cannot be used.
    #[error("the data directory cannot be used: {0}")]
    Io(ErrorKind),
}

/// Why a batch is not acknowledged.
///
/// After [`NoSpace`](Self::NoSpace), [`Io`](Self::Io) and [`Corrupted`](Self::Corrupted) it is
/// there as a whole or not at all, and only a read tells. In all other cases it is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A key that should be absent is there, and what is there is durable.
    #[error("a row that should be new is there already")]
    Conflict,
    /// Above a limit of the store.
    #[error("a {what} has at most {max} bytes, {got} given")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The bound.
        max: usize,
        /// Bytes given.
        got: usize,
    },
    /// The disk is full. Reads go on; so do commits once there is room.
    #[error("the disk is full")]
    NoSpace,
    /// The disk failed.
    #[error("the disk failed: {0}")]
    Io(ErrorKind),
    /// The file is not what a store wrote.
    #[error("the store is damaged")]
    Corrupted,
}

/// Why there is no answer to a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The store was opened anew after a failing disk, twice within one read.
    #[error("the read was interrupted")]
    Interrupted,
    /// The disk is so full that the store does not open again after a failure.
    #[error("the disk is full")]
    NoSpace,
    /// The disk failed.
    #[error("the disk failed: {0}")]
    Io(ErrorKind),
    /// The file is not what a store wrote.
    #[error("the store is damaged")]
    Corrupted,
}

impl OpenError {
    /// Who must act.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Locked | Self::NoSpace | Self::Corrupted | Self::OtherVersion | Self::Io(_) => {
                Remedy::Operator
            }
        }
    }
}

impl CommitError {
    /// Who must act.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Conflict | Self::TooLarge { .. } => Remedy::FixCall,
            Self::NoSpace | Self::Corrupted => Remedy::Operator,
            Self::Io(_) => Remedy::RetryLater,
        }
    }
}

impl ReadError {
    /// Who must act.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::NoSpace | Self::Corrupted => Remedy::Operator,
            Self::Interrupted | Self::Io(_) => Remedy::RetryLater,
        }
    }
}

/// What the engine says went wrong, before it is known whose operation that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// An earlier failure: the engine must be opened again.
    Latched,
    NoSpace,
    Io(ErrorKind),
    Corrupted,
    OtherVersion,
}

impl Fault {
    /// The fault behind an error of the disk.
    pub(super) const fn of_kind(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::NoSpace
            }
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Self::Corrupted,
            kind => Self::Io(kind),
        }
    }
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        use redb::Error;
        match error.into() {
            Error::Io(error) => Self::of_kind(error.kind()),
            Error::PreviousIo | Error::DatabaseClosed => Self::Latched,
            Error::UpgradeRequired(_) | Error::LockProtocolMismatch => Self::OtherVersion,
            // The rest is misuse of the engine, which this layer does not commit, and broken data.
            _ => Self::Corrupted,
        }
    }
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Latched => Self::Io(ErrorKind::Other),
            Fault::NoSpace => Self::NoSpace,
            Fault::Io(kind) => Self::Io(kind),
            Fault::Corrupted => Self::Corrupted,
            Fault::OtherVersion => Self::OtherVersion,
        }
    }
}

impl From<Fault> for CommitError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Latched => Self::Io(ErrorKind::Other),
            Fault::NoSpace => Self::NoSpace,
            Fault::Io(kind) => Self::Io(kind),
            Fault::Corrupted | Fault::OtherVersion => Self::Corrupted,
        }
    }
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Latched => Self::Interrupted,
            Fault::NoSpace => Self::NoSpace,
            Fault::Io(kind) => Self::Io(kind),
            Fault::Corrupted | Fault::OtherVersion => Self::Corrupted,
        }
    }
}
