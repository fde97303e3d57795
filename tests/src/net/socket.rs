//! A socket of the network, as QUIC wants it.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Net;
use super::wires::{Arrival, Look};

/// Datagrams that QUIC may hand over at once, as to a kernel with segmentation offload.
const SEGMENTS: usize = 10;

pub(super) struct Socket {
    net: Net,
    address: SocketAddr,
    binding: u64,
    /// Fires at the next arrival. Made when first needed: only there is a runtime for sure.
    timer: Mutex<Option<Pin<Box<Sleep>>>>,
}

impl Socket {
    pub(super) const fn new(net: Net, address: SocketAddr, binding: u64) -> Self {
        Self {
            net,
            address,
            binding,
            timer: Mutex::new(None),
        }
    }

    fn look(&self, waker: &Waker) -> Look {
        self.net.wires().look(self.address, self.binding, waker)
    }

    /// Whether the time has come; otherwise the task is woken then.
    fn is_past(&self, at: Instant, cx: &mut Context<'_>) -> bool {
        let mut timer = self.timer.lock().unwrap_or_else(PoisonError::into_inner);
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx).is_ready()
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(AlwaysWritable)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let segment = transmit.segment_size.unwrap_or(transmit.contents.len());
        for bytes in transmit.contents.chunks(segment.max(1)) {
            let mut wires = self.net.wires();
            if !wires.is_bound(self.address, self.binding) {
                return Ok(());
            }
            let sent = wires.send(self.address, transmit.destination, bytes);
            drop(wires);
            self.net.tell(sent);
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut received = 0;
        for (buf, meta) in bufs.iter_mut().zip(meta) {
            let arrival = match self.look(cx.waker()) {
                Look::Here(arrival) => arrival,
                Look::Later(at) if received == 0 && self.is_past(at, cx) => {
                    match self.look(cx.waker()) {
                        Look::Here(arrival) => arrival,
                        Look::Later(_) | Look::Nothing => break,
                    }
                }
                Look::Later(_) | Look::Nothing => break,
            };
            *meta = fill(buf, &arrival);
            received += 1;
        }
        match received {
            0 => Poll::Pending,
            some => Poll::Ready(Ok(some)),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn max_transmit_segments(&self) -> usize {
        SEGMENTS
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.net.wires().unbind(self.address, self.binding);
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.address)
    }
}

/// Copies what fits, as a kernel does.
fn fill(buf: &mut IoSliceMut<'_>, arrival: &Arrival) -> RecvMeta {
    let len = arrival.bytes.len().min(buf.len());
    buf[..len].copy_from_slice(&arrival.bytes[..len]);
    RecvMeta {
        addr: arrival.from,
        len,
        stride: len,
        ecn: None,
        dst_ip: None,
    }
}

/// The network takes everything at once: what is too much, it loses.
#[derive(Debug)]
struct AlwaysWritable;

impl UdpPoller for AlwaysWritable {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
