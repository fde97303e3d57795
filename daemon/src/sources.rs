//! Where a registry comes from: a folder, a file, a web server, or an operator's own Oxen daemon.
//!
//! In: a path or an address, as a person writes it. Out: bytes, which nobody has verified, at most so
//! many and within a time; [`refresh`] offers them to a ledger, which verifies them. *Not* here: peers
//! that are asked over links and paths. Specification: `docs/spec/09-registry.md` §10.
//!
//! Snapshots are signed, so plain HTTP carries them as safely as anything else; who watches the wire sees that
//! somebody fetches a registry. What an Oxen daemon says is *not* signed: see [`oxen`].

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod http;
pub mod oxen;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use llarp_core::registry::{Changed, Delta, Ledger, Refused};
use llarp_core::wire::limits::{DELTA_MAX, SIGNED_SNAPSHOT_MAX};

use crate::files::FileError;
use http::{HttpError, HttpUrl, Reach};

/// The name of the newest snapshot in a published folder.
pub const SNAPSHOT_NAME: &str = "snapshot";
/// The name of the delta from the newest snapshot's predecessor to it.
pub const DELTA_NAME: &str = "delta";

/// Where snapshots are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A published folder, or one snapshot in a file.
    File(PathBuf),
    /// The same on a web server: a folder if it ends in `/`.
    Http(HttpUrl),
}

/// Why a source gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The disk.
    #[error(transparent)]
    File(#[from] FileError),
    /// The network, or what is at its other end.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// Why a ledger is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Nothing came.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What came is refused.
    #[error("{0}")]
    Refused(#[from] Refused),
}

/// What a source led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refreshed {
    /// What became of the ledger.
    pub changed: Changed,
    /// Bytes that were read for it.
    pub bytes: usize,
    /// Whether a delta was enough.
    pub by_delta: bool,
}

impl Source {
    /// A path, or an address that begins with `http://`.
    ///
    /// # Errors
    /// [`HttpError::Url`].
    pub fn parse(text: &str) -> Result<Self, HttpError> {
        if text.contains("://") {
            return HttpUrl::parse(text).map(Self::Http);
        }
        Ok(Self::File(PathBuf::from(text)))
    }

    /// The newest snapshot.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn snapshot(&self) -> Result<Vec<u8>, SourceError> {
        match self {
            Self::File(path) if path.is_dir() => {
                Ok(read_file(&path.join(SNAPSHOT_NAME), SIGNED_SNAPSHOT_MAX)?)
            }
            Self::File(path) => Ok(read_file(path, SIGNED_SNAPSHOT_MAX)?),
            Self::Http(url) => {
                let url = url.in_folder(SNAPSHOT_NAME);
                Ok(url.get(Reach::Anywhere, SIGNED_SNAPSHOT_MAX).await?)
            }
        }
    }

    /// The delta to the newest snapshot, where there is a folder that has one.
    ///
    /// # Errors
    /// [`SourceError`].
    pub async fn delta(&self) -> Result<Option<Vec<u8>>, SourceError> {
        match self {
            Self::File(path) if path.join(DELTA_NAME).is_file() => {
                Ok(Some(read_file(&path.join(DELTA_NAME), DELTA_MAX)?))
            }
            Self::Http(url) if url.is_folder() => {
                let url = url.in_folder(DELTA_NAME);
                match url.get(Reach::Anywhere, DELTA_MAX).await {
                    Err(HttpError::Status { status: 404, .. }) => Ok(None),
                    other => Ok(Some(other?)),
                }
            }
            Self::File(_) | Self::Http(_) => Ok(None),
        }
    }
}

/// Brings `ledger` up to date from `source` at the time `now`, in seconds since 1970: by the delta if it
/// begins with what the ledger has, or leads to it, else by the whole snapshot.
///
/// # Errors
/// [`RefreshError`]; then the ledger is as it was.
pub async fn refresh(
    ledger: &mut Ledger,
    source: &Source,
    now: u64,
) -> Result<Refreshed, RefreshError> {
    // Whatever is wrong with a delta, the whole snapshot may be right; and what is wrong with that
    // one is what people should read.
    if let Some(bytes) = useful_delta(ledger, source).await
        && let Ok(changed) = ledger.offer_delta(&bytes, now)
    {
        let (bytes, by_delta) = (bytes.len(), true);
        return Ok(Refreshed {
            changed,
            bytes,
            by_delta,
        });
    }
    let bytes = source.snapshot().await?;
    let changed = ledger.offer_snapshot(&bytes, now)?;
    let (bytes, by_delta) = (bytes.len(), false);
    Ok(Refreshed {
        changed,
        bytes,
        by_delta,
    })
}

async fn useful_delta(ledger: &Ledger, source: &Source) -> Option<Vec<u8>> {
    let have = ledger.head()?.hash;
    let bytes = source.delta().await.ok()??;
    let delta = Delta::decode(&bytes).ok()?;
    (delta.base() == have || delta.target() == have).then_some(bytes)
}

/// A whole file of at most `max` bytes: it may grow while it is read.
fn read_file(path: &Path, max: usize) -> Result<Vec<u8>, FileError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limit = max as u64 + 1;
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(FileError::io(path))?;
    if bytes.len() > max {
        let what = format!("more than {max} bytes, so it is no snapshot; use another source");
        return Err(FileError::malformed(path, &what));
    }
    Ok(bytes)
}
