//! Relays on a network in memory, and a client of single steps in front of them.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use llarp_core::build::{
    BuildFailed, BuildHop, BuildReply, ExpectReply, Minute, ReplayCache, start_build,
};
use llarp_core::cell::{Arrived, Command, HopKeys, InboundLayers, OutboundLayers, PathId, Probe};
use llarp_core::clock::Clock;
use llarp_core::crypto::identity::RelayId;
use llarp_core::crypto::onion_key::{OnionPublic, OnionSecret};
use llarp_core::crypto::secret::Secret;
use llarp_core::hop::message::KIND_BUILD;
use llarp_core::link::{Endpoint, KnownRelays, Link, RecvError, RequestError};
use llarp_core::relay::{Directory, Handshakes, Relay, RelayConfig};
use llarp_core::tunnel::Services;
use llarp_core::wire::limits::{BODY_LEN, BUILD_REPLY_LEN, CELL_LEN, PATH_ID_LEN};
use rand_chacha::ChaCha20Rng;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::link_network::{Net, at, id, key, network, serve};
use crate::support::rng;

/// When every test begins, in seconds since 1970.
const START: u64 = 1_740_000_000;

pub(crate) struct Relays {
    pub(crate) net: Net,
    pub(crate) relays: BTreeMap<u8, Relay>,
    pub(crate) clock: Clock,
    onion: BTreeMap<u8, OnionPublic>,
}

impl Relays {
    /// Relays with the numbers 1 to `count`, each at the address of its number.
    pub(crate) fn new(count: u8) -> Self {
        let net = Net::new();
        let clock = Clock::set_to(Duration::from_secs(START));
        let all: Vec<u8> = (1..=count).collect();
        let mut made = Self {
            net,
            relays: BTreeMap::new(),
            clock,
            onion: BTreeMap::new(),
        };
        for n in &all {
            made.start(*n, &all);
        }
        made
    }

    /// The same, but the last of them is in hostile hands: its endpoint, and the links that come in.
    pub(crate) fn with_hostile_last(count: u8) -> (Self, Endpoint, mpsc::Receiver<Link>) {
        let mut made = Self::new(0);
        let all: Vec<u8> = (1..=count).collect();
        for n in 1..count {
            made.start(n, &all);
        }
        let onion = OnionSecret::generate(&network(), &id(count), &mut rng(count.into()));
        made.onion.insert(count, onion.public());
        let endpoint = made.net.relay(count, &all);
        let links = serve(&endpoint);
        (made, endpoint, links)
    }

    fn start(&mut self, n: u8, all: &[u8]) {
        let mut rng = rng(n.into());
        let onion = OnionSecret::generate(&network(), &id(n), &mut rng);
        self.onion.insert(n, onion.public());
        let config = RelayConfig {
            network: network(),
            key: key(n),
            registered: None,
            onion: vec![onion],
            replays: ReplayCache::for_fresh_keys(&mut rng),
            directory: Arc::new(Listed(all.iter().map(|n| (id(*n), at(*n))).collect())),
            clock: self.clock,
            seed: Secret::random(&mut rng),
            handshakes: Handshakes::Inline,
            services: Services::of_relay(id(n)).unwrap(),
        };
        let relay = Relay::start(config, self.net.relay(n, all)).unwrap();
        self.relays.insert(n, relay);
    }

    pub(crate) fn onion(&self, n: u8) -> &OnionPublic {
        &self.onion[&n]
    }
}

#[derive(Debug)]
struct Listed(BTreeMap<RelayId, SocketAddr>);

impl KnownRelays for Listed {
    fn is_known(&self, id: &RelayId) -> bool {
        self.0.contains_key(id)
    }
}

impl Directory for Listed {
    fn address_of(&self, relay: &RelayId) -> Option<SocketAddr> {
        self.0.get(relay).copied()
    }
}

/// A client with one link.
pub(crate) struct Client {
    pub(crate) link: Link,
    _endpoint: Endpoint,
    rng: ChaCha20Rng,
}

/// A path of the client's, by its layers.
pub(crate) struct Path {
    pub(crate) ours: PathId,
    pub(crate) theirs: PathId,
    out: OutboundLayers,
    inbound: InboundLayers,
}

/// What came back on a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) hop: usize,
    pub(crate) command: Command,
    pub(crate) data: Vec<u8>,
}

