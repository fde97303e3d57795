//! Parts that requests and replies have in common.

use super::super::KeyEpoch;
use super::super::directory::What;
use super::super::document::Document;
use crate::wire::limits::{DIRECTORY_MESSAGE_MAX, EQUIVOCATION_LEN, TREE_LEVELS};
use crate::wire::{Fault, Reader, WireError};

pub(super) fn write_what(bytes: &mut Vec<u8>, what: What) {
    let (code, epoch) = match what {
        What::Descriptors => (1, 0),
        What::KeySets(KeyEpoch(epoch)) => (2, epoch),
        What::Proofs => (3, 0),
    };
    bytes.push(code);
    bytes.extend_from_slice(&u32::to_be_bytes(epoch));
}

pub(super) fn read_what(reader: &mut Reader<'_>) -> Result<What, WireError> {
    let code = reader.u8("what")?;
    let epoch = reader.u32("key epoch")?;
    match (code, epoch) {
        (1, 0) => Ok(What::Descriptors),
        (2, epoch) => Ok(What::KeySets(KeyEpoch(epoch))),
        (3, 0) => Ok(What::Proofs),
        (1 | 3, _) => Err(WireError::new("key epoch", Fault::Mismatch)),
        (got, _) => {
            let got = got.into();
            Err(WireError::new("what", Fault::NotAdmitted { got }))
        }
    }
}

pub(super) fn read_level(reader: &mut Reader<'_>) -> Result<u8, WireError> {
    match reader.u8("level")? {
        level if level <= TREE_LEVELS => Ok(level),
        got => Err(too_large("level", TREE_LEVELS.into(), got.into())),
    }
}

/// A two-byte count of at most `max`.
pub(super) fn read_count(
    reader: &mut Reader<'_>,
    field: &'static str,
    max: usize,
) -> Result<u16, WireError> {
    match reader.u16(field)? {
        count if usize::from(count) <= max => Ok(count),
        got => Err(too_large(field, max as u64, got.into())),
    }
}

pub(super) fn write_count(bytes: &mut Vec<u8>, count: usize) {
    // Every list is bounded far below by those who make it.
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&count.to_be_bytes());
}

/// A count, then each document behind its length.
pub(super) fn write_documents(bytes: &mut Vec<u8>, documents: &[Document]) {
    write_count(bytes, documents.len());
    for document in documents {
        let document = document.encode();
        write_count(bytes, document.len());
        bytes.extend_from_slice(&document);
    }
}

pub(super) fn read_documents(reader: &mut Reader<'_>) -> Result<Vec<Document>, WireError> {
    // None is shorter than its head.
    let count = read_count(reader, "document count", DIRECTORY_MESSAGE_MAX / 64)?;
    // Grows with the bytes that are there, not with the count that is claimed.
    let mut documents = Vec::new();
    for _ in 0..count {
        let max = u16::try_from(EQUIVOCATION_LEN).unwrap_or(u16::MAX);
        documents.push(Document::decode(reader.bytes_u16("document", max)?)?);
    }
    Ok(documents)
}

/// Refuses a message above the bound of all of them.
pub(super) const fn check_size(bytes: &[u8]) -> Result<(), WireError> {
    if bytes.len() <= DIRECTORY_MESSAGE_MAX {
        return Ok(());
    }
    let (max, got) = (DIRECTORY_MESSAGE_MAX as u64, bytes.len() as u64);
    Err(too_large("directory message", max, got))
}

pub(super) const fn too_large(field: &'static str, max: u64, got: u64) -> WireError {
    WireError::new(field, Fault::TooLarge { max, got })
}
