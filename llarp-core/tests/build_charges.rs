//! Who is charged for a build that fails: always the neighbours of the link where it happened, so
//! that no relay can bring shame on hops that it does not touch.

use llarp_core::build::{BuildFailed, BuildReply, Cause, Charge, Minute, OpenedBuild, Status};
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
        for slot in 0..5 {
            let byte = 9 + slot * REPLY_SLOT_LEN + 77;
            let failed = build_with_flip(link, byte, 3, Direction::Down);
            // Each hop between here and the client drops one answer from the end.
            if slot + link >= 5 {
                assert_eq!(failed, None, "link {link} slot {slot}");
                continue;
            }
            let charge = failed.unwrap().charge();
            assert_eq!(charge, neighbours(link), "link {link} slot {slot}");
        }
    }
}

/// A build in which hop `at` answers `status` instead of going on.
fn declined(at: usize, status: Status) -> BuildFailed {
    let mut relays = relays(3);
    let (mut request, expect) = start(&relays, 7);
    let mut waiting = Vec::new();
    let mut reply: BuildReply = loop {
        let hop = waiting.len();
        let relay = &mut relays[hop];
        match relay.open(request).unwrap() {
            OpenedBuild::Terminal(build) => break build.decline(status, &mut relay.rng),
            OpenedBuild::Forward(build) if hop == at => {
                break build.decline(status, &mut relay.rng);
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
        for (status, charge) in [
            (Status::Overloaded, Charge::Nobody),
            (Status::ClockSkew, Charge::Nobody),
            (Status::NextUnreachable, Charge::Pair(hop, hop + 1)),
            (Status::NextRefused, Charge::Pair(hop, hop + 1)),
            (Status::Unknown(99), neighbours(hop)),
        ] {
            let failed = declined(hop, status);
            assert_eq!(failed.hop, hop);
            let minute = NOW;
            assert_eq!(failed.cause, Cause::Refused { status, minute });
            assert_eq!(failed.charge(), charge);
        }
    }
}

#[test]
fn a_clock_that_differs_is_told_by_the_hop_that_refuses() {
    let mut relays = relays(3);
    relays[1].now = Minute(NOW.0 + 61);
    let (request, expect) = start(&relays, 7);
    let ran = run(&mut relays, request, &mut |_, _, _| ());
    let failed = expect.handle_reply(ran.replies[0].clone()).unwrap_err();
    let minute = Minute(NOW.0 + 61);
    assert_eq!(
        failed,
        BuildFailed {
            hop: 1,
            cause: Cause::Refused {
                status: Status::ClockSkew,
                minute
            }
        }
    );
    assert_eq!(failed.charge(), Charge::Nobody);
}
