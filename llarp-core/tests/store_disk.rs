//! What the store's tests stand on: a disk that fails when told, and directories that vanish.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use llarp_core::store::{KeyRange, Medium, Row, Store, StoreOptions, TableId};
use rand_chacha::rand_core::Rng;

pub(crate) const LEFT: TableId = TableId("test/left");
pub(crate) const RIGHT: TableId = TableId("test/right");

/// What a disk writes at once: a loss of power can cut a write between two.
const SECTOR: usize = 512;

/// Bytes in memory that can be told to fail. Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    state: Arc<Mutex<State>>,
    gate: Arc<Condvar>,
}

#[derive(Default)]
struct State {
    /// What reads see.
    now: Vec<u8>,
    /// What the last good sync left.
    durable: Vec<u8>,
    /// What was changed since.
    unsynced: Vec<Change>,
    /// Writes, syncs and changes of length so far.
    operations: u64,
    syncs: u64,
    failure: Option<(u64, Failure)>,
    failing_reads: u64,
    /// Bytes that fit; the length may be set higher, as with sparse files, if `sparse`.
    room: Option<usize>,
    sparse: bool,
    syncs_wait: bool,
    /// Syncs that have come so far to wait.
    waiting: u64,
    /// Good syncs that are left, if they are to end.
    good_syncs: Option<u64>,
}

enum Change {
    Len(usize),
    Write(usize, Vec<u8>),
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Once, without effect.
    Once,
    /// Once, and a write has written half.
    Half,
    /// It and all that follow, reads too: the power is gone.
    Dead,
}

impl Disk {
    /// The operation with this number, counted from now, fails.
    pub(crate) fn fail_at(&self, operation: u64, failure: Failure) {
        let mut state = self.lock();
        let operation = state.operations + operation;
        state.failure = Some((operation, failure));
    }

    /// Whether the failure that was asked for has happened.
    pub(crate) fn has_failed(&self) -> bool {
        let state = self.lock();
        let at = state.failure.map(|(at, _)| at);
        at.is_some_and(|at| at < state.operations)
    }

    /// From now on all goes well.
    pub(crate) fn repair(&self) {
        let mut state = self.lock();
        state.failure = None;
        state.good_syncs = None;
        state.failing_reads = 0;
    }

    pub(crate) fn fail_reads(&self, reads: u64) {
        self.lock().failing_reads = reads;
    }

    /// No byte beyond what is written now fits; lengths above it are refused or sparse.
    pub(crate) fn fill_up(&self, sparse: bool) {
        let mut state = self.lock();
        state.room = Some(state.now.len());
        state.sparse = sparse;
    }

    pub(crate) fn make_room(&self) {
        self.lock().room = None;
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Syncs wait until [`Disk::let_go`].
    pub(crate) fn hold(&self) {
        self.lock().syncs_wait = true;
    }

    pub(crate) fn let_go(&self) {
        self.lock().syncs_wait = false;
        self.gate.notify_all();
    }

    /// Syncs that wait.
    pub(crate) fn syncs_waiting(&self) -> u64 {
        self.lock().waiting
    }

    /// Two more syncs go well, which is one commit; all that follow fail.
    pub(crate) fn fail_syncs_from_the_third(&self) {
        self.lock().good_syncs = Some(2);
    }

    /// The disk after a loss of power: any of the writes that no sync confirmed may be there, in
    /// part too.
    pub(crate) fn after_power_loss(&self, rng: &mut impl Rng) -> Self {
        let state = self.lock();
        let mut bytes = state.durable.clone();
        for change in &state.unsynced {
            match change {
                Change::Len(len) if rng.next_u32().is_multiple_of(2) => bytes.resize(*len, 0),
                Change::Len(_) => {}
                Change::Write(offset, data) => {
                    for (sector, data) in data.chunks(SECTOR).enumerate() {
                        let from = offset + sector * SECTOR;
                        if rng.next_u32().is_multiple_of(2) {
                            let len = bytes.len().max(from + data.len());
                            bytes.resize(len, 0);
                            bytes[from..from + data.len()].copy_from_slice(data);
                        }
                    }
                }
            }
        }
        let disk = Self::default();
        disk.lock().durable.clone_from(&bytes);
        disk.lock().now = bytes;
        disk
    }

    /// Changes bytes behind the store's back.
    pub(crate) fn damage(&self, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.lock().now);
    }

    pub(crate) fn store(&self) -> Store {
        Store::on_medium(Arc::new(self.clone()), small()).unwrap()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// Counts an operation; says how it fails, if it does.
    fn operate(&mut self) -> Option<Failure> {
        let this = self.operations;
        self.operations += 1;
        match self.failure {
            Some((at, Failure::Dead)) if at <= this => Some(Failure::Dead),
            Some((at, failure)) if at == this => Some(failure),
            _ => None,
        }
    }

    fn apply(&mut self, change: Change) {
        match &change {
            Change::Len(len) => self.now.resize(*len, 0),
            Change::Write(offset, data) => {
                self.now[*offset..offset + data.len()].copy_from_slice(data);
            }
        }
        self.unsynced.push(change);
    }
}

fn broken() -> io::Error {
    io::Error::other("as told")
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap()
}

impl Medium for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.lock();
        if matches!(state.failure, Some((at, Failure::Dead)) if at < state.operations) {
            return Err(broken());
        }
        if state.failing_reads > 0 {
            state.failing_reads -= 1;
            return Err(broken());
        }
        let offset = size(offset);
        let data = state.now.get(offset..offset + out.len());
        out.copy_from_slice(data.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.lock();
        if state.operate().is_some() {
            return Err(broken());
        }
        if !state.sparse && state.room.is_some_and(|room| room < size(len)) {
            return Err(ErrorKind::StorageFull.into());
        }
        state.apply(Change::Len(size(len)));
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let offset = size(offset);
        let fits = |room: usize| room.saturating_sub(offset).min(data.len());
        let fits = state.room.map_or(data.len(), fits);
        let failure = state.operate();
        let written = match failure {
            None => fits,
            Some(Failure::Half) => data.len() / 2,
            Some(Failure::Once | Failure::Dead) => 0,
        };
        state.apply(Change::Write(offset, data[..written].to_vec()));
        match failure {
            Some(_) => Err(broken()),
            None if fits < data.len() => Err(ErrorKind::StorageFull.into()),
            None => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.waiting += u64::from(state.syncs_wait);
        let mut state = self
            .gate
            .wait_while(state, |state| state.syncs_wait)
            .unwrap();
        if state.operate().is_some() {
            return Err(broken());
        }
        if let Some(left) = &mut state.good_syncs {
            *left = left.checked_sub(1).ok_or_else(broken)?;
        }
        state.syncs += 1;
        state.durable = state.now.clone();
        state.unsynced.clear();
        Ok(())
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

/// So little memory that most reads reach the disk.
pub(crate) fn small() -> StoreOptions {
    StoreOptions {
        cache_bytes: 0,
        ..StoreOptions::default()
    }
}

/// A directory that is not there before, nor after.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let dir = dir.join(format!("store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.0, StoreOptions::default()).unwrap()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Every row of a table.
pub(crate) fn rows(store: &Store, table: TableId) -> Vec<Row> {
    store.range(table, &KeyRange::all(), usize::MAX).unwrap()
}
