//! What an owner does: for each epoch and device a key, and with it records.
//!
//! The identity's key is needed once an epoch, to certify a signing key; the blinded secret is erased
//! at once. Sequence numbers grow with the clock from a secret beginning that every device of the
//! identity computes alike, so that a device which has forgotten its last number still goes on, and
//! storers of two epochs cannot tell by them what was published at one time.

use core::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::bytes::HOUR;
use super::clients::{BadClients, Readers};
use super::layers::Bound;
use super::record::{Head, SALT_LEN, certified, last_hour, puzzle};
use super::{DeviceSlot, Introset, Location, Lookup, Record};
use crate::crypto::blind::{BlindedSecret, Purpose};
use crate::crypto::epoch::{EPOCH_SECS, Epoch};
use crate::crypto::hash::{NetworkId, label, tag};
use crate::crypto::identity::{BadSignature, SecretKey};
use crate::crypto::pow::{Proof, Puzzle};
use crate::wire::WireError;
use crate::wire::limits::{
    CLIENT_GROUP, CLIENT_GROUPS_MAX, RECORD_LIFE_HOURS, SESSION_KEYS_SECONDS,
};

/// Numbers that a second has, so that records of one second come one behind the other.
const NUMBERS_A_SECOND: u64 = 256;

/// A device's key for one epoch. Erased when dropped; its records stay valid.
pub struct Publisher {
    lookup: Lookup,
    signing: SecretKey,
    certificate: [u8; 64],
    /// Where the epoch's numbers begin.
    base: u64,
    /// The last number given.
    last: u64,
}

/// A record to be: its number is fixed, and its puzzle waits to be solved, wherever that is done.
#[derive(Debug, Clone)]
pub struct Draft {
    sequence: u64,
    puzzle: Puzzle,
}

/// Why a record cannot be made. All are for its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The draft was made for another day.
    #[error("introset: epoch {epoch} is not today's nor next to it, today is {today}")]
    Epoch {
        /// The publisher's.
        epoch: u32,
        /// The clock's.
        today: u32,
    },
    /// The session keys end too soon or too late.
    #[error(
        "introset: session keys end at {until}, it is {now}: at least the next whole hour, at most 24 hours from now"
    )]
    Keys {
        /// Their end.
        until: u64,
        /// The clock.
        now: u64,
    },
    /// The introset does not list the slot that it is published in.
    #[error("introset: the slots in use lack the publisher's own")]
    Slots,
    /// The proof is another puzzle's.
    #[error("introset: the proof of work does not solve the draft's puzzle")]
    Work,
    /// More clients than an introset can name.
    #[error("introset: at most {} clients can be named", CLIENT_GROUP * CLIENT_GROUPS_MAX as usize)]
    TooManyClients,
    /// A client's key that anybody could use.
    #[error("introset: client {index} has no key but a point of small order")]
    Client {
        /// Which of them.
        index: usize,
    },
    /// What it says does not fit.
    #[error("introset: {0}")]
    Contents(#[from] WireError),
}

impl Publisher {
    /// Draws a key with which the device `slot` of `identity` publishes for `epoch`.
    #[must_use]
    pub fn new(
        identity: &SecretKey,
        network: NetworkId,
        epoch: Epoch,
        slot: DeviceSlot,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let signing = SecretKey::generate(rng);
        let blinded = BlindedSecret::new(identity, &network, Purpose::Introset(epoch));
        let text = certified(epoch, slot, signing.public().as_bytes());
        let certificate = blinded.sign(label::INTROSET_CERTIFICATE, &network, &[&text]);
        let base = first_sequence(identity, &network, epoch, slot);
        Self {
            lookup: Lookup::new(network, identity.address(), epoch, slot),
            signing,
            certificate,
            base,
            last: base,
        }
    }

    /// How callers find what it publishes; so does the owner itself, to see that it is there.
    #[must_use]
    pub const fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// Where its records lie under `beacon`.
    #[must_use]
    pub fn location(&self, beacon: &[u8; 32]) -> Location {
        self.lookup.location(beacon)
    }

    /// The next record's number and puzzle, at the time `now`.
    #[must_use]
    pub fn draft(&mut self, now: u64) -> Draft {
        let origin = self.lookup.epoch().start().saturating_sub(2 * EPOCH_SECS);
        let elapsed = now.saturating_sub(origin).min(4 * EPOCH_SECS);
        let by_clock = self.base.saturating_add(elapsed * NUMBERS_A_SECOND);
        self.last = by_clock.max(self.last.saturating_add(1));
        let sequence = self.last;
        let lookup = &self.lookup;
        let blinded = lookup.blinded().as_bytes();
        Draft {
            sequence,
            puzzle: puzzle(
                &self.lookup.network,
                blinded,
                lookup.slot(),
                lookup.epoch(),
                sequence,
            ),
        }
    }

