//! The life of paths on a virtual clock: when they end, how a dead one is noticed, how a pool keeps
//! enough of them, how often one target is tried.

use std::collections::BTreeMap;

use llarp_core::build::Charge;
use llarp_core::cell::Probe;
use llarp_core::crypto::identity::RelayId;
use llarp_core::path::life::{PathLife, Stage};
use llarp_core::path::pool::{Action, Isolation, PathNumber, Pool, Purpose};
use llarp_core::path::{Answered, Ask, Attempts, Millis, PathState, Probing, Want};
use llarp_core::wire::limits::{
    PATH_CELLS_MAX, PATH_LIFE_MILLIS, TARGET_BUILDS_PER_HOUR, TARGETS_MAX,
};

use rand_chacha::rand_core::Rng;

use crate::support::rng;

#[test]
fn paths_end_before_their_relays_end_them_and_never_together() {
    let mut rng = rng(1);
    let ends: Vec<_> = (0..10_000)
        .map(|_| PathLife::plan(Millis(0), &mut rng).retire_at().0)
        .collect();
    let (low, high) = (PATH_LIFE_MILLIS * 70 / 100, PATH_LIFE_MILLIS * 95 / 100);
    assert!(ends.iter().all(|end| (low..=high).contains(end)));
    for tenth in 0..10 {
        let step = (high - low) / 10;
        let from = low + tenth * step;
        let there = ends
            .iter()
            .filter(|end| (from..from + step).contains(*end))
            .count();
        assert!(
            (850..1150).contains(&there),
            "{there} of 1000 in tenth {tenth}"
        );
    }
}

#[test]
fn a_successor_is_started_before_the_end_by_time_and_by_cells() {
    let mut rng = rng(2);
    for _ in 0..1000 {
        let life = PathLife::plan(Millis(0), &mut rng);
        let end = life.retire_at();
        assert_eq!(life.stage(Millis(0), 0), Stage::Fresh);
        assert_eq!(life.stage(Millis(end.0 - 30_000), 0), Stage::Replace);
        assert_eq!(life.stage(end, 0), Stage::Retire);
        assert_eq!(
            life.stage(Millis(0), PATH_CELLS_MAX * 92 / 100),
            Stage::Retire
        );
        assert_eq!(
            life.stage(Millis(0), PATH_CELLS_MAX * 68 / 100),
            Stage::Replace
        );
        assert_eq!(
            life.stage(Millis(0), PATH_CELLS_MAX * 50 / 100),
            Stage::Fresh
        );
    }
}

/// When a path was found dead and who was charged, and when which hop was asked.
type Ran = (Option<(u64, Charge)>, Vec<(u64, usize)>);

/// A path of three hops with a delay of 50 ms a link, of which the links from `broken` on are dead.
fn run(broken: usize, data_at: &[u64], until: u64) -> Ran {
    let mut rng = rng(3);
    let mut probing = Probing::new(3, Millis(0), &mut rng);
    let (mut asked, mut answers) = (Vec::new(), BTreeMap::new());
    let mut received = [0_u64; 3];
    for now in (0..until).step_by(10) {
        if data_at.contains(&now) {
            probing.handle_sent(Millis(now), 2, &mut rng);
        }
        while let Some(ask) = probing.poll(Millis(now), &mut rng) {
            asked.push((now, ask.hop));
            if ask.hop < broken {
                answers.insert((now + 100 * (ask.hop as u64 + 1), ask.probe.nonce), ask);
            }
        }
        while let Some(entry) = answers.first_entry().filter(|entry| entry.key().0 <= now) {
            let ask = entry.remove();
            received[ask.hop] += 1;
            probing.handle_received(ask.hop);
            let answer = Probe {
                nonce: ask.probe.nonce,
                sent: received[ask.hop..].iter().sum(),
                received: ask.probe.sent,
            };
            let answered = probing
                .handle_answer(Millis(now), ask.hop, &answer)
                .unwrap();
            assert_eq!(answered.rtt, 100 * (ask.hop as u64 + 1));
            assert_eq!((answered.up.lost, answered.down.lost), (0, 0));
            assert_eq!(
                probing.handle_answer(Millis(now), ask.hop, &answer),
                None,
                "once"
            );
        }
        assert!(probing.wakes_at(Millis(now)) > Millis(now), "no busy loop");
        if let PathState::Dead { charge, .. } = probing.state(Millis(now)) {
            return (Some((now, charge)), asked);
        }
    }
    (None, asked)
}

