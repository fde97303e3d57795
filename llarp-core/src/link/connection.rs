//! A link: one peer, its cells, its requests.

use core::fmt;
use core::time::Duration;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};

use quinn::VarInt;
use tokio::sync::watch;

use super::cells::Lane;
use super::config::Protocol;
use super::error::{CloseCode, LinkClosed};
use super::request::Inbox;
use super::table::Activity;
use crate::crypto::identity::RelayId;
use crate::wire::Sensitive;

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A relay, which proved its key.
    Relay(RelayId),
    /// Somebody who did not say.
    Anonymous,
}

/// An established link. Clones share it; when the last is dropped, it closes with
/// [`CloseCode::Done`].
#[derive(Clone)]
pub struct Link {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) quic: quinn::Connection,
    peer: Peer,
    protocol: Protocol,
    pub(super) lane: Lane,
    pub(super) inbox: Inbox,
    pub(super) activity: Arc<Activity>,
    pub(super) peer_drains: watch::Sender<bool>,
    pub(super) ended: Ended,
}

/// How a link ended, once it has: known when nobody holds the link any more.
pub(super) type Ended = Arc<OnceLock<LinkClosed>>;

impl Link {
    pub(super) fn new(
        quic: quinn::Connection,
        peer: Peer,
        protocol: Protocol,
        lane: Lane,
        activity: Arc<Activity>,
    ) -> Self {
        let shared = Shared {
            quic,
            peer,
            protocol,
            lane,
            inbox: Inbox::default(),
            activity,
            peer_drains: watch::Sender::new(false),
            ended: Ended::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.shared.peer
    }

    /// Where the other end is now; it may move.
    #[must_use]
    pub fn remote(&self) -> Sensitive<SocketAddr> {
        Sensitive::new(self.shared.quic.remote_address())
    }

    /// The protocol that the link was made for.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.shared.protocol
    }

    /// Whether cells ride a stream, since the network carries no packets of 1350 bytes.
    #[must_use]
    pub fn is_narrow(&self) -> bool {
        matches!(self.shared.lane, Lane::Narrow(_))
    }

    /// The smoothed round-trip time.
    #[must_use]
    pub fn rtt(&self) -> Duration {
        self.shared.quic.rtt()
    }

    /// Closes the link, at once and for all its holders. What was not sent yet is lost.
    pub fn close(&self, code: CloseCode) {
        self.shared.close(code);
    }

    /// Resolves when the link has ended, with the reason. Cancel-safe.
    pub async fn closed(&self) -> LinkClosed {
        self.shared.quic.closed().await.into()
    }

    /// How the link has ended, if it has.
    #[must_use]
    pub fn close_reason(&self) -> Option<LinkClosed> {
        self.shared.quic.close_reason().map(Into::into)
    }

    /// Whether the peer has said that it is leaving. It says so in a request, so somebody must be
    /// in [`Link::next_request`].
    #[must_use]
    pub fn peer_drains(&self) -> bool {
        *self.shared.peer_drains.borrow()
    }

    /// Notes that the link is used now, so that it is not the first to go when room is needed: for
    /// protocols with a framing of their own. Cells and requests do so themselves.
    pub fn touch(&self) {
        self.shared.activity.touch();
    }

    /// The QUIC connection, for protocols with a framing of their own.
    #[must_use]
    pub fn quic(&self) -> &quinn::Connection {
        &self.shared.quic
    }

    pub(super) fn downgrade(&self) -> WeakLink {
        WeakLink(Arc::downgrade(&self.shared))
    }
}

impl Shared {
    pub(super) fn close(&self, code: CloseCode) {
        // No words: what goes on the wire tells a prober nothing.
        self.quic.close(VarInt::from_u32(code.code().into()), b"");
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(reason) = self.quic.close_reason() {
            // Set already, if the task that waits for the end was faster.
            let _ = self.ended.set(reason.into());
        }
        self.close(CloseCode::Done);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("protocol", &self.shared.protocol)
            .field("narrow", &self.is_narrow())
            .finish_non_exhaustive()
    }
}

/// A link that this does not keep open.
#[derive(Clone, Default)]
pub(super) struct WeakLink(Weak<Shared>);

impl WeakLink {
    /// The link, if somebody still holds it.
    pub(super) fn upgrade(&self) -> Option<Link> {
        self.0.upgrade().map(|shared| Link { shared })
    }

    /// The link, if it is open and its peer stays.
    pub(super) fn usable(&self) -> Option<Link> {
        self.upgrade()
            .filter(|link| link.close_reason().is_none() && !link.peer_drains())
    }
}
