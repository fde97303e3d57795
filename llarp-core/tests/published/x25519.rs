//! X25519 of both libraries in use: x25519-dalek makes public keys, aws-lc the handshake's secrets.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use llarp_core::crypto::identity::X25519Secret;
use llarp_core::crypto::noise::{
    HandshakeFailed, Initiator, OVERHEAD, Psk, StaticKey, x25519_public,
};
use proptest::prelude::*;
use serde::Deserialize;

use super::{Hex, Verdict, secret, vectors};
use crate::support::rng;

#[derive(Deserialize)]
struct Rfc7748 {
    single: Vec<Single>,
    iterated: Vec<Iterated>,
    dh: Vec<Exchange>,
}

#[derive(Deserialize)]
struct Single {
    scalar: Hex<32>,
    u: Hex<32>,
    out: Hex<32>,
}

#[derive(Deserialize)]
struct Iterated {
    iterations: usize,
    k: Hex<32>,
}

#[derive(Deserialize)]
struct Exchange {
    alice_secret: Hex<32>,
    alice_public: Hex<32>,
    bob_secret: Hex<32>,
    bob_public: Hex<32>,
    shared: Hex<32>,
}

#[derive(Deserialize)]
struct Wycheproof {
    tc_id: u32,
    public: Hex<32>,
    private: Hex<32>,
    shared: Hex<32>,
    result: Verdict,
}

fn rfc7748() -> Rfc7748 {
    serde_json::from_str(include_str!("rfc7748_x25519.json")).unwrap()
}

fn wycheproof() -> Vec<Wycheproof> {
    vectors(include_str!("wycheproof_x25519.json"), 40)
}

/// The Diffie-Hellman of the handshake, with the calls of its resolver.
fn aws_lc(secret: [u8; 32], public: [u8; 32]) -> Option<[u8; 32]> {
    let secret = PrivateKey::from_private_key(&X25519, &secret).unwrap();
    let public = UnparsedPublicKey::new(&X25519, public);
    agree(&secret, public, (), |shared| {
        shared.try_into().map_err(|_| ())
    })
    .ok()
}

fn aws_lc_public(secret: [u8; 32]) -> [u8; 32] {
    let secret = PrivateKey::from_private_key(&X25519, &secret).unwrap();
    let public = secret.compute_public_key().unwrap();
    public.as_ref().try_into().unwrap()
}

#[test]
fn both_x25519_agree_with_the_single_vectors_of_rfc_7748() {
    for Single { scalar, u, out } in rfc7748().single {
        assert_eq!(x25519_dalek::x25519(scalar.0, u.0), out.0);
        assert_eq!(aws_lc(scalar.0, u.0), Some(out.0));
    }
}

#[test]
fn both_x25519_agree_with_the_iterated_vectors_of_rfc_7748() {
    for Iterated { iterations, k } in rfc7748().iterated {
        let mut start = [0; 32];
        start[0] = 9;
        let (mut scalar, mut u) = (start, start);
        for _ in 0..iterations {
            let out = x25519_dalek::x25519(scalar, u);
            assert_eq!(aws_lc(scalar, u), Some(out));
            (scalar, u) = (out, scalar);
        }
        assert_eq!(scalar, k.0);
    }
}

#[test]
fn both_x25519_agree_with_the_exchange_of_rfc_7748() {
    for dh in rfc7748().dh {
        assert_eq!(x25519_public(&dh.alice_secret.0), dh.alice_public.0);
        assert_eq!(aws_lc_public(dh.bob_secret.0), dh.bob_public.0);
        assert_eq!(
            aws_lc(dh.alice_secret.0, dh.bob_public.0),
            Some(dh.shared.0)
        );
        let other = x25519_dalek::x25519(dh.bob_secret.0, dh.alice_public.0);
        assert_eq!(other, dh.shared.0);
    }
}

#[test]
fn both_x25519_agree_with_wycheproof_and_aws_lc_refuses_only_a_shared_zero() {
    for vector in wycheproof() {
        let (secret, public, shared) = (vector.private.0, vector.public.0, vector.shared.0);
        let id = vector.tc_id;
        assert_eq!(x25519_dalek::x25519(secret, public), shared, "{id}");
        let admitted = (shared != [0; 32]).then_some(shared);
        assert_eq!(aws_lc(secret, public), admitted, "{id}");
        assert!(admitted.is_some() || vector.result == Verdict::Acceptable);
    }
}

#[test]
fn a_handshake_to_a_key_of_small_order_is_refused() {
    let start = |remote: [u8; 32]| {
        let psk = Psk::new(secret([1; 32]));
        let mut message = [0; OVERHEAD];
        Initiator::start(&remote, &psk, b"", b"", &mut message, &mut rng(1)).map(|_| ())
    };
    for vector in wycheproof() {
        let small = vector.shared.0 == [0; 32];
        let expected = if small { Err(HandshakeFailed) } else { Ok(()) };
        assert_eq!(start(vector.public.0), expected, "{}", vector.tc_id);
    }
}

proptest! {
    #[test]
    fn both_x25519_agree_on_any_scalar_and_point(scalar: [u8; 32], u: [u8; 32]) {
        prop_assert_eq!(aws_lc(scalar, u), Some(x25519_dalek::x25519(scalar, u)));
        let public = x25519_public(&scalar);
        prop_assert_eq!(aws_lc_public(scalar), public);
        let key = StaticKey::new(&X25519Secret::new(secret(scalar)));
        prop_assert_eq!(key.public(), &public);
    }
}
