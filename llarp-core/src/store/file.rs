//! The directory of a store: a lock and a file, for this user alone.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::error::{Fault, OpenError};
use super::medium::Medium;

const LOCK_FILE: &str = "store.lock";
const DATA_FILE: &str = "store.redb";
/// The data file until it is whole. What a crash leaves of it is made again.
const NEW_FILE: &str = "store.new";

/// A directory that nobody else has open.
pub(super) struct LockedDir {
    dir: PathBuf,
    lock: File,
}

/// The data file, and the lock for as long as it is open.
#[derive(Debug)]
pub(super) struct DataFile {
    data: File,
    _lock: Option<File>,
}

impl LockedDir {
    /// Makes the directory where it is not there yet.
    pub(super) fn open(dir: &Path) -> Result<Self, OpenError> {
        make_private_dir(dir).map_err(failed)?;
        let lock = private().open(dir.join(LOCK_FILE)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        Ok(Self {
            dir: dir.to_owned(),
            lock,
        })
    }

    /// Whether there is a data file. Not knowing is an error: a new one would take its place.
    pub(super) fn has_file(&self) -> Result<bool, OpenError> {
        self.dir.join(DATA_FILE).try_exists().map_err(failed)
    }

    /// An empty file to begin with.
    pub(super) fn new_file(&self) -> Result<DataFile, OpenError> {
        let file = private().truncate(true).open(self.dir.join(NEW_FILE));
        Ok(DataFile {
            data: file.map_err(failed)?,
            _lock: None,
        })
    }

    /// Gives the new file, which is closed, its name.
    pub(super) fn keep_new_file(&self) -> Result<(), OpenError> {
        fs::rename(self.dir.join(NEW_FILE), self.dir.join(DATA_FILE)).map_err(failed)?;
        sync_dir(&self.dir).map_err(failed)
    }

    pub(super) fn into_file(self) -> Result<DataFile, OpenError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.dir.join(DATA_FILE));
        Ok(DataFile {
            data: file.map_err(failed)?,
            _lock: Some(self.lock),
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn failed(error: io::Error) -> OpenError {
    Fault::of_kind(error.kind()).into()
}

impl Medium for DataFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.data.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        read_at(&self.data, offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.data.set_len(len)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        write_at(&self.data, offset, data)
    }

    fn sync(&self) -> io::Result<()> {
        self.data.sync_data()
    }
}

#[cfg(unix)]
fn make_private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(not(unix))]
fn make_private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(dir)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes the names in a directory durable, and the directory's own name in its parent.
#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()?;
    match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Elsewhere a directory cannot be synced; the file system's journal has to do.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the other systems can fail")]
fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
use std::os::unix::fs::FileExt;

#[cfg(unix)]
fn read_at(file: &File, offset: u64, out: &mut [u8]) -> io::Result<()> {
    file.read_exact_at(out, offset)
}

#[cfg(unix)]
fn write_at(file: &File, offset: u64, data: &[u8]) -> io::Result<()> {
    file.write_all_at(data, offset)
}

#[cfg(windows)]
use std::os::windows::fs::FileExt;

#[cfg(windows)]
fn read_at(file: &File, mut offset: u64, mut out: &mut [u8]) -> io::Result<()> {
    while !out.is_empty() {
        let read = match file.seek_read(out, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        };
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        offset += read as u64;
        out = out.get_mut(read..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(windows)]
fn write_at(file: &File, mut offset: u64, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        let written = match file.seek_write(data, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        };
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        offset += written as u64;
        data = data.get(written..).unwrap_or_default();
    }
    Ok(())
}
