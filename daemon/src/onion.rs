//! The seeds of a relay's onion keys, a file each, erased when their time is over.
//!
//! ```text
//! DIR/10069.seed   32 bytes for key epoch 10069, mode 0600
//! DIR/newest       the newest key epoch of which there ever was one, as text
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use llarp_core::crypto::secret::Secret;
use llarp_core::registry::KeyEpoch;
use llarp_core::relay::KeyStore;

use crate::files::{self, FileError};

/// A folder of seeds.
#[derive(Debug)]
pub struct FileKeys(PathBuf);

impl FileKeys {
    /// The folder `dir`, which is made if it is missing, for this user alone.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn open(dir: &Path) -> Result<Self, FileError> {
        files::make_private_dir(dir)?;
        Ok(Self(dir.to_owned()))
    }

    fn seed(&self, epoch: KeyEpoch) -> PathBuf {
        self.0.join(format!("{}.seed", epoch.0))
    }

    fn newest_file(&self) -> PathBuf {
        self.0.join("newest")
    }
}

impl KeyStore for FileKeys {
    fn epochs(&self) -> io::Result<Vec<KeyEpoch>> {
        let mut epochs = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".seed"));
            epochs.extend(number.and_then(|number| number.parse().ok()).map(KeyEpoch));
        }
        Ok(epochs)
    }

    fn newest(&self) -> io::Result<Option<KeyEpoch>> {
        match fs::read_to_string(self.newest_file()) {
            Ok(text) => match text.trim().parse() {
                Ok(number) => Ok(Some(KeyEpoch(number))),
                Err(_) => Err(io::ErrorKind::InvalidData.into()),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn load(&self, epoch: KeyEpoch) -> io::Result<Secret<32>> {
        let mut file = File::open(self.seed(epoch))?;
        if file.metadata()?.len() != 32 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // To where it stays until it is wiped: a buffer that grows leaves copies behind.
        let mut seed = [0; 32];
        let read = file.read_exact(&mut seed);
        let seed = Secret::take(&mut seed);
        read.map(|()| seed)
    }

    fn save(&self, epoch: KeyEpoch, seed: &Secret<32>) -> io::Result<()> {
        // The seed first: if the rest fails it is found at the next start, and nobody has seen its keys.
        files::write_secret(&self.seed(epoch), seed.expose())
            .and_then(|()| files::write_secret(&self.newest_file(), epoch.0.to_string().as_bytes()))
            .map_err(io::Error::other)
    }

    /// Overwrites the file before it goes. What a disk keeps of overwritten sectors, and copies that
    /// somebody made, are out of reach.
    fn erase(&self, epoch: KeyEpoch) -> io::Result<()> {
        let path = self.seed(epoch);
        match OpenOptions::new().write(true).open(&path) {
            Ok(mut file) => {
                file.write_all(&[0; 32])?;
                file.sync_all()?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        fs::remove_file(&path)?;
        File::open(&self.0)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_outlive_the_program_and_are_erased_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let keys = FileKeys::open(&dir.path().join("onion")).unwrap();
        assert_eq!(
            (keys.epochs().unwrap(), keys.newest().unwrap()),
            (vec![], None)
        );
        let seed = Secret::take(&mut [7; 32]);
        keys.save(KeyEpoch(5), &seed).unwrap();
        let again = FileKeys::open(&dir.path().join("onion")).unwrap();
        assert_eq!(again.epochs().unwrap(), [KeyEpoch(5)]);
        assert_eq!(again.load(KeyEpoch(5)).unwrap().expose(), &[7; 32]);
        again.erase(KeyEpoch(5)).unwrap();
        again.erase(KeyEpoch(5)).unwrap();
        assert_eq!(again.epochs().unwrap(), []);
        assert_eq!(again.newest().unwrap(), Some(KeyEpoch(5)));
        assert!(again.load(KeyEpoch(5)).is_err());
    }

    #[test]
    fn what_is_no_seed_is_an_error_and_not_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let keys = FileKeys::open(dir.path()).unwrap();
        fs::write(dir.path().join("5.seed"), b"short").unwrap();
        fs::write(dir.path().join("newest"), b"soon").unwrap();
        assert!(keys.load(KeyEpoch(5)).is_err());
        fs::write(dir.path().join("5.seed"), [7; 33]).unwrap();
        assert!(keys.load(KeyEpoch(5)).is_err());
        assert!(keys.newest().is_err());
    }
}
