//! `build_answer`: any answer, given under the right keys by a relay that keeps no rule.
//!
//! Holds: the client makes of it just what the specification says, charges nobody who is not on
//! the path, and no pair without the lying relay.

use llarp_core::build::{BuildFailed, Cause, Charge, Minute, OpenedBuild, ReplayCache, Status};
use llarp_core::cell::{HopKeys, PathId};
use llarp_core::wire::limits::{BUILD_SKEW_MINUTES, SLOTS};
use llarp_core::wire::{Fault, WireError};

use crate::Seed;
use crate::craft::{ANSWER_LEN, Behind, answer, digest, open_record};
use crate::fixture::{NETWORK, NOW, RELAYS, rng, start};
use crate::input::{Input, counting};

const EXTENSION_MAX: u16 = 41;

/// The input is the number of hops, the liar, whether its digests are right, and its body; then
/// what it says that it received from behind, over and over.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let hops = input.below(3) + 1;
    let (liar, right_digests) = (input.below(hops), input.below(2) == 1);
    let mut body: [u8; ANSWER_LEN] = input.array();
    let pattern = [input.rest(), &[0]].concat();
    let mut behind: Behind = [[0; _]; SLOTS - 1];
    for (byte, from) in behind
        .as_flattened_mut()
        .iter_mut()
        .zip(pattern.iter().cycle())
    {
        *byte = *from;
    }
    if right_digests {
        for (count, place) in (1..SLOTS).zip(body[5..69].chunks_exact_mut(16)) {
            place.copy_from_slice(&digest(&behind, count));
        }
    }
    let (mut request, expect) = start(hops, NOW, 20);
    let (mut waiting, mut rng) = (Vec::new(), rng(21));
    for relay in &RELAYS[..liar] {
        let mut replays = ReplayCache::for_fresh_keys(&mut rng);
        match relay.open(&mut replays, NOW, request, &mut rng) {
            Ok(OpenedBuild::Forward(build)) => {
                let (onward, wait) = build.into_next(PathId([0; 8]));
                request = onward;
                waiting.push(wait);
            }
            other => panic!("{other:?}"),
        }
    }
    let (responder, record) = open_record(&RELAYS[liar], &request, &mut rng);
    assert_eq!(record[0], u8::from(liar + 1 < hops), "its role");
    let (mut reply, split) = answer(responder, &body, &behind);
    let mut keys = vec![HopKeys::of_split(&NETWORK, &split)];
    for wait in waiting.into_iter().rev() {
        let answered = wait.accept(reply, PathId([0; 8]));
        let (own, onward) = answered.expect("no input hinders an answer");
        keys.insert(0, own);
        reply = onward;
    }
    match (
        expect.handle_reply(reply),
        failure(hops, liar, &body, &behind),
    ) {
        (Ok(got), None) => assert_eq!(got, keys),
        (Err(failed), Some((hop, cause))) => {
            assert_eq!((failed.hop, failed.cause), (hop, cause));
            assert_eq!(failed.accepted, keys[..hop]);
            charges_the_liar(&failed, hops, liar);
        }
        (got, right) => panic!("{got:?}, but {right:?} is right"),
    }
}

/// The hop that fails, and why.
fn failure(
    hops: usize,
    liar: usize,
    body: &[u8; ANSWER_LEN],
    behind: &Behind,
) -> Option<(usize, Cause)> {
    let mut input = Input::new(body);
    let status = Status::from(input.u8());
    let minute = Minute(u32::from_be_bytes(input.array()));
    let digests: [[u8; 16]; SLOTS - 1] = std::array::from_fn(|_| input.array());
    let (extension, left, last) = (input.u16(), SLOTS - 1 - liar, liar + 1 == hops);
    let cause = if extension > EXTENSION_MAX {
        let (max, got) = (EXTENSION_MAX.into(), extension.into());
        Cause::Malformed(WireError::new("extension", Fault::TooLarge { max, got }))
    } else if digests[left - 1] != digest(behind, left) {
        Cause::Changed
    } else {
        let in_time = minute.0.abs_diff(NOW.0) <= BUILD_SKEW_MINUTES;
        match status {
            Status::Accepted if last => return None,
            Status::Accepted => return Some((liar + 1, Cause::NoAnswer)),
            Status::NextUnreachable | Status::NextRefused if last => {
                Cause::Contradiction { status }
            }
            Status::ClockSkew if in_time => Cause::Contradiction { status },
            status => Cause::Refused { status, minute },
        }
    };
    Some((liar, cause))
}

fn charges_the_liar(failed: &BuildFailed, hops: usize, liar: usize) {
    match failed.charge() {
        Charge::First => assert_eq!(liar, 0),
        Charge::Pair(near, far) => {
            assert!(
                near == liar || far == liar,
                "{failed} charges {near} and {far}"
            );
            assert!(
                near + 1 == far && far < hops,
                "{failed} charges hop {far} of {hops}"
            );
        }
        Charge::Hop(hop) => {
            let excuse = |status| matches!(status, Status::Overloaded | Status::ClockSkew);
            assert!(matches!(failed.cause, Cause::Refused { status, .. } if excuse(status)));
            assert_eq!(hop, liar);
        }
    }
}

pub(crate) fn seeds() -> Vec<Seed> {
    let script = |hops: u8, liar: u8, right: u8, status: u8, extension: u8| {
        let mut body = counting(0, ANSWER_LEN);
        body[0] = status;
        body[69..71].copy_from_slice(&[0, extension]);
        [&[hops - 1, liar, right], body.as_slice(), b"behind"].concat()
    };
    let script_at = |hops: u8, liar: u8, status: u8, minute: u32| {
        let mut bytes = script(hops, liar, 1, status, 0);
        bytes[4..8].copy_from_slice(&minute.to_be_bytes());
        bytes
    };
    vec![
        ("terminal_accepts", script(3, 2, 1, 0, 0)),
        ("terminal_overloaded", script(3, 2, 1, 1, 0)),
        ("next_unreachable", script(3, 1, 1, 2, 0)),
        ("terminal_blames_a_next_hop", script(2, 1, 1, 2, 0)),
        ("false_clock_skew", script_at(3, 0, 4, NOW.0)),
        (
            "clock_skew",
            script_at(3, 1, 4, NOW.0 + BUILD_SKEW_MINUTES + 1),
        ),
        ("unknown_status", script(3, 0, 1, 0xee, 41)),
        ("wrong_digests", script(3, 1, 0, 0, 0)),
        ("garbage_from_behind", script(3, 0, 1, 0, 0)),
        ("extension_too_long", script(1, 0, 1, 0, 42)),
    ]
}
