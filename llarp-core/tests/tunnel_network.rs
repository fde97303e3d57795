//! Two nodes and a network in memory between them, in virtual time: it can lose, delay, copy and
//! reorder packets, and paths can be cut.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::RelayId;
use llarp_core::crypto::noise::StaticKey;
use llarp_core::crypto::onion_key::{OnionKeyId, OnionSecret};
use llarp_core::crypto::secret::Secret;
use llarp_core::tunnel::{
    Carrier, FarEnd, Full, PathNumber, ServiceName, Services, Tunnel, TunnelConfig, TunnelKeys,
    Tunnels, serve_tunnel,
};
use llarp_core::wire::limits::TUNNEL_PACKET_MAX;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

use super::support::{TestRelay, network, rng};

/// What the network does to packets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    /// One way.
    pub(crate) delay: Duration,
    /// More of it, at random: packets overtake each other.
    pub(crate) jitter: Duration,
    /// Lost, of a thousand.
    pub(crate) lost: u32,
    /// Carried twice, of a thousand.
    pub(crate) copied: u32,
}

pub(crate) const FAIR: Weather = Weather {
    delay: Duration::from_millis(50),
    jitter: Duration::ZERO,
    lost: 0,
    copied: 0,
};

#[derive(Debug)]
pub(crate) struct Net {
    ends: [OnceLock<Tunnels>; 2],
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    weather: Weather,
    rng: ChaCha20Rng,
    cut: BTreeSet<PathNumber>,
    /// Packets by sender, in order; bytes are kept while `recording`.
    sent: [Vec<(PathNumber, Vec<u8>)>; 2],
}

#[derive(Debug)]
struct End(Arc<Net>, usize);

impl Carrier for End {
    fn send(&self, path: PathNumber, packet: &[u8]) -> Result<(), Full> {
        assert!(packet.len() <= TUNNEL_PACKET_MAX);
        self.0.carry(self.1, path, packet);
        Ok(())
    }

    fn poll_room(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Net {
    fn new(weather: Weather) -> Arc<Self> {
        Arc::new(Self {
            ends: [OnceLock::new(), OnceLock::new()],
            state: Mutex::new(State {
                weather,
                rng: rng(7),
                cut: BTreeSet::new(),
                sent: [Vec::new(), Vec::new()],
            }),
        })
    }

    fn carry(self: &Arc<Self>, from: usize, path: PathNumber, packet: &[u8]) {
        let mut state = self.state.lock().unwrap();
        state.sent[from].push((path, packet.to_vec()));
        let weather = state.weather;
        let mut chance = |of: u32| state.rng.next_u32() % 1000 < of;
        if chance(weather.lost) {
            return;
        }
        let copies = if chance(weather.copied) { 2 } else { 1 };
        if state.cut.contains(&path) {
            return;
        }
        for _ in 0..copies {
            let jitter = weather
                .jitter
                .mul_f64(f64::from(state.rng.next_u32() % 1000) / 1000.0);
            let (net, packet) = (Arc::clone(self), packet.to_vec());
            tokio::spawn(async move {
                tokio::time::sleep(weather.delay + jitter).await;
                net.ends[1 - from].get().unwrap().deliver(path, &packet);
            });
        }
    }

    /// Carries nothing over `path` from now on.
    pub(crate) fn cut(&self, path: PathNumber) {
        self.state.lock().unwrap().cut.insert(path);
    }

    /// What the caller (0) or the callee (1) has sent.
    pub(crate) fn sent(&self, end: usize) -> Vec<(PathNumber, Vec<u8>)> {
        self.state.lock().unwrap().sent[end].clone()
    }
}

/// A client and a relay that serves.
pub(crate) struct Pair {
    pub(crate) net: Arc<Net>,
    pub(crate) client: Tunnels,
    pub(crate) relay: Tunnels,
    pub(crate) keys: Arc<Keys>,
}

#[derive(Debug)]
pub(crate) struct Keys {
    relay: RelayId,
    onion: OnionSecret,
}

impl TunnelKeys for Keys {
    fn relay(&self) -> RelayId {
        self.relay
    }

    fn find(&self, id: &OnionKeyId) -> Option<StaticKey> {
        (*id == self.onion.id()).then(|| self.onion.x25519().clone())
    }
}

impl Keys {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let TestRelay { id, mut onion, .. } = TestRelay::new(seed);
        let onion = onion.pop().unwrap();
        Arc::new(Self { relay: id, onion })
    }

    pub(crate) fn far(&self) -> FarEnd {
        FarEnd::Terminal {
            relay: self.relay,
            onion: self.onion.public(),
        }
    }
}

pub(crate) fn config(seed: u8, network: NetworkId) -> TunnelConfig {
    TunnelConfig::new(network, Secret::take(&mut [seed; 32]))
}

impl Pair {
    pub(crate) fn relay_id() -> RelayId {
        Keys::new(1).relay
    }

    pub(crate) fn new(weather: Weather) -> Self {
        Self::with(weather, config(1, network()), config(2, network()))
    }

    pub(crate) fn with(weather: Weather, client: TunnelConfig, relay: TunnelConfig) -> Self {
        let net = Net::new(weather);
        let client = Tunnels::new(Arc::new(End(Arc::clone(&net), 0)), client).unwrap();
        let relay = Tunnels::new(Arc::new(End(Arc::clone(&net), 1)), relay).unwrap();
        net.ends[0].set(client.clone()).unwrap();
        net.ends[1].set(relay.clone()).unwrap();
        let keys = Keys::new(1);
        relay.serve(Arc::clone(&keys) as Arc<dyn TunnelKeys>);
        Self {
            net,
            client,
            relay,
            keys,
        }
    }

    /// A tunnel over path 1, seen from both sides.
    pub(crate) async fn tunnel(&self) -> (Tunnel, Tunnel) {
        let far = self.keys.far();
        let (ours, theirs) =
            tokio::join!(self.client.connect(PathNumber(1), far), self.relay.accept());
        (ours.unwrap(), theirs.unwrap())
    }

    /// A tunnel over path 1 whose callee offers what every relay does.
    pub(crate) async fn served(&self) -> Tunnel {
        let (ours, theirs) = self.tunnel().await;
        let services = Services::of_relay(self.keys.relay()).unwrap();
        tokio::spawn(serve_tunnel(theirs, Arc::new(services)));
        ours
    }
}

pub(crate) fn echo() -> ServiceName {
    ServiceName::new("echo/1").unwrap()
}

/// Sends `len` bytes through an echo and compares what comes back.
pub(crate) async fn echoed(tunnel: &Tunnel, len: usize) {
    let mut bytes = vec![0; len];
    rng(len as u64).fill_bytes(&mut bytes);
    let stream = tunnel.open_bi(&echo()).await.unwrap();
    let (mut read, mut write) = tokio::io::split(stream);
    let sending = async {
        use tokio::io::AsyncWriteExt;
        write.write_all(&bytes).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let reading = async {
        use tokio::io::AsyncReadExt;
        let mut back = Vec::new();
        read.read_to_end(&mut back).await.unwrap();
        back
    };
    let ((), back) = tokio::join!(sending, reading);
    assert_eq!(back.len(), len);
    assert!(back == bytes);
}
