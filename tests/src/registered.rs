//! A network with a registry: authorities on paper, relays that tell each other of themselves, and
//! clients that learn who is there, on the network in memory and in virtual time.
//!
//! In: a seed, a weather, how many relays. Out: nodes with views of the network. *Not* here: what is
//! done to them; that is a scenario.

use core::fmt;
use core::time::Duration;
use std::net::SocketAddr;
use std::sync::Arc;

use llarp_core::build::ReplayCache;
use llarp_core::client::{Client, ClientConfig, Relays};
use llarp_core::clock::Clock;
use llarp_core::crypto::identity::{RelayId, SecretKey};
use llarp_core::crypto::secret::Secret;
use llarp_core::directory::{Bootstrap, DirectoryService, NetworkView, Verify, ViewConfig};
use llarp_core::link::Role;
use llarp_core::path::Diversity;
use llarp_core::registry::{
    Addresses, Changes, Charter, CharterChain, Epoch, Ledger, Parameters, Registration,
    SignedCharter, SignedSnapshot, Snapshot, Terms, VerifiedSnapshot, assign_swarms,
};
use llarp_core::relay::{Handshakes, KeyRing, KeysInMemory, Registered, Relay, RelayConfig};
use llarp_core::store::Store;
use llarp_core::tunnel::Services;
use llarp_core::wire::limits::VERSION;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::net::{Net, Weather};
use crate::testnet::{START, address, client_address, endpoint, network};

/// Relays that everybody knows from the beginning.
pub const BOOTSTRAP: usize = 3;

const DAY: u64 = 24 * 3600;

/// Authorities, relays, and the wires between all nodes.
pub struct RegisteredNet {
    /// The wires.
    pub net: Net,
    /// What time it is.
    pub clock: Clock,
    /// Who signs.
    pub authorities: Authorities,
    /// The newest snapshot, as it is published.
    pub snapshot: Vec<u8>,
    places: Vec<Place>,
    rng: ChaCha20Rng,
}

/// The authorities' desk.
pub struct Authorities {
    keys: Vec<SecretKey>,
    chain: CharterChain,
    ledger: Ledger,
}

/// A relay's place, whether it runs or not.
struct Place {
    key: Arc<SecretKey>,
    ring: Arc<KeysInMemory>,
    store: Store,
    at: SocketAddr,
    has_run: bool,
    running: Option<(Relay, NetworkView)>,
}

impl Authorities {
    /// Three authorities, of whom two must sign.
    fn new(rng: &mut ChaCha20Rng) -> Self {
        let keys: Vec<_> = (0..3).map(|_| SecretKey::generate(rng)).collect();
        let root = Charter::root(2, keys.iter().map(SecretKey::public)).expect("three keys");
        Self {
            keys,
            chain: CharterChain::new(network(), root.clone()).expect("a root"),
            ledger: Ledger::new(network(), root, assign_swarms).expect("a root"),
        }
    }

    /// Whom everybody trusts.
    #[must_use]
    pub fn root(&self) -> Charter {
        self.chain.root().clone()
    }

