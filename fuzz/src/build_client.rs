//! `build_client`: a build over one to four relays, with one link that changes what passes it, and
//! one relay that declines.
//!
//! Holds: only a reply that nobody changed gives keys, and they are the relays' own; otherwise the
//! client names the first hop that failed, and charges the pair around the link that did it.

use llarp_core::build::{
    AwaitNext, BuildReply, BuildRequest, Cause, Charge, Decline, OpenedBuild, ReplayCache, Status,
};
use llarp_core::cell::{HopKeys, PathId};
use llarp_core::wire::limits::{REPLY_SLOT_LEN, SLOTS};
use rand_chacha::ChaCha20Rng;

use crate::Seed;
use crate::craft::SLOTS_AT;
use crate::fixture::{NOW, RELAYS, rng, start};
use crate::input::{Input, mutate};

/// The input is the number of hops, who declines with which status (or nobody), the link and the
/// direction of the changes, and the changes.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let hops = 1 + input.below(4);
    let (decliner, why) = (input.below(8), DECLINES[input.below(DECLINES.len())]);
    let mut run = Run {
        decline: (decliner < hops).then_some((decliner, why)),
        hops,
        link: input.below(hops),
        up: input.below(2) == 0,
        changes: input,
        damage: Damage::None,
        rng: rng(50),
        keys: Vec::new(),
    };
    let (request, expect) = start(hops, NOW, 51);
    let Some(reply) = run.over_link(0, request) else {
        // The client saw no reply in form: that is its own link's doing.
        assert!(run.link == 0 && run.damage == Damage::Form);
        return;
    };
    match (expect.handle_reply(reply), run.failure()) {
        (Ok(keys), None) => {
            assert_eq!((keys.len(), keys), (hops, run.keys));
        }
        (Err(failed), Some((hop, causes, charge))) => {
            assert_eq!(failed.hop, hop, "{failed}");
            assert!(causes.contains(&failed.cause), "{failed}, not {causes:?}");
            assert_eq!(failed.charge(), charge, "{failed}");
            assert_eq!(
                failed.accepted.len(),
                hop,
                "the hops before hold their part"
            );
            let theirs = |keys| run.keys.contains(keys);
            assert!(failed.accepted.iter().all(theirs), "with the same keys");
        }
        (got, right) => panic!("{got:?}, but {right:?} is right"),
    }
}

const DECLINES: [Decline; 3] = [
    Decline::Overloaded,
    Decline::NextUnreachable,
    Decline::NextRefused,
];

/// What the changes did to the message that they met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// Nothing, or to parts that nobody reads.
    None,
    /// It is no message any more.
    Form,
    /// It is another message.
    Content,
}

struct Run<'a> {
    decline: Option<(usize, Decline)>,
    hops: usize,
    link: usize,
    up: bool,
    changes: Input<'a>,
    damage: Damage,
    rng: ChaCha20Rng,
    /// The relays' own keys, first hop first.
    keys: Vec<HopKeys>,
}

