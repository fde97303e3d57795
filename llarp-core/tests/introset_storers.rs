//! Property 7: what storers hold of two epochs of one identity cannot be linked without its address,
//! nor located before the beacon.

use std::collections::BTreeMap;

use llarp_core::crypto::epoch::Epoch;
use llarp_core::crypto::identity::SecretKey;
use llarp_core::introset::{
    DeviceSlot, Introset, Lookup, OpenError, Place, Places, Readers, Record, Rules,
};
use llarp_core::registry;
use rand_chacha::rand_core::Rng;

use crate::introset_support::{BEACONS, Device, HOUR, NOW, TODAY, effort, rules};
use crate::support::{network, rng};

/// What one storer holds of `seed` for `epoch`, which was published at the time `now`: the very same
/// contents in every epoch, the worst case for whoever hides them.
fn held(seed: u64, epoch: Epoch, said: &Introset, now: u64) -> Record {
    let mut device = Device::of(seed, network(), epoch, DeviceSlot::FIRST);
    device.publish_at(said, Readers::Everyone, now)
}

fn said() -> Introset {
    Device::new(1).contents()
}

/// Windows of eight bytes that both have, at any offsets.
fn common(one: &Record, other: &Record) -> Vec<(usize, usize)> {
    let mut places: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (at, window) in one.as_bytes().windows(8).enumerate() {
        places.insert(window, at);
    }
    let found = other.as_bytes().windows(8).enumerate();
    found
        .filter_map(|(at, window)| places.get(window).map(|place| (*place, at)))
        .collect()
}

#[test]
fn records_of_two_epochs_have_nothing_in_common() {
    // Published in the same second by the same device, with the same contents, as owners do for
    // today and tomorrow. Chance gives a common window with probability 3·10⁻¹³ a pair.
    let said = said();
    for seed in 1..20 {
        let today = held(seed, TODAY, &said, NOW);
        let tomorrow = held(seed, TODAY.next(), &said, NOW);
        assert_eq!(common(&today, &tomorrow), [], "identity {seed}");
        assert_ne!(today.blinded(), tomorrow.blinded());
        assert!(today.sequence().abs_diff(tomorrow.sequence()) > 1 << 32);
    }
}

#[test]
fn records_of_one_epoch_have_in_common_what_names_the_place_alone() {
    let mut device = Device::new(30);
    let said = said();
    let [one, other] = [NOW, NOW + 3 * HOUR].map(|now| {
        let mut said = said.clone();
        said.keys.until = now + 20 * HOUR;
        device.publish_at(&said, Readers::Everyone, now)
    });
    // The day, blinded key, signing key and certificate, and nothing of what is sealed: the place itself
    // says that both are of one device and day.
    for (at, there) in common(&one, &other) {
        assert_eq!(at, there);
        assert!(at < 150, "a window at {at} repeats");
    }
    let sealed = |record: &Record| record.as_bytes()[163..].to_vec();
    assert_ne!(sealed(&one)[..16], sealed(&other)[..16], "salts differ");
}

#[test]
fn a_days_records_of_one_identity_are_no_more_alike_than_those_of_strangers() {
    let said = said();
    let mut numbers = rng(31);
    for _ in 0..20 {
        let [a, b] = [numbers.next_u64() >> 1, numbers.next_u64() >> 1];
        let one = held(a, TODAY, &said, NOW);
        let own = held(a, TODAY.next(), &said, NOW);
        let strange = held(b, TODAY.next(), &said, NOW);
        // Whoever guesses which of two is the same identity's has the fields in clear to go by: all that
        // do not look random are the same in both.
        let clear = |record: &Record| {
            let bytes = record.as_bytes();
            let [from, slot, until] = [&bytes[5..9], &bytes[9..10], &bytes[18..22]];
            let effort = &bytes[150..155];
            (bytes.len(), [from, slot, until, effort].concat())
        };
        assert_eq!(clear(&own), clear(&strange));
        assert_eq!(common(&one, &own).len(), common(&one, &strange).len());
    }
}

#[test]
fn without_the_address_nothing_opens() {
    let said = said();
    let record = held(33, TODAY, &said, NOW);
    let mut numbers = rng(34);
    for _ in 0..50 {
        let guess = SecretKey::generate(&mut numbers).address();
        let lookup = Lookup::new(network(), guess, TODAY, DeviceSlot::FIRST);
        assert_eq!(lookup.open(&record, NOW, None), Err(OpenError::NotTheirs));
    }
    // Not even a part of what was said is there to see.
    let secrets: Vec<&[u8]> = said
        .introducers
        .iter()
        .flat_map(|introducer| [&introducer.relay.0[..8], &introducer.cookie.0[..8]])
        .chain([&said.keys.x25519[..8], &said.keys.kem.as_bytes()[..8]])
        .collect();
    for secret in secrets {
        assert!(record.as_bytes().windows(8).all(|window| window != secret));
    }
}

#[test]
fn no_place_is_known_before_its_beacon() {
    // The same record lies elsewhere under every beacon, so that who knows all but the beacon knows nothing.
    let lookup = Device::new(35).lookup();
    let mut numbers = rng(36);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..1000 {
        let mut beacon = [0; 32];
        numbers.fill_bytes(&mut beacon);
        assert!(seen.insert(lookup.location(&beacon)));
    }
    let near: Vec<_> = (0..=255)
        .map(|bit: u8| {
            let mut beacon = BEACONS[0];
            beacon[usize::from(bit / 8)] ^= 1 << (bit % 8);
            lookup.location(&beacon)
        })
        .collect();
    assert!(
        near.iter()
            .all(|place| *place != lookup.location(&BEACONS[0]))
    );
}

#[test]
fn an_identity_is_found_day_after_day_without_a_gap() {
    // An owner that publishes every six hours; a caller that looks every hour. A new snapshot comes half an
    // hour behind midnight to the owner, two hours behind it to the caller.
    let beacon = |epoch: u64| [u8::try_from(epoch % 251).unwrap(); 32];
    let places = |now: u64, delay: u64| {
        let snapshot = (now - delay) / 86_400;
        let (before, own) = (beacon(snapshot - 1), beacon(snapshot));
        Places::of(now, registry::Epoch(snapshot), Some(before), own)
    };
    let mut held: BTreeMap<_, Record> = BTreeMap::new();
    let start = TODAY.start();
    for hour in 0..96 {
        let now = start + hour * HOUR + 1800;
        if hour % 6 == 0 {
            for Place { epoch, beacon } in places(now, 1800).to_publish() {
                let mut device = Device::of(37, network(), epoch, DeviceSlot::FIRST);
                let mut said = device.contents();
                said.keys.until = now + 24 * HOUR;
                let record = device.publish_at(&said, Readers::Everyone, now);
                let at = device.publisher.location(&beacon);
                let network = network();
                let rules = Rules {
                    beacons: &[beacon],
                    least: effort(1),
                    ..rules(&network, now)
                };
                let record = record.verify(&at, &rules).unwrap().into_inner();
                held.insert(at, record);
            }
        }
        let found = places(now, 7200).to_read().find_map(|place| {
            let lookup = Lookup::new(
                network(),
                Device::new(37).identity.address(),
                place.epoch,
                DeviceSlot::FIRST,
            );
            let record = held.get(&lookup.location(&place.beacon))?;
            lookup.open(record, now, None).ok()
        });
        assert!(found.is_some(), "not found in hour {hour}");
    }
}
