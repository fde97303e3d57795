//! Relays that lie: whom clients charge, and how often they still choose them.
//!
//! A share is counted over many routes that the client's own profile would choose now.

use core::time::Duration;
use std::collections::BTreeMap;

use llarp_core::client::Client;
use llarp_core::hop::message::KIND_BUILD;
use llarp_core::path::{Seconds, Want, choose};
use llarp_core::wire::limits::BUILD_REPLY_LEN;
use llarp_tests::figure;
use llarp_tests::net::tap::{Cell, CellFate, Direction, Passing, Policy, ReplyFate, RequestFate};
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::testnet::TestNet;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::time::{sleep, timeout};

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
    WrongOnionKeys,
    WrongKey,
}

struct Liar {
    lie: Lie,
    rng: ChaCha20Rng,
}

impl Policy for Liar {
    fn cell(&mut self, passing: &Passing, _cell: &mut Cell) -> CellFate {
        let drops = match self.lie {
            Lie::DropsCells => true,
            Lie::DropsFifthCell => self.rng.next_u32().is_multiple_of(5),
            Lie::DropsUp => passing.direction == Direction::ToRelay,
            Lie::DropsDown => passing.direction == Direction::ToPeer,
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

/// How many paths are built one after the other, how long each is used, and how often meanwhile.
struct Use {
    paths: usize,
    time: Duration,
    pause: Duration,
}

impl Lie {
    /// What shows it.
    const fn shown_by(self) -> Use {
        let (paths, secs, pause) = match self {
            Self::DropsCells | Self::DropsUp | Self::DropsDown => (150, 5, 500),
            Self::DropsFifthCell => (90, 20, 25),
            // Each counts a quarter.
            Self::SilentAboutBuilds => (200, 0, 1),
            _ => (150, 0, 1),
        };
        Use {
            paths,
            time: Duration::from_secs(secs),
            pause: Duration::from_millis(pause),
        }
    }
}

async fn converse(client: &Client, how: &Use) {
    for _ in 0..how.paths {
        let Ok(path) = client.build(Want::Any).await else {
            continue;
        };
        let talk = async {
            while path.end().is_none() {
                let _ = timeout(how.pause, path.probe(2)).await;
                sleep(how.pause).await;
            }
        };
        let _ = timeout(how.time, talk).await;
    }
}

/// What became of shares by the lies of one relay.
#[derive(Debug)]
struct Outcome {
    before: u32,
    after: u32,
    /// The least that is left to an honest relay of its share, in percent.
    honest_percent: u32,
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
            _ => net.tap(
                liar,
                Liar {
                    lie,
                    rng: ChaCha20Rng::seed_from_u64(seed),
                },
            ),
        }
        (0..RELAYS).for_each(|n| net.start(n));
        converse(&client, &lie.shown_by()).await;
        let after = shares(&client, &net, hop);
        let honest = [(1, second), (2, third)].map(|(hop, before)| {
            let after = shares(&client, &net, hop);
            let left = before.iter().filter(|(n, _)| **n != liar);
            let left = left.map(|(n, share)| after.get(n).copied().unwrap_or(0) * 100 / share);
            left.min().unwrap()
        });
        Outcome {
            before: before[&liar],
            after: after.get(&liar).copied().unwrap_or(0),
            honest_percent: honest.into_iter().min().unwrap(),
        }
    })
}

#[track_caller]
fn is_avoided(lied: Lie) {
    for hop in [1, 2] {
        let outcome = lie(lied, hop, 3);
        figure(&format!("{lied:?} as hop {hop}: {outcome:?}"));
        assert!(
            outcome.after * 3 <= outcome.before,
            "{lied:?} as hop {hop}: {outcome:?}"
        );
        assert!(
            outcome.honest_percent >= 60,
            "{lied:?} as hop {hop}: {outcome:?}"
        );
    }
}

#[test]
fn who_answers_builds_with_random_bytes_is_avoided() {
    is_avoided(Lie::RandomReply);
}

#[test]
fn who_changes_replies_is_avoided() {
    is_avoided(Lie::ChangedReply);
}

#[test]
fn who_is_silent_about_builds_is_avoided() {
    is_avoided(Lie::SilentAboutBuilds);
}

#[test]
fn who_drops_all_cells_is_avoided() {
    is_avoided(Lie::DropsCells);
}

#[test]
fn who_drops_every_fifth_cell_is_avoided() {
    is_avoided(Lie::DropsFifthCell);
}

#[test]
fn who_drops_the_cells_of_one_direction_is_avoided() {
    is_avoided(Lie::DropsUp);
    is_avoided(Lie::DropsDown);
}

#[test]
fn who_has_the_wrong_onion_keys_is_avoided() {
    is_avoided(Lie::WrongOnionKeys);
}

#[test]
fn who_has_the_wrong_key_is_avoided() {
    is_avoided(Lie::WrongKey);
}
