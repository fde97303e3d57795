//! What must hold of every route, and that whoever names the end of a path learns nothing about its
//! beginning.

use std::collections::{BTreeMap, BTreeSet};

use llarp_core::crypto::identity::RelayId;
use llarp_core::path::{ChooseError, Diversity, Profile, Want, choose};
use llarp_core::registry::{Addresses, Family, RelayContact, RelayList};

use crate::path_support::*;
use crate::support::rng;

#[test]
fn no_two_relays_of_100_000_routes_are_alike() {
    let list = list(150, 1);
    let (mut second_hops, mut guards) = (BTreeSet::new(), BTreeSet::new());
    let (profile, mut rng) = client(&list, 2);
    let in_use = profile.guards_in_use(&list, START);
    for _ in 0..100_000 {
        let route = draw_any(&list, &profile, START, &mut rng);
        let [guard, second, third] = route.hops() else {
            panic!("three hops");
        };
        guards.insert(*guard);
        second_hops.insert((*guard, *second));
        for (one, other) in [(guard, second), (guard, third), (second, third)] {
            assert!(differ(list.get(one).unwrap(), list.get(other).unwrap()));
        }
    }
    assert_eq!(guards, in_use.into_iter().collect());
    assert_eq!(second_hops.len(), 8, "four behind each guard");
}

/// The rule once more, in other words than the code's.
fn differ(one: &RelayContact, other: &RelayContact) -> bool {
    let net4 = |relay: &RelayContact| {
        let address = relay.addresses.v4();
        address.map(|v4| u32::from(*v4.ip()) >> 16)
    };
    let net6 = |relay: &RelayContact| {
        let address = relay.addresses.v6();
        address.map(|v6| u128::from(*v6.ip()) >> 96)
    };
    let same = |one: Option<u128>, other: Option<u128>| one.is_some() && one == other;
    let family = |relay: &RelayContact| relay.family.map(|Family(hash)| u128::from(hash[0]));
    one.id != other.id
        && !same(family(one), family(other))
        && !same(net4(one).map(u128::from), net4(other).map(u128::from))
        && !same(net6(one), net6(other))
}

#[test]
fn a_wanted_relay_moves_neither_guard_nor_its_place_in_the_order() {
    let list = list(150, 3);
    for client_seed in 0..40 {
        let (profile, _) = client(&list, client_seed);
        for (seed, wanted) in list.iter().enumerate() {
            let seed = seed as u64 % 8;
            let free = choose(&list, &profile, &Want::Any, START, &mut rng(seed)).unwrap();
            for want in [Want::Terminal(wanted.id), Want::Aligned(wanted.id)] {
                // Any relay can be wanted, guard and second hops themselves included.
                let route = choose(&list, &profile, &want, START, &mut rng(seed)).unwrap();
                assert_eq!(route.hops()[0], free.hops()[0]);
                let aligned = matches!(want, Want::Aligned(_));
                assert_eq!(
                    route.hops().len(),
                    3 + usize::from(aligned),
                    "no other shape"
                );
                assert_eq!(route.hops().last(), Some(&wanted.id));
                for between in &route.hops()[1..route.hops().len() - 1] {
                    let between = list.get(between).unwrap();
                    assert!(differ(between, wanted));
                    assert!(differ(between, list.get(&route.hops()[0]).unwrap()));
                }
            }
        }
    }
}

#[test]
fn builds_that_a_wanted_relay_spoils_do_not_move_the_guard() {
    use llarp_core::build::Charge;
    let list = list(150, 3);
    let (mut profile, mut rng) = client(&list, 1);
    let before = profile.guards_in_use(&list, START);
    let wanted = list.iter().next().unwrap().id;
    for _ in 0..1000 {
        let want = Want::Aligned(wanted);
        let route = choose(&list, &profile, &want, START, &mut rng).unwrap();
        profile.failed(&route, Charge::Pair(2, 3), START, &mut rng);
        profile.failed(&route, Charge::Hop(3), START, &mut rng);
        profile.timed_out(&route, START, &mut rng);
    }
    assert_eq!(profile.guards_in_use(&list, START), before);
}

