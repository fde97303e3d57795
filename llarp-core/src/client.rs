//! A client's driver: builds paths, keeps watch over them, replaces them before they end.
//!
//! In: an [`Endpoint`], the relays that count, a profile of guards. Out: [`Path`]s, alone or in
//! pools. *Not* here: which relays a path runs over ([`crate::path`]), tunnels' own encryption,
//! whom a session is with. Specification: `docs/spec/08-relay.md` §2, `docs/spec/07-path.md`.
//!
//! ```text
//!  build(want) ─▶ choose ─▶ link to the guard ─▶ BUILD ─▶ Path ── its keeper: probes, end
//!        ▲                     │ failed: whom to charge ─▶ Profile
//!  Pool ─┘                     ▼
//!         cells ◀──▶ Table: id ─▶ path ─▶ layers ─▶ tunnel, keeper
//! ```

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod builder;
mod config;
mod directory;
mod guards;
mod introsets;
mod memory;
mod mover;
mod path;
mod pool;
mod table;
mod tries;
mod tunnels;
mod unknown;

use core::fmt;
use core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

pub use self::builder::{PathError, TryFailed};
pub use self::config::ClientConfig;
pub use self::directory::Relays;
pub use self::introsets::{
    FindError, Found, Introsets, Publication, PublishError, PublishStatus, Published,
    TerminalFailed, Wanted,
};
pub use self::path::{Path, PathEnd, ProbeError};
use self::table::Table;
pub use self::tunnels::{Lasting, TunnelError};
pub use self::unknown::Unknown;
use crate::clock::Clock;
use crate::crypto::hash::{NetworkId, derive, label};
use crate::crypto::identity::RelayId;
use crate::link::{CloseCode, Endpoint, Protocol, Redialer};
use crate::path::pool::Isolation;
use crate::path::{Attempts, Millis, Profile, Seconds, Want};
use crate::registry::RelayList;
use crate::store::{ReadError, Store};
use crate::tunnel::{NoRuntime, Tunnel, TunnelConfig, Tunnels};

/// A client. Clones share it; when the last is dropped, its paths end and its links close.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    _alive: Arc<Alive>,
}

/// Ends the client with its last handle: tasks hold `Shared`, not this.
struct Alive(Arc<Shared>);

struct Shared {
    network: NetworkId,
    clock: Clock,
    started: Instant,
    redialer: Redialer<ChaCha20Rng>,
    state: Mutex<State>,
    table: Mutex<Table>,
    pool: pool::Driver,
    /// Set once, before any path is built.
    tunnels: OnceLock<Tunnels>,
    profile_changed: Arc<Notify>,
    store: Store,
    /// Whether the relays in use are accepted.
    relays_known: watch::Sender<bool>,
    /// The client has left, has come back, or is somewhere else.
    moved: Arc<Notify>,
}

