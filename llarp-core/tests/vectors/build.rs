//! A whole path build over three hops: every message on every link, every random byte.

use llarp_core::build::{
    AwaitNext, BuildHop, BuildReply, BuildRequest, Minute, OpenedBuild, RelayContext, ReplayCache,
    open_build, start_build,
};
use llarp_core::cell::{HopKeys, PathId};
use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{RelayId, SecretKey, Seed, X25519Secret};
use llarp_core::crypto::kem::{KemSecret, KemSeed};
use llarp_core::crypto::noise::StaticKey;
use llarp_core::crypto::onion_key::OnionSecret;
use llarp_core::crypto::secret::Secret;
use rand_chacha::rand_core::CryptoRng;
use serde_json::{Value, json};

use super::{Playback, Recorder, array, bytes, hex, read};

const NOW: Minute = Minute(29_000_000);

struct Relay {
    id: RelayId,
    x25519_secret: [u8; 32],
    kem_seed: [u8; 64],
    onion: [OnionSecret; 1],
}

impl Relay {
    fn new(net: &NetworkId, id: RelayId, x25519_secret: [u8; 32], kem_seed: [u8; 64]) -> Self {
        let secret = X25519Secret::new(Secret::take(&mut { x25519_secret }));
        let seed = KemSeed::new(Secret::take(&mut { kem_seed }));
        let (x25519, kem) = (StaticKey::new(&secret), KemSecret::from_seed(&seed));
        let onion = [OnionSecret::new(net, &id, x25519, kem)];
        Self {
            id,
            x25519_secret,
            kem_seed,
            onion,
        }
    }
}

/// What one hop saw and said.
struct Hop {
    request: BuildRequest,
    reply: BuildReply,
    keys: HopKeys,
    random: String,
}

fn path_id(byte: u8) -> PathId {
    PathId([byte; 8])
}

fn open(
    net: &NetworkId,
    relay: &Relay,
    request: &BuildRequest,
    rng: &mut impl CryptoRng,
) -> OpenedBuild {
    let context = RelayContext {
        network: net,
        relay: &relay.id,
        now: NOW,
    };
    let mut replays = ReplayCache::for_fresh_keys(&mut crate::support::rng(0));
    open_build(
        context,
        relay.onion.as_slice(),
        &mut replays,
        request.clone(),
        rng,
    )
    .unwrap()
}

/// Runs the request through `relays`; hop `i` chooses the ids `0x20 + i` behind and `0x30 + i`
/// in front of it.
fn carry(net: &NetworkId, relays: &[Relay], mut request: BuildRequest) -> Vec<Hop> {
    let mut waiting: Vec<(BuildRequest, AwaitNext, String)> = Vec::new();
    let mut hops = Vec::new();
    for (index, relay) in (0u8..).zip(relays) {
        let mut rng = Recorder::new(100 + u64::from(index));
        match open(net, relay, &request, &mut rng) {
            OpenedBuild::Forward(build) => {
                let (next, wait) = build.into_next(path_id(0x20 + index));
                waiting.push((std::mem::replace(&mut request, next), wait, rng.take()));
            }
            OpenedBuild::Terminal(build) => {
                let (keys, reply) = build.accept(path_id(0x30 + index), &mut rng).unwrap();
                let request = request.clone();
                hops.push(Hop {
                    request,
                    reply,
                    keys,
                    random: rng.take(),
                });
            }
        }
    }
    while let Some((request, wait, random)) = waiting.pop() {
        let id = path_id(0x30 + u8::try_from(waiting.len()).unwrap());
        let (keys, reply) = wait.accept(hops[0].reply.clone(), id).unwrap();
        hops.insert(
            0,
            Hop {
                request,
                reply,
                keys,
                random,
            },
        );
    }
    hops
}

pub(super) fn make() -> Value {
    let net = NetworkId::from_name("vectors");
    let relay = |byte: u8| {
        let seed = Seed::new(Secret::take(&mut [byte; 32]));
        let id = SecretKey::from_seed(seed).relay_id();
        Relay::new(&net, id, [byte + 1; 32], [byte + 2; 64])
    };
    let relays = [0x40, 0x50, 0x60].map(relay);
    let publics = relays.each_ref().map(|relay| relay.onion[0].public());
    let hops: Vec<_> = relays
        .iter()
        .zip(&publics)
        .map(|(relay, onion)| BuildHop {
            relay: &relay.id,
            onion,
        })
        .collect();
    let mut rng = Recorder::new(1);
    let (request, expect) = start_build(&net, &hops, path_id(0x10), NOW, &mut rng).unwrap();
    let client_random = rng.take();
    let carried = carry(&net, &relays, request);
    let keys = expect.handle_reply(carried[0].reply.clone()).unwrap();
    assert!(
        keys.iter()
            .zip(&carried)
            .all(|(key, hop)| key.up() == hop.keys.up())
    );
    json!({
        "network": hex(&net.0),
        "minute": NOW.0,
        "client_random": client_random,
        "hops": relays.iter().zip(&carried).map(hop_json).collect::<Vec<_>>(),
    })
}

fn hop_json((relay, hop): (&Relay, &Hop)) -> Value {
    json!({
        "relay": hex(&relay.id.0),
        "x25519_secret": hex(&relay.x25519_secret),
        "kem_seed": hex(&relay.kem_seed),
        "onion_key_id": hex(&relay.onion[0].id().0),
        "random": hop.random,
        "request": hex(&hop.request.encode()),
        "reply": hex(&hop.reply.encode()),
        "key_up": hex(hop.keys.up().expose()),
        "key_down": hex(hop.keys.down().expose()),
    })
}

#[test]
fn each_hop_of_the_vectors_opens_forwards_and_answers_as_they_say() {
    let vectors = read("build");
    let net = NetworkId(array(&vectors["network"]));
    let hops = vectors["hops"].as_array().unwrap();
    for (index, vector) in hops.iter().enumerate() {
        let id = RelayId(array(&vector["relay"]));
        let relay = Relay::new(
            &net,
            id,
            array(&vector["x25519_secret"]),
            array(&vector["kem_seed"]),
        );
        let request = BuildRequest::decode(&bytes(&vector["request"])).unwrap();
        let mut rng = Playback(bytes(&vector["random"]));
        let reply = BuildReply::decode(&bytes(&vector["reply"])).unwrap();
        let (keys, answered) = match open(&net, &relay, &request, &mut rng) {
            OpenedBuild::Terminal(build) => build.accept(reply.path_id, &mut rng).unwrap(),
            OpenedBuild::Forward(build) => {
                let behind = &hops[index + 1];
                assert_eq!(build.next().0, array::<32>(&behind["relay"]));
                let next = BuildRequest::decode(&bytes(&behind["request"])).unwrap();
                let (forwarded, wait) = build.into_next(next.path_id);
                assert_eq!(forwarded, next);
                let answer = BuildReply::decode(&bytes(&behind["reply"])).unwrap();
                wait.accept(answer, reply.path_id).unwrap()
            }
        };
        assert_eq!(answered, reply);
        assert_eq!(keys.up().expose(), &array(&vector["key_up"]));
        assert_eq!(keys.down().expose(), &array(&vector["key_down"]));
        assert!(rng.0.is_empty(), "a hop draws no more than it says");
    }
}
