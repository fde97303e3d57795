//! Every public decoder on arbitrary bytes: no panic, a named field, and what decodes encodes back.

use llarp_core::build::{BuildReply, BuildRequest};
use llarp_core::cell::{CloseReason, Command, Content, Probe, split_cell};
use llarp_core::crypto::identity::{KeyKind, SecretKey, decode_key_file, encode_key_file};
use llarp_core::wire::limits::{BUILD_REPLY_LEN, BUILD_REQUEST_LEN, CELL_LEN, KEY_FILE_LEN};
use proptest::prelude::*;
use rand_chacha::rand_core::Rng;

use crate::support::rng;

/// Bytes that are of the right length and version half of the time.
fn nearly(len: usize) -> impl Strategy<Value = Vec<u8>> {
    let lens = prop_oneof![Just(len), 0..len + 64];
    (lens, any::<u64>(), any::<bool>()).prop_map(|(len, seed, version)| {
        let mut bytes = vec![0; len];
        rng(seed).fill_bytes(&mut bytes);
        if let (Some(first), true) = (bytes.first_mut(), version) {
            *first = 1;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn build_requests_decode_to_what_encodes_back(bytes in nearly(BUILD_REQUEST_LEN)) {
        match BuildRequest::decode(&bytes) {
            Ok(request) => prop_assert_eq!(request.encode(), bytes),
            Err(error) => prop_assert!(["build request", "version"].contains(&error.field)),
        }
    }

    #[test]
    fn build_replies_decode_to_what_encodes_back(bytes in nearly(BUILD_REPLY_LEN)) {
        match BuildReply::decode(&bytes) {
            Ok(reply) => prop_assert_eq!(reply.encode(), bytes),
            Err(error) => prop_assert!(["build reply", "version"].contains(&error.field)),
        }
    }

    #[test]
    fn cells_split_only_at_their_one_length(mut bytes in nearly(CELL_LEN)) {
        let (whole, len) = (bytes.clone(), bytes.len());
        match split_cell(&mut bytes) {
            Ok((id, body)) => prop_assert_eq!([&id.0[..], &body[..]].concat(), whole),
            Err(error) => prop_assert!(len != CELL_LEN && error.field == "cell"),
        }
    }

    #[test]
    fn what_cells_say_parses_to_what_encodes_back(code: u8, data in prop::collection::vec(any::<u8>(), 0..40)) {
        match Content::parse(Command::from(code), &data) {
            Ok(Content::Pad) => prop_assert_eq!(code, 0),
            Ok(Content::Data(parsed)) => prop_assert_eq!(parsed, &data[..]),
            Ok(Content::Probe(probe)) => prop_assert_eq!(&probe.encode()[..], data),
            Ok(Content::Closed(reason)) => prop_assert_eq!(vec![reason.code()], data),
            Ok(Content::Unknown { code: kept, data: parsed }) => {
                prop_assert_eq!((kept, parsed), (code, &data[..]));
            }
            Err(error) => prop_assert!(["probe", "close reason"].contains(&error.field)),
        }
    }

    #[test]
    fn probes_and_reasons_survive(nonce: [u8; 8], sent: u64, received: u64, code: u8) {
        let probe = Probe { nonce, sent, received };
        prop_assert_eq!(Probe::decode(&probe.encode()), Ok(probe));
        prop_assert_eq!(CloseReason::from(code).code(), code);
    }

    #[test]
    fn arbitrary_key_files_are_refused_by_field(bytes in nearly(KEY_FILE_LEN)) {
        let error = decode_key_file(&bytes, KeyKind::Relay).unwrap_err();
        prop_assert!(["key file", "magic"].contains(&error.field));
    }

    #[test]
    fn key_files_round_trip(seed: u64) {
        let key = SecretKey::generate(&mut rng(seed));
        let file = encode_key_file(&key, KeyKind::Relay);
        let again = decode_key_file(file.expose(), KeyKind::Relay).unwrap();
        prop_assert_eq!(again.public(), key.public());
    }
}