impl Run<'_> {
    /// Sends `request` over link `link`, and what comes back over it.
    fn over_link(&mut self, link: usize, request: BuildRequest) -> Option<BuildReply> {
        let mut bytes = request.encode();
        self.pass(link, true, &mut bytes);
        let request = BuildRequest::decode(&bytes).ok()?;
        let reply = self.at_hop(link, request);
        let mut bytes = reply.encode();
        self.pass(link, false, &mut bytes);
        BuildReply::decode(&bytes).ok()
    }

    fn at_hop(&mut self, hop: usize, request: BuildRequest) -> BuildReply {
        let mut replays = ReplayCache::for_fresh_keys(&mut self.rng);
        let path_id = PathId([7; 8]);
        let declined = self.decline.filter(|(decliner, _)| *decliner == hop);
        let opened = RELAYS[hop].open(&mut replays, NOW, request, &mut self.rng);
        let (keys, reply) = match (opened, declined) {
            (Err(refusal), _) => return refusal.reply,
            (Ok(OpenedBuild::Terminal(build)), Some((_, why))) => {
                return build.decline(why, &mut self.rng);
            }
            (Ok(OpenedBuild::Forward(build)), Some((_, why))) => {
                return build.decline(why, &mut self.rng);
            }
            (Ok(OpenedBuild::Terminal(build)), None) => build.accept(path_id, &mut self.rng),
            (Ok(OpenedBuild::Forward(build)), None) => {
                assert_eq!(*build.next(), RELAYS[hop + 1].id);
                let (onward, wait): (_, AwaitNext) = build.into_next(path_id);
                match self.over_link(hop + 1, onward) {
                    Some(behind) => wait.accept(behind, path_id),
                    None => return wait.fail(Decline::NextUnreachable, &mut self.rng),
                }
            }
        }
        .expect("no input hinders an answer");
        self.keys.insert(0, keys);
        reply
    }

    /// Changes `bytes` if this is the link and the direction.
    fn pass(&mut self, link: usize, up: bool, bytes: &mut Vec<u8>) {
        if (link, up) != (self.link, self.up) {
            return;
        }
        let before = bytes.clone();
        mutate(bytes, &mut self.changes, 4);
        // Behind link n, the last n answers of a reply are dropped unread. Nobody reads path ids.
        let read = if up {
            before.len()
        } else {
            SLOTS_AT + (SLOTS - link) * REPLY_SLOT_LEN
        };
        self.damage = if bytes.len() != before.len() || bytes[0] != before[0] {
            Damage::Form
        } else if bytes[SLOTS_AT..read] == before[SLOTS_AT..read] {
            Damage::None
        } else {
            Damage::Content
        };
    }

    /// The hop that fails, its possible causes, and whom to charge.
    fn failure(&self) -> Option<(usize, Vec<Cause>, Charge)> {
        let refused = |status| {
            vec![Cause::Refused {
                status,
                minute: NOW,
            }]
        };
        let link = self.link;
        match (self.damage, self.decline) {
            (Damage::None, None) => None,
            (Damage::None, Some((hop, Decline::Overloaded))) => {
                Some((hop, refused(Status::Overloaded), Charge::Hop(hop)))
            }
            (Damage::None, Some((hop, why))) if hop + 1 < self.hops => {
                Some((hop, refused(why.into()), Charge::Pair(hop, hop + 1)))
            }
            (Damage::None, Some((hop, why))) => {
                // A terminal has no next hop that could be missing.
                let status = why.into();
                Some((hop, vec![Cause::Contradiction { status }], in_front_of(hop)))
            }
            (Damage::Form, _) => {
                let hop = link - 1;
                Some((
                    hop,
                    refused(Status::NextUnreachable),
                    Charge::Pair(hop, link),
                ))
            }
            (Damage::Content, _) => {
                let causes = vec![Cause::NoAnswer, Cause::Changed];
                Some((link, causes, in_front_of(link)))
            }
        }
    }
}

/// The pair around the link in front of `hop`.
fn in_front_of(hop: usize) -> Charge {
    hop.checked_sub(1)
        .map_or(Charge::First, |near| Charge::Pair(near, hop))
}

pub(crate) fn seeds() -> Vec<Seed> {
    let script = |hops: u8, decline: [u8; 2], link: u8, up: bool, changes: &[u8]| {
        [
            &[hops - 1, decline[0], decline[1], link, u8::from(!up)],
            changes,
        ]
        .concat()
    };
    let nobody = [7, 0];
    vec![
        ("one_hop", script(1, nobody, 0, true, &[])),
        ("four_hops", script(4, nobody, 0, true, &[])),
        ("request_slot", script(3, nobody, 1, true, &[7, 0x08, 0, 1])),
        (
            "reply_own_answer",
            script(3, nobody, 2, false, &[7, 0, 9, 1]),
        ),
        (
            "reply_answer_behind",
            script(3, nobody, 1, false, &[7, 0, 200, 1]),
        ),
        (
            "reply_dropped_answer",
            script(3, nobody, 2, false, &[7, 3, 0x28, 1]),
        ),
        ("path_id", script(2, nobody, 1, true, &[7, 0, 3, 0xff])),
        ("reply_version", script(3, nobody, 2, false, &[7, 0, 0, 3])),
        ("middle_unreachable", script(3, [1, 1], 0, true, &[])),
        (
            "terminal_blames_a_next_hop",
            script(2, [1, 2], 0, false, &[]),
        ),
        ("terminal_declines", script(3, [2, 0], 0, false, &[])),
    ]
}
