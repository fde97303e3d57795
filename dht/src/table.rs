//! The table as a relay sees it.

use core::fmt;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use chacha20::ChaCha20Rng;
use libp2p_core::Transport;
use libp2p_core::muxing::StreamMuxerBox;
use libp2p_core::transport::{Boxed, ListenerId};
use libp2p_core::upgrade::Version;
use libp2p_identity::PeerId;
use libp2p_swarm::Swarm;
use llarp_core::clock::Clock;
use llarp_core::crypto::identity::RelayId;
use llarp_core::crypto::secret::Secret;
use llarp_core::link::{Endpoint, Handler, Link, Protocol, Redialer};
use llarp_core::relay::Directory;
use llarp_core::store::Store;
use llarp_core::wire::limits::{
    DHT_ARRIVALS, DHT_COPIES, DHT_LINK_IDLE, DHT_QUERIES_MAX, DHT_STREAMS_OPEN, DHT_VALUE_MAX,
};
use rand_core::{Rng, SeedableRng};
use tokio::runtime::{self, Handle};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::actor::{Actor, Command};
use crate::counters::{Counters, Stats};
use crate::error::{DhtError, StartError};
use crate::guard::Guard;
use crate::members::Members;
use crate::names::{Key, address_of, peer_of};
use crate::rules::{Invalid, Rules};
use crate::shelf::Shelf;
use crate::transport::Links;

/// Everything that a table is told.
pub struct DhtConfig {
    /// The relay's endpoint; it serves [`Dht::handler`] for [`Protocol::DHT`].
    pub endpoint: Endpoint,
    /// The relay's own name.
    pub relay: RelayId,
    /// Who is registered, and where: others are neither asked nor answered.
    pub directory: Arc<dyn Directory>,
    /// Who keeps values, this relay included when it is old enough; changes with the registry.
    pub members: watch::Receiver<Members>,
    /// What a value is.
    pub rules: Arc<dyn Rules>,
    /// Where values are kept.
    pub store: Store,
    /// The wall clock.
    pub clock: Clock,
    /// 32 fresh random bytes, never used twice.
    pub seed: Secret<32>,
}

/// The table of introsets, at one relay. Clones share it; it runs, on a thread of its own, until
/// [`Dht::stop`] or until the last clone is dropped.
#[derive(Clone)]
pub struct Dht {
    commands: mpsc::Sender<Command>,
    arrivals: mpsc::Sender<Link>,
    counters: Arc<Counters>,
    stop: Arc<Notify>,
    /// Closed when the thread has ended.
    ended: watch::Receiver<()>,
}

