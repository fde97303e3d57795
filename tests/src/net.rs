//! `TestNet`: a UDP network in memory and in virtual time, which one seed decides.
//!
//! In: a seed, a [`Weather`], addresses. Out: sockets for `Endpoint::with_socket`, a transcript of
//! all that was sent, counts. *Not* here: keys, nodes, what the datagrams mean. A relay that lies
//! is a [`tap`]; whether two links look alike is asked in [`compare`]. Described in
//! `docs/testing.md`.
//!
//! ```text
//!  socket A ── try_send ──▶ cut? too large? lost? queue full? ──▶ (gone)
//!                                      │ twice, late
//!                                      ▼
//!                        BTreeMap (arrival, number) of socket B ── one timer ──▶ poll_recv
//! ```
//!
//! Cuts and weather act when a datagram is sent; what is under way arrives. Tokio's timers count
//! whole milliseconds, so a datagram is received at the first whole millisecond of the runtime's
//! life at or after its arrival, and in the order of arrivals.

pub mod compare;
pub mod tap;

mod ledger;
mod rules;
mod socket;
mod time;
mod weather;
mod wires;

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quinn::AsyncUdpSocket;

pub use ledger::{Count, Datagram};
pub use time::{VIRTUAL_LIMIT, virtual_time, virtual_time_within};
pub use weather::{Bandwidth, Weather};

use socket::Socket;
use wires::Wires;

/// The network; clones share it.
#[derive(Clone)]
pub struct Net(Arc<Shared>);

struct Shared {
    wires: Mutex<Wires>,
    /// Beside the wires, so that a spy may ask the network.
    spies: Mutex<Vec<Spy>>,
}

type Spy = Box<dyn FnMut(Datagram) + Send>;

impl Net {
    /// A network whose accidents `seed` decides, with `weather` between all addresses. Call it
    /// within [`virtual_time`]: its clock starts now.
    #[must_use]
    pub fn new(seed: u64, weather: Weather) -> Self {
        Self(Arc::new(Shared {
            wires: Mutex::new(Wires::new(seed, weather)),
            spies: Mutex::default(),
        }))
    }

    /// The socket at `address`, until it is dropped.
    ///
    /// # Panics
    /// If somebody has the address. A machine that fell over leaves it by [`Net::kill`].
    #[must_use]
    pub fn socket(&self, address: SocketAddr) -> Arc<dyn AsyncUdpSocket> {
        let binding = self.wires().bind(address);
        Arc::new(Socket::new(self.clone(), address, binding))
    }

    /// Takes the socket at `address` off the network, as a power cut does: it receives and sends
    /// nothing any more, what it had not read is gone, and the address is free.
    pub fn kill(&self, address: SocketAddr) {
        self.wires().kill(address);
    }

    /// Sends a datagram that no socket sent, with any address as its source.
    pub fn inject(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let sent = self.wires().send(from, to, bytes);
        self.tell(sent);
    }

    /// The weather between all pairs of addresses without one of their own.
    pub fn set_weather_everywhere(&self, weather: Weather) {
        self.wires().rules.everywhere = weather;
    }

    /// The weather between `a` and `b`, both ways.
    pub fn set_weather(&self, a: SocketAddr, b: SocketAddr, weather: Weather) {
        self.set_weather_one_way(a, b, weather);
        self.set_weather_one_way(b, a, weather);
    }

    /// The weather on the way from `from` to `to`.
    pub fn set_weather_one_way(&self, from: SocketAddr, to: SocketAddr, weather: Weather) {
        self.wires().rules.own.insert((from, to), weather);
    }

    /// Nothing reaches or leaves `address` from now on.
    pub fn cut(&self, address: SocketAddr) {
        self.wires().rules.cut.insert(address);
    }

    /// Nothing passes between `a` and `b` from now on.
    pub fn cut_pair(&self, a: SocketAddr, b: SocketAddr) {
        self.wires().rules.cut_pairs.extend([(a, b), (b, a)]);
    }

    /// Nothing passes between different `islands` from now on. Addresses on none of them form one
    /// more. Replaces an earlier partition.
    pub fn partition(&self, islands: &[&[SocketAddr]]) {
        self.wires().rules.divide(islands);
    }

    /// Undoes all cuts and the partition. The weather stays.
    pub fn heal(&self) {
        self.wires().rules.heal();
    }

    /// A hash over time in microseconds, source, destination and length of every datagram sent so
    /// far, lost ones included. Not over their bytes: TLS draws its own randomness.
    #[must_use]
    pub fn transcript(&self) -> [u8; 32] {
        self.wires().ledger.transcript()
    }

    /// What was sent so far, by source and destination.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<(SocketAddr, SocketAddr), Count> {
        self.wires().ledger.counts().clone()
    }

    /// Shows `spy` every datagram that is sent from now on, lost ones included.
    pub fn spy(&self, spy: impl FnMut(Datagram) + Send + 'static) {
        let mut spies = self.0.spies.lock().unwrap_or_else(PoisonError::into_inner);
        spies.push(Box::new(spy));
    }

    /// How long the network has been there.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.wires().elapsed()
    }

    fn wires(&self) -> MutexGuard<'_, Wires> {
        // A poisoned lock means a failed test, whose first panic is the one to read.
        self.0.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, datagram: Datagram) {
        let mut spies = self.0.spies.lock().unwrap_or_else(PoisonError::into_inner);
        for spy in &mut *spies {
            spy(datagram);
        }
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Net")
    }
}
