//! Records: what owners make, storers take, and callers open; and what nobody does.

use llarp_core::crypto::epoch::Epoch;
use llarp_core::crypto::hash::{NetworkId, label};
use llarp_core::crypto::identity::{BadSignature, SecretKey};
use llarp_core::crypto::pow::{Proof, Search};
use llarp_core::introset::{
    DeviceSlot, DeviceSlots, Introset, Lookup, OpenError, Publisher, Readers, Record, Refused,
    Rules, SealError, Standing,
};
use llarp_core::wire::Fault;
use llarp_core::wire::limits::{INTRODUCERS_MAX, RECORD_SIZES};
use proptest::prelude::*;

use crate::introset_support::{
    BEACONS, Device, HOUR, NOW, TODAY, changed, contents, effort, rules, slot,
};
use crate::support::{network, rng};

// Where the fields of a record begin.
const FROM: usize = 5;
const SLOT: usize = 9;
const SEQUENCE: usize = 10;
const UNTIL: usize = 18;
const BLINDED: usize = 22;
const SIGNING: usize = 54;
const CERTIFICATE: usize = 86;
const PROOF: usize = 150;

#[test]
fn what_is_published_is_stored_found_and_opened() {
    let mut device = Device::new(1);
    let said = device.contents();
    let record = device.publish_at(&said, Readers::Everyone, NOW);
    let record = Record::decode(record.as_bytes()).unwrap();
    let stored = device.stored(record.clone()).unwrap();
    assert_eq!(stored.get(), &record);
    let opened = device.lookup().open(&record, NOW, None).unwrap();
    assert_eq!(opened.introset, said);
    assert_eq!((opened.epoch, opened.slot), (TODAY, DeviceSlot::FIRST));
    assert_eq!(opened.sequence, record.sequence());
    assert_eq!(opened.others(), DeviceSlots(0));
    assert_eq!(record.location(&network(), &BEACONS[0]), device.location());
    assert_eq!(device.lookup().location(&BEACONS[0]), device.location());
}

#[test]
fn every_changed_byte_of_a_record_is_refused() {
    let mut device = Device::new(2);
    let record = device.publish();
    for at in 0..record.as_bytes().len() {
        let bytes = changed(&record, |bytes| bytes[at] ^= 1 << (at % 8));
        let Ok(record) = Record::decode(&bytes) else {
            continue;
        };
        assert!(
            device.stored(record.clone()).is_err(),
            "stored with byte {at} changed"
        );
        let opened = device.lookup().open(&record, NOW, None);
        assert_eq!(opened.unwrap_err(), OpenError::NotTheirs, "byte {at}");
    }
}

#[test]
fn records_of_another_network_epoch_slot_or_identity_are_refused() {
    let mut device = Device::new(3);
    let record = device.publish();
    let elsewhere = NetworkId::from_name("another");
    assert_eq!(
        record
            .clone()
            .verify(&device.location(), &rules(&elsewhere, NOW)),
        Err(Refused::Work)
    );
    let address = device.identity.address();
    let stranger = SecretKey::generate(&mut rng(4)).address();
    for lookup in [
        Lookup::new(elsewhere, address, TODAY, DeviceSlot::FIRST),
        Lookup::new(network(), address, TODAY.next(), DeviceSlot::FIRST),
        Lookup::new(network(), address, TODAY, slot(1)),
        Lookup::new(network(), stranger, TODAY, DeviceSlot::FIRST),
    ] {
        assert_eq!(lookup.open(&record, NOW, None), Err(OpenError::NotTheirs));
        assert_eq!(lookup.authenticate(&record), Err(BadSignature));
        assert_ne!(lookup.location(&BEACONS[0]), device.location());
    }
}

#[test]
fn a_record_is_stored_at_its_own_place_only() {
    let mut device = Device::new(5);
    let record = device.publish();
    let other = Device::new(6).location();
    let refused = record.clone().verify(&other, &rules(&network(), NOW));
    assert_eq!(refused, Err(Refused::Elsewhere));
    let beacons = [[0xee; 32]];
    let rules = Rules {
        beacons: &beacons,
        ..rules(&device.network, NOW)
    };
    let refused = record.clone().verify(&device.location(), &rules);
    assert_eq!(refused, Err(Refused::Elsewhere));
    // Under the newer beacon, which its owner did not know yet, it has another place, which will do.
    let there = device.publisher.location(&BEACONS[1]);
    assert!(record.verify(&there, &self::rules(&network(), NOW)).is_ok());
}

