//! All relays that count, in the order of their ids.
//!
//! ```text
//! ┌───────────┬─────────┬──────────────────────────────────────┐
//! │ version 1 │ count 2 │ count contacts, by ascending id      │
//! └───────────┴─────────┴──────────────────────────────────────┘
//! ```

use std::sync::Arc;

use super::RelayContact;
use crate::crypto::identity::RelayId;
use crate::wire::limits::{RELAY_ENTRY_MAX, RELAYS_MAX, VERSION};
use crate::wire::{Fault, Reader, WireError, Writer};

/// Why contacts make no list. For whoever gave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// A relay is there twice.
    #[error("{relay} is listed twice")]
    Twice {
        /// The relay.
        relay: RelayId,
    },
    /// More relays than a network has.
    #[error("a list has at most {RELAYS_MAX} relays, {got} given")]
    TooMany {
        /// Relays given.
        got: usize,
    },
}

/// Relays in the order of their ids, each once. Never changes; clones share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayList(Arc<[RelayContact]>);

impl RelayList {
    /// The list of these relays, given in any order.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn new(contacts: impl IntoIterator<Item = RelayContact>) -> Result<Self, ListError> {
        // One more than allowed is enough to know.
        let mut contacts: Vec<_> = contacts.into_iter().take(RELAYS_MAX + 1).collect();
        let got = contacts.len();
        if got > RELAYS_MAX {
            return Err(ListError::TooMany { got });
        }
        contacts.sort_by_key(|contact| contact.id);
        let twice = contacts.windows(2).find_map(|pair| match pair {
            [one, other] if one.id == other.id => Some(one.id),
            _ => None,
        });
        match twice {
            Some(relay) => Err(ListError::Twice { relay }),
            None => Ok(Self(contacts.into())),
        }
    }

    /// The list of no relay.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::default())
    }

    /// The relay of this name.
    #[must_use]
    pub fn get(&self, id: &RelayId) -> Option<&RelayContact> {
        let at = self.0.binary_search_by_key(id, |contact| contact.id).ok()?;
        self.0.get(at)
    }

    /// All relays, by ascending id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &RelayContact> + Clone {
        self.0.iter()
    }

    /// How many relays there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes that [`RelayList::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; 3 + self.len() * RELAY_ENTRY_MAX];
        let whole = bytes.len();
        let mut writer = Writer::new(&mut bytes);
        let written = self.write(&mut writer);
        debug_assert_eq!(written, Ok(()), "no contact exceeds RELAY_ENTRY_MAX");
        let left = writer.left();
        bytes.truncate(whole - left);
        bytes
    }

    /// Reads a list.
    ///
    /// # Errors
    /// [`WireError`] names the field: `version`, `relay count`, a field of a contact, `relay id` if
    /// the ids do not ascend, or `relay list` for bytes left over.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version()?;
        let count = reader.u16("relay count")?;
        if usize::from(count) > RELAYS_MAX {
            let (max, got) = (RELAYS_MAX as u64, count.into());
            return Err(WireError::new("relay count", Fault::TooLarge { max, got }));
        }
        // Grows with the bytes that are there, not with the count that is claimed.
        let mut contacts: Vec<RelayContact> = Vec::new();
        for _ in 0..count {
            let contact = RelayContact::read(&mut reader)?;
            if contacts.last().is_some_and(|last| last.id >= contact.id) {
                return Err(WireError::new("relay id", Fault::Mismatch));
            }
            contacts.push(contact);
        }
        reader.finish("relay list")?;
        Ok(Self(contacts.into()))
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        writer.u8("version", VERSION)?;
        // `new` and `decode` keep the count below RELAYS_MAX.
        let count = u16::try_from(self.len()).unwrap_or(u16::MAX);
        writer.bytes("relay count", &count.to_be_bytes())?;
        self.iter().try_for_each(|contact| contact.write(writer))
    }
}
