//! Tunnels over a client's paths, and those that outlive them.

use core::fmt;
use core::task::{Context, Poll};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use chacha20::ChaCha20Rng;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::Shared;
use super::builder::PathError;
use super::mover::Mover;
use super::path::Path;
use super::table::{Deliver, SendError};
use crate::crypto::identity::RelayId;
use crate::path::Want;
use crate::tunnel::{Carrier, ConnectError, FarEnd, Full, PathNumber, Tunnel};

/// Why there is no tunnel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TunnelError {
    /// There is no path to carry it.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The far end did not answer as it should.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The path's terminal has left the list of relays since the path was built.
    #[error("the terminal is no relay any more; build another path")]
    Unlisted,
}

/// A client's paths, as its tunnels know them. Tunnels do not keep a client alive.
pub(super) struct Paths {
    shared: Weak<Shared>,
    /// Of its own: tunnels send while the client's state is locked.
    rng: Mutex<ChaCha20Rng>,
}

impl Paths {
    pub(super) fn new(shared: &Arc<Shared>, rng: ChaCha20Rng) -> Self {
        Self {
            shared: Arc::downgrade(shared),
            rng: Mutex::new(rng),
        }
    }
}

impl Carrier for Paths {
    fn send(&self, path: PathNumber, packet: &[u8]) -> Result<(), Full> {
        let (Some(shared), Ok(path)) = (self.shared.upgrade(), u64::try_from(path.0)) else {
            return Ok(());
        };
        let now = shared.now();
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        match shared.table().send_data(path, packet, now, &mut *rng) {
            Err(SendError::Full) => Err(Full),
            Ok(()) | Err(SendError::Closed) => Ok(()),
        }
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let shared = self.shared.upgrade();
        shared.map_or(Poll::Ready(()), |shared| shared.table().poll_room(cx))
    }
}

impl fmt::Debug for Paths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Paths")
    }
}

impl Deliver for Shared {
    fn deliver(&self, path: u64, packet: &[u8]) {
        if let Some(tunnels) = self.tunnels.get() {
            tunnels.deliver(PathNumber(path.into()), packet);
        }
    }
}

/// A tunnel that outlives its paths. Dropped, it moves no more and lets its path go: what holds the
/// tunnel then holds a dead one.
pub struct Lasting {
    tunnel: Tunnel,
    path: watch::Receiver<Path>,
    mover: AbortHandle,
}

impl Drop for Lasting {
    fn drop(&mut self) {
        self.mover.abort();
    }
}

impl Lasting {
    /// The tunnel.
    #[must_use]
    pub const fn tunnel(&self) -> &Tunnel {
        &self.tunnel
    }

    /// The path that it takes now.
    #[must_use]
    pub fn path(&self) -> Path {
        self.path.borrow().clone()
    }

    /// Resolves with the path when the tunnel has moved to another one; `None` when it moves no
    /// more. Cancel-safe.
    pub async fn moved(&mut self) -> Option<Path> {
        self.path.changed().await.ok()?;
        Some(self.path.borrow_and_update().clone())
    }
}

impl fmt::Debug for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lasting").finish_non_exhaustive()
    }
}

/// Paths over which a lasting tunnel is tried before it is given up: two may die one after the other.
const CONNECT_TRIES: usize = 3;

impl Shared {
    pub(super) async fn tunnel(self: &Arc<Self>, path: &Path) -> Result<Tunnel, TunnelError> {
        let far = self.terminal_of(path).ok_or(TunnelError::Unlisted)?;
        let tunnels = self.tunnels.get().ok_or(PathError::Suspended)?;
        let number = PathNumber(path.number().into());
        Ok(tunnels.connect(number, far).await?)
    }

    pub(super) async fn lasting_tunnel(
        self: &Arc<Self>,
        relay: RelayId,
    ) -> Result<Lasting, TunnelError> {
        let (path, tunnel) = self.confirmed_tunnel(relay).await?;
        let (moves, moved) = watch::channel(path);
        let mover = Mover {
            shared: Arc::downgrade(self),
            relay,
            tunnel: tunnel.clone(),
            moves,
        };
        Ok(Lasting {
            tunnel,
            path: moved,
            mover: tokio::spawn(mover.run()).abort_handle(),
        })
    }

    /// A tunnel that may move. Nobody has it yet: if its path falls silent, another over another
    /// path costs less than to wait for this one's end.
    async fn confirmed_tunnel(
        self: &Arc<Self>,
        relay: RelayId,
    ) -> Result<(Path, Tunnel), TunnelError> {
        let mut silent = None;
        for tries_left in (0..CONNECT_TRIES).rev() {
            let path = self.build_beside(Want::Terminal(relay), silent.take());
            let path = path.await?;
            let connecting = async {
                let tunnel = self.tunnel(&path).await?;
                tunnel.confirmed().await?;
                Ok(tunnel)
            };
            tokio::select! {
                biased;
                tunnel = connecting => return tunnel.map(|tunnel| (path.clone(), tunnel)),
                () = path.suspected(), if tries_left > 0 => (),
                _ = path.ended(), if tries_left > 0 => (),
            }
            silent = Some(path.route().clone()).filter(|_| path.is_suspect());
        }
        Err(ConnectError::NoAnswer.into())
    }

    fn terminal_of(&self, path: &Path) -> Option<FarEnd> {
        let relay = *path.hops().expose().last()?;
        let onion = self.state().relays.get(&relay)?.onion.clone();
        Some(FarEnd::Terminal { relay, onion })
    }
}
