//! Which relays keep whose mailboxes: swarms, by a machine that everyone can run.
//!
//! Specification: `docs/spec/11-swarms.md`.

use crate::crypto::identity::RelayId;

/// A swarm: a place on the ring of 64-bit numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SwarmId(pub u64);

/// A relay before it is given a swarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// The relay.
    pub relay: RelayId,
    /// When it was registered.
    pub height: u64,
    /// The block in which its stake first appeared.
    pub block: [u8; 32],
    /// Its swarm in the snapshot before, if it had one.
    pub previous: Option<SwarmId>,
}
