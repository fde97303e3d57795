//! `registry_list` and `path_profile`: what a client keeps on its disk.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::sync::LazyLock;

use llarp_core::crypto::identity::RelayId;
use llarp_core::path::{Diversity, Profile, Seconds, Want, choose};
use llarp_core::registry::{Addresses, Family, RelayContact, RelayList};

use crate::Seed;
use crate::fixture::{RELAYS, rng};
use crate::input::{Input, mutate};

const NOW: Seconds = Seconds(1_800_000_000);

/// Thirty relays of one onion key, each in a subnet of its own.
static LIST: LazyLock<RelayList> = LazyLock::new(|| list(30));

fn list(count: u8) -> RelayList {
    let contacts = (0..count).map(|number| {
        let v4 = SocketAddrV4::new(Ipv4Addr::new(20, number, 0, 1), 1090);
        let v6 = Ipv6Addr::new(0x2001, number.into(), 0, 0, 0, 0, 0, 1);
        let v6 = (number % 2 == 0).then(|| SocketAddrV6::new(v6, 1090, 0, 0));
        RelayContact {
            id: RelayId([number; 32]),
            addresses: Addresses::new(Some(v4), v6).expect("addresses of machines"),
            family: (number % 3 == 0).then_some(Family([number / 6; 32])),
            onion: RELAYS[0].public.clone(),
        }
    });
    RelayList::new(contacts).expect("each once")
}

fn profile() -> Profile {
    let mut profile = Profile::new(Diversity::Strict);
    profile.update(&LIST, NOW, &mut rng(5));
    profile
}

/// The input is a list, then changes to one of three relays. What decodes encodes to the same bytes
/// and finds each of its relays.
pub(crate) fn registry_list(bytes: &[u8]) {
    read_list(bytes);
    let mut changed = list(3).encode();
    mutate(&mut changed, &mut Input::new(bytes), 4);
    read_list(&changed);
}

fn read_list(bytes: &[u8]) {
    match RelayList::decode(bytes) {
        Ok(list) => {
            assert_eq!(list.encode(), bytes);
            assert!(list.iter().all(|relay| list.get(&relay.id) == Some(relay)));
        }
        Err(error) => assert!(LIST_FIELDS.contains(&error.field), "{error}"),
    }
}

const LIST_FIELDS: &[&str] = &[
    "version",
    "relay count",
    "relay id",
    "flags",
    "IPv4",
    "IPv6",
    "addresses",
    "family",
    "X25519 key",
    "KEM key",
    "relay list",
];

pub(crate) fn registry_list_seeds() -> Vec<Seed> {
    let three = list(3).encode();
    vec![
        ("none", list(0).encode()),
        ("three", three.clone()),
        ("cut", three[..three.len() - 1].to_vec()),
        ("claims_more", [1, 0, 200].to_vec()),
    ]
}

/// The input is a profile, then changes to one. What decodes encodes to the same bytes, and a
/// route that it leads to has three hops that differ.
pub(crate) fn path_profile(bytes: &[u8]) {
    read_profile(bytes, NOW);
    let mut input = Input::new(bytes);
    let now = Seconds(input.u64());
    let mut changed = profile().encode();
    mutate(&mut changed, &mut input, 4);
    read_profile(&changed, now);
}

fn read_profile(bytes: &[u8], now: Seconds) {
    let mut profile = match Profile::decode(bytes, Diversity::Strict) {
        Ok(profile) => profile,
        Err(error) => return assert!(PROFILE_FIELDS.contains(&error.field), "{error}"),
    };
    assert_eq!(profile.encode(), bytes);
    let mut rng = rng(6);
    for update in [false, true] {
        if update {
            profile.update(&LIST, now, &mut rng);
        }
        if let Ok(route) = choose(&LIST, &profile, &Want::Any, now, &mut rng) {
            let [guard, second, third] = route.hops() else {
                panic!("three hops");
            };
            assert!(guard != second && guard != third && second != third);
        }
    }
}

const PROFILE_FIELDS: &[&str] = &[
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

pub(crate) fn path_profile_seeds() -> Vec<Seed> {
    let whole = profile().encode();
    let mut twice = whole.clone();
    twice.copy_within(2..34, 2 + 57);
    vec![
        ("fresh", Profile::new(Diversity::Strict).encode()),
        ("whole", whole.clone()),
        ("twice", twice),
        ("cut", whole[..whole.len() - 1].to_vec()),
    ]
}
