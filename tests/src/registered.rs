//! A network with a registry: authorities on paper, relays that tell each other of themselves, and
//! clients that learn who is there, on the network in memory and in virtual time.
//!
//! In: a seed, a weather, how many relays. Out: nodes with views of the network. *Not* here: what is
//! done to them; that is a scenario.

mod lie;

use core::fmt;
use core::time::Duration;
use std::net::SocketAddr;
use std::sync::Arc;

pub use lie::Lie;
use lie::LyingService;
use llarp_core::build::Minute;
use llarp_core::client::{Client, ClientConfig, Relays};
use llarp_core::clock::Clock;
use llarp_core::crypto::identity::{RelayId, SecretKey};
use llarp_core::crypto::onion_key::OnionSecret;
use llarp_core::crypto::secret::Secret;
use llarp_core::directory::{
    Bootstrap, DirectoryService, NetworkView, OpenError, Verify, ViewConfig,
};
use llarp_core::link::Role;
use llarp_core::path::Diversity;
use llarp_core::registry::directory::What;
use llarp_core::registry::{
    Addresses, Changes, Charter, CharterChain, Document, Epoch, KeyEpoch, KeySet, Ledger, Name,
    Parameters, Registration, RelayList, SignedCharter, SignedSnapshot, Snapshot, Terms,
    VerifiedSnapshot, assign_swarms,
};
use llarp_core::relay::{
    Handshakes, KeyRing, KeyStore, KeysInMemory, Registered, Relay, RelayConfig,
};
use llarp_core::store::Store;
use llarp_core::tunnel::{Services, TerminalService};
use llarp_core::wire::limits::VERSION;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::net::tap::{FIRST_PORT, Policy, Tap, TapConfig};
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
    /// How many relays everybody knows from the beginning, the first ones.
    pub bootstrap: usize,
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
    /// Where it listens: elsewhere if somebody sits before it.
    listens: SocketAddr,
    tap: Option<Tap>,
    /// What the ends of paths are told here.
    lie: Option<Lie>,
    running: Option<(Relay, NetworkView)>,
}

impl Authorities {
    /// Three authorities, of whom two must sign.
    ///
    /// # Panics
    /// Never: there are three.
    pub fn new(rng: &mut ChaCha20Rng) -> Self {
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
        self.terms_of(Epoch::at(now), now)
    }

