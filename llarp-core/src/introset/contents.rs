//! What an introset says to those who may read it.
//!
//! ```text
//! ┌─────────┬─────────────┬───────────┬─────────────┬──────────┬─────────┬─────────┬─────────────┬───────────┐
//! │ slots 2 │ keys' end 8 │ X25519 32 │ ML-KEM 1184 │ effort 4 │ seed 32 │ count 1 │ introducers │ extension │
//! └─────────┴─────────────┴───────────┴─────────────┴──────────┴─────────┴─────────┴─────────────┴───────────┘
//!   effort and seed are zeros if an introduction needs no work       each: relay id 32, cookie 32, end 8
//!   the extension stands behind its length; padding behind it
//! ```
//! Its version is the record's. Specification: `docs/spec/12-introsets.md` §4.

use core::fmt;

use super::DeviceSlots;
use super::bytes::{invalid, mismatch, too_large, written};
use crate::crypto::hash::{NetworkId, hash, label};
use crate::crypto::identity::RelayId;
use crate::crypto::kem::KemPublic;
use crate::crypto::pow::Effort;
use crate::crypto::secret::secret_type;
use crate::wire::limits::{INTRODUCERS_MAX, INTROSET_CONTENTS_MAX, INTROSET_EXTENSION_MAX};
use crate::wire::{Reader, WireError, Writer};

secret_type! {
    /// What the owner shows to an introducer, so that it binds a cookie to the path that shows it.
    CookieSecret(32);
}

/// What a caller shows to an introducer to be led to the owner's path.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cookie(pub [u8; 32]);

impl Cookie {
    /// The cookie that `secret` makes at `relay`: whoever reads it cannot take the owner's place
    /// there, since only the secret binds it.
    #[must_use]
    pub fn of(network: &NetworkId, relay: &RelayId, secret: &CookieSecret) -> Self {
        let parts: [&[u8]; 2] = [&relay.0, secret.expose()];
        Self(hash(label::INTROSET_COOKIE, network, &parts))
    }
}

/// A relay at which the identity can be met.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Introducer {
    /// The terminal of one of the owner's paths.
    pub relay: RelayId,
    /// What to show it.
    pub cookie: Cookie,
    /// Until when, in seconds since 1970.
    pub until: u64,
}

/// The keys with which sessions to this device begin.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKeys {
    /// A Diffie-Hellman key.
    pub x25519: [u8; 32],
    /// An encapsulation key.
    pub kem: KemPublic,
    /// When they are erased, in seconds since 1970.
    pub until: u64,
}

/// Work that each introduction must show.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IntroductionWork {
    /// Part of each caller's puzzle; the owner changes it.
    pub seed: [u8; 32],
    /// How much work.
    pub effort: Effort,
}

/// What a device of an identity publishes. `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Introset {
    /// The slots of all devices of the identity, this one's included: a caller tries them.
    pub slots: DeviceSlots,
    /// Keys for sessions.
    pub keys: SessionKeys,
    /// The work that an introduction needs, if any.
    pub work: Option<IntroductionWork>,
    /// Where the device can be met: 1 to [`INTRODUCERS_MAX`].
    pub introducers: Vec<Introducer>,
    /// For later versions; readers ignore what they do not know.
    pub extension: Vec<u8>,
}

impl Introset {
    /// The introducers that are not over at the time `now`.
    pub fn introducers_at(&self, now: u64) -> impl Iterator<Item = &Introducer> {
        let open = move |introducer: &&Introducer| now < introducer.until;
        self.introducers.iter().filter(open)
    }

    /// The bytes that [`Introset::decode`] reads, without padding.
    ///
    /// # Errors
    /// [`WireError`] names the field that has too much or nothing in it: `introducer count`,
    /// `extension`.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        written(INTROSET_CONTENTS_MAX, |writer| self.write(writer))
    }

    /// Reads an introset. What stands behind it is padding.
    ///
    /// # Errors
    /// [`WireError`] names the field: `slots`, `keys' end`, `X25519 key`, `KEM key`, `effort`, `seed`
    /// (zeros just if the effort is), `introducer count` (none, or too many), `relay id`, `cookie`,
    /// `introducer's end`, `extension`.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let slots = DeviceSlots(reader.u16("slots")?);
        let keys = SessionKeys::read(&mut reader)?;
        let work = IntroductionWork::read(&mut reader)?;
        let introducers = read_introducers(&mut reader)?;
        let extension = reader.bytes_u16("extension", INTROSET_EXTENSION_MAX)?;
        Ok(Self {
            slots,
            keys,
            work,
            introducers,
            extension: extension.to_vec(),
        })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        writer.bytes("slots", &self.slots.0.to_be_bytes())?;
        writer.bytes("keys' end", &self.keys.until.to_be_bytes())?;
        writer.bytes("X25519 key", &self.keys.x25519)?;
        writer.bytes("KEM key", self.keys.kem.as_bytes())?;
        let (effort, seed) = self
            .work
            .map_or((0, [0; 32]), |work| (work.effort.get(), work.seed));
        writer.u32("effort", effort)?;
        writer.bytes("seed", &seed)?;
        let count = introducer_count(self.introducers.len())?;
        writer.u8("introducer count", count)?;
        for introducer in &self.introducers {
            writer.bytes("relay id", &introducer.relay.0)?;
            writer.bytes("cookie", &introducer.cookie.0)?;
            writer.bytes("introducer's end", &introducer.until.to_be_bytes())?;
        }
        writer.bytes_u16("extension", &self.extension, INTROSET_EXTENSION_MAX)
    }
}

impl SessionKeys {
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let until = reader.u64("keys' end")?;
        let x25519 = *reader.array("X25519 key")?;
        let kem = KemPublic::check(reader.array("KEM key")?).map_err(|_| invalid("KEM key"))?;
        Ok(Self { x25519, kem, until })
    }
}

impl IntroductionWork {
    fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, WireError> {
        let effort = Effort::new(reader.u32("effort")?);
        let seed = *reader.array("seed")?;
        match effort {
            None if seed != [0; 32] => Err(mismatch("seed")),
            effort => Ok(effort.map(|effort| Self { seed, effort })),
        }
    }
}

fn read_introducers(reader: &mut Reader<'_>) -> Result<Vec<Introducer>, WireError> {
    let count = introducer_count(reader.u8("introducer count")?.into())?;
    (0..count)
        .map(|_| {
            Ok(Introducer {
                relay: RelayId(*reader.array("relay id")?),
                cookie: Cookie(*reader.array("cookie")?),
                until: reader.u64("introducer's end")?,
            })
        })
        .collect()
}

fn introducer_count(count: usize) -> Result<u8, WireError> {
    const FIELD: &str = "introducer count";
    match u8::try_from(count) {
        Ok(0) => Err(invalid(FIELD)),
        Ok(small) if count <= INTRODUCERS_MAX => Ok(small),
        _ => Err(too_large(FIELD, INTRODUCERS_MAX, count)),
    }
}

impl fmt::Debug for Introset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Introset(redacted)")
    }
}

impl fmt::Debug for Introducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Introducer(redacted)")
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(redacted)")
    }
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKeys(until {})", self.until)
    }
}

impl fmt::Debug for IntroductionWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IntroductionWork({})", self.effort.get())
    }
}
