//! Relays that lie: whom clients charge, and how often they still choose them.
//!
//! A share is counted over many routes that the client's own profile would choose now. Charges are
//! read from the same profile: each pair has the liar in it, and no relay is charged that is in no
//! such pair. Whoever says nothing at all, nobody can tell from its neighbours: then no pair is
//! charged, each hop a little, and the liar the most.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use llarp_core::client::Client;
use llarp_core::hop::message::KIND_BUILD;
use llarp_core::path::{Seconds, Want, choose};
use llarp_core::wire::limits::BUILD_REPLY_LEN;
use llarp_tests::net::tap::{Cell, CellFate, Direction, Passing, Policy, ReplyFate, RequestFate};
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::testnet::TestNet;
use llarp_tests::{Single, figure};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

const RELAYS: usize = 20;
const ROUTES: u32 = 4_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    RandomReply,
    ChangedReply,
    SilentAboutBuilds,
    DropsCells,
    DropsFifthCell,
    DropsUp,
    DropsDown,
    DropsBursts,
    WrongOnionKeys,
    WrongKey,
}

struct Liar {
    lie: Lie,
    rng: ChaCha20Rng,
    /// By link and direction, when the last cell came, and how many close behind each other.
    bursts: BTreeMap<(u16, Direction), (Instant, u32)>,
}

/// Cells that come within this time of each other are a burst.
const CLOSE: Duration = Duration::from_millis(3);
/// A client asks three hops in a row: what goes beyond that is no round of probes.
const ROUND: u32 = 3;

impl Liar {
    fn new(lie: Lie, seed: u64) -> Self {
        Self {
            lie,
            rng: ChaCha20Rng::seed_from_u64(seed),
            bursts: BTreeMap::new(),
        }
    }

    /// Whether this cell comes so close behind others that it asks after nobody's health.
    fn is_traffic(&mut self, passing: &Passing) -> bool {
        let now = Instant::now();
        let key = (passing.link, passing.direction);
        let (last, count) = self.bursts.entry(key).or_insert((now, 0));
        *count = if now - *last <= CLOSE { *count + 1 } else { 1 };
        *last = now;
        *count > ROUND
    }
}

impl Policy for Liar {
    fn cell(&mut self, passing: &Passing, _cell: &mut Cell) -> CellFate {
        let drops = match self.lie {
            Lie::DropsCells => true,
            Lie::DropsFifthCell => self.rng.next_u32().is_multiple_of(5),
            Lie::DropsUp => passing.direction == Direction::ToRelay,
            Lie::DropsDown => passing.direction == Direction::ToPeer,
            Lie::DropsBursts => self.is_traffic(passing),
            _ => false,
        };
        if drops {
            CellFate::Drop
        } else {
            CellFate::Pass
        }
    }

    fn request(&mut self, _passing: &Passing, kind: u8, _body: &mut Vec<u8>) -> RequestFate {
        match self.lie {
            Lie::RandomReply if kind == KIND_BUILD => {
                let mut reply = vec![0; BUILD_REPLY_LEN];
                self.rng.fill_bytes(&mut reply);
                RequestFate::Answer(reply)
            }
            Lie::SilentAboutBuilds if kind == KIND_BUILD => {
                RequestFate::Hold(Duration::from_hours(1))
            }
            _ => RequestFate::Pass,
        }
    }

    fn reply(&mut self, _passing: &Passing, kind: u8, body: &mut Vec<u8>) -> ReplyFate {
        if self.lie == Lie::ChangedReply && kind == KIND_BUILD {
            let at = self.rng.next_u32() as usize % (body.len() - 8) + 8;
            body[at] ^= 1 << (self.rng.next_u32() % 8);
        }
        ReplyFate::Pass
    }
}

