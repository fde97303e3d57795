//! Who is charged for a build that fails: always the neighbours of the link where it happened, so
//! that no relay can bring shame on hops that it does not touch.

use llarp_core::build::{
    BuildFailed, BuildReply, Cause, Charge, Decline, Minute, OpenedBuild, Status,
};
use llarp_core::wire::limits::{HOPS_MAX, REPLY_SLOT_LEN};

use crate::support::*;

/// Builds over four hops, with one bit flipped on one link. `None` if the build succeeds all the
/// same.
fn build_with_flip(link: usize, byte: usize, bit: u8, way: Direction) -> Option<BuildFailed> {
    let mut relays = relays(HOPS_MAX as u64);
    let (request, expect) = start(&relays, 7);
    let mut flip = |at: usize, bytes: &mut Vec<u8>, direction| {
        if (at, direction) == (link, way) {
            bytes[byte] ^= 1 << bit;
        }
    };
    let ran = run(&mut relays, request, &mut flip);
    expect.handle_reply(ran.replies[0].clone()).err()
}

fn neighbours(link: usize) -> Charge {
    match link {
        0 => Charge::First,
        link => Charge::Pair(link - 1, link),
    }
}

#[test]
fn a_request_changed_on_a_link_is_charged_to_its_two_ends() {
    for link in 0..HOPS_MAX {
        // Key id, ciphertext, ephemeral, record, then each slot behind.
        for byte in [9, 30, 1120, 1200, 1400, 2700, 4100, 5400, 6728] {
            let failed = build_with_flip(link, byte, 3, Direction::Up).unwrap();
            assert_eq!(failed.charge(), neighbours(link), "link {link} byte {byte}");
        }
    }
}

#[test]
fn a_reply_changed_on_a_link_is_charged_to_its_two_ends_or_changes_nothing() {
    for link in 0..HOPS_MAX {
        // Ephemeral key, status, digests, extension, tag; first byte and last.
        for (slot, at) in (0..5).flat_map(|slot| [0, 32, 50, 110, 144, 159].map(|at| (slot, at))) {
            let byte = 9 + slot * REPLY_SLOT_LEN + at;
            let failed = build_with_flip(link, byte, 3, Direction::Down);
            // Each hop between here and the client drops one answer from the end.
            if slot + link >= 5 {
                assert_eq!(failed, None, "link {link} slot {slot} byte {at}");
                continue;
            }
            let charge = failed.unwrap().charge();
            assert_eq!(
                charge,
                neighbours(link),
                "link {link} slot {slot} byte {at}"
            );
        }
    }
}

/// A build in which hop `at` declines instead of going on.
fn declined(at: usize, why: Decline) -> BuildFailed {
    let mut relays = relays(3);
    let (mut request, expect) = start(&relays, 7);
    let mut waiting = Vec::new();
    let mut reply: BuildReply = loop {
        let hop = waiting.len();
        let relay = &mut relays[hop];
        match relay.open(request).unwrap() {
            OpenedBuild::Terminal(build) => break build.decline(why, &mut relay.rng),
            OpenedBuild::Forward(build) if hop == at => {
                break build.decline(why, &mut relay.rng);
            }
            OpenedBuild::Forward(build) => {
                let (next, wait) = build.into_next(llarp_core::cell::PathId([0; 8]));
                waiting.push(wait);
                request = next;
            }
        }
    };
    while let Some(wait) = waiting.pop() {
        let path_id = llarp_core::cell::PathId([0; 8]);
        reply = wait.accept(reply, path_id).unwrap().1;
    }
    expect.handle_reply(reply).unwrap_err()
}

#[test]
fn a_hop_that_declines_is_believed_about_itself_only() {
    for hop in 0..3 {
        for (why, charge) in [
            (Decline::Overloaded, Charge::Hop(hop)),
            (Decline::NextUnreachable, Charge::Pair(hop, hop + 1)),
            (Decline::NextRefused, Charge::Pair(hop, hop + 1)),
        ] {
            let failed = declined(hop, why);
            assert_eq!((failed.hop, failed.accepted.len()), (hop, hop));
            let (status, minute) = (Status::from(why), NOW);
            if hop == 2 && why != Decline::Overloaded {
                // There is no hop behind the terminal to blame.
                assert_eq!(failed.cause, Cause::Contradiction { status });
                assert_eq!(failed.charge(), neighbours(hop));
                continue;
            }
            assert_eq!(failed.cause, Cause::Refused { status, minute });
            assert_eq!(failed.charge(), charge);
        }
    }
}

#[test]
fn hops_in_front_of_the_one_that_failed_can_be_told_to_close() {
    let mut relays = relays(3);
    let (request, expect) = start(&relays, 7);
    let mut flip = |at: usize, bytes: &mut Vec<u8>, direction| {
        if (at, direction) == (2, Direction::Up) {
            bytes[1200] ^= 1;
        }
    };
    let ran = run(&mut relays, request, &mut flip);
    let failed = expect.handle_reply(ran.replies[0].clone()).unwrap_err();
    assert_eq!(failed.accepted, ran.keys);
    assert_eq!(failed.accepted.len(), 2);
}

/// A build through a middle hop whose clock is `ahead` minutes ahead.
fn with_a_clock_ahead(ahead: u32) -> BuildFailed {
    let mut relays = relays(3);
    relays[1].now = Minute(NOW.0 + ahead);
    let (request, expect) = start(&relays, 7);
    let ran = run(&mut relays, request, &mut |_, _, _| ());
    expect.handle_reply(ran.replies[0].clone()).unwrap_err()
}

#[test]
fn a_clock_that_differs_is_told_by_the_hop_that_refuses() {
    let failed = with_a_clock_ahead(61);
    let (status, minute) = (Status::ClockSkew, Minute(NOW.0 + 61));
    assert_eq!(failed.hop, 1);
    assert_eq!(failed.cause, Cause::Refused { status, minute });
    assert_eq!(failed.charge(), Charge::Hop(1));
}

#[test]
fn a_relay_that_has_just_restarted_says_overloaded_and_not_that_the_clocks_differ() {
    let mut relays = relays(1);
    let relay = &mut relays[0];
    relay.replays = llarp_core::build::ReplayCache::after_restart(NOW, &mut relay.rng);
    let (request, expect) = start(&relays, 7);
    let ran = run(&mut relays, request, &mut |_, _, _| ());
    let failed = expect.handle_reply(ran.replies[0].clone()).unwrap_err();
    let (status, minute) = (Status::Overloaded, NOW);
    assert_eq!(failed.cause, Cause::Refused { status, minute });
}
