//! An identity's two forms: Ed25519, and X25519 by the birational map.

use curve25519_dalek::edwards::CompressedEdwardsY;
use llarp_core::crypto::identity::{Address, PublicKey};
use llarp_core::crypto::noise::x25519_public;
use proptest::prelude::*;

use super::secret_key;

fn negated(address: &Address) -> Address {
    let point = CompressedEdwardsY(*address.key().as_bytes()).decompress();
    let bytes = (-point.unwrap()).compress().to_bytes();
    Address::new(PublicKey::check(&bytes).unwrap())
}

proptest! {
    #[test]
    fn the_x25519_forms_of_both_halves_belong_together(seed: [u8; 32]) {
        let key = secret_key(seed);
        let public = x25519_public(key.to_x25519().expose());
        prop_assert_eq!(public, key.address().key().to_x25519());
        prop_assert!(key.public().has_x25519(&public));
    }

    #[test]
    fn an_address_and_its_negative_share_the_x25519_key_and_are_told_apart_by_the_address(
        seed: [u8; 32],
    ) {
        let ours = secret_key(seed).address();
        let theirs = negated(&ours);
        prop_assert_ne!(ours, theirs);
        let shared = ours.key().to_x25519();
        prop_assert_eq!(theirs.key().to_x25519(), shared);
        prop_assert!(ours.key().has_x25519(&shared) && theirs.key().has_x25519(&shared));
    }

    #[test]
    fn another_x25519_key_is_not_the_addresss(seed: [u8; 32], bit in 0..256usize) {
        let key = secret_key(seed).public();
        let mut other = key.to_x25519();
        other[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!key.has_x25519(&other));
    }
}
