//! Addresses and names of relays, as text.

use llarp_core::crypto::identity::{Address, NameError, PublicKey, RelayId, SecretKey};

use super::{fixed, mutate, mutated, pick};

const ALPHABET: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";

#[test]
fn mutated_names() {
    let mut rng = fixed(1);
    let keys: Vec<_> = (0..16).map(|_| SecretKey::generate(&mut rng)).collect();
    let addresses: Vec<_> = keys.iter().map(|key| key.address().to_string()).collect();
    let relays: Vec<_> = keys.iter().map(|key| key.relay_id().to_string()).collect();
    mutated("mutated_names").run(|index, rng| {
        let names = if index % 2 == 0 { &addresses } else { &relays };
        let mut bytes = pick(rng, names).clone().into_bytes();
        let donor = pick(rng, names);
        mutate(&mut bytes, donor.as_bytes(), rng);
        let text = String::from_utf8_lossy(&bytes);
        let address = text.parse::<Address>();
        let relay = text.parse::<RelayId>();
        check(
            &text,
            ".loki",
            address.map(|name| (*name.key().as_bytes(), name.to_string())),
        );
        check(
            &text,
            ".snode",
            relay.map(|name| (name.0, name.to_string())),
        );
    });
}

/// Holds a parser's answer, key and text, against the model's.
fn check(text: &str, suffix: &'static str, parsed: Result<([u8; 32], String), NameError>) {
    let right = model(text, suffix);
    match (parsed, right) {
        (Ok((key, printed)), Ok(right)) => {
            assert_eq!((key, printed.as_str()), (right, text), "one text a name");
        }
        (Err(error), Err(right)) => {
            assert_eq!(error, right, "{text:?}");
            assert!(error.to_string().contains(": "), "{error} names the field");
        }
        (parsed, right) => panic!("{text:?}: {parsed:?}, but {right:?} is right"),
    }
}

fn model(text: &str, expected: &'static str) -> Result<[u8; 32], NameError> {
    let suffix = NameError::Suffix { expected };
    let label = text.strip_suffix(expected).ok_or(suffix)?;
    let value = |letter: u8| ALPHABET.iter().position(|known| *known == letter);
    let got = label.chars().count();
    if got != 52 {
        return Err(NameError::Length { got });
    }
    // Letters of two bytes and more are told before others.
    if let Some(position) = label.chars().position(|letter| !letter.is_ascii()) {
        let position = position + 1;
        return Err(NameError::Alphabet { position });
    }
    let mut bits = Vec::with_capacity(260);
    for (letter, position) in label.bytes().zip(1..) {
        let value = value(letter).ok_or(NameError::Alphabet { position })?;
        bits.extend((0..5).rev().map(|bit| (value >> bit) & 1 == 1));
    }
    if bits[256..].contains(&true) {
        return Err(NameError::LastCharacter);
    }
    let mut key = [0u8; 32];
    for (byte, bits) in key.iter_mut().zip(bits.chunks(8)) {
        *byte = bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    }
    PublicKey::check(&key).map_err(NameError::Key)?;
    Ok(key)
}
