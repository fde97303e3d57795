//! HCTR2-AES256: Google's vectors, an independent crate, and the promise that no cell is tagged.

use hctr2_rs::Hctr2_256;
use llarp_core::crypto::onion::{BLOCK_LEN, Decipher, Encipher, LayerKey, TooShort};
use llarp_core::wire::limits::BODY_LEN;
use proptest::collection::vec;
use proptest::prelude::*;
use serde::Deserialize;

use super::{Bytes, Hex, secret, vectors};

#[derive(Deserialize)]
struct Vector {
    description: String,
    key: Hex<32>,
    tweak: Bytes,
    plaintext: Bytes,
    ciphertext: Bytes,
}

fn enciphered(key: [u8; 32], tweak: &[u8], text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    let cipher = Encipher::new(&LayerKey::new(secret(key)), tweak);
    cipher.apply(&mut text).unwrap();
    text
}

fn deciphered(key: [u8; 32], tweak: &[u8], text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    let cipher = Decipher::new(&LayerKey::new(secret(key)), tweak);
    cipher.apply(&mut text).unwrap();
    text
}

#[test]
fn hctr2_agrees_with_the_official_vectors() {
    for vector in vectors::<Vector>(include_str!("hctr2_aes256.json"), 350) {
        let (Hex(key), Bytes(tweak), name) = (vector.key, vector.tweak, vector.description);
        let (Bytes(plain), Bytes(cipher)) = (vector.plaintext, vector.ciphertext);
        assert_eq!(enciphered(key, &tweak, &plain), cipher, "{name}");
        assert_eq!(deciphered(key, &tweak, &cipher), plain, "{name}");
    }
}

proptest! {
    #[test]
    fn hctr2_agrees_with_an_independent_crate_at_every_length(
        key: [u8; 32],
        tweak in vec(any::<u8>(), 0..=64),
        text in vec(any::<u8>(), 1400),
        len in BLOCK_LEN..=1400,
    ) {
        let oracle = Hctr2_256::new(&key);
        for text in [&text[..len], &text[..BODY_LEN]] {
            let mut other = vec![0; text.len()];
            oracle.encrypt(text, &tweak, &mut other).unwrap();
            prop_assert_eq!(enciphered(key, &tweak, text), other.clone());
            prop_assert_eq!(deciphered(key, &tweak, &other), text);
            // Any bytes are a ciphertext: the two must agree on what it means, too.
            oracle.decrypt(text, &tweak, &mut other).unwrap();
            prop_assert_eq!(deciphered(key, &tweak, text), other);
        }
    }
}

#[test]
fn a_text_below_one_block_is_refused_and_left_alone() {
    let key = LayerKey::new(secret([7; 32]));
    let (encipher, decipher) = (Encipher::new(&key, b"tweak"), Decipher::new(&key, b"tweak"));
    for len in 0..BLOCK_LEN {
        let mut text = vec![0xa5; len];
        assert_eq!(encipher.apply(&mut text), Err(TooShort));
        assert_eq!(decipher.apply(&mut text), Err(TooShort));
        assert_eq!(text, vec![0xa5; len]);
    }
}

#[test]
fn every_flipped_bit_of_a_cell_changes_the_first_block_of_its_plaintext() {
    let decipher = Decipher::new(&LayerKey::new(secret([7; 32])), b"tweak");
    let plain = [0x5a; BODY_LEN];
    let cipher = enciphered([7; 32], b"tweak", &plain);
    assert_eq!(BODY_LEN, 1304);
    assert_eq!(deciphered([7; 32], b"tweak", &cipher), plain);
    for bit in 0..BODY_LEN * 8 {
        let mut text = cipher.clone();
        text[bit / 8] ^= 1 << (bit % 8);
        decipher.apply(&mut text).unwrap();
        assert_ne!(text[..BLOCK_LEN], plain[..BLOCK_LEN], "bit {bit}");
    }
}
