//! Bytes → values.

use super::{Fault, WireError};

/// Reads fields from the front of untrusted bytes.
///
/// Each read names its field; [`Reader::finish`] refuses bytes that are left over. Nothing is
/// copied but fixed-size values, nothing is allocated.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over all of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// A reader over `bytes`, which the format gives a fixed length.
    ///
    /// # Errors
    /// [`Fault::WrongLength`] about `whole` if there are more or fewer bytes.
    pub const fn exact(
        bytes: &'a [u8],
        expected: usize,
        whole: &'static str,
    ) -> Result<Self, WireError> {
        if bytes.len() == expected {
            return Ok(Self::new(bytes));
        }
        let got = bytes.len();
        Err(WireError::new(whole, Fault::WrongLength { expected, got }))
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if fewer are left.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N], WireError> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.truncated(field, N))?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if fewer are left.
    pub fn bytes(&mut self, field: &'static str, len: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or_else(|| self.truncated(field, len))?;
        self.rest = rest;
        Ok(head)
    }

    /// A byte string behind its two-byte length.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] if the length is above `max`, [`Fault::Truncated`] if the bytes end.
    pub fn bytes_u16(&mut self, field: &'static str, max: u16) -> Result<&'a [u8], WireError> {
        let len = self.u16(field)?;
        if len > max {
            let (max, got) = (max.into(), len.into());
            return Err(WireError::new(field, Fault::TooLarge { max, got }));
        }
        self.bytes(field, len.into())
    }

    /// One byte.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if none is left.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, WireError> {
        self.array::<1>(field).map(|[byte]| *byte)
    }

    /// Two bytes, big-endian.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if fewer are left.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, WireError> {
        self.array(field).map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// Four bytes, big-endian.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if fewer are left.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, WireError> {
        self.array(field).map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// Eight bytes, big-endian.
    ///
    /// # Errors
    /// [`Fault::Truncated`] if fewer are left.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, WireError> {
        self.array(field).map(|bytes| u64::from_be_bytes(*bytes))
    }

    /// The version byte, which must be [`super::limits::VERSION`].
    ///
    /// # Errors
    /// [`Fault::NotAdmitted`] for another version, [`Fault::Truncated`] if no byte is left.
    pub fn version(&mut self) -> Result<(), WireError> {
        match self.u8("version")? {
            super::limits::VERSION => Ok(()),
            got => Err(WireError::new(
                "version",
                Fault::NotAdmitted { got: got.into() },
            )),
        }
    }

    /// All that is left, which may be nothing.
    #[must_use]
    pub const fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`Fault::LeftOver`] about `whole` if bytes are left.
    pub const fn finish(self, whole: &'static str) -> Result<(), WireError> {
        match self.rest.len() {
            0 => Ok(()),
            bytes => Err(WireError::new(whole, Fault::LeftOver { bytes })),
        }
    }

    const fn truncated(&self, field: &'static str, need: usize) -> WireError {
        let have = self.rest.len();
        WireError::new(field, Fault::Truncated { need, have })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_field_is_named_with_numbers() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.u16("port"), Ok(0x0102));
        let error = reader.u64("counter").unwrap_err();
        assert_eq!(
            error.to_string(),
            "counter: truncated: 8 bytes needed, 1 left"
        );
        // A failed read consumes nothing.
        assert_eq!(reader.rest(), [3]);
    }

    #[test]
    fn left_over_bytes_are_refused() {
        let mut reader = Reader::new(&[1, 2, 3]);
        reader.u8("first").unwrap();
        let error = reader.finish("message").unwrap_err();
        assert_eq!(error.to_string(), "message: 2 bytes left over");
    }

    #[test]
    fn length_above_its_limit_is_refused_before_the_bytes_are_looked_at() {
        let error = Reader::new(&[0xff, 0xff]).bytes_u16("data", 4).unwrap_err();
        assert_eq!(error.fault, Fault::TooLarge { max: 4, got: 65535 });
    }
}
