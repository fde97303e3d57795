//! Properties 1 and 2 of the protocol, at the level of the build message.

use std::collections::HashSet;

use llarp_core::build::{
    BuildRequest, Minute, OnionKeys, OpenedBuild, RefusalCause, RelayContext, ReplayCache,
    open_build,
};
use llarp_core::cell::{Command, MiddleHop, OutboundLayers, PathId, Peeled};
use llarp_core::crypto::identity::SecretKey;
use llarp_core::crypto::noise::StaticKey;
use llarp_core::crypto::onion_key::{OnionKeyId, OnionSecret};
use llarp_core::wire::limits::{BODY_LEN, BUILD_REPLY_LEN, BUILD_REQUEST_LEN};

use crate::evidence::{Whole, is_full};
use crate::support::*;

#[test]
fn a_build_gives_client_and_relays_the_same_keys_in_one_round_trip() {
    for hops in 1..=4 {
        let mut relays = relays(hops);
        let (keys, ran) = build(&mut relays, 7);
        assert_eq!(keys.len() as u64, hops);
        // One request and one reply on every link, and every hop is ready.
        assert_eq!(ran.requests.len() as u64, hops);
        assert_eq!(ran.replies.len() as u64, hops);
        for (ours, theirs) in keys.iter().zip(&ran.keys) {
            assert_eq!(ours.up(), theirs.up());
            assert_eq!(ours.down(), theirs.down());
            assert_ne!(ours.up(), ours.down());
        }
    }
}

#[test]
fn build_messages_have_one_size_on_every_link_of_every_path() {
    for hops in 1..=4 {
        let (_, ran) = build(&mut relays(hops), 7);
        let requests = ran.requests.iter().map(|request| request.encode().len());
        assert!(requests.into_iter().all(|len| len == BUILD_REQUEST_LEN));
        let replies = ran.replies.iter().map(|reply| reply.encode().len());
        assert!(replies.into_iter().all(|len| len == BUILD_REPLY_LEN));
    }
}

#[test]
fn no_16_byte_window_of_a_build_appears_on_another_link() {
    let (_, ran) = build(&mut relays(4), 7);
    let mut messages: Vec<_> = ran.requests.iter().map(BuildRequest::encode).collect();
    messages.extend(ran.replies.iter().map(|reply| reply.encode()));
    let mut seen = HashSet::new();
    for message in &messages {
        let windows: HashSet<_> = message.windows(16).map(<[u8]>::to_vec).collect();
        assert_eq!(windows.len(), message.len() - 15, "no window stands twice");
        for window in windows {
            assert!(seen.insert(window), "a window appears on two links");
        }
    }
}

/// Bits flipped in each byte: one in CI, all eight in the full size.
fn bits(byte: usize) -> Vec<u8> {
    if is_full() {
        return (0..8).collect();
    }
    vec![u8::try_from(byte % 8).unwrap()]
}

#[test]
fn a_bit_flipped_in_any_slot_is_refused_by_the_next_honest_hop() {
    let whole = Whole::begin(
        "a_bit_flipped_in_any_slot_is_refused_by_the_next_honest_hop",
        format!("{} bits of each byte", bits(0).len()),
    );
    let mut relays = relays(3);
    let (_, ran) = build(&mut relays, 7);
    for (link, request) in ran.requests.iter().enumerate() {
        let relay = &mut relays[link];
        relay.replays = ReplayCache::for_fresh_keys(&mut relay.rng);
        let honest = request.encode();
        for byte in 9..honest.len() {
            for bit in bits(byte) {
                let mut bytes = honest.clone();
                bytes[byte] ^= 1 << bit;
                let changed = BuildRequest::decode(&bytes).unwrap();
                let refusal = relay
                    .open(changed)
                    .expect_err("a changed slot must not open");
                let expected = match byte {
                    9..25 => RefusalCause::UnknownOnionKey,
                    _ => RefusalCause::DoesNotOpen,
                };
                assert_eq!(refusal.cause, expected, "link {link} byte {byte} bit {bit}");
            }
        }
        // A refused request leaves no trace: the honest one still opens.
        assert!(relay.replays.is_empty());
        assert!(relay.open(request.clone()).is_ok());
    }
    whole.found_nothing();
}

