//! A stretch of bad road between real UDP sockets, for scenarios on loopback in real time.
//!
//! In: where to, how bad, a seed. Out: an address to send to instead; answers come back from it.
//! *Not* here: anything that repeats exactly, which [`net`](crate::net) does.
//!
//! ```text
//!  one socket ──▶ Forwarder's address ──(late, lost)──▶ a socket for each source ──▶ target
//!             ◀──────────────────────────(late, lost)──                          ◀──
//! ```

use core::time::Duration;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// Datagrams under way in one direction of one source; more are lost.
const UNDER_WAY_MAX: usize = 4096;
/// The largest UDP payload.
const LARGEST: usize = 65_507;

/// How bad the road is, each way. Order is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Road {
    /// How late datagrams are, beside what the machine takes.
    pub latency: Duration,
    /// How many of a thousand are lost.
    pub lost_per_mille: u32,
}

/// Forwards until it is dropped.
#[derive(Debug)]
pub struct Forwarder {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Forwarder {
    /// Forwards to `target` what comes to a new address on loopback.
    ///
    /// # Errors
    /// The socket's.
    pub async fn start(target: SocketAddr, road: Road, seed: u64) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr()?;
        let listening = Listening {
            socket: Arc::new(socket),
            target,
            road,
            dice: ChaCha20Rng::seed_from_u64(seed),
            sources: BTreeMap::new(),
            tasks: JoinSet::new(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(listening.run());
        Ok(Self {
            address,
            _tasks: tasks,
        })
    }

    /// Where to send to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The side of the sources, each with a lane to the target.
struct Listening {
    socket: Arc<UdpSocket>,
    target: SocketAddr,
    road: Road,
    dice: ChaCha20Rng,
    sources: BTreeMap<SocketAddr, mpsc::Sender<Late>>,
    tasks: JoinSet<()>,
}

/// A datagram and when it is due.
type Late = (Instant, Vec<u8>);

impl Listening {
    async fn run(mut self) {
        let mut buffer = vec![0; LARGEST];
        loop {
            // An error is that of an earlier datagram, which nobody has received.
            let Ok((len, source)) = self.socket.recv_from(&mut buffer).await else {
                continue;
            };
            if is_lost(&mut self.dice, self.road) {
                continue;
            }
            if !self.sources.contains_key(&source) {
                let Ok(lane) = self.open(source).await else {
                    continue;
                };
                self.sources.insert(source, lane);
            }
            if let Some(lane) = self.sources.get(&source) {
                let _ = lane.try_send((Instant::now() + self.road.latency, buffer[..len].to_vec()));
            }
        }
    }

    /// A socket for `source`, and tasks for both directions.
    async fn open(&mut self, source: SocketAddr) -> io::Result<mpsc::Sender<Late>> {
        let out = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        out.connect(self.target).await?;
        let (there, queued) = mpsc::channel(UNDER_WAY_MAX);
        self.tasks.spawn(deliver(Arc::clone(&out), None, queued));
        let (back, queued) = mpsc::channel(UNDER_WAY_MAX);
        let socket = Arc::clone(&self.socket);
        self.tasks.spawn(deliver(socket, Some(source), queued));
        let dice = ChaCha20Rng::from_rng(&mut self.dice);
        self.tasks.spawn(listen(out, self.road, dice, back));
        Ok(there)
    }
}

/// Puts what the target answers on the way back.
async fn listen(
    socket: Arc<UdpSocket>,
    road: Road,
    mut dice: ChaCha20Rng,
    lane: mpsc::Sender<Late>,
) {
    let mut buffer = vec![0; LARGEST];
    loop {
        let Ok(len) = socket.recv(&mut buffer).await else {
            continue;
        };
        if !is_lost(&mut dice, road) {
            let _ = lane.try_send((Instant::now() + road.latency, buffer[..len].to_vec()));
        }
    }
}

/// Sends each datagram when it is due; without `to`, to where the socket is connected.
async fn deliver(socket: Arc<UdpSocket>, to: Option<SocketAddr>, mut queued: mpsc::Receiver<Late>) {
    while let Some((due, bytes)) = queued.recv().await {
        sleep_until(due).await;
        // What the kernel does not take is lost, too.
        let _ = match to {
            Some(to) => socket.send_to(&bytes, to).await,
            None => socket.send(&bytes).await,
        };
    }
}

fn is_lost(dice: &mut ChaCha20Rng, road: Road) -> bool {
    u64::from(dice.next_u32()) * 1000 < u64::from(road.lost_per_mille) << 32
}
