//! Being dialled: who is let in, and which handler gets the link.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use quinn::Incoming;
use quinn::crypto::rustls::HandshakeData;
use rustls::pki_types::CertificateDer;
use tokio::time::timeout;
use tracing::debug;

use super::cells::Lane;
use super::config::{Protocol, Role};
use super::connection::{Link, Peer};
use super::endpoint::{Endpoint, Shared};
use super::error::{CloseCode, StartError};
use super::knocks::Verdict;
use super::origin::{Source, source};
use super::quic::{self, Width};
use super::table::Rank;
use super::tls;
use crate::wire::limits::HANDSHAKE_TIME;

/// What gets the links of a protocol. Returns at once: it spawns, or queues, what it does.
pub trait Handler: Send + Sync {
    /// A peer has dialled. A link that is dropped is closed.
    fn accept(&self, link: Link);
}

impl<F: Fn(Link) + Send + Sync> Handler for F {
    fn accept(&self, link: Link) {
        self(link);
    }
}

/// The protocols that an endpoint serves.
#[derive(Default)]
pub struct Handlers(Vec<(Protocol, Arc<dyn Handler>)>);

impl Handlers {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These, and `handler` for `protocol`.
    #[must_use]
    pub fn with(mut self, protocol: Protocol, handler: impl Handler + 'static) -> Self {
        self.0.push((protocol, Arc::new(handler)));
        self
    }
}

impl core::fmt::Debug for Handlers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(protocol, _)| protocol))
            .finish()
    }
}

impl Endpoint {
    /// Lets peers in from now on, in a task that ends with the endpoint.
    ///
    /// # Errors
    /// [`StartError`] unless this is a relay, called once, with one handler a protocol.
    pub fn serve(&self, handlers: Handlers) -> Result<(), StartError> {
        let door = Door::new(Arc::clone(&self.shared), handlers)?;
        {
            let serving = self.shared.serving.lock();
            let mut serving = serving.unwrap_or_else(PoisonError::into_inner);
            if core::mem::replace(&mut *serving, true) {
                return Err(StartError::Twice);
            }
        }
        let config = quinn::ServerConfig::clone(&door.wide);
        self.shared.quic.set_server_config(Some(config));
        tokio::spawn(Arc::new(door).open());
        Ok(())
    }
}

/// Everything that being dialled needs.
struct Door {
    shared: Arc<Shared>,
    handlers: BTreeMap<Vec<u8>, (Protocol, Arc<dyn Handler>)>,
    wide: Arc<quinn::ServerConfig>,
    narrow: Arc<quinn::ServerConfig>,
}

impl Door {
    fn new(shared: Arc<Shared>, handlers: Handlers) -> Result<Self, StartError> {
        let Role::Relay { key, known } = &shared.config.role else {
            return Err(StartError::NotARelay);
        };
        let count = handlers.0.len();
        let handlers: BTreeMap<_, _> = (handlers.0.into_iter())
            .map(|(protocol, handler)| (protocol.alpn(&shared.config.network), (protocol, handler)))
            .collect();
        if handlers.is_empty() || handlers.len() != count {
            return Err(StartError::Handlers);
        }
        let tls = tls::server(key, known, shared.config.key_exchange);
        let mut tls = tls.map_err(|_| StartError::Tls)?;
        tls.alpn_protocols = handlers.keys().cloned().collect();
        let tls = Arc::new(tls);
        let wide = Arc::new(quic::server(Arc::clone(&tls), Width::Wide)?);
        let narrow = Arc::new(quic::server(tls, Width::Narrow)?);
        Ok(Self {
            shared,
            handlers,
            wide,
            narrow,
        })
    }

    async fn open(self: Arc<Self>) {
        while let Some(incoming) = self.shared.quic.accept().await {
            self.knock(incoming);
        }
    }

    fn knock(self: &Arc<Self>, incoming: Incoming) {
        if *self.shared.draining.borrow() {
            return incoming.refuse();
        }
        let from = source(incoming.remote_address().ip());
        let proven = incoming.remote_address_validated();
        let verdict = self.shared.knock(from, proven);
        match verdict {
            Verdict::Refuse => incoming.refuse(),
            Verdict::Prove => {
                if let Err(error) = incoming.retry() {
                    error.into_incoming().refuse();
                }
            }
            Verdict::Welcome => {
                let handshake = Handshake(Arc::clone(&self.shared), from);
                tokio::spawn(Arc::clone(self).welcome(incoming, handshake));
            }
        }
    }

    async fn welcome(self: Arc<Self>, incoming: Incoming, _handshake: Handshake) {
        let width = Width::of_initial_cid(&incoming.orig_dst_cid());
        let config = match width {
            Width::Wide => &self.wide,
            Width::Narrow => &self.narrow,
        };
        let Ok(connecting) = incoming.accept_with(Arc::clone(config)) else {
            return;
        };
        match timeout(HANDSHAKE_TIME, connecting).await {
            Ok(Ok(quic)) => self.hand_over(&quic, width),
            // Neither who nor where: a log must not say.
            Ok(Err(_)) => debug!("a handshake failed"),
            Err(_) => debug!("a handshake took too long"),
        }
    }

    fn hand_over(&self, quic: &quinn::Connection, width: Width) {
        let handler = alpn(quic).and_then(|name| self.handlers.get(&name));
        let (Some((protocol, handler)), Some(peer)) = (handler, peer(quic)) else {
            return refuse(quic);
        };
        let rank = match peer {
            Peer::Anonymous => Rank::Anonymous,
            Peer::Relay(relay) => Rank::Relay(relay, *protocol),
        };
        let link = Lane::open(quic, width)
            .filter(|_| !*self.shared.draining.borrow())
            .and_then(|lane| self.shared.admit(quic, rank, peer, *protocol, lane));
        match link {
            Some(link) => handler.accept(link),
            None => refuse(quic),
        }
    }
}

/// A handshake under way; dropped, it is over.
struct Handshake(Arc<Shared>, Source);

impl Drop for Handshake {
    fn drop(&mut self) {
        self.0.knocks().end(self.1);
    }
}

fn refuse(quic: &quinn::Connection) {
    quic.close(
        quinn::VarInt::from_u32(CloseCode::Refused.code().into()),
        b"",
    );
}

fn alpn(quic: &quinn::Connection) -> Option<Vec<u8>> {
    let data = quic.handshake_data()?.downcast::<HandshakeData>().ok()?;
    data.protocol
}

/// Who TLS says is there. `None`: a key that is no relay's form, which TLS has let nobody show.
fn peer(quic: &quinn::Connection) -> Option<Peer> {
    let Some(keys) = quic.peer_identity() else {
        return Some(Peer::Anonymous);
    };
    let keys = keys.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    match keys.as_slice() {
        [key] => tls::relay_id(key).map(Peer::Relay),
        _ => None,
    }
}