#[test]
fn a_replay_is_refused_before_keys_are_even_looked_for() {
    let mut relays = relays(3);
    let (_, ran) = build(&mut relays, 7);
    for (relay, request) in relays.iter_mut().zip(&ran.requests) {
        relay.onion.clear();
        let refusal = relay.open(request.clone()).unwrap_err();
        assert_eq!(refusal.cause, RefusalCause::Replayed);
        assert_eq!(refusal.reply.encode().len(), BUILD_REPLY_LEN);
    }
}

#[test]
fn a_replay_to_a_relay_that_restarted_with_the_same_keys_is_refused() {
    let mut relays = relays(1);
    let (_, ran) = build(&mut relays, 7);
    let relay = &mut relays[0];
    relay.replays = ReplayCache::after_restart(relay.now, &mut relay.rng);
    let refusal = relay.open(ran.requests[0].clone()).unwrap_err();
    assert!(matches!(refusal.cause, RefusalCause::Forgotten { .. }));
}

#[test]
fn stamps_more_than_five_minutes_off_are_refused_with_an_authenticated_status() {
    for (skew, opens) in [
        (-60, false),
        (-6, false),
        (-5, true),
        (5, true),
        (60, false),
    ] {
        let mut relays = relays(1);
        relays[0].now = Minute(NOW.0.checked_add_signed(skew).unwrap());
        let (request, expect) = start(&relays, 7);
        let ran = run(&mut relays, request, &mut |_, _, _| ());
        let result = expect.handle_reply(ran.replies[0].clone());
        assert_eq!(result.is_ok(), opens, "skew {skew}");
        if let Err(failed) = result {
            assert!(failed.to_string().contains("ClockSkew"), "{failed}");
        }
    }
}

#[test]
fn a_request_for_another_relay_or_network_does_not_open() {
    let mut pair = relays(2);
    let (request, _) = start(&pair[..1], 7);
    let stranger = pair.pop().unwrap();
    let victim = pair.pop().unwrap();
    // The victim's onion keys under a stranger's name, then in another network.
    for (network, relay) in [
        (network(), stranger.id),
        (
            llarp_core::crypto::hash::NetworkId::from_name("other"),
            victim.id,
        ),
    ] {
        let context = RelayContext {
            network: &network,
            relay: &relay,
            now: NOW,
        };
        let mut rng = rng(1);
        let mut replays = ReplayCache::for_fresh_keys(&mut rng);
        let opened = open_build(
            context,
            victim.onion.as_slice(),
            &mut replays,
            request.clone(),
            &mut rng,
        );
        assert_eq!(opened.unwrap_err().cause, RefusalCause::DoesNotOpen);
    }
}

#[test]
fn a_path_through_the_same_relay_twice_in_a_row_is_refused_by_it() {
    let mut one = relays(1);
    let hop = one[0].hop();
    let mut rng = rng(1);
    let path_id = PathId::random(&mut rng);
    let (request, _) =
        llarp_core::build::start_build(&network(), &[hop, hop], path_id, NOW, &mut rng).unwrap();
    let refusal = one[0].open(request).unwrap_err();
    assert_eq!(
        refusal.cause.to_string(),
        "record: next hop: contradicts another field"
    );
}

/// Keys that an attacker tries, whatever id the request names.
struct Tries(OnionSecret);

impl OnionKeys for Tries {
    fn find(&self, _: &OnionKeyId) -> Option<&OnionSecret> {
        Some(&self.0)
    }
}

fn attack(keys: OnionSecret, victim: &TestRelay, request: &BuildRequest) -> Option<OpenedBuild> {
    let network = network();
    let context = RelayContext {
        network: &network,
        relay: &victim.id,
        now: NOW,
    };
    let mut rng = rng(99);
    let mut replays = ReplayCache::for_fresh_keys(&mut rng);
    open_build(
        context,
        &Tries(keys),
        &mut replays,
        request.clone(),
        &mut rng,
    )
    .ok()
}

/// The key pairs of `TestRelay::new(seed)`, drawn in the same order.
fn stolen(seed: u64) -> (SecretKey, StaticKey, llarp_core::crypto::kem::KemSecret) {
    let mut rng = rng(seed);
    let identity = SecretKey::generate(&mut rng);
    let x25519 = StaticKey::generate(&mut rng);
    let kem = llarp_core::crypto::kem::KemSecret::generate(&mut rng);
    (identity, x25519, kem)
}