impl Dht {
    /// Runs a table on the endpoint of a relay, in the tokio runtime in which that runs. Reads what
    /// the store has, a row after the other.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: DhtConfig) -> Result<Self, StartError> {
        let links_on = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let own = peer_of(&config.relay).ok_or(StartError::Name)?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(StartError::Thread)?;
        let (commands, asked) = mpsc::channel(DHT_QUERIES_MAX);
        let (arrivals, arrived) = mpsc::channel(DHT_ARRIVALS);
        let (alive, ended) = watch::channel(());
        let (counters, stop) = (Arc::new(Counters::default()), Arc::new(Notify::new()));
        let mut rng = ChaCha20Rng::from_seed(*config.seed.expose());
        let redialer = Redialer::new(config.endpoint, Protocol::DHT, fork(&mut rng));
        let links = Links {
            directory: Arc::clone(&config.directory),
            redialer: Arc::new(redialer),
            runtime: links_on,
            arrivals: arrived,
            own: address_of(own),
            id: ListenerId::next(),
        };
        let shelf = Shelf::open(
            config.relay,
            config.rules,
            config.store,
            config.clock,
            rng,
            Arc::clone(&counters),
        )?;
        let directory = Arc::clone(&config.directory);
        let guard = Guard::new(own, shelf, directory, Arc::clone(&counters));
        let actor = Actor {
            own: config.relay,
            swarm: swarm(own, links.boxed(), guard, runtime.handle().clone()),
            directory: config.directory,
            members: config.members,
            commands: asked,
            stop: Arc::clone(&stop),
            counters: Arc::clone(&counters),
            queries: Vec::new(),
            writing: None,
            disk_rests: false,
        };
        let run = move || {
            runtime.block_on(actor.run());
            // Ends the tasks of the links, and closes them.
            drop(runtime);
            drop(alive);
        };
        let thread = thread::Builder::new().name("llarp-dht".to_owned());
        thread.spawn(run).map_err(StartError::Thread)?;
        Ok(Self {
            commands,
            arrivals,
            counters,
            stop,
            ended,
        })
    }

    /// What the relay's endpoint gives the links of [`Protocol::DHT`] to. It does not keep the table
    /// running.
    #[must_use]
    pub fn handler(&self) -> impl Handler + use<> {
        let arrivals = self.arrivals.clone();
        // A link for which there is no room is dropped, which closes it.
        move |link: Link| drop(arrivals.try_send(link))
    }

    /// Brings a value to the [`DHT_COPIES`] relays closest to its key. How many say that they keep
    /// it, this one included; what a relay says proves nothing, so who must know looks for it.
    ///
    /// Dropped, it goes on.
    ///
    /// # Errors
    /// [`DhtError`].
    pub async fn put(&self, key: Key, value: Bytes) -> Result<usize, DhtError> {
        if value.len() > DHT_VALUE_MAX {
            return Err(Invalid::Forged.into());
        }
        let (copies, said) = oneshot::channel();
        self.ask(Command::Put { key, value, copies })?;
        said.await.unwrap_or(Err(DhtError::Stopped))
    }

    /// Searches for the newest value of a key. Dropped, the search ends.
    ///
    /// # Errors
    /// [`DhtError::Busy`], [`DhtError::Stopped`].
    pub fn search(&self, key: Key) -> Result<Search, DhtError> {
        // One of each relay asked, and this relay's own.
        let (found, values) = mpsc::channel(DHT_COPIES + 1);
        self.ask(Command::Search { key, found })?;
        Ok(Search(values))
    }

    /// Searches to the end: what was found, the newest first. Empty: there is none, or nobody who
    /// keeps it has answered.
    ///
    /// # Errors
    /// As [`Dht::search`].
    pub async fn find(&self, key: Key) -> Result<Vec<Bytes>, DhtError> {
        let mut search = self.search(key)?;
        let mut values = Vec::new();
        while let Some(newer) = search.next().await {
            values.push(newer);
        }
        values.reverse();
        Ok(values)
    }

    /// What it has done, and what it holds.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.counters.stats()
    }

    /// Ends it: values that the disk has not taken are written, links closed, the store let go. A relay
    /// that drains does this first, since its endpoint waits for all links to close.
    pub async fn stop(&self) {
        self.stop.notify_one();
        // Never changes: an error says that the other end is gone.
        let _ = self.ended.clone().changed().await;
    }

    fn ask(&self, command: Command) -> Result<(), DhtError> {
        self.commands
            .try_send(command)
            .map_err(|error| match error {
                TrySendError::Full(_) => DhtError::Busy,
                TrySendError::Closed(_) => DhtError::Stopped,
            })
    }
}

/// A search under way.
#[derive(Debug)]
pub struct Search(mpsc::Receiver<Bytes>);

impl Search {
    /// The first valid value as soon as there is one, then each that is newer than the one before;
    /// `None` when five relays have shown a valid one, all have answered, or two seconds are over.
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }
}

/// Everything of libp2p, put together.
pub(crate) fn swarm(
    own: PeerId,
    links: Boxed<(PeerId, StreamMuxerBox)>,
    guard: Guard,
    runtime: Handle,
) -> Swarm<Guard> {
    let spawn = move |task| drop(runtime.spawn(task));
    let config = libp2p_swarm::Config::with_executor(spawn)
        // Protocol and question leave together: there is one protocol only.
        .with_substream_upgrade_protocol_override(Version::V1Lazy)
        .with_idle_connection_timeout(DHT_LINK_IDLE)
        .with_max_negotiating_inbound_streams(DHT_STREAMS_OPEN as usize);
    Swarm::new(links, guard, own, config)
}

fn fork(rng: &mut ChaCha20Rng) -> ChaCha20Rng {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    ChaCha20Rng::from_seed(seed)
}

impl fmt::Debug for Dht {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dht")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DhtConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DhtConfig")
            .field("relay", &self.relay)
            .finish_non_exhaustive()
    }
}