/// How often each relay is the hop of this number, of [`ROUTES`] routes.
fn shares(client: &Client, net: &TestNet, hop: usize) -> BTreeMap<usize, u32> {
    let now = Seconds(net.clock.unix().as_secs());
    let profile = client.profile();
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut counted = BTreeMap::new();
    for _ in 0..ROUTES {
        let route = choose(&net.list, &profile, &Want::Any, now, &mut rng).unwrap();
        *counted.entry(net.number(&route.hops()[hop])).or_default() += 1;
    }
    counted
}

/// How many paths are built one after the other, how long each is used, how often meanwhile, and
/// with how many cells at a time.
struct Use {
    paths: usize,
    time: Duration,
    pause: Duration,
    cells: usize,
}

impl Lie {
    /// What shows it.
    const fn shown_by(self) -> Use {
        let (paths, secs, pause, cells) = match self {
            Self::DropsCells | Self::DropsUp | Self::DropsDown => (150, 5, 500, 1),
            Self::DropsFifthCell => (90, 20, 25, 1),
            Self::DropsBursts => (60, 13, 250, 8),
            // Each counts a quarter.
            Self::SilentAboutBuilds => (200, 0, 1, 1),
            _ => (150, 0, 1, 1),
        };
        Use {
            paths,
            time: Duration::from_secs(secs),
            pause: Duration::from_millis(pause),
            cells,
        }
    }
}

async fn converse(client: Client, how: Use) {
    for _ in 0..how.paths {
        let Ok(path) = client.build(Want::Any).await else {
            continue;
        };
        let talk = async {
            while path.end().is_none() {
                let mut asked = JoinSet::new();
                for _ in 0..how.cells {
                    let path = path.clone();
                    asked.spawn(async move { path.probe(2).await.is_ok() });
                }
                let _ = timeout(how.pause, asked.join_all()).await;
                sleep(how.pause).await;
            }
        };
        let _ = timeout(how.time, talk).await;
    }
}

/// What became of shares by the lies of one relay, and who is charged.
#[derive(Debug)]
struct Outcome {
    liar: usize,
    before: u32,
    after: u32,
    /// The least that is left to an honest relay of its share, in percent.
    honest_percent: u32,
    charged: BTreeMap<usize, u32>,
    pairs: BTreeSet<(usize, usize)>,
}

/// A client chooses `hop`s, one of which lies.
fn lie(lie: Lie, hop: usize, seed: u64) -> Outcome {
    virtual_time(seed, async {
        let mut net = TestNet::without_relays(seed, Weather::FAIR, RELAYS);
        let client = net.client(0);
        let before = shares(&client, &net, hop);
        let guards = shares(&client, &net, 0);
        let (second, third) = (shares(&client, &net, 1), shares(&client, &net, 2));
        // A liar that is never guard, and nothing but third hop if that is the question.
        let fits = |n: &&usize| !guards.contains_key(n) && (hop == 1 || !second.contains_key(n));
        let liar = *before.keys().find(fits).unwrap();
        match lie {
            Lie::WrongOnionKeys => net.lose_onion_keys(liar),
            Lie::WrongKey => net.lose_key(liar),
            _ => net.tap(liar, Liar::new(lie, seed)),
        }
        (0..RELAYS).for_each(|n| net.start(n));
        // Bursts take ten seconds to show, and charges fade: four paths at a time.
        let at_once = if lie == Lie::DropsBursts { 4 } else { 1 };
        let talks = (0..at_once).map(|_| converse(client.clone(), lie.shown_by()));
        talks.collect::<JoinSet<_>>().join_all().await;
        let after = shares(&client, &net, hop);
        let honest = [(1, second), (2, third)].map(|(hop, before)| {
            let after = shares(&client, &net, hop);
            let left = before.iter().filter(|(n, _)| **n != liar);
            let left = left.map(|(n, share)| after.get(n).copied().unwrap_or(0) * 100 / share);
            left.min().unwrap()
        });
        let now = Seconds(net.clock.unix().as_secs());
        let profile = client.profile();
        let of = |(id, amount)| (net.number(&id), amount);
        let pair = |((one, other), _)| (net.number(&one), net.number(&other));
        Outcome {
            liar,
            charged: profile.charged(now).into_iter().map(of).collect(),
            pairs: profile.charged_pairs(now).into_iter().map(pair).collect(),
            before: before[&liar],
            after: after.get(&liar).copied().unwrap_or(0),
            honest_percent: honest.into_iter().min().unwrap(),
        }
    })
}

