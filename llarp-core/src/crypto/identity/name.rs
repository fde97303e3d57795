//! Names as text: 52 characters of z-base-32 and a suffix. Strict, and the error names the fault.

use core::fmt;
use core::str::FromStr;
use std::sync::LazyLock;

use data_encoding::{DecodeKind, Encoding, Specification};

use super::{Address, KeyError, PublicKey, RelayId};
use crate::wire::limits::ADDRESS_CHARS;

/// Suffix of an identity's address.
const ADDRESS_SUFFIX: &str = ".loki";
/// Suffix of a relay's name.
const RELAY_SUFFIX: &str = ".snode";

#[expect(
    clippy::expect_used,
    reason = "a constant alphabet of 32 letters; every test uses it"
)]
static Z_BASE_32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut spec = Specification::new();
    spec.symbols.push_str("ybndrfg8ejkmcpqxot1uwisza345h769");
    spec.encoding().expect("z-base-32 is an encoding")
});

/// Why a text is not a name. Quotes nothing of the text but a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The suffix is missing or another.
    #[error("suffix: the name must end in {expected:?}")]
    Suffix {
        /// The suffix that belongs there.
        expected: &'static str,
    },
    /// Not 52 characters in front of the suffix.
    #[error("length: {ADDRESS_CHARS} characters expected in front of the suffix, {got} found")]
    Length {
        /// Characters found.
        got: usize,
    },
    /// A character outside the alphabet; letters are lower case.
    #[error("alphabet: the character at position {position} is not of z-base-32 in lower case")]
    Alphabet {
        /// Its position, counted from 1.
        position: usize,
    },
    /// The last character carries bits beyond the 256 of the key.
    #[error("last character: carries bits beyond the key (only 'y' and 'o' can end a name)")]
    LastCharacter,
    /// The bytes are no key.
    #[error("key: {0}")]
    Key(#[from] KeyError),
}

impl FromStr for Address {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        parse(text, ADDRESS_SUFFIX).map(Self)
    }
}

impl FromStr for RelayId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        parse(text, RELAY_SUFFIX).map(Self::from)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{ADDRESS_SUFFIX}", Z_BASE_32.encode_display(&self.0.0))
    }
}

impl fmt::Display for RelayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{RELAY_SUFFIX}", Z_BASE_32.encode_display(&self.0))
    }
}

// Who talks to whom does not get into a log by way of `{:?}`; whoever means to show a name says so
// with `{}`.

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(redacted)")
    }
}

impl fmt::Debug for RelayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayId(redacted)")
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(redacted)")
    }
}

fn parse(text: &str, expected: &'static str) -> Result<PublicKey, NameError> {
    let label = text
        .strip_suffix(expected)
        .ok_or(NameError::Suffix { expected })?;
    let got = label.chars().count();
    if got != ADDRESS_CHARS {
        return Err(NameError::Length { got });
    }
    if let Some(position) = label.chars().position(|char| !char.is_ascii()) {
        let position = position + 1;
        return Err(NameError::Alphabet { position });
    }
    let mut bytes = [0; 32];
    Z_BASE_32
        .decode_mut(label.as_bytes(), &mut bytes)
        .map_err(|partial| match partial.error.kind {
            DecodeKind::Trailing => NameError::LastCharacter,
            _ => NameError::Alphabet {
                position: partial.error.position + 1,
            },
        })?;
    PublicKey::check(&bytes).map_err(NameError::Key)
}