    /// Learns from a record of this device that others hold and that is newer than its own: the
    /// next draft goes beyond it.
    ///
    /// # Errors
    /// [`BadSignature`] if the identity has not published it: whoever showed it is faulty.
    pub fn observe(&mut self, record: &Record) -> Result<(), BadSignature> {
        self.lookup.authenticate(record)?;
        self.last = self.last.max(record.sequence());
        Ok(())
    }

    /// Seals and signs `contents` for `readers`. May be done again with the same draft, and a better
    /// proof: the record is then another one.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(
        &self,
        draft: &Draft,
        proof: Proof,
        contents: &Introset,
        readers: Readers<'_>,
        now: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<Record, SealError> {
        let hours = self.hours(contents, now)?;
        if !contents.slots.has(self.lookup.slot()) {
            return Err(SealError::Slots);
        }
        draft.puzzle.verify(&proof).map_err(|_| SealError::Work)?;
        let plain = Zeroizing::new(contents.encode()?);
        let head = self.head(draft, proof, hours, rng);
        let bytes = head.encode();
        let bound = Bound {
            network: &self.lookup.network,
            address: &self.lookup.address,
            head: &bytes,
        };
        let sealed = bound.seal(&plain, readers, rng)?;
        Ok(Record::assemble(head, &sealed, |text| {
            (self.signing).sign(label::INTROSET_RECORD, &self.lookup.network, &[text])
        }))
    }

    fn head(
        &self,
        draft: &Draft,
        proof: Proof,
        [from, until]: [u32; 2],
        rng: &mut impl CryptoRng,
    ) -> Head {
        let mut salt = [0; SALT_LEN];
        rng.fill_bytes(&mut salt);
        Head {
            epoch: self.lookup.epoch(),
            from,
            slot: self.lookup.slot(),
            sequence: draft.sequence,
            until,
            blinded: *self.lookup.blinded().as_bytes(),
            signing: *self.signing.public().as_bytes(),
            certificate: self.certificate,
            proof,
            salt,
        }
    }

    /// From which hour until which a record with these keys is valid: no longer than its keys, its
    /// epoch and the overlap behind it.
    fn hours(&self, contents: &Introset, now: u64) -> Result<[u32; 2], SealError> {
        let (epoch, today) = (self.lookup.epoch().0, Epoch::at(now).0);
        if epoch.abs_diff(today) > 1 {
            return Err(SealError::Epoch { epoch, today });
        }
        let keys = contents.keys.until;
        let bad_keys = SealError::Keys { until: keys, now };
        if keys > now.saturating_add(SESSION_KEYS_SECONDS) {
            return Err(bad_keys);
        }
        let last = last_hour(self.lookup.epoch());
        let from = now / HOUR;
        let life = from + u64::from(RECORD_LIFE_HOURS);
        let until = (keys / HOUR).min(life).min(last);
        if last <= from {
            return Err(SealError::Epoch { epoch, today });
        }
        if until <= from {
            return Err(bad_keys);
        }
        // Four bytes hold the hours of the next 490,000 years.
        Ok([from, until].map(|hour| u32::try_from(hour).unwrap_or(u32::MAX)))
    }
}

impl Draft {
    /// The number of the record.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What must be solved for it. Begin the search anywhere by chance: storers of two epochs could
    /// tell by nonces that begin at zero how fast an owner's machine is.
    #[must_use]
    pub const fn puzzle(&self) -> &Puzzle {
        &self.puzzle
    }
}

impl From<BadClients> for SealError {
    fn from(bad: BadClients) -> Self {
        match bad {
            BadClients::TooMany => Self::TooManyClients,
            BadClients::Key { index } => Self::Client { index },
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Publisher({}, redacted)", self.lookup.epoch())
    }
}

/// Where an epoch's numbers of one device begin: anywhere below 2⁶², which leaves room for all that
/// come behind.
fn first_sequence(
    identity: &SecretKey,
    network: &NetworkId,
    epoch: Epoch,
    slot: DeviceSlot,
) -> u64 {
    let secret = identity.derive(label::INTROSET_SEQUENCE, network);
    let parts: [&[u8]; 2] = [&epoch.0.to_be_bytes(), &[slot.number()]];
    let [a, b, c, d, e, f, g, h, ..] = tag(&secret, label::INTROSET_SEQUENCE, network, &parts);
    u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 2
}
