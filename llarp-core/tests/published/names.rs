//! Names as text: one text per key, and the error names the fault.

use curve25519_dalek::constants::EIGHT_TORSION;
use llarp_core::crypto::identity::{Address, KeyError, NameError, PublicKey, RelayId};
use proptest::prelude::*;

use super::{secret_key, torsioned};

const ALPHABET: &str = "ybndrfg8ejkmcpqxot1uwisza345h769";

/// The public key of RFC 8032's TEST 1 in z-base-32, made by Python:
/// `n = int(public, 16) << 4`, then `alphabet[n >> 5 * i & 31] for i in range(51, -1, -1)`.
const LABEL: &str = "47pjoycnsrfmxikm95jh13y88e8qnhzu5kungjpxyepgt7a8krpy";
const PUBLIC: [u8; 32] = [
    0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
    0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
];

/// What both kinds of name say of `label`; they must say the same.
fn parse(label: &str) -> Result<PublicKey, NameError> {
    let address = format!("{label}.loki").parse::<Address>();
    let relay = format!("{label}.snode").parse::<RelayId>();
    let address = address.map(|address| *address.key());
    assert_eq!(relay, address.map(RelayId::from));
    address
}

/// Any 32 bytes as a label; a relay's id is not checked when it is shown.
fn label(bytes: [u8; 32]) -> String {
    let name = RelayId(bytes).to_string();
    name.strip_suffix(".snode").unwrap().to_owned()
}

/// `LABEL` with the character at `position`, counted from 1, replaced.
fn with(position: usize, character: char) -> String {
    let chars = LABEL.chars().enumerate();
    chars
        .map(|(at, old)| if at + 1 == position { character } else { old })
        .collect()
}

/// Text that is not ASCII has two lengths: either fault is a true answer.
fn text_is_at_fault(error: NameError) -> bool {
    matches!(error, NameError::Length { .. } | NameError::Alphabet { .. })
}

#[test]
fn a_key_has_the_name_that_python_gives_it() {
    let key = PublicKey::check(&PUBLIC).unwrap();
    assert_eq!(parse(LABEL), Ok(key));
    assert_eq!(Address::new(key).to_string(), format!("{LABEL}.loki"));
    assert_eq!(RelayId::from(key).to_string(), format!("{LABEL}.snode"));
}

proptest! {
    #[test]
    fn names_come_back_from_their_text(seed: [u8; 32]) {
        let key = secret_key(seed);
        let (address, relay) = (key.address(), key.relay_id());
        prop_assert_eq!(address.to_string().parse(), Ok(address));
        prop_assert_eq!(relay.to_string().parse(), Ok(relay));
        prop_assert_eq!(relay.key(), Ok(key.public()));
    }

    #[test]
    fn a_name_gives_back_any_bytes_and_they_are_checked(bytes: [u8; 32]) {
        let checked = PublicKey::check(&bytes).map_err(NameError::Key);
        prop_assert_eq!(parse(&label(bytes)), checked);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}", suffix in "(\\.loki|\\.snode)?") {
        let text = text + &suffix;
        prop_assert!(text.parse::<Address>().is_err());
        prop_assert!(text.parse::<RelayId>().is_err());
    }

    #[test]
    fn a_character_outside_the_alphabet_is_named_by_its_position(
        position in 1..=52usize,
        character in any::<char>().prop_filter("outside", |c| !ALPHABET.contains(*c)),
    ) {
        let refused = parse(&with(position, character)).unwrap_err();
        if character.is_ascii() {
            prop_assert_eq!(refused, NameError::Alphabet { position });
        } else {
            prop_assert!(text_is_at_fault(refused), "{}", refused);
        }
    }
}

#[test]
fn a_missing_or_other_suffix_is_named() {
    let address = NameError::Suffix { expected: ".loki" };
    for suffix in ["", "loki", ".lok", ".LOKI", ".loki.", ".loki ", ".snode"] {
        let name = format!("{LABEL}{suffix}");
        assert_eq!(name.parse::<Address>(), Err(address), "{name}");
    }
    let relay = NameError::Suffix { expected: ".snode" };
    for suffix in ["", ".snod", ".Snode", ".loki"] {
        let name = format!("{LABEL}{suffix}");
        assert_eq!(name.parse::<RelayId>(), Err(relay), "{name}");
    }
}

#[test]
fn another_length_is_named() {
    for (label, got) in [
        (String::new(), 0),
        (LABEL[..51].to_owned(), 51),
        (format!("{LABEL}y"), 53),
        (format!("{LABEL}.loki"), 57),
        ("é".repeat(51), 51),
    ] {
        assert_eq!(parse(&label), Err(NameError::Length { got }), "{label}");
    }
}

#[test]
fn text_of_the_right_number_of_bytes_that_is_not_ascii_is_refused() {
    for label in ["é".repeat(26), format!("{}é", &LABEL[..50])] {
        assert_eq!(label.len(), LABEL.len());
        assert!(text_is_at_fault(parse(&label).unwrap_err()), "{label}");
    }
}

#[test]
fn another_letter_is_another_key_or_none() {
    let key = PublicKey::check(&PUBLIC).unwrap();
    for (at, own) in LABEL.char_indices() {
        for letter in ALPHABET.chars().filter(|letter| *letter != own) {
            assert_ne!(parse(&with(at + 1, letter)), Ok(key));
        }
    }
}

#[test]
fn upper_case_is_refused_at_its_position() {
    for (at, letter) in LABEL.char_indices().filter(|(_, c)| c.is_ascii_lowercase()) {
        let position = at + 1;
        let upper = with(position, letter.to_ascii_uppercase());
        assert_eq!(parse(&upper), Err(NameError::Alphabet { position }));
    }
}

#[test]
fn a_name_ends_in_y_or_o_and_in_no_other_letter() {
    for letter in ALPHABET.chars() {
        let stray = parse(&with(52, letter)) == Err(NameError::LastCharacter);
        assert_eq!(stray, !matches!(letter, 'y' | 'o'), "{letter}");
    }
    let ends: std::collections::HashSet<_> = (0..=255)
        .map(|last| label([last; 32]).pop().unwrap())
        .collect();
    assert_eq!(ends, ['y', 'o'].into());
}

#[test]
fn a_name_whose_bytes_are_no_key_says_why() {
    let refused = |bytes| parse(&label(bytes)).unwrap_err();
    let mut bytes = [0; 32];
    bytes[0] = 2;
    assert_eq!(refused(bytes), NameError::Key(KeyError::NotOnCurve));
    assert_eq!(refused([0xff; 32]), NameError::Key(KeyError::NotCanonical));
    for point in EIGHT_TORSION {
        let bytes = point.compress().to_bytes();
        assert_eq!(refused(bytes), NameError::Key(KeyError::SmallOrder));
    }
    for bytes in torsioned(&PublicKey::check(&PUBLIC).unwrap()) {
        assert_eq!(refused(bytes), NameError::Key(KeyError::Torsion));
    }
}
