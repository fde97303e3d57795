//! What a snapshot says of the network as a whole.
//!
//! ```text
//! ┌───────────┬──────────┬────────────────┬─────────┬──────────────┬───────────────┬───────────┐
//! │ version 1 │ number 8 │ predecessor 32 │ epoch 8 │ valid from 8 │ valid until 8 │ beacon 32 │…
//! └───────────┴──────────┴────────────────┴─────────┴──────────────┴───────────────┴───────────┘
//!  ┌──────────────────┬───────────┬───────────────────┬──────────────┐
//! …│ beacon before 32 │ charter 4 │ minimum version 1 │ parameters … │
//!  └──────────────────┴───────────┴───────────────────┴──────────────┘
//! ```

use core::cmp::Ordering;

use super::bytes::{mismatch, write_u64};
use super::{Epoch, Parameters, SnapshotHash};
use crate::wire::limits::{CHARTERS_MAX, SNAPSHOT_VALIDITY_MAX, VERSION};
use crate::wire::{Fault, Reader, WireError, Writer};

/// Why terms are none that a snapshot can have. For the authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// It ends before it begins, or is valid for too long.
    #[error(
        "a snapshot is valid for 1 to {SNAPSHOT_VALIDITY_MAX} s; from {from} until {until} given"
    )]
    Validity {
        /// Its begin.
        from: u64,
        /// Its end.
        until: u64,
    },
    /// It begins neither in its epoch nor on the day before.
    #[error("a snapshot begins in its epoch or on the day before; epoch {epoch}, day {day} given")]
    Epoch {
        /// Its epoch.
        epoch: u64,
        /// The day in which it begins.
        day: u64,
    },
    /// The number of no charter.
    #[error("charter {got} cannot be: a network has at most {CHARTERS_MAX}")]
    Charter {
        /// The number given.
        got: u32,
    },
}

/// Everything in a snapshot but its place in the chain and its relays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The day for which it is made, and whose beacon it carries.
    pub epoch: Epoch,
    /// From when on it is valid, in seconds since 1970: the time of its making, which no right
    /// clock is behind.
    pub valid_from: u64,
    /// The last second in which it is valid.
    pub valid_until: u64,
    /// Randomness of the epoch, which nobody knew before.
    pub beacon: [u8; 32],
    /// The beacon of the last earlier epoch: what places of *this* epoch are computed from. Of a
    /// network's first epoch, randomness of its own.
    pub beacon_before: [u8; 32],
    /// The charter whose authorities sign it.
    pub charter: u32,
    /// The lowest version of the wire that the network still speaks.
    pub minimum_version: u8,
    /// The network's parameters.
    pub parameters: Parameters,
}

impl Terms {
    /// The beacon of the last epoch before `epoch`, as far as these terms know: it is public when
    /// `epoch` begins. Later epochs than the next have the newest beacon there is, until there is a
    /// newer one; of earlier epochs nothing is known.
    #[must_use]
    pub fn beacon_for(&self, epoch: Epoch) -> Option<[u8; 32]> {
        match epoch.cmp(&self.epoch) {
            Ordering::Less => None,
            Ordering::Equal => Some(self.beacon_before),
            Ordering::Greater => Some(self.beacon),
        }
    }

    pub(super) fn check(&self) -> Result<(), TermsError> {
        let (from, until) = (self.valid_from, self.valid_until);
        if until <= from || until - from > SNAPSHOT_VALIDITY_MAX {
            return Err(TermsError::Validity { from, until });
        }
        let day = Epoch::at(from);
        if self.epoch != day && self.epoch != day.next() {
            let (epoch, day) = (self.epoch.0, day.0);
            return Err(TermsError::Epoch { epoch, day });
        }
        if self.charter as usize >= CHARTERS_MAX {
            let got = self.charter;
            return Err(TermsError::Charter { got });
        }
        Ok(())
    }
}

/// A snapshot without its relays: its place in the chain, and its terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heading {
    pub(super) number: u64,
    pub(super) predecessor: SnapshotHash,
    pub(super) terms: Terms,
}

impl Heading {
    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        let terms = &self.terms;
        writer.u8("version", VERSION)?;
        write_u64(writer, "number", self.number)?;
        writer.bytes("predecessor", &self.predecessor.0)?;
        write_u64(writer, "epoch", terms.epoch.0)?;
        write_u64(writer, "valid from", terms.valid_from)?;
        write_u64(writer, "valid until", terms.valid_until)?;
        writer.bytes("beacon", &terms.beacon)?;
        writer.bytes("beacon before", &terms.beacon_before)?;
        writer.u32("charter", terms.charter)?;
        writer.u8("minimum version", terms.minimum_version)?;
        terms.parameters.write(writer)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        reader.version()?;
        let number = reader.u64("number")?;
        let predecessor = SnapshotHash(*reader.array("predecessor")?);
        if (number == 0) != (predecessor.0 == [0; 32]) {
            return Err(mismatch("predecessor"));
        }
        let terms = Terms {
            epoch: Epoch(reader.u64("epoch")?),
            valid_from: reader.u64("valid from")?,
            valid_until: reader.u64("valid until")?,
            beacon: *reader.array("beacon")?,
            beacon_before: *reader.array("beacon before")?,
            charter: reader.u32("charter")?,
            minimum_version: reader.u8("minimum version")?,
            parameters: Parameters::read(reader)?,
        };
        terms.check().map_err(|error| match error {
            TermsError::Validity { .. } => mismatch("valid until"),
            TermsError::Epoch { .. } => mismatch("epoch"),
            TermsError::Charter { got } => {
                let (max, got) = (CHARTERS_MAX as u64 - 1, got.into());
                WireError::new("charter", Fault::TooLarge { max, got })
            }
        })?;
        Ok(Self {
            number,
            predecessor,
            terms,
        })
    }
}