    fn terms_of(&self, epoch: Epoch, now: u64) -> Terms {
        let mut beacon = [9; 32];
        beacon[..8].copy_from_slice(&epoch.0.to_be_bytes());
        let newest = self.ledger.current();
        let before = newest.and_then(|newest| newest.beacon_for(epoch));
        Terms {
            epoch,
            valid_from: now,
            valid_until: now + 7 * DAY,
            beacon,
            beacon_before: before.unwrap_or([8; 32]),
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

    /// The next snapshot, with these changes. With relays that join it is already that of tomorrow, if
    /// there is one of today.
    ///
    /// # Panics
    /// If there is none such.
    pub fn publish(&mut self, now: u64, changes: Changes) -> Vec<u8> {
        let newest = self.newest();
        let last = newest.terms().epoch;
        let epoch = match changes.add.is_empty() && changes.change.is_empty() {
            true => Epoch::at(now).max(last),
            false => Epoch::at(now).max(last.next()),
        };
        let terms = self.terms_of(epoch, now);
        let draft = newest.succeed(&network(), terms, changes, assign_swarms);
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
        let mut made = Self::without_relays(seed, weather, count, START);
        (0..count).for_each(|n| made.start(n));
        made
    }

    /// The same network, of which no relay runs yet, and which begins at `start`, in seconds since 1970.
    ///
    /// # Panics
    /// If there are more relays than addresses.
    #[must_use]
    pub fn without_relays(seed: u64, weather: Weather, count: usize, start: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let clock = Clock::set_to(Duration::from_secs(start));
        let mut authorities = Authorities::new(&mut rng);
        let places: Vec<_> = (0..count).map(|n| Place::new(n, &mut rng)).collect();
        let relays: Vec<_> = places.iter().map(|place| place.registration()).collect();
        let terms = authorities.terms(start);
        let first = Snapshot::first(&network(), terms, relays, assign_swarms).expect("a draft");
        let snapshot = authorities.sign(first);
        authorities
            .ledger
            .offer_snapshot(&snapshot, start)
            .expect("it is good");
        Self {
            net: Net::new(seed, weather),
            clock,
            authorities,
            snapshot,
            bootstrap: BOOTSTRAP,
            places,
            rng,
        }
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

    /// Puts somebody before relay `n`, which must not run yet: all who dial it meet `policy`.
    ///
    /// # Panics
    /// If the relay runs.
    pub fn tap(&mut self, n: usize, policy: impl Policy + 'static) {
        assert!(self.places[n].running.is_none(), "relay {n} runs already");
        let hidden = address(2, n);
        let mut config = TapConfig::new(network(), self.key(n), self.places[n].at, hidden);
        config.peers = self
            .places
            .iter()
            .map(|place| Arc::clone(&place.key))
            .collect();
        // Fifteen taps, of a thousand links each.
        config.first_port = FIRST_PORT + 1_000 * u16::try_from(n % 15).expect("it is below 15");
        let tap = Tap::start(&self.net, config, policy);
        self.places[n].tap = Some(tap);
        self.places[n].listens = hidden;
    }

    /// Relay `n` tells this to whoever comes through a tunnel, from when it is next started.
    pub fn lie_in_tunnels(&mut self, n: usize, lie: &Lie) {
        self.places[n].lie = Some(lie.clone());
    }

    /// A second key set of relay `n` for the present key epoch, and its name: what a relay signs if it
    /// wants to know somebody again.
    #[must_use]
    pub fn second_key_set(&self, n: usize) -> (Document, Name) {
        let mut rng = ChaCha20Rng::seed_from_u64(0x2ec0_0000 + n as u64);
        let onion = OnionSecret::generate(&network(), &self.id(n), &mut rng).public();
        let epoch = KeyEpoch::at(self.now());
        let signed = KeySet::sign(&network(), &self.places[n].key, epoch, onion);
        let document = Document::KeySet(signed.get().clone());
        let name = document.name(&network());
        (document, name)
    }

    /// A view as relay `n` has it, but with [`Self::second_key_set`] of these relays.
    ///
    /// # Panics
    /// If relay `n` does not run.
    #[must_use]
    pub fn lying_view(&self, n: usize, about: &[usize]) -> NetworkView {
        let view = self.open_view(Store::in_memory(), self.clock);
        self.teach_lie(&view, n, about);
        view
    }

    /// Teaches `view` what relay `n` knows, but with [`Self::second_key_set`] of these relays.
    ///
    /// # Panics
    /// If relay `n` does not run.
    pub fn teach_lie(&self, view: &NetworkView, n: usize, about: &[usize]) {
        view.offer_snapshot(&self.snapshot).expect("it is good");
        for other in about {
            let second = self.second_key_set(*other).0;
            view.learn(second).expect("the relay signed it");
        }
        let about: Vec<_> = about.iter().map(|other| self.id(*other)).collect();
        let sets = What::KeySets(KeyEpoch::at(self.now()));
        let known = self.view(n).read(|directory| {
            let members = directory.members().iter().map(|member| member.relay);
            let documents = members.flat_map(|relay| {
                let descriptor = directory.document(What::Descriptors, &relay);
                let keys = directory.document(sets, &relay);
                [descriptor, keys.filter(|_| !about.contains(&relay))]
            });
            documents.flatten().collect::<Vec<_>>()
        });
        for document in known {
            view.learn(document).expect("the relay has it, too");
        }
    }

    /// The key epochs of which relay `n` keeps a seed.
    ///
    /// # Panics
    /// Never: they are in memory.
    #[must_use]
    pub fn seeds(&self, n: usize) -> Vec<KeyEpoch> {
        self.places[n].ring.epochs().expect("memory")
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

    /// Starts relay `n`, or starts it again with what it had on its disk; with the newest snapshot.
    ///
    /// # Panics
    /// If it runs, or cannot.
    pub fn start(&mut self, n: usize) {
        self.restart(n);
        self.view(n)
            .offer_snapshot(&self.snapshot)
            .expect("it is good");
    }

    /// Starts relay `n` with nothing but what it had on its disk.
    ///
    /// # Panics
    /// If it runs, or cannot.
    pub fn restart(&mut self, n: usize) {
        self.restart_with(n, self.clock);
    }

    /// The same, with a clock that may be wrong.
    ///
    /// # Panics
    /// If it runs, or cannot.
    pub fn restart_with(&mut self, n: usize, clock: Clock) {
        let mut rng = self.fork();
        let view = self.open_view(self.places[n].store.clone(), clock);
        let place = &mut self.places[n];
        let id = place.key.relay_id();
        let ring = Arc::clone(&place.ring);
        let ring = KeyRing::open(network(), id, ring, view.sure_time(), &mut rng).expect("memory");
        let replays = ring.replays(Minute::at(view.time()), &mut rng);
        let truth = DirectoryService::new(view.clone());
        let directory: Arc<dyn TerminalService> = match place.lie.clone() {
            Some(lie) => Arc::new(LyingService { truth, lie }),
            None => Arc::new(truth),
        };
        let services = Services::new()
            .with(directory)
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
        let endpoint = endpoint(&self.net, place.listens, role, &mut rng);
        let relay = Relay::start(config, endpoint).expect("a relay starts");
        assert!(
            place.running.replace((relay, view)).is_none(),
            "relay {n} runs"
        );
    }

    /// Kills relay `n` as a power cut does; its disk stays.
    pub fn kill(&mut self, n: usize) {
        let place = &mut self.places[n];
        self.net.kill(place.listens);
        place.running = None;
    }

    /// Relay `n`, which does not run, loses all that it had on its disk but its key.
    ///
    /// # Panics
    /// If it runs.
    pub fn lose_disk(&mut self, n: usize) {
        let place = &mut self.places[n];
        assert!(place.running.is_none(), "relay {n} runs");
        place.ring = Arc::default();
        place.store = Store::in_memory();
    }

    /// Client `n` with what its disk has, and what it knows. It knows no more of the network than its
    /// root charter and three relays.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn client(&mut self, n: usize, store: Store) -> (Client, NetworkView) {
        self.client_with(n, store, self.clock)
    }

    /// The same, with a clock that may be wrong.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn client_with(&mut self, n: usize, store: Store, clock: Clock) -> (Client, NetworkView) {
        let view = self.open_view(store.clone(), clock);
        let relays = Relays::Learned(view.clone());
        (self.start_client(n, relays, store, clock), view)
    }

    /// Client `n`, which believes in this list whatever happens.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn believer(&mut self, n: usize, list: RelayList) -> Client {
        self.start_client(n, list.into(), Store::in_memory(), self.clock)
    }

    fn start_client(&mut self, n: usize, relays: Relays, store: Store, clock: Clock) -> Client {
        let mut rng = self.fork();
        let config = ClientConfig {
            network: network(),
            relays,
            diversity: Diversity::Strict,
            store,
            clock,
            seed: Secret::random(&mut rng),
        };
        let endpoint = endpoint(&self.net, client_address(n), Role::Client, &mut rng);
        Client::start(config, endpoint).expect("a runtime")
    }

    /// The view of a node with this disk.
    ///
    /// # Panics
    /// If the disk is spoiled.
    #[must_use]
    pub fn open_view(&self, store: Store, clock: Clock) -> NetworkView {
        self.try_open_view(store, clock).expect("a view")
    }

    /// The same, of a disk that may be spoiled.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn try_open_view(&self, store: Store, clock: Clock) -> Result<NetworkView, OpenError> {
        let bootstrap = (0..self.bootstrap.min(self.len())).map(|n| Bootstrap {
            relay: self.id(n),
            address: self.address(n),
        });
        NetworkView::open(ViewConfig {
            network: network(),
            root: self.authorities.root().into(),
            bootstrap: bootstrap.collect(),
            clock,
            store,
            verify: Verify::Inline,
        })
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
            listens: address(1, n),
            tap: None,
            lie: None,
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
