//! `build_request` and `build_reply`: the messages as a whole.

use llarp_core::build::{BuildReply, BuildRequest};
use llarp_core::wire::limits::{BUILD_REPLY_LEN, BUILD_REQUEST_LEN, VERSION};
use llarp_core::wire::{Fault, WireError};

use crate::Seed;
use crate::input::counting;

/// The input as it is, made as long as a request, and that with the right version. What decodes
/// encodes to the same bytes.
pub(crate) fn request(bytes: &[u8]) {
    check(bytes, "build request", BUILD_REQUEST_LEN, |bytes| {
        BuildRequest::decode(bytes).map(|request| request.encode())
    });
}

/// The same for a reply.
pub(crate) fn reply(bytes: &[u8]) {
    check(bytes, "build reply", BUILD_REPLY_LEN, |bytes| {
        BuildReply::decode(bytes).map(|reply| reply.encode())
    });
}

fn check(
    bytes: &[u8],
    whole: &'static str,
    expected: usize,
    again: impl Fn(&[u8]) -> Result<Vec<u8>, WireError>,
) {
    let mut long = bytes.to_vec();
    long.resize(expected, 0xcc);
    let mut versioned = long.clone();
    versioned[0] = VERSION;
    for bytes in [bytes, &long, &versioned] {
        let got = bytes.len();
        let right = if got != expected {
            Err(WireError::new(whole, Fault::WrongLength { expected, got }))
        } else if bytes[0] != VERSION {
            let got = bytes[0].into();
            Err(WireError::new("version", Fault::NotAdmitted { got }))
        } else {
            Ok(bytes.to_vec())
        };
        assert_eq!(again(bytes), right);
    }
}

pub(crate) fn request_seeds() -> Vec<Seed> {
    seeds(BUILD_REQUEST_LEN)
}

pub(crate) fn reply_seeds() -> Vec<Seed> {
    seeds(BUILD_REPLY_LEN)
}

fn seeds(len: usize) -> Vec<Seed> {
    vec![
        ("whole", counting(VERSION, len)),
        ("version_0", counting(0, 64)),
        ("version_2", counting(2, 64)),
        ("one_long", counting(VERSION, len + 1)),
    ]
}
