//! `path_probing` and `path_pool`: a client's watch over its paths.
//!
//! Holds: a driver that polls until there is nothing, and sleeps until it is to wake, never runs in
//! circles: questions and actions of an instant are bounded, and it wakes in the future. A path that
//! answers is not dead, a silent one is in time, and only hops of the path are charged. The pool starts
//! and retires each path once, and as many as it may.

use std::collections::{BTreeMap, HashSet};

use llarp_core::build::Charge;
use llarp_core::cell::Probe;
use llarp_core::crypto::identity::RelayId;
use llarp_core::path::pool::{Action, Isolation, PathNumber, Pool, Purpose};
use llarp_core::path::{Ask, Millis, PathState, Probing, Want};
use llarp_core::wire::limits::{HOPS_MAX, PATH_LIFE_MILLIS};
use rand_chacha::ChaCha20Rng;

use crate::Seed;
use crate::fixture::rng;
use crate::input::Input;

/// Ops of one run.
const OPS_MAX: usize = 256;
/// Silence after which every path is given up, and before which none is.
const SILENCE: u64 = 4_000;
const SILENCE_MIN: u64 = 2_250;
/// Paths of one key at most.
const POOL_MAX: usize = 8;

struct Watch {
    probing: Probing,
    hops: usize,
    rng: ChaCha20Rng,
    now: Millis,
    asks: Vec<Ask>,
    /// The first thing that the terminal was sent and has not answered.
    waiting: Option<Millis>,
}

/// The input is a number of hops, then ops: a cell is sent, one comes, an answer comes, with numbers
/// of a liar or of nobody; time passes, or the driver sleeps as long as it may.
pub(crate) fn probing(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let hops = input.below(HOPS_MAX) + 1;
    let (mut rng, now) = (rng(9), Millis(5000));
    let mut watch = Watch {
        probing: Probing::new(hops, now, &mut rng),
        hops,
        rng,
        now,
        asks: Vec::new(),
        waiting: None,
    };
    for _ in 0..OPS_MAX {
        if input.is_empty() {
            break;
        }
        watch.step(&mut input);
        watch.check();
    }
}

impl Watch {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.u8() % 8 {
            0 => {
                let hop = input.below(self.hops);
                self.probing.handle_sent(self.now, hop, &mut self.rng);
                self.sent(hop);
            }
            1 => {
                let hop = input.below(self.hops);
                self.received(hop);
            }
            2 => self.answer(input),
            3 => {
                // Nobody asked.
                let hop = input.below(HOPS_MAX);
                let lie = Probe {
                    nonce: [input.u8(); 8],
                    sent: input.u64(),
                    received: input.u64(),
                };
                let told = self.probing.handle_answer(self.now, hop, &lie);
                assert_eq!(told, None);
            }
            4 => self.now = self.now.plus(input.u16().into()),
            5 => self.now = self.probing.wakes_at(self.now).max(self.now),
            6 => {
                let hop = input.below(self.hops);
                let ask = self.probing.ask(self.now, hop, &mut self.rng);
                self.asked(ask);
            }
            _ => (0..input.u8()).for_each(|_| {
                let hop = self.hops - 1;
                self.probing.handle_sent(self.now, hop, &mut self.rng);
                self.sent(hop);
            }),
        }
    }

    fn sent(&mut self, hop: usize) {
        if hop + 1 == self.hops {
            self.waiting.get_or_insert(self.now);
        }
    }

    fn received(&mut self, hop: usize) {
        self.probing.handle_received(hop);
        if hop + 1 == self.hops {
            self.waiting = None;
        }
    }

    fn asked(&mut self, ask: Ask) {
        assert!(ask.hop < self.hops, "no such hop");
        assert!(
            self.asks
                .iter()
                .all(|other| other.probe.nonce != ask.probe.nonce)
        );
        self.sent(ask.hop);
        self.asks.push(ask);
    }

    /// An answer, honest or not, to one of the questions so far; told once at most.
    fn answer(&mut self, input: &mut Input<'_>) {
        let Some(which) = input.below(256).checked_rem(self.asks.len()) else {
            return;
        };
        let ask = self.asks[which];
        let (lies, sent, received) = (input.u8(), input.u64(), input.u64());
        let answer = Probe {
            nonce: ask.probe.nonce,
            sent: if lies & 1 == 0 {
                ask.probe.received
            } else {
                sent
            },
            received: if lies & 2 == 0 {
                ask.probe.sent
            } else {
                received
            },
        };
        self.received(ask.hop);
        let told = self.probing.handle_answer(self.now, ask.hop, &answer);
        assert!(told.is_none_or(|told| told.hop == ask.hop));
        let again = self.probing.handle_answer(self.now, ask.hop, &answer);
        assert_eq!(again, None, "one answer a question");
    }

    /// Does what a driver does, and looks at the state.
    fn check(&mut self) {
        // Each hop for silence, for a loss, and for its turn, at most.
        for left in (0..=3 * HOPS_MAX).rev() {
            let Some(ask) = self.probing.poll(self.now, &mut self.rng) else {
                break;
            };
            assert!(left > 0, "asks on and on");
            self.asked(ask);
        }
        let wakes = self.probing.wakes_at(self.now);
        assert!(wakes > self.now, "wakes at {wakes:?}, at {:?}", self.now);
        let silence = self.waiting.map_or(0, |since| self.now.since(since));
        match self.probing.state(self.now) {
            PathState::Dead { after, charge } => {
                assert_eq!(after, silence);
                assert!(silence >= SILENCE_MIN);
                self.is_of_path(charge);
            }
            PathState::Lossy { charge } => {
                assert!(silence < SILENCE);
                self.is_of_path(charge);
            }
            PathState::Suspect => assert!((1..SILENCE).contains(&silence)),
            PathState::Alive => assert!(silence < SILENCE_MIN),
        }
        if self.waiting.is_some() {
            assert!(wakes <= self.now.plus(SILENCE), "sleeps through a death");
        }
    }

    fn is_of_path(&self, charge: Charge) {
        match charge {
            Charge::First => (),
            Charge::Pair(one, next) => assert!(next == one + 1 && next < self.hops),
            Charge::Hop(hop) => panic!("hop {hop} alone"),
        }
    }
}

