//! A relay's driver: links in, links out, and between them the table of paths.
//!
//! In: an [`Endpoint`], keys, who else is a relay. Out: cells sent on, builds carried out, packets
//! for the services at this terminal. *Not* here: what a cell becomes ([`crate::hop`]), what a
//! service does. Specification: `docs/spec/08-relay.md`.
//!
//! ```text
//!  link ─ cells ──▶ Core: PathTable ─▶ FairQueue of each link ─▶ link
//!    │               ▲    └─ Deliver ─▶ tunnels ─▶ TerminalService
//!    ├─ BUILD ─▶ admission ─▶ handshake (other threads) ─▶ next hop ─▶ PathTable.insert
//!    └─ CLOSE ─▶ PathTable.handle_close_next
//! ```
//!
//! A task a link drains what a wake-up of the link brings, under one lock, and then gives QUIC
//! what it made: no cell wakes a task or allocates. On a current-thread runtime nobody ever waits
//! for the lock.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod asking;
mod builds;
mod config;
mod core;
mod gossip;
mod keys;
mod load;
mod neighbours;
mod room;
mod stats;
mod tasks;
mod terminal;
mod useless;

use ::core::fmt;
use ::core::time::Duration;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

pub use self::config::{Directory, Handshakes, RelayConfig};
use self::core::Core;
use self::gossip::Gossip;
pub use self::gossip::Registered;
pub use self::keys::{KeyRing, KeyStore, KeysInMemory};
pub use self::stats::Stats;
use self::terminal::Terminal;
use crate::clock::Clock;
use crate::crypto::hash::{NetworkId, derive, label};
use crate::crypto::identity::RelayId;
use crate::crypto::onion_key::OnionSecret;
use crate::hop::LinkId;
use crate::link::{Endpoint, Handlers, Link, Peer, Protocol, Redialer};
use crate::tunnel::{Carrier, NoRuntime, TunnelConfig, Tunnels};
use crate::wire::limits::RELAY_REQUESTS_OPEN;

/// A relay that runs. Dropped, it is gone at once, as if its process had died.
pub struct Relay {
    shared: Arc<Shared>,
    /// Ends what would wait for a relay's cells while something else still holds the rest of it.
    flusher: AbortHandle,
}

/// Why a relay does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its endpoint is no relay's, or serves already.
    #[error(transparent)]
    Link(#[from] crate::link::StartError),
    /// It was not started in a tokio runtime.
    #[error(transparent)]
    Tunnels(NoRuntime),
}

struct Shared {
    network: NetworkId,
    id: RelayId,
    clock: Clock,
    handshakes: Handshakes,
    endpoint: Endpoint,
    redialer: Redialer<ChaCha20Rng>,
    directory: Arc<dyn Directory>,
    onion: Mutex<Arc<[OnionSecret]>>,
    gossip: Option<Gossip>,
    core: Mutex<Core>,
    /// Set once, before anything is served.
    tunnels: OnceLock<Tunnels>,
    /// Tunnels have queued cells.
    flush_soon: Arc<Notify>,
}

