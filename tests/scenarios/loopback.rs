//! The main scenarios again over UDP on loopback, in real time: what virtual time cannot show.

use core::time::Duration;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;

use llarp_core::build::ReplayCache;
use llarp_core::client::{Client, ClientConfig};
use llarp_core::clock::Clock;
use llarp_core::crypto::identity::{RelayId, SecretKey};
use llarp_core::crypto::onion_key::OnionSecret;
use llarp_core::crypto::secret::Secret;
use llarp_core::link::{Endpoint, EndpointConfig, Role};
use llarp_core::path::{Diversity, Seconds, Want};
use llarp_core::registry::{Addresses, RelayContact, RelayList};
use llarp_core::relay::{Handshakes, Relay, RelayConfig};
use llarp_core::store::Store;
use llarp_core::tunnel::{ServiceName, Services, Tunnel};
use llarp_core::wire::limits::BUILD_HEDGE;
use llarp_tests::figure;
use llarp_tests::forwarder::{Forwarder, Road};
use llarp_tests::testnet::network;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep, timeout};

/// A tunnel leaves a dead path in so long, as in virtual time: there it takes 2 s, the rest is for a
/// machine that is busy.
const MOVE: Duration = Duration::from_secs(5);

struct Loopback {
    list: RelayList,
    relays: Vec<Relay>,
    rng: ChaCha20Rng,
    _roads: Vec<Forwarder>,
}

/// A relay's key, onion key and socket's address.
struct Place {
    key: Arc<SecretKey>,
    onion: OnionSecret,
    at: SocketAddrV4,
}

impl Place {
    fn new(rng: &mut ChaCha20Rng, socket: &UdpSocket) -> Self {
        let key = Arc::new(SecretKey::generate(rng));
        let onion = OnionSecret::generate(&network(), &key.relay_id(), rng);
        let port = socket.local_addr().unwrap().port();
        let at = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        Self { key, onion, at }
    }

    /// As others know it, at `address`.
    fn contact(&self, address: SocketAddrV4) -> RelayContact {
        RelayContact {
            id: self.key.relay_id(),
            addresses: Addresses::new(Some(address), None).unwrap(),
            family: None,
            onion: self.onion.public(),
        }
    }

    fn start(self, list: &RelayList, rng: &mut ChaCha20Rng) -> Relay {
        let role = Role::Relay {
            key: Arc::clone(&self.key),
            known: Arc::new(list.clone()),
        };
        let config = RelayConfig {
            network: network(),
            services: Services::of_relay(self.key.relay_id()).unwrap(),
            key: self.key,
            registered: None,
            onion: vec![self.onion],
            replays: ReplayCache::for_fresh_keys(rng),
            directory: Arc::new(list.clone()),
            clock: Clock::system(),
            seed: Secret::random(rng),
            handshakes: Handshakes::OtherThreads,
        };
        let endpoint = EndpointConfig::new(role, network(), Secret::random(rng));
        let endpoint = Endpoint::bind(endpoint, self.at.into()).unwrap();
        Relay::start(config, endpoint).unwrap()
    }
}

impl Loopback {
    /// Relays that everybody reaches straight away.
    async fn new(seed: u64, count: usize) -> Self {
        Self::over(seed, count, None).await
    }

    /// Relays each of which has a stretch of `road` before it.
    async fn over(seed: u64, count: usize, road: Option<Road>) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let bind = |_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let sockets: Vec<_> = (0..count).map(bind).collect();
        let places: Vec<_> = sockets
            .iter()
            .map(|socket| Place::new(&mut rng, socket))
            .collect();
        drop(sockets);
        let (mut roads, mut contacts) = (Vec::new(), Vec::new());
        for (place, seed) in places.iter().zip(seed..) {
            let mut known = place.at;
            if let Some(road) = road {
                let road = Forwarder::start(known.into(), road, seed).await.unwrap();
                known.set_port(road.address().port());
                roads.push(road);
            }
            contacts.push(place.contact(known));
        }
        let list = RelayList::new(contacts).unwrap();
        let start = |place: Place| place.start(&list, &mut rng);
        Self {
            relays: places.into_iter().map(start).collect(),
            list,
            rng,
            _roads: roads,
        }
    }

    /// Those who hold links to it hear a last word, where none is lost.
    fn kill(&mut self, relay: RelayId) {
        self.relays.retain(|other| other.id() != relay);
    }

    fn client(&mut self) -> Client {
        let endpoint = EndpointConfig::new(Role::Client, network(), Secret::random(&mut self.rng));
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = ClientConfig {
            network: network(),
            relays: self.list.clone().into(),
            diversity: Diversity::dangerous_same_subnet(),
            store: Store::in_memory(),
            clock: Clock::system(),
            seed: Secret::random(&mut self.rng),
        };
        Client::start(config, Endpoint::bind(endpoint, any).unwrap()).unwrap()
    }
}

