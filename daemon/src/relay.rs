//! `llarpd relay`: one relay, from the files of its folder, until it is told to stop.
//!
//! ```text
//! DIR/relay.key    the relay's key (docs/spec/01-crypto.md §7)
//! DIR/onion.seed   32 bytes that its onion keys are drawn from
//! DIR/onion.used   there once the relay has served with those keys
//! FILE             the list of relays (docs/spec/07-path.md §1)
//! ```

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use llarp_core::build::ReplayCache;
use llarp_core::clock::Clock;
use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{KeyKind, SecretKey, decode_key_file, encode_key_file};
use llarp_core::crypto::onion_key::OnionSecret;
use llarp_core::crypto::secret::Secret;
use llarp_core::link::{Endpoint, EndpointConfig, Role};
use llarp_core::registry::RelayList;
use llarp_core::relay::{Directory, Handshakes, Relay, RelayConfig, StartError, Stats};
use llarp_core::tunnel::Services;
use llarp_core::wire::WireError;
use llarp_core::wire::limits::{KEY_FILE_LEN, RELAY_ENTRY_MAX, RELAYS_MAX};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::signal::unix::{SignalKind, signal};

use crate::bench::services::with_bench_services;
use crate::files::{self, FileError};

/// How long a relay that was told to stop waits for its peers to leave.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of the largest list of relays.
const LIST_FILE_MAX: usize = 3 + RELAYS_MAX * RELAY_ENTRY_MAX;

/// Where a relay's files are, and when it stops.
#[derive(Debug)]
pub struct RelayFiles {
    /// Its folder.
    pub dir: PathBuf,
    /// The list of relays.
    pub relays: PathBuf,
    /// The network's name.
    pub network: String,
    /// Whether it also stops when its standard input ends, so that it does not outlive a parent.
    pub until_stdin_ends: bool,
    /// Whether it offers what benches need, which anybody could use to load it.
    pub bench_services: bool,
}

