//! What the formats of this layer have in common.

use crate::wire::{Fault, WireError, Writer};

/// Seconds of an hour, the finest time that a record tells.
pub(super) const HOUR: u64 = 3600;

/// What `write` writes, which is at most `max` bytes.
pub(super) fn written(
    max: usize,
    write: impl FnOnce(&mut Writer<'_>) -> Result<(), WireError>,
) -> Result<Vec<u8>, WireError> {
    let mut bytes = vec![0; max];
    let mut writer = Writer::new(&mut bytes);
    write(&mut writer)?;
    let left = writer.left();
    bytes.truncate(max - left);
    Ok(bytes)
}

pub(super) const fn mismatch(field: &'static str) -> WireError {
    WireError::new(field, Fault::Mismatch)
}

pub(super) const fn invalid(field: &'static str) -> WireError {
    WireError::new(field, Fault::Invalid)
}

pub(super) const fn not_admitted(field: &'static str, got: u8) -> WireError {
    let got = got as u64;
    WireError::new(field, Fault::NotAdmitted { got })
}

pub(super) const fn too_large(field: &'static str, max: usize, got: usize) -> WireError {
    let (max, got) = (max as u64, got as u64);
    WireError::new(field, Fault::TooLarge { max, got })
}
