//! `build_relay`: requests and replies of any kind at one relay, in any order, under a clock that
//! moves both ways.
//!
//! Holds: each honest request gets just what the model says and opens once, ever; a changed one
//! never opens and leaves no trace; what goes back on the wire always has the one size.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use llarp_core::build::{
    BuildReply, BuildRequest, Decline, Minute, OpenedBuild, RefusalCause, RelayContext,
    ReplayCache, open_build, screen_build,
};
use llarp_core::cell::PathId;
use llarp_core::crypto::onion_key::OnionSecret;
use llarp_core::wire::limits::{BUILD_REPLY_LEN, BUILD_REQUEST_LEN, BUILD_SKEW_MINUTES};
use rand_chacha::ChaCha20Rng;

use crate::Seed;
use crate::craft::SLOTS_AT;
use crate::fixture::{NETWORK, NOW, RELAYS, rng, start};
use crate::input::{Input, mutate};

/// Ops of one run: each may cost a handshake.
const OPS_MAX: usize = 24;

/// Honest requests to the relay, as its link carries them: to end the path and to forward, with
/// stamps around [`NOW`]. The last is for another relay.
static REQUESTS: LazyLock<Vec<(Minute, Vec<u8>)>> = LazyLock::new(|| {
    let stamps = [-11, -6, -5, 0, 0, 5, 6, 11].map(|offset| NOW.0.saturating_add_signed(offset));
    let mut requests = Vec::new();
    for (number, stamp) in (30..).zip(stamps) {
        let hops = if number % 2 == 0 { 1 } else { 3 };
        let (request, _) = start(hops, Minute(stamp), number);
        requests.push((Minute(stamp), request.encode()));
    }
    let (request, _) = start(2, NOW, 29);
    let mut cache = ReplayCache::for_fresh_keys(&mut rng(29));
    match RELAYS[0].open(&mut cache, NOW, request, &mut rng(29)) {
        Ok(OpenedBuild::Forward(build)) => {
            let (onward, _) = build.into_next(PathId([0; 8]));
            requests.push((NOW, onward.encode()));
        }
        other => panic!("{other:?}"),
    }
    requests
});

/// The input is the room in the replay cache, then a script of ops.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut rng = rng(40);
    let room = 1 + input.below(8);
    let mut world = World {
        now: NOW,
        latest: NOW,
        erased: false,
        room,
        replays: ReplayCache::for_fresh_keys(&mut rng).with_capacity(room),
        floor: Minute(0),
        remembered: HashMap::new(),
        opened: HashSet::new(),
        rng,
    };
    for _ in 0..OPS_MAX {
        if input.is_empty() {
            return;
        }
        world.step(&mut input);
        assert_eq!(world.replays.len(), world.remembered.len());
    }
}

struct World {
    now: Minute,
    /// The latest that the clock has ever shown.
    latest: Minute,
    erased: bool,
    room: usize,
    replays: ReplayCache,
    /// What the cache must know: stamps below the floor are refused, these requests remembered.
    floor: Minute,
    remembered: HashMap<usize, Minute>,
    /// The requests that were opened, ever.
    opened: HashSet<usize>,
    rng: ChaCha20Rng,
}