#[test]
fn records_of_distant_epochs_are_refused() {
    for (day, near) in [(-2, false), (-1, true), (1, true), (2, false)] {
        let epoch = Epoch(TODAY.0.checked_add_signed(day).unwrap());
        let mut device = Device::of(7, network(), epoch, DeviceSlot::FIRST);
        let noon = epoch.start() + 12 * HOUR;
        let mut said = device.contents();
        said.keys.until = noon + 24 * HOUR;
        let record = device.publish_at(&said, Readers::Everyone, noon);
        let at = noon.checked_add_signed(-86_400 * i64::from(day)).unwrap();
        let verified = record.verify(&device.location(), &rules(&network(), at));
        let (got, today) = (epoch.0, TODAY.0);
        match (verified, near) {
            (Err(error), false) => assert_eq!(error, Refused::Epoch { got, today }),
            (Err(error), true) => assert!(!matches!(error, Refused::Epoch { .. }), "{error}"),
            (Ok(_), near) => assert!(near, "epoch {epoch} was stored on {today}"),
        }
    }
}

#[test]
fn records_before_their_time_and_behind_it_are_refused() {
    let mut device = Device::new(8);
    let record = device.publish();
    let (from, until) = (record.from(), record.until());
    assert_eq!((from % HOUR, until % HOUR), (0, 0));
    assert!(from <= NOW && NOW - from < HOUR);
    assert_eq!(until, TODAY.next().start() + 6 * HOUR);
    let verify = |now| {
        record
            .clone()
            .verify(&device.location(), &rules(&network(), now))
    };
    let open = |now| device.lookup().open(&record, now, None);
    assert!(verify(from - 300).is_ok() && verify(until - 1).is_ok());
    assert!(open(from - 300).is_ok() && open(until - 1).is_ok());
    let early = from - 301;
    let refused = Refused::NotYet { from, now: early };
    assert_eq!(verify(early), Err(refused));
    assert_eq!(open(early), Err(OpenError::Time(refused)));
    let refused = Refused::Over { until, now: until };
    assert_eq!(verify(until), Err(refused));
    assert_eq!(open(until), Err(OpenError::Time(refused)));
}

#[test]
fn a_record_is_valid_no_longer_than_its_epoch_keys_and_life() {
    let until = |epoch: Epoch, now: u64, keys: u64| {
        let mut device = Device::of(9, network(), epoch, DeviceSlot::FIRST);
        let mut said = device.contents();
        said.keys.until = keys;
        let draft = device.publisher.draft(now);
        let proof = device.solve(&draft);
        let mut rng = rng(1);
        let sealed = device
            .publisher
            .seal(&draft, proof, &said, Readers::Everyone, now, &mut rng);
        sealed.map(|record| record.until())
    };
    let end = TODAY.next().start();
    assert_eq!(
        until(TODAY, end - 1, end - 1 + 24 * HOUR),
        Ok(end + 6 * HOUR)
    );
    assert_eq!(until(TODAY, end - 1, end + HOUR + 5), Ok(end + HOUR));
    assert_eq!(
        until(TODAY.next(), end - 1, end + 23 * HOUR),
        Ok(end + 23 * HOUR)
    );
    assert_eq!(
        until(TODAY, end + 6 * HOUR, end + 7 * HOUR),
        Err(SealError::Epoch {
            epoch: TODAY.0,
            today: TODAY.0 + 1
        })
    );
    assert_eq!(
        until(TODAY, end + 48 * HOUR, end + 49 * HOUR),
        Err(SealError::Epoch {
            epoch: TODAY.0,
            today: TODAY.0 + 3
        })
    );
    for keys in [NOW, NOW - 1, 0, NOW + 24 * HOUR + 1, u64::MAX] {
        assert_eq!(
            until(TODAY, NOW, keys),
            Err(SealError::Keys {
                until: keys,
                now: NOW
            })
        );
    }
}

