//! One tunnel: streams, datagrams, its end, and the path that it takes.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use quinn::{RecvStream, SendDatagramError, SendStream, VarInt};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::carrier::PathNumber;
use super::error::{ConnectError, DatagramError, StreamError, TunnelClosed, TunnelCode};
use super::gate::{Served, Streams};
use super::route::PathTaken;
use super::socket::Socket;
use super::stream::{BiStream, GIVEN_UP, IncomingStream, ServiceName, read_head};
use crate::wire::limits::{STREAM_HEAD_TIME, TUNNEL_HANDSHAKE_TIME, TUNNEL_STREAMS};

/// An encrypted connection with a far end. Clones share it; with the last of them, and the last of
/// its streams, it is closed.
#[derive(Clone)]
pub struct Tunnel(Arc<Inner>);

struct Inner {
    quic: quinn::Connection,
    end: End,
}

/// What a tunnel has besides QUIC, by side.
pub(super) enum End {
    /// We called, by this number.
    Caller(Route),
    /// We were called; streams with a head wait here, and are counted while they are served.
    Callee(Mutex<mpsc::Receiver<Opened>>, Streams),
}

/// A stream with its head read.
type Opened = (ServiceName, SendStream, RecvStream);

/// The route of a tunnel of ours; dropped, it is free.
pub(super) struct Route {
    socket: Arc<Socket>,
    tunnel: u64,
}

impl Route {
    pub(super) fn open(socket: Arc<Socket>, path: PathNumber) -> Result<Self, PathTaken> {
        let tunnel = socket.open(path)?;
        Ok(Self { socket, tunnel })
    }

    pub(super) const fn tunnel(&self) -> u64 {
        self.tunnel
    }
}

/// What a stream holds: its tunnel open, and at a callee the tunnel's place.
#[derive(Debug)]
pub(super) struct Holds {
    _tunnel: Tunnel,
    _served: Option<Served>,
}

impl Holds {
    const fn opened(tunnel: Tunnel) -> Self {
        Self {
            _tunnel: tunnel,
            _served: None,
        }
    }

    const fn served(tunnel: Tunnel, served: Served) -> Self {
        Self {
            _tunnel: tunnel,
            _served: Some(served),
        }
    }
}

/// How often a caller looks whether its handshake is confirmed: a small part of any round trip over
/// three relays.
const CONFIRMED_LOOK: Duration = Duration::from_millis(5);

impl Drop for Route {
    fn drop(&mut self) {
        self.socket.close(self.tunnel);
    }
}

impl Tunnel {
    pub(super) fn new(quic: quinn::Connection, end: End) -> Self {
        Self(Arc::new(Inner { quic, end }))
    }

    /// Opens a stream to the far end's service `name`; waits while too many are open. Callers
    /// alone open streams. Whether the service exists, reading tells
    /// ([`BiStream::admitted`]). Dropped midway, no stream is left open.
    ///
    /// # Errors
    /// There is no tunnel any more.
    pub async fn open_bi(&self, name: &ServiceName) -> Result<BiStream, StreamError> {
        let opened = self.0.quic.open_bi().await;
        let (mut send, recv) = opened.map_err(TunnelClosed::from)?;
        let mut head = Vec::new();
        name.encode(&mut head);
        send.write_all(&head).await?;
        Ok(BiStream::opened(Holds::opened(self.clone()), send, recv))
    }

    /// The next stream that the caller opens. Cancel-safe; several may wait.
    ///
    /// # Errors
    /// There is no tunnel any more, or it is one that we called.
    pub async fn accept_bi(&self) -> Result<IncomingStream, TunnelClosed> {
        let End::Callee(opened, streams) = &self.0.end else {
            return Err(self.closed().await);
        };
        let next = opened.lock().await.recv().await;
        match next {
            Some((name, send, recv)) => {
                let holds = Holds::served(self.clone(), streams.begin());
                Ok(IncomingStream::new(holds, name, send, recv))
            }
            None => Err(self.closed().await),
        }
    }

    /// Sends a datagram, which may get lost. If many wait, the oldest is dropped.
    ///
    /// # Errors
    /// [`DatagramError`].
    pub fn send_datagram(&self, bytes: Bytes) -> Result<(), DatagramError> {
        let got = bytes.len();
        let max = self.max_datagram_size();
        if got == 0 {
            return Err(DatagramError::WrongLength { max, got });
        }
        let sent = self.0.quic.send_datagram(bytes);
        sent.map_err(|error| match error {
            SendDatagramError::ConnectionLost(error) => DatagramError::Closed(error.into()),
            _ => DatagramError::WrongLength { max, got },
        })
    }

    /// The next datagram. Cancel-safe.
    ///
    /// # Errors
    /// There is no tunnel any more.
    pub async fn read_datagram(&self) -> Result<Bytes, TunnelClosed> {
        loop {
            let datagram = self.0.quic.read_datagram().await?;
            // An empty one is a caller's word that it has moved.
            if !datagram.is_empty() {
                return Ok(datagram);
            }
        }
    }

