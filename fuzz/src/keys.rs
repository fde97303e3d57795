//! `signature`, `kem_key` and `onion`: the primitives under hostile keys, messages and lengths.

use llarp_core::crypto::blind::{BlindedSecret, Purpose};
use llarp_core::crypto::epoch::Epoch;
use llarp_core::crypto::hash::{NetworkId, label};
use llarp_core::crypto::kem::{KEM_PUBLIC_LEN, KemPublic, KemSecret, KemSeed};
use llarp_core::crypto::onion::{BLOCK_LEN, Decipher, Encipher, LayerKey};
use llarp_core::crypto::secret::Secret;

use crate::Seed;
use crate::fixture::{IDENTITY, NETWORK, rng};
use crate::input::{Input, counting, mutate};

/// The input says who signs (the identity or its key of an epoch), what to change in signature and
/// message, then the message. Only the unchanged pair verifies, and only in its network.
pub(crate) fn signature(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (blinded, steps) = (input.below(2) == 1, input.below(4));
    let mut changes = Input::new(input.up_to(4 * steps));
    let message_change: [u8; 3] = input.array();
    let message = input.rest();
    let label = label::BLIND_NONCE;
    let (public, honest) = if blinded {
        let purpose = Purpose::Introset(Epoch(message_change[2].into()));
        let secret = BlindedSecret::new(&IDENTITY, &NETWORK, purpose);
        (secret.public(), secret.sign(label, &NETWORK, &[message]))
    } else {
        let signature = IDENTITY.sign(label, &NETWORK, &[message]);
        (IDENTITY.public(), signature)
    };
    let mut changed = honest.to_vec();
    mutate(&mut changed, &mut changes, steps);
    let mut other = message.to_vec();
    if let Some(byte) = other.get_mut(usize::from(message_change[0])) {
        *byte ^= message_change[1];
    }
    let Ok(changed) = <[u8; 64]>::try_from(changed) else {
        return;
    };
    let verified = public.verify(label, &NETWORK, &[&other], &changed);
    assert_eq!(verified.is_ok(), changed == honest && other == message);
    let elsewhere = public.verify(label, &NetworkId([0; 32]), &[&other], &changed);
    assert!(elsewhere.is_err(), "a signature of another network");
}

pub(crate) fn signature_seeds() -> Vec<Seed> {
    vec![
        ("identity", b"\x00\x00\x00\x00\x07message".to_vec()),
        ("blinded", b"\x01\x00\x00\x00\x07message".to_vec()),
        (
            "bit_of_point",
            b"\x00\x01\x04\x00\x1f\x80\x00\x00\x07message".to_vec(),
        ),
        (
            "bit_of_scalar",
            b"\x01\x01\x04\x00\x3f\x10\x00\x00\x07message".to_vec(),
        ),
        ("bit_of_message", b"\x00\x00\x03\x01\x07message".to_vec()),
    ]
}

/// The input is a key, then changes to an honest key and ciphertext. Checked keys keep their bytes
/// and can be encapsulated to; a changed ciphertext gives another secret, never an error.
pub(crate) fn kem_key(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let secret = KemSecret::from_seed(&KemSeed::new(Secret::take(&mut [7; 64])));
    let mut key = secret.public().as_bytes().to_vec();
    let in_key = input.below(4);
    mutate(&mut key, &mut Input::new(input.up_to(4 * in_key)), in_key);
    check(&key);
    let (shared, honest) = secret.public().encapsulate(&mut rng(4));
    let mut changed = honest;
    let (place, value) = (usize::from(input.u16()) % honest.len(), input.u8());
    changed[place] ^= value;
    let same = secret.decapsulate(&changed) == shared;
    assert_eq!(same, changed == honest);
    check(&[input.rest(), &[0; KEM_PUBLIC_LEN]].concat()[..KEM_PUBLIC_LEN]);
}

fn check(key: &[u8]) {
    let Ok(bytes) = key.try_into() else { return };
    // FIPS 203 §7.2: 768 coefficients of 12 bits below 3329, then 32 bytes of anything.
    let reduced = key[..KEM_PUBLIC_LEN - 32].chunks_exact(3).all(|three| {
        let [low, middle, high] = [three[0], three[1], three[2]].map(u16::from);
        (low | (middle & 15) << 8) < 3329 && (middle >> 4 | high << 4) < 3329
    });
    match KemPublic::check(bytes) {
        Ok(checked) => {
            assert!(reduced, "a coefficient is not reduced");
            assert_eq!(checked.as_bytes(), bytes);
            let _ = checked.encapsulate(&mut rng(5));
        }
        Err(_) => assert!(!reduced, "a good key is refused"),
    }
}

pub(crate) fn kem_key_seeds() -> Vec<Seed> {
    vec![
        ("honest", vec![0]),
        (
            "coefficient_3329",
            b"\x02\x03\x00\x00\x01\x03\x00\x01\x0d\x00\x00\x00".to_vec(),
        ),
        (
            "coefficient_3328",
            b"\x02\x03\x00\x00\x00\x03\x00\x01\x0d\x00\x00\x00".to_vec(),
        ),
        ("bit_of_ciphertext", b"\x00\x01\x23\x10".to_vec()),
        (
            "no_key",
            [b"\x00\x00\x00\x00".to_vec(), vec![0xff; 64]].concat(),
        ),
    ]
}

/// The input is a tweak's length, a place, a change, the tweak, the text. What is enciphered
/// deciphers; a change anywhere changes the first block; a text below a block is left alone.
pub(crate) fn onion(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (tweak_len, place, change) = (input.below(64), usize::from(input.u16()), input.u8());
    let tweak = input.up_to(tweak_len);
    let text = input.rest();
    let key = LayerKey::new(Secret::take(&mut [9; 32]));
    let (encipher, decipher) = (Encipher::new(&key, tweak), Decipher::new(&key, tweak));
    let mut work = text.to_vec();
    if text.len() < BLOCK_LEN {
        assert!(encipher.apply(&mut work).is_err() && decipher.apply(&mut work).is_err());
        assert_eq!(work, text, "unchanged");
        return;
    }
    assert_eq!(encipher.apply(&mut work), Ok(()));
    assert_ne!(work, text);
    let mut back = work.clone();
    assert_eq!(decipher.apply(&mut back), Ok(()));
    assert_eq!(back, text);
    let place = place % work.len();
    work[place] ^= change;
    assert_eq!(decipher.apply(&mut work), Ok(()));
    let first_block_same = work[..BLOCK_LEN] == text[..BLOCK_LEN];
    assert_eq!(first_block_same, change == 0, "every bit moves every block");
}

pub(crate) fn onion_seeds() -> Vec<Seed> {
    let script = |tweak_len: u8, place: u8, change: u8, len: usize| {
        [vec![tweak_len, 0, place, change], counting(0, len)].concat()
    };
    vec![
        ("empty", vec![]),
        ("below_a_block", script(0, 0, 0, 15)),
        ("one_block", script(0, 15, 1, 16)),
        ("ragged", script(17, 16, 0x80, 17 + 33)),
        ("cell", script(16, 255, 1, 16 + 1304)),
    ]
}
