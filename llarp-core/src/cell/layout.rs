//! Where the fields of a cell lie: encode and decode, side by side.

use core::fmt;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

use super::command::Command;
use super::window::Reason;
use crate::wire::limits::{
    BODY_LEN, CELL_DATA_MAX, CELL_LEN, PATH_CELLS_MAX, PATH_ID_LEN, ZEROS_LEN,
};
use crate::wire::{Fault, Reader, WireError, Writer};

/// A cell without its path id, enciphered or plain.
pub type Body = [u8; BODY_LEN];

/// Names a path on one link and in one direction; drawn at random by the side that receives the
/// cells. Ids of different links are independent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathId(pub [u8; PATH_ID_LEN]);

impl PathId {
    /// A new id.
    #[must_use]
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut id = [0; PATH_ID_LEN];
        rng.fill_bytes(&mut id);
        Self(id)
    }
}

impl fmt::Debug for PathId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathId({:016x})", u64::from_be_bytes(self.0))
    }
}

/// Splits the bytes of a datagram or stream record into path id and body, in place.
///
/// # Errors
/// [`Fault::WrongLength`] unless they are exactly one cell.
pub fn split_cell(bytes: &mut [u8]) -> Result<(PathId, &mut Body), WireError> {
    let got = bytes.len();
    let fault = Fault::WrongLength {
        expected: CELL_LEN,
        got,
    };
    let parts = bytes.split_first_chunk_mut::<PATH_ID_LEN>();
    parts
        .and_then(|(id, body)| Some((PathId(*id), <&mut Body>::try_from(body).ok()?)))
        .ok_or(WireError::new("cell", fault))
}

/// Why a cell could not be made. The caller's doing, not the network's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// More data than a cell carries.
    #[error("data: {got} bytes, a cell carries at most {CELL_DATA_MAX}")]
    DataTooLong {
        /// Bytes given.
        got: usize,
    },
    /// The path has carried all the cells it may; build another.
    #[error("the path is spent after {PATH_CELLS_MAX} cells: build another")]
    PathSpent,
    /// The path has no such hop.
    #[error("hop {hop}: the path has {hops} hops")]
    NoSuchHop {
        /// The hop asked for, counted from 0.
        hop: usize,
        /// Hops of the path.
        hops: usize,
    },
}

/// Why a hop does not put its layer around a cell from behind it. The neighbour's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// The neighbour sends more than a path may carry.
    #[error("the path is spent after {PATH_CELLS_MAX} cells")]
    PathSpent,
    /// The body begins with the zeros that mark a hop's own cells: enciphered, the client would
    /// take it for this hop's. By chance once in 2¹²⁸ cells, so the neighbour made it.
    #[error("the cell from behind is forged to look like this hop's own")]
    Forged,
}

/// Writes a plain body over all of `body`.
pub(super) fn write_plain(
    body: &mut Body,
    counter: u64,
    command: Command,
    data: &[u8],
) -> Result<(), SealError> {
    if counter >= PATH_CELLS_MAX {
        return Err(SealError::PathSpent);
    }
    let fields = |writer: &mut Writer<'_>| -> Result<(), WireError> {
        writer.bytes("zeros", &[0; ZEROS_LEN])?;
        writer.bytes("counter", &counter.to_be_bytes())?;
        writer.u8("command", command.code())?;
        writer.bytes_u16("data", data, CELL_DATA_MAX_U16)
    };
    let got = data.len();
    let mut writer = Writer::new(body);
    fields(&mut writer).map_err(|_| SealError::DataTooLong { got })?;
    writer.pad();
    Ok(())
}

/// [`CELL_DATA_MAX`] in the type of the length field.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cell is shorter than 64 KiB"
)]
const CELL_DATA_MAX_U16: u16 = CELL_DATA_MAX as u16;

/// A plain body whose zeros were checked: it was sealed for this very hop.
#[derive(Debug)]
pub(super) struct Plain<'a> {
    pub(super) counter: u64,
    pub(super) command: Command,
    pub(super) data: &'a [u8],
}

/// Whether the body was sealed for the hop that has just taken its layer off.
pub(super) fn is_ours(body: &Body) -> bool {
    let (zeros, _) = body.split_at(ZEROS_LEN);
    zeros.ct_eq(&[0; ZEROS_LEN]).into()
}

/// Reads a plain body. Padding is not looked at.
pub(super) fn read_plain(body: &Body) -> Result<Plain<'_>, Reason> {
    let mut reader = Reader::new(body);
    let mut fields = || {
        reader.array::<ZEROS_LEN>("zeros")?;
        Ok(Plain {
            counter: reader.u64("counter")?,
            command: Command::from(reader.u8("command")?),
            data: reader.bytes_u16("data", CELL_DATA_MAX_U16)?,
        })
    };
    let plain = fields().map_err(Reason::Malformed)?;
    match plain.counter {
        ..PATH_CELLS_MAX => Ok(plain),
        counter => Err(Reason::Spent { counter }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(counter: u64, len: u16) -> Body {
        let mut body = [0; BODY_LEN];
        body[16..24].copy_from_slice(&counter.to_be_bytes());
        body[25..27].copy_from_slice(&len.to_be_bytes());
        body
    }

    #[test]
    fn counters_that_no_honest_sender_reaches_are_refused() {
        let last = PATH_CELLS_MAX - 1;
        assert!(read_plain(&plain(last, 0)).is_ok());
        for counter in [PATH_CELLS_MAX, u64::MAX] {
            let refused = read_plain(&plain(counter, 0)).unwrap_err();
            assert_eq!(refused, Reason::Spent { counter });
        }
    }

    #[test]
    fn a_length_beyond_the_cell_is_refused_by_name() {
        assert!(read_plain(&plain(0, 1277)).is_ok());
        let refused = read_plain(&plain(0, 1278)).unwrap_err();
        let text = refused.to_string();
        assert_eq!(text, "data: too large: at most 1277, 1278 found");
    }

    proptest! {
        #[test]
        fn plain_bodies_round_trip(
            counter in 0..PATH_CELLS_MAX,
            code: u8,
            data in prop::collection::vec(any::<u8>(), 0..=CELL_DATA_MAX),
        ) {
            let mut body = [0xff; BODY_LEN];
            write_plain(&mut body, counter, Command::from(code), &data).unwrap();
            prop_assert!(is_ours(&body));
            let plain = read_plain(&body).unwrap();
            prop_assert_eq!((plain.counter, plain.command.code()), (counter, code));
            prop_assert_eq!(plain.data, data);
        }
    }
}