/// Runs in real time, for a minute at most.
fn real_time(future: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let limit = Duration::from_secs(60);
    runtime.block_on(async { timeout(limit, future).await.expect("within a minute") });
}

async fn echo(tunnel: &Tunnel, bytes: Vec<u8>) {
    let name = ServiceName::new("echo/1").unwrap();
    let (mut receive, mut send) = split(tunnel.open_bi(&name).await.unwrap());
    let sent = bytes.clone();
    let sending = tokio::spawn(async move {
        send.write_all(&sent).await.unwrap();
        send.shutdown().await.unwrap();
    });
    let mut heard = Vec::new();
    receive.read_to_end(&mut heard).await.unwrap();
    sending.await.unwrap();
    assert!(
        heard == bytes,
        "{} of {} bytes came",
        heard.len(),
        bytes.len()
    );
}

#[test]
fn five_megabytes_go_there_and_back_over_three_relays() {
    real_time(async {
        let mut net = Loopback::new(1, 6).await;
        let client = net.client();
        let path = client.build(Want::Any).await.unwrap();
        for hop in 0..3 {
            path.probe(hop).await.unwrap();
        }
        let tunnel = client.tunnel(&path).await.unwrap();
        echo(&tunnel, b"hello".to_vec()).await;
        echo(&tunnel, vec![7; 5_000_000]).await;
    });
}

#[test]
fn a_tunnel_outlives_its_middle_relay() {
    real_time(async {
        let mut net = Loopback::new(2, 8).await;
        moves(&mut net, 5_000_000).await;
    });
}

/// Kills the middle relay of a tunnel in mid-stream: it moves in time, and loses nothing.
async fn moves(net: &mut Loopback, bytes: usize) {
    let client = net.client();
    let terminal = net.relays[0].id();
    let mut lasting = client.lasting_tunnel(terminal).await.unwrap();
    let middle = lasting.path().hops().expose()[1];
    let tunnel = lasting.tunnel().clone();
    let sending = tokio::spawn(async move { echo(&tunnel, vec![7; bytes]).await });
    sleep(Duration::from_millis(100)).await;
    assert!(!sending.is_finished(), "killed in mid-stream");
    net.kill(middle);
    let killed = Instant::now();
    let path = lasting.moved().await.unwrap();
    let took = killed.elapsed();
    figure(&format!("moved after {took:?}"));
    assert!(took <= MOVE, "{took:?}");
    assert!(!path.hops().expose().contains(&middle));
    sending.await.unwrap();
}

/// Ten milliseconds each way to each relay, and three of a hundred datagrams lost.
const BAD: Road = Road {
    latency: Duration::from_millis(10),
    lost_per_mille: 30,
};

#[test]
fn a_megabyte_goes_there_and_back_through_three_percent_loss() {
    real_time(async {
        let mut net = Loopback::over(3, 6, Some(BAD)).await;
        let client = net.client();
        let path = client.build(Want::Any).await.unwrap();
        let tunnel = client.tunnel(&path).await.unwrap();
        echo(&tunnel, vec![7; 1_000_000]).await;
        // Three times the road each way: none of it was gone around.
        let mut probes = Vec::new();
        for _ in 0..20 {
            probes.extend(timeout(Duration::from_millis(500), path.probe(2)).await);
        }
        let fastest = probes.into_iter().flatten().min().unwrap();
        assert!(fastest >= 6 * BAD.latency, "{fastest:?}");
    });
}

#[test]
fn a_tunnel_outlives_its_middle_relay_through_three_percent_loss() {
    real_time(async {
        let mut net = Loopback::over(4, 8, Some(BAD)).await;
        moves(&mut net, 300_000).await;
    });
}

#[test]
fn an_unreachable_guard_gives_way_to_the_next() {
    real_time(async {
        let mut net = Loopback::new(5, 8).await;
        let client = net.client();
        let now = Seconds(Clock::system().unix().as_secs());
        let dead = client.profile().guards_in_use(&net.list, now)[0];
        net.kill(dead);
        // Either guard is drawn first: until it was the dead one, and the other's try joined in.
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let started = Instant::now();
            let path = client.build(Want::Any).await.unwrap();
            slowest = slowest.max(started.elapsed());
            assert_ne!(path.hops().expose()[0], dead);
            path.probe(2).await.unwrap();
            if slowest >= BUILD_HEDGE {
                break;
            }
        }
        figure(&format!("built after {slowest:?}"));
        assert!(
            (BUILD_HEDGE..MOVE).contains(&slowest),
            "the dead guard costs {slowest:?}"
        );
    });
}
