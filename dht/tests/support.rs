//! Relays in one process, on loopback, each with a table; and values that are signed.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use llarp_core::build::ReplayCache;
use llarp_core::clock::Clock;
use llarp_core::crypto::hash::{NetworkId, hash, label};
use llarp_core::crypto::identity::{PublicKey, RelayId, SecretKey};
use llarp_core::crypto::onion_key::OnionSecret;
use llarp_core::crypto::secret::Secret;
use llarp_core::link::{Endpoint, EndpointConfig, Handlers, KnownRelays, Protocol, Role};
use llarp_core::relay::{Directory, Handshakes, Relay, RelayConfig};
use llarp_core::store::Store;
use llarp_core::tunnel::Services;
use llarp_dht::{Dht, DhtConfig, Invalid, Judged, Key, Member, Members, Order, Rules};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use tokio::sync::watch;

pub(crate) fn network() -> NetworkId {
    NetworkId::from_name("test")
}

pub(crate) fn now() -> u64 {
    Clock::system().unix().as_secs()
}

/// Who is registered, and where; shared by all relays of a test.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry(Arc<Mutex<BTreeMap<RelayId, SocketAddr>>>);

impl Registry {
    pub(crate) fn add(&self, relay: RelayId, address: SocketAddr) {
        self.0.lock().unwrap().insert(relay, address);
    }

    pub(crate) fn remove(&self, relay: &RelayId) {
        self.0.lock().unwrap().remove(relay);
    }
}

impl KnownRelays for Registry {
    fn is_known(&self, id: &RelayId) -> bool {
        self.0.lock().unwrap().contains_key(id)
    }
}

impl Directory for Registry {
    fn address_of(&self, relay: &RelayId) -> Option<SocketAddr> {
        self.0.lock().unwrap().get(relay).copied()
    }
}

/// A value of the tests: whoever has the key that it lies under has signed it.
///
/// ```text
/// sequence (8) ‖ expires (8) ‖ signature (64) ‖ body
/// ```
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed;

const HEAD: usize = 8 + 8 + 64;

impl Rules for Signed {
    fn judge(&self, key: &Key, value: &[u8], unix: u64) -> Result<Judged, Invalid> {
        let (head, body) = value.split_at_checked(HEAD).ok_or(Invalid::Forged)?;
        let owner = PublicKey::check(key).map_err(|_| Invalid::Forged)?;
        let parts = [&head[..16], body];
        let signature = head[16..].try_into().unwrap();
        owner
            .verify(label::LINK_NETWORK, &network(), &parts, signature)
            .map_err(|_| Invalid::Forged)?;
        let number = |at: usize| u64::from_be_bytes(head[at..at + 8].try_into().unwrap());
        let (sequence, expires) = (number(0), number(8));
        if expires <= unix {
            return Err(Invalid::NotNow);
        }
        let tie = hash(label::LINK_NETWORK, &network(), &[value]);
        Ok(Judged {
            order: Order { sequence, tie },
            expires,
            owner: *key,
        })
    }
}

/// Somebody who publishes.
pub(crate) struct Owner(SecretKey);

impl Owner {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SecretKey::generate(&mut rng(1000 + seed)))
    }

    pub(crate) fn key(&self) -> Key {
        *self.0.public().as_bytes()
    }

    /// A value that is good for an hour.
    pub(crate) fn value(&self, sequence: u64, body: &[u8]) -> Bytes {
        self.value_until(sequence, now() + 3600, body)
    }

    pub(crate) fn value_until(&self, sequence: u64, expires: u64, body: &[u8]) -> Bytes {
        let head = [sequence.to_be_bytes(), expires.to_be_bytes()].concat();
        let signature = self.0.sign(label::LINK_NETWORK, &network(), &[&head, body]);
        [&head[..], &signature, body].concat().into()
    }
}

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A relay's socket and its table.
pub(crate) struct Node {
    pub(crate) key: Arc<SecretKey>,
    pub(crate) endpoint: Endpoint,
    pub(crate) dht: Dht,
    /// What else runs on its socket.
    pub(crate) _relay: Option<Relay>,
}

impl Node {
    pub(crate) fn id(&self) -> RelayId {
        self.key.relay_id()
    }

    /// Falls over.
    pub(crate) fn kill(&self) {
        self.endpoint.close();
    }

    /// Stops in order, and lets its store go.
    pub(crate) async fn stop(self) -> Arc<SecretKey> {
        self.dht.stop().await;
        self.endpoint.close();
        self.key
    }
}

/// Relays, all registered and old enough.
pub(crate) struct Net {
    pub(crate) registry: Registry,
    pub(crate) members: watch::Sender<Members>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) rng: ChaCha20Rng,
}

