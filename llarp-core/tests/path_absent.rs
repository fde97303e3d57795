//! Relays that leave the list, or say that they cannot: what a client keeps, and that it has a route.

use llarp_core::build::Charge;
use llarp_core::path::{Want, choose};
use llarp_core::registry::RelayList;

use crate::path_support::*;

const MINUTE: u64 = 60;

#[test]
fn a_client_whose_relays_have_all_left_draws_others_after_ten_minutes() {
    let (old, new) = (list(100, 1), list(100, 2));
    let (mut profile, mut rng) = client(&old, 3);
    let before = profile.guards_in_use(&old, START);
    for minute in 0..10 {
        let now = START.plus(minute * MINUTE);
        profile.update(&new, now, &mut rng);
        let route = choose(&new, &profile, &Want::Any, now, &mut rng);
        assert!(route.is_err(), "after {minute} minutes");
        assert_eq!(profile.guards_in_use(&old, now), before, "they may be back");
    }
    let now = START.plus(10 * MINUTE);
    profile.update(&new, now, &mut rng);
    for _ in 0..100 {
        draw_any(&new, &profile, now, &mut rng);
    }
    // Four of each are enough; the others have their slots still.
    assert_eq!(profile.guards_in_use(&new, now).len(), 2);
}

#[test]
fn a_relay_that_has_left_keeps_its_slot_while_enough_others_are_listed() {
    let list = list(100, 4);
    let (mut profile, mut rng) = client(&list, 5);
    let before = profile.guards_in_use(&list, START);
    let stay = list.iter().filter(|relay| !before.contains(&relay.id));
    let without = RelayList::new(stay.cloned()).unwrap();
    for hour in 0..71 {
        let now = START.plus(hour * 60 * MINUTE);
        profile.update(&without, now, &mut rng);
        draw_any(&without, &profile, now, &mut rng);
        assert_eq!(profile.guards_in_use(&list, now), before);
    }
}

#[test]
fn a_second_hop_that_says_that_it_cannot_is_left_in_peace_for_a_minute() {
    let list = list(100, 6);
    let (mut profile, mut rng) = client(&list, 7);
    let route = draw_any(&list, &profile, START, &mut rng);
    let busy = route.hops()[1];
    profile.failed(&route, Charge::Hop(1), START, &mut rng);
    let mut is_drawn = |profile: &_, now| {
        let mut routes = (0..300).map(|_| draw_any(&list, profile, now, &mut rng));
        routes.any(|route| route.hops()[1] == busy)
    };
    assert!(!is_drawn(&profile, START.plus(59)));
    assert!(is_drawn(&profile, START.plus(60)));
    // Whatever they all say, there is a route.
    let mut rng = crate::support::rng(8);
    for _ in 0..100 {
        let route = draw_any(&list, &profile, START, &mut rng);
        profile.failed(&route, Charge::Hop(1), START, &mut rng);
    }
}

#[test]
fn nobody_is_pushed_aside_by_what_its_neighbours_say() {
    let list = list(100, 9);
    let (mut profile, mut rng) = client(&list, 10);
    let route = draw_any(&list, &profile, START, &mut rng);
    let blamed = route.hops()[1];
    profile.failed(&route, Charge::Pair(0, 1), START, &mut rng);
    let mut routes = (0..300).map(|_| draw_any(&list, &profile, START, &mut rng));
    assert!(routes.any(|route| route.hops()[1] == blamed));
}