impl Outcome {
    /// Whether the liar has a charge as a pair with each neighbour that is charged, and nobody else any.
    fn is_charged_as_a_pair(&self) -> bool {
        let liar = self.liar;
        let of_liar = |(one, other): &(usize, usize)| *one == liar || *other == liar;
        let in_pairs: BTreeSet<_> = self.pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
        let mut charged = self.charged.keys();
        !self.pairs.is_empty()
            && self.pairs.iter().all(of_liar)
            && charged.all(|relay| in_pairs.contains(relay))
    }

    /// Whether nobody is charged for more than having been there, and the liar the most.
    fn is_charged_the_most(&self) -> bool {
        let most = self.charged.iter().max_by_key(|(_, amount)| **amount);
        self.pairs.is_empty() && most.is_some_and(|(relay, _)| *relay == self.liar)
    }
}

#[track_caller]
fn is_avoided(name: &'static str, lied: Lie) {
    let single = Single {
        name,
        ci: 2,
        full: 10,
        unit: "seeds",
    };
    single.run(|seeds| {
        let seeds = (3..).take(seeds);
        for (seed, hop) in seeds.flat_map(|seed| [(seed, 1), (seed, 2)]) {
            is_avoided_in(lied, hop, seed);
        }
    });
}

fn is_avoided_in(lied: Lie, hop: usize, seed: u64) {
    let outcome = lie(lied, hop, seed);
    let what = format!("{lied:?} as hop {hop}, seed {seed}: {outcome:?}");
    figure(&what);
    assert!(outcome.after * 3 <= outcome.before, "{what}");
    assert!(outcome.honest_percent >= 60, "{what}");
    let is_right = match lied {
        Lie::SilentAboutBuilds => outcome.is_charged_the_most(),
        _ => outcome.is_charged_as_a_pair(),
    };
    assert!(is_right, "{what}");
}

#[test]
fn who_answers_builds_with_random_bytes_is_avoided() {
    is_avoided(
        "who_answers_builds_with_random_bytes_is_avoided",
        Lie::RandomReply,
    );
}

#[test]
fn who_changes_replies_is_avoided() {
    is_avoided("who_changes_replies_is_avoided", Lie::ChangedReply);
}

#[test]
fn who_is_silent_about_builds_is_avoided() {
    is_avoided(
        "who_is_silent_about_builds_is_avoided",
        Lie::SilentAboutBuilds,
    );
}

#[test]
fn who_drops_all_cells_is_avoided() {
    is_avoided("who_drops_all_cells_is_avoided", Lie::DropsCells);
}

#[test]
fn who_drops_every_fifth_cell_is_avoided() {
    is_avoided("who_drops_every_fifth_cell_is_avoided", Lie::DropsFifthCell);
}

#[test]
fn who_passes_rounds_of_probes_and_drops_bursts_is_avoided() {
    is_avoided(
        "who_passes_rounds_of_probes_and_drops_bursts_is_avoided",
        Lie::DropsBursts,
    );
}

#[test]
fn who_drops_the_cells_of_one_direction_is_avoided() {
    is_avoided(
        "who_drops_the_cells_of_one_direction_is_avoided_up",
        Lie::DropsUp,
    );
    is_avoided(
        "who_drops_the_cells_of_one_direction_is_avoided_down",
        Lie::DropsDown,
    );
}

#[test]
fn who_has_the_wrong_onion_keys_is_avoided() {
    is_avoided(
        "who_has_the_wrong_onion_keys_is_avoided",
        Lie::WrongOnionKeys,
    );
}

#[test]
fn who_has_the_wrong_key_is_avoided() {
    is_avoided("who_has_the_wrong_key_is_avoided", Lie::WrongKey);
}