#[test]
fn stolen_identity_keys_and_one_half_of_the_onion_keys_open_nothing_recorded() {
    let mut relays = relays(3);
    let (_, ran) = build(&mut relays, 7);
    let (victim, request) = (&relays[0], &ran.requests[0]);
    let onion = |x25519, kem| OnionSecret::new(&network(), &victim.id, x25519, kem);
    let (_, _, other_kem) = stolen(5);
    let (_, other_x25519, _) = stolen(5);

    let (identity, x25519, kem) = stolen(1000);
    let as_static = StaticKey::new(&identity.to_x25519());
    assert!(attack(onion(as_static, other_kem), victim, request).is_none());
    let (_, _, other_kem) = stolen(5);
    assert!(attack(onion(x25519, other_kem), victim, request).is_none());
    assert!(attack(onion(other_x25519, kem), victim, request).is_none());
    // The attack itself is sound: with both halves it opens.
    let (_, x25519, kem) = stolen(1000);
    assert!(attack(onion(x25519, kem), victim, request).is_some());
}

#[test]
fn erased_onion_keys_open_nothing_recorded() {
    let mut relays = relays(1);
    let (_, ran) = build(&mut relays, 7);
    let relay = &mut relays[0];
    relay.replays = ReplayCache::for_fresh_keys(&mut relay.rng);
    relay.onion = vec![OnionSecret::generate(&network(), &relay.id, &mut relay.rng)];
    let refusal = relay.open(ran.requests[0].clone()).unwrap_err();
    assert_eq!(refusal.cause, RefusalCause::UnknownOnionKey);
    let next = OnionSecret::generate(&network(), &relay.id, &mut relay.rng);
    assert!(attack(next, &relays[0], &ran.requests[0]).is_none());
}

#[test]
fn stolen_current_onion_keys_open_the_route_but_no_cell() {
    let mut relays = relays(3);
    let (keys, ran) = build(&mut relays, 7);
    let mut cell = [0; BODY_LEN];
    let mut out = OutboundLayers::new(&keys);
    out.seal(0, Command::Data, b"secret", &mut cell).unwrap();
    let recorded = cell;

    let (_, x25519, kem) = stolen(1000);
    let onion = OnionSecret::new(&network(), &relays[0].id, x25519, kem);
    let opened = attack(onion, &relays[0], &ran.requests[0]);
    let Some(OpenedBuild::Forward(build)) = opened else {
        panic!("current onion keys open the slot");
    };
    assert_eq!(build.next(), &relays[1].id);
    let (_, wait) = build.into_next(PathId([0; 8]));
    let (theirs, _) = wait.accept(ran.replies[1].clone(), PathId([0; 8])).unwrap();
    assert_ne!(theirs.up(), keys[0].up());
    let peeled = MiddleHop::new(&theirs).peel(&mut cell).unwrap();
    assert_eq!(peeled, Peeled::Onward);
    // The attack itself is sound: the relay's own keys open it.
    let mut own = recorded;
    let peeled = MiddleHop::new(&ran.keys[0]).peel(&mut own).unwrap();
    assert_eq!(
        peeled,
        Peeled::Ours {
            command: Command::Data,
            data: b"secret"
        }
    );
}

#[test]
fn a_request_that_opens_for_nobody_costs_no_state() {
    let mut relays = relays(1);
    let relay = &mut relays[0];
    let garbage = [[1; BUILD_REQUEST_LEN], [0xff; BUILD_REQUEST_LEN]];
    for mut bytes in garbage {
        bytes[0] = 1;
        let request = BuildRequest::decode(&bytes).unwrap();
        let refusal = relay.open(request).unwrap_err();
        assert_eq!(refusal.cause, RefusalCause::UnknownOnionKey);
    }
    assert!(relay.replays.is_empty());
}

#[test]
fn another_version_or_length_is_refused_with_the_field_named() {
    let (request, _) = start(&relays(3), 7);
    let mut bytes = request.encode();
    bytes[0] = 2;
    let error = BuildRequest::decode(&bytes).unwrap_err();
    assert_eq!(error.to_string(), "version: value 0x2 is not admitted here");
    bytes.push(0);
    let error = BuildRequest::decode(&bytes).unwrap_err();
    assert_eq!(
        error.to_string(),
        "build request: wrong length: 6729 bytes expected, 6730 found"
    );
}
