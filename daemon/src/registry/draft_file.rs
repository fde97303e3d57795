//! What authorities are asked to sign, on its way between machines.
//!
//! ```text
//! ┌─────────────┬───────────┬────────┬─────────┬─────────────────────────────┬─────────────────────────┐
//! │ "llarpdft"  │ version 1 │ kind 1 │ count 1 │ length 2 ‖ signed charter … │ 1 snapshot or 2 charter │
//! └─────────────┴───────────┴────────┴─────────┴─────────────────────────────┴─────────────────────────┘
//! ```
//!
//! The charters are all behind the root up to the one whose authorities are asked.

use llarp_core::crypto::hash::NetworkId;
use llarp_core::registry::{Charter, CharterChain, CharterError, Root, SignedCharter, Snapshot};
use llarp_core::wire::limits::{CHARTER_MAX, CHARTERS_MAX, SIGNATURES_MAX, SNAPSHOT_MAX, VERSION};
use llarp_core::wire::{Fault, Reader, WireError};

/// Bytes of a draft's file.
pub const DRAFT_MAX: usize = 8 + 3 + (CHARTERS_MAX - 1) * (2 + SIGNED_CHARTER_MAX) + SNAPSHOT_MAX;

const SIGNED_CHARTER_MAX: usize = CHARTER_MAX + SIGNATURES_MAX;
const MAGIC: &[u8; 8] = b"llarpdft";

/// A draft, and the charters that lead to those who are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftFile {
    /// All behind the root.
    pub charters: Vec<SignedCharter>,
    /// What is to be signed.
    pub subject: Subject,
}

/// What is to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The next snapshot.
    Snapshot(Snapshot),
    /// The next charter.
    Charter(Charter),
}

impl DraftFile {
    /// The charters, verified from `root` on: whoever is asked to sign is the newest.
    ///
    /// # Errors
    /// [`CharterError`].
    pub fn chain(&self, network: NetworkId, root: Root) -> Result<CharterChain, CharterError> {
        let mut chain = CharterChain::new(network, root)?;
        let mut charters = self.charters.iter();
        charters.try_for_each(|charter| chain.extend(charter))?;
        Ok(chain)
    }

    /// Whether these bytes are meant to be a draft.
    #[must_use]
    pub fn is_meant(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// The bytes that [`Self::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, subject) = match &self.subject {
            Subject::Snapshot(snapshot) => (1, snapshot.encode()),
            Subject::Charter(charter) => (2, charter.encode()),
        };
        let mut bytes = MAGIC.to_vec();
        // A chain has at most CHARTERS_MAX charters, each far below 64 KiB.
        let count = u8::try_from(self.charters.len()).unwrap_or(u8::MAX);
        bytes.extend([VERSION, kind, count]);
        for charter in &self.charters {
            let charter = charter.encode();
            let len = u16::try_from(charter.len()).unwrap_or(u16::MAX);
            bytes.extend(len.to_be_bytes());
            bytes.extend(charter);
        }
        bytes.extend(subject);
        bytes
    }

    /// Reads a draft.
    ///
    /// # Errors
    /// [`WireError`] names the field: `draft` (its beginning), `version`, `kind`, `charter count`, `charter
    /// length`, or as [`SignedCharter::decode`], [`Snapshot::decode`] and [`Charter::decode`] do.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        if reader.array::<8>("draft")? != MAGIC {
            return Err(WireError::new("draft", Fault::Mismatch));
        }
        reader.version()?;
        let kind = reader.u8("kind")?;
        let count = reader.u8("charter count")?;
        if usize::from(count) >= CHARTERS_MAX {
            let (max, got) = (CHARTERS_MAX as u64 - 1, count.into());
            return Err(WireError::new(
                "charter count",
                Fault::TooLarge { max, got },
            ));
        }
        let mut charters = Vec::new();
        for number in 1..=u32::from(count) {
            let max = u16::try_from(SIGNED_CHARTER_MAX).unwrap_or(u16::MAX);
            let signed = SignedCharter::decode(reader.bytes_u16("charter length", max)?)?;
            if signed.charter().number() != number {
                return Err(WireError::new("charter number", Fault::Mismatch));
            }
            charters.push(signed);
        }
        let subject = match kind {
            1 => Subject::Snapshot(Snapshot::decode(reader.rest())?),
            2 => Subject::Charter(Charter::decode(reader.rest())?),
            got => {
                let got = got.into();
                return Err(WireError::new("kind", Fault::NotAdmitted { got }));
            }
        };
        Ok(Self { charters, subject })
    }
}
