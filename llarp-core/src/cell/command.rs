//! What a cell tells the hop that it was sealed for.

use crate::wire::{Fault, Reader, WireError, Writer};

/// A cell's command byte. Codes that this version does not know survive as values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Absorbed without effect; cover.
    Pad,
    /// A packet of the tunnel that the path carries; terminals and clients only.
    Data,
    /// Upstream a question, downstream its answer; see [`Probe`].
    Probe,
    /// The path ends; see [`CloseReason`].
    Closed,
    /// A code of another version. Receivers absorb it like [`Command::Pad`].
    Unknown(u8),
}

impl Command {
    /// The byte on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Pad => 0,
            Self::Data => 1,
            Self::Probe => 2,
            Self::Closed => 3,
            Self::Unknown(code) => code,
        }
    }
}

impl From<u8> for Command {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Pad,
            1 => Self::Data,
            2 => Self::Probe,
            3 => Self::Closed,
            code => Self::Unknown(code),
        }
    }
}

/// A probe, or its answer: whether a hop is there, and how many cells each side has counted, so
/// that unexplained loss shows.
///
/// ```text
///  0          8          16            24
/// ┌──────────┬──────────┬─────────────┐
/// │ nonce    │ sent     │ received    │
/// └──────────┴──────────┴─────────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Chosen by the prober, repeated in the answer.
    pub nonce: [u8; 8],
    /// Cells of this path that the sender of this cell has sent towards the other, this one
    /// included.
    pub sent: u64,
    /// Cells of this path that the sender of this cell has received from the other.
    pub received: u64,
}

impl Probe {
    /// Bytes of a probe.
    pub const LEN: usize = 24;

    /// The bytes that [`Probe::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let mut writer = Writer::new(&mut bytes);
        let written = writer
            .bytes("nonce", &self.nonce)
            .and_then(|()| writer.bytes("sent", &self.sent.to_be_bytes()))
            .and_then(|()| writer.bytes("received", &self.received.to_be_bytes()));
        debug_assert_eq!(written, Ok(()), "three fields of eight bytes");
        bytes
    }

    /// Reads a probe.
    ///
    /// # Errors
    /// [`WireError`] names `probe` if the length is another.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::exact(bytes, Self::LEN, "probe")?;
        Ok(Self {
            nonce: *reader.array("nonce")?,
            sent: reader.u64("sent")?,
            received: reader.u64("received")?,
        })
    }
}

/// Why a hop ends a path. One byte; unknown codes survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The client or terminal is done with it.
    Done,
    /// Its time is over.
    Expired,
    /// The link to the next hop is gone.
    LinkLost,
    /// The hop drains or sheds load.
    Draining,
    /// Too many cells failed or came too late.
    Garbled,
    /// A code of another version.
    Unknown(u8),
}

impl CloseReason {
    /// The byte on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Expired => 1,
            Self::LinkLost => 2,
            Self::Draining => 3,
            Self::Garbled => 4,
            Self::Unknown(code) => code,
        }
    }
}

impl From<u8> for CloseReason {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Done,
            1 => Self::Expired,
            2 => Self::LinkLost,
            3 => Self::Draining,
            4 => Self::Garbled,
            code => Self::Unknown(code),
        }
    }
}

/// A cell's command with its data parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// Nothing to do.
    Pad,
    /// A packet for the tunnel.
    Data(&'a [u8]),
    /// A question or its answer.
    Probe(Probe),
    /// The path ends.
    Closed(CloseReason),
    /// A command of another version, with its data: absorbed.
    Unknown {
        /// The command byte.
        code: u8,
        /// Its data.
        data: &'a [u8],
    },
}

impl<'a> Content<'a> {
    /// Parses the data that came with `command`.
    ///
    /// # Errors
    /// [`WireError`] names the field; a `PAD` may carry anything.
    pub fn parse(command: Command, data: &'a [u8]) -> Result<Self, WireError> {
        Ok(match command {
            Command::Pad => Self::Pad,
            Command::Data => Self::Data(data),
            Command::Probe => Self::Probe(Probe::decode(data)?),
            Command::Closed => Self::Closed(parse_reason(data)?),
            Command::Unknown(code) => Self::Unknown { code, data },
        })
    }
}

fn parse_reason(data: &[u8]) -> Result<CloseReason, WireError> {
    match data {
        [code] => Ok(CloseReason::from(*code)),
        _ => Err(WireError::new(
            "close reason",
            Fault::WrongLength {
                expected: 1,
                got: data.len(),
            },
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_as_a_value() {
        for code in 0..=u8::MAX {
            assert_eq!(Command::from(code).code(), code);
            assert_eq!(CloseReason::from(code).code(), code);
        }
    }

    #[test]
    fn probe_round_trips_and_another_length_is_refused() {
        let probe = Probe {
            nonce: *b"12345678",
            sent: 7,
            received: u64::MAX,
        };
        assert_eq!(Probe::decode(&probe.encode()), Ok(probe));
        let error = Content::parse(Command::Probe, &[0; 25]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "probe: wrong length: 24 bytes expected, 25 found"
        );
        let error = Content::parse(Command::Closed, &[]).unwrap_err();
        assert_eq!(error.field, "close reason");
    }

    #[test]
    fn pad_and_unknown_carry_anything() {
        assert_eq!(Content::parse(Command::Pad, &[1; 9]), Ok(Content::Pad));
        assert_eq!(
            Content::parse(Command::from(0xee), b"new"),
            Ok(Content::Unknown {
                code: 0xee,
                data: b"new"
            })
        );
    }
}
