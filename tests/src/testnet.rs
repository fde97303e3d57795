//! `TestNet`: real relays and clients on the network in memory, in virtual time.
//!
//! In: a seed, a weather, how many relays. Out: nodes that can be killed, restarted, cut off and
//! tapped. *Not* here: what is done to them; that is a scenario.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use llarp_core::build::ReplayCache;
use llarp_core::client::{Client, ClientConfig};
use llarp_core::clock::Clock;
use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{RelayId, SecretKey};
use llarp_core::crypto::onion_key::OnionSecret;
use llarp_core::crypto::secret::Secret;
use llarp_core::link::{Endpoint, EndpointConfig, Role};
use llarp_core::path::Diversity;
use llarp_core::registry::{Addresses, RelayContact, RelayList};
use llarp_core::relay::{Handshakes, Relay, RelayConfig};
use llarp_core::store::Store;
use llarp_core::tunnel::Services;
use quinn::TokioRuntime;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::net::tap::{FIRST_PORT, Policy, Tap, TapConfig};
use crate::net::{Net, Weather};

/// When every test begins, in seconds since 1970.
pub const START: u64 = 1_740_000_000;

/// Relays, and the wires between all nodes.
pub struct TestNet {
    /// The wires.
    pub net: Net,
    /// What time it is for those whose clocks are right.
    pub clock: Clock,
    /// All relays, running or not, as clients and relays know them.
    pub list: RelayList,
    places: Vec<Place>,
    by_id: BTreeMap<RelayId, usize>,
    rng: ChaCha20Rng,
}

/// A relay's place in the network, whether it runs or not.
struct Place {
    /// The key by which the others know it.
    key: Arc<SecretKey>,
    onion_seed: [u8; 32],
    /// What it holds in their place.
    wrong_key: Option<Arc<SecretKey>>,
    wrong_onion_seed: Option<[u8; 32]>,
    /// Whether it has run before, and may have seen builds that it no longer knows.
    has_run: bool,
    known: SocketAddr,
    /// Where it listens: elsewhere if somebody sits before it.
    listens: SocketAddr,
    clock: Clock,
    running: Option<Relay>,
    tap: Option<Tap>,
}

impl TestNet {
    /// A network of `count` relays, each in a /16 of its own, all running. Within `virtual_time`.
    ///
    /// # Panics
    /// If a relay does not start.
    #[must_use]
    pub fn new(seed: u64, weather: Weather, count: usize) -> Self {
        let mut made = Self::without_relays(seed, weather, count);
        (0..count).for_each(|n| made.start(n));
        made
    }