#[test]
fn a_dead_relay_on_a_path_with_traffic_is_found_within_5_seconds() {
    let charges = [Charge::First, Charge::Pair(0, 1), Charge::Pair(1, 2)];
    for (broken, charge) in charges.into_iter().enumerate() {
        let (dead, asked) = run(broken, &[20_000], 30_000);
        let (at, charged) = dead.unwrap();
        assert!(at - 20_000 <= 4_000, "{at}");
        assert_eq!(charged, charge, "broken at link {broken}");
        for hop in 0..3 {
            assert!(
                asked.iter().any(|(_, asked)| *asked == hop),
                "hop {hop} is asked"
            );
        }
    }
}

#[test]
fn a_path_that_answers_again_from_its_near_end_on_is_not_dead() {
    let mut rng = rng(11);
    let mut probing = Probing::new(3, Millis(0), &mut rng);
    probing.handle_sent(Millis(1_000), 2, &mut rng);
    let mut asked = Vec::new();
    for now in (1_000..3_300).step_by(10) {
        while let Some(ask) = probing.poll(Millis(now), &mut rng) {
            asked.push(ask);
        }
        let state = probing.state(Millis(now));
        assert!(
            !matches!(state, PathState::Dead { .. }),
            "{state:?} at {now}"
        );
    }
    // Our own network held its breath for 2.3 s. The guard is the first to be heard again.
    let answer = |probing: &mut Probing, now, hop| {
        let ask = asked.iter().rfind(|ask| ask.hop == hop).unwrap();
        probing.handle_received(hop);
        let answer = Probe {
            nonce: ask.probe.nonce,
            sent: 1,
            received: ask.probe.sent,
        };
        probing.handle_answer(Millis(now), hop, &answer).unwrap();
    };
    answer(&mut probing, 3_300, 0);
    assert_eq!(probing.state(Millis(3_790)), PathState::Suspect);
    let dead = probing.state(Millis(3_800));
    assert!(
        matches!(
            dead,
            PathState::Dead {
                charge: Charge::Pair(0, 1),
                ..
            }
        ),
        "{dead:?}"
    );
    answer(&mut probing, 3_790, 2);
    assert_eq!(probing.state(Millis(3_800)), PathState::Alive);
}

#[test]
fn an_idle_path_is_asked_each_minute_and_a_dead_one_found() {
    let (dead, asked) = run(3, &[], 600_000);
    assert_eq!(dead, None);
    assert!((8..=14).contains(&asked.len()), "{asked:?}");
    assert!(asked.iter().all(|(_, hop)| *hop == 2));
    let (dead, _) = run(2, &[], 600_000);
    let (at, charge) = dead.unwrap();
    assert!(at <= 79_000 && charge == Charge::Pair(1, 2), "{at}");
}

#[test]
fn a_path_with_traffic_that_answers_is_left_alone() {
    let traffic: Vec<_> = (0..60_000).step_by(100).collect();
    let (dead, asked) = run(3, &traffic, 60_000);
    assert_eq!(dead, None);
    assert!((8..=90).contains(&asked.len()), "{}", asked.len());
}

/// What the terminal's first answer tells after so many cells each way.
fn loss(sent: u64, received: u64, lost_up: u64, lost_down: u64) -> Answered {
    let mut rng = rng(4);
    let mut probing = Probing::new(3, Millis(0), &mut rng);
    for _ in 0..sent {
        probing.handle_sent(Millis(0), 2, &mut rng);
    }
    for _ in 0..=received {
        probing.handle_received(2);
    }
    let ask = probing.ask(Millis(120_000), 2, &mut rng);
    let answer = Probe {
        nonce: ask.probe.nonce,
        sent: ask.probe.received + lost_down,
        received: ask.probe.sent - lost_up,
    };
    let answered = probing.handle_answer(Millis(120_000), 2, &answer);
    answered.unwrap()
}

#[test]
fn loss_that_a_full_relay_does_not_explain_shows_in_both_directions() {
    let fine = loss(2000, 2000, 40, 0);
    assert!(!fine.is_unexplained() && fine.up.lost == 40);
    assert!(loss(500, 0, 100, 0).is_unexplained(), "100 of 501 up");
    assert!(loss(0, 300, 0, 60).is_unexplained(), "60 of 361 down");
    assert!(!loss(0, 3000, 0, 60).is_unexplained(), "60 of 3061 down");
}