    /// The newest snapshot.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn newest(&self) -> VerifiedSnapshot {
        self.ledger.current().expect("a snapshot").clone()
    }

    /// Terms of a snapshot that is made at `now` and valid for a week.
    #[must_use]
    pub fn terms(&self, now: u64) -> Terms {
        let epoch = Epoch::at(now);
        let mut beacon = [9; 32];
        beacon[..8].copy_from_slice(&epoch.0.to_be_bytes());
        Terms {
            epoch,
            valid_from: now,
            valid_until: now + 7 * DAY,
            beacon,
            charter: self.chain.newest().number(),
            minimum_version: VERSION,
            parameters: Parameters::new(9, 7).expect("parameters"),
        }
    }

    /// Signs a draft by two authorities.
    ///
    /// # Panics
    /// If it cannot be signed.
    #[must_use]
    pub fn sign(&self, draft: Snapshot) -> Vec<u8> {
        let charter = self.chain.newest();
        let two = self.keys.iter().take(2);
        let signatures = two.map(|key| draft.sign(&network(), charter, key).expect("an authority"));
        let signatures: Vec<_> = signatures.collect();
        SignedSnapshot::collect(&self.chain, draft, signatures)
            .expect("enough signatures")
            .encode()
    }

    /// The next snapshot, with these changes.
    ///
    /// # Panics
    /// If there is none such.
    pub fn publish(&mut self, now: u64, changes: Changes) -> Vec<u8> {
        let terms = self.terms(now);
        let draft = self
            .newest()
            .succeed(&network(), terms, changes, assign_swarms);
        let bytes = self.sign(draft.expect("a draft"));
        self.ledger.offer_snapshot(&bytes, now).expect("it is good");
        bytes
    }

    /// Others sign from now on.
    ///
    /// # Panics
    /// If they cannot.
    pub fn replace(&mut self, rng: &mut ChaCha20Rng) {
        let keys: Vec<_> = (0..3).map(|_| SecretKey::generate(rng)).collect();
        let old = self.chain.newest().clone();
        let new = old
            .succeed(&network(), 2, keys.iter().map(SecretKey::public))
            .expect("three keys");
        let two = self.keys.iter().take(2);
        let signatures: Vec<_> = two
            .map(|key| {
                old.sign_successor(&network(), &new, key)
                    .expect("an authority")
            })
            .collect();
        let signed = SignedCharter::collect(&network(), &old, new, signatures).expect("enough");
        self.chain.extend(&signed).expect("the next");
        self.keys = keys;
    }
}

