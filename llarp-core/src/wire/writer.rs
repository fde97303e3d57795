//! Values → bytes.

use super::{Fault, WireError};

/// Writes fields to the front of a caller's buffer; allocates nothing.
#[derive(Debug)]
pub struct Writer<'a> {
    rest: &'a mut [u8],
}

impl<'a> Writer<'a> {
    /// A writer over all of `buffer`.
    #[must_use]
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { rest: buffer }
    }

    /// Writes `bytes` as they are.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if the buffer is too small.
    pub fn bytes(&mut self, field: &'static str, bytes: &[u8]) -> Result<(), WireError> {
        let (need, have) = (bytes.len(), self.rest.len());
        if need > have {
            return Err(WireError::new(field, Fault::Truncated { need, have }));
        }
        let (head, rest) = core::mem::take(&mut self.rest).split_at_mut(need);
        head.copy_from_slice(bytes);
        self.rest = rest;
        Ok(())
    }

    /// Writes `bytes` behind their two-byte length.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] if they are more than `max`, [`Fault::Truncated`] if the buffer is too
    /// small.
    pub fn bytes_u16(
        &mut self,
        field: &'static str,
        bytes: &[u8],
        max: u16,
    ) -> Result<(), WireError> {
        let len = u16::try_from(bytes.len()).ok().filter(|len| *len <= max);
        let Some(len) = len else {
            let (max, got) = (max.into(), bytes.len() as u64);
            return Err(WireError::new(field, Fault::TooLarge { max, got }));
        };
        self.bytes(field, &len.to_be_bytes())?;
        self.bytes(field, bytes)
    }

    /// Writes one byte.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if the buffer is full.
    pub fn u8(&mut self, field: &'static str, value: u8) -> Result<(), WireError> {
        self.bytes(field, &[value])
    }

    /// Writes four bytes, big-endian.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if the buffer is too small.
    pub fn u32(&mut self, field: &'static str, value: u32) -> Result<(), WireError> {
        self.bytes(field, &value.to_be_bytes())
    }

    /// Bytes that are still free.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.rest.len()
    }

    /// Fills what is left with zeros.
    pub fn pad(self) {
        self.rest.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reader;
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut buffer = [0xaa; 12];
        let mut writer = Writer::new(&mut buffer);
        writer.u8("kind", 7).unwrap();
        writer.u32("minute", 0x0102_0304).unwrap();
        writer.bytes_u16("data", b"abc", 3).unwrap();
        writer.pad();
        let mut reader = Reader::new(&buffer);
        assert_eq!(reader.u8("kind"), Ok(7));
        assert_eq!(reader.u32("minute"), Ok(0x0102_0304));
        assert_eq!(reader.bytes_u16("data", 3), Ok(&b"abc"[..]));
        assert_eq!(reader.rest(), [0, 0]);
    }

    #[test]
    fn a_full_buffer_and_an_oversized_string_name_the_field() {
        let mut buffer = [0; 4];
        let error = Writer::new(&mut buffer).bytes("seed", &[0; 5]).unwrap_err();
        assert_eq!(error.to_string(), "seed: truncated: 5 bytes needed, 4 left");
        let error = Writer::new(&mut buffer)
            .bytes_u16("extension", &[0; 3], 2)
            .unwrap_err();
        assert_eq!(error.fault, Fault::TooLarge { max: 2, got: 3 });
    }
}