#[test]
fn a_loss_is_charged_where_it_begins() {
    for begins in 0..3 {
        let mut rng = rng(4);
        let mut probing = Probing::new(3, Millis(0), &mut rng);
        for _ in 0..500 {
            probing.handle_sent(Millis(12_000), 2, &mut rng);
        }
        let answer = |probing: &mut Probing, ask: Ask| {
            probing.handle_received(ask.hop);
            let lost = if ask.hop >= begins { 100 } else { 0 };
            let answer = Probe {
                nonce: ask.probe.nonce,
                sent: 0,
                received: ask.probe.sent - lost,
            };
            probing
                .handle_answer(Millis(12_100), ask.hop, &answer)
                .unwrap()
        };
        let ask = probing.ask(Millis(12_050), 2, &mut rng);
        assert!(answer(&mut probing, ask).is_unexplained());
        for hop in 0..2 {
            assert_eq!(probing.state(Millis(12_100)), PathState::Alive);
            let ask = probing.poll(Millis(12_100), &mut rng).unwrap();
            assert_eq!(ask.hop, hop, "each hop before is asked");
            answer(&mut probing, ask);
        }
        let charge = match begins {
            0 => Charge::First,
            hop => Charge::Pair(hop - 1, hop),
        };
        assert_eq!(probing.state(Millis(12_100)), PathState::Lossy { charge });
    }
}

const KEY: Isolation = Isolation {
    identity: 7,
    purpose: Purpose::Session,
};

#[test]
fn a_pool_makes_before_it_breaks_and_paths_end_apart() {
    let mut rng = rng(5);
    let mut pool = Pool::new();
    pool.set(KEY, Want::Any, 2);
    let mut building: Vec<(u64, PathNumber)> = Vec::new();
    let (mut started, mut ends) = (0, Vec::new());
    for now in (0..3_600_000).step_by(500) {
        building.retain(|(ready, path)| {
            let stands = *ready <= now;
            if stands {
                pool.built(*path);
            }
            !stands
        });
        for action in pool.poll(Millis(now), &mut rng) {
            match action {
                Action::Start { path, key, want } => {
                    assert_eq!((key, want), (KEY, Want::Any));
                    building.push((now + 2_000, path));
                    started += 1;
                }
                Action::Retire(_) => ends.push(now),
            }
        }
        let standing = pool.standing(KEY).len();
        assert!(
            now < 2_000 || (2..=4).contains(&standing),
            "{standing} at {now}"
        );
    }
    assert!(
        (12..=22).contains(&started),
        "{started} paths an hour for two"
    );
    let together = ends
        .windows(2)
        .filter(|pair| pair[1] - pair[0] < 1_000)
        .count();
    assert!(together <= 2, "{together} of {}", ends.len());
}

#[test]
fn keys_never_share_and_an_unwanted_key_goes() {
    let mut rng = rng(6);
    let mut pool = Pool::new();
    let mailbox = Isolation {
        purpose: Purpose::Mailbox,
        ..KEY
    };
    pool.set(KEY, Want::Any, 2);
    pool.set(mailbox, Want::Any, 1);
    for action in pool.poll(Millis(0), &mut rng) {
        let Action::Start { path, .. } = action else {
            panic!("{action:?}")
        };
        pool.built(path);
    }
    let (session, box_paths) = (pool.standing(KEY), pool.standing(mailbox));
    assert!((session.len(), box_paths.len()) == (2, 1) && !session.contains(&box_paths[0]));
    pool.set(KEY, Want::Any, 0);
    let retired = pool.poll(Millis(1), &mut rng);
    assert_eq!(retired.len(), 2);
    assert!(
        retired
            .iter()
            .all(|action| matches!(action, Action::Retire(path) if session.contains(path)))
    );
    assert_eq!(pool.standing(KEY), []);
    assert_eq!(pool.standing(mailbox), box_paths);
}