impl Net {
    pub(crate) fn new(seed: u64, count: usize) -> Self {
        let mut net = Self::empty(seed);
        for _ in 0..count {
            net.add(Arc::new(Signed), Store::in_memory());
        }
        net.all_keep();
        net
    }

    pub(crate) fn empty(seed: u64) -> Self {
        Self {
            registry: Registry::default(),
            members: watch::Sender::new(Members::default()),
            nodes: Vec::new(),
            rng: rng(seed),
        }
    }

    pub(crate) fn new_key(&mut self) -> Arc<SecretKey> {
        Arc::new(SecretKey::generate(&mut self.rng))
    }

    /// One relay more, registered.
    pub(crate) fn add(&mut self, rules: Arc<dyn Rules>, store: Store) {
        let key = self.new_key();
        let node = self.start(key, rules, store);
        self.nodes.push(node);
    }

    /// Runs the relay of that key, and registers it.
    pub(crate) fn start(
        &mut self,
        key: Arc<SecretKey>,
        rules: Arc<dyn Rules>,
        store: Store,
    ) -> Node {
        let endpoint = self.endpoint(&key);
        let dht = self.table(&key, &endpoint, rules, store);
        let handlers = Handlers::new().with(Protocol::DHT, dht.handler());
        endpoint.serve(handlers).unwrap();
        Node {
            key,
            endpoint,
            dht,
            _relay: None,
        }
    }

    /// Runs a whole relay of that key, its table included.
    pub(crate) fn start_relay(&mut self, key: Arc<SecretKey>) -> Node {
        let endpoint = self.endpoint(&key);
        let dht = self.table(&key, &endpoint, Arc::new(Signed), Store::in_memory());
        let id = key.relay_id();
        let config = RelayConfig {
            network: network(),
            services: Services::of_relay(id).unwrap(),
            key: Arc::clone(&key),
            registered: None,
            onion: vec![OnionSecret::generate(&network(), &id, &mut self.rng)],
            replays: ReplayCache::for_fresh_keys(&mut self.rng),
            directory: Arc::new(self.registry.clone()),
            clock: Clock::system(),
            seed: Secret::random(&mut self.rng),
            handshakes: Handshakes::OtherThreads,
        };
        let handlers = Handlers::new().with(Protocol::DHT, dht.handler());
        let relay = Relay::start_with(config, endpoint.clone(), handlers).unwrap();
        Node {
            key,
            endpoint,
            dht,
            _relay: Some(relay),
        }
    }

    fn table(
        &mut self,
        key: &SecretKey,
        endpoint: &Endpoint,
        rules: Arc<dyn Rules>,
        store: Store,
    ) -> Dht {
        let address = endpoint.local_addr().unwrap();
        self.registry.add(key.relay_id(), address);
        Dht::start(DhtConfig {
            endpoint: endpoint.clone(),
            relay: key.relay_id(),
            directory: Arc::new(self.registry.clone()),
            members: self.members.subscribe(),
            rules,
            store,
            clock: Clock::system(),
            seed: Secret::random(&mut self.rng),
        })
        .unwrap()
    }

    pub(crate) fn endpoint(&mut self, key: &Arc<SecretKey>) -> Endpoint {
        let role = Role::Relay {
            key: Arc::clone(key),
            known: Arc::new(self.registry.clone()),
        };
        let config = EndpointConfig::new(role, network(), Secret::random(&mut self.rng));
        Endpoint::bind(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap()
    }

    /// All relays that run keep values.
    pub(crate) fn all_keep(&self) {
        let ids: Vec<_> = self.nodes.iter().map(Node::id).collect();
        self.keep(&ids);
    }

    /// These relays keep values, and no others.
    pub(crate) fn keep(&self, relays: &[RelayId]) {
        let member = |relay: &RelayId| Member {
            relay: *relay,
            keeps: true,
        };
        self.members
            .send_replace(Members::new(relays.iter().map(member)));
    }

    /// The relays that keep the values of `key`, the closest first.
    pub(crate) fn keepers(&self, key: &Key) -> Vec<RelayId> {
        self.members.borrow().closest(key, 8)
    }

    pub(crate) fn node(&self, id: &RelayId) -> &Node {
        self.nodes.iter().find(|node| node.id() == *id).unwrap()
    }

    /// A relay that does not keep the values of `key`.
    pub(crate) fn outsider(&self, key: &Key) -> &Node {
        let keepers = self.keepers(key);
        let outside = |node: &&Node| !keepers.contains(&node.id());
        self.nodes.iter().find(outside).unwrap()
    }
}

/// Looks again and again until `holds`, for as long as anything here may take.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let looked = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(20), looked).await;
    assert!(done.is_ok(), "{what}");
}
