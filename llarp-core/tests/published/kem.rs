//! ML-KEM-768: Wycheproof's vectors, and RustCrypto's `ml-kem` as an independent oracle.

use llarp_core::crypto::kem::{
    BadKemKey, KEM_CIPHERTEXT_LEN, KEM_PUBLIC_LEN, KemPublic, KemSecret, KemSeed,
};
use ml_kem::{Decapsulate, DecapsulationKey, EncapsulationKey, KeyExport, MlKem768};
use proptest::prelude::*;
use serde::Deserialize;

use super::{Hex, secret, vectors};
use crate::support::rng;

#[derive(Deserialize)]
struct Vector {
    tc_id: u32,
    valid: bool,
    ek: Hex<KEM_PUBLIC_LEN>,
    m: Option<Hex<32>>,
    /// Absent where the key is bad.
    #[serde(flatten)]
    made: Option<Made>,
}

/// What was made of a good key.
#[derive(Deserialize)]
struct Made {
    seed: Hex<64>,
    ciphertext: Hex<KEM_CIPHERTEXT_LEN>,
    shared_secret: Hex<32>,
}

fn key_pair(seed: [u8; 64]) -> KemSecret {
    KemSecret::from_seed(&KemSeed::new(secret(seed)))
}

#[test]
fn ml_kem_agrees_with_wycheproof() {
    for vector in vectors::<Vector>(include_str!("mlkem768.json"), 8) {
        let id = vector.tc_id;
        assert_eq!(vector.made.is_some(), vector.valid, "{id}");
        let checked = KemPublic::check(&vector.ek.0);
        let Some(made) = vector.made else {
            assert_eq!(checked, Err(BadKemKey), "{id}");
            continue;
        };
        let (pair, expected) = (key_pair(made.seed.0), made.shared_secret.0);
        assert_eq!(checked.as_ref(), Ok(pair.public()), "{id}");
        let shared = pair.decapsulate(&made.ciphertext.0);
        assert_eq!(shared.expose(), &expected, "{id}");
        if let Some(Hex(m)) = vector.m {
            let (shared, sent) = pair.public().encapsulate_with(&secret(m));
            assert_eq!(shared.expose(), &expected, "{id}");
            assert_eq!(sent, made.ciphertext.0, "{id}");
        }
    }
}

fn seed() -> impl Strategy<Value = [u8; 64]> {
    any::<[[u8; 32]; 2]>().prop_map(|halves| halves.as_flattened().try_into().unwrap())
}

proptest! {
    #[test]
    fn ml_kem_agrees_with_an_independent_crate(seed in seed(), m: [u8; 32]) {
        let ours = key_pair(seed);
        let theirs = DecapsulationKey::<MlKem768>::from_seed(seed.into());
        let expected = theirs.encapsulation_key().to_bytes();
        prop_assert_eq!(expected.as_slice(), ours.public().as_bytes());
        let (shared, mut ciphertext) = ours.public().encapsulate_with(&secret(m));
        let expected = theirs.decapsulate(&ciphertext.into());
        prop_assert_eq!(&shared.expose()[..], expected.as_slice());
        prop_assert_eq!(&shared, &ours.decapsulate(&ciphertext));
        // Implicit rejection: both make the same nonsense of a ciphertext that nobody made.
        ciphertext[usize::from(m[0])] ^= 1;
        let rejected = ours.decapsulate(&ciphertext);
        let expected = theirs.decapsulate(&ciphertext.into());
        prop_assert_eq!(&rejected.expose()[..], expected.as_slice());
        prop_assert_ne!(rejected, shared);
    }

    #[test]
    fn the_check_of_kem_keys_agrees_with_an_independent_crate(
        seed in seed(), at in 0..KEM_PUBLIC_LEN, flip in 1u8..,
    ) {
        let mut bytes = *key_pair(seed).public().as_bytes();
        bytes[at] ^= flip;
        let theirs = EncapsulationKey::<MlKem768>::new(&bytes.into());
        prop_assert_eq!(KemPublic::check(&bytes).is_ok(), theirs.is_ok());
    }
}

#[test]
fn drawn_keys_and_secrets_agree_on_both_sides() {
    let pair = KemSecret::generate(&mut rng(1));
    let (shared, ciphertext) = pair.public().encapsulate(&mut rng(2));
    assert_eq!(pair.decapsulate(&ciphertext), shared);
}