impl World {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.u8() % 8 {
            0 => {
                let minutes = i32::from(input.u8().cast_signed());
                self.now = Minute(self.now.0.saturating_add_signed(minutes));
                self.latest = self.latest.max(self.now);
            }
            1 => {
                let (index, end) = (input.below(REQUESTS.len()), End::read(input));
                self.honest(index, REQUESTS[index].1.clone(), end);
            }
            2 => {
                let index = input.below(REQUESTS.len());
                let honest = &REQUESTS[index].1;
                let (steps, mut bytes) = (input.below(3) + 1, honest.clone());
                mutate(&mut bytes, input, steps);
                if bytes.len() == honest.len()
                    && bytes[0] == honest[0]
                    && bytes[SLOTS_AT..] == honest[SLOTS_AT..]
                {
                    // At most the path id differs, which the next hop chooses anyway.
                    self.honest(index, bytes, End::Accept);
                } else {
                    self.changed(&bytes);
                }
            }
            3 => {
                let len = input.below(64) + 1;
                let pattern = [input.up_to(len), &[1]].concat();
                let mut bytes = vec![0; BUILD_REQUEST_LEN];
                for (byte, from) in bytes.iter_mut().zip(pattern.iter().cycle()) {
                    *byte = *from;
                }
                self.changed(&bytes);
            }
            4 => self.restart(),
            5 => self.erased = !self.erased,
            6 => {
                let (index, end) = (input.below(REQUESTS.len()), End::read(input));
                self.race(index, end);
            }
            _ => self.now = self.latest,
        }
    }

    /// A start with the same onion keys and an empty cache, at the latest time that was ever shown:
    /// so [`ReplayCache::after_restart`] asks for it.
    fn restart(&mut self) {
        self.now = self.latest;
        let cache = ReplayCache::after_restart(self.now, &mut self.rng);
        self.replays = cache.with_capacity(self.room);
        self.floor = Minute(self.now.0.saturating_add(BUILD_SKEW_MINUTES + 1));
        self.remembered.clear();
    }

    fn honest(&mut self, index: usize, bytes: Vec<u8>, end: End) {
        let request = BuildRequest::decode(&bytes).expect("an honest request");
        let expected = self.expected(index);
        match (self.open(request), expected) {
            (Err((cause, reply)), Err(right)) => {
                assert_eq!(cause, right);
                sized(&reply);
            }
            (Ok(build), Ok(())) => {
                assert!(self.opened.insert(index), "request {index} opens twice");
                self.answer(build, end);
            }
            (got, right) => panic!("{got:?}, but {right:?} is right"),
        }
    }

    /// The same request twice at once: both are screened and opened before either is admitted.
    fn race(&mut self, index: usize, end: End) {
        let request = BuildRequest::decode(&REQUESTS[index].1).expect("an honest request");
        let (context, keys) = (self.context(), self.keys());
        let both = [request.clone(), request].map(|request| {
            screen_build(context, &self.replays, request, &mut self.rng)?.open(
                context,
                keys,
                &mut self.rng,
            )
        });
        for build in both {
            let admitted =
                build.and_then(|build| build.admit(context, &mut self.replays, &mut self.rng));
            let expected = self.expected(index);
            match (admitted, expected) {
                (Err(refusal), Err(right)) => {
                    assert_eq!(refusal.cause, right);
                    sized(&refusal.reply);
                }
                (Ok(build), Ok(())) => {
                    assert!(self.opened.insert(index), "request {index} opens twice");
                    self.answer(build, end);
                }
                (got, right) => panic!("{got:?}, but {right:?} is right"),
            }
        }
    }

    /// What the relay must make of an honest request; cheapest checks first.
    fn expected(&mut self, index: usize) -> Result<(), RefusalCause> {
        let (stamp, now) = (REQUESTS[index].0, self.now);
        if self.remembered.contains_key(&index) {
            return Err(RefusalCause::Replayed);
        }
        if self.erased || index + 1 == REQUESTS.len() {
            return Err(RefusalCause::UnknownOnionKey);
        }
        let oldest = Minute(now.0.saturating_sub(BUILD_SKEW_MINUTES));
        for (_, forgotten) in self.remembered.extract_if(|_, stamp| *stamp < oldest) {
            self.floor = self.floor.max(Minute(forgotten.0 + 1));
        }
        if stamp.0.abs_diff(now.0) > BUILD_SKEW_MINUTES {
            return Err(RefusalCause::ClockSkew { stamp, now });
        }
        if stamp < self.floor {
            return Err(RefusalCause::Forgotten { stamp });
        }
        if self.remembered.len() >= self.room {
            return Err(RefusalCause::CacheFull);
        }
        self.remembered.insert(index, stamp);
        Ok(())
    }

    /// A request that no client made: refused, and nothing is remembered.
    fn changed(&mut self, bytes: &[u8]) {
        let Ok(request) = BuildRequest::decode(bytes) else {
            return;
        };
        let Err((cause, reply)) = self.open(request) else {
            panic!("a changed request opens");
        };
        let changed = RefusalCause::DoesNotOpen;
        let key_or_name = [RefusalCause::UnknownOnionKey, RefusalCause::Replayed];
        assert!(cause == changed || key_or_name.contains(&cause), "{cause}");
        sized(&reply);
    }

    fn open(&mut self, request: BuildRequest) -> Result<OpenedBuild, (RefusalCause, BuildReply)> {
        let (context, keys) = (self.context(), self.keys());
        open_build(context, keys, &mut self.replays, request, &mut self.rng)
            .map_err(|refusal| (refusal.cause, refusal.reply))
    }

    fn context(&self) -> RelayContext<'static> {
        RelayContext {
            network: &NETWORK,
            relay: &RELAYS[0].id,
            now: self.now,
        }
    }

    fn keys(&self) -> &'static [OnionSecret] {
        if self.erased { &[] } else { &RELAYS[0].onion }
    }

    /// Answers an opened build; replies from behind are anything.
    fn answer(&mut self, build: OpenedBuild, end: End) {
        let (path_id, rng) = (PathId([9; 8]), &mut self.rng);
        let reply = match (build, end) {
            (OpenedBuild::Terminal(build), End::Decline(why) | End::Fail(why)) => {
                build.decline(why, rng)
            }
            (OpenedBuild::Forward(build), End::Decline(why)) => build.decline(why, rng),
            (OpenedBuild::Terminal(build), End::Accept) => {
                build.accept(path_id, rng).expect("an answer").1
            }
            (OpenedBuild::Forward(build), end) => {
                assert_eq!(*build.next(), RELAYS[1].id);
                let (onward, wait) = build.into_next(path_id);
                assert_eq!(onward.encode().len(), BUILD_REQUEST_LEN);
                match end {
                    End::Decline(why) | End::Fail(why) => wait.fail(why, rng),
                    End::Accept => {
                        let behind = BuildReply::random(rng);
                        wait.accept(behind, path_id).expect("an answer").1
                    }
                }
            }
        };
        sized(&reply);
    }
}