#[test]
fn bytes_that_are_no_record_name_the_field() {
    let record = Device::new(10).publish();
    let decode = |change: &dyn Fn(&mut Vec<u8>)| {
        Record::decode(&changed(&record, |bytes| change(bytes))).unwrap_err()
    };
    let hours = |at: usize| {
        let hour: [u8; 4] = record.as_bytes()[at..at + 4].try_into().unwrap();
        u32::from_be_bytes(hour)
    };
    let (from, until) = (hours(FROM), hours(UNTIL));
    let set = |at: usize, hour: u32| {
        move |bytes: &mut Vec<u8>| bytes[at..at + 4].copy_from_slice(&hour.to_be_bytes())
    };
    assert_eq!(decode(&|bytes| bytes[0] = 2).field, "version");
    assert_eq!(decode(&|bytes| bytes[SLOT] = 16).field, "device slot");
    assert_eq!(decode(&|bytes| bytes[PROOF] = 2).field, "proof version");
    assert_eq!(
        decode(&|bytes| bytes[PROOF + 1..PROOF + 5].fill(0)).field,
        "effort"
    );
    for (at, hour) in [
        (FROM, until),
        (FROM, until + 1),
        (FROM, until - 31),
        (UNTIL, from),
        (UNTIL, 0),
        (UNTIL, u32::MAX),
    ] {
        assert_eq!(decode(&set(at, hour)).field, "until", "{at} {hour}");
    }
    let last = u32::try_from(TODAY.start() / HOUR).unwrap() + 30;
    let move_to = |hour: u32| {
        changed(&record, |bytes| {
            set(FROM, hour - 1)(bytes);
            set(UNTIL, hour)(bytes);
        })
    };
    assert!(Record::decode(&move_to(last)).is_ok());
    assert_eq!(
        Record::decode(&move_to(last + 1)).unwrap_err().field,
        "until"
    );
    for len in [0, 1, 2399, 2401, 6001, 100_000] {
        let error = Record::decode(&vec![1; len]).unwrap_err();
        assert_eq!(error.field, "record");
        assert!(matches!(error.fault, Fault::WrongLength { got, .. } if got == len));
    }
}

#[test]
fn too_little_work_and_anothers_work_are_refused() {
    let mut device = Device::new(11);
    device.effort = effort(63);
    let record = device.publish();
    let refused = Refused::Effort { least: 64, got: 63 };
    assert_eq!(device.stored(record.clone()), Err(refused));
    assert!(!refused.is_fault() && Refused::Work.is_fault());
    // To claim more than was done, of this record or by another one, does not help.
    device.effort = effort(64);
    let other = device.publish();
    let proof = &other.as_bytes()[PROOF..PROOF + 13];
    let stolen = changed(&record, |bytes| {
        bytes[PROOF..PROOF + 13].copy_from_slice(proof)
    });
    let stolen = Record::decode(&stolen).unwrap();
    assert_eq!(device.stored(stolen), Err(Refused::Work));
    // The work comes before the place and the signatures, which cost more to look at.
    let bare = changed(&other, |bytes| bytes[PROOF + 12] ^= 1);
    let bare = Record::decode(&bare).unwrap();
    let elsewhere = Device::new(12).location();
    let refused = bare.verify(&elsewhere, &rules(&network(), NOW));
    assert_eq!(refused, Err(Refused::Work));
}

#[test]
fn a_better_proof_is_found_from_where_the_search_stopped() {
    let mut device = Device::new(13);
    let said = device.contents();
    let draft = device.publisher.draft(NOW);
    let first = device.solve(&draft);
    let from = first.nonce.wrapping_add(1);
    let Search::Found(better) = draft.puzzle().search(effort(4096), from, u64::MAX) else {
        unreachable!("all nonces were tried");
    };
    let seal = |proof: Proof| {
        let mut rng = rng(proof.nonce);
        let publisher = &device.publisher;
        publisher.seal(&draft, proof, &said, Readers::Everyone, NOW, &mut rng)
    };
    let (one, other) = (seal(first).unwrap(), seal(better).unwrap());
    assert_eq!(one.sequence(), other.sequence());
    let rules = Rules {
        least: effort(4096),
        ..rules(&device.network, NOW)
    };
    assert!(other.verify(&device.location(), &rules).is_ok());
    let boast = Proof {
        effort: effort(u32::MAX),
        ..first
    };
    assert_eq!(seal(boast), Err(SealError::Work));
}

