//! Build requests on every link, build replies, and the records sealed in slots.

use llarp_core::build::{
    BuildFailed, BuildHop, BuildReply, BuildRequest, Cause, Charge, ExpectReply, Minute,
    OpenedBuild, Refusal, RefusalCause, RelayContext, ReplayCache, open_build, start_build,
};
use llarp_core::cell::PathId;
use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{RelayId, SecretKey};
use llarp_core::crypto::onion_key::{OnionPublic, OnionSecret};
use llarp_core::wire::limits::{
    BUILD_REPLY_LEN, BUILD_REQUEST_LEN, REPLY_SLOT_LEN, SLOT_LEN, VERSION,
};
use llarp_core::wire::{Fault, WireError};
use rand_chacha::ChaCha20Rng;

use super::{fixed, mutate, mutated, pick};

const NOW: Minute = Minute(29_000_000);
const HOPS: usize = 3;
/// Builds that a check starts from.
const BUILDS: u64 = 8;
/// Where the slots of a message begin.
const SLOTS_AT: usize = 9;

struct Relay {
    id: RelayId,
    onion: [OnionSecret; 1],
    public: OnionPublic,
}

struct World {
    network: NetworkId,
    relays: [Relay; HOPS],
}

impl World {
    fn new() -> Self {
        let (network, mut rng) = (NetworkId::from_name("test"), fixed(4));
        let relays = std::array::from_fn(|_| {
            let id = SecretKey::generate(&mut rng).relay_id();
            let onion = OnionSecret::generate(&network, &id, &mut rng);
            let public = onion.public();
            let onion = [onion];
            Relay { id, onion, public }
        });
        Self { network, relays }
    }

    fn start(&self, hops: usize, seed: u64) -> (BuildRequest, ExpectReply) {
        let relays = self.relays[..hops].iter();
        let hops: Vec<_> = relays
            .map(
                |Relay {
                     id: relay,
                     public: onion,
                     ..
                 }| BuildHop { relay, onion },
            )
            .collect();
        let mut rng = fixed(seed);
        let path_id = PathId::random(&mut rng);
        let started = start_build(&self.network, &hops, path_id, NOW, &mut rng);
        started.expect("good hops")
    }

    /// What relay `hop` makes of `request`, and how many builds it then remembers.
    fn open(
        &self,
        hop: usize,
        request: BuildRequest,
        rng: &mut ChaCha20Rng,
    ) -> (Result<OpenedBuild, Refusal>, usize) {
        let relay = &self.relays[hop];
        let mut replays = ReplayCache::for_fresh_keys(rng);
        let context = RelayContext {
            network: &self.network,
            relay: &relay.id,
            now: NOW,
        };
        let opened = open_build(context, relay.onion.as_slice(), &mut replays, request, rng);
        (opened, replays.len())
    }

    /// A build's request as each link carries it, and the reply as the client receives it.
    fn build(&self, hops: usize, seed: u64) -> (Vec<Vec<u8>>, BuildReply) {
        let (mut request, _) = self.start(hops, seed);
        let (mut links, mut waiting, mut rng) = (Vec::new(), Vec::new(), fixed(seed + 1000));
        let mut reply = loop {
            links.push(request.encode());
            match self.open(waiting.len(), request, &mut rng).0 {
                Ok(OpenedBuild::Forward(build)) => {
                    let (onward, wait) = build.into_next(PathId([0; 8]));
                    request = onward;
                    waiting.push(wait);
                }
                Ok(OpenedBuild::Terminal(build)) => {
                    break build.accept(PathId([0; 8]), &mut rng).expect("an answer").1;
                }
                Err(refusal) => panic!("{refusal:?}"),
            }
        };
        for wait in waiting.into_iter().rev() {
            reply = wait.accept(reply, PathId([0; 8])).expect("an answer").1;
        }
        (links, reply)
    }
}

/// What is wrong with `bytes` as a message of `expected` bytes.
fn form(bytes: &[u8], whole: &'static str, expected: usize) -> Result<(), WireError> {
    let got = bytes.len();
    if got != expected {
        return Err(WireError::new(whole, Fault::WrongLength { expected, got }));
    }
    if bytes[0] != VERSION {
        let got = bytes[0].into();
        return Err(WireError::new("version", Fault::NotAdmitted { got }));
    }
    Ok(())
}

