//! What a node may ask.
//!
//! ```text
//! ┌─────────┬────────┬──────┐
//! │ version │ kind 1 │ rest │
//! └─────────┴────────┴──────┘
//! 1 head        nothing
//! 2 snapshot    number 8 ‖ hash 32 ‖ offset 4
//! 3 buckets     what 5 ‖ level 1
//! 4 hashes      what 5 ‖ level 1 ‖ after 32 ‖ count 2 ‖ buckets, 2 each, ascending
//! 5 documents   what 5 ‖ count 2 ‖ relay ids, 32 each, ascending
//! 6 offer       count 2 ‖ (length 2 ‖ document) each
//!
//! what: 1 descriptors, 2 key sets, 3 proofs; then the key epoch, 4, or zeros
//! ```

use super::super::directory::What;
use super::super::document::Document;
use super::parts::{
    check_size, read_count, read_documents, read_level, read_what, too_large, write_count,
    write_documents, write_what,
};
use crate::crypto::identity::RelayId;
use crate::wire::limits::{DOCUMENTS_ASKED_MAX, TREE_LEVELS, VERSION};
use crate::wire::{Fault, Reader, WireError};

/// A question, and what it costs whoever answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Which snapshot is yours, and what are your roots? A few copies.
    Head,
    /// A part of the newest snapshot, or of the delta to it. A copy of 60 KiB.
    Snapshot(SnapshotAsk),
    /// The digests of all buckets of `level`. A copy of 32 KiB.
    Buckets {
        /// Of what.
        what: What,
        /// At most [`TREE_LEVELS`].
        level: u8,
    },
    /// The items of these buckets behind the id `after`. A walk over 960 of them.
    Hashes {
        /// Of what.
        what: What,
        /// Of the buckets.
        level: u8,
        /// Zeros for all.
        after: RelayId,
        /// Ascending.
        buckets: Vec<u16>,
    },
    /// The documents of these relays. Up to 512 look-ups and 60 KiB.
    Documents {
        /// Which documents.
        what: What,
        /// Ascending.
        relays: Vec<RelayId>,
    },
    /// These are news. A signature for each that is.
    Offer(Vec<Document>),
}

/// From where on a node wants to have a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotAsk {
    /// The number of the snapshot that it has; 0 with a hash of zeros if none.
    pub number: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// Bytes of the answer that it has already.
    pub offset: u32,
}

impl Request {
    /// The bytes that [`Request::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, self.code()];
        match self {
            Self::Head => (),
            Self::Snapshot(ask) => {
                bytes.extend_from_slice(&ask.number.to_be_bytes());
                bytes.extend_from_slice(&ask.hash);
                bytes.extend_from_slice(&ask.offset.to_be_bytes());
            }
            Self::Buckets { what, level } => {
                write_what(&mut bytes, *what);
                bytes.push(*level);
            }
            Self::Hashes {
                what,
                level,
                after,
                buckets,
            } => {
                write_what(&mut bytes, *what);
                bytes.push(*level);
                bytes.extend_from_slice(&after.0);
                write_count(&mut bytes, buckets.len());
                bytes.extend(buckets.iter().flat_map(|bucket| bucket.to_be_bytes()));
            }
            Self::Documents { what, relays } => {
                write_what(&mut bytes, *what);
                write_count(&mut bytes, relays.len());
                bytes.extend(relays.iter().flat_map(|relay| relay.0));
            }
            Self::Offer(documents) => write_documents(&mut bytes, documents),
        }
        bytes
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`WireError`] names the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        check_size(bytes)?;
        let mut reader = Reader::new(bytes);
        reader.version()?;
        let request = match reader.u8("kind")? {
            1 => Self::Head,
            2 => Self::Snapshot(SnapshotAsk {
                number: reader.u64("number")?,
                hash: *reader.array("hash")?,
                offset: reader.u32("offset")?,
            }),
            3 => Self::Buckets {
                what: read_what(&mut reader)?,
                level: read_level(&mut reader)?,
            },
            4 => read_hashes(&mut reader)?,
            5 => Self::Documents {
                what: read_what(&mut reader)?,
                relays: read_relays(&mut reader)?,
            },
            6 => Self::Offer(read_documents(&mut reader)?),
            got => {
                let got = got.into();
                return Err(WireError::new("kind", Fault::NotAdmitted { got }));
            }
        };
        reader.finish("directory request")?;
        Ok(request)
    }

    const fn code(&self) -> u8 {
        match self {
            Self::Head => 1,
            Self::Snapshot(_) => 2,
            Self::Buckets { .. } => 3,
            Self::Hashes { .. } => 4,
            Self::Documents { .. } => 5,
            Self::Offer(_) => 6,
        }
    }
}

fn read_hashes(reader: &mut Reader<'_>) -> Result<Request, WireError> {
    let what = read_what(reader)?;
    let level = read_level(reader)?;
    let after = RelayId(*reader.array("after")?);
    let all = 1_u16 << level.min(TREE_LEVELS);
    let mut buckets: Vec<u16> = Vec::new();
    for _ in 0..read_count(reader, "bucket count", all.into())? {
        let bucket = reader.u16("bucket")?;
        if bucket >= all {
            return Err(too_large("bucket", u64::from(all) - 1, bucket.into()));
        }
        if buckets.last().is_some_and(|last| *last >= bucket) {
            return Err(WireError::new("bucket", Fault::Mismatch));
        }
        buckets.push(bucket);
    }
    Ok(Request::Hashes {
        what,
        level,
        after,
        buckets,
    })
}

fn read_relays(reader: &mut Reader<'_>) -> Result<Vec<RelayId>, WireError> {
    let mut relays: Vec<RelayId> = Vec::new();
    for _ in 0..read_count(reader, "relay count", DOCUMENTS_ASKED_MAX)? {
        let relay = RelayId(*reader.array("relay id")?);
        if relays.last().is_some_and(|last| *last >= relay) {
            return Err(WireError::new("relay id", Fault::Mismatch));
        }
        relays.push(relay);
    }
    Ok(relays)
}
