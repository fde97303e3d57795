//! Machines and bare sockets on the network.

use core::future::poll_fn;
use std::io::IoSliceMut;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{RelayId, SecretKey, Seed};
use llarp_core::crypto::secret::Secret;
use llarp_core::link::{Endpoint, EndpointConfig, Handlers, KnownRelays, Link, Protocol, Role};
use llarp_tests::net::Net;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, TokioRuntime};
use tokio::sync::mpsc;

pub(super) fn at(n: u8) -> SocketAddr {
    (Ipv4Addr::new(192, 0, 2, n), 1090).into()
}

pub(super) fn network() -> NetworkId {
    NetworkId::from_name("testnet")
}

pub(super) fn key(n: u8) -> Arc<SecretKey> {
    let seed = Seed::new(Secret::take(&mut [n; 32]));
    Arc::new(SecretKey::from_seed(seed))
}

pub(super) fn id(n: u8) -> RelayId {
    key(n).relay_id()
}

/// The relay with key `n`, at `address`, which knows all others.
pub(super) fn relay(net: &Net, n: u8, address: SocketAddr) -> Endpoint {
    let known = Arc::new(Everybody);
    endpoint(net, n, Role::Relay { key: key(n), known }, address)
}

pub(super) fn client(net: &Net, n: u8) -> Endpoint {
    endpoint(net, n, Role::Client, at(n))
}

fn endpoint(net: &Net, n: u8, role: Role, address: SocketAddr) -> Endpoint {
    let config = EndpointConfig::new(role, network(), Secret::take(&mut [n; 32]));
    Endpoint::with_socket(config, net.socket(address), Arc::new(TokioRuntime)).unwrap()
}

/// Serves cells; the links that come in.
pub(super) fn serve(endpoint: &Endpoint) -> mpsc::Receiver<Link> {
    let (links, accepted) = mpsc::channel(64);
    let handlers = Handlers::new().with(Protocol::CELLS, move |link| links.try_send(link).unwrap());
    endpoint.serve(handlers).unwrap();
    accepted
}

#[derive(Debug)]
struct Everybody;

impl KnownRelays for Everybody {
    fn is_known(&self, _: &RelayId) -> bool {
        true
    }
}

/// A socket without QUIC.
pub(super) struct Bare(pub(super) Arc<dyn AsyncUdpSocket>);

impl Bare {
    pub(super) fn bind(net: &Net, n: u8) -> Self {
        Self(net.socket(at(n)))
    }

    pub(super) fn send(&self, to: SocketAddr, contents: &[u8]) {
        self.send_split(to, contents, None);
    }

    pub(super) fn send_split(&self, to: SocketAddr, contents: &[u8], segment: Option<usize>) {
        let transmit = Transmit {
            destination: to,
            ecn: None,
            contents,
            segment_size: segment,
            src_ip: None,
        };
        self.0.try_send(&transmit).unwrap();
    }

    /// The next datagram, with its source.
    pub(super) async fn recv(&self) -> (SocketAddr, Vec<u8>) {
        let mut bytes = [0; 2048];
        let mut meta = [RecvMeta::default()];
        let got = poll_fn(|cx| {
            let mut bufs = [IoSliceMut::new(&mut bytes)];
            match self.0.poll_recv(cx, &mut bufs, &mut meta) {
                Poll::Ready(got) => Poll::Ready(got.unwrap()),
                Poll::Pending => Poll::Pending,
            }
        });
        assert_eq!(got.await, 1);
        (meta[0].addr, bytes[..meta[0].len].to_vec())
    }
}
