//! The network's file: the one thing that a newcomer must get from somebody trusted.
//!
//! ```text
//! llarp-network 1
//! name example
//! threshold 2
//! authority 3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29
//! authority …
//! root 5f0c…                            # hash of the above as charter 0: finds slips of the pen
//! charter 2 91ab…                       # authorities were replaced: newcomers begin with these
//! bootstrap kcbo…y.snode@192.0.2.1:1090
//! ```
//!
//! A line is a word, a space and a value; `#` begins a comment.

use core::fmt;
use core::net::SocketAddr;
use core::str::FromStr;
use std::collections::BTreeSet;
use std::path::Path;

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{NameError, PublicKey, RelayId};
use llarp_core::registry::{AddressError, Addresses, Charter, CharterError, CharterHash, Root};
use llarp_core::wire::limits::{AUTHORITIES_MAX, CHARTERS_MAX};

use super::text::{authority_key, hex, hex32};
use crate::files::{self, FileError};

/// Bytes of a network's file, comments included.
pub const NETWORK_FILE_MAX: usize = 64 << 10;
/// Bootstrap relays in it: a newcomer asks few, and some may be gone.
pub const BOOTSTRAPS_MAX: usize = 64;
/// Bootstrap relays without which no newcomer begins: three must agree on what there is.
pub const BOOTSTRAPS_LEAST: usize = 3;
/// Bytes of a network's name.
const NAME_MAX: usize = 64;
const HEADING: &str = "llarp-network 1";

/// What everybody must know of a network beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkFile {
    name: String,
    root: Charter,
    pin: Option<(u32, CharterHash)>,
    bootstrap: Vec<Bootstrap>,
}

/// A relay that newcomers ask first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// Its name, to which the link is pinned.
    pub relay: RelayId,
    /// Where it is reached.
    pub address: SocketAddr,
}

/// Why a text is no network's file. Says where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkFileError {
    /// Another file, or another version of it.
    #[error(
        "the first line must be {HEADING:?}: this is no network's file, or one for a newer program"
    )]
    Heading,
    /// Too long, or not text.
    #[error("a network's file is UTF-8 text of at most {NETWORK_FILE_MAX} bytes; get it again")]
    Text,
    /// A line that means nothing.
    #[error("line {line}: {what}")]
    Line {
        /// Its number, counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// A line is missing.
    #[error("there is no line that begins with {word:?}; get the file again")]
    Missing {
        /// Its word.
        word: &'static str,
    },
    /// The name cannot be one.
    #[error("a network's name has 1 to {NAME_MAX} characters of a-z, 0-9, '.' and '-'")]
    Name,
    /// Too many bootstrap relays.
    #[error("at most {BOOTSTRAPS_MAX} bootstrap relays, {got} given")]
    Bootstraps {
        /// How many.
        got: usize,
    },
    /// The authorities are none.
    #[error("{0}")]
    Charter(#[from] CharterError),
    /// The authorities are not those that the file was made with.
    #[error(
        "the root does not belong to this name and these authorities: the file was changed, get it again"
    )]
    Root,
}

impl NetworkFile {
    /// A network's file.
    ///
    /// # Errors
    /// [`NetworkFileError`] about the name, the charter or the number of bootstrap relays.
    pub fn new(
        name: &str,
        root: Charter,
        bootstrap: Vec<Bootstrap>,
    ) -> Result<Self, NetworkFileError> {
        let plain = |char: char| matches!(char, 'a'..='z' | '0'..='9' | '.' | '-');
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(plain) {
            return Err(NetworkFileError::Name);
        }
        if root.number() != 0 {
            let got = root.number();
            return Err(CharterError::NotRoot { got }.into());
        }
        if bootstrap.len() > BOOTSTRAPS_MAX {
            let got = bootstrap.len();
            return Err(NetworkFileError::Bootstraps { got });
        }
        let name = name.to_owned();
        Ok(Self {
            name,
            root,
            pin: None,
            bootstrap,
        })
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`FileError`], with what [`Self::parse`] says.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let bytes = files::read(path, NETWORK_FILE_MAX)?;
        Self::parse(&bytes).map_err(|error| FileError::malformed(path, &error))
    }

    /// Reads a network's file.
    ///
    /// # Errors
    /// [`NetworkFileError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NetworkFileError> {
        if bytes.len() > NETWORK_FILE_MAX {
            return Err(NetworkFileError::Text);
        }
        let text = core::str::from_utf8(bytes).map_err(|_| NetworkFileError::Text)?;
        let mut lines = text.lines().zip(1..);
        if lines
            .next()
            .is_none_or(|(line, _)| line.trim_end() != HEADING)
        {
            return Err(NetworkFileError::Heading);
        }
        let mut parts = Parts::default();
        for (text, line) in lines {
            let text = text.split('#').next().unwrap_or_default().trim();
            if !text.is_empty() {
                let read = parts.line(text);
                read.map_err(|what| NetworkFileError::Line { line, what })?;
            }
        }
        parts.finish()
    }

    /// The network's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The network's id.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        NetworkId::from_name(&self.name)
    }

    /// The charter in which trust begins.
    #[must_use]
    pub const fn root(&self) -> &Charter {
        &self.root
    }

    /// The charter with which newcomers begin, if it is not the root.
    #[must_use]
    pub const fn pin(&self) -> Option<(u32, CharterHash)> {
        self.pin
    }

    /// How many bootstrap relays are missing for a newcomer to begin.
    #[must_use]
    pub fn lacking(&self) -> usize {
        let relays: BTreeSet<_> = self.bootstrap.iter().map(|it| it.relay).collect();
        BOOTSTRAPS_LEAST.saturating_sub(relays.len())
    }

    /// Whom to trust.
    #[must_use]
    pub fn trust(&self) -> Root {
        let root = Root::from(self.root.clone());
        match self.pin {
            Some((number, hash)) => root.pinned(number, hash),
            None => root,
        }
    }

    /// The relays that newcomers ask first.
    #[must_use]
    pub fn bootstrap(&self) -> &[Bootstrap] {
        &self.bootstrap
    }

    fn root_hash(&self) -> CharterHash {
        self.root.hash(&self.network())
    }
}

