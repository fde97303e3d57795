//! `llarpd relay`: one relay, from the files of its folder, until it is told to stop.
//!
//! ```text
//! DIR/relay.key     the relay's key (docs/spec/01-crypto.md §7)
//! DIR/onion/        seeds of its onion keys (crate::onion)
//! DIR/store/        what it knows of the network
//! FILE              the network's file (docs/spec/09-registry.md §10)
//! ```

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use llarp_core::build::Minute;
use llarp_core::clock::Clock;
use llarp_core::crypto::identity::{KeyKind, RelayId, SecretKey, decode_key_file, encode_key_file};
use llarp_core::crypto::secret::Secret;
use llarp_core::directory::{DirectoryService, NetworkView, OpenError};
use llarp_core::link::{Endpoint, EndpointConfig, KnockCounts, Role};
use llarp_core::registry::Unfit;
use llarp_core::registry::directory::Trust;
use llarp_core::relay::{Handshakes, KeyRing, Registered, Relay, RelayConfig, StartError, Stats};
use llarp_core::store::{Store, StoreOptions};
use llarp_core::storer::IntrosetService;
use llarp_core::tunnel::{Echo, Services};
use llarp_core::wire::WireError;
use llarp_core::wire::limits::KEY_FILE_LEN;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tracing::warn;

use crate::bench::services::with_bench_services;
use crate::files::{self, FileError};
use crate::log;
use crate::onion::FileKeys;
use crate::place::{FamilyName, Place, PlaceError};
use crate::registry::NetworkFile;
use crate::sources::{RefreshError, Source};
use crate::storer::Storer;
use crate::view;

/// How long a relay that was told to stop waits for its peers to leave.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a relay looks for a newer snapshot.
const REGISTRY_PACE: Duration = Duration::from_secs(600);

/// Cells a second that a relay says it can carry, until somebody measures it: 25 MB/s.
const CAPACITY: u32 = 20_000;

