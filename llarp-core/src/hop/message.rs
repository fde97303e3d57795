//! What neighbours ask each other on a link, by kind (`docs/spec/08-relay.md` §1).
//!
//! In: path ids, or a body as a link delivers it. Out: the one or the other. *Not* here: streams, the
//! bytes of builds ([`crate::build`]), what closing does ([`PathTable`](super::PathTable)).
//!
//! ```text
//! BUILD  1   a build request          reply: a build reply
//! CLOSE  2   1 to 512 path ids, 8 bytes each: the sender forgets those paths     reply: empty
//! DIRECTORY 3   a request about the network (10-directory §3)     reply: what is known of it
//! ```

use crate::cell::PathId;
use crate::wire::limits::{CLOSE_IDS_MAX, PATH_ID_LEN};
use crate::wire::{Fault, WireError};

/// Kind of a build request.
pub const KIND_BUILD: u8 = 1;
/// Kind of a message that closes paths.
pub const KIND_CLOSE: u8 = 2;
/// Kind of a request about the network.
pub const KIND_DIRECTORY: u8 = 3;

/// Writes the message that closes the paths with these ids: up to [`CLOSE_IDS_MAX`] of them.
#[must_use]
pub fn encode_close(ids: &[PathId]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.0).collect()
}

/// Reads a message that closes paths.
///
/// # Errors
/// [`WireError`] names `path ids` unless they are whole and 1 to [`CLOSE_IDS_MAX`].
pub fn decode_close(body: &[u8]) -> Result<impl Iterator<Item = PathId>, WireError> {
    let (ids, rest) = body.as_chunks::<PATH_ID_LEN>();
    let max = CLOSE_IDS_MAX * PATH_ID_LEN;
    if ids.is_empty() || !rest.is_empty() || body.len() > max {
        let got = body.len();
        let expected = got.div_ceil(PATH_ID_LEN).clamp(1, CLOSE_IDS_MAX) * PATH_ID_LEN;
        return Err(WireError::new(
            "path ids",
            Fault::WrongLength { expected, got },
        ));
    }
    Ok(ids.iter().map(|id| PathId(*id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_round_trips_within_its_bounds() {
        let ids: Vec<_> = (0..CLOSE_IDS_MAX as u64)
            .map(|n| PathId(n.to_be_bytes()))
            .collect();
        let read: Vec<_> = decode_close(&encode_close(&ids)).unwrap().collect();
        assert_eq!(read, ids);
        for wrong in [0, 7, 9, 8 * CLOSE_IDS_MAX + 8] {
            let error = decode_close(&vec![0; wrong]).err().unwrap();
            assert_eq!(error.field, "path ids", "{wrong} bytes");
        }
    }
}
