//! Networks on paper: lists of relays for the tests of choosing.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use llarp_core::crypto::identity::RelayId;
use llarp_core::crypto::kem::KemSecret;
use llarp_core::crypto::onion_key::OnionPublic;
use llarp_core::path::{Diversity, Profile, Route, Seconds, Want, choose};
use llarp_core::registry::{Addresses, Family, RelayContact, RelayList};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

use crate::support::rng;

pub(crate) const START: Seconds = Seconds(1_800_000_000);
pub(crate) const DAY: u64 = 24 * 60 * 60;

/// `count` relays: a third of them in families of about four, IPv4 in 80 networks of /16, every
/// other one with IPv6 in 40 of /32.
pub(crate) fn contacts(count: usize, seed: u64) -> Vec<RelayContact> {
    let mut rng = rng(seed);
    let kem = KemSecret::generate(&mut rng).public().clone();
    let families = (count as u64 / 12).max(1);
    (0..count)
        .map(|_| {
            let mut bytes = [0; 32];
            rng.fill_bytes(&mut bytes);
            let mut pick = |bound: u64| u16::try_from(rng.next_u64() % bound).unwrap();
            let [net, host] = pick(80).to_be_bytes();
            let v4 = Ipv4Addr::new(20 + net, host, 0, 1);
            let v6 = Ipv6Addr::new(0x2001, pick(40), 0, 0, 0, 0, 0, 1);
            let v6 = (pick(2) == 0).then(|| SocketAddrV6::new(v6, 1090, 0, 0));
            let family = pick(families * 3);
            RelayContact {
                id: RelayId(bytes),
                addresses: Addresses::new(Some(SocketAddrV4::new(v4, 1090)), v6).unwrap(),
                family: (u64::from(family) < families)
                    .then(|| Family([u8::try_from(family).unwrap(); 32])),
                onion: OnionPublic {
                    x25519: bytes,
                    kem: kem.clone(),
                },
            }
        })
        .collect()
}

pub(crate) fn list(count: usize, seed: u64) -> RelayList {
    RelayList::new(contacts(count, seed)).unwrap()
}

/// A client that has just drawn its relays.
pub(crate) fn client(list: &RelayList, seed: u64) -> (Profile, ChaCha20Rng) {
    let mut rng = rng(seed);
    let mut profile = Profile::new(Diversity::Strict);
    profile.update(list, START, &mut rng);
    (profile, rng)
}

pub(crate) fn draw_any(
    list: &RelayList,
    profile: &Profile,
    now: Seconds,
    rng: &mut ChaCha20Rng,
) -> Route {
    choose(list, profile, &Want::Any, now, rng).unwrap()
}
