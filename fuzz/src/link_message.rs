//! `hop_close` and `link_request`: what neighbours ask each other on a link.

use llarp_core::cell::PathId;
use llarp_core::hop::message::{decode_close, encode_close};
use llarp_core::link::{parse_reply, parse_request};
use llarp_core::wire::limits::{CLOSE_IDS_MAX, PATH_ID_LEN};
use llarp_core::wire::{Fault, WireError};

use crate::Seed;
use crate::input::{Input, counting};

/// The input is a message that closes paths; then, of a length that its first two bytes give, one of
/// its bytes over and over. What decodes encodes to the same bytes.
pub(crate) fn close(bytes: &[u8]) {
    read_close(bytes);
    let mut input = Input::new(bytes);
    let len = usize::from(input.u16()) % (CLOSE_IDS_MAX * PATH_ID_LEN + 32);
    read_close(&counting(input.u8(), len));
}

fn read_close(bytes: &[u8]) {
    let got = bytes.len();
    let ids = got / PATH_ID_LEN;
    match decode_close(bytes) {
        Ok(found) => {
            let found: Vec<PathId> = found.collect();
            assert_eq!(encode_close(&found), bytes);
            assert!((1..=CLOSE_IDS_MAX).contains(&found.len()));
        }
        Err(error) => {
            let whole = got.is_multiple_of(PATH_ID_LEN);
            assert!(!whole || !(1..=CLOSE_IDS_MAX).contains(&ids), "{error}");
            assert_eq!(error.field, "path ids");
            let Fault::WrongLength {
                expected,
                got: said,
            } = error.fault
            else {
                panic!("{error}");
            };
            assert_eq!(said, got);
            assert!(expected != got && expected.is_multiple_of(PATH_ID_LEN));
        }
    }
}

pub(crate) fn close_seeds() -> Vec<Seed> {
    let most = CLOSE_IDS_MAX * PATH_ID_LEN;
    vec![
        ("one", counting(1, PATH_ID_LEN)),
        ("three", counting(1, 3 * PATH_ID_LEN)),
        ("cut", counting(1, 3 * PATH_ID_LEN - 1)),
        ("most", counting(0, most)),
        ("one_too_many", counting(0, most + PATH_ID_LEN)),
    ]
}

/// The input is a request, and a reply. Against a model that counts by hand.
pub(crate) fn request(bytes: &[u8]) {
    let behind = bytes.get(1..);
    let expected = match (bytes.first(), behind) {
        (Some(kind), Some(behind)) => sized(behind).map(|body| (*kind, body)),
        _ => Err(truncated("kind", 1, 0)),
    };
    assert_eq!(parse_request(bytes), expected);
    assert_eq!(parse_reply(bytes), sized(bytes));
    if let Ok((kind, body)) = parse_request(bytes) {
        let len = u32::try_from(body.len()).expect("parsed from four bytes");
        let again = [&[kind], len.to_be_bytes().as_slice(), body].concat();
        assert_eq!(again, bytes);
    }
}

/// What a length and its body say.
fn sized(bytes: &[u8]) -> Result<&[u8], WireError> {
    if bytes.len() < 4 {
        return Err(truncated("length", 4, bytes.len()));
    }
    let (head, body) = bytes.split_at(4);
    let need = head
        .iter()
        .fold(0, |len, byte| len << 8 | usize::from(*byte));
    let have = body.len();
    match have.checked_sub(need) {
        Some(0) => Ok(body),
        Some(bytes) => Err(WireError::new("body", Fault::LeftOver { bytes })),
        None => Err(truncated("body", need, have)),
    }
}

const fn truncated(field: &'static str, need: usize, have: usize) -> WireError {
    WireError::new(field, Fault::Truncated { need, have })
}

pub(crate) fn request_seeds() -> Vec<Seed> {
    let request = |kind: u8, claims: u32, len| {
        [&[kind], claims.to_be_bytes().as_slice(), &counting(9, len)].concat()
    };
    vec![
        ("close", request(2, 8, 8)),
        ("draining", request(0, 0, 0)),
        ("reply", request(2, 8, 8)[1..].to_vec()),
        ("cut", request(1, 40, 39)),
        ("left_over", request(1, 40, 41)),
        ("claims_all", request(1, u32::MAX, 3)),
        ("kind_only", vec![7]),
    ]
}