/// How a build ends that was opened.
#[derive(Debug, Clone, Copy)]
enum End {
    /// At once.
    Decline(Decline),
    /// After the next hop failed.
    Fail(Decline),
    Accept,
}

impl End {
    fn read(input: &mut Input<'_>) -> Self {
        let ways = [
            Decline::Overloaded,
            Decline::NextUnreachable,
            Decline::NextRefused,
        ];
        let (way, why) = (input.below(3), ways[input.below(3)]);
        [Self::Decline(why), Self::Fail(why), Self::Accept][way]
    }
}

fn sized(reply: &BuildReply) {
    assert_eq!(reply.encode().len(), BUILD_REPLY_LEN);
}

pub(crate) fn seeds() -> Vec<Seed> {
    let open = |index: u8, way: u8| vec![1, index, way, 0];
    let clock = |minutes: i8| vec![0, minutes.cast_unsigned()];
    let flip = |index: u8, place: u16| {
        let [high, low] = place.to_be_bytes();
        vec![2, index, 0, 7, high, low, 1]
    };
    let restart = vec![4];
    vec![
        (
            "each_way",
            [vec![7], open(3, 0), open(4, 1), open(2, 2), open(5, 1)].concat(),
        ),
        (
            "replay",
            [vec![7], open(3, 2), open(3, 2), clock(5), open(3, 0)].concat(),
        ),
        (
            "clock_set_back",
            [
                vec![7],
                open(3, 2),
                clock(20),
                open(7, 2),
                clock(-20),
                open(3, 2),
            ]
            .concat(),
        ),
        (
            "restart",
            [
                vec![7],
                open(3, 2),
                restart.clone(),
                open(3, 2),
                open(6, 2),
                clock(1),
                open(6, 2),
            ]
            .concat(),
        ),
        (
            "full",
            [vec![0], open(3, 2), open(4, 2), clock(6), open(5, 2)].concat(),
        ),
        (
            "flipped",
            [
                vec![7],
                flip(3, 9),
                flip(3, 30),
                flip(4, 1113),
                flip(4, 6728),
                flip(3, 4),
                open(3, 0),
            ]
            .concat(),
        ),
        (
            "erased_keys",
            [vec![7, 5], open(3, 2), vec![5], open(8, 2), open(3, 2)].concat(),
        ),
        (
            "race",
            [vec![7, 6, 3, 2, 0], vec![6, 3, 2, 0], clock(20), vec![6, 3]].concat(),
        ),
        (
            "jump_and_back",
            [
                vec![7],
                open(3, 2),
                clock(100),
                open(4, 2),
                clock(-100),
                open(4, 2),
                open(5, 2),
            ]
            .concat(),
        ),
        (
            "garbage",
            [vec![7], vec![3, 3, 1, 2, 3, 4], open(4, 1)].concat(),
        ),
    ]
}
