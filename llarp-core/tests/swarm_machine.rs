//! What holds of the swarms of every history.

use std::collections::{BTreeMap, BTreeSet};

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::RelayId;
use llarp_core::registry::swarm::{Seat, SwarmId, SwarmParams, Swarms, assign, mailbox_position};
use proptest::prelude::*;

use crate::support::network;
use crate::swarm_support::*;

/// Fewest and most members, and how many swarms, that `relays` relays may form.
fn assert_sizes(history: &History, what: &str) {
    let (sizes, relays) = (history.sizes(), history.seats.len());
    let (target, least) = (history.params.target(), history.params.least());
    let (target, least) = (usize::from(target), usize::from(least));
    assert_eq!(sizes.iter().sum::<usize>(), relays, "{what}");
    let count = sizes.len();
    assert_eq!(count == 0, relays == 0, "{what}");
    assert!(
        count <= 1 || relays > least * count,
        "{what}: {count} of {relays}"
    );
    assert!(relays < target * (count + 1), "{what}: {count} of {relays}");
    for size in &sizes {
        assert!(*size >= least.min(relays), "{what}: {sizes:?}");
        assert!(*size < 2 * target, "{what}: {sizes:?}");
    }
}

fn params() -> impl Strategy<Value = SwarmParams> {
    (2u8..12, 0u8..=255, 0u8..5).prop_map(|(target, least, stirs)| {
        SwarmParams::new(target, 1 + least % (target - 1), stirs).unwrap()
    })
}

/// Runs one property on as many cases as are asked for.
fn of_any(check: &'static str, run: impl FnOnce(ProptestConfig)) {
    let cases = if full() { 5000 } else { 150 };
    let whole = Whole::begin(check, format!("{cases} cases"));
    run(ProptestConfig::with_cases(cases));
    whole.found_nothing();
}

#[test]
fn no_swarm_starves_or_bursts_in_any_history() {
    let property = |config: ProptestConfig| {
        proptest!(config, |(
            seed: u64,
            params in params(),
            first in 0usize..150,
            changes in prop::collection::vec((0usize..60, 0usize..60), 0..25),
        )| {
            let mut history = History::empty(seed);
            history.params = params;
            history.churn(0, first);
            assert_sizes(&history, "genesis");
            for (leaves, joins) in changes {
                history.churn(leaves.min(history.seats.len()), joins);
                assert_sizes(&history, "churn");
            }
        })
    };
    of_any("no_swarm_starves_or_bursts_in_any_history", property);
}

#[test]
fn the_order_of_the_seats_moves_nobody() {
    let property = |config: ProptestConfig| {
        proptest!(config, |(
            seed: u64,
            count in 0usize..200,
            churn in 0usize..20,
        )| {
            let mut history = History::genesis(count, seed);
            history.churn(churn.min(count), 0);
            let joins = history.newcomers(churn);
            let mut seats = history.seats.clone();
            seats.extend(joins);
            let beacon = bytes(&mut history.rng);
            let swarms = |seats: &[Seat]| -> BTreeMap<RelayId, SwarmId> {
                let assigned = assign(seats, &beacon, &network(), &history.params);
                seats.iter().map(|seat| seat.relay).zip(assigned).collect()
            };
            let sorted = swarms(&seats);
            let mut shuffled = seats.clone();
            for at in 1..shuffled.len() {
                shuffled.swap(at, below(&mut history.rng, at + 1));
            }
            prop_assert_eq!(&swarms(&shuffled), &sorted);
            seats.reverse();
            prop_assert_eq!(&swarms(&seats), &sorted);
        })
    };
    of_any("the_order_of_the_seats_moves_nobody", property);
}