#[test]
fn a_forged_certificate_and_a_replaced_signing_key_are_refused() {
    let mut device = Device::new(14);
    let record = device.publish();
    // A stranger with a signing key of its own signs what it likes under the blinded key.
    let forger = SecretKey::generate(&mut rng(15));
    let sign = |bytes: &mut Vec<u8>| {
        let at = bytes.len() - 64;
        let signature = forger.sign(label::INTROSET_RECORD, &network(), &[&bytes[..at]]);
        bytes[at..].copy_from_slice(&signature);
    };
    let replaced = changed(&record, |bytes| {
        bytes[SIGNING..CERTIFICATE].copy_from_slice(forger.public().as_bytes());
        sign(bytes);
    });
    // And one who certifies it by himself.
    let certified = changed(&record, |bytes| {
        let signing = *forger.public().as_bytes();
        let text = [&TODAY.0.to_be_bytes()[..], &[0], &signing].concat();
        let forged = forger.sign(label::INTROSET_CERTIFICATE, &network(), &[&text]);
        bytes[SIGNING..CERTIFICATE].copy_from_slice(&signing);
        bytes[CERTIFICATE..PROOF].copy_from_slice(&forged);
        sign(bytes);
    });
    for bytes in [replaced, certified] {
        let forged = Record::decode(&bytes).unwrap();
        assert_eq!(device.stored(forged.clone()), Err(Refused::Certificate));
        assert_eq!(
            device.lookup().open(&forged, NOW, None),
            Err(OpenError::NotTheirs)
        );
    }
    let unsigned = changed(&record, |bytes| sign(bytes));
    let unsigned = Record::decode(&unsigned).unwrap();
    assert_eq!(device.stored(unsigned), Err(Refused::Signature));
}

#[test]
fn a_certificate_is_for_one_slot_and_one_epoch() {
    // A device's signing key, once stolen, must not sign in another device's slot, nor tomorrow.
    let mut device = Device::new(16);
    let record = device.publish();
    let here = record.as_bytes()[BLINDED..SIGNING].to_vec();
    for at in [SLOT, 4] {
        let moved = changed(&record, |bytes| bytes[at] ^= 1);
        let moved = Record::decode(&moved).unwrap();
        assert_eq!(moved.blinded()[..], here);
        let loose = Rules {
            least: effort(1),
            ..rules(&device.network, NOW)
        };
        let at = moved.location(&network(), &BEACONS[0]);
        // Even with the work done anew.
        let moved = work_anew(&moved);
        assert_eq!(moved.verify(&at, &loose), Err(Refused::Certificate));
    }
}

/// `record` with an effort of one, which any nonce shows.
fn work_anew(record: &Record) -> Record {
    let bytes = changed(record, |bytes| {
        bytes[PROOF + 1..PROOF + 5].copy_from_slice(&1_u32.to_be_bytes());
    });
    Record::decode(&bytes).unwrap()
}

#[test]
fn keys_of_small_order_certify_nothing() {
    // The neutral element as the blinded key: with it, a signature of zeros verifies unless one is strict.
    let record = Device::new(17).publish();
    let neutral = changed(&record, |bytes| {
        bytes[BLINDED..SIGNING].fill(0);
        bytes[BLINDED] = 1;
        bytes[CERTIFICATE..PROOF].fill(0);
        bytes[CERTIFICATE] = 1;
    });
    let neutral = work_anew(&Record::decode(&neutral).unwrap());
    let at = neutral.location(&network(), &BEACONS[0]);
    let network = network();
    let loose = Rules {
        least: effort(1),
        ..rules(&network, NOW)
    };
    assert_eq!(neutral.verify(&at, &loose), Err(Refused::Certificate));
}

#[test]
fn the_newest_record_wins_and_all_storers_agree_on_ties() {
    let mut device = Device::new(18);
    let [old, new] = [device.publish(), device.publish()];
    assert!(new.sequence() > old.sequence());
    assert!(new.supersedes(&old) && !old.supersedes(&new));
    assert_eq!(old.standing(&new), Standing::Stale);
    assert_eq!(new.standing(&new), Standing::Same);
    assert!(!new.supersedes(&new));
    // Two devices that take the same slot by mistake, or one that lost its memory within a second.
    let (mut one, mut other) = (Device::new(18), Device::new(18));
    let fewer = contents(&network(), DeviceSlot::FIRST, 2, &mut rng(99));
    let twins = [
        one.publish(),
        other.publish_at(&fewer, Readers::Everyone, NOW),
    ];
    let [a, b] = &twins;
    assert_eq!(a.sequence(), b.sequence());
    assert!(a != b && a.supersedes(b) != b.supersedes(a));
    // An old record is stale, not invalid: whoever brings it is not at fault.
    assert!(device.stored(old).is_ok());
}