#[test]
fn mutated_build_requests() {
    let world = World::new();
    let builds: Vec<_> = (0..BUILDS).map(|seed| world.build(HOPS, seed).0).collect();
    mutated("mutated_build_requests").run(|_, rng| {
        let (links, other) = (pick(rng, &builds), pick(rng, &builds));
        let (hop, donor) = (super::below(rng, HOPS), pick(rng, other));
        let honest = &links[hop];
        let mut bytes = honest.clone();
        mutate(&mut bytes, donor, rng);
        let form = form(&bytes, "build request", BUILD_REQUEST_LEN);
        let request = BuildRequest::decode(&bytes);
        assert_eq!(request.as_ref().map(|_| ()).map_err(|error| *error), form);
        let Ok(request) = request else { return };
        let key_id = SLOTS_AT..SLOTS_AT + 16;
        let cause = if bytes[SLOTS_AT..] == honest[SLOTS_AT..] {
            None
        } else if bytes[key_id.clone()] != honest[key_id] {
            Some(RefusalCause::UnknownOnionKey)
        } else {
            Some(RefusalCause::DoesNotOpen)
        };
        let (opened, remembered) = world.open(hop, request, rng);
        assert_eq!(remembered, usize::from(cause.is_none()));
        let refusal = opened.err();
        assert_eq!(refusal.as_ref().map(|refusal| refusal.cause), cause);
        if let Some(refusal) = refusal {
            assert_eq!(refusal.reply.encode().len(), BUILD_REPLY_LEN);
        }
    });
}

#[test]
fn mutated_build_replies() {
    let world = World::new();
    let replies = |hops| -> Vec<_> {
        let reply = |seed| world.build(hops, seed).1.encode();
        (0..BUILDS).map(reply).collect()
    };
    let (short, long) = (replies(1), replies(HOPS));
    mutated("mutated_build_replies").run(|index, rng| {
        // Where the client sees the change does not depend on the hops: most paths are short.
        let (hops, replies) = if index % 8 == 0 {
            (HOPS, &long)
        } else {
            (1, &short)
        };
        let build = super::below(rng, replies.len());
        let honest = &replies[build];
        let mut bytes = honest.clone();
        let donor = pick(rng, replies);
        mutate(&mut bytes, donor, rng);
        let form = form(&bytes, "build reply", BUILD_REPLY_LEN);
        let reply = BuildReply::decode(&bytes);
        assert_eq!(reply.as_ref().map(|_| ()).map_err(|error| *error), form);
        let Ok(reply) = reply else { return };
        let own = SLOTS_AT..SLOTS_AT + REPLY_SLOT_LEN;
        let cause = if bytes[SLOTS_AT..] == honest[SLOTS_AT..] {
            None
        } else if bytes[own.clone()] == honest[own] {
            Some(Cause::Changed)
        } else {
            Some(Cause::NoAnswer)
        };
        let (_, expect) = world.start(hops, build as u64);
        let failed = expect.handle_reply(reply).err();
        let accepted = Vec::new();
        let right = cause.map(|cause| BuildFailed {
            hop: 0,
            cause,
            accepted,
        });
        assert_eq!(failed, right);
        let charge = failed.map(|failed| failed.charge());
        assert_eq!(charge, cause.map(|_| Charge::First));
    });
}

/// The records are sealed under the right keys; the model is the fuzz target's.
#[test]
fn mutated_build_records() {
    let target = llarp_fuzz::TARGETS
        .iter()
        .find(|target| target.name == "build_record");
    let seeds = target.expect("a target for records").seeds();
    let records: Vec<_> = seeds
        .into_iter()
        .map(|(_, mut bytes)| {
            bytes.resize(193, 0);
            bytes
        })
        .collect();
    mutated("mutated_build_records").run(|_, rng| {
        let mut bytes = pick(rng, &records).clone();
        let donor = pick(rng, &records);
        mutate(&mut bytes, donor, rng);
        llarp_fuzz::fuzz_one("build_record", &bytes);
    });
}

const _: () = assert!(SLOTS_AT + 5 * SLOT_LEN == BUILD_REQUEST_LEN);
