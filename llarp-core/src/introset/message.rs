//! What clients ask a terminal's service `introset/1`, and what it answers: one request and one answer
//! a stream.
//!
//! ```text
//! ┌───────────┬────────┬──────┐
//! │ version 1 │ kind 1 │ rest │
//! └───────────┴────────┴──────┘
//! request   1 publish    location 32 ‖ record
//!           2 fetch      location 32
//! answer    1 stored     copies 1
//!           2 stale      record
//!           3 refused    reason 1 ‖ value 4
//!           4 found      count 1 ‖ (length 2 ‖ record) each
//! reason    1 effort: the least that will do    2 invalid    3 full    4 busy: seconds to wait
//! ```
//! Specification: `docs/spec/12-introsets.md` §7.

use super::bytes::{invalid, not_admitted, too_large};
use super::{Location, Record, Refused};
use crate::crypto::pow::Effort;
use crate::wire::limits::{
    FETCH_RECORDS_MAX, INTROSET_ANSWER_MAX, INTROSET_REQUEST_MAX, RECORD_MAX, VERSION,
};
use crate::wire::{Reader, WireError};

/// The name of the service.
pub const SERVICE: &str = "introset/1";

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Store this. Costs a verification, and a look-up of storers.
    Publish {
        /// Where, by the owner's snapshot: a terminal that has another one says so, and does not
        /// store where nobody looks.
        at: Location,
        /// What.
        record: Record,
    },
    /// What is stored here? Costs a look-up of storers.
    Fetch(Location),
}

/// What a terminal answers. A client believes nothing of it but what a record's signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To [`Request::Publish`]: storers have it.
    Stored {
        /// How many.
        copies: u8,
    },
    /// To [`Request::Publish`]: this one is newer. It is shown, so that nobody can make an owner
    /// count on for nothing.
    Stale(Record),
    /// To either.
    Refused(Reason),
    /// To [`Request::Fetch`]: the newest first, at most [`FETCH_RECORDS_MAX`]; none if there is none.
    Found(Vec<Record>),
}

/// Why a terminal does not do what it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The owner must work more.
    Effort {
        /// The least that will do.
        least: Effort,
    },
    /// The record does not pass: the client is faulty, or its clock or beacon is wrong.
    Invalid,
    /// Storers have no room.
    Full,
    /// Try later.
    Busy {
        /// How long to wait.
        seconds: u32,
    },
    /// One of a later version.
    Unknown {
        /// Its code.
        code: u8,
        /// Its value.
        value: u32,
    },
}

impl Request {
    /// The bytes that [`Request::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Publish { at, record } => [&[VERSION, 1][..], &at.0, record.as_bytes()].concat(),
            Self::Fetch(location) => [&[VERSION, 2][..], &location.0].concat(),
        }
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`WireError`] names the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        at_most(bytes, INTROSET_REQUEST_MAX, "introset request")?;
        let mut reader = Reader::new(bytes);
        reader.version()?;
        match reader.u8("kind")? {
            1 => {
                let at = Location(*reader.array("location")?);
                let record = Record::decode(reader.rest())?;
                Ok(Self::Publish { at, record })
            }
            2 => {
                let location = Location(*reader.array("location")?);
                reader.finish("introset request")?;
                Ok(Self::Fetch(location))
            }
            got => Err(not_admitted("kind", got)),
        }
    }
}

impl Answer {
    /// The bytes that [`Answer::decode`] reads. Of records only the first [`FETCH_RECORDS_MAX`] go
    /// out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Stored { copies } => vec![VERSION, 1, *copies],
            Self::Stale(record) => [&[VERSION, 2], record.as_bytes()].concat(),
            Self::Refused(reason) => {
                let (code, value) = reason.parts();
                [&[VERSION, 3, code][..], &value.to_be_bytes()].concat()
            }
            Self::Found(records) => {
                let count = records.len().min(FETCH_RECORDS_MAX);
                let mut bytes = vec![VERSION, 4, u8::try_from(count).unwrap_or(u8::MAX)];
                for record in records.iter().take(count) {
                    let record = record.as_bytes();
                    let len = u16::try_from(record.len()).unwrap_or(u16::MAX);
                    bytes.extend_from_slice(&len.to_be_bytes());
                    bytes.extend_from_slice(record);
                }
                bytes
            }
        }
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// [`WireError`] names the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        at_most(bytes, INTROSET_ANSWER_MAX, "introset answer")?;
        let mut reader = Reader::new(bytes);
        reader.version()?;
        let answer = match reader.u8("kind")? {
            1 => Self::Stored {
                copies: reader.u8("copies")?,
            },
            2 => return Record::decode(reader.rest()).map(Self::Stale),
            3 => Self::Refused(Reason::read(&mut reader)?),
            4 => Self::Found(read_records(&mut reader)?),
            got => return Err(not_admitted("kind", got)),
        };
        reader.finish("introset answer")?;
        Ok(answer)
    }
}

/// What a terminal says of a record that does not pass. Of all reasons only the effort is told: the
/// others would help nobody but a prober.
impl From<Refused> for Reason {
    fn from(refused: Refused) -> Self {
        let least = match refused {
            Refused::Effort { least, .. } => Effort::new(least),
            _ => None,
        };
        least.map_or(Self::Invalid, |least| Self::Effort { least })
    }
}

impl Reason {
    /// Code and value.
    const fn parts(self) -> (u8, u32) {
        match self {
            Self::Effort { least } => (1, least.get()),
            Self::Invalid => (2, 0),
            Self::Full => (3, 0),
            Self::Busy { seconds } => (4, seconds),
            Self::Unknown { code, value } => (code, value),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let (code, value) = (reader.u8("reason")?, reader.u32("value")?);
        match (code, value) {
            (1, least) => {
                let least = Effort::new(least).ok_or(invalid("value"))?;
                Ok(Self::Effort { least })
            }
            (2, 0) => Ok(Self::Invalid),
            (3, 0) => Ok(Self::Full),
            (2 | 3, _) => Err(invalid("value")),
            (4, seconds) => Ok(Self::Busy { seconds }),
            (code, value) => Ok(Self::Unknown { code, value }),
        }
    }
}

fn read_records(reader: &mut Reader<'_>) -> Result<Vec<Record>, WireError> {
    let count = usize::from(reader.u8("record count")?);
    if count > FETCH_RECORDS_MAX {
        return Err(too_large("record count", FETCH_RECORDS_MAX, count));
    }
    let max = u16::try_from(RECORD_MAX).unwrap_or(u16::MAX);
    (0..count)
        .map(|_| Record::decode(reader.bytes_u16("record", max)?))
        .collect()
}

fn at_most(bytes: &[u8], max: usize, whole: &'static str) -> Result<(), WireError> {
    if bytes.len() <= max {
        return Ok(());
    }
    Err(too_large(whole, max, bytes.len()))
}
