//! A network of one's own on loopback: keys and a list in a folder, a process for each relay.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{RelayId, SecretKey};
use llarp_core::crypto::secret::Secret;
use llarp_core::registry::{Addresses, RelayContact, RelayList};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::Value;
use tempfile::TempDir;

use crate::files::{self, FileError};
use crate::relay;

/// The network's name.
pub const NETWORK: &str = "devnet";

/// Why there is no devnet.
#[derive(Debug, thiserror::Error)]
pub enum DevnetError {
    /// The operating system.
    #[error("the operating system refuses: {0}")]
    System(#[from] io::Error),
    /// A file of it.
    #[error(transparent)]
    File(#[from] FileError),
    /// No randomness.
    #[error("no randomness from the operating system: {0}")]
    Randomness(#[from] getrandom::Error),
    /// A relay that did not say that it is ready.
    #[error("relay {relay} did not start: it said {said:?}")]
    NotReady {
        /// Which.
        relay: RelayId,
        /// Its first line.
        said: String,
    },
}

/// Relays that run, each in a process of its own. Dropped, they are killed and their files removed.
#[derive(Debug)]
pub struct Devnet {
    /// The list of them.
    pub list: RelayList,
    relays: Vec<Process>,
    _dir: TempDir,
}

#[derive(Debug)]
struct Process {
    id: RelayId,
    child: Child,
    said: Option<BufReader<ChildStdout>>,
}

impl Devnet {
    /// Starts `count` relays and waits until each is ready.
    ///
    /// # Errors
    /// [`DevnetError`].
    pub fn start(count: usize) -> Result<Self, DevnetError> {
        Self::start_with(count, &[])
    }

    /// The same, of relays that offer what benches need.
    ///
    /// # Errors
    /// [`DevnetError`].
    pub fn start_for_bench(count: usize) -> Result<Self, DevnetError> {
        Self::start_with(count, &["--dangerous-bench-services"])
    }

    fn start_with(count: usize, more: &[&str]) -> Result<Self, DevnetError> {
        let dir = tempfile::Builder::new().prefix("llarp-devnet-").tempdir()?;
        let mut rng = ChaCha20Rng::from_seed(*relay::fresh()?.expose());
        let mut contacts = Vec::new();
        for (number, port) in free_ports(count)?.into_iter().enumerate() {
            contacts.push(make_relay(&folder(dir.path(), number), port, &mut rng)?);
        }
        let order: Vec<_> = contacts.iter().map(|contact| contact.id).collect();
        let list = RelayList::new(contacts).map_err(io::Error::other)?;
        let listed = dir.path().join("relays.list");
        files::write_secret(&listed, &list.encode())?;
        let mut devnet = Self {
            list,
            relays: Vec::new(),
            _dir: dir,
        };
        for (number, id) in order.into_iter().enumerate() {
            let child = spawn(&folder(devnet._dir.path(), number), &listed, more)?;
            devnet.relays.push(Process::new(id, child));
        }
        devnet
            .relays
            .iter_mut()
            .try_for_each(Process::await_ready)?;
        Ok(devnet)
    }

    /// The process of a relay.
    #[must_use]
    pub fn pid(&self, relay: &RelayId) -> Option<u32> {
        let process = self.relays.iter().find(|process| process.id == *relay)?;
        Some(process.child.id())
    }

    /// One of the counts of a relay ([`llarp_core::relay::Stats`]), which it is asked for.
    ///
    /// # Errors
    /// The relay is gone, or does not count that.
    pub fn stat(&mut self, relay: &RelayId, name: &str) -> io::Result<u64> {
        let process = self.relays.iter_mut().find(|process| process.id == *relay);
        let stats = process.ok_or(io::ErrorKind::NotFound)?.stats()?;
        let count = stats.get(name).and_then(Value::as_u64);
        count.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Kills a relay (SIGKILL) and waits until it is gone. `false`: there is no such relay.
    ///
    /// # Errors
    /// The operating system's.
    pub fn kill(&mut self, relay: &RelayId) -> io::Result<bool> {
        let Some(at) = self.relays.iter().position(|process| process.id == *relay) else {
            return Ok(false);
        };
        let mut process = self.relays.swap_remove(at);
        process.child.kill()?;
        process.child.wait()?;
        Ok(true)
    }
}

impl Process {
    fn new(id: RelayId, mut child: Child) -> Self {
        let said = child.stdout.take().map(BufReader::new);
        Self { id, child, said }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if let Some(said) = &mut self.said {
            said.read_line(&mut line)?;
        }
        Ok(line)
    }

    fn await_ready(&mut self) -> Result<(), DevnetError> {
        let said = self.line()?;
        if said.starts_with(&format!("ready {}", self.id)) {
            return Ok(());
        }
        let relay = self.id;
        Err(DevnetError::NotReady { relay, said })
    }

    fn stats(&mut self) -> io::Result<Value> {
        if let Some(stdin) = &mut self.child.stdin {
            stdin.write_all(b"stats\n")?;
        }
        serde_json::from_str(&self.line()?).map_err(io::Error::other)
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        for process in &mut self.relays {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

fn folder(dir: &Path, number: usize) -> PathBuf {
    dir.join(format!("relay-{number}"))
}

fn make_relay(dir: &Path, port: u16, rng: &mut ChaCha20Rng) -> Result<RelayContact, DevnetError> {
    let (key, seed) = (SecretKey::generate(rng), Secret::random(rng));
    relay::write_files(dir, &key, &seed)?;
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let onion = relay::onion_keys(&NetworkId::from_name(NETWORK), &key, &seed);
    Ok(RelayContact {
        id: key.relay_id(),
        addresses: Addresses::new(Some(address), None).map_err(io::Error::other)?,
        family: None,
        onion: onion.public(),
    })
}

/// Ports that nobody uses now. Somebody else may take one before the relay does, which then says so.
fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let sockets: Vec<_> = (0..count)
        .map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<io::Result<_>>()?;
    let port = |socket: &UdpSocket| Ok(socket.local_addr()?.port());
    sockets.iter().map(port).collect()
}

/// This program again, as a relay that ends when its standard input does.
fn spawn(dir: &Path, listed: &Path, more: &[&str]) -> io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg("relay")
        .arg("--dir")
        .arg(dir)
        .arg("--relays")
        .arg(listed)
        .args(["--network", NETWORK, "--until-stdin-ends"])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
}