#[test]
fn third_hops_are_drawn_from_all_alike() {
    let list = list(60, 5);
    let (profile, mut rng) = client(&list, 6);
    let mut drawn: BTreeMap<RelayId, u32> = BTreeMap::new();
    for _ in 0..20_000 {
        let route = draw_any(&list, &profile, START, &mut rng);
        *drawn.entry(route.hops()[2]).or_default() += 1;
    }
    // 60 relays, 2 guards and 4 second hops among them: nobody is drawn twice as often as another
    // that is free behind all of them.
    let most = *drawn.values().max().unwrap();
    assert!(
        drawn.len() > 45 && most < 20_000 / 25,
        "{} {most}",
        drawn.len()
    );
}

#[test]
fn same_arguments_give_the_same_route() {
    let list = list(80, 7);
    let (profile, _) = client(&list, 8);
    for seed in 0..100 {
        let mut routes = (0..2).map(|_| draw_any(&list, &profile, START, &mut rng(seed)));
        assert_eq!(routes.next(), routes.next());
    }
}

/// Relays on one machine, without families.
fn loopback(count: usize) -> RelayList {
    let here = Addresses::new(Some("127.0.0.1:1090".parse().unwrap()), None).unwrap();
    let relays = contacts(count, 9).into_iter().map(|relay| RelayContact {
        addresses: here,
        family: None,
        ..relay
    });
    RelayList::new(relays).unwrap()
}

#[test]
fn one_subnet_serves_test_networks_only_and_ids_and_families_still_count() {
    let list = loopback(5);
    let mut rng = rng(10);
    let mut strict = Profile::new(Diversity::Strict);
    strict.update(&list, START, &mut rng);
    let refused = choose(&list, &strict, &Want::Any, START, &mut rng).unwrap_err();
    assert_eq!(refused, ChooseError::TooFew { hop: 1, relays: 5 });

    let mut devnet = Profile::new(Diversity::dangerous_same_subnet());
    devnet.update(&list, START, &mut rng);
    for wanted in list.iter().cycle().take(1000) {
        let want = Want::Aligned(wanted.id);
        let route = choose(&list, &devnet, &want, START, &mut rng).unwrap();
        let [guard, second, third, last] = route.hops() else {
            panic!("four hops");
        };
        let between = BTreeSet::from([guard, second, third]);
        assert!(between.len() == 3 && last != second && last != third);
    }

    let family = Some(Family([7; 32]));
    let relays = list
        .iter()
        .cloned()
        .map(|relay| RelayContact { family, ..relay });
    let list = RelayList::new(relays).unwrap();
    devnet.update(&list, START, &mut rng);
    let refused = choose(&list, &devnet, &Want::Any, START, &mut rng).unwrap_err();
    assert_eq!(refused, ChooseError::TooFew { hop: 1, relays: 5 });
}

#[test]
fn what_cannot_be_chosen_says_what_to_do() {
    let list = list(80, 11);
    let (profile, mut rng) = client(&list, 12);
    let want = Want::Terminal(RelayId([9; 32]));
    let unknown = choose(&list, &profile, &want, START, &mut rng).unwrap_err();
    assert_eq!(unknown, ChooseError::WantedUnknown);
    let fresh = Profile::new(Diversity::Strict);
    let none = choose(&list, &fresh, &Want::Any, START, &mut rng).unwrap_err();
    assert_eq!(none, ChooseError::NoGuards);
}

#[test]
fn no_relay_shows_in_debug() {
    let list = list(80, 13);
    let (profile, mut rng) = client(&list, 14);
    let route = draw_any(&list, &profile, START, &mut rng);
    let wanted = Want::Terminal(route.hops()[2]);
    let shown = format!("{profile:?} {route:?} {wanted:?}");
    assert_eq!(
        shown,
        "Profile(20 guards, 7 second hops, redacted) Route(3 hops, redacted) Terminal(redacted)"
    );
}
