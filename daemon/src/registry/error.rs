//! Why a command of the registry is not carried out.

use std::io;
use std::path::PathBuf;

use llarp_core::registry::{
    CharterError, DeltaError, DraftError, Forged, ParametersError, Refused, SignatureError,
};

use super::NetworkFileError;
use crate::files::FileError;
use crate::sources::oxen::OxenError;
use crate::sources::{RefreshError, SourceError};

/// One line each, which says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The operating system.
    #[error("the operating system refuses: {0}")]
    System(#[from] io::Error),
    /// No randomness.
    #[error("no randomness from the operating system: {0}")]
    Randomness(#[from] getrandom::Error),
    /// The network's file cannot be made.
    #[error("{0}")]
    Network(#[from] NetworkFileError),
    /// A charter cannot be made, or does not follow.
    #[error("{0}")]
    Charter(#[from] CharterError),
    /// A draft cannot be made.
    #[error("no draft: {0}")]
    Draft(#[from] DraftError),
    /// Swarms of that size cannot be.
    #[error("no draft: {0}")]
    Parameters(#[from] ParametersError),
    /// Signatures do not suffice.
    #[error("not published: {0}; have the draft signed by more or by the right authorities")]
    Signatures(#[from] SignatureError),
    /// The same, or the charters are wrong.
    #[error("not published: {0}; have the draft signed by more or by the right authorities")]
    Collect(#[from] Forged),
    /// The delta cannot be made.
    #[error("not published: {0}")]
    Delta(#[from] DeltaError),
    /// The ledger would not take it.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// A source gives nothing.
    #[error("{error}; {kept}")]
    Fetch {
        /// What is wrong.
        error: RefreshError,
        /// What stays.
        kept: String,
    },
    /// The source's address.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The Oxen daemon.
    #[error(transparent)]
    Oxen(#[from] OxenError),
    /// A file would be overwritten.
    #[error("{} is there already, and is not overwritten; give another name", path.display())]
    There {
        /// Which.
        path: PathBuf,
    },
    /// Something else that the user does otherwise.
    #[error("{0}")]
    Misuse(String),
}

/// A line of one's own.
pub(super) fn misuse<T>(what: impl Into<String>) -> Result<T, RegistryError> {
    Err(RegistryError::Misuse(what.into()))
}
