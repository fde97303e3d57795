//! Which relays keep whose mailboxes: swarms, by a machine that everyone can run.
//!
//! Specification: `docs/spec/11-swarms.md`.

/// A swarm: a place on the ring of 64-bit numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SwarmId(pub u64);