impl fmt::Display for NetworkFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADING}")?;
        writeln!(
            f,
            "# Who decides which relays count. Get this from somebody you trust."
        )?;
        writeln!(f, "name {}", self.name)?;
        writeln!(f, "threshold {}", self.root.threshold())?;
        for key in self.root.keys() {
            writeln!(f, "authority {}", hex(key.as_bytes()))?;
        }
        writeln!(f, "root {}", hex(&self.root_hash().0))?;
        if let Some((number, hash)) = self.pin {
            writeln!(f, "charter {number} {}", hex(&hash.0))?;
        }
        for Bootstrap { relay, address } in &self.bootstrap {
            writeln!(f, "bootstrap {relay}@{address}")?;
        }
        Ok(())
    }
}

impl FromStr for Bootstrap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected =
            || "RELAY.snode@ADDRESS:PORT expected, an IPv6 address in brackets".to_owned();
        let (relay, address) = text.split_once('@').ok_or_else(expected)?;
        let relay = relay
            .parse()
            .map_err(|error: NameError| error.to_string())?;
        let address: SocketAddr = address.parse().map_err(|_| expected())?;
        let checked = match address {
            SocketAddr::V4(v4) => Addresses::new(Some(v4), None),
            SocketAddr::V6(v6) => Addresses::new(None, Some(v6)),
        };
        let address = checked.map_err(|error: AddressError| error.to_string())?;
        let address = address.preferred();
        Ok(Self { relay, address })
    }
}

/// What lines have said so far.
#[derive(Default)]
struct Parts {
    name: Option<String>,
    threshold: Option<u8>,
    authorities: Vec<PublicKey>,
    root: Option<[u8; 32]>,
    pin: Option<(u32, CharterHash)>,
    bootstrap: Vec<Bootstrap>,
}

impl Parts {
    fn line(&mut self, text: &str) -> Result<(), String> {
        let (word, value) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "name" => once(&mut self.name, value.to_owned()),
            "threshold" => {
                let number = value.parse().map_err(|_| "a number up to 16 expected")?;
                once(&mut self.threshold, number)
            }
            "root" => once(&mut self.root, hex32(value)?),
            "charter" => once(&mut self.pin, pin(value)?),
            "authority" if self.authorities.len() >= AUTHORITIES_MAX => {
                Err(format!("more than {AUTHORITIES_MAX} authorities"))
            }
            "authority" => {
                self.authorities.push(authority_key(value)?);
                Ok(())
            }
            "bootstrap" if self.bootstrap.len() >= BOOTSTRAPS_MAX => {
                Err(format!("more than {BOOTSTRAPS_MAX} bootstrap relays"))
            }
            "bootstrap" => {
                self.bootstrap.push(value.parse()?);
                Ok(())
            }
            _ => Err(
                "begins with no word that is known: correct it, or update the program".to_owned(),
            ),
        }
    }

    fn finish(self) -> Result<NetworkFile, NetworkFileError> {
        let missing = |word| NetworkFileError::Missing { word };
        let name = self.name.ok_or(missing("name"))?;
        let threshold = self.threshold.ok_or(missing("threshold"))?;
        let root = self.root.ok_or(missing("root"))?;
        let charter = Charter::root(threshold, self.authorities)?;
        let mut file = NetworkFile::new(&name, charter, self.bootstrap)?;
        file.pin = self.pin;
        if file.root_hash().0 != root {
            return Err(NetworkFileError::Root);
        }
        Ok(file)
    }
}