#[test]
fn failed_builds_wait_longer_and_another_end_leaves_the_old_path_until_the_new_one_stands() {
    let mut rng = rng(7);
    let mut pool = Pool::new();
    pool.set(KEY, Want::Any, 1);
    let mut starts = 0;
    for now in (0..60_000).step_by(50) {
        for action in pool.poll(Millis(now), &mut rng) {
            let Action::Start { path, .. } = action else {
                panic!("{action:?}")
            };
            starts += 1;
            pool.lost(path, Millis(now), &mut rng);
        }
    }
    assert!((6..=10).contains(&starts), "{starts} in a minute");
    let now = Millis(200_000);
    let start = |pool: &mut Pool, rng: &mut _| match pool.poll(now, rng)[..] {
        [Action::Start { path, .. }] => path,
        ref other => panic!("{other:?}"),
    };
    let old = start(&mut pool, &mut rng);
    pool.built(old);
    pool.set(KEY, Want::Terminal(RelayId([1; 32])), 1);
    let new = start(&mut pool, &mut rng);
    assert_eq!(pool.standing(KEY), [], "the old one leads elsewhere");
    assert_eq!(pool.poll(now, &mut rng), [], "but still carries");
    pool.built(new);
    assert_eq!(pool.poll(now, &mut rng), [Action::Retire(old)]);
    assert_eq!(pool.standing(KEY), [new]);
}

/// What `poll` starts, and what it retires.
fn planned(pool: &mut Pool, now: u64, rng: &mut impl Rng) -> (Vec<PathNumber>, Vec<PathNumber>) {
    let (mut started, mut retired) = (Vec::new(), Vec::new());
    for action in pool.poll(Millis(now), rng) {
        match action {
            Action::Start { path, .. } => started.push(path),
            Action::Retire(path) => retired.push(path),
        }
    }
    (started, retired)
}

#[test]
fn a_want_that_is_changed_twice_finds_room_at_once() {
    let mut rng = rng(9);
    let mut pool = Pool::new();
    let to = |relay| Want::Terminal(RelayId([relay; 32]));
    let mut standing = Vec::new();
    for relay in 1..=5 {
        pool.set(KEY, to(relay), 4);
        let (started, retired) = planned(&mut pool, 0, &mut rng);
        assert_eq!(started.len(), 4, "for relay {relay}");
        // Those that serve no longer go, the oldest first, and only as many as it takes.
        let gone = standing.len().saturating_sub(4);
        assert_eq!(retired, standing[..gone]);
        standing.drain(..gone);
        for path in started {
            assert!(pool.built(path));
            standing.push(path);
        }
        if relay % 2 == 0 {
            // The plan is looked at once those stand: what leads elsewhere goes.
            let (started, retired) = planned(&mut pool, 1, &mut rng);
            assert_eq!((started, retired), (vec![], standing.drain(..4).collect()));
        }
    }
}

#[test]
fn a_path_that_is_still_built_to_somewhere_else_is_given_up() {
    let mut rng = rng(10);
    let mut pool = Pool::new();
    let to = |relay| Want::Terminal(RelayId([relay; 32]));
    let mut building = Vec::new();
    for relay in 1..=5 {
        pool.set(KEY, to(relay), 4);
        let (started, retired) = planned(&mut pool, 0, &mut rng);
        assert_eq!((started.len(), &retired), (4, &building), "for {relay}");
        building = started;
    }
    assert!(pool.built(building[0]));
    assert!(!pool.built(PathNumber(0)), "nobody wants it any more");
}

#[test]
fn builds_towards_one_target_back_off_and_have_a_cap_an_hour() {
    let mut rng = rng(8);
    let mut attempts = Attempts::new();
    let mut started = Vec::new();
    for now in (0..2 * 3_600_000).step_by(1000) {
        if attempts.start([1; 32], Millis(now)).is_ok() {
            started.push(now);
            attempts.succeeded(&[1; 32]);
        }
    }
    assert_eq!(started.len(), 2 * TARGET_BUILDS_PER_HOUR);
    let first_hour = started.iter().filter(|start| **start < 3_600_000).count();
    assert_eq!(
        first_hour, TARGET_BUILDS_PER_HOUR,
        "successes count as well"
    );

    let (mut now, mut waits) = (Millis(0), Vec::new());
    for _ in 0..14 {
        attempts.start([2; 32], now).unwrap();
        attempts.failed(&[2; 32], now, &mut rng);
        let wait = attempts.start([2; 32], now).unwrap_err().millis;
        waits.push(wait);
        now = now.plus(wait);
    }
    assert!(
        (500..=1000).contains(&waits[0]) && waits[13] >= 300_000,
        "{waits:?}"
    );
    assert_eq!(
        attempts.start([3; 32], Millis(0)),
        Ok(()),
        "another target is free"
    );
}

#[test]
fn targets_are_remembered_up_to_a_bound() {
    let mut attempts = Attempts::new();
    for target in 0..3 * TARGETS_MAX as u64 {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&target.to_be_bytes());
        attempts.start(key, Millis(target)).unwrap();
        assert!(attempts.targets() <= TARGETS_MAX);
    }
}
