//! What a storer checks of a record: all but who made it and what it says.

use super::{Location, Record};
use crate::crypto::epoch::Epoch;
use crate::crypto::hash::NetworkId;
use crate::crypto::identity::PublicKey;
use crate::crypto::pow::Effort;
use crate::wire::limits::RECORD_AHEAD;

/// By what a storer judges records.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Its network.
    pub network: &'a NetworkId,
    /// Its clock, in seconds since 1970.
    pub now: u64,
    /// The beacons that it knows: its snapshot's, and the one before.
    pub beacons: &'a [[u8; 32]],
    /// The least work that it wants to see.
    pub least: Effort,
}

/// A record that its identity signed, for this time and place, and worked for. Only
/// [`Record::verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRecord(Record);

/// Why a storer does not take a record, in the order in which it looks. Who must act is in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Of no epoch near today's.
    #[error("the record is of epoch {got}, today is {today}: its owner's clock or ours is wrong")]
    Epoch {
        /// The record's.
        got: u32,
        /// Ours.
        today: u32,
    },
    /// Its time has not come.
    #[error(
        "the record is valid from {from}, it is {now} (Unix time): its owner's clock or ours is wrong"
    )]
    NotYet {
        /// When it begins.
        from: u64,
        /// Our clock.
        now: u64,
    },
    /// Its time is over.
    #[error(
        "the record was valid until {until}, it is {now} (Unix time): its owner must publish anew"
    )]
    Over {
        /// When it ended.
        until: u64,
        /// Our clock.
        now: u64,
    },
    /// It claims less work than is asked for.
    #[error("the record claims an effort of {got}, {least} is asked for: its owner must work more")]
    Effort {
        /// The least that will do.
        least: u32,
        /// What it claims.
        got: u32,
    },
    /// It has not done the work that it claims.
    #[error("the record's proof of work does not hold: whoever sent it is faulty")]
    Work,
    /// It belongs elsewhere.
    #[error(
        "the record does not belong to this place: whoever sent it has another beacon, or is faulty"
    )]
    Elsewhere,
    /// The blinded key is none, or has not certified the signing key for this epoch and slot.
    #[error("the record's signing key is not certified: whoever sent it is faulty")]
    Certificate,
    /// The signing key has not signed it.
    #[error("the record is not signed: whoever sent it is faulty")]
    Signature,
}

impl Refused {
    /// Whether it speaks against whoever sent the record. What depends on a clock, on a snapshot or
    /// on the work that a storer asks for happens among honest nodes.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        matches!(self, Self::Work | Self::Certificate | Self::Signature)
    }
}

impl Record {
    /// Checks what anybody can check, the cheapest first: a refusal before the proof of work costs
    /// nothing, one behind it two hashes, and only what was worked for costs the 0.2 ms of two keys and
    /// two signatures.
    ///
    /// # Errors
    /// [`Refused`] says what is wrong.
    pub fn verify(self, at: &Location, rules: &Rules<'_>) -> Result<VerifiedRecord, Refused> {
        self.check_epoch(rules.now)?;
        self.check_time(rules.now)?;
        let (least, got) = (rules.least.get(), self.proof().effort.get());
        if got < least {
            return Err(Refused::Effort { least, got });
        }
        let puzzle = self.puzzle(rules.network);
        puzzle.verify(self.proof()).map_err(|_| Refused::Work)?;
        let here = |beacon| self.location(rules.network, beacon) == *at;
        if !rules.beacons.iter().any(here) {
            return Err(Refused::Elsewhere);
        }
        let blinded = PublicKey::check(self.blinded()).map_err(|_| Refused::Certificate)?;
        self.verify_certificate(rules.network, &blinded)
            .map_err(|_| Refused::Certificate)?;
        self.verify_signature(rules.network)
            .map_err(|_| Refused::Signature)?;
        Ok(VerifiedRecord(self))
    }

    fn check_epoch(&self, now: u64) -> Result<(), Refused> {
        let (today, got) = (Epoch::at(now).0, self.epoch().0);
        if today.abs_diff(got) <= 1 {
            return Ok(());
        }
        Err(Refused::Epoch { got, today })
    }

    /// Whether it is valid at the time `now`.
    pub(super) const fn check_time(&self, now: u64) -> Result<(), Refused> {
        let (from, until) = (self.from(), self.until());
        if now.saturating_add(RECORD_AHEAD) < from {
            return Err(Refused::NotYet { from, now });
        }
        if until <= now {
            return Err(Refused::Over { until, now });
        }
        Ok(())
    }
}

impl VerifiedRecord {
    /// The record.
    #[must_use]
    pub const fn get(&self) -> &Record {
        &self.0
    }

    /// Gives the record back.
    #[must_use]
    pub fn into_inner(self) -> Record {
        self.0
    }

    /// One that this node verified before it wrote it to its own disk. Its time may be over.
    #[must_use]
    pub const fn remembered(record: Record) -> Self {
        Self(record)
    }
}
