//! A path's worth of relays without a network: what every test here stands on.

use llarp_core::build::{
    AwaitNext, BuildHop, BuildReply, BuildRequest, ExpectReply, Minute, OpenedBuild, Refusal,
    RelayContext, ReplayCache, open_build, start_build,
};
use llarp_core::cell::{HopKeys, PathId};
use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{RelayId, SecretKey};
use llarp_core::crypto::onion_key::{OnionPublic, OnionSecret};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// A generator that gives the same bytes for the same `seed`.
pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(crate) fn network() -> NetworkId {
    NetworkId::from_name("test")
}

/// The clock of every test.
pub(crate) const NOW: Minute = Minute(29_000_000);

pub(crate) struct TestRelay {
    pub(crate) id: RelayId,
    pub(crate) onion: Vec<OnionSecret>,
    pub(crate) public: OnionPublic,
    pub(crate) replays: ReplayCache,
    pub(crate) now: Minute,
    pub(crate) rng: ChaCha20Rng,
}

impl TestRelay {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = rng(seed);
        let id = SecretKey::generate(&mut rng).relay_id();
        let onion = OnionSecret::generate(&network(), &id, &mut rng);
        Self {
            id,
            public: onion.public(),
            onion: vec![onion],
            replays: ReplayCache::for_fresh_keys(&mut rng),
            now: NOW,
            rng,
        }
    }

    pub(crate) fn hop(&self) -> BuildHop<'_> {
        BuildHop {
            relay: &self.id,
            onion: &self.public,
        }
    }

    pub(crate) fn open(&mut self, request: BuildRequest) -> Result<OpenedBuild, Refusal> {
        let network = network();
        let context = RelayContext {
            network: &network,
            relay: &self.id,
            now: self.now,
        };
        open_build(
            context,
            self.onion.as_slice(),
            &mut self.replays,
            request,
            &mut self.rng,
        )
    }
}

pub(crate) fn relays(count: u64) -> Vec<TestRelay> {
    (0..count).map(|seed| TestRelay::new(1000 + seed)).collect()
}

pub(crate) fn start(relays: &[TestRelay], seed: u64) -> (BuildRequest, ExpectReply) {
    let hops: Vec<_> = relays.iter().map(TestRelay::hop).collect();
    let mut rng = rng(seed);
    let path_id = PathId::random(&mut rng);
    start_build(&network(), &hops, path_id, NOW, &mut rng).unwrap()
}

/// What a build did on every link.
pub(crate) struct Ran {
    /// The request as link `i` carried it; link 0 is the client's.
    pub(crate) requests: Vec<BuildRequest>,
    /// The reply as link `i` carried it.
    pub(crate) replies: Vec<BuildReply>,
    /// The keys that each relay made, first hop first, as far as it got.
    pub(crate) keys: Vec<HopKeys>,
}

/// Runs `request` through `relays` and back. `tamper(link, message)` sees every message on every
/// link, and may change it.
pub(crate) fn run(
    relays: &mut [TestRelay],
    request: BuildRequest,
    tamper: &mut dyn FnMut(usize, &mut Vec<u8>, Direction),
) -> Ran {
    let mut ran = Ran {
        requests: Vec::new(),
        replies: Vec::new(),
        keys: Vec::new(),
    };
    let mut waiting: Vec<AwaitNext> = Vec::new();
    let mut request = request;
    let mut reply = loop {
        let link = waiting.len();
        let mut bytes = request.encode();
        tamper(link, &mut bytes, Direction::Up);
        request = BuildRequest::decode(&bytes).unwrap();
        ran.requests.push(request.clone());
        let relay = &mut relays[link];
        match relay.open(request) {
            Err(refusal) => break refusal.reply,
            Ok(OpenedBuild::Terminal(build)) => {
                let path_id = PathId::random(&mut relay.rng);
                let (keys, reply) = build.accept(path_id, &mut relay.rng).unwrap();
                ran.keys.push(keys);
                break reply;
            }
            Ok(OpenedBuild::Forward(build)) => {
                let path_id = PathId::random(&mut relay.rng);
                let next = *build.next();
                let (forwarded, wait) = build.into_next(path_id);
                request = forwarded;
                waiting.push(wait);
                assert_eq!(relays[link + 1].id, next);
            }
        }
    };
    for link in (0..=waiting.len()).rev() {
        let mut bytes = reply.encode();
        tamper(link, &mut bytes, Direction::Down);
        reply = BuildReply::decode(&bytes).unwrap();
        ran.replies.push(reply.clone());
        let Some(wait) = waiting.pop() else { break };
        let path_id = PathId::random(&mut relays[link - 1].rng);
        let (keys, own) = wait.accept(reply, path_id).unwrap();
        ran.keys.insert(0, keys);
        reply = own;
    }
    ran.replies.reverse();
    ran
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// A whole path: the client's keys and the relays', which are equal.
pub(crate) fn build(relays: &mut [TestRelay], seed: u64) -> (Vec<HopKeys>, Ran) {
    let (request, expect) = start(relays, seed);
    let ran = run(relays, request, &mut |_, _, _| ());
    let keys = expect.handle_reply(ran.replies[0].clone()).unwrap();
    (keys, ran)
}
