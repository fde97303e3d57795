//! What a caller does: where to look, and what to believe of what is found.

use super::layers::Bound;
use super::{DeviceSlot, DeviceSlots, Introset, Location, Record, Refused};
use crate::crypto::blind::{Purpose, blind_address};
use crate::crypto::epoch::Epoch;
use crate::crypto::hash::NetworkId;
use crate::crypto::identity::{Address, BadSignature, PublicKey, X25519Secret};
use crate::wire::WireError;

/// Looking for what one device of an identity has published for one epoch. Whoever stores it is never
/// trusted: all is checked again.
#[derive(Clone, PartialEq, Eq)]
pub struct Lookup {
    pub(super) network: NetworkId,
    pub(super) address: Address,
    epoch: Epoch,
    slot: DeviceSlot,
    blinded: PublicKey,
}

/// An introset that was found, and that its identity has published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Of which day it is.
    pub epoch: Epoch,
    /// Which device's.
    pub slot: DeviceSlot,
    /// Its number.
    pub sequence: u64,
    /// When its record is over, in seconds since 1970.
    pub until: u64,
    /// What it says.
    pub introset: Introset,
}

/// Why a record that was found is of no use. Who must act is in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not of this identity, epoch and device, or not signed by them.
    #[error("introset: not by the identity looked for; whoever gave it is faulty, ask another")]
    NotTheirs,
    /// Its time has not come, or is over.
    #[error("introset: {0}")]
    Time(Refused),
    /// Its owner names clients, and we are none of them.
    #[error("introset: only for clients that its owner names; ask the owner to add your key")]
    NotAuthorized,
    /// Signed by the identity, but not what an introset is.
    #[error(
        "introset: its owner has published what cannot be read ({0}); update, or ask the owner"
    )]
    Contents(#[from] WireError),
    /// Nothing was there.
    #[error("introset: none found; the identity is not there, or ask others")]
    Nothing,
}

impl Lookup {
    /// Looks for what the device `slot` of `address` has published for `epoch`.
    #[must_use]
    pub fn new(network: NetworkId, address: Address, epoch: Epoch, slot: DeviceSlot) -> Self {
        let blinded = blind_address(&address, &network, Purpose::Introset(epoch));
        Self {
            network,
            address,
            epoch,
            slot,
            blinded,
        }
    }

    /// The same for another device.
    #[must_use]
    pub const fn with_slot(mut self, slot: DeviceSlot) -> Self {
        self.slot = slot;
        self
    }

    /// The epoch.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The device.
    #[must_use]
    pub const fn slot(&self) -> DeviceSlot {
        self.slot
    }

    /// The key by which storers know it.
    #[must_use]
    pub const fn blinded(&self) -> &PublicKey {
        &self.blinded
    }

    /// Where it lies under `beacon`.
    #[must_use]
    pub fn location(&self, beacon: &[u8; 32]) -> Location {
        Location::of(&self.network, self.blinded.as_bytes(), self.slot, beacon)
    }

    /// Whether the device has published `record`, whenever that was.
    ///
    /// # Errors
    /// [`BadSignature`] if it is another's, or not signed.
    pub fn authenticate(&self, record: &Record) -> Result<(), BadSignature> {
        let theirs = (self.epoch, self.slot, self.blinded.as_bytes());
        if (record.epoch(), record.slot(), record.blinded()) != theirs {
            return Err(BadSignature);
        }
        record.verify_certificate(&self.network, &self.blinded)?;
        record.verify_signature(&self.network)
    }

    /// Opens a record that was found, with the key `client` if its owner may have named us.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        &self,
        record: &Record,
        now: u64,
        client: Option<&X25519Secret>,
    ) -> Result<Opened, OpenError> {
        self.authenticate(record)
            .map_err(|_| OpenError::NotTheirs)?;
        record.check_time(now).map_err(OpenError::Time)?;
        let (head, sealed) = record.parts();
        let bound = Bound {
            network: &self.network,
            address: &self.address,
            head,
        };
        let introset = bound.open(sealed, client)?;
        self.check(&introset, now)?;
        Ok(Opened {
            epoch: self.epoch,
            slot: self.slot,
            sequence: record.sequence(),
            until: record.until(),
            introset,
        })
    }

    /// Opens the newest of several records that the identity has published for this time. A liar's
    /// are passed over, each for the price of two signatures; an older one that names us is not opened
    /// if the newest no longer does.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_newest(
        &self,
        records: &[Record],
        now: u64,
        client: Option<&X25519Secret>,
    ) -> Result<Opened, OpenError> {
        let mut newest: Vec<&Record> = records.iter().collect();
        newest.sort_by_key(|record| core::cmp::Reverse((record.sequence(), record.as_bytes())));
        let mut reason = OpenError::Nothing;
        for record in newest {
            match self.open(record, now, client) {
                Err(error @ (OpenError::NotTheirs | OpenError::Time(_))) => reason = error,
                decided => return decided,
            }
        }
        Err(reason)
    }

    /// What the contents must be for a caller to begin with them.
    fn check(&self, introset: &Introset, now: u64) -> Result<(), OpenError> {
        if !introset.slots.has(self.slot) {
            return Err(super::bytes::mismatch("slots").into());
        }
        let until = introset.keys.until;
        if until <= now {
            return Err(OpenError::Time(Refused::Over { until, now }));
        }
        Ok(())
    }
}

impl Opened {
    /// The slots of the identity's other devices, which a caller may try, too.
    #[must_use]
    pub fn others(&self) -> DeviceSlots {
        let own = DeviceSlots::default().with(self.slot);
        DeviceSlots(self.introset.slots.0 & !own.0)
    }
}

impl core::fmt::Debug for Lookup {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Lookup({}, {})", self.epoch, self.slot)
    }
}
