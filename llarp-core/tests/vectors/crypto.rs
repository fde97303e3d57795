//! Hashing, names, key files, blinding, onion keys.

use llarp_core::crypto::blind::{BlindedSecret, Purpose, blind_address};
use llarp_core::crypto::epoch::Epoch;
use llarp_core::crypto::hash::{NetworkId, derive, hash, label, tag};
use llarp_core::crypto::identity::{
    Address, KeyKind, PublicKey, RelayId, SecretKey, Seed, decode_key_file, encode_key_file,
};
use llarp_core::crypto::kem::{KemSecret, KemSeed};
use llarp_core::crypto::noise::StaticKey;
use llarp_core::crypto::onion_key::{OnionSecret, handshake_psk};
use llarp_core::crypto::secret::Secret;
use serde_json::{Value, json};

use super::{array, bytes, hex, read};

fn identity() -> SecretKey {
    SecretKey::from_seed(Seed::new(Secret::take(&mut [0x11; 32])))
}

pub(super) fn make() -> Value {
    let net = NetworkId::from_name("vectors");
    let key = Secret::take(&mut [0x22; 32]);
    let parts: [&[u8]; 2] = [b"one", b"two"];
    let labels: Vec<_> = label::ALL.iter().map(|label| label.as_str()).collect();
    let identity = identity();
    json!({
        "network": { "name": "vectors", "id": hex(&net.0) },
        "labels": labels,
        "hash": {
            "label": label::BUILD_SLOTS.as_str(),
            "parts": parts.map(hex),
            "key": hex(key.expose()),
            "hash": hex(&hash(label::BUILD_SLOTS, &net, &parts)),
            "derive": hex(derive(&key, label::BUILD_SLOTS, &net, &parts).expose()),
            "tag": hex(&tag(&key, label::BUILD_SLOTS, &net, &parts)),
        },
        "identity": {
            "seed": hex(&[0x11; 32]),
            "public": hex(identity.public().as_bytes()),
            "address": identity.address().to_string(),
            "relay": identity.relay_id().to_string(),
            "x25519_secret": hex(identity.to_x25519().expose()),
            "x25519_public": hex(&identity.public().to_x25519()),
            "key_file_identity": hex(encode_key_file(&identity, KeyKind::Identity).expose()),
            "key_file_relay": hex(encode_key_file(&identity, KeyKind::Relay).expose()),
            "signature_over_parts": hex(&identity.sign(label::BUILD_SLOTS, &net, &parts)),
        },
        "blinding": {
            "introset": blinding(&net, Purpose::Introset(Epoch(20_000)), &json!(20_000)),
            "mailbox": blinding(&net, Purpose::Mailbox(b"friends"), &json!(hex(b"friends"))),
        },
        "onion_keys": onion_keys(&net),
    })
}

fn blinding(net: &NetworkId, purpose: Purpose<'_>, name: &Value) -> Value {
    let secret = BlindedSecret::new(&identity(), net, purpose);
    json!({
        "purpose": name,
        "factor": hex(&purpose.factor(net, &identity().address())),
        "blinded": hex(secret.public().as_bytes()),
        "signature_over_message": hex(&secret.sign(label::BUILD_SLOTS, net, &[b"message"])),
    })
}

fn onion_keys(net: &NetworkId) -> Value {
    let x25519 = StaticKey::new(&llarp_core::crypto::identity::X25519Secret::new(
        Secret::take(&mut [0x33; 32]),
    ));
    let kem = KemSecret::from_seed(&KemSeed::new(Secret::take(&mut [0x44; 64])));
    let onion = OnionSecret::new(net, &identity().relay_id(), x25519, kem);
    let public = onion.public();
    let (shared, ciphertext) = public.kem.encapsulate_with(&Secret::take(&mut [0x55; 32]));
    let psk = handshake_psk(net, shared, &onion.id(), &ciphertext);
    json!({
        "relay": hex(&identity().relay_id().0),
        "x25519_secret": hex(&[0x33; 32]),
        "x25519_public": hex(&public.x25519),
        "kem_seed": hex(&[0x44; 64]),
        "kem_public": hex(public.kem.as_bytes()),
        "id": hex(&onion.id().0),
        "encapsulation_m": hex(&[0x55; 32]),
        "ciphertext": hex(&ciphertext),
        "psk": hex(psk.expose()),
    })
}

#[test]
fn names_and_key_files_of_the_vectors_parse() {
    let vector = &read("crypto")["identity"];
    let public = PublicKey::check(&array(&vector["public"])).unwrap();
    let address: Address = vector["address"].as_str().unwrap().parse().unwrap();
    assert_eq!(address, Address::new(public));
    let relay: RelayId = vector["relay"].as_str().unwrap().parse().unwrap();
    assert_eq!(relay.0, *public.as_bytes());
    for (field, kind) in [
        ("key_file_identity", KeyKind::Identity),
        ("key_file_relay", KeyKind::Relay),
    ] {
        let key = decode_key_file(&bytes(&vector[field]), kind).unwrap();
        assert_eq!(key.public(), public);
    }
}

#[test]
fn signatures_of_the_vectors_verify_under_plain_and_blinded_keys() {
    let vectors = read("crypto");
    let net = NetworkId(array(&vectors["network"]["id"]));
    let address = Address::new(PublicKey::check(&array(&vectors["identity"]["public"])).unwrap());
    let signature = array(&vectors["identity"]["signature_over_parts"]);
    let verified = address
        .key()
        .verify(label::BUILD_SLOTS, &net, &[b"one", b"two"], &signature);
    assert_eq!(verified, Ok(()));
    for (vector, purpose) in [
        (
            &vectors["blinding"]["introset"],
            Purpose::Introset(Epoch(20_000)),
        ),
        (
            &vectors["blinding"]["mailbox"],
            Purpose::Mailbox(b"friends"),
        ),
    ] {
        let blinded = blind_address(&address, &net, purpose);
        assert_eq!(blinded.as_bytes(), &array(&vector["blinded"]));
        let signature = array(&vector["signature_over_message"]);
        let verified = blinded.verify(label::BUILD_SLOTS, &net, &[b"message"], &signature);
        assert_eq!(verified, Ok(()));
    }
}
