//! The bytes of a key file. Who writes them to a disk writes atomically and with mode 0600.
//!
//! ```text
//!  0           8         9      10           42             74
//! ┌───────────┬─────────┬──────┬────────────┬──────────────┐
//! │ "llarpkey"│ version │ kind │ seed       │ public key   │
//! └───────────┴─────────┴──────┴────────────┴──────────────┘
//! ```

use super::{SecretKey, Seed};
use crate::crypto::secret::Secret;
use crate::wire::limits::{KEY_FILE_LEN, VERSION};
use crate::wire::{Fault, Reader, WireError, Writer};

const MAGIC: &[u8; 8] = b"llarpkey";

/// Whose key a file holds, so that a relay's is not taken for an identity's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// A client's identity.
    Identity,
    /// A relay.
    Relay,
    /// An authority, which signs the registry.
    Authority,
}

impl KeyKind {
    const fn code(self) -> u8 {
        match self {
            Self::Identity => 1,
            Self::Relay => 2,
            Self::Authority => 3,
        }
    }
}

/// The key file of `key`, zeroized when dropped.
#[must_use]
pub fn encode_key_file(key: &SecretKey, kind: KeyKind) -> Secret<KEY_FILE_LEN> {
    let mut bytes = [0; KEY_FILE_LEN];
    let written = write(&mut Writer::new(&mut bytes), key, kind);
    debug_assert_eq!(written, Ok(()), "the fields add up to KEY_FILE_LEN");
    Secret::take(&mut bytes)
}

/// Reads a key file that must be of `kind`.
///
/// # Errors
/// [`WireError`] names the field: `key file` (length), `magic`, `version`, `kind`, or `public key`
/// where the public half does not belong to the seed.
pub fn decode_key_file(bytes: &[u8], kind: KeyKind) -> Result<SecretKey, WireError> {
    let mut reader = Reader::exact(bytes, KEY_FILE_LEN, "key file")?;
    let magic = reader.array::<8>("magic")?;
    if magic != MAGIC {
        let got = u64::from_be_bytes(*magic);
        return Err(WireError::new("magic", Fault::NotAdmitted { got }));
    }
    reader.version()?;
    let got = reader.u8("kind")?;
    if got != kind.code() {
        let got = got.into();
        return Err(WireError::new("kind", Fault::NotAdmitted { got }));
    }
    let mut seed = *reader.array("seed")?;
    let key = SecretKey::from_seed(Seed::new(Secret::take(&mut seed)));
    if reader.array("public key")? != key.public().as_bytes() {
        return Err(WireError::new("public key", Fault::Mismatch));
    }
    reader.finish("key file").map(|()| key)
}

fn write(writer: &mut Writer<'_>, key: &SecretKey, kind: KeyKind) -> Result<(), WireError> {
    writer.bytes("magic", MAGIC)?;
    writer.u8("version", VERSION)?;
    writer.u8("kind", kind.code())?;
    writer.bytes("seed", key.seed().expose())?;
    writer.bytes("public key", key.public().as_bytes())
}
