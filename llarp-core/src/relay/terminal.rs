//! The paths that end here, as tunnels see them.

use core::fmt;
use core::task::{Context, Poll};
use std::sync::{Arc, Weak};

use super::Shared;
use super::core::{Deliver, QueueFull};
use crate::crypto::identity::RelayId;
use crate::crypto::noise::StaticKey;
use crate::crypto::onion_key::OnionKeyId;
use crate::hop::{LinkId, Network, PathRef};
use crate::tunnel::{Carrier, Full, PathNumber, Services, TunnelKeys, Tunnels, serve_tunnel};

/// A relay, as its tunnels know it. Tunnels do not keep a relay alive.
pub(super) struct Terminal(pub(super) Weak<Shared>);

impl Carrier for Terminal {
    fn send(&self, path: PathNumber, packet: &[u8]) -> Result<(), Full> {
        let Some(shared) = self.0.upgrade() else {
            return Ok(());
        };
        let path = PathRef::from_number(path.0);
        let sent = shared.core().send_down(path, packet);
        sent.map_err(|QueueFull| Full)?;
        shared.flush_soon.notify_one();
        Ok(())
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let shared = self.0.upgrade();
        shared.map_or(Poll::Ready(()), |shared| shared.core().poll_room(cx))
    }

    fn link_of(&self, path: PathNumber) -> Option<LinkId> {
        let path = PathRef::from_number(path.0);
        self.0.upgrade()?.core().table.prev(path)
    }

    fn network_of(&self, path: PathNumber) -> Option<Network> {
        let link = self.link_of(path)?;
        let shared = self.0.upgrade()?;
        let asker = shared.core().neighbours.asker(link)?;
        asker.network()
    }
}

impl TunnelKeys for Terminal {
    fn relay(&self) -> RelayId {
        let shared = self.0.upgrade();
        shared.map_or(RelayId([0; 32]), |shared| shared.id)
    }

    fn find(&self, id: &OnionKeyId) -> Option<StaticKey> {
        let keys = self.0.upgrade()?.onion_keys();
        let found = keys.iter().find(|keys| keys.id() == *id);
        found.map(|keys| keys.x25519().clone())
    }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Terminal")
    }
}

impl Deliver for Shared {
    fn deliver(&self, path: PathRef, packet: &[u8]) {
        if let Some(tunnels) = self.tunnels.get() {
            tunnels.deliver(PathNumber(path.to_number()), packet);
        }
    }
}

/// Lets callers in, and serves each, until the tunnels are closed.
pub(super) async fn serve(tunnels: Tunnels, services: Services) {
    let services = Arc::new(services);
    while let Some(tunnel) = tunnels.accept().await {
        tokio::spawn(serve_tunnel(tunnel, Arc::clone(&services)));
    }
}

/// Sends what tunnels have queued, once for all that one wake-up of theirs makes.
pub(super) async fn flush(shared: Weak<Shared>) {
    loop {
        let Some(wait) = shared
            .upgrade()
            .map(|shared| Arc::clone(&shared.flush_soon))
        else {
            return;
        };
        wait.notified().await;
        if let Some(shared) = shared.upgrade() {
            shared.core().flush();
        }
    }
}