/// Why a client does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It was not started in a tokio runtime.
    #[error(transparent)]
    Tunnels(#[from] NoRuntime),
    /// What it remembers cannot be read.
    #[error("what the client remembers cannot be read: {0}")]
    Store(#[from] ReadError),
}

/// What choices are made from.
struct State {
    relays: RelayList,
    profile: Profile,
    attempts: Attempts,
    rng: ChaCha20Rng,
    suspended: bool,
    /// Why the network is not known, as long as it is not.
    unknown: Unknown,
    /// How often the client has left the network.
    left: u64,
}

impl Client {
    /// Runs a client over `endpoint`. Nothing is sent until a path is wanted.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: ClientConfig, endpoint: Endpoint) -> Result<Self, StartError> {
        let generator = |part: &[u8]| {
            let seed = derive(&config.seed, label::CLIENT_SEED, &config.network, &[part]);
            ChaCha20Rng::from_seed(*seed.expose())
        };
        let known = matches!(config.relays, Relays::Fixed(_));
        let mut state = State {
            relays: config.relays.first(),
            // Guards are drawn from relays that are accepted, and kept only then.
            profile: match known {
                true => memory::load(&config.store, config.diversity)?,
                false => Profile::new(config.diversity),
            },
            attempts: Attempts::new(),
            rng: generator(b"state"),
            suspended: false,
            unknown: Unknown::Learning,
            left: 0,
        };
        let now = Seconds(config.clock.unix().as_secs());
        state.profile.update(&state.relays, now, &mut state.rng);
        let shared = Arc::new(Shared {
            network: config.network,
            clock: config.clock,
            started: Instant::now(),
            redialer: Redialer::new(endpoint, Protocol::CELLS, generator(b"redial")),
            state: Mutex::new(state),
            table: Mutex::new(Table::new()),
            pool: pool::Driver::default(),
            tunnels: OnceLock::new(),
            profile_changed: Arc::default(),
            store: config.store.clone(),
            relays_known: watch::Sender::new(known),
            moved: Arc::default(),
        });
        tokio::spawn(memory::keep(Arc::downgrade(&shared)));
        let carrier = Arc::new(tunnels::Paths::new(&shared, generator(b"paths")));
        let seed = derive(
            &config.seed,
            label::CLIENT_SEED,
            &config.network,
            &[b"tunnels"],
        );
        let tunnels = Tunnels::new(carrier, TunnelConfig::new(config.network, seed))?;
        let _ = shared.tunnels.set(tunnels);
        tokio::spawn(pool::run(Arc::downgrade(&shared)));
        tokio::spawn(guards::keep_house(Arc::downgrade(&shared)));
        if let Relays::Learned(view) = config.relays {
            tokio::spawn(directory::keep(Arc::downgrade(&shared), view, config.store));
        }
        let _alive = Arc::new(Alive(Arc::clone(&shared)));
        Ok(Self { shared, _alive })
    }

    /// Builds a path that belongs to the caller alone. Takes one round trip over its relays, up to
    /// [`BUILD_DEADLINE`](crate::wire::limits::BUILD_DEADLINE) if relays fail. Cancel-safe.
    ///
    /// # Errors
    /// [`PathError`].
    pub async fn build(&self, want: Want) -> Result<Path, PathError> {
        self.shared.build(want).await
    }

    /// A tunnel to the terminal of `path`, which ends with the path.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn tunnel(&self, path: &Path) -> Result<Tunnel, TunnelError> {
        self.shared.tunnel(path).await
    }

    /// A tunnel to `relay` that outlives its paths: when one ends or is about to, another is built
    /// to the same relay, and the tunnel moves. Takes a round trip more than [`Client::tunnel`]: both
    /// ends must know that the handshake is over.
    ///
    /// # Errors
    /// [`TunnelError`].
    pub async fn lasting_tunnel(&self, relay: RelayId) -> Result<Lasting, TunnelError> {
        self.shared.lasting_tunnel(relay).await
    }

    /// From now on `count` paths to `want` stand ready for `key`, each replaced before it ends;
    /// 0 lets them go. Paths of two keys are never exchanged.
    pub fn keep(&self, key: Isolation, want: Want, count: usize) {
        self.shared.pool.plan(|pool| pool.set(key, want, count));
    }

    /// The path of `key` that lasts longest; waits for one if none stands. Cancel-safe.
    ///
    /// # Errors
    /// [`PathError::Suspended`]; [`PathError::NotKept`] if [`Client::keep`] was not told of `key`.
    pub async fn path(&self, key: Isolation) -> Result<Path, PathError> {
        self.shared.kept_path(key).await
    }

    /// Paths that are built from now on carry `cells` at most in each direction, and are replaced
    /// in time before that; no more than
    /// [`PATH_CELLS_MAX`](crate::wire::limits::PATH_CELLS_MAX), which is what they carry otherwise.
    pub fn limit_path_cells(&self, cells: u64) {
        self.shared.table().limit_cells(cells);
    }

    /// Resolves when the network is known: then paths can be built. At once for a fixed list.
    /// Cancel-safe.
    pub async fn ready(&self) {
        let mut known = self.shared.relays_known.subscribe();
        // The sender lives as long as this client.
        let _ = known.wait_for(|known| *known).await;
    }

    /// The relays that paths are chosen from.
    #[must_use]
    pub fn relays(&self) -> RelayList {
        self.shared.state().relays.clone()
    }

    /// The relays have changed. Paths over relays that left run on until they are replaced.
    pub fn set_relays(&self, relays: RelayList) {
        let now = self.shared.seconds();
        let state = &mut *self.shared.state();
        state.relays = relays;
        state.profile.update(&state.relays, now, &mut state.rng);
        self.shared.profile_changed.notify_one();
    }

    /// Guards and second hops as they are now. Secret.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.shared.state().profile.clone()
    }

    /// Leaves the network: all paths end, all links close, nothing is sent until
    /// [`Client::resume`].
    pub fn suspend(&self) {
        memory::write_at_once(&self.shared);
        self.shared.state().suspended = true;
        self.shared.leave();
        self.shared.moved.notify_one();
        self.shared.pool.wake();
    }

    /// Comes back; paths that are to be kept are built again.
    pub fn resume(&self) {
        self.shared.state().suspended = false;
        self.shared.moved.notify_one();
        self.shared.pool.wake();
    }

    /// The machine has another address or another way out: links are dialled anew, and guards that
    /// could not be reached are tried again.
    pub async fn network_changed(&self) {
        self.shared.leave();
        self.shared.moved.notify_one();
        let guards = {
            let now = self.shared.seconds();
            let state = &mut *self.shared.state();
            state.profile.forgive_guards();
            state.profile.guards_in_use(&state.relays, now)
        };
        self.shared.pool.wake();
        for guard in guards {
            self.shared.redialer.forgive(&guard).await;
        }
        self.shared.state().profile.forgive_guards();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let shared = &self.0;
        memory::write_at_once(shared);
        shared.state().suspended = true;
        if let Some(tunnels) = shared.tunnels.get() {
            tunnels.close();
        }
        shared.leave();
        shared.moved.notify_one();
        shared.pool.wake();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn times_left(&self) -> u64 {
        self.state().left
    }

    fn is_suspended(&self) -> bool {
        self.state().suspended
    }

    /// Ends all paths and closes all links.
    fn leave(&self) {
        self.state().left += 1;
        let links = self.table().leave();
        for link in links {
            link.close(CloseCode::Done);
        }
    }

    fn now(&self) -> Millis {
        let millis = self.started.elapsed().as_millis();
        Millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }

    fn seconds(&self) -> Seconds {
        Seconds(self.clock.unix().as_secs())
    }

    /// A generator of its own, for work beside the lock.
    fn fork_rng(&self) -> ChaCha20Rng {
        let mut seed = [0; 32];
        self.state().rng.fill_bytes(&mut seed);
        ChaCha20Rng::from_seed(seed)
    }
}

/// How long after `now` a time of the pure layers is.
fn until(now: Millis, then: Millis) -> Instant {
    Instant::now() + Duration::from_millis(then.since(now))
}