#[test]
fn among_several_records_the_newest_that_is_theirs_is_opened() {
    let mut device = Device::new(19);
    let [old, middle, new] = [(); 3].map(|()| device.publish());
    let forged = changed(&new, |bytes| {
        bytes[SEQUENCE] |= 0x80;
    });
    let forged = Record::decode(&forged).unwrap();
    let stranger = Device::new(20).publish();
    let lookup = device.lookup();
    let all = [
        old.clone(),
        forged.clone(),
        new.clone(),
        stranger.clone(),
        middle,
    ];
    let opened = lookup.open_newest(&all, NOW, None).unwrap();
    assert_eq!(opened.sequence, new.sequence());
    assert_eq!(
        lookup
            .open_newest(&[forged, stranger, old.clone()], NOW, None)
            .unwrap()
            .sequence,
        old.sequence()
    );
    assert_eq!(lookup.open_newest(&[], NOW, None), Err(OpenError::Nothing));
}

#[test]
fn a_device_that_forgot_its_numbers_goes_on_behind_them() {
    let mut device = Device::new(21);
    let first = device.publish();
    // It restarts a second later, with nothing but its identity.
    let mut again = Device::new(21);
    let mut said = again.contents();
    said.keys.until = NOW + 20 * HOUR;
    let second = again.publish_at(&said, Readers::Everyone, NOW + 1);
    assert!(second.supersedes(&first));
    // It restarts with its clock set back: storers have a newer one, and show it.
    let mut back = Device::new(21);
    let third = back.publish_at(&said, Readers::Everyone, NOW - 600);
    assert_eq!(third.standing(&second), Standing::Stale);
    back.publisher.observe(&second).unwrap();
    assert!(
        back.publish_at(&said, Readers::Everyone, NOW - 600)
            .supersedes(&second)
    );
    // Nobody else can make it count on.
    let forged = changed(&second, |bytes| bytes[SEQUENCE] = 0xff);
    let forged = Record::decode(&forged).unwrap();
    assert_eq!(back.publisher.observe(&forged), Err(BadSignature));
    let stranger = Device::new(22).publish();
    assert_eq!(back.publisher.observe(&stranger), Err(BadSignature));
}

#[test]
fn devices_of_one_identity_have_places_of_their_own_and_are_all_found() {
    let mut first = Device::new(23);
    let mut third = Device::of(23, network(), TODAY, slot(3));
    let (one, other) = (first.publish(), third.publish());
    assert_eq!(one.blinded(), other.blinded());
    assert_ne!(first.location(), third.location());
    assert_eq!(third.stored(one.clone()), Err(Refused::Elsewhere));
    let opened = third.lookup().open(&other, NOW, None).unwrap();
    let others: Vec<_> = opened.others().iter().collect();
    assert_eq!(others, [DeviceSlot::FIRST]);
    let found = third.lookup().with_slot(others[0]).open(&one, NOW, None);
    assert_eq!(found.unwrap().slot, DeviceSlot::FIRST);
}

#[test]
fn an_introset_that_does_not_list_its_own_slot_is_neither_made_nor_opened() {
    let mut device = Device::of(24, network(), TODAY, slot(2));
    let mut said = device.contents();
    said.slots = DeviceSlots(1);
    let draft = device.publisher.draft(NOW);
    let proof = device.solve(&draft);
    let sealed = device
        .publisher
        .seal(&draft, proof, &said, Readers::Everyone, NOW, &mut rng(1));
    assert_eq!(sealed, Err(SealError::Slots));
}

#[test]
fn records_of_everyone_have_one_size_whatever_they_say() {
    let mut device = Device::new(25);
    for introducers in 1..=u8::try_from(INTRODUCERS_MAX).unwrap() {
        let mut said = contents(&network(), DeviceSlot::FIRST, introducers, &mut rng(1));
        said.extension = vec![3; usize::from(introducers) * 32];
        said.work = None;
        let record = device.publish_at(&said, Readers::Everyone, NOW);
        assert_eq!(record.as_bytes().len(), RECORD_SIZES[0]);
        let opened = device.lookup().open(&record, NOW, None).unwrap();
        assert_eq!(opened.introset, said);
    }
}

