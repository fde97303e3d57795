//! A request's slot, and the record sealed in it.
//!
//! ```text
//! slot    0         16                   1104          1136                       1344
//!        ┌─────────┬────────────────────┬─────────────┬──────────────────────────┐
//!        │ key id  │ KEM ciphertext     │ ephemeral   │ sealed record 192 + 16   │
//!        └─────────┴────────────────────┴─────────────┴──────────────────────────┘
//!                                       └──────── Noise message 1 ───────────────┘
//! record  0      1           33      65       69          71                    192
//!        ┌──────┬───────────┬───────┬────────┬───────────┬─────────────────────┐
//!        │ role │ next hop  │ seed  │ minute │ ext. len  │ extension, zeros    │
//!        └──────┴───────────┴───────┴────────┴───────────┴─────────────────────┘
//! ```

use core::fmt;

use super::message::Slots;
use crate::crypto::hash::{NetworkId, framed, hash, label};
use crate::crypto::identity::RelayId;
use crate::crypto::kem::KEM_CIPHERTEXT_LEN;
use crate::crypto::noise::OVERHEAD;
use crate::crypto::onion_key::OnionKeyId;
use crate::crypto::secret::Secret;
use crate::wire::limits::{SLOT_LEN, VERSION};
use crate::wire::{Fault, Reader, WireError, Writer};

/// Bytes of the key id in front of a slot.
const KEY_ID_LEN: usize = 16;
/// Bytes of the Noise message in a slot.
pub(super) const SEALED_LEN: usize = SLOT_LEN - KEY_ID_LEN - KEM_CIPHERTEXT_LEN;
/// Bytes of a slot's record.
pub(super) const RECORD_LEN: usize = SEALED_LEN - OVERHEAD;
/// The most bytes that a record's extension carries.
pub const EXTENSION_MAX: usize = RECORD_LEN - 1 - 32 - 32 - 4 - 2;

#[expect(
    clippy::cast_possible_truncation,
    reason = "a record is shorter than 64 KiB"
)]
const EXTENSION_MAX_U16: u16 = EXTENSION_MAX as u16;

/// A wall-clock time in whole minutes since 1970: as fine as a build's stamp gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Minute(pub u32);

impl Minute {
    /// The minute of a time in seconds since 1970. Times past the year 10136 saturate.
    #[must_use]
    pub fn at(unix_secs: u64) -> Self {
        Self(u32::try_from(unix_secs / 60).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "minute {}", self.0)
    }
}

/// A slot as its own relay sees it.
pub(super) struct SlotView<'a> {
    pub(super) key_id: OnionKeyId,
    pub(super) ciphertext: &'a [u8; KEM_CIPHERTEXT_LEN],
    pub(super) sealed: &'a [u8; SEALED_LEN],
}

impl<'a> SlotView<'a> {
    pub(super) fn read(slot: &'a [u8; SLOT_LEN]) -> Result<Self, WireError> {
        let mut reader = Reader::new(slot);
        let view = Self {
            key_id: OnionKeyId(*reader.array("key id")?),
            ciphertext: reader.array("KEM ciphertext")?,
            sealed: reader.array("sealed record")?,
        };
        reader.finish("slot").map(|()| view)
    }

    pub(super) fn write(&self, slot: &mut [u8; SLOT_LEN]) -> Result<(), WireError> {
        let mut writer = Writer::new(slot);
        writer.bytes("key id", &self.key_id.0)?;
        writer.bytes("KEM ciphertext", self.ciphertext)?;
        writer.bytes("sealed record", self.sealed)
    }

    /// The ephemeral key in front of the Noise message, which names the build.
    pub(super) fn ephemeral(&self) -> &[u8] {
        let (ephemeral, _) = self.sealed.split_at(32);
        ephemeral
    }

    /// What the handshake is bound to: everything of the message that the slot does not encrypt.
    pub(super) fn prologue(
        &self,
        network: &NetworkId,
        relay: &RelayId,
        slots: &Slots<SLOT_LEN>,
    ) -> Vec<u8> {
        let [_, behind @ ..] = slots;
        let behind = hash(label::BUILD_SLOTS, network, &[behind.as_flattened()]);
        let parts: [&[u8]; 5] = [
            &[VERSION],
            &relay.0,
            &self.key_id.0,
            self.ciphertext,
            &behind,
        ];
        framed(label::BUILD_PROLOGUE, network, &parts)
    }
}

/// What a client tells one hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The relay to forward to; none at the terminal.
    pub(super) next: Option<RelayId>,
    /// Seed of the stream that runs over the message as it leaves the hop.
    pub(super) seed: Secret<32>,
    /// When the client made the message.
    pub(super) minute: Minute,
    /// For later versions; receivers ignore what they do not know.
    pub(super) extension: Vec<u8>,
}

impl Record {
    pub(super) fn encode(&self) -> Result<Secret<RECORD_LEN>, WireError> {
        let mut bytes = [0; RECORD_LEN];
        let mut writer = Writer::new(&mut bytes);
        writer.u8("role", u8::from(self.next.is_some()))?;
        writer.bytes("next hop", &self.next.map_or([0; 32], |next| next.0))?;
        writer.bytes("seed", self.seed.expose())?;
        writer.u32("minute", self.minute.0)?;
        writer.bytes_u16("extension", &self.extension, EXTENSION_MAX_U16)?;
        Ok(Secret::take(&mut bytes))
    }

    pub(super) fn decode(bytes: &[u8; RECORD_LEN]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let role = reader.u8("role")?;
        let next = RelayId(*reader.array("next hop")?);
        let next = match (role, next) {
            (0, RelayId([0, ..])) if next == RelayId([0; 32]) => None,
            (1, next) => Some(next),
            (0, _) => return Err(WireError::new("next hop", Fault::Mismatch)),
            (got, _) => {
                let got = got.into();
                return Err(WireError::new("role", Fault::NotAdmitted { got }));
            }
        };
        Ok(Self {
            next,
            seed: Secret::take(&mut { *reader.array("seed")? }),
            minute: Minute(reader.u32("minute")?),
            extension: reader.bytes_u16("extension", EXTENSION_MAX_U16)?.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bad_records_name_the_field() {
        let mut bytes = [0; RECORD_LEN];
        bytes[0] = 2;
        assert_eq!(Record::decode(&bytes).unwrap_err().field, "role");
        bytes[0] = 0;
        bytes[32] = 1;
        assert_eq!(Record::decode(&bytes).unwrap_err().field, "next hop");
        bytes[32] = 0;
        bytes[70] = 122;
        assert_eq!(Record::decode(&bytes).unwrap_err().field, "extension");
        bytes[70] = 121;
        assert!(Record::decode(&bytes).is_ok());
    }

    proptest! {
        #[test]
        fn record_round_trips(
            next in any::<Option<[u8; 32]>>(),
            mut seed in any::<[u8; 32]>(),
            minute: u32,
            extension in prop::collection::vec(any::<u8>(), 0..=EXTENSION_MAX),
        ) {
            let record = Record {
                next: next.map(RelayId),
                seed: Secret::take(&mut seed),
                minute: Minute(minute),
                extension,
            };
            let bytes = record.encode().unwrap();
            prop_assert_eq!(Record::decode(bytes.expose()), Ok(record));
        }

        #[test]
        fn arbitrary_records_never_panic(bytes in any::<[u8; RECORD_LEN]>()) {
            let _ = Record::decode(&bytes);
        }
    }
}
