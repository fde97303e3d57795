//! Guards and second hops over days and months: kept, skipped, come back to, replaced.

use std::collections::BTreeSet;

use llarp_core::build::Charge;
use llarp_core::path::{ChooseError, Diversity, Profile, Seconds, Want, choose};
use llarp_core::registry::RelayList;
use llarp_core::wire::Fault;
use proptest::prelude::*;
use rand_chacha::rand_core::Rng;

use crate::path_support::*;
use crate::support::rng;

#[test]
fn a_profile_survives_its_disk() {
    let list = list(150, 1);
    let (mut profile, mut random) = client(&list, 2);
    let [first, _] = profile.guards_in_use(&list, START)[..] else {
        panic!("two guards in use");
    };
    profile.link_failed(&first, START, &mut random);
    let bytes = profile.encode();
    assert_eq!(bytes.len(), 3 + 20 * 57 + 7 * 48);
    let again = Profile::decode(&bytes, Diversity::Strict).unwrap();
    assert_eq!(again.encode(), bytes);
    for seed in 0..100 {
        let [one, other] =
            [&profile, &again].map(|profile| draw_any(&list, profile, START, &mut rng(seed)));
        assert_eq!(one, other);
    }
}

#[test]
fn ten_minute_draws_of_30_days_show_2_guards_and_20_second_hops() {
    let (mut guards_all, mut second_all, mut third_all) = (0, 0, 0);
    for seed in 0..4 {
        let list = list(150, 100);
        let (mut profile, mut rng) = client(&list, seed);
        let mut seen = [(); 3].map(|()| BTreeSet::new());
        for draw in 0..30 * 144 {
            let now = START.plus(draw * 600);
            profile.update(&list, now, &mut rng);
            let route = draw_any(&list, &profile, now, &mut rng);
            for (seen, hop) in seen.iter_mut().zip(route.hops()) {
                seen.insert(*hop);
            }
        }
        guards_all += seen[0].len();
        second_all += seen[1].len();
        third_all += seen[2].len();
    }
    // 4 slots × 30 days / 6.5 days, and the four that stood at the start: 22 a client.
    assert_eq!(guards_all, 8, "two a client");
    assert!(
        (60..=110).contains(&second_all),
        "{second_all} of 4 clients"
    );
    assert!(third_all > 400, "{third_all} of 4 clients");
}

#[test]
fn guards_of_120_days_are_four_to_six() {
    let list = list(150, 3);
    let mut all = 0;
    for seed in 0..50 {
        let (mut profile, mut rng) = client(&list, seed);
        let mut seen = BTreeSet::new();
        for hour in 0..120 * 24 / 6 {
            let now = START.plus(hour * 6 * 60 * 60);
            profile.update(&list, now, &mut rng);
            seen.extend(profile.guards_in_use(&list, now));
        }
        assert!((4..=6).contains(&seen.len()), "{} guards", seen.len());
        all += seen.len();
    }
    // Two slots; each changes after 48 to 72 days, and again before day 120 half of the time.
    assert!(
        (230..=270).contains(&all),
        "{all} of 50 clients, about 250 expected"
    );
}

#[test]
fn an_unreachable_guard_is_skipped_then_come_back_to() {
    let list = list(150, 4);
    let (mut profile, mut rng) = client(&list, 5);
    let before = profile.guards_in_use(&list, START);
    profile.link_failed(&before[0], START, &mut rng);
    let during = profile.guards_in_use(&list, START);
    assert!(during[0] == before[1] && !before.contains(&during[1]));
    assert_eq!(
        profile.guards_in_use(&list, START.plus(30)),
        before,
        "30 s later"
    );
    // Paths that end with the same link are no further failures.
    profile.link_failed(&before[0], START, &mut rng);
    assert_eq!(profile.guards_in_use(&list, START.plus(30)), before);
    // Each further failure waits longer, up to an hour.
    let mut now = START;
    for _ in 0..20 {
        now = now.plus(3600);
        profile.link_failed(&before[0], now, &mut rng);
    }
    assert_eq!(profile.guards_in_use(&list, now.plus(1799)), during);
    assert_eq!(profile.guards_in_use(&list, now.plus(3600)), before);
    profile.link_up(&before[0]);
    assert_eq!(profile.guards_in_use(&list, now), before);
}

#[test]
fn an_outage_ends_at_the_guards_it_began_with() {
    let list = list(150, 6);
    let (mut profile, mut rng) = client(&list, 7);
    let before = profile.guards_in_use(&list, START);
    let mut last = before[0];
    while let [guard, ..] = profile.guards_in_use(&list, START)[..] {
        profile.link_failed(&guard, START, &mut rng);
        last = guard;
    }
    let error = choose(&list, &profile, &Want::Any, START, &mut rng).unwrap_err();
    let ChooseError::GuardsDown {
        sampled: 20,
        retry_secs,
    } = error
    else {
        panic!("{error}");
    };
    assert!((15..=30).contains(&retry_secs) && error.to_string().contains("network down?"));
    // The network is back, and the twentieth guard was tried first.
    profile.link_up(&last);
    assert_eq!(profile.guards_in_use(&list, START), before);
}

