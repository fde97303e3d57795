//! `introset_record`, `introset_contents` and `introset_message`: what storers take from strangers, what
//! callers read of identities, and what clients and terminals tell each other of both.

use std::sync::LazyLock;

use llarp_core::crypto::epoch::Epoch;
use llarp_core::crypto::identity::{RelayId, X25519Secret};
use llarp_core::crypto::kem::KemPublic;
use llarp_core::crypto::pow::{Effort, Proof};
use llarp_core::crypto::secret::Secret;
use llarp_core::introset::message::{Answer, Reason, Request};
use llarp_core::introset::{
    ClientKey, Cookie, DeviceSlot, DeviceSlots, Introducer, IntroductionWork, Introset, Location,
    Lookup, Publisher, Readers, Record, Rules, SessionKeys,
};
use llarp_core::wire::limits::{
    FETCH_RECORDS_MAX, INTRODUCERS_MAX, INTROSET_ANSWER_MAX, INTROSET_EXTENSION_MAX,
    INTROSET_REQUEST_MAX,
};

use crate::Seed;
use crate::fixture::{IDENTITY, NETWORK, RELAYS, rng};
use crate::input::{Input, mutate};

const EPOCH: Epoch = Epoch(20_000);
const NOW: u64 = EPOCH.0 as u64 * 86_400 + 40_000;
const BEACON: [u8; 32] = [5; 32];

static CLIENT: LazyLock<X25519Secret> =
    LazyLock::new(|| X25519Secret::new(Secret::random(&mut rng(30))));

/// A record for everyone, and one for a client.
static RECORDS: LazyLock<[Record; 2]> = LazyLock::new(|| {
    let key = ClientKey::from(&*CLIENT);
    [Readers::Everyone, Readers::Only(&[key])].map(|readers| publish(&said(2), readers))
});

fn said(introducers: u8) -> Introset {
    let introducers = (0..introducers).map(|number| Introducer {
        relay: RelayId([number; 32]),
        cookie: Cookie([number ^ 0xff; 32]),
        until: NOW + 40_000,
    });
    Introset {
        slots: DeviceSlots(1),
        keys: SessionKeys {
            x25519: [6; 32],
            kem: RELAYS[0].public.kem.clone(),
            until: NOW + 80_000,
        },
        work: Some(IntroductionWork {
            seed: [7; 32],
            effort: Effort::LEAST,
        }),
        introducers: introducers.collect(),
        extension: vec![1, 2, 3],
    }
}

fn publish(said: &Introset, readers: Readers<'_>) -> Record {
    let mut rng = rng(31);
    let mut publisher = Publisher::new(&IDENTITY, *NETWORK, EPOCH, DeviceSlot::FIRST, &mut rng);
    let draft = publisher.draft(NOW);
    let proof = Proof {
        effort: Effort::LEAST,
        nonce: 3,
    };
    let record = publisher.seal(&draft, proof, said, readers, NOW, &mut rng);
    record.expect("an introset of today")
}

fn lookup() -> Lookup {
    Lookup::new(*NETWORK, IDENTITY.address(), EPOCH, DeviceSlot::FIRST)
}

/// The input is a record, then changes to one of two. What decodes encodes to the same bytes; storers
/// take, and callers open, just the unchanged one.
pub(crate) fn record(bytes: &[u8]) {
    read_record(bytes, None);
    let mut input = Input::new(bytes);
    let original = &RECORDS[input.below(RECORDS.len())];
    let mut changed = original.as_bytes().to_vec();
    mutate(&mut changed, &mut input, 4);
    read_record(&changed, Some(original));
}

fn read_record(bytes: &[u8], original: Option<&Record>) {
    let Ok(record) = Record::decode(bytes) else {
        assert!(original.is_none_or(|original| original.as_bytes() != bytes));
        return;
    };
    assert_eq!(record.as_bytes(), bytes);
    assert!(record.from() < record.until());
    // One of these that the fuzzer was given whole is good, too.
    let known = RECORDS.contains(&record);
    let at = record.location(&NETWORK, &BEACON);
    let rules = Rules {
        network: &NETWORK,
        now: NOW,
        beacons: &[BEACON],
        least: Effort::LEAST,
    };
    let opened = lookup().open(&record, NOW, Some(&CLIENT));
    assert_eq!(opened.is_ok(), known);
    assert_eq!(record.verify(&at, &rules).is_ok(), known);
}

pub(crate) fn record_seeds() -> Vec<Seed> {
    let [everyone, client] = &*RECORDS;
    let mut other_slot = everyone.as_bytes().to_vec();
    other_slot[9] = 1;
    vec![
        ("everyone", everyone.as_bytes().to_vec()),
        ("client", client.as_bytes().to_vec()),
        ("other_slot", other_slot),
        ("cut", everyone.as_bytes()[..2399].to_vec()),
        ("changed_sealed", vec![0, 7, 1, 0, 1]),
    ]
}

