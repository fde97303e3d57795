//! What is known of the network, on the disk: a row a relay, and the ledger in rows of half a
//! megabyte.

use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Weak;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::warn;

use super::fork::Fork;
use super::view::{OpenError, Shared};
use crate::crypto::hash::NetworkId;
use crate::crypto::identity::RelayId;
use crate::registry::directory::{Directory, Row};
use crate::registry::{Ledger, Root, assign_swarms};
use crate::store::{Batch, KeyRange, ReadError, Store, TableId};

/// The registry's snapshots.
const LEDGER: TableId = TableId("ledger");
/// Two snapshots that contradict each other.
const FORK: TableId = TableId("ledger/fork");
/// Documents of relays.
const RELAYS: TableId = TableId("directory");

/// Bytes of one row of the ledger.
const PIECE: usize = 512 << 10;

/// Rows of relays that one batch writes: 7 KiB each at most, and far below what a batch holds.
const ROWS: usize = 256;

/// Rows that are read at a time.
const READ_ROWS: usize = 512;

/// How soon a change is written after all before it is.
const PACE: Duration = Duration::from_secs(1);

/// How often the wait doubles while the disk refuses: a full one is tried, and told of, each minute.
const PACE_DOUBLINGS: u32 = 6;

/// What the disk does not have yet.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    pub(super) ledger: bool,
    pub(super) fork: bool,
    relays: BTreeSet<RelayId>,
}

impl Unwritten {
    /// Something of this relay has changed.
    pub(super) fn relay(&mut self, relay: RelayId) {
        self.relays.insert(relay);
    }

    fn is_empty(&self) -> bool {
        !self.ledger && !self.fork && self.relays.is_empty()
    }
}

/// The ledger as it was kept, or an empty one.
pub(super) fn load_ledger(
    store: &Store,
    network: NetworkId,
    root: Root,
) -> Result<Ledger, OpenError> {
    let rows = store.range(LEDGER, &KeyRange::all(), usize::MAX)?;
    if rows.is_empty() {
        return Ok(Ledger::new(network, root, assign_swarms)?);
    }
    let bytes: Vec<u8> = rows.into_iter().flat_map(|(_, piece)| piece).collect();
    Ok(Ledger::decode(&bytes, network, root, assign_swarms)?)
}

/// The evidence against authorities that was kept. What the disk has spoiled is none.
pub(super) fn load_fork(store: &Store) -> Result<Option<Fork>, ReadError> {
    let rows = store.range(FORK, &KeyRange::all(), usize::MAX)?;
    let bytes: Vec<u8> = rows.into_iter().flat_map(|(_, piece)| piece).collect();
    Ok(Fork::decode(&bytes).ok())
}

/// Gives the directory what was kept of relays that still count.
pub(super) fn load_rows(
    store: &Store,
    directory: &mut Directory,
    now: u64,
) -> Result<(), ReadError> {
    let mut range = KeyRange::all();
    loop {
        let rows = store.range(RELAYS, &range, READ_ROWS)?;
        let Some((last, _)) = rows.last() else {
            return Ok(());
        };
        range = range.after(last);
        for (key, value) in rows {
            let Ok(relay) = <[u8; 32]>::try_from(key) else {
                continue;
            };
            // Of relays that left, or spoiled by the disk: fetched again if anybody has it.
            let _ = directory.restore(RelayId(relay), &value, now);
        }
    }
}

/// Writes what has changed, until the view is gone.
pub(super) async fn keep(shared: Weak<Shared>, store: Store, mut changes: watch::Receiver<u64>) {
    let mut failures = 0;
    while changes.changed().await.is_ok() {
        loop {
            let Some(strong) = shared.upgrade() else {
                return;
            };
            let (batch, taken) = {
                let mut state = strong.state();
                take(&mut state)
            };
            drop(strong);
            if taken.is_empty() {
                break;
            }
            // What did not fit follows at once: a first start learns thousands of relays, and what is
            // not written before the end is to be learned anew.
            let more = taken.ledger || taken.fork || taken.relays.len() == ROWS;
            let committed = store.commit(batch).await;
            failures = match &committed {
                Ok(()) => 0,
                Err(_) => (failures + 1).min(PACE_DOUBLINGS),
            };
            if committed.is_ok() && more {
                continue;
            }
            if let Err(error) = committed {
                warn!(%error, "what was learned of the network is not written; it is tried again");
                let Some(strong) = shared.upgrade() else {
                    return;
                };
                let mut state = strong.state();
                state.unwritten.ledger |= taken.ledger;
                state.unwritten.fork |= taken.fork;
                state.unwritten.relays.extend(taken.relays);
            }
            sleep(PACE * (1 << failures)).await;
        }
    }
}

/// A batch of what the disk lacks, and what that is.
fn take(state: &mut super::view::State) -> (Batch, Unwritten) {
    let mut batch = Batch::new();
    let mut taken = Unwritten::default();
    if core::mem::take(&mut state.unwritten.ledger) {
        taken.ledger = true;
        put_pieces(&mut batch, LEDGER, &state.ledger.encode());
        return (batch, taken);
    }
    if core::mem::take(&mut state.unwritten.fork) {
        taken.fork = true;
        let fork = state.fork.as_ref().map(|fork| fork.encode());
        put_pieces(&mut batch, FORK, &fork.unwrap_or_default());
        return (batch, taken);
    }
    while taken.relays.len() < ROWS {
        let Some(relay) = state.unwritten.relays.pop_first() else {
            break;
        };
        let Row { value, .. } = state.directory.row(&relay);
        match value {
            Some(value) => batch.put(RELAYS, relay.0, value),
            None => batch.delete(RELAYS, relay.0),
        };
        taken.relays.insert(relay);
    }
    (batch, taken)
}

/// Writes bytes that no row holds, in place of those that are there.
fn put_pieces(batch: &mut Batch, table: TableId, bytes: &[u8]) {
    batch.delete_range(table, KeyRange::all());
    for (number, piece) in (0_u8..).zip(bytes.chunks(PIECE)) {
        batch.put(table, [number], piece);
    }
}
