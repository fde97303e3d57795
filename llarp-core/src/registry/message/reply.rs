//! What a node answers.
//!
//! ```text
//! ┌─────────┬────────┬──────┐
//! │ version │ kind 1 │ rest │
//! └─────────┴────────┴──────┘
//! 1 head        number 8 ‖ hash 32 ‖ charter 8 ‖ count 1 ‖ (what 5 ‖ documents 2 ‖ root 32) each, ascending
//! 2 snapshot    total 4 ‖ offset 4 ‖ bytes
//! 3 buckets     count 2 ‖ digests, 32 each
//! 4 hashes      more 1 ‖ count 2 ‖ (relay id 32 ‖ name 32) each, by ascending id
//! 5 documents   count 2 ‖ (length 2 ‖ document) each, by ascending id
//! 6 taken       news 2
//! 7 nothing
//! ```

use super::super::directory::{Digest, Item, SnapshotHead, What};
use super::super::document::{Document, Name};
use super::parts::{
    check_size, read_count, read_documents, read_what, too_large, write_count, write_documents,
    write_what,
};
use crate::crypto::identity::RelayId;
use crate::wire::limits::{
    HASHES_MAX, SNAPSHOT_PART_MAX, SNAPSHOT_WHOLE_MAX, TREE_LEVELS, TREES_MAX, VERSION,
};
use crate::wire::{Fault, Reader, WireError};

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// To [`super::Request::Head`].
    Head(Head),
    /// To [`super::Request::Snapshot`].
    Snapshot(SnapshotPart),
    /// To [`super::Request::Buckets`]: all of the level.
    Buckets(Vec<Digest>),
    /// To [`super::Request::Hashes`].
    Hashes {
        /// Items by ascending id.
        items: Vec<Item>,
        /// Whether there are more behind the last.
        more: bool,
    },
    /// To [`super::Request::Documents`]: those that it has, by ascending id; what did not fit is
    /// asked for again.
    Documents(Vec<Document>),
    /// To [`super::Request::Offer`].
    Taken {
        /// How many of them were news.
        news: u16,
    },
    /// Has none, or will not say.
    Nothing,
}

/// What a node has, in brief.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its snapshot.
    pub snapshot: SnapshotHead,
    /// Its trees, ascending. What is missing is empty.
    pub trees: Vec<TreeHead>,
}

/// One tree of digests, in brief.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// Of what.
    pub what: What,
    /// How many documents.
    pub count: u16,
    /// The digest of all.
    pub root: Digest,
}

/// A part of a snapshot or delta. What the bytes are is the ledger's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPart {
    /// Bytes of the whole.
    pub total: u32,
    /// Bytes before this part.
    pub offset: u32,
    /// The part.
    pub bytes: Vec<u8>,
}

impl SnapshotPart {
    /// The part of `whole` that begins at `offset`; nothing behind its end.
    #[must_use]
    pub fn of(whole: &[u8], offset: u32) -> Self {
        let rest = usize::try_from(offset).ok().and_then(|at| whole.get(at..));
        let rest = rest.unwrap_or_default();
        let part = rest.get(..SNAPSHOT_PART_MAX).unwrap_or(rest);
        Self {
            total: u32::try_from(whole.len()).unwrap_or(u32::MAX),
            offset,
            bytes: part.to_vec(),
        }
    }
}

impl Reply {
    /// The bytes that [`Reply::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, self.code()];
        match self {
            Self::Head(head) => write_head(&mut bytes, head),
            Self::Snapshot(part) => {
                bytes.extend_from_slice(&part.total.to_be_bytes());
                bytes.extend_from_slice(&part.offset.to_be_bytes());
                bytes.extend_from_slice(&part.bytes);
            }
            Self::Buckets(buckets) => {
                write_count(&mut bytes, buckets.len());
                bytes.extend(buckets.iter().flat_map(|bucket| bucket.0));
            }
            Self::Hashes { items, more } => {
                bytes.push((*more).into());
                write_count(&mut bytes, items.len());
                for item in items {
                    bytes.extend_from_slice(&item.relay.0);
                    bytes.extend_from_slice(&item.name.0);
                }
            }
            Self::Documents(documents) => write_documents(&mut bytes, documents),
            Self::Taken { news } => bytes.extend_from_slice(&news.to_be_bytes()),
            Self::Nothing => (),
        }
        bytes
    }

    /// Reads a reply.
    ///
    /// # Errors
    /// [`WireError`] names the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        check_size(bytes)?;
        let mut reader = Reader::new(bytes);
        reader.version()?;
        let reply = match reader.u8("kind")? {
            1 => Self::Head(read_head(&mut reader)?),
            // The rest is the part.
            2 => return read_part(reader).map(Self::Snapshot),
            3 => Self::Buckets(read_buckets(&mut reader)?),
            4 => read_items(&mut reader)?,
            5 => Self::Documents(read_documents(&mut reader)?),
            6 => Self::Taken {
                news: reader.u16("news")?,
            },
            7 => Self::Nothing,
            got => {
                let got = got.into();
                return Err(WireError::new("kind", Fault::NotAdmitted { got }));
            }
        };
        reader.finish("directory reply")?;
        Ok(reply)
    }

    const fn code(&self) -> u8 {
        match self {
            Self::Head(_) => 1,
            Self::Snapshot(_) => 2,
            Self::Buckets(_) => 3,
            Self::Hashes { .. } => 4,
            Self::Documents(_) => 5,
            Self::Taken { .. } => 6,
            Self::Nothing => 7,
        }
    }
}

