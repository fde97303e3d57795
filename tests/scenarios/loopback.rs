//! The main scenarios again over UDP on loopback, in real time: what virtual time cannot show.

use core::time::Duration;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;

use llarp_core::build::ReplayCache;
use llarp_core::client::{Client, ClientConfig};
use llarp_core::clock::Clock;
use llarp_core::crypto::identity::SecretKey;
use llarp_core::crypto::onion_key::OnionSecret;
use llarp_core::crypto::secret::Secret;
use llarp_core::link::{Endpoint, EndpointConfig, Role};
use llarp_core::path::{Diversity, Want};
use llarp_core::registry::{Addresses, RelayContact, RelayList};
use llarp_core::relay::{Handshakes, Relay, RelayConfig};
use llarp_core::store::Store;
use llarp_core::tunnel::{ServiceName, Services, Tunnel};
use llarp_tests::testnet::network;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::runtime::Builder;
use tokio::time::timeout;

struct Loopback {
    list: RelayList,
    relays: Vec<Relay>,
    rng: ChaCha20Rng,
}

impl Loopback {
    fn new(seed: u64, count: usize) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let sockets: Vec<_> = (0..count)
            .map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
            .collect();
        let keys: Vec<_> = sockets
            .iter()
            .map(|socket| {
                let key = Arc::new(SecretKey::generate(&mut rng));
                let onion = OnionSecret::generate(&network(), &key.relay_id(), &mut rng);
                let port = socket.local_addr().unwrap().port();
                let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
                (key, onion, address)
            })
            .collect();
        drop(sockets);
        let contacts = keys.iter().map(|(key, onion, address)| RelayContact {
            id: key.relay_id(),
            addresses: Addresses::new(Some(*address), None).unwrap(),
            family: None,
            onion: onion.public(),
        });
        let list = RelayList::new(contacts).unwrap();
        let relays = keys
            .into_iter()
            .map(|(key, onion, address)| {
                let role = Role::Relay {
                    key: Arc::clone(&key),
                    known: Arc::new(list.clone()),
                };
                let config = RelayConfig {
                    network: network(),
                    services: Services::of_relay(key.relay_id()).unwrap(),
                    key,
                    registered: None,
                    onion: vec![onion],
                    replays: ReplayCache::for_fresh_keys(&mut rng),
                    directory: Arc::new(list.clone()),
                    clock: Clock::system(),
                    seed: Secret::random(&mut rng),
                    handshakes: Handshakes::OtherThreads,
                };
                let endpoint = EndpointConfig::new(role, network(), Secret::random(&mut rng));
                let endpoint = Endpoint::bind(endpoint, address.into()).unwrap();
                Relay::start(config, endpoint).unwrap()
            })
            .collect();
        Self { list, relays, rng }
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
        let mut net = Loopback::new(1, 6);
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
        let mut net = Loopback::new(2, 8);
        let client = net.client();
        let terminal = net.relays[0].id();
        let mut lasting = client.lasting_tunnel(terminal).await.unwrap();
        let middle = lasting.path().hops().expose()[1];
        let tunnel = lasting.tunnel().clone();
        let sending = tokio::spawn(async move { echo(&tunnel, vec![7; 20_000_000]).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        net.relays.retain(|relay| relay.id() != middle);
        let path = lasting.moved().await.unwrap();
        assert!(!path.hops().expose().contains(&middle));
        sending.await.unwrap();
    });
}