/// Whatever a predecessor says: the machine ends, with as many swarms as there should be.
#[test]
fn swarms_of_a_predecessor_that_no_machine_made_are_put_right() {
    let property = |config: ProptestConfig| {
        proptest!(config, |(
            previous in prop::collection::vec(prop::option::of(0u64..40), 0..120),
            spread in prop::sample::select(vec![1, 2, 1 << 40, u64::MAX / 40]),
            seed: u64,
        )| {
            let mut history = History::empty(seed);
            let mut seats = history.newcomers(previous.len());
            for (seat, previous) in seats.iter_mut().zip(previous) {
                seat.previous = previous.map(|id| SwarmId(id.wrapping_mul(spread)));
            }
            let relays = seats.len();
            history.step(seats);
            let sizes = history.sizes();
            prop_assert_eq!(sizes.iter().sum::<usize>(), relays);
            prop_assert!(sizes.len() * 8 <= relays.max(8) && relays < 9 * (sizes.len() + 1));
            prop_assert!(sizes.iter().all(|size| *size >= relays.min(7)));
        })
    };
    of_any(
        "swarms_of_a_predecessor_that_no_machine_made_are_put_right",
        property,
    );
}

#[test]
fn a_mailbox_belongs_to_the_swarm_that_a_search_of_all_finds() {
    let property = |config: ProptestConfig| {
        proptest!(config, |(
            ids in prop::collection::btree_set(any::<u64>(), 1..40),
            key: [u8; 32],
        )| {
            let members = ids.iter().zip(0..).map(|(id, n)| (RelayId([n; 32]), SwarmId(*id)));
            let swarms = Swarms::new(members);
            let place = mailbox_position(&key, &network());
            let distance = |id: &u64| (place.wrapping_sub(*id)).min(id.wrapping_sub(place));
            let found = swarms.swarm_of(&key, &network()).unwrap();
            prop_assert_eq!(distance(&found.0), ids.iter().map(distance).min().unwrap());
        })
    };
    of_any(
        "a_mailbox_belongs_to_the_swarm_that_a_search_of_all_finds",
        property,
    );
}

#[test]
fn one_history_gives_everybody_the_same_swarms_and_another_may_not() {
    let history = |steps: &[usize]| {
        let mut history = History::genesis(200, 1);
        let joins: Vec<_> = (0..40u8)
            .map(|number| Seat {
                relay: RelayId([number; 32]),
                height: 1,
                block: [number; 32],
                previous: None,
            })
            .collect();
        let mut joins = joins.into_iter();
        for step in steps {
            let next = joins.by_ref().take(*step).collect();
            history.step(next);
        }
        history.swarms()
    };
    assert_eq!(history(&[40]), history(&[40]));
    assert_eq!(history(&[20, 20]), history(&[20, 20]));
    // The same relays by another way: a reader follows the snapshots one by one.
    assert_ne!(history(&[40]), history(&[20, 20]));
}

#[test]
fn key_stake_beacon_and_network_all_move_the_draw() {
    let base = History::genesis(300, 2);
    let newcomer = base.clone().newcomer();
    let landing = |seat: &Seat, beacon: u8, network: &NetworkId| {
        let mut seats = base.seats.clone();
        seats.push(*seat);
        *assign(&seats, &[beacon; 32], network, &base.params)
            .last()
            .unwrap()
    };
    // One landing may be the same by chance, of 33 swarms; nine of ten may not.
    let moved = |change: &dyn Fn(u8) -> SwarmId| {
        let landings: BTreeSet<_> = (0..10).map(change).collect();
        landings.len() > 4
    };
    let net = network();
    assert!(moved(&|n| landing(
        &Seat {
            relay: RelayId([n; 32]),
            ..newcomer
        },
        0,
        &net
    )));
    assert!(moved(&|n| landing(
        &Seat {
            height: n.into(),
            ..newcomer
        },
        0,
        &net
    )));
    assert!(moved(&|n| landing(
        &Seat {
            block: [n; 32],
            ..newcomer
        },
        0,
        &net
    )));
    assert!(moved(&|n| landing(&newcomer, n, &net)));
    assert!(moved(&|n| landing(&newcomer, 0, &NetworkId([n; 32]))));
}