    /// The same network, of which no relay runs yet.
    ///
    /// # Panics
    /// If there are more relays than addresses.
    #[must_use]
    pub fn without_relays(seed: u64, weather: Weather, count: usize) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let clock = Clock::set_to(Duration::from_secs(START));
        let mut place = |n: usize| {
            let known = address(1, n);
            let mut onion_seed = [0; 32];
            rng.fill_bytes(&mut onion_seed);
            Place {
                key: Arc::new(SecretKey::generate(&mut rng)),
                onion_seed,
                wrong_key: None,
                wrong_onion_seed: None,
                has_run: false,
                known,
                listens: known,
                clock,
                running: None,
                tap: None,
            }
        };
        let places: Vec<_> = (0..count).map(&mut place).collect();
        let list = RelayList::new(places.iter().map(Place::contact)).expect("relays with own ids");
        let ids = places.iter().map(|place| place.key.relay_id());
        Self {
            net: Net::new(seed, weather),
            clock,
            list,
            by_id: ids.zip(0..).collect(),
            places,
            rng,
        }
    }

    /// Relays of the network, running or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The id of relay `n`.
    #[must_use]
    pub fn id(&self, n: usize) -> RelayId {
        self.places[n].key.relay_id()
    }

    /// The number of a relay.
    #[must_use]
    pub fn number(&self, id: &RelayId) -> usize {
        self.by_id[id]
    }

    /// The address by which relay `n` is known.
    #[must_use]
    pub fn address(&self, n: usize) -> SocketAddr {
        self.places[n].known
    }

    /// The key of relay `n`: a test may be anybody.
    #[must_use]
    pub fn key(&self, n: usize) -> Arc<SecretKey> {
        Arc::clone(&self.places[n].key)
    }

    /// Relay `n`, if it runs.
    #[must_use]
    pub fn relay(&self, n: usize) -> Option<&Relay> {
        self.places[n].running.as_ref()
    }

    /// Starts relay `n`, or starts it again: with the same keys, and without
    /// memory, so that it carries out no builds for five minutes.
    ///
    /// # Panics
    /// If it runs already.
    pub fn start(&mut self, n: usize) {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let mut rng = ChaCha20Rng::from_seed(seed);
        let place = &mut self.places[n];
        let key = Arc::clone(place.wrong_key.as_ref().unwrap_or(&place.key));
        let clock = place.clock;
        let id = key.relay_id();
        let role = Role::Relay {
            key: Arc::clone(&key),
            known: Arc::new(self.list.clone()),
        };
        let replays = if core::mem::replace(&mut place.has_run, true) {
            ReplayCache::after_restart(clock.minute(), &mut rng)
        } else {
            ReplayCache::for_fresh_keys(&mut rng)
        };
        let config = RelayConfig {
            network: network(),
            key,
            registered: None,
            onion: vec![place.onion(place.wrong_onion_seed.unwrap_or(place.onion_seed))],
            replays,
            directory: Arc::new(self.list.clone()),
            clock,
            seed: Secret::random(&mut rng),
            handshakes: Handshakes::Inline,
            services: Services::of_relay(id).expect("names"),
        };
        let endpoint = endpoint(&self.net, place.listens, role, &mut rng);
        let relay = Relay::start(config, endpoint).expect("a relay starts");
        assert!(place.running.replace(relay).is_none(), "relay {n} runs");
    }

    /// Starts relay `n` as a new machine with its keys, which have seen no builds: it carries them
    /// out at once.
    ///
    /// # Panics
    /// If it runs already.
    pub fn replace(&mut self, n: usize) {
        self.places[n].has_run = false;
        self.start(n);
    }

    /// Kills relay `n` as a power cut does: nobody is told.
    pub fn kill(&mut self, n: usize) {
        let place = &mut self.places[n];
        self.net.kill(place.listens);
        place.running = None;
    }

    /// Takes relay `n` out of the network's hands, to be drained; its address stays taken until it is
    /// gone.
    ///
    /// # Panics
    /// If it does not run.
    pub fn take(&mut self, n: usize) -> Relay {
        self.places[n].running.take().expect("a relay that runs")
    }

    /// The clock of relay `n` is wrong by so many seconds when it is next started.
    pub fn set_clock_off(&mut self, n: usize, seconds: i64) {
        let right = self.clock.unix();
        let off = Duration::from_secs(seconds.unsigned_abs());
        let wrong = if seconds < 0 {
            right - off
        } else {
            right + off
        };
        self.places[n].clock = Clock::set_to(wrong);
    }

    /// Relay `n` has onion keys that nobody knows of when it is next started.
    pub fn lose_onion_keys(&mut self, n: usize) {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        self.places[n].wrong_onion_seed = Some(seed);
    }

    /// Relay `n` has another key than its own when it is next started.
    pub fn lose_key(&mut self, n: usize) {
        self.places[n].wrong_key = Some(Arc::new(SecretKey::generate(&mut self.rng)));
    }

    /// Puts somebody before relay `n`, which must not run yet: all who dial it meet `policy`.
    ///
    /// # Panics
    /// If the relay runs.
    pub fn tap(&mut self, n: usize, policy: impl Policy + 'static) {
        assert!(self.places[n].running.is_none(), "relay {n} runs already");
        let hidden = address(2, n);
        let mut config = TapConfig::new(network(), self.key(n), self.places[n].known, hidden);
        // Taps that the same peer dials are not to meet at one of its ports.
        config.first_port = FIRST_PORT + 1_000 * u16::try_from(n % 15).expect("it is below 15");
        config.peers = self
            .places
            .iter()
            .map(|place| Arc::clone(&place.key))
            .collect();
        let tap = Tap::start(&self.net, config, policy);
        self.places[n].tap = Some(tap);
        self.places[n].listens = hidden;
    }

    /// Who sits before relay `n`.
    #[must_use]
    pub fn tap_of(&self, n: usize) -> Option<&Tap> {
        self.places[n].tap.as_ref()
    }

    /// Client `n`, which remembers nothing.
    ///
    /// # Panics
    /// If its endpoint cannot be made.
    #[must_use]
    pub fn client(&mut self, n: usize) -> Client {
        self.client_with(n, Store::in_memory(), self.clock)
    }

    /// Client `n`, with what it remembers and its clock.
    ///
    /// # Panics
    /// If its endpoint cannot be made.
    #[must_use]
    pub fn client_with(&mut self, n: usize, store: Store, clock: Clock) -> Client {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let mut rng = ChaCha20Rng::from_seed(seed);
        let config = ClientConfig {
            network: network(),
            relays: self.list.clone().into(),
            diversity: Diversity::Strict,
            store,
            clock,
            seed: Secret::random(&mut rng),
        };
        let endpoint = endpoint(&self.net, client_address(n), Role::Client, &mut rng);
        Client::start(config, endpoint).expect("a runtime")
    }
}

impl Place {
    fn onion(&self, seed: [u8; 32]) -> OnionSecret {
        let mut rng = ChaCha20Rng::from_seed(seed);
        OnionSecret::generate(&network(), &self.key.relay_id(), &mut rng)
    }

    fn contact(&self) -> RelayContact {
        let SocketAddr::V4(known) = self.known else {
            unreachable!("all addresses here are IPv4")
        };
        RelayContact {
            id: self.key.relay_id(),
            addresses: Addresses::new(Some(known), None).expect("one machine"),
            family: None,
            onion: self.onion(self.onion_seed).public(),
        }
    }
}

impl fmt::Debug for TestNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestNet({} relays)", self.len())
    }
}

/// The network of all tests.
#[must_use]
pub fn network() -> NetworkId {
    NetworkId::from_name("test")
}

/// The address of client `n`.
#[must_use]
pub fn client_address(n: usize) -> SocketAddr {
    address(3, n)
}

/// Addresses in a /16 of their own for each `n`, by kind.
pub(crate) fn address(kind: u8, n: usize) -> SocketAddr {
    let block = u16::try_from(n).expect("fewer than 50,000 nodes of a kind");
    let [a, b] = (0x0b00 + block).to_be_bytes();
    SocketAddrV4::new(Ipv4Addr::new(a, b, kind, 1), 1090).into()
}

pub(crate) fn endpoint(net: &Net, at: SocketAddr, role: Role, rng: &mut ChaCha20Rng) -> Endpoint {
    let config = EndpointConfig::new(role, network(), Secret::random(rng));
    Endpoint::with_socket(config, net.socket(at), Arc::new(TokioRuntime)).expect("an endpoint")
}
