//! What failures do to chances: they lower them, for a while, and never by more than a bound.

use std::collections::BTreeMap;

use llarp_core::build::Charge;
use llarp_core::crypto::identity::RelayId;
use llarp_core::path::{Profile, Route, Seconds, Want, choose};
use llarp_core::registry::RelayList;
use rand_chacha::ChaCha20Rng;

use crate::path_support::*;

const DRAWS: u32 = 10_000;

/// How often each relay is drawn as hop `hop`.
fn drawn(
    list: &RelayList,
    profile: &Profile,
    hop: usize,
    now: Seconds,
    rng: &mut ChaCha20Rng,
) -> BTreeMap<RelayId, u32> {
    let mut drawn = BTreeMap::new();
    for _ in 0..DRAWS {
        let route = draw_any(list, profile, now, rng);
        *drawn.entry(route.hops()[hop]).or_default() += 1;
    }
    drawn
}

fn routes(list: &RelayList, profile: &Profile, rng: &mut ChaCha20Rng) -> Vec<Route> {
    (0..3000)
        .map(|_| draw_any(list, profile, START, rng))
        .collect()
}

#[test]
fn a_third_hop_that_fails_behind_everybody_is_avoided_and_recovers() {
    let list = list(100, 1);
    let (mut profile, mut rng) = client(&list, 2);
    let before = drawn(&list, &profile, 2, START, &mut rng);
    let (bad, often) = before.iter().max_by_key(|(_, times)| **times).unwrap();
    for route in routes(&list, &profile, &mut rng) {
        if route.hops()[2] == *bad {
            profile.failed(&route, Charge::Pair(1, 2), START, &mut rng);
        }
    }
    let during = drawn(&list, &profile, 2, START, &mut rng);
    let rarely = during.get(bad).copied().unwrap_or(0);
    assert!(rarely > 0, "still tried, or it could not recover");
    assert!(rarely * 3 < *often, "{rarely} of {often}");
    let hours_later = START.plus(4 * 60 * 60);
    let after = drawn(&list, &profile, 2, hours_later, &mut rng)[bad];
    assert!(after * 5 > often * 4, "{after} of {often}");
}

#[test]
fn a_relay_cannot_frame_its_successor() {
    let list = list(100, 3);
    let (mut profile, mut rng) = client(&list, 4);
    // A second hop fails every build that goes on to the victim, however often.
    let sample = routes(&list, &profile, &mut rng);
    let liar = sample[0].hops()[1];
    let victim = sample
        .iter()
        .find(|route| route.hops()[1] == liar)
        .unwrap()
        .hops()[2];
    let behind_others = |profile: &Profile, rng: &mut ChaCha20Rng| {
        let mut routes = 0;
        for _ in 0..4 * DRAWS {
            let route = draw_any(&list, profile, START, rng);
            routes += u32::from(route.hops()[1] != liar && route.hops()[2] == victim);
        }
        routes
    };
    let before = behind_others(&profile, &mut rng);
    for route in &sample {
        if route.hops()[1..] == [liar, victim] {
            for _ in 0..100 {
                profile.failed(route, Charge::Pair(1, 2), START, &mut rng);
            }
        }
    }
    let after = behind_others(&profile, &mut rng);
    assert!(after * 3 > before * 2, "{after} of {before}");

    // And if it does so to all of them, it is the one that is avoided.
    let chosen = |profile: &Profile, rng: &mut _| drawn(&list, profile, 1, START, rng)[&liar];
    let before = chosen(&profile, &mut rng);
    for route in sample.iter().filter(|route| route.hops()[1] == liar) {
        profile.failed(route, Charge::Pair(1, 2), START, &mut rng);
    }
    let after = chosen(&profile, &mut rng);
    assert!(after * 3 < before, "{after} of {before}");
}

#[test]
fn whoever_shames_everybody_else_gains_an_eighth_at_most() {
    let list = list(100, 5);
    let (mut profile, mut rng) = client(&list, 6);
    // Relays with a low first byte are the attacker's: about a tenth. All others fail everywhere.
    let bad = |relay: &RelayId| relay.0[0] < 26;
    let share = |profile: &Profile, rng: &mut _| {
        let drawn = drawn(&list, profile, 2, START, rng);
        let bad = drawn.iter().filter(|(relay, _)| bad(relay));
        bad.map(|(_, times)| times).sum::<u32>()
    };
    let before = share(&profile, &mut rng);
    for route in routes(&list, &profile, &mut rng) {
        if !bad(&route.hops()[2]) {
            profile.failed(&route, Charge::Pair(1, 2), START, &mut rng);
        }
    }
    let after = share(&profile, &mut rng);
    // An eighth of the candidates at an eighth of their weight: 8 / 7.1 times at most, and noise.
    assert!(
        before > 300 && after * 100 < before * 125,
        "{before}, then {after}"
    );
}

#[test]
fn a_guard_steers_its_second_hops_within_a_bound() {
    let list = list(100, 7);
    let (mut profile, mut rng) = client(&list, 8);
    let second = drawn(&list, &profile, 1, START, &mut rng);
    let friend = *second.iter().max_by_key(|(_, times)| **times).unwrap().0;
    for route in routes(&list, &profile, &mut rng) {
        if route.hops()[1] != friend {
            profile.failed(&route, Charge::Pair(0, 1), START, &mut rng);
        }
    }
    let after = drawn(&list, &profile, 1, START, &mut rng)[&friend];
    // Two of four at an eighth: 1 / 2.25.
    assert!(after < DRAWS * 48 / 100, "{after} of {DRAWS}");
}

#[test]
fn what_health_remembers_is_bounded_and_success_clears() {
    let list = list(100, 9);
    let (mut profile, mut rng) = client(&list, 10);
    let routes = routes(&list, &profile, &mut rng);
    for route in &routes {
        for _ in 0..20 {
            profile.failed(route, Charge::Hop(2), START, &mut rng);
        }
    }
    let bad = routes[0].hops()[2];
    for _ in 0..5 {
        let want = Want::Terminal(bad);
        let route = choose(&list, &profile, &want, START, &mut rng).unwrap();
        profile.served(&route, START);
    }
    let all = drawn(&list, &profile, 2, START, &mut rng);
    let mean = DRAWS / u32::try_from(all.len()).unwrap();
    assert!(all[&bad] > mean / 2, "{} of {mean}", all[&bad]);
}