#[test]
fn nothing_changes_if_nobody_comes_or_goes() {
    for count in [0, 1, 5, 17, 18, 100, 1000] {
        let before = History::genesis(count, 3);
        let mut after = before.clone();
        after.churn(0, 0);
        assert_eq!(before.swarms(), after.swarms(), "{count}");
    }
}

#[test]
fn starving_swarms_are_refilled_with_old_members_only() {
    for seed in 0..30 {
        let before = History::genesis(216, seed);
        let poor = before.swarms().nearest(1 << 63).unwrap();
        let mut after = before.clone();
        let mut left = 0;
        after.seats.retain(|seat| {
            let leaves = seat.previous == Some(poor) && left < 6;
            left += usize::from(leaves);
            !leaves
        });
        after.churn(0, 0);
        let members = after.swarms().members(poor).to_vec();
        assert_eq!(members.len(), 7, "refilled to the least, no further");
        assert!(
            members
                .iter()
                .all(|relay| before.swarms().of_relay(relay).is_some())
        );
        let moved = after.change_since(&before);
        assert_eq!((moved.relays, moved.mailboxes), (4, 0.0));
    }
}

#[test]
fn a_newcomer_does_not_land_where_members_are_missing() {
    // Whoever makes room in a swarm must not thereby get a place in it.
    let base = History::genesis(216, 4);
    let victim = base.swarms().nearest(0).unwrap();
    let (mut landed, tries) = (0, 600);
    for seed in 0..tries {
        let mut history = base.clone();
        history.rng = crate::support::rng(10_000 + seed);
        let mut left = 0;
        history.seats.retain(|seat| {
            let leaves = seat.previous == Some(victim) && left < 3;
            left += usize::from(leaves);
            !leaves
        });
        let joins = history.newcomers(3);
        let ours: Vec<_> = joins.iter().map(|seat| seat.relay).collect();
        history.step(joins);
        let swarms = history.swarms();
        landed += ours
            .iter()
            .filter(|relay| swarms.of_relay(relay) == Some(victim))
            .count();
    }
    // 1,800 newcomers among 24 swarms: 75 each, and never 110 by chance.
    assert!((40..110).contains(&landed), "{landed}");
}

#[test]
fn few_many_and_hardly_any_relays() {
    let mut history = History::empty(5);
    history.churn(0, 0);
    assert!(history.swarms().is_empty());
    for count in 1..=60 {
        history.churn(0, 1);
        assert_eq!(history.seats.len(), count);
        assert_sizes(&history, "grows by one");
    }
    history.churn(0, 5000);
    assert_sizes(&history, "a hundredfold at once");
    history.churn(5000, 0);
    assert_sizes(&history, "and gone again");
    for _ in 0..60 {
        history.churn(1, 0);
        assert_sizes(&history, "shrinks by one");
    }
    assert!(history.swarms().is_empty());
    history.churn(0, 30);
    assert_sizes(&history, "anew");
}

#[test]
fn from_nine_swarms_on_none_grows_beyond_ten() {
    let mut history = History::genesis(90, 6);
    let epochs = if full() { 5000 } else { 400 };
    let whole = Whole::begin(
        "from_nine_swarms_on_none_grows_beyond_ten",
        format!("{epochs} epochs"),
    );
    for _ in 0..epochs {
        let leaves = below(&mut history.rng, 30).min(history.seats.len() - 90);
        let joins = below(&mut history.rng, 30);
        history.churn(leaves, joins);
        assert!(history.sizes().iter().all(|size| (7..=10).contains(size)));
    }
    whole.found_nothing();
}

#[test]
fn ten_thousand_newcomers_take_no_time() {
    // A bound that a debug build on a busy machine keeps too; the figure is in 11-swarms §7.
    #[expect(clippy::disallowed_methods, reason = "this is about real time")]
    let begin = std::time::Instant::now();
    let history = History::genesis(10_000, 7);
    assert_eq!(history.sizes().len(), 1111);
    let took = begin.elapsed();
    say(&format!("10,000 newcomers at once: {took:?}"));
    assert!(took.as_secs() < 5, "{took:?}");
}