impl Client {
    /// A client at address `n` with a link to relay `guard`.
    pub(crate) async fn new(relays: &Relays, n: u8, guard: u8) -> Self {
        let endpoint = relays.net.client(n);
        let link = endpoint.dial(&id(guard), at(guard)).await.unwrap();
        Self {
            link,
            _endpoint: endpoint,
            rng: rng(1000 + u64::from(n)),
        }
    }

    /// The bytes of a build over `hops`, and what expects the reply.
    pub(crate) fn start(&mut self, relays: &Relays, hops: &[u8]) -> (Vec<u8>, PathId, ExpectReply) {
        let ids: Vec<_> = hops.iter().map(|n| id(*n)).collect();
        let hops: Vec<_> = (ids.iter().zip(hops))
            .map(|(relay, n)| BuildHop {
                relay,
                onion: relays.onion(*n),
            })
            .collect();
        let ours = PathId::random(&mut self.rng);
        let now: Minute = relays.clock.minute();
        let (request, expect) = start_build(&network(), &hops, ours, now, &mut self.rng).unwrap();
        (request.encode(), ours, expect)
    }

    pub(crate) async fn build(&mut self, relays: &Relays, hops: &[u8]) -> Path {
        let (request, ours, expect) = self.start(relays, hops);
        let reply = self.ask(&request).await.unwrap();
        let theirs = reply.path_id;
        let keys = expect.handle_reply(reply).unwrap();
        Path::new(ours, theirs, &keys)
    }

    /// A build that fails, and why.
    pub(crate) async fn fail(&mut self, relays: &Relays, hops: &[u8]) -> BuildFailed {
        let (request, _, expect) = self.start(relays, hops);
        let reply = self.ask(&request).await.unwrap();
        expect.handle_reply(reply).unwrap_err()
    }

    pub(crate) async fn ask(&self, request: &[u8]) -> Result<BuildReply, RequestError> {
        let reply = self.link.request(KIND_BUILD, request, BUILD_REPLY_LEN);
        Ok(BuildReply::decode(&reply.await?).unwrap())
    }

    pub(crate) fn send(&self, path: &mut Path, hop: usize, command: Command, data: &[u8]) {
        self.link.send_cell(path.seal(hop, command, data)).unwrap();
    }

    /// The next cell, if one comes within a second.
    pub(crate) async fn hear(&self, path: &mut Path) -> Option<Heard> {
        let cell = timeout(Duration::from_secs(1), self.link.recv_cell());
        let cell = cell.await.ok()?.unwrap();
        assert_eq!(cell[..PATH_ID_LEN], path.ours.0);
        let mut body: [u8; BODY_LEN] = cell[PATH_ID_LEN..].try_into().unwrap();
        let Arrived { hop, command, data } = path.inbound.open(&mut body).unwrap();
        let data = data.to_vec();
        Some(Heard { hop, command, data })
    }

    /// Whether `hop` answers, and with which counts.
    pub(crate) async fn probe(&self, path: &mut Path, hop: usize) -> Option<Probe> {
        let probe = Probe {
            nonce: [hop.try_into().unwrap(); 8],
            sent: path.out.sent() + 1,
            received: 0,
        };
        self.send(path, hop, Command::Probe, &probe.encode());
        let heard = self.hear(path).await?;
        assert_eq!((heard.hop, heard.command), (hop, Command::Probe));
        let answer = Probe::decode(&heard.data).unwrap();
        assert_eq!(answer.nonce, probe.nonce);
        Some(answer)
    }

    /// Whether nothing comes within a second.
    pub(crate) async fn hears_nothing(&self) -> bool {
        let cell = timeout(Duration::from_secs(1), self.link.recv_cell()).await;
        matches!(cell, Err(_) | Ok(Err(RecvError::Closed(_))))
    }
}

impl Path {
    fn new(ours: PathId, theirs: PathId, keys: &[HopKeys]) -> Self {
        Self {
            ours,
            theirs,
            out: OutboundLayers::new(keys),
            inbound: InboundLayers::new(keys),
        }
    }

    pub(crate) fn seal(&mut self, hop: usize, command: Command, data: &[u8]) -> Bytes {
        let mut body = [0; BODY_LEN];
        self.out.seal(hop, command, data, &mut body).unwrap();
        let mut cell = [0; CELL_LEN];
        cell[..PATH_ID_LEN].copy_from_slice(&self.theirs.0);
        cell[PATH_ID_LEN..].copy_from_slice(&body);
        Bytes::copy_from_slice(&cell)
    }
}
