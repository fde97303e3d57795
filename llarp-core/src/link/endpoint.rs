//! One UDP socket, and every link over it.

use core::fmt;
use core::sync::atomic::AtomicU64;
use core::time::Duration;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quinn::{AsyncUdpSocket, Runtime, TokioRuntime, VarInt};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use super::cells::Lane;
use super::config::{EndpointConfig, Protocol, Role};
use super::connection::{Ended, Link, Peer, WeakLink};
use super::error::{CloseCode, StartError};
use super::knocks::{KnockCounts, Knocks, Verdict};
use super::origin::{Source, source};
use super::quic::{self, Cids};
use super::socket::Socket;
use super::table::{Activity, Rank, Table};
use super::{dial, tls};

/// One UDP socket, and every link over it. Clones share it. Runs until [`Endpoint::close`] or
/// [`Endpoint::drain`].
#[derive(Clone)]
pub struct Endpoint {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) config: EndpointConfig,
    pub(super) quic: quinn::Endpoint,
    pub(super) dialler: dial::Dialler,
    pub(super) serving: Mutex<bool>,
    pub(super) draining: watch::Sender<bool>,
    started: Instant,
    knocks: Mutex<Knocks>,
    table: Mutex<Table<WeakLink>>,
    clock: Arc<AtomicU64>,
    left: Notify,
}

impl Endpoint {
    /// Binds a UDP socket, in a tokio runtime.
    ///
    /// # Errors
    /// [`StartError::Socket`], [`StartError::Tls`].
    pub fn bind(config: EndpointConfig, address: SocketAddr) -> Result<Self, StartError> {
        let socket = Socket::bind(address).map_err(StartError::Socket)?;
        Self::with_socket(config, socket, Arc::new(TokioRuntime))
    }

    /// Takes any socket, such as one in memory, in a tokio runtime.
    ///
    /// # Errors
    /// As [`Endpoint::bind`].
    pub fn with_socket(
        config: EndpointConfig,
        socket: Arc<dyn AsyncUdpSocket>,
        runtime: Arc<dyn Runtime>,
    ) -> Result<Self, StartError> {
        warm_up();
        let cids = Cids::new(&config.seed, config.network);
        let tls = tls::client(&config.role, config.key_exchange).map_err(|_| StartError::Tls)?;
        let settings = quic::endpoint(&config, &cids);
        let quic = quinn::Endpoint::new_with_abstract_socket(settings, None, socket, runtime)
            .map_err(StartError::Socket)?;
        let shared = Shared {
            started: Instant::now(),
            knocks: Mutex::new(Knocks::new(config.limits)),
            table: Mutex::new(Table::new(config.limits)),
            dialler: dial::Dialler::new(tls, cids),
            quic,
            serving: Mutex::new(false),
            draining: watch::Sender::new(false),
            clock: Arc::default(),
            left: Notify::new(),
            config,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The socket's own address.
    ///
    /// # Errors
    /// The socket's.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.shared.quic.local_addr()
    }

    /// How many links there are, dialled ones included.
    #[must_use]
    pub fn links(&self) -> usize {
        self.shared.table().handles().count()
    }

    /// What became of those who dialled, since the start.
    #[must_use]
    pub fn knocks(&self) -> KnockCounts {
        self.shared.knocks().counts()
    }

    /// Closes all links at once.
    pub fn close(&self) {
        self.shared.draining.send_replace(true);
        let code = VarInt::from_u32(CloseCode::Draining.code().into());
        self.shared.quic.close(code, b"");
    }

    /// Leaves in order: refuses new links, tells the peers, waits up to `patience` for them to
    /// close their links, then closes what is left.
    pub async fn drain(&self, patience: Duration) {
        self.shared.draining.send_replace(true);
        let told = async {
            self.tell_peers(patience);
            self.shared.emptied().await;
        };
        let _ = timeout(patience, told).await;
        self.close();
        // The closes get out, and late packets are answered, for three probe timeouts.
        let _ = timeout(CLOSING_TIME, self.shared.quic.wait_idle()).await;
    }

    fn tell_peers(&self, patience: Duration) {
        let links: Vec<_> = self.shared.table().handles().cloned().collect();
        for link in links.iter().filter_map(WeakLink::upgrade) {
            if link.protocol() == Protocol::CELLS {
                tokio::spawn(async move {
                    let _ = timeout(patience, link.tell_draining()).await;
                });
            }
        }
    }
}

/// Lets the TLS library seed its generator now: it takes tens of milliseconds the first time, which
/// the first handshake would wait for.
fn warm_up() {
    let _ = aws_lc_rs::rand::fill(&mut [0; 16]);
}

/// How long a closing endpoint lingers for its last packets.
const CLOSING_TIME: Duration = Duration::from_secs(1);

impl Shared {
    /// Makes a link of an established connection, and room for it. `None`: there is no room.
    pub(super) fn admit(
        self: &Arc<Self>,
        quic: &quinn::Connection,
        rank: Rank,
        peer: Peer,
        protocol: Protocol,
        lane: Lane,
    ) -> Option<Link> {
        let activity = Arc::new(Activity::new(Arc::clone(&self.clock)));
        let from = source(quic.remote_address().ip());
        let link = Link::new(quic.clone(), peer, protocol, lane, Arc::clone(&activity));
        let admitted = self.table().admit(rank, from, activity, link.downgrade());
        let Some((id, evicted)) = admitted else {
            link.close(CloseCode::Refused);
            return None;
        };
        if let Some(link) = evicted.as_ref().and_then(WeakLink::upgrade) {
            link.close(CloseCode::Evicted);
        }
        if let (Role::Relay { .. }, Peer::Relay(relay)) = (&self.config.role, peer) {
            self.knocks().note_home(relay, from);
        }
        let ended = Arc::clone(&link.shared.ended);
        tokio::spawn(Arc::clone(self).forget_when_closed(id, quic.clone(), ended));
        Some(link)
    }

    /// Somebody at `from` knocks.
    pub(super) fn knock(&self, from: Source, proven: bool) -> Verdict {
        let now = self.started.elapsed();
        self.knocks().begin(now, from, proven)
    }

    pub(super) fn knocks(&self) -> MutexGuard<'_, Knocks> {
        // As below.
        self.knocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Table<WeakLink>> {
        // The table's methods leave it whole wherever they could panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn forget_when_closed(self: Arc<Self>, id: u64, quic: quinn::Connection, ended: Ended) {
        let reason = quic.closed().await;
        // Set already, if whoever held the link last was faster.
        let _ = ended.set(reason.into());
        self.table().remove(id);
        self.left.notify_waiters();
    }

    async fn emptied(&self) {
        loop {
            let left = self.left.notified();
            if self.table().is_empty() {
                return;
            }
            left.await;
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("links", &self.links())
            .finish_non_exhaustive()
    }
}
