//! What the registry's formats have in common when they are read and written.

use crate::wire::{Fault, Reader, WireError, Writer};

/// What `write` writes, which is at most `max` bytes.
pub(super) fn written(
    max: usize,
    write: impl FnOnce(&mut Writer<'_>) -> Result<(), WireError>,
) -> Vec<u8> {
    let mut bytes = vec![0; max];
    let mut writer = Writer::new(&mut bytes);
    let done = write(&mut writer);
    debug_assert_eq!(done, Ok(()), "no value exceeds its format's limit");
    let left = writer.left();
    bytes.truncate(max - left);
    bytes.shrink_to_fit();
    bytes
}

/// Refuses bytes that are more than their format ever has, before anything is done with them.
pub(super) fn at_most(bytes: &[u8], max: usize, whole: &'static str) -> Result<(), WireError> {
    within(whole, bytes.len(), max).map(drop)
}

/// A count in one byte.
pub(super) fn count_u8(
    reader: &mut Reader<'_>,
    field: &'static str,
    max: usize,
) -> Result<usize, WireError> {
    let got = reader.u8(field)?;
    within(field, got.into(), max)
}

/// A count in two bytes.
pub(super) fn count_u16(
    reader: &mut Reader<'_>,
    field: &'static str,
    max: usize,
) -> Result<usize, WireError> {
    let got = reader.u16(field)?;
    within(field, got.into(), max)
}

/// Writes a count in one byte; no constructor lets more in.
pub(super) fn write_u8(
    writer: &mut Writer<'_>,
    field: &'static str,
    count: usize,
) -> Result<(), WireError> {
    writer.u8(field, u8::try_from(count).unwrap_or(u8::MAX))
}

/// Writes a count in two bytes; no constructor lets more in.
pub(super) fn write_u16(
    writer: &mut Writer<'_>,
    field: &'static str,
    count: usize,
) -> Result<(), WireError> {
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    writer.bytes(field, &count.to_be_bytes())
}

/// Writes eight bytes, big-endian.
pub(super) fn write_u64(
    writer: &mut Writer<'_>,
    field: &'static str,
    value: u64,
) -> Result<(), WireError> {
    writer.bytes(field, &value.to_be_bytes())
}

pub(super) const fn mismatch(field: &'static str) -> WireError {
    WireError::new(field, Fault::Mismatch)
}

fn within(field: &'static str, got: usize, most: usize) -> Result<usize, WireError> {
    if got <= most {
        return Ok(got);
    }
    let (max, got) = (most as u64, got as u64);
    Err(WireError::new(field, Fault::TooLarge { max, got }))
}
