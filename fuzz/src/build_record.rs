//! `build_record`: any record, sealed under the right keys by a client that keeps no rule.
//!
//! Holds: the relay opens just the records that the specification admits, refuses the others by
//! the field that is wrong, and refuses each replay.

use llarp_core::build::{
    Decline, EXTENSION_MAX, Minute, OpenedBuild, RefusalCause, ReplayCache, Status,
};
use llarp_core::cell::PathId;
use llarp_core::crypto::noise::Initiator;
use llarp_core::wire::limits::{BUILD_REPLY_LEN, BUILD_SKEW_MINUTES, REPLY_SLOT_LEN};
use llarp_core::wire::{Fault, WireError};

use crate::Seed;
use crate::craft::{ANSWER_LEN, RECORD_LEN, SLOTS_AT, forwarded, seal_record};
use crate::fixture::{NOW, RELAYS, rng};
use crate::input::{Input, counting};

/// The input is the byte that fills the slots behind, then the record.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (fill, record) = (input.u8(), input.array::<RECORD_LEN>());
    let (relay, mut rng) = (&RELAYS[0], rng(u64::from(fill)));
    let mut replays = ReplayCache::for_fresh_keys(&mut rng);
    let (request, initiator) = seal_record(relay, &record, fill, &mut rng);
    let expected = expected(&record);
    let opened = relay.open(&mut replays, NOW, request.clone(), &mut rng);
    assert_eq!(replays.len(), usize::from(expected.is_ok()));
    let reply = match (opened, expected) {
        (Err(refusal), Err(cause)) => {
            assert_eq!(refusal.cause, cause);
            let answered = status(initiator, &refusal.reply.encode());
            let skew = matches!(cause, RefusalCause::ClockSkew { .. });
            assert_eq!(answered, skew.then_some(Status::ClockSkew));
            refusal.reply
        }
        (Ok(OpenedBuild::Terminal(build)), Ok(None)) => {
            let accepted = build.accept(PathId([7; 8]), &mut rng);
            let (_, reply) = accepted.expect("no input hinders an answer");
            assert_eq!(status(initiator, &reply.encode()), Some(Status::Accepted));
            reply
        }
        (Ok(OpenedBuild::Forward(build)), Ok(Some(next))) => {
            assert_eq!(build.next().0, next);
            let (onward, wait) = build.into_next(PathId([7; 8]));
            let seed = std::array::from_fn(|place| record[33 + place]);
            let slots = &onward.encode()[SLOTS_AT..];
            assert_eq!(slots, forwarded(&request, &seed));
            let reply = wait.fail(Decline::NextUnreachable, &mut rng);
            let answered = status(initiator, &reply.encode());
            assert_eq!(answered, Some(Status::NextUnreachable));
            reply
        }
        (opened, expected) => panic!("{opened:?}, but {expected:?} is right"),
    };
    assert_eq!(reply.encode().len(), BUILD_REPLY_LEN);
    let again = relay.open(&mut replays, NOW, request, &mut rng);
    let cause = again.expect_err("nothing opens twice").cause;
    let right = expected.map_or_else(|cause| cause, |_| RefusalCause::Replayed);
    assert_eq!(cause, right);
}

/// The next hop, or what is wrong with the record.
fn expected(record: &[u8; RECORD_LEN]) -> Result<Option<[u8; 32]>, RefusalCause> {
    let malformed = |field, fault| RefusalCause::Malformed(WireError::new(field, fault));
    let mut input = Input::new(record);
    let (role, next, _seed) = (input.u8(), input.array(), input.array::<32>());
    let stamp = Minute(u32::from_be_bytes(input.array()));
    let extension = usize::from(input.u16());
    let next = match (role, next) {
        (0, next) if next == [0; 32] => None,
        (0, _) => return Err(malformed("next hop", Fault::Mismatch)),
        (1, next) => Some(next),
        (got, _) => {
            let got = got.into();
            return Err(malformed("role", Fault::NotAdmitted { got }));
        }
    };
    if extension > EXTENSION_MAX {
        let (max, got) = (EXTENSION_MAX as u64, extension as u64);
        return Err(malformed("extension", Fault::TooLarge { max, got }));
    }
    if next == Some(RELAYS[0].id.0) {
        return Err(malformed("next hop", Fault::Mismatch));
    }
    if stamp.0.abs_diff(NOW.0) > BUILD_SKEW_MINUTES {
        return Err(RefusalCause::ClockSkew { stamp, now: NOW });
    }
    Ok(next)
}

/// The status in the first answer of `reply`, if it opens.
fn status(initiator: Initiator, reply: &[u8]) -> Option<Status> {
    let mut body = [0; ANSWER_LEN];
    let own = &reply[SLOTS_AT..SLOTS_AT + REPLY_SLOT_LEN];
    initiator.finish(own, &mut body).ok()?;
    assert_eq!(body[1..5], NOW.0.to_be_bytes(), "the relay's clock");
    Some(Status::from(body[0]))
}

pub(crate) fn seeds() -> Vec<Seed> {
    let record = |role: u8, next: [u8; 32], minute: u32, extension: &[u8]| {
        let len = u16::try_from(extension.len()).unwrap_or(u16::MAX);
        let (minute, len) = (minute.to_be_bytes(), len.to_be_bytes());
        [
            &[0x5a, role],
            next.as_slice(),
            &[0x33; 32],
            &minute,
            &len,
            extension,
        ]
        .concat()
    };
    let own = RELAYS[0].id.0;
    let next = RELAYS[1].id.0;
    vec![
        ("terminal", record(0, [0; 32], NOW.0, &[])),
        (
            "forward",
            record(1, next, NOW.0 - BUILD_SKEW_MINUTES, b"later"),
        ),
        ("terminal_with_next", record(0, next, NOW.0, &[])),
        ("forward_to_itself", record(1, own, NOW.0, &[])),
        ("role_2", record(2, next, NOW.0, &[])),
        (
            "early",
            record(0, [0; 32], NOW.0 - BUILD_SKEW_MINUTES - 1, &[]),
        ),
        ("late", record(1, next, NOW.0 + BUILD_SKEW_MINUTES + 1, &[])),
        (
            "extension_too_long",
            record(0, [0; 32], NOW.0, &counting(0, EXTENSION_MAX + 1)),
        ),
    ]
}
