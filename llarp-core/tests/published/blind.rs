//! Key blinding: Tor's vectors for the primitive, and what our own use of it promises.

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use llarp_core::crypto::blind::{
    BlindedSecret, Purpose, blind_address, blind_public, blind_scalar,
};
use llarp_core::crypto::epoch::Epoch;
use llarp_core::crypto::hash::{NetworkId, hash, label};
use llarp_core::crypto::identity::{BadSignature, PublicKey};
use proptest::prelude::*;
use serde::Deserialize;

use super::{Hex, secret_key, vectors};
use crate::support::network;

#[derive(Deserialize)]
struct Vector {
    secret_key: Hex<32>,
    expanded_secret_key: Hex<64>,
    public_key: Hex<32>,
    param: Hex<32>,
    blinded_public_key: Hex<32>,
    blinded_secret_key: Hex<64>,
}

fn scalar(expanded: &Hex<64>) -> Scalar {
    Scalar::from_bytes_mod_order(*expanded.0.first_chunk().unwrap())
}

/// Only the scalar half of Tor's blinded secret: our nonce prefix is derived under our own label.
#[test]
fn blinding_agrees_with_tor() {
    for vector in vectors::<Vector>(include_str!("tor_blinding.json"), 10) {
        let (Hex(public), Hex(factor)) = (vector.public_key, vector.param);
        assert_eq!(secret_key(vector.secret_key.0).public().as_bytes(), &public);
        let public = PublicKey::check(&public).unwrap();
        let blinded = blind_public(&public, factor);
        assert_eq!(blinded.as_bytes(), &vector.blinded_public_key.0);
        let secret = blind_scalar(&scalar(&vector.expanded_secret_key), factor);
        assert_eq!(secret.as_bytes()[..], vector.blinded_secret_key.0[..32]);
        let point = EdwardsPoint::mul_base(&secret).compress();
        assert_eq!(point.as_bytes(), blinded.as_bytes());
    }
}

/// All under which a signature by a key blinded for epoch 7 must not verify.
const OTHERS: [Purpose<'_>; 5] = [
    Purpose::Introset(Epoch(6)),
    Purpose::Introset(Epoch(8)),
    Purpose::Mailbox(b""),
    // The bytes of epoch 7, as a mailbox.
    Purpose::Mailbox(&[0, 0, 0, 7]),
    Purpose::Mailbox(b"7"),
];

proptest! {
    #[test]
    fn a_blinded_signature_verifies_under_the_blinded_address_alone(
        seed: [u8; 32], name: Vec<u8>, part: Vec<u8>,
    ) {
        let (identity, network) = (secret_key(seed), network());
        let address = identity.address();
        for purpose in [Purpose::Introset(Epoch(7)), Purpose::Mailbox(&name)] {
            let blinded = BlindedSecret::new(&identity, &network, purpose);
            let public = blind_address(&address, &network, purpose);
            prop_assert_eq!(blinded.public(), public);
            prop_assert_eq!(PublicKey::check(public.as_bytes()), Ok(public));
            let signature = blinded.sign(label::CELL_UP, &network, &[&part]);
            let verify = |key: &PublicKey| {
                key.verify(label::CELL_UP, &network, &[&part], &signature)
            };
            prop_assert_eq!(verify(&public), Ok(()));
            prop_assert_eq!(verify(address.key()), Err(BadSignature));
            for other in OTHERS.into_iter().filter(|other| *other != purpose) {
                let other = blind_address(&address, &network, other);
                prop_assert_eq!(verify(&other), Err(BadSignature));
            }
        }
    }
}

#[test]
fn a_blinded_signature_counts_for_one_network_label_and_message() {
    let (identity, network) = (secret_key([3; 32]), network());
    let purpose = Purpose::Introset(Epoch(7));
    let blinded = BlindedSecret::new(&identity, &network, purpose);
    let signature = blinded.sign(label::CELL_UP, &network, &[b"part"]);
    let elsewhere = NetworkId::from_name("other");
    let key = blind_address(&identity.address(), &elsewhere, purpose);
    assert_ne!(key, blinded.public());
    let refused = Err(BadSignature);
    assert_eq!(
        key.verify(label::CELL_UP, &elsewhere, &[b"part"], &signature),
        refused
    );
    assert_eq!(
        key.verify(label::CELL_UP, &network, &[b"part"], &signature),
        refused
    );
    let key = blinded.public();
    assert_eq!(
        key.verify(label::CELL_UP, &elsewhere, &[b"part"], &signature),
        refused
    );
    assert_eq!(
        key.verify(label::CELL_DOWN, &network, &[b"part"], &signature),
        refused
    );
    assert_eq!(
        key.verify(label::CELL_UP, &network, &[b"par", b"t"], &signature),
        refused
    );
}

#[test]
fn blinded_keys_differ_from_the_address_and_from_each_other() {
    let network = network();
    for seed in 0..8 {
        let address = secret_key([seed; 32]).address();
        let mut keys = vec![*address.key()];
        keys.push(blind_address(
            &address,
            &network,
            Purpose::Introset(Epoch(7)),
        ));
        keys.extend(OTHERS.map(|purpose| blind_address(&address, &network, purpose)));
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}

#[test]
fn the_blinding_factor_is_the_hash_of_key_and_epoch_or_name() {
    let (network, address) = (network(), secret_key([3; 32]).address());
    let key = address.key().as_bytes();
    assert_eq!(
        Purpose::Introset(Epoch(0x0102_0304)).factor(&network, &address),
        hash(label::BLIND_INTROSET, &network, &[key, &[1, 2, 3, 4]])
    );
    assert_eq!(
        Purpose::Mailbox(b"post").factor(&network, &address),
        hash(label::BLIND_MAILBOX, &network, &[key, b"post"])
    );
}
