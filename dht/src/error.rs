//! What goes wrong, by operation, and who must act.

use llarp_core::store::ReadError;

use crate::rules::Invalid;

/// Why the table does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It was not started in a tokio runtime: the caller's mistake.
    #[error("the table must be started in a tokio runtime")]
    NoRuntime,
    /// The system gives it no thread.
    #[error("no thread for the table: {0}")]
    Thread(std::io::Error),
    /// What was kept cannot be read.
    #[error("the table's values cannot be read: {0}")]
    Store(#[from] ReadError),
    /// The relay's name is no key: the caller's mistake.
    #[error("the relay's name is no key")]
    Name,
}

/// Why nothing was searched or published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DhtError {
    /// Too much is under way: try again later.
    #[error("the table is busy")]
    Busy,
    /// The table has stopped.
    #[error("the table has stopped")]
    Stopped,
    /// The caller's value is none that a relay would keep.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}
