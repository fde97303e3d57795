//! Secrets and lists on disk: written whole or not at all, secrets for the owner only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why a file cannot be used. Says which, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system's word.
    #[error("{}: {error}; is the path right, and may this user use it?", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is there, but its bytes are wrong.
    #[error("{}: {what}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl FileError {
    /// An error of the operating system with the file at `path`.
    pub fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }

    /// Wrong bytes in the file at `path`.
    #[must_use]
    pub fn malformed(path: &Path, what: &dyn std::fmt::Display) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            what: what.to_string(),
        }
    }
}

/// Reads a file of at most `max` bytes.
///
/// # Errors
/// [`FileError`].
pub fn read(path: &Path, max: usize) -> Result<Vec<u8>, FileError> {
    let length = fs::metadata(path).map_err(FileError::io(path))?.len();
    if length > max as u64 {
        let what = format!("{length} bytes, at most {max} expected");
        return Err(FileError::malformed(path, &what));
    }
    fs::read(path).map_err(FileError::io(path))
}

/// Writes a file that only its owner may read: beside the old one, then in its place.
///
/// # Errors
/// [`FileError`]; the old file is then as it was.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write(path, bytes, 0o600)
}

/// Writes a file that everybody may read, as atomically as [`write_secret`].
///
/// # Errors
/// [`FileError`]; the old file is then as it was.
pub fn write_public(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write(path, bytes, 0o644)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    // Appended, not in the place of an extension: `a.key` and `a.list` may be written at once.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        match path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => File::open(dir)?.sync_all(),
            _ => Ok(()),
        }
    })();
    written.map_err(FileError::io(path))
}

/// Makes a folder for this user alone, if it is missing.
///
/// # Errors
/// [`FileError`].
pub fn make_private_dir(dir: &Path) -> Result<(), FileError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    made.map_err(FileError::io(dir))
}
