//! Which relays keep whose mailboxes: swarms, by a machine that everyone can run.
//!
//! In: the seats of a snapshot, each with its swarm in the predecessor, and the snapshot's beacon.
//! Out: a swarm for each seat ([`assign`]), and from these the answer to who keeps a mailbox
//! ([`Swarms`]). *Not* here: snapshots and who signs them, and what a swarm does with a mailbox.
//! Specification: `docs/spec/11-swarms.md`.
//!
//! ```text
//!  key ──hash──▶ ●                        a mailbox belongs to the swarm whose id is nearest
//!  ──┬───────────┴──┬──────────────┬──────────────┬──▶ 64-bit ring
//!   id 0           id 1           id 2           id 3
//!  9 relays       8 relays       9 relays       10 relays
//! ```

mod assign;
mod draw;
mod groups;
mod lookup;
mod params;

pub use assign::assign;
pub use lookup::{Swarms, mailbox_position};
pub use params::{SwarmParams, SwarmParamsError};

use crate::crypto::identity::RelayId;

/// A swarm: a place on the ring of 64-bit numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SwarmId(pub u64);

/// A relay of a snapshot, as the machine sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// The relay, whose key its operator chose.
    pub relay: RelayId,
    /// The height at which it was registered.
    pub height: u64,
    /// Hash of the block in which its stake first appeared, which nobody knew when the key was chosen.
    pub block: [u8; 32],
    /// Its swarm in the predecessor; none for a newcomer, and for one that was away for a snapshot.
    pub previous: Option<SwarmId>,
}
