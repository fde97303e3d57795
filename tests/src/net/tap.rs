//! A relay that is not what it seems: somebody with its key sits before it, and passes on, notes,
//! drops, garbles, doubles, delays or invents what goes through.
//!
//! In: the relay's key, the address by which the others know it, the hidden one where the true
//! relay listens, the keys of those who may dial it, a [`Policy`]. Out: links that work as if
//! nobody sat there, as far as the policy lets them. *Not* here: links that the true relay dials
//! itself; a tap before their other end sees those.
//!
//! ```text
//!            near link                        far link
//!  A ──────────────────────▶ Tap (B's key) ─────────────────────▶ B at its hidden address
//!     dials B's known address   │     dials as A, or as nobody
//!                               └─ Policy: cell, request, reply
//! ```
//!
//! Nothing in production knows of it. Two things do not pass: what is no cell by its length, and
//! the link's own notice that a machine is draining.

mod forward;
mod policy;
mod recorder;

use core::fmt;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{RelayId, SecretKey};
use llarp_core::crypto::secret::Secret;
use llarp_core::link::{
    CloseCode, Endpoint, EndpointConfig, Handlers, KnownRelays, Link, Peer, Protocol, Role,
};
use quinn::TokioRuntime;

use super::Net;
pub use policy::{Cell, CellFate, Direction, Passing, Policy, ReplyFate, RequestFate};
pub use recorder::{Heard, Message, Recorder};

/// The first port from which a tap dials the true relay, unless it is told another: its links come
/// from their peers' own IPs.
pub const FIRST_PORT: u16 = 50_000;

/// Where a tap sits, and whom it can be.
#[derive(Debug, Clone)]
pub struct TapConfig {
    /// The network.
    pub network: NetworkId,
    /// The key of the relay.
    pub relay: Arc<SecretKey>,
    /// The address that the others know.
    pub known_address: SocketAddr,
    /// Where the true relay listens.
    pub hidden_address: SocketAddr,
    /// Keys of the relays that may dial it; others by name are refused, as by a true relay.
    pub peers: Vec<Arc<SecretKey>>,
    /// The first port from which it dials the true relay: another for each tap that the same peers
    /// dial.
    pub first_port: u16,
    /// The protocols that pass.
    pub protocols: Vec<Protocol>,
}

impl TapConfig {
    /// A tap of cells and requests for `relay`, which only anonymous peers dial.
    #[must_use]
    pub fn new(
        network: NetworkId,
        relay: Arc<SecretKey>,
        known_address: SocketAddr,
        hidden_address: SocketAddr,
    ) -> Self {
        Self {
            network,
            relay,
            known_address,
            hidden_address,
            peers: Vec::new(),
            first_port: FIRST_PORT,
            protocols: vec![Protocol::CELLS],
        }
    }
}

/// A running tap; clones share it.
#[derive(Clone)]
pub struct Tap(Arc<Shared>);

struct Shared {
    net: Net,
    config: TapConfig,
    listening: Endpoint,
    policy: Mutex<Box<dyn Policy>>,
    links: Mutex<Links>,
}

#[derive(Default)]
struct Links {
    count: u16,
    open: BTreeMap<u16, (Link, Link)>,
}

impl Tap {
    /// Listens at the relay's known address, until [`Tap::close`].
    ///
    /// # Panics
    /// If the address is taken.
    #[must_use]
    pub fn start(net: &Net, config: TapConfig, policy: impl Policy + 'static) -> Self {
        let role = config.relay_role(&config.relay);
        let listening = config.endpoint(net, role, config.known_address, 0);
        let protocols = config.protocols.clone();
        let tap = Self(Arc::new(Shared {
            net: net.clone(),
            config,
            listening,
            policy: Mutex::new(Box::new(policy)),
            links: Mutex::default(),
        }));
        let handlers = protocols.iter().fold(Handlers::new(), |handlers, one| {
            let tap = tap.clone();
            handlers.with(*one, move |near| {
                tokio::spawn(tap.clone().pass_on(near));
            })
        });
        let serving = tap.0.listening.serve(handlers);
        serving.expect("a relay serves once, with protocols named once");
        tap
    }

    /// The two ends of an open link, the near and the far one: to send what nobody sent.
    #[must_use]
    pub fn ends(&self, link: u16) -> Option<(Link, Link)> {
        self.0.links().open.get(&link).cloned()
    }

    /// Closes all links through the tap, and listens no more.
    pub fn close(&self) {
        self.0.listening.close();
        let open = core::mem::take(&mut self.0.links().open);
        for (near, far) in open.into_values() {
            near.close(CloseCode::Draining);
            far.close(CloseCode::Draining);
        }
    }

    async fn pass_on(self, near: Link) {
        let shared = self.0;
        let link = shared.number();
        let from = SocketAddr::new(near.remote().expose().ip(), shared.config.first_port + link);
        let Some(role) = shared.config.role_of(near.peer()) else {
            return near.close(CloseCode::Refused);
        };
        let endpoint = shared.config.endpoint(&shared.net, role, from, link);
        let relay = shared.config.relay.relay_id();
        let dialled = endpoint.dial_protocol(near.protocol(), &relay, shared.config.hidden_address);
        let Ok(far) = dialled.await else {
            return near.close(CloseCode::Refused);
        };
        let ends = (near.clone(), far.clone());
        shared.links().open.insert(link, ends);
        let passing = Passing {
            relay,
            peer: near.peer(),
            link,
            direction: Direction::ToRelay,
        };
        forward::both_ways(&shared, passing, near, far).await;
        shared.links().open.remove(&link);
        endpoint.close();
    }
}

impl Shared {
    fn number(&self) -> u16 {
        let mut links = self.links();
        links.count += 1;
        links.count
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn policy(&self) -> MutexGuard<'_, Box<dyn Policy>> {
        self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TapConfig {
    /// What the true relay is to believe of `peer`. `None`: the tap has no such key.
    fn role_of(&self, peer: Peer) -> Option<Role> {
        let Peer::Relay(id) = peer else {
            return Some(Role::Client);
        };
        let key = self.peers.iter().find(|key| key.relay_id() == id)?;
        Some(self.relay_role(key))
    }

    fn relay_role(&self, key: &Arc<SecretKey>) -> Role {
        let known = self.peers.iter().map(|key| key.relay_id()).collect();
        Role::Relay {
            key: Arc::clone(key),
            known: Arc::new(Peers(known)),
        }
    }

    fn endpoint(&self, net: &Net, role: Role, address: SocketAddr, link: u16) -> Endpoint {
        // A seed for each endpoint, also after a restart: connection ids must not repeat.
        let mut seed = self.relay.relay_id().0;
        seed[..2].copy_from_slice(&link.to_be_bytes());
        seed[2..18].copy_from_slice(&net.elapsed().as_nanos().to_be_bytes());
        let config = EndpointConfig::new(role, self.network, Secret::take(&mut seed));
        let started = Endpoint::with_socket(config, net.socket(address), Arc::new(TokioRuntime));
        started.expect("a relay's key and a socket in memory start an endpoint")
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap")
            .field("links", &self.0.links().open.len())
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Peers(Vec<RelayId>);

impl KnownRelays for Peers {
    fn is_known(&self, id: &RelayId) -> bool {
        self.0.contains(id)
    }
}