impl Relay {
    /// Runs a relay on `endpoint`, in a tokio runtime; a current-thread one moves cells fastest.
    ///
    /// # Errors
    /// [`StartError`] unless the endpoint is a relay's and serves nothing yet.
    pub fn start(config: RelayConfig, endpoint: Endpoint) -> Result<Self, StartError> {
        let generator = |part: &[u8]| {
            let seed = derive(&config.seed, label::RELAY_SEED, &config.network, &[part]);
            ChaCha20Rng::from_seed(*seed.expose())
        };
        let redialer = Redialer::new(endpoint.clone(), Protocol::CELLS, generator(b"redial"));
        let core = Core::new(generator(b"core"), config.replays);
        let onion = match &config.registered {
            Some(registered) => registered.ring.secrets(),
            None => config.onion,
        };
        let gossip = config.registered;
        let gossip = gossip.map(|registered| Gossip::new(Arc::clone(&config.key), registered));
        let shared = Arc::new(Shared {
            network: config.network,
            id: config.key.relay_id(),
            clock: config.clock,
            handshakes: config.handshakes,
            redialer,
            directory: config.directory,
            onion: Mutex::new(onion.into()),
            gossip,
            core: Mutex::new(core),
            tunnels: OnceLock::new(),
            flush_soon: Arc::default(),
            endpoint,
        });
        let terminal = Arc::new(Terminal(Arc::downgrade(&shared)));
        let seed = derive(
            &config.seed,
            label::RELAY_SEED,
            &config.network,
            &[b"tunnels"],
        );
        let tunnels = TunnelConfig::new(config.network, seed);
        let tunnels = Tunnels::new(Arc::clone(&terminal) as Arc<dyn Carrier>, tunnels);
        let tunnels = tunnels.map_err(StartError::Tunnels)?;
        tunnels.serve(terminal);
        let tunnels = shared.tunnels.get_or_init(|| tunnels).clone();
        tokio::spawn(terminal::serve(tunnels, config.services));
        let flusher = tokio::spawn(terminal::flush(Arc::downgrade(&shared))).abort_handle();
        let adopter = Arc::downgrade(&shared);
        let adopt = move |link| {
            if let Some(shared) = adopter.upgrade() {
                shared.adopt(link);
            }
        };
        let handlers = Handlers::new().with(Protocol::CELLS, adopt);
        shared.endpoint.serve(handlers)?;
        tokio::spawn(tasks::keep_house(Arc::downgrade(&shared)));
        tokio::spawn(gossip::keep_keys(Arc::downgrade(&shared)));
        tokio::spawn(gossip::spread(Arc::downgrade(&shared)));
        tokio::spawn(gossip::compare_now_and_then(Arc::downgrade(&shared)));
        Ok(Self { shared, flusher })
    }

    /// The relay's id.
    #[must_use]
    pub fn id(&self) -> RelayId {
        self.shared.id
    }

    /// The socket that it serves.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }

    /// What it has done, and what it holds.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let core = self.shared.core();
        Stats {
            links: core.neighbours.len(),
            accounts: core.admission.links(),
            paths: core.table.len(),
            queued: core.queued(),
            ..core.stats
        }
    }

    /// From now on builds are opened with these onion keys. Those that are not among them are
    /// erased as soon as the builds under way are answered.
    pub fn set_onion_keys(&self, onion: Vec<OnionSecret>) {
        *lock(&self.shared.onion) = onion.into();
    }

    /// Leaves in order: no new builds or links, peers told, tunnels and paths closed, up to
    /// `patience` for what says so to get out and for the peers to go. A second is enough.
    pub async fn drain(self, patience: Duration) {
        let shared = &self.shared;
        shared.core().drain(false);
        // Tunnels that end here say so through their paths, which therefore end behind them.
        let ends_here = async {
            if let Some(tunnels) = shared.tunnels.get() {
                tunnels.close();
                let _ = timeout(patience / 2, tunnels.closed()).await;
            }
            shared.core().drain(true);
        };
        tokio::join!(shared.endpoint.drain(patience), ends_here);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(tunnels) = self.shared.tunnels.get() {
            tunnels.close();
        }
        self.shared.endpoint.close();
        self.flusher.abort();
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("id", &self.shared.id)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn core(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }

    fn onion_keys(&self) -> Arc<[OnionSecret]> {
        Arc::clone(&lock(&self.onion))
    }

    /// Takes a link in, and starts its tasks. Its number, the old one if it is there already.
    fn adopt(self: &Arc<Self>, link: Link) -> Option<LinkId> {
        let mut core = self.core();
        if let Some(id) = core.neighbours.id_of(&link) {
            return Some(id);
        }
        let taken_in = core.take_in(link.clone())?;
        drop(core);
        if let Peer::Relay(_) = link.peer() {
            link.allow_requests(RELAY_REQUESTS_OPEN);
        }
        let id = taken_in.id;
        tasks::spawn(self, link, taken_in);
        Some(id)
    }

    /// The link to another relay; dialled if there is none.
    async fn link_to(self: &Arc<Self>, relay: &RelayId) -> Option<(LinkId, Link)> {
        if let Some(link) = self.core().neighbours.way_to(relay) {
            return Some(link);
        }
        let address = self.directory.address_of(relay)?;
        let link = self.redialer.link(relay, address).await.ok()?;
        let id = self.adopt(link.clone())?;
        Some((id, link))
    }
}

/// Whoever panicked under the lock left counts at worst: each change of the core is made whole by
/// the layers below, which do not panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