pub(crate) fn probing_seeds() -> Vec<Seed> {
    let (send, hear) = (|hop: u8| vec![0, hop], |hop: u8| vec![1, hop]);
    let answer = |which: u8, lies: u8, received: u64| {
        [
            &[2, which, lies],
            [0; 8].as_slice(),
            &received.to_be_bytes(),
        ]
        .concat()
    };
    let wait = |millis: u16| [vec![4], millis.to_be_bytes().to_vec()].concat();
    let sleeps = |count| vec![5; count];
    let busy = [send(2), vec![7, 200], hear(2)].concat();
    let path = |ops: Vec<u8>| [vec![2], ops].concat();
    vec![
        ("idle", path(sleeps(12))),
        (
            "answers",
            path([send(2), sleeps(2), answer(0, 0, 0), sleeps(3)].concat()),
        ),
        ("silent", path([send(2), sleeps(24)].concat())),
        (
            "silent_behind_second",
            path([send(2), wait(1600), hear(1), sleeps(9)].concat()),
        ),
        ("one_hop_silent", [vec![0], send(0), sleeps(24)].concat()),
        (
            "loses",
            path(
                [
                    busy.clone(),
                    vec![6, 2],
                    busy,
                    vec![6, 2],
                    answer(1, 2, 20),
                    sleeps(20),
                ]
                .concat(),
            ),
        ),
        (
            "late_driver",
            path([send(2), wait(u16::MAX), sleeps(4), hear(2), sleeps(2)].concat()),
        ),
        (
            "nobody_asked",
            path([vec![3, 1, 7], vec![0; 16], sleeps(1)].concat()),
        ),
        ("many_questions", path([6, 1].repeat(20))),
    ]
}

struct Planned {
    pool: Pool,
    rng: ChaCha20Rng,
    now: Millis,
    /// Paths that were started and not retired or lost, and whose they are.
    paths: BTreeMap<PathNumber, (Isolation, Want, Millis)>,
    started: HashSet<PathNumber>,
    wanted: BTreeMap<Isolation, (Want, usize)>,
}

/// The input is ops on a pool: so many paths are wanted, one is built, lost or carries, time passes, or
/// the driver sleeps as long as it may.
pub(crate) fn pool(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut planned = Planned {
        pool: Pool::new(),
        rng: rng(10),
        now: Millis(5000),
        paths: BTreeMap::new(),
        started: HashSet::new(),
        wanted: BTreeMap::new(),
    };
    for _ in 0..OPS_MAX {
        if input.is_empty() {
            break;
        }
        planned.step(&mut input);
        planned.check();
    }
}

fn key(number: u8) -> Isolation {
    let purposes = [Purpose::Session, Purpose::Lookup, Purpose::Mailbox];
    Isolation {
        identity: u64::from(number & 1),
        purpose: purposes[usize::from(number / 2) % 3],
    }
}

const fn want(number: u8) -> Want {
    match number % 4 {
        0 => Want::Any,
        1 => Want::Terminal(RelayId([1; 32])),
        2 => Want::Terminal(RelayId([2; 32])),
        _ => Want::Aligned(RelayId([1; 32])),
    }
}

