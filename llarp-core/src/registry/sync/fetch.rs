//! Fetching a snapshot or delta in parts from one source.

use super::super::directory::SnapshotHead;
use super::super::message::{Reply, Request, SnapshotAsk};
use crate::wire::WireError;
use crate::wire::limits::SNAPSHOT_PART_MAX;

/// Why a source gives no snapshot. Another source may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Its reply does not follow the specification.
    #[error("the reply cannot be read: {0}")]
    Bytes(#[from] WireError),
    /// It has nothing newer, or will not say.
    #[error("the source has no newer snapshot")]
    Nothing,
    /// It replied to another question, or with another part.
    #[error("a part of a snapshot that was not asked for")]
    OtherPart,
    /// It has another snapshot than at the beginning: begin again.
    #[error("the source has another snapshot than at the beginning")]
    Changed,
}

/// Puts the parts of a snapshot together, at most
/// [`crate::wire::limits::SNAPSHOT_WHOLE_MAX`] bytes. Nothing is checked of what they say: that is
/// the ledger's business.
#[derive(Debug)]
pub struct SnapshotFetch {
    number: u64,
    hash: [u8; 32],
    total: Option<u32>,
    bytes: Vec<u8>,
}

impl SnapshotFetch {
    /// A fetch for whoever has the snapshot `have`.
    #[must_use]
    pub const fn new(have: &SnapshotHead) -> Self {
        Self {
            number: have.number,
            hash: have.hash,
            total: None,
            bytes: Vec::new(),
        }
    }

    /// The next question.
    #[must_use]
    pub fn request(&self) -> Request {
        Request::Snapshot(SnapshotAsk {
            number: self.number,
            hash: self.hash,
            // No more than SNAPSHOT_WHOLE_MAX.
            offset: u32::try_from(self.bytes.len()).unwrap_or(u32::MAX),
        })
    }

    /// Takes a part. The whole, if it was the last one.
    ///
    /// # Errors
    /// [`FetchError`]; this fetch is of no further use.
    pub fn handle(&mut self, reply: &[u8]) -> Result<Option<Vec<u8>>, FetchError> {
        let part = match Reply::decode(reply)? {
            Reply::Snapshot(part) => part,
            Reply::Nothing => return Err(FetchError::Nothing),
            _ => return Err(FetchError::OtherPart),
        };
        if part.offset as usize != self.bytes.len() || part.bytes.is_empty() {
            return Err(FetchError::OtherPart);
        }
        if *self.total.get_or_insert(part.total) != part.total {
            return Err(FetchError::Changed);
        }
        // Parts are as large as they can be: who drips one byte after the other would hold up for hours
        // whoever listens.
        let left = (part.total as usize).saturating_sub(self.bytes.len());
        if part.bytes.len() != left.min(SNAPSHOT_PART_MAX) {
            return Err(FetchError::OtherPart);
        }
        self.bytes.extend_from_slice(&part.bytes);
        let whole = self.bytes.len() == part.total as usize;
        Ok(whole.then(|| std::mem::take(&mut self.bytes)))
    }
}
