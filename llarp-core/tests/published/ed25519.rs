//! Ed25519, with the calls that `identity` makes, and the check of public keys.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{Digest, Sha512, Signature, Verifier, VerifyingKey};
use llarp_core::crypto::hash::{framed, label};
use llarp_core::crypto::identity::{BadSignature, KeyError, PublicKey};
use proptest::prelude::*;
use serde::Deserialize;

use super::{Bytes, Hex, Verdict, secret_key, torsioned, vectors};
use crate::support::network;

#[derive(Deserialize)]
struct Rfc8032 {
    name: String,
    secret: Hex<32>,
    public: Hex<32>,
    message: Bytes,
    signature: Hex<64>,
}

#[derive(Deserialize)]
struct Wycheproof {
    tc_id: u32,
    public: Hex<32>,
    message: Bytes,
    signature: Bytes,
    result: Verdict,
}

fn rfc8032() -> Vec<Rfc8032> {
    vectors(include_str!("rfc8032_ed25519.json"), 5)
}

/// Signs as `SecretKey::sign` does, without its frame.
fn sign(seed: &[u8; 32], message: &[u8]) -> [u8; 64] {
    let expanded = ExpandedSecretKey::from(seed);
    raw_sign::<Sha512>(&expanded, message, &VerifyingKey::from(&expanded)).to_bytes()
}

/// Verifies as `PublicKey::verify` does, without its frame.
fn verifies(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let signature = Signature::from_bytes(signature);
    PublicKey::check(public).is_ok()
        && VerifyingKey::from_bytes(public)
            .and_then(|key| key.verify_strict(message, &signature))
            .is_ok()
}

#[test]
fn key_pairs_and_signatures_agree_with_rfc_8032() {
    for vector in rfc8032() {
        let (Hex(seed), Hex(public), Hex(signature)) =
            (vector.secret, vector.public, vector.signature);
        let (Bytes(message), name) = (vector.message, vector.name);
        assert_eq!(secret_key(seed).public().as_bytes(), &public, "{name}");
        assert_eq!(sign(&seed, &message), signature, "{name}");
        assert!(verifies(&public, &message, &signature), "{name}");
    }
}

#[test]
fn every_flipped_bit_of_a_published_signature_is_refused() {
    for vector in rfc8032() {
        let (public, message, signature) = (vector.public.0, vector.message.0, vector.signature.0);
        assert!(verifies(&public, &message, &signature));
        for bit in 0..512 {
            let mut signature = signature;
            signature[bit / 8] ^= 1 << (bit % 8);
            assert!(!verifies(&public, &message, &signature), "{bit}");
        }
    }
}

/// Strictness costs nothing here: it refuses no vector that Wycheproof calls valid.
#[test]
fn verification_agrees_with_wycheproof_on_valid_and_invalid() {
    for vector in vectors::<Wycheproof>(include_str!("wycheproof_ed25519.json"), 60) {
        let Bytes(signature) = vector.signature;
        // A signature of another length cannot even be passed in: we take 64 bytes.
        let accepted = <[u8; 64]>::try_from(signature)
            .is_ok_and(|signature| verifies(&vector.public.0, &vector.message.0, &signature));
        assert_eq!(
            accepted,
            vector.result == Verdict::Valid,
            "{}",
            vector.tc_id
        );
    }
}

proptest! {
    #[test]
    fn our_signature_is_plain_ed25519_over_the_framed_parts(seed: [u8; 32], part: Vec<u8>) {
        let (key, network) = (secret_key(seed), network());
        let signature = key.sign(label::CELL_UP, &network, &[&part]);
        let message = framed(label::CELL_UP, &network, &[&part]);
        let oracle = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let expected = oracle.sign(&message);
        prop_assert_eq!(expected.as_ref(), signature);
        let public = key.public();
        let oracle = UnparsedPublicKey::new(&ED25519, public.as_bytes());
        prop_assert!(oracle.verify(&message, &signature).is_ok());
        prop_assert_eq!(public.verify(label::CELL_UP, &network, &[&part], &signature), Ok(()));
        let other = public.verify(label::CELL_DOWN, &network, &[&part], &signature);
        prop_assert_eq!(other, Err(BadSignature));
    }

    #[test]
    fn an_honest_key_passes_the_check_and_its_torsioned_ones_do_not(seed: [u8; 32]) {
        let public = secret_key(seed).public();
        prop_assert_eq!(PublicKey::check(public.as_bytes()), Ok(public));
        for key in torsioned(&public) {
            prop_assert_eq!(PublicKey::check(&key), Err(KeyError::Torsion));
        }
    }
}

/// With R = 0 and s = k·a, whose sum is right: what strict verification adds to RFC 8032.
#[test]
fn a_signature_with_an_r_of_small_order_is_refused() {
    let (key, network, parts): (_, _, [&[u8]; 1]) = (secret_key([3; 32]), network(), [b"part"]);
    let (public, message) = (key.public(), framed(label::CELL_UP, &network, &parts));
    let r = EdwardsPoint::default().compress().to_bytes();
    let hashed = [&r[..], public.as_bytes(), &message].concat();
    let k = Scalar::from_bytes_mod_order_wide(&Sha512::digest(hashed).into());
    let s = k * ExpandedSecretKey::from(&[3; 32]).scalar;
    let signature = [r, s.to_bytes()].concat().try_into().unwrap();
    let lax = VerifyingKey::from_bytes(public.as_bytes()).unwrap();
    let admitted = lax.verify(&message, &Signature::from_bytes(&signature));
    assert!(admitted.is_ok());
    let ours = public.verify(label::CELL_UP, &network, &parts, &signature);
    assert_eq!(ours, Err(BadSignature));
}

#[test]
fn the_eight_points_of_small_order_are_refused() {
    for point in EIGHT_TORSION {
        let key = point.compress().to_bytes();
        assert_eq!(PublicKey::check(&key), Err(KeyError::SmallOrder));
    }
}

/// The encoding of the number `p + above`, p = 2²⁵⁵ - 19, and of a sign.
fn unreduced(above: u8, negative: bool) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = 0xed + above;
    bytes[31] = if negative { 0xff } else { 0x7f };
    bytes
}

#[test]
fn the_26_encodings_that_are_not_canonical_are_refused() {
    // y and y + p are one number; of the 19 such y, these are on the curve.
    let on_curve = [0, 1, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18];
    for (above, negative) in (0..19).flat_map(|above| [(above, false), (above, true)]) {
        let fault = match on_curve.contains(&above) {
            true => KeyError::NotCanonical,
            false => KeyError::NotOnCurve,
        };
        let key = unreduced(above, negative);
        assert_eq!(PublicKey::check(&key), Err(fault), "{above} {negative}");
    }
    // The other two have x = 0 and call it negative: y = 1 and y = -1.
    let mut one = [0; 32];
    (one[0], one[31]) = (1, 0x80);
    let mut minus_one = unreduced(0, true);
    minus_one[0] -= 1;
    for key in [one, minus_one] {
        assert_eq!(PublicKey::check(&key), Err(KeyError::NotCanonical));
    }
}

#[test]
fn a_key_off_the_curve_is_refused() {
    for y in [2, 7, 8, 11, 12, 13, 17] {
        let mut key = [0; 32];
        key[0] = y;
        assert_eq!(PublicKey::check(&key), Err(KeyError::NotOnCurve), "{y}");
    }
}
