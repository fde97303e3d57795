//! A network in memory, in virtual time: nothing is lost but packets above its limit.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{RelayId, SecretKey, Seed};
use llarp_core::crypto::secret::Secret;
use llarp_core::link::{Endpoint, EndpointConfig, Handlers, KnownRelays, Link, Protocol, Role};
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, TokioRuntime, UdpPoller};
use tokio::sync::mpsc;

/// The network; clones share it.
#[derive(Clone)]
pub(crate) struct Net(Arc<Mutex<Wires>>);

struct Wires {
    largest: usize,
    seen: Vec<usize>,
    inboxes: BTreeMap<SocketAddr, Inbox>,
}

#[derive(Default)]
struct Inbox {
    packets: VecDeque<(SocketAddr, Vec<u8>)>,
    waker: Option<Waker>,
}

impl Net {
    /// Carries packets of up to `largest` bytes.
    pub(crate) fn carrying(largest: usize) -> Self {
        Self(Arc::new(Mutex::new(Wires {
            largest,
            seen: Vec::new(),
            inboxes: BTreeMap::new(),
        })))
    }

    pub(crate) fn new() -> Self {
        Self::carrying(1500)
    }

    /// Carries nothing from now on.
    pub(crate) fn cut(&self) {
        self.0.lock().unwrap().largest = 0;
    }

    /// Sizes of the packets sent so far, lost ones included.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.0.lock().unwrap().seen.clone()
    }

    /// The relay with key `n`, at address `n`, which knows the relays `known`.
    pub(crate) fn relay(&self, n: u8, known: &[u8]) -> Endpoint {
        self.endpoint(n, relay_config(n, known))
    }

    /// A client at address `n`.
    pub(crate) fn client(&self, n: u8) -> Endpoint {
        self.endpoint(n, client_config(n))
    }

    pub(crate) fn endpoint(&self, n: u8, config: EndpointConfig) -> Endpoint {
        let socket = Socket(self.clone(), at(n));
        Endpoint::with_socket(config, Arc::new(socket), Arc::new(TokioRuntime)).unwrap()
    }

    fn send(&self, from: SocketAddr, transmit: &Transmit<'_>) {
        let mut wires = self.0.lock().unwrap();
        let packet = transmit.contents.to_vec();
        wires.seen.push(packet.len());
        if packet.len() > wires.largest {
            return;
        }
        let inbox = wires.inboxes.entry(transmit.destination).or_default();
        inbox.packets.push_back((from, packet));
        if let Some(waker) = inbox.waker.take() {
            waker.wake();
        }
    }
}

/// The address of machine `n`, in a network of its own.
pub(crate) fn at(n: u8) -> SocketAddr {
    (Ipv4Addr::new(192, 0, n, 1), 1090).into()
}

pub(crate) fn network() -> NetworkId {
    NetworkId::from_name("test")
}

pub(crate) fn key(n: u8) -> Arc<SecretKey> {
    let seed = Seed::new(Secret::take(&mut [n; 32]));
    Arc::new(SecretKey::from_seed(seed))
}

pub(crate) fn id(n: u8) -> RelayId {
    key(n).relay_id()
}

pub(crate) fn client_config(n: u8) -> EndpointConfig {
    EndpointConfig::new(Role::Client, network(), Secret::take(&mut [n; 32]))
}

pub(crate) fn relay_config(n: u8, known: &[u8]) -> EndpointConfig {
    let known = Arc::new(Known(known.iter().map(|n| id(*n)).collect()));
    let role = Role::Relay { key: key(n), known };
    EndpointConfig::new(role, network(), Secret::take(&mut [n; 32]))
}

/// Serves cells; the links that come in.
pub(crate) fn serve(endpoint: &Endpoint) -> mpsc::Receiver<Link> {
    let (links, accepted) = mpsc::channel(64);
    let queue = move |link| links.try_send(link).unwrap();
    let handlers = Handlers::new().with(Protocol::CELLS, queue);
    endpoint.serve(handlers).unwrap();
    accepted
}

/// A client at address 9 and its link with the relay 1, seen from both sides.
pub(crate) async fn pair(net: &Net) -> (Link, Link) {
    let relay = net.relay(1, &[]);
    let mut accepted = serve(&relay);
    let link = net.client(9).dial(&id(1), at(1)).await.unwrap();
    (link, accepted.recv().await.unwrap())
}

#[derive(Debug)]
struct Known(BTreeSet<RelayId>);

impl KnownRelays for Known {
    fn is_known(&self, id: &RelayId) -> bool {
        self.0.contains(id)
    }
}

struct Socket(Net, SocketAddr);

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.0.send(self.1, transmit);
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut wires = self.0.0.lock().unwrap();
        let inbox = wires.inboxes.entry(self.1).or_default();
        let Some((addr, packet)) = inbox.packets.pop_front() else {
            inbox.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        bufs[0][..packet.len()].copy_from_slice(&packet);
        meta[0] = RecvMeta {
            addr,
            len: packet.len(),
            stride: packet.len(),
            ecn: None,
            dst_ip: None,
        };
        Poll::Ready(Ok(1))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.1)
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
