//! A peer of single steps with one link: a client, or a relay in hostile hands.

use core::net::SocketAddr;
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use llarp_core::build::{BuildHop, BuildReply, ExpectReply, start_build};
use llarp_core::cell::{Arrived, Command, HopKeys, InboundLayers, OutboundLayers, PathId, Probe};
use llarp_core::crypto::secret::Secret;
use llarp_core::hop::message::KIND_BUILD;
use llarp_core::link::{Endpoint, EndpointConfig, Link, RequestError, Role};
use llarp_core::wire::limits::{BODY_LEN, BUILD_REPLY_LEN, CELL_LEN, PATH_ID_LEN};
use llarp_tests::testnet::{TestNet, client_address, network};
use quinn::TokioRuntime;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::time::{Instant, timeout};

/// A peer with one link.
pub(crate) struct Raw {
    pub(crate) link: Link,
    _endpoint: Endpoint,
    pub(crate) rng: ChaCha20Rng,
}

/// A path of a peer's, by its layers.
pub(crate) struct RawPath {
    pub(crate) ours: PathId,
    pub(crate) theirs: PathId,
    out: OutboundLayers,
    inbound: InboundLayers,
    probes: u64,
}

/// What came back on a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) hop: usize,
    pub(crate) command: Command,
    pub(crate) data: Vec<u8>,
}

impl Raw {
    /// Client `n`, with a link to relay `to`.
    pub(crate) async fn client(net: &TestNet, n: usize, to: usize) -> Self {
        Self::start_at(net, Role::Client, 1000 + n, client_address(n), to).await
    }

    /// A client at this address, with a link to relay `to`.
    pub(crate) async fn client_at(net: &TestNet, at: SocketAddr, to: usize) -> Self {
        let ip = at.ip().to_string();
        let seed = ip
            .bytes()
            .map(usize::from)
            .fold(0, |seed, byte| 7 * seed % 10_007 + byte);
        Self::start_at(net, Role::Client, 3000 + seed, at, to).await
    }

    /// Somebody who has the key of relay `n`, which does not run, with a link to relay `to`.
    pub(crate) async fn relay(net: &TestNet, n: usize, to: usize) -> Self {
        let role = Role::Relay {
            key: net.key(n),
            known: Arc::new(net.list.clone()),
        };
        Self::start_at(net, role, 2000 + n, net.address(n), to).await
    }

    async fn start_at(net: &TestNet, role: Role, seed: usize, at: SocketAddr, to: usize) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed as u64);
        let config = EndpointConfig::new(role, network(), Secret::random(&mut rng));
        let socket = net.net.socket(at);
        let endpoint = Endpoint::with_socket(config, socket, Arc::new(TokioRuntime)).unwrap();
        let link = endpoint.dial(&net.id(to), net.address(to)).await.unwrap();
        Self {
            link,
            _endpoint: endpoint,
            rng,
        }
    }

    /// The bytes of a build over these relays, and what expects the reply.
    pub(crate) fn request(
        &mut self,
        net: &TestNet,
        hops: &[usize],
    ) -> (Vec<u8>, PathId, ExpectReply) {
        let ids: Vec<_> = hops.iter().map(|n| net.id(*n)).collect();
        let hops: Vec<_> = ids
            .iter()
            .map(|relay| BuildHop {
                relay,
                onion: &net.list.get(relay).unwrap().onion,
            })
            .collect();
        let ours = PathId::random(&mut self.rng);
        let now = net.clock.minute();
        let started = start_build(&network(), &hops, ours, now, &mut self.rng);
        let (request, expect) = started.unwrap();
        (request.encode(), ours, expect)
    }

    /// Asks for a build.
    pub(crate) async fn ask(&self, request: &[u8]) -> Result<BuildReply, RequestError> {
        let reply = self.link.request(KIND_BUILD, request, BUILD_REPLY_LEN);
        Ok(BuildReply::decode(&reply.await?).unwrap())
    }

    /// A path over these relays.
    pub(crate) async fn build(&mut self, net: &TestNet, hops: &[usize]) -> RawPath {
        let (request, ours, expect) = self.request(net, hops);
        let reply = self.ask(&request).await.unwrap();
        let theirs = reply.path_id;
        RawPath::new(ours, theirs, &expect.handle_reply(reply).unwrap())
    }

    /// Sends a cell now.
    pub(crate) fn send(&self, path: &mut RawPath, hop: usize, command: Command, data: &[u8]) {
        self.link.send_cell(path.seal(hop, command, data)).unwrap();
    }

    /// The next cell, if one comes within a second.
    pub(crate) async fn hear(&self, path: &mut RawPath) -> Option<Heard> {
        let cell = timeout(Duration::from_secs(1), self.link.recv_cell());
        path.open(&cell.await.ok()?.unwrap())
    }

    /// How long `hop` takes to answer, if it does within a second.
    pub(crate) async fn probe(&self, path: &mut RawPath, hop: usize) -> Option<Duration> {
        let asked = Instant::now();
        let probe = path.next_probe();
        self.send(path, hop, Command::Probe, &probe.encode());
        loop {
            let heard = self.hear(path).await?;
            let answer = Probe::decode(&heard.data);
            if heard.hop == hop && answer.is_ok_and(|answer| answer.nonce == probe.nonce) {
                return Some(asked.elapsed());
            }
        }
    }

    /// Random bytes.
    pub(crate) fn noise(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }
}

impl RawPath {
    fn new(ours: PathId, theirs: PathId, keys: &[HopKeys]) -> Self {
        Self {
            ours,
            theirs,
            out: OutboundLayers::new(keys),
            inbound: InboundLayers::new(keys),
            probes: 0,
        }
    }

    /// A probe that was not sent before.
    pub(crate) fn next_probe(&mut self) -> Probe {
        self.probes += 1;
        Probe {
            nonce: self.probes.to_be_bytes(),
            sent: self.out.sent() + 1,
            received: 0,
        }
    }

    /// The next cell of the path.
    pub(crate) fn seal(&mut self, hop: usize, command: Command, data: &[u8]) -> Bytes {
        let mut body = [0; BODY_LEN];
        self.out.seal(hop, command, data, &mut body).unwrap();
        let mut cell = [0; CELL_LEN];
        cell[..PATH_ID_LEN].copy_from_slice(&self.theirs.0);
        cell[PATH_ID_LEN..].copy_from_slice(&body);
        Bytes::copy_from_slice(&cell)
    }

    /// What a cell says; `None` if it is another path's, or does not open.
    pub(crate) fn open(&mut self, cell: &[u8]) -> Option<Heard> {
        if cell[..PATH_ID_LEN] != self.ours.0 {
            return None;
        }
        let mut body: [u8; BODY_LEN] = cell[PATH_ID_LEN..].try_into().unwrap();
        let Arrived { hop, command, data } = self.inbound.open(&mut body).ok()?;
        let data = data.to_vec();
        Some(Heard { hop, command, data })
    }
}
