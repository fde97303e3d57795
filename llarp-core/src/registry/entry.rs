//! What a snapshot says of one relay.
//!
//! ```text
//! ┌───────┬─────────┬──────────┬──────────┬─────────┬───────────┐
//! │ id 32 │ flags 1 │ height 8 │ block 32 │ swarm 8 │ family 32 │
//! └───────┴─────────┴──────────┴──────────┴─────────┴───────────┘
//!           1 family                                  if flag 1
//! ```

use super::Family;
use super::bytes::write_u64;
use super::swarm::{Seat, SwarmId};
use crate::crypto::identity::RelayId;
use crate::wire::{Fault, Reader, WireError, Writer};

const HAS_FAMILY: u8 = 1;

/// What authorities register of a relay; its swarm follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registration {
    /// The relay.
    pub relay: RelayId,
    /// The height at which it was registered.
    pub height: u64,
    /// The hash of the block in which its stake first appeared: nobody's choice.
    pub block: [u8; 32],
    /// Whose it is, if its operator has several.
    pub family: Option<Family>,
}

/// A relay of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The relay.
    pub relay: RelayId,
    /// The height at which it was registered.
    pub height: u64,
    /// The hash of the block in which its stake first appeared.
    pub block: [u8; 32],
    /// Whose it is, if its operator has several.
    pub family: Option<Family>,
    /// The swarm that it belongs to.
    pub swarm: SwarmId,
}

impl Registration {
    pub(super) const fn with_swarm(self, swarm: SwarmId) -> Entry {
        let Self {
            relay,
            height,
            block,
            family,
        } = self;
        Entry {
            relay,
            height,
            block,
            family,
            swarm,
        }
    }

    /// The relay as the machine of swarms sees it. One that has registered anew since `before` is a
    /// newcomer: its block is another draw.
    pub(super) fn seat(&self, before: Option<&Entry>) -> Seat {
        let before = before.filter(|old| (old.height, old.block) == (self.height, self.block));
        Seat {
            relay: self.relay,
            height: self.height,
            block: self.block,
            previous: before.map(|old| old.swarm),
        }
    }
}

impl Entry {
    /// The entry without its swarm.
    #[must_use]
    pub const fn registration(&self) -> Registration {
        Registration {
            relay: self.relay,
            height: self.height,
            block: self.block,
            family: self.family,
        }
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        writer.bytes("relay id", &self.relay.0)?;
        let flags = self.family.map_or(0, |_| HAS_FAMILY);
        writer.u8("flags", flags)?;
        write_u64(writer, "height", self.height)?;
        writer.bytes("block", &self.block)?;
        write_u64(writer, "swarm", self.swarm.0)?;
        match self.family {
            Some(Family(family)) => writer.bytes("family", &family),
            None => Ok(()),
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let relay = RelayId(*reader.array("relay id")?);
        let flags = reader.u8("flags")?;
        if flags & !HAS_FAMILY != 0 {
            let got = flags.into();
            return Err(WireError::new("flags", Fault::NotAdmitted { got }));
        }
        let height = reader.u64("height")?;
        let block = *reader.array("block")?;
        let swarm = SwarmId(reader.u64("swarm")?);
        let family = match flags {
            HAS_FAMILY => Some(Family(*reader.array("family")?)),
            _ => None,
        };
        Ok(Self {
            relay,
            height,
            block,
            family,
            swarm,
        })
    }
}