#[test]
fn failing_builds_do_not_burn_a_guard_but_a_dead_one_is_left() {
    let list = list(150, 8);
    let (mut profile, mut rng) = client(&list, 9);
    let before = profile.guards_in_use(&list, START);
    for _ in 0..500 {
        let route = draw_any(&list, &profile, START, &mut rng);
        profile.failed(&route, Charge::Pair(0, 1), START, &mut rng);
        profile.failed(&route, Charge::Pair(1, 2), START, &mut rng);
    }
    assert_eq!(profile.guards_in_use(&list, START), before);
    // Seven builds that the guard itself fails, then one that it does not.
    let through = |profile: &Profile, rng: &mut _| {
        let mut routes = (0..100).map(|_| draw_any(&list, profile, START, rng));
        routes.find(|route| route.hops()[0] == before[0]).unwrap()
    };
    for _ in 0..10 {
        let route = through(&profile, &mut rng);
        for _ in 0..7 {
            profile.failed(&route, Charge::First, START, &mut rng);
        }
        profile.built(&route);
    }
    assert_eq!(profile.guards_in_use(&list, START), before);
    let route = through(&profile, &mut rng);
    for _ in 0..8 {
        profile.timed_out(&route, START, &mut rng);
    }
    assert!(!profile.guards_in_use(&list, START).contains(&before[0]));
    assert_eq!(
        profile.guards_in_use(&list, START.plus(30)),
        before,
        "it keeps its place"
    );
}

#[test]
fn a_relay_that_leaves_the_list_keeps_its_place_for_three_days() {
    let list = list(150, 10);
    let (mut profile, mut rng) = client(&list, 11);
    let before = profile.guards_in_use(&list, START);
    let without = list.iter().filter(|relay| relay.id != before[0]).cloned();
    let without = RelayList::new(without).unwrap();
    profile.update(&without, START, &mut rng);
    assert_eq!(
        profile.guards_in_use(&without, START)[0],
        before[1],
        "skipped"
    );
    let later = START.plus(2 * DAY);
    profile.update(&list, later, &mut rng);
    assert_eq!(profile.guards_in_use(&list, later), before, "and back");
    profile.update(&without, later, &mut rng);
    let gone = later.plus(3 * DAY);
    profile.update(&without, gone, &mut rng);
    profile.update(&list, gone, &mut rng);
    let after = profile.guards_in_use(&list, gone);
    assert!(after[0] != before[0] && after[1] == before[1]);
}

#[test]
fn a_clock_set_back_makes_no_relay_immortal() {
    let list = list(150, 12);
    let (mut profile, mut rng) = client(&list, 13);
    let back = Seconds(START.0 - 1000 * DAY);
    profile.update(&list, back, &mut rng);
    let before = profile.guards_in_use(&list, back);
    let later = back.plus(72 * DAY);
    profile.update(&list, later, &mut rng);
    let after = profile.guards_in_use(&list, later);
    assert!(after.iter().all(|guard| !before.contains(guard)));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_profile_or_encode_back(
        mut bytes in prop::collection::vec(any::<u8>(), 0..1600),
        guards in 0_u8..24,
    ) {
        if let [version, count, ..] = &mut bytes[..] {
            (*version, *count) = (1, guards);
        }
        match Profile::decode(&bytes, Diversity::Strict) {
            Ok(profile) => prop_assert_eq!(profile.encode(), bytes),
            Err(error) => prop_assert!(FIELDS.contains(&error.field), "{}", error),
        }
    }

    #[test]
    fn changed_profiles_are_refused_or_encode_back_and_choose(
        at in 0_usize..1479, bit in 0_u8..8, cut in 0_usize..1479, seed: u64,
    ) {
        let list = list(40, 1);
        let (profile, mut random) = client(&list, 2);
        let mut bytes = profile.encode();
        prop_assert!(Profile::decode(&bytes[..cut], Diversity::Strict).is_err());
        bytes[at] ^= 1 << bit;
        if let Ok(mut changed) = Profile::decode(&bytes, Diversity::Strict) {
            prop_assert_eq!(changed.encode(), bytes);
            let now = Seconds(rng(seed).next_u64());
            changed.update(&list, now, &mut random);
            if let Ok(route) = choose(&list, &changed, &Want::Any, now, &mut random) {
                prop_assert_eq!(route.hops().len(), 3);
            }
        }
    }
}

const FIELDS: &[&str] = &[
    "version",
    "guard count",
    "guard",
    "until",
    "absent since",
    "failures",
    "retry at",
    "second-hop count",
    "second hop",
    "profile",
];

#[test]
fn a_guard_that_is_there_twice_is_refused() {
    let (profile, _) = client(&list(150, 1), 2);
    let mut bytes = profile.encode();
    bytes.copy_within(2..34, 2 + 57);
    let error = Profile::decode(&bytes, Diversity::Strict).unwrap_err();
    assert_eq!((error.field, error.fault), ("guard", Fault::Mismatch));
}
