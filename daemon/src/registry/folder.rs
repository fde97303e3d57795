//! An authority's folder, and a node's ledger on disk.
//!
//! ```text
//! DIR/network   the network's file: everybody gets a copy
//! DIR/ledger    what has been published
//! DIR/pending   what the next snapshot changes
//! DIR/heights   the greatest heights of the last epochs
//! DIR/charter   a signed charter that no snapshot names yet
//! DIR/draft     what authorities are asked to sign
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use llarp_core::registry::{CharterChain, Ledger, SignedCharter, Snapshot, assign_swarms};
use llarp_core::wire::limits::{CHARTER_MAX, LEDGER_MAX, SIGNATURES_MAX};

use super::heights::{HEIGHTS_MAX, Heights};
use super::pending::{PENDING_MAX, Pending};
use super::{NetworkFile, RegistryError};
use crate::files::{self, FileError};

/// An authority's folder, read.
pub(super) struct Folder {
    dir: PathBuf,
    pub(super) network: NetworkFile,
    pub(super) ledger: Ledger,
    pub(super) pending: Pending,
    pub(super) heights: Heights,
    /// The charters up to that of the next snapshot.
    pub(super) chain: CharterChain,
}

impl Folder {
    pub(super) fn open(dir: &Path) -> Result<Self, RegistryError> {
        let network = NetworkFile::read(&dir.join("network"))?;
        let ledger = read_ledger(&dir.join("ledger"), &network)?;
        let mut chain = ledger.charters().clone();
        if let Some(bytes) = read_if_there(&dir.join("charter"), CHARTER_MAX + SIGNATURES_MAX)? {
            let bad =
                |what: &dyn std::fmt::Display| FileError::malformed(&dir.join("charter"), what);
            let charter = SignedCharter::decode(&bytes).map_err(|error| bad(&error))?;
            chain.extend(&charter).map_err(|error| bad(&error))?;
        }
        let path = dir.join("pending");
        let bytes = read_if_there(&path, PENDING_MAX)?.unwrap_or_default();
        let pending = Pending::parse(&bytes).map_err(|what| FileError::malformed(&path, &what))?;
        let heights = read_heights(&dir.join("heights"), &ledger)?;
        let dir = dir.to_owned();
        Ok(Self {
            dir,
            network,
            ledger,
            pending,
            heights,
            chain,
        })
    }

    /// The newest snapshot that was published.
    pub(super) fn newest(&self) -> Option<&Snapshot> {
        self.ledger.current().map(|newest| &**newest)
    }

    pub(super) fn draft(&self) -> PathBuf {
        self.dir.join("draft")
    }

    pub(super) fn save_pending(&self) -> Result<(), FileError> {
        write(
            &self.dir.join("pending"),
            self.pending.to_string().as_bytes(),
        )
    }

    /// Keeps a signed charter for the next snapshot; the draft is done.
    pub(super) fn save_charter(&self, charter: &SignedCharter) -> Result<(), FileError> {
        write(&self.dir.join("charter"), &charter.encode())?;
        remove(&self.draft())
    }

    /// Keeps the ledger with what was published; the draft and what it changed are done.
    pub(super) fn save_published(&mut self) -> Result<(), FileError> {
        write(&self.dir.join("ledger"), &self.ledger.encode())?;
        if let Some(newest) = self.ledger.current() {
            self.pending.settle(newest);
            self.heights.note(newest);
        }
        let heights = self.heights.to_string();
        write(&self.dir.join("heights"), heights.as_bytes())?;
        self.save_pending()?;
        remove(&self.dir.join("charter"))?;
        remove(&self.draft())
    }
}

/// The ledger of a file; an empty one if there is none.
pub(super) fn read_ledger(path: &Path, network: &NetworkFile) -> Result<Ledger, RegistryError> {
    let (id, root) = (network.network(), network.trust());
    match read_if_there(path, LEDGER_MAX)? {
        Some(bytes) => {
            let ledger = Ledger::decode(&bytes, id, root, assign_swarms);
            Ok(ledger.map_err(|error| FileError::malformed(path, &error))?)
        }
        None => Ok(Ledger::new(id, root, assign_swarms)?),
    }
}

/// The heights that were noted, and those that the ledger knows: it may come from elsewhere.
fn read_heights(path: &Path, ledger: &Ledger) -> Result<Heights, FileError> {
    let bytes = read_if_there(path, HEIGHTS_MAX)?.unwrap_or_default();
    let mut heights = Heights::parse(&bytes).map_err(|what| FileError::malformed(path, &what))?;
    for snapshot in ledger.previous().into_iter().chain(ledger.current()) {
        heights.note(snapshot);
    }
    Ok(heights)
}

/// Writes a file that everybody may read: whole, in the old one's place.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    files::write_public(path, bytes)
}

fn read_if_there(path: &Path, max: usize) -> Result<Option<Vec<u8>>, FileError> {
    match path.try_exists().map_err(FileError::io(path))? {
        true => files::read(path, max).map(Some),
        false => Ok(None),
    }
}

fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(FileError::io(path)(error))
        }
        _ => Ok(()),
    }
}
