//! A network of one's own on loopback: authorities, a registry and keys in a folder, a process for each
//! relay.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use llarp_core::clock::Clock;
use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{RelayId, SecretKey};
use llarp_core::registry::{
    Charter, CharterChain, Epoch, Parameters, Registration, SignedSnapshot, Snapshot, Terms,
    assign_swarms,
};
use llarp_core::wire::limits::VERSION;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::files::{self, FileError};
use crate::registry::{Bootstrap, NetworkFile};
use crate::relay;

/// The network's name.
pub const NETWORK: &str = "devnet";

/// Relays that newcomers ask first; three of them must agree.
const BOOTSTRAP: usize = 4;

/// How long relays may take to hear of each other.
const SETTLE_TIME: Duration = Duration::from_secs(60);

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
    /// Its registry cannot be made.
    #[error("no registry for the devnet: {0}")]
    Registry(String),
    /// The relays did not hear of each other.
    #[error("relays know {known} of {count} relays after {} s", SETTLE_TIME.as_secs())]
    NotSettled {
        /// Relays that the least of them knows.
        known: u64,
        /// Relays that there are.
        count: usize,
    },
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
    /// What a newcomer has of the network.
    pub network: NetworkFile,
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
        let mut relays = Vec::new();
        for (number, port) in free_ports(count)?.into_iter().enumerate() {
            let key = SecretKey::generate(&mut rng);
            relay::write_key(&folder(dir.path(), number), &key)?;
            let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into();
            let relay = key.relay_id();
            relays.push(Bootstrap { relay, address });
        }
        let (network, snapshot) = registry(&relays, &mut rng)
            .map_err(|error| DevnetError::Registry(error.to_string()))?;
        let place = Files {
            network: dir.path().join("network"),
            snapshot: dir.path().join("snapshot"),
        };
        files::write_secret(&place.network, network.to_string().as_bytes())?;
        files::write_secret(&place.snapshot, &snapshot)?;
        let mut devnet = Self {
            network,
            relays: Vec::new(),
            _dir: dir,
        };
        for (number, relay) in relays.iter().enumerate() {
            let folder = folder(devnet._dir.path(), number);
            let child = spawn(&folder, &place, relay.address, more)?;
            devnet.relays.push(Process::new(relay.relay, child));
        }
        devnet
            .relays
            .iter_mut()
            .try_for_each(Process::await_ready)?;
        Ok(devnet)
    }

    /// Waits until each relay knows all of them.
    ///
    /// # Errors
    /// [`DevnetError`].
    pub async fn settle(&mut self) -> Result<(), DevnetError> {
        let count = self.relays.len();
        let deadline = Instant::now() + SETTLE_TIME;
        loop {
            let known = |process: &mut Process| -> io::Result<u64> {
                let stats = process.stats()?;
                Ok(stats.get("known").and_then(Value::as_u64).unwrap_or(0))
            };
            let known: Vec<_> = self
                .relays
                .iter_mut()
                .map(known)
                .collect::<Result<_, _>>()?;
            let known = known.into_iter().min().unwrap_or(0);
            if known == count as u64 {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(DevnetError::NotSettled { known, count });
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The relays, running or not.
    pub fn ids(&self) -> impl Iterator<Item = RelayId> {
        self.relays.iter().map(|process| process.id)
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
        let mut said = self.line()?;
        while said.starts_with("note:") {
            said = self.line()?;
        }
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

/// A registry of three authorities, of whom two have signed the first snapshot.
fn registry(
    relays: &[Bootstrap],
    rng: &mut ChaCha20Rng,
) -> Result<(NetworkFile, Vec<u8>), Box<dyn std::error::Error>> {
    let network = NetworkId::from_name(NETWORK);
    let keys = [(); 3].map(|()| SecretKey::generate(rng));
    let root = Charter::root(2, keys.iter().map(SecretKey::public))?;
    let now = Clock::system().unix().as_secs();
    let [mut beacon, mut beacon_before] = [[0; 32]; 2];
    rng.fill_bytes(&mut beacon);
    rng.fill_bytes(&mut beacon_before);
    let terms = Terms {
        epoch: Epoch::at(now),
        valid_from: now,
        valid_until: now + VALIDITY,
        beacon,
        beacon_before,
        charter: 0,
        minimum_version: VERSION,
        parameters: Parameters::new(9, 7)?,
    };
    let registration = |relay: &Bootstrap| Registration {
        relay: relay.relay,
        height: 1,
        block: relay.relay.0,
        family: None,
    };
    let draft = Snapshot::first(
        &network,
        terms,
        relays.iter().map(registration),
        assign_swarms,
    )?;
    let two = keys.iter().take(2);
    let signatures = two
        .map(|key| draft.sign(&network, &root, key))
        .collect::<Result<Vec<_>, _>>()?;
    let chain = CharterChain::new(network, root.clone())?;
    let signed = SignedSnapshot::collect(&chain, draft, signatures)?;
    let bootstrap = relays.iter().take(BOOTSTRAP).copied().collect();
    let file = NetworkFile::new(NETWORK, root, bootstrap)?;
    Ok((file, signed.encode()))
}

/// Seconds for which a devnet's snapshot is valid: a week, which no devnet lives.
const VALIDITY: u64 = 7 * 24 * 3600;

/// What all relays of a devnet read.
struct Files {
    network: PathBuf,
    snapshot: PathBuf,
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
fn spawn(dir: &Path, files: &Files, address: SocketAddr, more: &[&str]) -> io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg("relay")
        .arg("--dir")
        .arg(dir)
        .arg("--network")
        .arg(&files.network)
        .arg("--registry")
        .arg(&files.snapshot)
        .args(["--address", &address.to_string(), "--until-stdin-ends"])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
}