impl RegisteredNet {
    /// A network of `count` relays, each in a /16 of its own, all running, each with the first
    /// snapshot as if from a file. Within `virtual_time`.
    ///
    /// # Panics
    /// If a relay does not start.
    #[must_use]
    pub fn new(seed: u64, weather: Weather, count: usize) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let clock = Clock::set_to(Duration::from_secs(START));
        let mut authorities = Authorities::new(&mut rng);
        let places: Vec<_> = (0..count).map(|n| Place::new(n, &mut rng)).collect();
        let relays: Vec<_> = places.iter().map(|place| place.registration()).collect();
        let terms = authorities.terms(START);
        let first = Snapshot::first(&network(), terms, relays, assign_swarms).expect("a draft");
        let snapshot = authorities.sign(first);
        authorities
            .ledger
            .offer_snapshot(&snapshot, START)
            .expect("it is good");
        let mut made = Self {
            net: Net::new(seed, weather),
            clock,
            authorities,
            snapshot,
            places,
            rng,
        };
        (0..count).for_each(|n| made.start(n));
        made
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.clock.unix().as_secs()
    }

    /// Relays, running or not.
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

    /// The key of relay `n`: a test may be anybody.
    #[must_use]
    pub fn key(&self, n: usize) -> Arc<SecretKey> {
        Arc::clone(&self.places[n].key)
    }

    /// Where relay `n` is.
    #[must_use]
    pub fn address(&self, n: usize) -> SocketAddr {
        self.places[n].at
    }

    /// What relay `n` knows, while it runs.
    ///
    /// # Panics
    /// If it does not run.
    #[must_use]
    pub fn view(&self, n: usize) -> &NetworkView {
        &self.places[n].running.as_ref().expect("it runs").1
    }

    /// Relay `n`, if it runs.
    #[must_use]
    pub fn relay(&self, n: usize) -> Option<&Relay> {
        Some(&self.places[n].running.as_ref()?.0)
    }

    /// A relay more, which no snapshot names yet and which does not run: its number.
    pub fn newcomer(&mut self) -> usize {
        let n = self.places.len();
        self.places.push(Place::new(n, &mut self.rng));
        n
    }

    /// What authorities register of relay `n`.
    #[must_use]
    pub fn registration(&self, n: usize) -> Registration {
        self.places[n].registration()
    }

    /// Makes the next snapshot, and gives it to relay `n` alone, as a file would.
    ///
    /// # Panics
    /// If the relay does not take it.
    pub fn publish_at(&mut self, n: usize, changes: Changes) {
        self.snapshot = self.authorities.publish(self.now(), changes);
        self.view(n)
            .offer_snapshot(&self.snapshot)
            .expect("the relay takes it");
    }

    /// Other authorities sign from now on.
    pub fn replace_authorities(&mut self) {
        self.authorities.replace(&mut self.rng);
    }

    /// Starts relay `n`, or starts it again with what it had on its disk.
    ///
    /// # Panics
    /// If it runs, or cannot.
    pub fn start(&mut self, n: usize) {
        let mut rng = self.fork();
        let view = self.open_view(self.places[n].store.clone());
        view.offer_snapshot(&self.snapshot).expect("it is good");
        let clock = self.clock;
        let place = &mut self.places[n];
        let id = place.key.relay_id();
        let unix = clock.unix().as_secs();
        let ring = Arc::clone(&place.ring);
        let ring = KeyRing::open(network(), id, ring, unix, &mut rng).expect("memory");
        let replays = if core::mem::replace(&mut place.has_run, true) {
            ReplayCache::after_restart(clock.minute(), &mut rng)
        } else {
            ReplayCache::for_fresh_keys(&mut rng)
        };
        let services = Services::new()
            .with(Arc::new(DirectoryService::new(view.clone())))
            .and_then(|services| services.with(Arc::new(llarp_core::tunnel::Echo)))
            .and_then(|services| services.described(id));
        let config = RelayConfig {
            network: network(),
            key: Arc::clone(&place.key),
            registered: Some(Registered {
                view: view.clone(),
                addresses: place.addresses(),
                family: None,
                capacity: 10_000,
                ring,
            }),
            onion: Vec::new(),
            replays,
            directory: Arc::new(view.clone()),
            clock,
            seed: Secret::random(&mut rng),
            handshakes: Handshakes::Inline,
            services: services.expect("names"),
        };
        let role = Role::Relay {
            key: Arc::clone(&place.key),
            known: Arc::new(view.clone()),
        };
        let endpoint = endpoint(&self.net, place.at, role, &mut rng);
        let relay = Relay::start(config, endpoint).expect("a relay starts");
        assert!(
            place.running.replace((relay, view)).is_none(),
            "relay {n} runs"
        );
    }

    /// Kills relay `n` as a power cut does; its disk stays.
    pub fn kill(&mut self, n: usize) {
        let place = &mut self.places[n];
        self.net.kill(place.at);
        place.running = None;
    }

    /// Client `n` with what its disk has, and what it knows. It knows no more of the network than its
    /// root charter and three relays.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn client(&mut self, n: usize, store: Store) -> (Client, NetworkView) {
        let mut rng = self.fork();
        let view = self.open_view(store.clone());
        let config = ClientConfig {
            network: network(),
            relays: Relays::Learned(view.clone()),
            diversity: Diversity::Strict,
            store,
            clock: self.clock,
            seed: Secret::random(&mut rng),
        };
        let endpoint = endpoint(&self.net, client_address(n), Role::Client, &mut rng);
        (Client::start(config, endpoint).expect("a runtime"), view)
    }

    /// The view of a node with this disk.
    ///
    /// # Panics
    /// If the disk is spoiled.
    #[must_use]
    pub fn open_view(&self, store: Store) -> NetworkView {
        let bootstrap = (0..BOOTSTRAP.min(self.len())).map(|n| Bootstrap {
            relay: self.id(n),
            address: self.address(n),
        });
        NetworkView::open(ViewConfig {
            network: network(),
            root: self.authorities.root(),
            bootstrap: bootstrap.collect(),
            clock: self.clock,
            store,
            verify: Verify::Inline,
        })
        .expect("a view")
    }

    fn fork(&mut self) -> ChaCha20Rng {
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        ChaCha20Rng::from_seed(seed)
    }
}

impl Place {
    fn new(n: usize, rng: &mut ChaCha20Rng) -> Self {
        Self {
            key: Arc::new(SecretKey::generate(rng)),
            ring: Arc::default(),
            store: Store::in_memory(),
            at: address(1, n),
            has_run: false,
            running: None,
        }
    }

    fn registration(&self) -> Registration {
        let relay = self.key.relay_id();
        Registration {
            relay,
            height: 1,
            block: relay.0,
            family: None,
        }
    }

    fn addresses(&self) -> Addresses {
        let SocketAddr::V4(at) = self.at else {
            unreachable!("all addresses here are IPv4")
        };
        Addresses::new(Some(at), None).expect("one machine")
    }
}

impl fmt::Debug for RegisteredNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegisteredNet({} relays)", self.len())
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({})", self.keys.len())
    }
}
