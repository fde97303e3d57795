//! What is not taken of the registry, and what that tells: of authorities that sign two things at once,
//! of a wrong clock, of a program that is too old.
//!
//! In: snapshots that the ledger refused. Out: a warning, once; the last refusal, for whoever asks
//! why nothing is known; two snapshots that contradict each other, as evidence. *Not* here: what
//! follows from it, which people must decide.
//!
//! ```text
//! kept   ┌───────────┬────────────────────┬───────────────────────────────┬───────────────┐
//!        │ version 1 │ length of ours 4   │ ours, a signed snapshot       │ the other one │
//!        └───────────┴────────────────────┴───────────────────────────────┴───────────────┘
//! ```

use core::fmt;
use std::sync::Arc;

use tracing::warn;

use super::NetworkView;
use crate::registry::directory::SnapshotHead;
use crate::registry::{Changed, Refused, SignedSnapshot, SnapshotHash, VerifiedSnapshot};
use crate::wire::limits::VERSION;
use crate::wire::{Reader, WireError};

/// Two snapshots that authorities of one network have signed and that cannot both be true: of one
/// number, or one that does not follow the other. Whoever has both can show them to anybody.
#[derive(Clone, PartialEq, Eq)]
pub struct Fork {
    own: SignedSnapshot,
    other: SignedSnapshot,
}

impl Fork {
    /// The one that this node uses, or used when it met the other.
    #[must_use]
    pub const fn own(&self) -> &SignedSnapshot {
        &self.own
    }

    /// The one that others use.
    #[must_use]
    pub const fn other(&self) -> &SignedSnapshot {
        &self.other
    }

    /// The number of the other one.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.other.claimed().number()
    }

    /// What the ledger refused, if that contradicts the newest one that it has.
    fn of(refused: &Refused, own: Option<&VerifiedSnapshot>, other: &[u8]) -> Option<Self> {
        if !matches!(refused, Refused::Fork { .. } | Refused::Predecessor { .. }) {
            return None;
        }
        Some(Self {
            own: own?.signed().clone(),
            other: SignedSnapshot::decode(other).ok()?,
        })
    }

    /// The bytes that [`Fork::decode`] reads, for the disk.
    pub(super) fn encode(&self) -> Vec<u8> {
        let own = self.own.encode();
        // A snapshot is far below 4 GiB.
        let len = u32::try_from(own.len()).unwrap_or(u32::MAX);
        [
            &[VERSION],
            &len.to_be_bytes()[..],
            &own,
            &self.other.encode(),
        ]
        .concat()
    }

    /// Reads what was kept. Nothing is verified: it is evidence for others, who do that themselves.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version()?;
        let len = reader.u32("snapshot length")?;
        let own = reader.bytes("snapshot", usize::try_from(len).unwrap_or(usize::MAX))?;
        Ok(Self {
            own: SignedSnapshot::decode(own)?,
            other: SignedSnapshot::decode(reader.rest())?,
        })
    }
}

impl NetworkView {
    /// Two contradicting snapshots that authorities have signed, the newest such pair that this node
    /// has met. It outlives restarts.
    #[must_use]
    pub fn fork(&self) -> Option<Arc<Fork>> {
        self.state().fork.clone()
    }

    /// Why the last snapshot that somebody offered was not taken; nothing once one was. What
    /// authorities have signed says more than what anybody can make up, which counts only for whoever
    /// has no snapshot at all.
    #[must_use]
    pub fn refused(&self) -> Option<Refused> {
        let state = self.state();
        let empty = state.ledger.current().is_none();
        let refused = state.refused.as_ref();
        refused.filter(|it| empty || weight(it) > 1).copied()
    }

    /// Whether there is evidence of a fork at this number already.
    pub(super) fn knows_fork(&self, number: u64) -> bool {
        let state = self.state();
        let fork = state.fork.as_ref();
        fork.is_some_and(|fork| fork.number() >= number)
    }

    /// Whether a head is that of a snapshot which was refused as a fork: it need not be fetched again.
    pub(super) fn is_forked(&self, head: &SnapshotHead) -> bool {
        let fork = self.fork();
        fork.is_some_and(|fork| fork.other().hash(&self.network()) == SnapshotHash(head.hash))
    }

    /// Notes what became of an offer; `whole` are the snapshot's bytes, if it was one.
    pub(super) fn note(&self, offered: &Result<Changed, Refused>, whole: &[u8]) {
        let Err(refused) = offered else {
            self.state().refused = None;
            return;
        };
        let mut alarm = None;
        let mut fork = None;
        {
            let state = &mut *self.state();
            if weight(refused) >= state.refused.as_ref().map_or(1, weight) {
                state.refused = Some(*refused);
            }
            if let Some(text) = alarm_of(refused) {
                alarm = state.alarms.insert(text).then_some(text);
                fork = Fork::of(refused, state.ledger.current(), whole);
                let known = state.fork.as_ref().map(|fork| fork.number());
                fork = fork.filter(|fork| Some(fork.number()) > known);
            }
        }
        if let Some(fork) = fork {
            self.keep_fork(fork);
        }
        if let Some(alarm) = alarm {
            warn!("{alarm}");
        }
    }
}

/// How much a refusal tells of the network: nothing; something that anybody can make up; something
/// that authorities have signed.
const fn weight(refused: &Refused) -> u8 {
    match refused {
        Refused::RolledBack { .. } => 0,
        Refused::Malformed(_) | Refused::Forged(_) | Refused::Delta(_) | Refused::NoBase => 1,
        _ => 2,
    }
}

/// What an operator must hear of, without a name of who gave it.
const fn alarm_of(refused: &Refused) -> Option<&'static str> {
    Some(match refused {
        Refused::Fork { .. } => {
            "the network's authorities have signed two different snapshots of one number: others may \
             see another network than this node; both are kept, show them to the network's operators"
        }
        Refused::Predecessor { .. } => {
            "the network's authorities have signed a snapshot that does not follow the one that is \
             known: others may see another network than this node; both are kept, show them to the \
             network's operators"
        }
        Refused::Swarm { .. } => {
            "the network's authorities have signed a snapshot with swarms that do not follow from the \
             rules; it is not used, tell the network's operators"
        }
        Refused::Order { .. } => {
            "the network's authorities have signed a snapshot that contradicts an earlier one; it is \
             not used, tell the network's operators"
        }
        _ => return None,
    })
}

impl fmt::Debug for Fork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.own.claimed().number();
        write!(f, "Fork({own}, {})", self.number())
    }
}