impl Planned {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.u8() % 6 {
            0 => {
                let (key, want, count) = (key(input.u8()), want(input.u8()), input.below(7));
                self.pool.set(key, want, count);
                let count = count.min(POOL_MAX / 2);
                self.wanted.insert(key, (want, count));
                assert_eq!(self.pool.is_kept(key), count > 0);
            }
            1 => {
                let path = self.pick(input);
                assert_eq!(self.pool.built(path), self.paths.contains_key(&path));
            }
            2 => {
                let path = self.pick(input);
                self.pool.lost(path, self.now, &mut self.rng);
                self.paths.remove(&path);
            }
            3 => {
                let path = self.pick(input);
                self.pool.carried(path, input.u64() >> (input.u8() % 64));
            }
            4 => self.now = self.now.plus(u64::from(input.u16()) * 4),
            _ => {
                if let Some(wakes) = self.pool.wakes_at(self.now) {
                    self.now = self.now.max(wakes);
                }
            }
        }
    }

    /// A path, started or not.
    fn pick(&self, input: &mut Input<'_>) -> PathNumber {
        let which = input.below(256);
        let alive = which.checked_rem(self.paths.len());
        let path = alive.and_then(|which| self.paths.keys().nth(which));
        path.copied().unwrap_or(PathNumber(which as u64))
    }

    fn check(&mut self) {
        for action in self.pool.poll(self.now, &mut self.rng) {
            match action {
                Action::Start { path, key, want } => {
                    assert!(self.started.insert(path), "started twice");
                    let wanted = self.wanted.get(&key).copied();
                    assert!(wanted.is_some_and(|(now, count)| now == want && count > 0));
                    self.paths.insert(path, (key, want, self.now));
                }
                Action::Retire(path) => {
                    assert!(self.paths.remove(&path).is_some(), "no such path");
                }
            }
        }
        assert_eq!(self.pool.poll(self.now, &mut self.rng), [], "all was said");
        let wakes = self.pool.wakes_at(self.now);
        assert!(
            wakes.is_none_or(|wakes| wakes > self.now),
            "runs in circles"
        );
        assert!(self.paths.is_empty() || wakes.is_some(), "sleeps for good");
        let outlives =
            |(_, _, started): &(_, _, Millis)| self.now.since(*started) >= PATH_LIFE_MILLIS;
        assert!(!self.paths.values().any(outlives), "no relay keeps it");
        for (key, (want, count)) in &self.wanted {
            self.check_key(*key, *want, *count);
        }
    }

    fn check_key(&self, key: Isolation, want: Want, count: usize) {
        let of_key = self.paths.values().filter(|(of, _, _)| *of == key);
        let held = of_key.clone().count();
        assert!(held <= POOL_MAX);
        assert!(count > 0 || held == 0, "nobody wants them");
        let standing = self.pool.standing(key);
        assert!(standing.len() <= held);
        for path in standing {
            let (of, leads, _) = self.paths[&path];
            assert_eq!((of, leads), (key, want));
        }
    }
}

pub(crate) fn pool_seeds() -> Vec<Seed> {
    let set = |key: u8, want: u8, count: u8| vec![0, key, want, count];
    let (built, lost) = (|path: u8| vec![1, path], |path: u8| vec![2, path]);
    let carries = |path: u8| [vec![3, path], vec![0xff; 8], vec![0]].concat();
    let sleeps = |count| vec![5; count];
    let both = [set(0, 0, 2), built(0), built(1)].concat();
    vec![
        (
            "successors",
            [both.clone(), sleeps(3), built(2), built(3), sleeps(3)].concat(),
        ),
        (
            "nothing_wanted_any_more",
            [both.clone(), set(0, 0, 0), sleeps(2)].concat(),
        ),
        (
            "fails_again_and_again",
            [set(0, 0, 1), [lost(0), sleeps(1)].concat().repeat(9)].concat(),
        ),
        (
            "another_want",
            [both.clone(), set(0, 1, 2), built(2), built(3), sleeps(2)].concat(),
        ),
        ("used_up", [both, carries(0), built(2), sleeps(2)].concat()),
        (
            "keys_apart",
            [
                set(0, 0, 2),
                set(1, 1, 3),
                set(2, 3, 4),
                built(5),
                sleeps(4),
            ]
            .concat(),
        ),
        (
            "driver_sleeps_long",
            [set(0, 0, 4), [4, 255, 255].repeat(4), built(9)].concat(),
        ),
        (
            "wants_change_fast",
            [set(0, 0, 4), set(0, 1, 4), set(0, 2, 4), sleeps(4)].concat(),
        ),
    ]
}