#[test]
fn contents_out_of_bounds_are_not_published() {
    let mut device = Device::new(26);
    let draft = device.publisher.draft(NOW);
    let proof = device.solve(&draft);
    let fault = |change: &dyn Fn(&mut Introset)| {
        let mut said = contents(&network(), DeviceSlot::FIRST, 3, &mut rng(1));
        change(&mut said);
        let sealed =
            device
                .publisher
                .seal(&draft, proof, &said, Readers::Everyone, NOW, &mut rng(2));
        match sealed.unwrap_err() {
            SealError::Contents(error) => error.field,
            other => panic!("{other}"),
        }
    };
    assert_eq!(fault(&|said| said.introducers.clear()), "introducer count");
    let nine = |said: &mut Introset| said.introducers = vec![said.introducers[0]; 9];
    assert_eq!(fault(&nine), "introducer count");
    assert_eq!(fault(&|said| said.extension = vec![0; 257]), "extension");
}

#[test]
fn introducers_that_are_over_are_left_out() {
    let mut said = Device::new(27).contents();
    said.introducers[1].until = NOW;
    assert_eq!(said.introducers_at(NOW).count(), 2);
    assert_eq!(said.introducers_at(NOW + 12 * HOUR).count(), 0);
}

#[test]
fn nothing_of_an_introset_or_its_place_is_shown_by_debug() {
    let mut device = Device::new(28);
    let record = device.publish();
    let opened = device.lookup().open(&record, NOW, None).unwrap();
    let text = format!(
        "{opened:?} {record:?} {:?} {:?} {:?} {:?} {:?}",
        device.location(),
        device.publisher,
        device.lookup(),
        opened.introset.introducers[0],
        opened.introset.introducers[0].cookie,
    );
    let address = device.identity.address().to_string();
    assert!(!text.contains("snode") && !text.contains("loki"), "{text}");
    assert!(!text.contains(&address[..8]), "{text}");
    for secret in [
        &opened.introset.introducers[1].relay.0[..4],
        &record.blinded()[..4],
    ] {
        assert!(!text.contains(&format!("{secret:?}")[1..]), "{text}");
    }
}

#[test]
fn one_identity_has_another_key_and_other_numbers_in_each_epoch() {
    let identity = SecretKey::generate(&mut rng(29));
    let mut seen = Vec::new();
    for day in 0..20 {
        let epoch = Epoch(TODAY.0 + day);
        let mut publisher =
            Publisher::new(&identity, network(), epoch, DeviceSlot::FIRST, &mut rng(1));
        let draft = publisher.draft(epoch.start());
        seen.push(draft.sequence());
        assert!(draft.sequence() < 1 << 63);
    }
    // Numbers of 62 random bits: no two of twenty are near each other.
    for (at, one) in seen.iter().enumerate() {
        assert!(
            seen[..at]
                .iter()
                .all(|other| one.abs_diff(*other) > 1 << 40)
        );
    }
}

proptest! {
    #[test]
    fn introsets_round_trip(count in 1..=8_u8, seed: u64, bare: bool, extension in prop::collection::vec(any::<u8>(), 0..=256)) {
        let mut said = contents(&network(), slot(5), count, &mut rng(seed));
        said.extension = extension;
        if bare {
            said.work = None;
        }
        let mut bytes = said.encode().unwrap();
        prop_assert_eq!(Introset::decode(&bytes), Ok(said.clone()));
        bytes.resize(bytes.len() + 40, 0);
        prop_assert_eq!(Introset::decode(&bytes), Ok(said));
    }

    #[test]
    fn arbitrary_bytes_are_no_record_and_never_panic(seed: u64, which in 0..3_usize, start in any::<bool>()) {
        use rand_chacha::rand_core::Rng;
        let mut bytes = vec![0; RECORD_SIZES[which]];
        rng(seed).fill_bytes(&mut bytes);
        if start {
            let good = Device::new(30).publish();
            bytes[..SIGNING].copy_from_slice(&good.as_bytes()[..SIGNING]);
            bytes[PROOF] = 1;
        }
        if let Ok(record) = Record::decode(&bytes) {
            prop_assert_eq!(record.as_bytes(), &bytes[..]);
            let at = record.location(&network(), &BEACONS[0]);
            prop_assert!(record.verify(&at, &rules(&network(), NOW)).is_err());
        }
        let _ = Introset::decode(&bytes);
    }
}
