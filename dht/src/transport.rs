//! Our links as libp2p's transport: registered relays only, and no address but their names.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::sync::Arc;

use chacha20::ChaCha20Rng;
use futures::FutureExt;
use futures::future::{BoxFuture, Ready, ready};
use libp2p_core::muxing::StreamMuxerBox;
use libp2p_core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p_core::{Multiaddr, Transport};
use libp2p_identity::PeerId;
use llarp_core::crypto::identity::RelayId;
use llarp_core::link::{Link, Peer, Redialer};
use llarp_core::relay::Directory;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::muxer::Muxer;
use crate::names::{address_of, peer_of, relay_in};

/// Links that are dialled over the relay's endpoint, and those that its peers dial.
pub(crate) struct Links {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) redialer: Arc<Redialer<ChaCha20Rng>>,
    /// Where the endpoint runs: what drives a link runs where it was dialled.
    pub(crate) runtime: Handle,
    pub(crate) arrivals: mpsc::Receiver<Link>,
    pub(crate) own: Multiaddr,
    /// Of nothing that ever listened: a `NewAddress` would set Kademlia's bootstrap going.
    pub(crate) id: ListenerId,
}

type Output = (PeerId, StreamMuxerBox);

impl Links {
    /// The peer of a link, if it may be here.
    fn admit(&self, link: &Link) -> Option<PeerId> {
        let Peer::Relay(relay) = link.peer() else {
            return None;
        };
        peer_of(&relay).filter(|_| self.directory.is_known(&relay))
    }

    fn link(&self, relay: RelayId) -> BoxFuture<'static, io::Result<Link>> {
        let redialer = Arc::clone(&self.redialer);
        let address = self.directory.address_of(&relay);
        let dial = self.runtime.spawn(async move {
            let address = address.ok_or(io::ErrorKind::AddrNotAvailable)?;
            // What libp2p would make of more words is a line in its log.
            let link = redialer.link(&relay, address).await;
            link.map_err(|_| io::Error::from(io::ErrorKind::NotConnected))
        });
        async move { dial.await.unwrap_or(Err(io::ErrorKind::Interrupted.into())) }.boxed()
    }
}

impl Transport for Links {
    type Output = Output;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<Output>>;
    type Dial = BoxFuture<'static, io::Result<Output>>;

    /// The endpoint listens, not libp2p.
    fn listen_on(
        &mut self,
        _: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        // What is refused hands its address back.
        let Some(relay) = relay_in(&address) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let (Some(peer), true) = (peer_of(&relay), self.directory.is_known(&relay)) else {
            return Err(TransportError::Other(
                io::ErrorKind::PermissionDenied.into(),
            ));
        };
        let link = self.link(relay);
        let dial = async move {
            let link = link.await?;
            Ok((peer, StreamMuxerBox::new(Muxer::of_link(link))))
        };
        Ok(dial.boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        loop {
            let Poll::Ready(Some(link)) = self.arrivals.poll_recv(cx) else {
                return Poll::Pending;
            };
            // A link that is dropped is closed.
            let Some(peer) = self.admit(&link) else {
                continue;
            };
            return Poll::Ready(TransportEvent::Incoming {
                listener_id: self.id,
                upgrade: ready(Ok((peer, StreamMuxerBox::new(Muxer::of_link(link))))),
                local_addr: self.own.clone(),
                send_back_addr: address_of(peer),
            });
        }
    }
}
