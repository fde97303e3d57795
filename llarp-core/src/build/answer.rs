//! A hop's answer: key confirmation, a status, and what it received from behind.
//!
//! ```text
//! answer  0            32                         160
//!        ┌────────────┬──────────────────────────┐
//!        │ ephemeral  │ sealed body 112 + 16     │   Noise message 2
//!        └────────────┴──────────────────────────┘
//! body    0        1        5                    69          71              112
//!        ┌────────┬────────┬────────────────────┬───────────┬───────────────┐
//!        │ status │ minute │ digests 4 × 16     │ ext. len  │ ext., zeros   │
//!        └────────┴────────┴────────────────────┴───────────┴───────────────┘
//! ```
//!
//! The *n*-th digest covers the first *n* answers behind the hop's own, as the hop received them:
//! hops nearer to the client drop some of the last, and the client knows how many are left. So
//! whoever changes an answer on its way is charged itself, not a hop behind it.

use super::message::Slots;
use super::slot::Minute;
use crate::crypto::hash::{NetworkId, hash, label};
use crate::crypto::noise::OVERHEAD;
use crate::wire::limits::{REPLY_SLOT_LEN, SLOTS};
use crate::wire::{Reader, WireError, Writer};

/// Bytes of an answer's body.
pub(super) const ANSWER_LEN: usize = REPLY_SLOT_LEN - OVERHEAD;
const EXTENSION_MAX: u16 = 41;

/// What a hop says to a request that it opened. One byte; unknown codes survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The hop is part of the path.
    Accepted,
    /// The hop sheds load; try it later.
    Overloaded,
    /// The link to the hop behind is dead or refused, or that hop's reply was not in form. Not for
    /// a reply that is merely late: a hop stays silent then, since hops nearer to the client would
    /// otherwise time out first and shame their honest neighbours.
    NextUnreachable,
    /// The hop behind is none that this relay forwards to.
    NextRefused,
    /// The request's time lies too far from this relay's.
    ClockSkew,
    /// A code of another version; the hop is not part of the path.
    Unknown(u8),
}

impl Status {
    /// The byte on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Accepted => 0,
            Self::Overloaded => 1,
            Self::NextUnreachable => 2,
            Self::NextRefused => 3,
            Self::ClockSkew => 4,
            Self::Unknown(code) => code,
        }
    }
}

impl From<u8> for Status {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Accepted,
            1 => Self::Overloaded,
            2 => Self::NextUnreachable,
            3 => Self::NextRefused,
            4 => Self::ClockSkew,
            code => Self::Unknown(code),
        }
    }
}

/// What a hop can say instead of accepting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decline {
    /// [`Status::Overloaded`].
    Overloaded,
    /// [`Status::NextUnreachable`].
    NextUnreachable,
    /// [`Status::NextRefused`].
    NextRefused,
}

impl From<Decline> for Status {
    fn from(decline: Decline) -> Self {
        match decline {
            Decline::Overloaded => Self::Overloaded,
            Decline::NextUnreachable => Self::NextUnreachable,
            Decline::NextRefused => Self::NextRefused,
        }
    }
}

/// The digests of the first one, two, three and four answers behind a hop's own.
pub(super) type Digests = [[u8; 16]; SLOTS - 1];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: Status,
    /// The relay's clock.
    pub(super) minute: Minute,
    pub(super) digests: Digests,
}

impl Answer {
    pub(super) fn encode(&self) -> Result<[u8; ANSWER_LEN], WireError> {
        let mut bytes = [0; ANSWER_LEN];
        let mut writer = Writer::new(&mut bytes);
        writer.u8("status", self.status.code())?;
        writer.u32("minute", self.minute.0)?;
        writer.bytes("digests", self.digests.as_flattened())?;
        writer.bytes_u16("extension", &[], EXTENSION_MAX)?;
        Ok(bytes)
    }

    pub(super) fn decode(bytes: &[u8; ANSWER_LEN]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let status = Status::from(reader.u8("status")?);
        let minute = Minute(reader.u32("minute")?);
        let mut digests = [[0; 16]; SLOTS - 1];
        for digest in &mut digests {
            *digest = *reader.array("digests")?;
        }
        reader.bytes_u16("extension", EXTENSION_MAX)?;
        Ok(Self {
            status,
            minute,
            digests,
        })
    }
}

/// The digests over the answers `behind` a hop's own, as it received them.
pub(super) fn digests(network: &NetworkId, behind: &Slots<REPLY_SLOT_LEN>) -> Digests {
    let mut digests = [[0; 16]; SLOTS - 1];
    for (digest, count) in digests.iter_mut().zip(1..) {
        *digest = digest_of(network, behind, count);
    }
    digests
}

/// The digest over the first `count` of `behind`.
pub(super) fn digest_of(
    network: &NetworkId,
    behind: &Slots<REPLY_SLOT_LEN>,
    count: usize,
) -> [u8; 16] {
    let mut parts: [&[u8]; SLOTS] = [&[]; SLOTS];
    for (part, slot) in parts.iter_mut().zip(behind.iter().take(count)) {
        *part = slot;
    }
    let [digest @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
        hash(label::BUILD_REPLY_SLOTS, network, &parts);
    digest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn answer_round_trips(code: u8, minute: u32, digests in any::<Digests>()) {
            let answer = Answer { status: Status::from(code), minute: Minute(minute), digests };
            prop_assert_eq!(Answer::decode(&answer.encode().unwrap()), Ok(answer));
        }

        #[test]
        fn arbitrary_answers_never_panic(bytes in any::<[u8; ANSWER_LEN]>()) {
            let _ = Answer::decode(&bytes);
        }
    }

    #[test]
    fn every_status_survives_and_every_digest_covers_one_answer_more() {
        for code in 0..=u8::MAX {
            assert_eq!(Status::from(code).code(), code);
        }
        let net = NetworkId::from_name("test");
        let mut slots = [[7; REPLY_SLOT_LEN]; SLOTS];
        let before = digests(&net, &slots);
        slots[2][159] ^= 1;
        let after = digests(&net, &slots);
        assert_eq!(before[..2], after[..2]);
        assert!(before.iter().zip(&after).skip(2).all(|(a, b)| a != b));
    }
}
