//! The cache on disk: a row a relay.
//!
//! ```text
//! ┌─────────┬─────────┬─────────┬──────────┬──────────┬───┬───────────┐
//! │ version │ count 1 │ trust 1 │ length 2 │ document │ … │ digest 32 │
//! └─────────┴─────────┴─────────┴──────────┴──────────┴───┴───────────┘
//! ```
//! The digest is of all before it. It finds rows that the disk spoiled; it is no signature: whoever
//! writes to a node's disk owns the node, trust included. So signatures are not verified again,
//! which would cost a start of 10,000 relays more than a second. Specification:
//! `docs/spec/10-directory.md` §9.

use super::super::document::Document;
use super::super::{VerifiedDescriptor, VerifiedEquivocation, VerifiedKeySet};
use super::{Directory, HeldKeys, Item, Trust, What, is_open, is_punished};
use crate::crypto::hash::{NetworkId, hash, label};
use crate::crypto::identity::RelayId;
use crate::wire::limits::{EQUIVOCATION_LEN, KEY_SETS_MAX, VERSION};
use crate::wire::{Fault, Reader, WireError};

/// What the disk keeps of one relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The row's key.
    pub relay: RelayId,
    /// Its value. None: the row goes.
    pub value: Option<Vec<u8>>,
}

/// Why a row is not taken. The row is of no use, and may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The disk did not keep what was written.
    #[error("a row of the directory's cache is spoiled: {0}")]
    Spoiled(#[from] WireError),
    /// The relay left, while this node was down or before the snapshot was known.
    #[error("{relay} is none of the relays that count")]
    Stranger {
        /// The relay.
        relay: RelayId,
    },
}

impl Directory {
    /// The rows of all relays of which there is anything.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        self.records.keys().map(|relay| self.row(relay))
    }

    /// The row of `relay`, to be written when something of it changed.
    #[must_use]
    pub fn row(&self, relay: &RelayId) -> Row {
        let documents = self.documents(relay);
        let value = (!documents.is_empty()).then(|| encode(&self.network, &documents));
        Row {
            relay: *relay,
            value,
        }
    }

    /// Takes back what [`Self::row`] gave before a restart; what expired meanwhile is left out.
    /// Members are to be set before. Only for rows that this node wrote: see the module.
    ///
    /// # Errors
    /// [`RowError`].
    pub fn restore(&mut self, relay: RelayId, value: &[u8], now: u64) -> Result<(), RowError> {
        if self.members.get(&relay).is_none() {
            return Err(RowError::Stranger { relay });
        }
        let documents = decode(&self.network, value)?;
        if documents.iter().any(|(_, of)| of.relay() != relay) {
            return Err(WireError::new("relay id", Fault::Mismatch).into());
        }
        for (trust, document) in documents {
            self.remember(trust, document, now);
        }
        Ok(())
    }

    fn documents(&self, relay: &RelayId) -> Vec<(Trust, Document)> {
        let Some(record) = self.records.get(relay) else {
            return Vec::new();
        };
        let held = |document| (Trust::Held, document);
        let descriptor = record.descriptor.as_ref();
        let descriptor = descriptor.map(|(of, _)| held(Document::Descriptor(of.get().clone())));
        let keys = record
            .keys
            .iter()
            .map(|of| (of.trust, Document::KeySet(of.set.get().clone())));
        let proof = record.proof.as_ref();
        let proof = proof.map(|of| held(Document::Equivocation(of.get().clone())));
        descriptor.into_iter().chain(keys).chain(proof).collect()
    }

    fn remember(&mut self, trust: Trust, document: Document, now: u64) {
        let (relay, name) = (document.relay(), document.name(&self.network));
        match document {
            Document::Descriptor(descriptor) => {
                let of = VerifiedDescriptor::remembered(descriptor);
                self.records.entry(relay).or_default().descriptor = Some((of, name));
                self.insert_item(What::Descriptors, Item { relay, name });
            }
            Document::KeySet(set) if is_open(set.epoch(), now) => {
                let epoch = set.epoch();
                let set = VerifiedKeySet::remembered(set);
                let record = self.records.entry(relay).or_default();
                if record.of_epoch(epoch).is_none() && record.keys.len() < KEY_SETS_MAX {
                    record.keys.push(HeldKeys { set, name, trust });
                    self.insert_item(What::KeySets(epoch), Item { relay, name });
                }
            }
            Document::Equivocation(proof) if is_punished(proof.epoch(), now) => {
                let of = VerifiedEquivocation::remembered(proof);
                self.records.entry(relay).or_default().proof = Some(of);
                self.insert_item(What::Proofs, Item { relay, name });
            }
            Document::KeySet(_) | Document::Equivocation(_) => (),
        }
    }
}

fn encode(network: &NetworkId, documents: &[(Trust, Document)]) -> Vec<u8> {
    // One descriptor, three key sets and one proof at most.
    let mut bytes = vec![VERSION, u8::try_from(documents.len()).unwrap_or(u8::MAX)];
    for (trust, document) in documents {
        let document = document.encode();
        let len = u16::try_from(document.len()).unwrap_or(u16::MAX);
        bytes.push(*trust as u8);
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(&document);
    }
    let digest = digest(network, &bytes);
    bytes.extend_from_slice(&digest);
    bytes
}

fn decode(network: &NetworkId, bytes: &[u8]) -> Result<Vec<(Trust, Document)>, WireError> {
    let Some((text, found)) = bytes.split_last_chunk::<32>() else {
        let (need, have) = (32, bytes.len());
        return Err(WireError::new("digest", Fault::Truncated { need, have }));
    };
    if digest(network, text) != *found {
        return Err(WireError::new("digest", Fault::Mismatch));
    }
    let mut reader = Reader::new(text);
    reader.version()?;
    let mut documents = Vec::new();
    for _ in 0..reader.u8("count")? {
        let code = reader.u8("trust")?;
        let got = code.into();
        let trust =
            Trust::from_code(code).ok_or(WireError::new("trust", Fault::NotAdmitted { got }))?;
        let max = u16::try_from(EQUIVOCATION_LEN).unwrap_or(u16::MAX);
        documents.push((trust, Document::decode(reader.bytes_u16("document", max)?)?));
    }
    reader.finish("row")?;
    Ok(documents)
}

fn digest(network: &NetworkId, bytes: &[u8]) -> [u8; 32] {
    hash(label::DIRECTORY_HASH, network, &[b"row", bytes])
}