fn write_head(bytes: &mut Vec<u8>, head: &Head) {
    bytes.extend_from_slice(&head.snapshot.number.to_be_bytes());
    bytes.extend_from_slice(&head.snapshot.hash);
    bytes.extend_from_slice(&head.snapshot.charter.to_be_bytes());
    // At most TREES_MAX.
    bytes.push(u8::try_from(head.trees.len()).unwrap_or(u8::MAX));
    for tree in &head.trees {
        write_what(bytes, tree.what);
        bytes.extend_from_slice(&tree.count.to_be_bytes());
        bytes.extend_from_slice(&tree.root.0);
    }
}

fn read_head(reader: &mut Reader<'_>) -> Result<Head, WireError> {
    let snapshot = SnapshotHead {
        number: reader.u64("number")?,
        hash: *reader.array("hash")?,
        charter: reader.u64("charter")?,
    };
    let count = reader.u8("tree count")?;
    if usize::from(count) > TREES_MAX {
        return Err(too_large("tree count", TREES_MAX as u64, count.into()));
    }
    let mut trees: Vec<TreeHead> = Vec::new();
    for _ in 0..count {
        let tree = TreeHead {
            what: read_what(reader)?,
            count: reader.u16("documents")?,
            root: Digest(*reader.array("root")?),
        };
        if trees.last().is_some_and(|last| last.what >= tree.what) {
            return Err(WireError::new("what", Fault::Mismatch));
        }
        trees.push(tree);
    }
    Ok(Head { snapshot, trees })
}

fn read_part(mut reader: Reader<'_>) -> Result<SnapshotPart, WireError> {
    let total = reader.u32("total")?;
    if total as usize > SNAPSHOT_WHOLE_MAX {
        return Err(too_large("total", SNAPSHOT_WHOLE_MAX as u64, total.into()));
    }
    let offset = reader.u32("offset")?;
    let bytes = reader.rest();
    if offset as usize + bytes.len() > total as usize {
        return Err(WireError::new("offset", Fault::Mismatch));
    }
    let bytes = bytes.to_vec();
    Ok(SnapshotPart {
        total,
        offset,
        bytes,
    })
}

fn read_buckets(reader: &mut Reader<'_>) -> Result<Vec<Digest>, WireError> {
    let count = read_count(reader, "bucket count", 1 << TREE_LEVELS)?;
    if !count.is_power_of_two() {
        return Err(WireError::new("bucket count", Fault::Invalid));
    }
    (0..count)
        .map(|_| reader.array("digest").map(|digest| Digest(*digest)))
        .collect()
}

fn read_items(reader: &mut Reader<'_>) -> Result<Reply, WireError> {
    let more = match reader.u8("more")? {
        0 => false,
        1 => true,
        got => {
            let got = got.into();
            return Err(WireError::new("more", Fault::NotAdmitted { got }));
        }
    };
    let mut items: Vec<Item> = Vec::new();
    for _ in 0..read_count(reader, "item count", HASHES_MAX)? {
        let item = Item {
            relay: RelayId(*reader.array("relay id")?),
            name: Name(*reader.array("name")?),
        };
        if items.last().is_some_and(|last| last.relay >= item.relay) {
            return Err(WireError::new("relay id", Fault::Mismatch));
        }
        items.push(item);
    }
    Ok(Reply::Hashes { items, more })
}
