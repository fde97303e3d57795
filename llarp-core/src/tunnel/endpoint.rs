//! All tunnels of a node: calling, and being called.

use core::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quinn::{Incoming, TokioRuntime, VarInt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::debug;

use super::carrier::{Carrier, PathNumber};
use super::config::TunnelConfig;
use super::connection::{End, Route, Tunnel, greet};
use super::error::{ConnectError, NoRuntime, TunnelCode};
use super::gate::{From, Gate, Permit};
use super::handshake::{Draws, FarEnd, TunnelKeys};
use super::quic;
use super::route::{callee_path, caller_address};
use super::socket::Socket;
use crate::wire::limits::TUNNEL_HANDSHAKE_TIME;

/// All tunnels of a node, over one carrier. Clones share it. Runs until [`Tunnels::close`].
#[derive(Clone)]
pub struct Tunnels(Arc<Shared>);

struct Shared {
    config: TunnelConfig,
    draws: Draws,
    socket: Arc<Socket>,
    quic: quinn::Endpoint,
    gate: Arc<Mutex<Gate>>,
    /// Until somebody serves.
    ready: Mutex<Option<mpsc::Sender<Tunnel>>>,
    accepted: tokio::sync::Mutex<mpsc::Receiver<Tunnel>>,
}

/// Tunnels that wait for [`Tunnels::accept`]; above, their handshakes wait, and time out.
const READY: usize = 64;

impl Tunnels {
    /// Tunnels over `carrier`, in a tokio runtime.
    ///
    /// # Errors
    /// [`NoRuntime`].
    pub fn new(carrier: Arc<dyn Carrier>, config: TunnelConfig) -> Result<Self, NoRuntime> {
        let socket = Arc::new(Socket::new(carrier));
        let quic = quinn::Endpoint::new_with_abstract_socket(
            quic::endpoint(&config),
            None,
            Arc::clone(&socket) as Arc<dyn quinn::AsyncUdpSocket>,
            Arc::new(TokioRuntime),
        );
        let (ready, accepted) = mpsc::channel(READY);
        Ok(Self(Arc::new(Shared {
            draws: Draws::new(&config.seed, config.network),
            socket,
            quic: quic.map_err(NoRuntime)?,
            gate: Arc::new(Mutex::new(Gate::new(config.limits))),
            ready: Mutex::new(Some(ready)),
            accepted: tokio::sync::Mutex::new(accepted),
            config,
        })))
    }

    /// A packet has come over `path`. Dropped if it is no packet, or too many wait; never blocks.
    pub fn deliver(&self, path: PathNumber, packet: &[u8]) {
        self.0.socket.deliver(path, packet);
    }

    /// Answers callers from now on, with `keys`. Called again, with these instead.
    pub fn serve(&self, keys: Arc<dyn TunnelKeys>) {
        let shared = &self.0;
        let config = quic::callee(&shared.config, &shared.draws, keys);
        shared.quic.set_server_config(Some(config));
        if let Some(ready) = lock(&shared.ready).take() {
            let gate = Arc::clone(&shared.gate);
            let socket = Arc::clone(&shared.socket);
            tokio::spawn(welcome_all(shared.quic.clone(), socket, gate, ready));
        }
    }

    /// The next tunnel that a caller has opened; it has shown that it holds the keys. `None` once
    /// closed. Cancel-safe.
    pub async fn accept(&self) -> Option<Tunnel> {
        self.0.accepted.lock().await.recv().await
    }

    /// Calls `far` over `path`, which ends there. One round trip. Dropped midway, nothing is left.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(&self, path: PathNumber, far: FarEnd) -> Result<Tunnel, ConnectError> {
        let shared = &self.0;
        let route = Route::open(Arc::clone(&shared.socket), path)?;
        let config = quic::caller(&shared.config, &shared.draws, far);
        let address = caller_address(route.tunnel());
        let connecting = shared.quic.connect_with(config, address, "far");
        let connecting = connecting.map_err(|error| match error {
            quinn::ConnectError::InvalidServerName(_) => ConnectError::NotAKey,
            _ => ConnectError::Stopped,
        })?;
        match timeout(TUNNEL_HANDSHAKE_TIME, connecting).await {
            Ok(Ok(quic)) => Ok(Tunnel::new(quic, End::Caller(route))),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(ConnectError::NoAnswer),
        }
    }

    /// How many tunnels callers hold.
    #[must_use]
    pub fn called(&self) -> usize {
        lock(&self.0.gate).tunnels()
    }

    /// Closes all tunnels at once, for good.
    pub fn close(&self) {
        let code = VarInt::from_u32(TunnelCode::Stopping.code().into());
        self.0.quic.close(code, b"");
        lock(&self.0.ready).take();
    }

    /// Resolves when no tunnel is left: behind [`Tunnels::close`], when all have said good-bye.
    pub async fn closed(&self) {
        self.0.quic.wait_idle().await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is done under these locks leaves the values whole wherever it could panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn welcome_all(
    quic: quinn::Endpoint,
    socket: Arc<Socket>,
    gate: Arc<Mutex<Gate>>,
    ready: mpsc::Sender<Tunnel>,
) {
    while let Some(incoming) = quic.accept().await {
        let path = callee_path(incoming.remote_address());
        let from = path.map(|path| From {
            path,
            link: socket.link_of(path),
            network: socket.network_of(path),
        });
        match from.and_then(|from| Permit::handshake(&gate, from)) {
            Some(permit) => {
                tokio::spawn(welcome(incoming, permit, ready.clone()));
            }
            None => incoming.refuse(),
        }
    }
}

async fn welcome(incoming: Incoming, mut permit: Permit, ready: mpsc::Sender<Tunnel>) {
    let Ok(connecting) = incoming.accept() else {
        return debug!("a tunnel's first packet does not open");
    };
    let Ok(Ok(quic)) = timeout(TUNNEL_HANDSHAKE_TIME, connecting).await else {
        return debug!("a tunnel's handshake failed");
    };
    let refused = quic.clone();
    let Some(streams) = permit.become_tunnel(move || refuse(&refused)) else {
        return refuse(&quic);
    };
    let tunnel = Tunnel::new(quic.clone(), greet(quic.clone(), streams));
    let _ = timeout(TUNNEL_HANDSHAKE_TIME, ready.send(tunnel)).await;
    // Whoever waits for the next tunnel learns that there is none when the last sender is gone.
    drop(ready);
    quic.closed().await;
    drop(permit);
}

fn refuse(quic: &quinn::Connection) {
    let code = VarInt::from_u32(TunnelCode::Refused.code().into());
    quic.close(code, b"");
}

impl fmt::Debug for Tunnels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnels")
            .field("called", &self.called())
            .finish_non_exhaustive()
    }
}