/// The input is contents, then changes to good ones. A plain model says what decodes, and names the field
/// of the error; what decodes can be published, and is opened as it was.
pub(crate) fn contents(bytes: &[u8]) {
    read_contents(bytes);
    let mut input = Input::new(bytes);
    let introducers = u8::try_from(input.below(INTRODUCERS_MAX)).expect("small") + 1;
    let mut changed = said(introducers).encode().expect("good");
    mutate(&mut changed, &mut input, 4);
    read_contents(&changed);
}

fn read_contents(bytes: &[u8]) {
    let read = match (Introset::decode(bytes), model(bytes)) {
        (Ok(read), Ok(len)) => {
            assert_eq!(read.encode().expect("was read"), bytes[..len]);
            read
        }
        (Err(error), Err(field)) => return assert_eq!(error.field, field),
        (read, model) => panic!("{read:?}, the model says {model:?}"),
    };
    let mut read = read;
    read.slots = read.slots.with(DeviceSlot::FIRST);
    read.keys.until = NOW + 80_000;
    let record = publish(&read, Readers::Everyone);
    let opened = lookup().open(&record, NOW, None).expect("just published");
    assert_eq!(opened.introset, read);
}

/// The length of the contents in front of `bytes`, or the first field that is wrong.
fn model(bytes: &[u8]) -> Result<usize, &'static str> {
    let up_to = |end: usize, field| bytes.get(..end).ok_or(field);
    up_to(2, "slots")?;
    up_to(10, "keys' end")?;
    up_to(42, "X25519 key")?;
    let kem = &up_to(1226, "KEM key")?[42..];
    let kem: &[u8; 1184] = kem.try_into().expect("1184 bytes");
    KemPublic::check(kem).map_err(|_| "KEM key")?;
    let effort = &up_to(1230, "effort")?[1226..];
    let seed = &up_to(1262, "seed")?[1230..];
    if effort == [0; 4] && seed != [0; 32] {
        return Err("seed");
    }
    let count = usize::from(up_to(1263, "introducer count")?[1262]);
    if count == 0 || count > INTRODUCERS_MAX {
        return Err("introducer count");
    }
    let mut at = 1263;
    for _ in 0..count {
        up_to(at + 32, "relay id")?;
        up_to(at + 64, "cookie")?;
        up_to(at + 72, "introducer's end")?;
        at += 72;
    }
    let len = &up_to(at + 2, "extension")?[at..];
    let len = u16::from_be_bytes(len.try_into().expect("two bytes"));
    if len > INTROSET_EXTENSION_MAX {
        return Err("extension");
    }
    let end = at + 2 + usize::from(len);
    up_to(end, "extension").map(|_| end)
}

pub(crate) fn contents_seeds() -> Vec<Seed> {
    let good = said(8).encode().expect("good");
    let mut bare = said(1);
    bare.work = None;
    bare.extension.clear();
    let mut seed_without_effort = good.clone();
    seed_without_effort[1226..1230].fill(0);
    vec![
        ("eight_introducers", good.clone()),
        ("padded", [&good[..], &[0; 20]].concat()),
        ("bare", bare.encode().expect("good")),
        ("seed_without_effort", seed_without_effort),
        ("cut", good[..1300].to_vec()),
        ("changed_count", vec![2, 3, 4, 238, 9]),
    ]
}

/// The input is a request and an answer. What decodes encodes to the same bytes, within its bound.
pub(crate) fn message(bytes: &[u8]) {
    if let Ok(request) = Request::decode(bytes) {
        assert_eq!(request.encode(), bytes);
        assert!(bytes.len() <= INTROSET_REQUEST_MAX);
    }
    if let Ok(answer) = Answer::decode(bytes) {
        assert_eq!(answer.encode(), bytes);
        assert!(bytes.len() <= INTROSET_ANSWER_MAX);
        if let Answer::Found(records) = answer {
            assert!(records.len() <= FETCH_RECORDS_MAX);
            let opened = lookup().open_newest(&records, NOW, Some(&CLIENT));
            let known = records.iter().any(|record| RECORDS.contains(record));
            assert_eq!(opened.is_ok(), known);
        }
    }
}

pub(crate) fn message_seeds() -> Vec<Seed> {
    let [everyone, client] = &*RECORDS;
    let reason = |reason| Answer::Refused(reason).encode();
    vec![
        (
            "publish",
            Request::Publish {
                at: Location([7; 32]),
                record: everyone.clone(),
            }
            .encode(),
        ),
        ("fetch", Request::Fetch(Location([8; 32])).encode()),
        ("stored", Answer::Stored { copies: 8 }.encode()),
        ("stale", Answer::Stale(client.clone()).encode()),
        (
            "refused_effort",
            reason(Reason::Effort {
                least: Effort::LEAST,
            }),
        ),
        ("refused_busy", reason(Reason::Busy { seconds: 9 })),
        (
            "refused_unknown",
            reason(Reason::Unknown { code: 9, value: 1 }),
        ),
        ("found_nothing", Answer::Found(Vec::new()).encode()),
        (
            "found_two",
            Answer::Found(vec![everyone.clone(), client.clone()]).encode(),
        ),
        ("too_many", vec![1, 4, 5]),
    ]
}
