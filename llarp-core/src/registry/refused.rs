//! Why a ledger does not take what it is offered, or what it has is not fit for use.

use super::{CharterError, DeltaError, Forged, OrderError, SnapshotHash};
use crate::crypto::identity::{KeyError, RelayId};
use crate::wire::WireError;
use crate::wire::limits::VERSION;

/// Why a snapshot is not taken. The last good one stays in use. One line each, which says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The bytes are no snapshot or delta: half-written, oversized, of another version.
    #[error("registry: malformed ({0}); fetch it again, from another source")]
    Malformed(#[from] WireError),
    /// Not what the network's authorities say.
    #[error("registry: forged or of another network ({0}); use another source")]
    Forged(#[from] Forged),
    /// Older than what is known.
    #[error(
        "registry: rolled back to snapshot {got}, {have} is known; the source is stale or lies, use another"
    )]
    RolledBack {
        /// The newest number known.
        have: u64,
        /// The number offered.
        got: u64,
    },
    /// Authorities have signed two snapshots of one number.
    #[error(
        "registry: authorities signed two different snapshots {number}; keep both files and ask the network's operators"
    )]
    Fork {
        /// The number.
        number: u64,
    },
    /// Follows another snapshot than the one known.
    #[error("registry: snapshot {number} does not follow the snapshot {} that is known; keep the file and ask the network's operators", number.saturating_sub(1))]
    Predecessor {
        /// The number offered.
        number: u64,
    },
    /// Contradicts an earlier snapshot.
    #[error(
        "registry: snapshot {number} contradicts an earlier one ({error}); ask the network's operators"
    )]
    Order {
        /// The number offered.
        number: u64,
        /// In what.
        error: OrderError,
    },
    /// Its time is over.
    #[error(
        "registry: snapshot {number} expired at {until}, it is {now} (Unix time); use a source with a newer one"
    )]
    Expired {
        /// The number offered.
        number: u64,
        /// When it ended.
        until: u64,
        /// The time.
        now: u64,
    },
    /// Its time has not come: the clock may be wrong.
    #[error(
        "registry: snapshot {number} is valid from {from}, this clock says {now} (Unix time); the clock may be wrong, set it and try again"
    )]
    ClockSkew {
        /// The number offered.
        number: u64,
        /// When it begins.
        from: u64,
        /// The clock.
        now: u64,
    },
    /// The network has moved on.
    #[error(
        "registry: the network speaks version {minimum} of the wire at least, this program {VERSION}; update it"
    )]
    Outdated {
        /// The lowest version that the network speaks.
        minimum: u8,
    },
    /// A swarm was chosen, not computed.
    #[error(
        "registry: snapshot {number} gives {relay} a swarm that does not follow from the rules; ask the network's operators"
    )]
    Swarm {
        /// The number offered.
        number: u64,
        /// The first relay of which this is so.
        relay: RelayId,
    },
    /// A relay was let in under a beacon that was public already.
    #[error(
        "registry: snapshot {number} lets {relay} in on a day whose beacon is known already; ask the network's operators"
    )]
    Late {
        /// The number offered.
        number: u64,
        /// The first relay of which this is so.
        relay: RelayId,
    },
    /// A relay's id is no key.
    #[error(
        "registry: snapshot {number} has a relay whose id is no key ({error}); ask the network's operators"
    )]
    RelayKey {
        /// The number offered.
        number: u64,
        /// What is wrong with it.
        error: KeyError,
    },
    /// The delta cannot be used here.
    #[error("registry: {0}; fetch the whole snapshot")]
    Delta(#[from] DeltaError),
    /// There is nothing that a delta could begin with.
    #[error("registry: a delta needs a snapshot to begin with; fetch the whole snapshot")]
    NoBase,
}

/// Why the newest snapshot should not be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// There is none.
    #[error("registry: no snapshot yet; name a source")]
    Empty,
    /// Its time is over.
    #[error(
        "registry: snapshot {number} expired at {until}, it is {now} (Unix time); it stays in use until a source has a newer one"
    )]
    Expired {
        /// Its number.
        number: u64,
        /// When it ended.
        until: u64,
        /// The time.
        now: u64,
    },
    /// The clock is behind what the authorities have seen.
    #[error(
        "registry: this clock says {now}, but snapshot {number} was made at {from} (Unix time); set the clock"
    )]
    ClockSkew {
        /// Its number.
        number: u64,
        /// When it was made.
        from: u64,
        /// The clock.
        now: u64,
    },
}

/// Why bytes from the disk are no ledger. Rollback protection begins anew without them: tell the
/// user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Half-written, or of another version.
    #[error("registry cache: damaged ({0}); remove the file, and the registry is fetched anew")]
    Malformed(#[from] WireError),
    /// Made under another root.
    #[error(
        "registry cache: belongs to another network or another root; remove the file, or correct the network's file"
    )]
    OtherRoot,
    /// It follows other authorities than the network's file names.
    #[error(
        "registry cache: follows other authorities than the network's file ({0}); remove it, and the registry is fetched anew"
    )]
    OtherAuthorities(CharterError),
    /// A snapshot in it does not verify.
    #[error(
        "registry cache: changed behind our back ({0}); remove the file, and the registry is fetched anew"
    )]
    Refused(#[from] Refused),
}

/// What a ledger made of an offer that it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// Nothing: it is the newest already.
    Known,
    /// It is the newest now.
    Advanced {
        /// The number that was the newest before.
        from: Option<u64>,
        /// The number that is now.
        to: u64,
    },
}

/// The newest snapshot in brief: what links compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: SnapshotHash,
}