fn pin(value: &str) -> Result<(u32, CharterHash), String> {
    let expected = || "a charter's number and its hash expected, as `publish` says them".to_owned();
    let (number, hash) = value.split_once(' ').ok_or_else(expected)?;
    let number = number.parse().ok();
    let number = number.filter(|number: &u32| (1..CHARTERS_MAX).contains(&(*number as usize)));
    Ok((number.ok_or_else(expected)?, CharterHash(hex32(hash)?)))
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err("is there twice".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use llarp_core::crypto::identity::{SecretKey, Seed};
    use llarp_core::crypto::secret::Secret;

    use super::*;

    fn key(number: u8) -> SecretKey {
        SecretKey::from_seed(Seed::new(Secret::take(&mut [number; 32])))
    }

    fn file() -> NetworkFile {
        let root = Charter::root(2, [1, 2, 3].map(|number| key(number).public())).unwrap();
        let relay = key(9).relay_id();
        let bootstrap = ["192.0.2.1:1090", "[2001:db8::1]:1090"].map(|address| Bootstrap {
            relay,
            address: address.parse().unwrap(),
        });
        let mut file = NetworkFile::new("example-1.net", root, bootstrap.to_vec()).unwrap();
        file.pin = Some((2, CharterHash([3; 32])));
        file
    }

    fn refused(text: &str) -> NetworkFileError {
        NetworkFile::parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn what_is_printed_is_read_with_comments_and_blank_lines() {
        let text = file().to_string();
        assert_eq!(NetworkFile::parse(text.as_bytes()), Ok(file()));
        let spaced = text.replace('\n', "  # said by somebody\n\n");
        let spaced = spaced.replacen("  # said by somebody", "", 1);
        assert_eq!(NetworkFile::parse(spaced.as_bytes()), Ok(file()));
    }

    #[test]
    fn each_line_is_needed_once_and_no_other_is_admitted() {
        let text = file().to_string();
        for (number, line) in text.lines().enumerate().skip(1) {
            if line.starts_with('#') || line.starts_with("bootstrap") {
                continue;
            }
            let without: Vec<_> = text.lines().filter(|other| *other != line).collect();
            if line.starts_with("charter") {
                assert!(NetworkFile::parse(without.join("\n").as_bytes()).is_ok());
            } else {
                refused(&without.join("\n"));
            }
            let mut twice: Vec<_> = text.lines().collect();
            twice.insert(number, line);
            refused(&twice.join("\n"));
        }
        let more = format!("{text}source http://example.org/\n");
        let line = text.lines().count() + 1;
        assert!(matches!(refused(&more), NetworkFileError::Line { line: at, .. } if at == line));
    }

    #[test]
    fn a_file_with_another_authority_name_or_threshold_is_refused() {
        let text = file().to_string();
        let other = hex(key(4).public().as_bytes());
        let own = hex(key(1).public().as_bytes());
        for changed in [
            text.replace(&own, &other),
            text.replace("example", "exbmple"),
            text.replace("threshold 2", "threshold 1"),
        ] {
            assert_eq!(refused(&changed), NetworkFileError::Root);
        }
        assert!(matches!(
            refused(&text.replace("threshold 2", "threshold 4")),
            NetworkFileError::Charter(_)
        ));
        assert_eq!(
            refused(&text.replace("name example-1.net", "name Example")),
            NetworkFileError::Name
        );
    }

    #[test]
    fn what_is_no_text_of_ours_is_refused_at_once() {
        assert_eq!(refused(""), NetworkFileError::Heading);
        assert_eq!(refused("llarp-network 2\n"), NetworkFileError::Heading);
        let long = vec![b'#'; NETWORK_FILE_MAX + 1];
        assert_eq!(NetworkFile::parse(&long), Err(NetworkFileError::Text));
        assert_eq!(NetworkFile::parse(&[0xff]), Err(NetworkFileError::Text));
        let relay = file().bootstrap()[0].relay;
        for address in ["0.0.0.0:1", "192.0.2.1:0", "example.org:1090", "192.0.2.1"] {
            assert!(
                format!("{relay}@{address}").parse::<Bootstrap>().is_err(),
                "{address}"
            );
        }
        for pin in ["0", "64", "-1", "x"] {
            let text = file()
                .to_string()
                .replace("charter 2", &format!("charter {pin}"));
            assert!(
                matches!(refused(&text), NetworkFileError::Line { .. }),
                "{pin}"
            );
        }
        let many = format!("bootstrap {relay}@192.0.2.1:1\n").repeat(BOOTSTRAPS_MAX);
        let many = format!("{}{many}", file());
        assert!(matches!(refused(&many), NetworkFileError::Line { .. }));
    }
}