/// Why a relay does not run.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The list does not name it.
    #[error(
        "{relay} is not in {}: no other relay would let it in; have it listed first, \
         or give the folder of a relay that is", list.display()
    )]
    NotListed {
        /// Its name.
        relay: String,
        /// The list.
        list: PathBuf,
    },
    /// The socket, TLS, or the runtime.
    #[error("cannot serve: {0}; is another program using the address?")]
    Link(#[from] llarp_core::link::StartError),
    /// The relay's driver.
    #[error("cannot serve: {0}")]
    Start(#[from] StartError),
    /// The operating system.
    #[error("the operating system refuses: {0}")]
    System(#[from] io::Error),
    /// No randomness.
    #[error("no randomness from the operating system: {0}")]
    Randomness(#[from] getrandom::Error),
}

/// Writes the files of a new relay into `dir`, which is made.
///
/// # Errors
/// [`FileError`].
pub fn write_files(dir: &Path, key: &SecretKey, onion: &Secret<32>) -> Result<(), FileError> {
    std::fs::create_dir_all(dir).map_err(FileError::io(dir))?;
    let bytes = encode_key_file(key, KeyKind::Relay);
    files::write_secret(&dir.join("relay.key"), bytes.expose())?;
    files::write_secret(&dir.join("onion.seed"), onion.expose())
}

/// The onion keys that a seed stands for.
#[must_use]
pub fn onion_keys(network: &NetworkId, key: &SecretKey, seed: &Secret<32>) -> OnionSecret {
    let mut rng = ChaCha20Rng::from_seed(*seed.expose());
    OnionSecret::generate(network, &key.relay_id(), &mut rng)
}

/// Reads a list of relays.
///
/// # Errors
/// [`FileError`].
pub fn read_list(path: &Path) -> Result<RelayList, FileError> {
    let bytes = files::read(path, LIST_FILE_MAX)?;
    RelayList::decode(&bytes).map_err(|error| FileError::malformed(path, &error))
}

/// Runs a relay on this thread until it is told to stop; says on `out` when it is ready.
///
/// # Errors
/// [`RelayError`].
pub fn run(files: &RelayFiles, out: &mut dyn Write) -> Result<(), RelayError> {
    // Cells move fastest on one thread; handshakes go to others.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()?;
    runtime.block_on(serve(files, out))
}

async fn serve(files: &RelayFiles, out: &mut dyn Write) -> Result<(), RelayError> {
    let network = NetworkId::from_name(&files.network);
    let list = read_list(&files.relays)?;
    let config = config(files, network, &list)?;
    let id = config.key.relay_id();
    let address = list.address_of(&id).ok_or_else(|| RelayError::NotListed {
        relay: id.to_string(),
        list: files.relays.clone(),
    })?;
    let role = Role::Relay {
        key: Arc::clone(&config.key),
        known: Arc::new(list),
    };
    let endpoint = Endpoint::bind(EndpointConfig::new(role, network, fresh()?), address)?;
    let relay = Relay::start(config, endpoint)?;
    writeln!(out, "ready {id} {address}")?;
    out.flush()?;
    tokio::select! {
        stopped = told_to_stop() => stopped?,
        asked = answer_stdin(&relay, out), if files.until_stdin_ends => asked?,
    }
    relay.drain(PATIENCE).await;
    Ok(())
}

fn config(
    files: &RelayFiles,
    network: NetworkId,
    list: &RelayList,
) -> Result<RelayConfig, RelayError> {
    let path = files.dir.join("relay.key");
    let key = decode_key_file(&files::read(&path, KEY_FILE_LEN)?, KeyKind::Relay)
        .map_err(|error| FileError::malformed(&path, &error))?;
    let path = files.dir.join("onion.seed");
    let mut seed: [u8; 32] = (files::read(&path, 32)?.try_into())
        .map_err(|_| FileError::malformed(&path, &"fewer than 32 bytes"))?;
    let onion = onion_keys(&network, &key, &Secret::take(&mut seed));
    let clock = Clock::system();
    let mut rng = ChaCha20Rng::from_seed(*fresh()?.expose());
    let used = files.dir.join("onion.used");
    // Builds to keys that served before could be replays: a restarted relay takes none for the
    // five minutes that their stamps are good for (docs/spec/03-build.md §5).
    let replays = if used.try_exists().map_err(FileError::io(&used))? {
        ReplayCache::after_restart(clock.minute(), &mut rng)
    } else {
        files::write_secret(&used, &[])?;
        ReplayCache::for_fresh_keys(&mut rng)
    };
    let services = services(&key, files.bench_services)
        .map_err(|error| FileError::malformed(&path, &error))?;
    Ok(RelayConfig {
        network,
        key: Arc::new(key),
        registered: None,
        onion: vec![onion],
        replays,
        directory: Arc::new(list.clone()),
        clock,
        seed: fresh()?,
        handshakes: Handshakes::OtherThreads,
        services,
    })
}

fn services(key: &SecretKey, bench: bool) -> Result<Services, WireError> {
    let services = Services::of_relay(key.relay_id())?;
    if bench {
        return with_bench_services(services);
    }
    Ok(services)
}

/// 32 bytes that nobody else knows.
///
/// # Errors
/// The operating system's.
pub fn fresh() -> Result<Secret<32>, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(Secret::take(&mut bytes))
}

async fn told_to_stop() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => (),
        _ = interrupt.recv() => (),
    }
    Ok(())
}

/// Answers `stats` on standard input with the relay's counts, until it ends.
async fn answer_stdin(relay: &Relay, out: &mut dyn Write) -> io::Result<()> {
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        if line == "stats" {
            writeln!(out, "{}", stats_json(&relay.stats()))?;
            out.flush()?;
        }
    }
    Ok(())
}

fn stats_json(stats: &Stats) -> Value {
    json!({
        "forwarded": stats.forwarded,
        "answered": stats.answered,
        "delivered": stats.delivered,
        "sealed": stats.sealed,
        "dropped": stats.dropped,
        "overflowed": stats.overflowed,
        "closed": stats.closed,
        "built": stats.built,
        "shed": stats.shed,
        "refused": stats.refused,
        "links": stats.links,
        "paths": stats.paths,
        "queued": stats.queued,
    })
}