/// Where a relay's files are, and when it stops.
#[derive(Debug)]
pub struct RelayFiles {
    /// Its folder.
    pub dir: PathBuf,
    /// The network's file.
    pub network: PathBuf,
    /// Where it is reached: an IPv4 or an IPv6 address, or one of each.
    pub addresses: Vec<SocketAddr>,
    /// Where it listens, if that is elsewhere.
    pub bind: Option<SocketAddr>,
    /// Whose it is, if its operator has others.
    pub family: Option<FamilyName>,
    /// Where snapshots of the registry are published. None: other relays are asked.
    pub registry: Option<Source>,
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
    /// There is a key already.
    #[error("{} is there already: a relay keeps its key; give another folder for another relay", path.display())]
    HasKey {
        /// Where.
        path: PathBuf,
    },
    /// It cannot be announced.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// What it knows of the network.
    #[error("{}: {error}", dir.display())]
    View {
        /// The store's folder.
        dir: PathBuf,
        /// What is wrong with what is in it.
        error: OpenError,
    },
    /// Its store.
    #[error(transparent)]
    Store(#[from] llarp_core::store::OpenError),
    /// The source of snapshots gives none that is good, and there is no other.
    #[error("no snapshot of the registry: {0}")]
    Registry(#[from] RefreshError),
    /// Its onion keys.
    #[error("{}: onion keys cannot be kept: {error}; may this user write there, and is there room?", dir.display())]
    Onion {
        /// Their folder.
        dir: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Its table of introsets.
    #[error("cannot store introsets: {0}")]
    Storer(#[from] llarp_dht::StartError),
    /// The socket, TLS, or the runtime.
    #[error("cannot serve: {0}; is another program using the address?")]
    Link(#[from] llarp_core::link::StartError),
    /// The relay's driver.
    #[error("cannot serve: {0}")]
    Start(#[from] StartError),
    /// A service's name: a bug.
    #[error("cannot serve: {0}")]
    Service(#[from] WireError),
    /// The operating system.
    #[error("the operating system refuses: {0}")]
    System(#[from] io::Error),
    /// No randomness.
    #[error("no randomness from the operating system: {0}")]
    Randomness(#[from] getrandom::Error),
}

/// Writes the key of a new relay into `dir`, which is made.
///
/// # Errors
/// [`FileError`].
pub fn write_key(dir: &Path, key: &SecretKey) -> Result<(), FileError> {
    std::fs::create_dir_all(dir).map_err(FileError::io(dir))?;
    let bytes = encode_key_file(key, KeyKind::Relay);
    files::write_secret(&dir.join("relay.key"), bytes.expose())
}

/// Makes a relay's key in `dir`, and says its name on `out`.
///
/// # Errors
/// [`RelayError::HasKey`] rather than losing a key that is there.
pub fn keygen(dir: &Path, out: &mut dyn Write) -> Result<(), RelayError> {
    let path = dir.join("relay.key");
    if path.try_exists().map_err(FileError::io(&path))? {
        return Err(RelayError::HasKey { path });
    }
    let key = SecretKey::generate(&mut ChaCha20Rng::from_seed(*fresh()?.expose()));
    write_key(dir, &key)?;
    writeln!(out, "{}", key.relay_id())?;
    Ok(())
}

/// Runs a relay on this thread until it is told to stop; says on `out` when it is ready.
///
/// # Errors
/// [`RelayError`].
pub fn run(files: &RelayFiles, out: &mut dyn Write) -> Result<(), RelayError> {
    log::to_stderr();
    // Cells move fastest on one thread; handshakes go to others.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()?;
    runtime.block_on(serve(files, out))
}

async fn serve(files: &RelayFiles, out: &mut dyn Write) -> Result<(), RelayError> {
    let network = NetworkFile::read(&files.network)?;
    let store = Store::open(&files.dir.join("store"), StoreOptions::default())?;
    let view = open_view(files, &network, store.clone(), out).await?;
    let key = Arc::new(read_key(files)?);
    let id = key.relay_id();
    let place = Place::new(&files.addresses, files.bind)?;
    let role = Role::Relay {
        key: Arc::clone(&key),
        known: Arc::new(view.clone()),
    };
    let config_of = EndpointConfig::new(role, network.network(), fresh()?);
    let endpoint = Endpoint::bind(config_of, place.bind)?;
    let storer = Storer::start(id, &endpoint, &view, store, fresh()?)?;
    let config = config(files, key, &place, &view, storer.service)?;
    let relay = Relay::start_with(config, endpoint, storer.handlers)?;
    if let Some(said) = said_of(&view, &id) {
        writeln!(out, "note: {said}")?;
    }
    writeln!(out, "ready {id} {}", place.addresses.preferred())?;
    out.flush()?;
    if let Some(source) = files.registry.clone() {
        tokio::spawn(keep_registry(view.clone(), source));
    }
    let stopped = tokio::select! {
        stopped = told_to_stop() => stopped,
        asked = answer_stdin(&relay, &view, out), if files.until_stdin_ends => asked,
    };
    // The endpoint waits for all links to close, the table's too.
    storer.table.stop().await;
    relay.drain(PATIENCE).await;
    Ok(stopped?)
}

fn read_key(files: &RelayFiles) -> Result<SecretKey, RelayError> {
    let path = files.dir.join("relay.key");
    let key = decode_key_file(&files::read(&path, KEY_FILE_LEN)?, KeyKind::Relay);
    key.map_err(|error| FileError::malformed(&path, &error).into())
}

/// What an operator should know who wonders why nobody uses the relay.
fn said_of(view: &NetworkView, id: &RelayId) -> Option<String> {
    match view.fit() {
        Err(Unfit::Empty) => Some(
            "no snapshot of the registry yet: one is fetched from the bootstrap relays".to_owned(),
        ),
        Err(unfit) => Some(unfit.to_string()),
        Ok(snapshot) if snapshot.get(id).is_none() => Some(format!(
            "snapshot {} does not name {id}: no other relay lets it in before the authorities have added it",
            snapshot.number()
        )),
        Ok(_) => None,
    }
}

async fn open_view(
    files: &RelayFiles,
    network: &NetworkFile,
    store: Store,
    out: &mut dyn Write,
) -> Result<NetworkView, RelayError> {
    let dir = files.dir.join("store");
    let view = view::open(network, store).map_err(|error| RelayError::View { dir, error })?;
    let Some(source) = &files.registry else {
        return Ok(view);
    };
    if let Err(error) = view::refresh(&view, source).await {
        if view.members().is_empty() && view.bootstrap().is_empty() {
            return Err(error.into());
        }
        // The last good one is still there, or bootstrap relays have one.
        writeln!(out, "note: {error}")?;
    }
    Ok(view)
}

/// Looks for newer snapshots, for as long as the relay runs.
async fn keep_registry(view: NetworkView, source: Source) {
    loop {
        sleep(REGISTRY_PACE).await;
        if let Err(error) = view::refresh(&view, &source).await {
            warn!(%error, "no newer snapshot of the registry; the last good one is used");
        }
    }
}

fn config(
    files: &RelayFiles,
    key: Arc<SecretKey>,
    place: &Place,
    view: &NetworkView,
    introsets: IntrosetService,
) -> Result<RelayConfig, RelayError> {
    let network = view.network();
    let mut rng = ChaCha20Rng::from_seed(*fresh()?.expose());
    let ring = ring(files, view, &key, &mut rng)?;
    // Builds to keys that served before could be replays: a restarted relay takes none for the
    // five minutes that their stamps are good for (docs/spec/03-build.md §4).
    let replays = ring.replays(Minute::at(view.time()), &mut rng);
    let family = files.family.as_ref();
    let services = services(&key, view, introsets, files.bench_services)?;
    Ok(RelayConfig {
        network,
        key,
        registered: Some(Registered {
            view: view.clone(),
            addresses: place.addresses,
            family: family.map(|name| name.family(&network)),
            capacity: CAPACITY,
            ring,
        }),
        onion: Vec::new(),
        replays,
        directory: Arc::new(view.clone()),
        clock: Clock::system(),
        seed: fresh()?,
        handshakes: Handshakes::OtherThreads,
        services,
    })
}

fn ring(
    files: &RelayFiles,
    view: &NetworkView,
    key: &SecretKey,
    rng: &mut ChaCha20Rng,
) -> Result<KeyRing, RelayError> {
    let dir = files.dir.join("onion");
    let keys = Arc::new(FileKeys::open(&dir)?);
    KeyRing::open(view.network(), key.relay_id(), keys, view.sure_time(), rng)
        .map_err(|error| RelayError::Onion { dir, error })
}

fn services(
    key: &SecretKey,
    view: &NetworkView,
    introsets: IntrosetService,
    bench: bool,
) -> Result<Services, WireError> {
    let mut services = Services::new()
        .with(Arc::new(Echo))?
        .with(Arc::new(DirectoryService::new(view.clone())))?
        .with(Arc::new(introsets))?;
    if bench {
        services = with_bench_services(services)?;
    }
    services.described(key.relay_id())
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
async fn answer_stdin(relay: &Relay, view: &NetworkView, out: &mut dyn Write) -> io::Result<()> {
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        if line == "stats" {
            let knocks = relay.endpoint().knocks();
            writeln!(out, "{}", stats_json(&relay.stats(), &knocks, view))?;
            out.flush()?;
        }
    }
    Ok(())
}

fn stats_json(stats: &Stats, knocks: &KnockCounts, view: &NetworkView) -> Value {
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
        "handshakes": knocks.welcomed,
        "handshakes_to_prove": knocks.to_prove,
        "handshakes_refused": knocks.refused,
        "members": view.members().len(),
        "known": view.relays(Trust::Held).len(),
    })
}
