//! `name` and `key_file`: what people copy and keep.

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use llarp_core::crypto::identity::{
    Address, KeyError, KeyKind, NameError, PublicKey, RelayId, SecretKey, Seed as KeySeed,
    decode_key_file, encode_key_file,
};
use llarp_core::crypto::secret::Secret;
use llarp_core::wire::limits::KEY_FILE_LEN;

use crate::Seed;
use crate::fixture::{IDENTITY, RELAYS};
use crate::input::{Input, mutate};

const ALPHABET: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";

/// The input is a text, then the same bytes as the letters of a name, then as a key. What parses
/// is printed as it was written.
pub(crate) fn name(bytes: &[u8]) {
    parse(&String::from_utf8_lossy(bytes));
    let letters = bytes
        .iter()
        .take(52)
        .map(|byte| ALPHABET[usize::from(byte % 32)]);
    let label: String = letters.map(char::from).collect();
    parse(&format!("{label}.loki"));
    parse(&format!("{label}.snode"));
    key(Input::new(bytes).array());
}

fn parse(text: &str) {
    match text.parse::<Address>() {
        Ok(address) => assert_eq!(address.to_string(), text, "one text a name"),
        Err(error) => names_the_fault(error),
    }
    match text.parse::<RelayId>() {
        Ok(relay) => {
            assert_eq!(relay.to_string(), text, "one text a name");
            assert!(relay.key().is_ok(), "a name that parses is a key");
        }
        Err(error) => names_the_fault(error),
    }
}

fn names_the_fault(error: NameError) {
    let said = error.to_string();
    let fault = match error {
        NameError::Suffix { .. } => "suffix: ",
        NameError::Length { got } => {
            assert_ne!(got, 52, "{said}");
            "length: "
        }
        NameError::Alphabet { position } => {
            assert!((1..=52).contains(&position), "{said}");
            "alphabet: "
        }
        NameError::LastCharacter => "last character: ",
        NameError::Key(_) => "key: ",
    };
    assert!(said.starts_with(fault), "{said}");
}

fn key(bytes: [u8; 32]) {
    let name = RelayId(bytes).to_string();
    match PublicKey::check(&bytes) {
        Ok(key) => {
            assert_eq!(name.parse(), Ok(RelayId(bytes)));
            assert_eq!(Address::new(key).to_string().parse(), Ok(Address::new(key)));
            assert!(key.has_x25519(&key.to_x25519()));
            let twin = with_torsion(&bytes, usize::from(bytes[31]));
            assert_eq!(PublicKey::check(&twin), Err(KeyError::Torsion));
        }
        Err(fault) => assert_eq!(name.parse::<RelayId>(), Err(NameError::Key(fault))),
    }
}

/// The key plus a point of small order, by the curve's own library.
fn with_torsion(key: &[u8; 32], which: usize) -> [u8; 32] {
    let point = CompressedEdwardsY(*key)
        .decompress()
        .expect("a checked key");
    let [_, small @ ..] = EIGHT_TORSION;
    (point + small[which % small.len()]).compress().to_bytes()
}

pub(crate) fn name_seeds() -> Vec<Seed> {
    let address = IDENTITY.address();
    let text = address.to_string();
    let mut upper = text.clone();
    upper.replace_range(..1, &text[..1].to_uppercase());
    let (label, _) = text.split_at(51);
    vec![
        ("address", text.clone().into_bytes()),
        ("relay", RELAYS[0].id.to_string().into_bytes()),
        ("upper_case", upper.into_bytes()),
        ("last_character", format!("{label}n.loki").into_bytes()),
        ("too_long", format!("y{text}").into_bytes()),
        ("not_ascii", format!("é{}", &text[1..]).into_bytes()),
        (
            "not_ascii_52_bytes",
            format!("é{}", &text[2..]).into_bytes(),
        ),
        ("key", address.key().as_bytes().to_vec()),
        (
            "torsion",
            with_torsion(address.key().as_bytes(), 0).to_vec(),
        ),
        ("small_order", [[1].as_slice(), &[0; 31]].concat()),
    ]
}

/// The input is a file, then a seed and changes to that seed's file. What decodes encodes to the
/// same bytes, and a file belongs to one kind.
pub(crate) fn key_file(bytes: &[u8]) {
    decode(bytes);
    let mut input = Input::new(bytes);
    let kind = [KeyKind::Identity, KeyKind::Relay][input.below(2)];
    let key = SecretKey::from_seed(KeySeed::new(Secret::take(&mut input.array())));
    let file = encode_key_file(&key, kind);
    let same = decode_key_file(file.expose(), kind).map(|key| key.public());
    assert_eq!(same, Ok(key.public()));
    let mut changed = file.expose().to_vec();
    mutate(&mut changed, &mut input, 4);
    assert_eq!(decode(&changed), changed == *file.expose());
}

/// Whether `bytes` are a key file, of whichever kind.
fn decode(bytes: &[u8]) -> bool {
    let opened = [KeyKind::Identity, KeyKind::Relay].map(|kind| {
        let key = decode_key_file(bytes, kind);
        let error = key.as_ref().map_err(|error| error.field).err();
        assert_eq!(error == Some("key file"), bytes.len() != KEY_FILE_LEN);
        assert!(
            error.is_none_or(|field| FIELDS.contains(&field)),
            "{error:?}"
        );
        key.is_ok_and(|key| {
            assert_eq!(encode_key_file(&key, kind).expose().as_slice(), bytes);
            true
        })
    });
    assert_ne!(opened, [true; 2], "a relay's key is no identity's");
    opened.contains(&true)
}

const FIELDS: &[&str] = &["key file", "magic", "version", "kind", "public key"];

pub(crate) fn key_file_seeds() -> Vec<Seed> {
    let file = |kind| encode_key_file(&IDENTITY, kind).expose().to_vec();
    let identity = file(KeyKind::Identity);
    let with = |place: usize| {
        let mut file = identity.clone();
        file[place] ^= 1;
        file
    };
    vec![
        ("identity", identity.clone()),
        ("relay", file(KeyKind::Relay)),
        ("magic", with(7)),
        ("version", with(8)),
        ("other_seed", with(10)),
        ("public_key", with(73)),
        ("cut", identity[..73].to_vec()),
    ]
}
