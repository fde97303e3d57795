//! Key files: they come back, and nothing else is taken for one.

use llarp_core::crypto::identity::{KeyKind, SecretKey, decode_key_file, encode_key_file};
use llarp_core::wire::limits::KEY_FILE_LEN;
use llarp_core::wire::{Fault, WireError};
use proptest::prelude::*;

use super::secret_key;

const KINDS: [KeyKind; 2] = [KeyKind::Identity, KeyKind::Relay];

fn file(kind: KeyKind) -> [u8; KEY_FILE_LEN] {
    *encode_key_file(&secret_key([3; 32]), kind).expose()
}

fn refused(bytes: &[u8], kind: KeyKind) -> WireError {
    decode_key_file(bytes, kind)
        .map(|_: SecretKey| ())
        .unwrap_err()
}

proptest! {
    #[test]
    fn a_key_comes_back_from_its_file(seed: [u8; 32]) {
        for kind in KINDS {
            let bytes = encode_key_file(&secret_key(seed), kind);
            let key = decode_key_file(bytes.expose(), kind).unwrap();
            prop_assert_eq!(key.public(), secret_key(seed).public());
            prop_assert_eq!(encode_key_file(&key, kind), bytes);
        }
    }
}

#[test]
fn a_key_file_is_magic_version_kind_seed_and_public_key() {
    for (kind, code) in [(KeyKind::Identity, 1), (KeyKind::Relay, 2)] {
        let public = *secret_key([3; 32]).public().as_bytes();
        let expected = [&b"llarpkey"[..], &[1, code], &[3; 32], &public].concat();
        assert_eq!(file(kind)[..], expected);
    }
}

#[test]
fn every_flipped_bit_of_a_key_file_is_refused_by_its_field() {
    for kind in KINDS {
        for bit in 0..KEY_FILE_LEN * 8 {
            let mut bytes = file(kind);
            bytes[bit / 8] ^= 1 << (bit % 8);
            // A changed seed shows in the public key that it no longer has.
            let field = match bit / 8 {
                0..8 => "magic",
                8 => "version",
                9 => "kind",
                _ => "public key",
            };
            assert_eq!(refused(&bytes, kind).field, field, "bit {bit}");
        }
    }
}

#[test]
fn a_truncated_or_longer_key_file_is_refused() {
    let whole = [&file(KeyKind::Relay)[..], &[0]].concat();
    for got in (0..KEY_FILE_LEN).chain([KEY_FILE_LEN + 1]) {
        let expected = KEY_FILE_LEN;
        let fault = Fault::WrongLength { expected, got };
        let error = WireError::new("key file", fault);
        assert_eq!(refused(&whole[..got], KeyKind::Relay), error);
    }
}

#[test]
fn a_relays_key_file_is_not_an_identitys_nor_the_other_way_round() {
    for (kind, other, got) in [
        (KeyKind::Identity, KeyKind::Relay, 1),
        (KeyKind::Relay, KeyKind::Identity, 2),
    ] {
        let error = WireError::new("kind", Fault::NotAdmitted { got });
        assert_eq!(refused(&file(kind), other), error);
    }
}
