//! The socket that QUIC sees: packets of all paths of a node.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

use super::carrier::{Carrier, PathNumber};
use super::route::{PathTaken, Routes, caller_address};
use crate::hop::{LinkId, Network};
use crate::wire::limits::{TUNNEL_INBOX_PACKETS, TUNNEL_PACKET_MAX};

/// Between QUIC and the carrier.
#[derive(Debug)]
pub(super) struct Socket {
    carrier: Arc<dyn Carrier>,
    pub(super) routes: RwLock<Routes>,
    inbox: Mutex<Inbox>,
    lasts: Mutex<Lasts>,
}

/// The last packet of each tunnel of ours. Callees never change a path by themselves, and keep none.
#[derive(Debug, Default)]
struct Lasts(BTreeMap<SocketAddr, Vec<u8>>);

impl Lasts {
    fn keep(&mut self, to: SocketAddr, packet: &[u8]) {
        // One that is over may still say good-bye, and leaves nothing.
        if let Some(last) = self.0.get_mut(&to) {
            last.clear();
            last.extend_from_slice(packet);
        }
    }
}

#[derive(Default)]
struct Inbox {
    waiting: VecDeque<(SocketAddr, Vec<u8>)>,
    /// Buffers that have served, to serve again.
    spare: Vec<Vec<u8>>,
    waker: Option<Waker>,
}

impl Socket {
    pub(super) fn new(carrier: Arc<dyn Carrier>) -> Self {
        Self {
            carrier,
            routes: RwLock::default(),
            inbox: Mutex::default(),
            lasts: Mutex::default(),
        }
    }

    /// Queues a packet that came over `path`, or drops it if the queue is full.
    pub(super) fn deliver(&self, path: PathNumber, packet: &[u8]) {
        if packet.is_empty() || packet.len() > TUNNEL_PACKET_MAX {
            return;
        }
        let source = self.routes().source(path);
        let waker = self.inbox().put(source, packet);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The link over which a path comes, if tunnels are counted by it.
    pub(super) fn link_of(&self, path: PathNumber) -> Option<LinkId> {
        self.carrier.link_of(path)
    }

    /// The network that a path comes from, if tunnels are counted by it.
    pub(super) fn network_of(&self, path: PathNumber) -> Option<Network> {
        self.carrier.network_of(path)
    }

    /// A new tunnel of ours over `path`; its number.
    pub(super) fn open(&self, path: PathNumber) -> Result<u64, PathTaken> {
        let tunnel = self.routes_mut().open(path)?;
        self.lasts().0.insert(caller_address(tunnel), Vec::new());
        Ok(tunnel)
    }

    /// From now on the packets of a tunnel of ours take `path`. Its last packet goes first, once
    /// more: if the old path has lost it, as a dead one has, its acknowledgement shows QUIC all that
    /// is lost, long before its own timers would.
    pub(super) fn turn(&self, tunnel: u64, path: PathNumber) -> Result<(), PathTaken> {
        self.routes_mut().turn(tunnel, path)?;
        if let Some(last) = self.lasts().0.get(&caller_address(tunnel))
            && !last.is_empty()
        {
            // No room is no loss: it is a copy.
            let _ = self.carrier.send(path, last);
        }
        Ok(())
    }

    /// A tunnel of ours is over.
    pub(super) fn close(&self, tunnel: u64) {
        self.routes_mut().close(tunnel);
        self.lasts().0.remove(&caller_address(tunnel));
    }

    fn lasts(&self) -> MutexGuard<'_, Lasts> {
        self.lasts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn routes(&self) -> std::sync::RwLockReadGuard<'_, Routes> {
        // The table's methods leave it whole wherever they could panic.
        self.routes.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn routes_mut(&self) -> std::sync::RwLockWriteGuard<'_, Routes> {
        self.routes.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inbox {
    fn put(&mut self, source: SocketAddr, packet: &[u8]) -> Option<Waker> {
        if self.waiting.len() >= TUNNEL_INBOX_PACKETS {
            return None;
        }
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(packet);
        self.waiting.push_back((source, buffer));
        self.waker.take()
    }

    fn take(&mut self, bufs: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) -> usize {
        let mut count = 0;
        for (buf, meta) in bufs.iter_mut().zip(meta) {
            let Some((addr, packet)) = self.waiting.pop_front() else {
                break;
            };
            // QUIC's buffers hold 1472 bytes, a packet at most 1277: nothing is cut off.
            let len = packet.len().min(buf.len());
            if let (Some(to), Some(from)) = (buf.get_mut(..len), packet.get(..len)) {
                to.copy_from_slice(from);
            }
            *meta = RecvMeta {
                addr,
                len,
                stride: len,
                ecn: None,
                dst_ip: None,
            };
            self.spare.push(packet);
            count += 1;
        }
        count
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Room(Arc::clone(&self.carrier)))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        // A tunnel that is gone, or a packet that no cell carries: dropped, as a network would.
        let Some(path) = self.routes().path(transmit.destination) else {
            return Ok(());
        };
        if transmit.contents.len() > TUNNEL_PACKET_MAX {
            return Ok(());
        }
        let sent = self.carrier.send(path, transmit.contents);
        sent.map_err(|_| io::Error::from(io::ErrorKind::WouldBlock))?;
        self.lasts().keep(transmit.destination, transmit.contents);
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut inbox = self.inbox();
        match inbox.take(bufs, meta) {
            0 => {
                inbox.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            count => Poll::Ready(Ok(count)),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(caller_address(0))
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

/// Wakes one tunnel when the carrier may take packets again.
#[derive(Debug)]
struct Room(Arc<dyn Carrier>);

impl UdpPoller for Room {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_room(cx).map(Ok)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}