    /// The most bytes that a datagram carries now.
    #[must_use]
    pub fn max_datagram_size(&self) -> usize {
        self.0.quic.max_datagram_size().unwrap_or(0)
    }

    /// Waits until the far end has said that the handshake is finished at its side too: one more
    /// round trip. Until then the tunnel must not move. Cancel-safe.
    ///
    /// # Errors
    /// [`ConnectError`]: the far end has not finished it in time, or not at all.
    pub async fn confirmed(&self) -> Result<(), ConnectError> {
        if matches!(self.0.end, End::Callee(..)) {
            // There is no tunnel at this side before.
            return Ok(());
        }
        let confirming = async {
            // QUIC counts the frame that says so, but wakes nobody for it.
            while self.0.quic.stats().frame_rx.handshake_done == 0 {
                sleep(CONFIRMED_LOOK).await;
            }
        };
        tokio::select! {
            biased;
            closed = self.0.quic.closed() => Err(closed.into()),
            done = timeout(TUNNEL_HANDSHAKE_TIME, confirming) => {
                done.map_err(|_| ConnectError::NoAnswer)
            }
        }
    }

    /// From now on the tunnel's packets take `path`, which must lead to the same far end. What was
    /// under way on the old path is sent again; the far end follows as soon as a packet
    /// reaches it, if the tunnel is [`Tunnel::confirmed`]: a callee in the middle of a handshake
    /// drops what comes over another path, and the tunnel stands still for good. Nothing happens on the side that was called: it follows its caller.
    ///
    /// # Errors
    /// [`PathTaken`]: another tunnel holds the path.
    pub fn move_to(&self, path: PathNumber) -> Result<(), PathTaken> {
        let End::Caller(route) = &self.0.end else {
            return Ok(());
        };
        route.socket.turn(route.tunnel, path)?;
        // The far end must hear of it even if we have nothing to send. QUIC probes until it is
        // acknowledged; an error says that the tunnel is over.
        let _ = self.0.quic.send_datagram(Bytes::new());
        Ok(())
    }

    /// Closes the tunnel at once; what is under way is lost.
    pub fn close(&self, code: TunnelCode) {
        self.0.close(code);
    }

    /// Waits for the tunnel's end.
    pub async fn closed(&self) -> TunnelClosed {
        self.0.quic.closed().await.into()
    }

    /// QUIC's estimate of the round trip.
    #[must_use]
    pub fn rtt(&self) -> Duration {
        self.0.quic.rtt()
    }

    /// What has gone over the tunnel.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let stats = self.0.quic.stats();
        Traffic {
            sent: stats.udp_tx.datagrams,
            received: stats.udp_rx.datagrams,
            lost: stats.path.lost_packets,
            acknowledgements: stats.frame_rx.acks,
        }
    }

    /// Renews the keys now, instead of after
    /// [`TUNNEL_KEY_PACKETS`](crate::wire::limits::TUNNEL_KEY_PACKETS) packets.
    pub fn renew_keys(&self) {
        self.0.quic.force_key_update();
    }
}

/// Counts of a tunnel. A driver that sees `acknowledgements` stand still while `sent` grows knows
/// that the path is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Packets sent, each a cell.
    pub sent: u64,
    /// Packets received.
    pub received: u64,
    /// Packets sent and held to be lost.
    pub lost: u64,
    /// Acknowledgements received.
    pub acknowledgements: u64,
}

impl Inner {
    fn close(&self, code: TunnelCode) {
        self.quic.close(VarInt::from_u32(code.code().into()), b"");
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close(TunnelCode::Done);
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").finish_non_exhaustive()
    }
}

/// Reads the heads of a caller's streams, each in its own time, until the tunnel is closed.
pub(super) fn greet(quic: quinn::Connection, served: Streams) -> End {
    let (streams, opened) = mpsc::channel(TUNNEL_STREAMS as usize);
    tokio::spawn(async move {
        // As many at a time as QUIC lets the caller open.
        let mut heads = JoinSet::new();
        while let Ok((send, recv)) = quic.accept_bi().await {
            while heads.try_join_next().is_some() {}
            heads.spawn(read_one(streams.clone(), send, recv));
        }
    });
    End::Callee(Mutex::new(opened), served)
}

async fn read_one(streams: mpsc::Sender<Opened>, mut send: SendStream, mut recv: RecvStream) {
    match timeout(STREAM_HEAD_TIME, read_head(&mut recv)).await {
        Ok(Some(name)) => {
            let _ = streams.send((name, send, recv)).await;
        }
        _ => {
            let _ = send.reset(GIVEN_UP);
            let _ = recv.stop(GIVEN_UP);
        }
    }
}
