//! `directory_document`, `directory_message` and `directory_sync`: what relays sign, what nodes tell
//! each other about it, and what a client makes of sources that lie.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::LazyLock;

use llarp_core::crypto::identity::SecretKey;
use llarp_core::crypto::onion_key::OnionPublic;
use llarp_core::registry::directory::{Member, Members, SnapshotHead, Trust, What};
use llarp_core::registry::message::{Reply, Request, SnapshotAsk, SnapshotPart};
use llarp_core::registry::sync::{Reach, SourceId, Sync};
use llarp_core::registry::{
    Addresses, Descriptor, Directory, Document, Equivocation, KeyEpoch, KeySet, Presence,
    VerifiedKeySet,
};
use llarp_core::wire::limits::DIRECTORY_MESSAGE_MAX;

use crate::Seed;
use crate::fixture::{NETWORK, RELAYS, rng};
use crate::input::{Input, mutate};

const EPOCH: KeyEpoch = KeyEpoch(10_000);
const NOW: u64 = EPOCH.start() + 3600 * 24;
/// Relays of the network; sources that a client asks at most; requests of a comparison at most.
const COUNT: usize = 6;
const SOURCES_MAX: usize = 5;
const REQUESTS_MAX: usize = 400;

static KEYS: LazyLock<Vec<SecretKey>> = LazyLock::new(|| {
    let mut rng = rng(20);
    let mut keys: Vec<_> = (0..COUNT).map(|_| SecretKey::generate(&mut rng)).collect();
    keys.sort_by_key(SecretKey::relay_id);
    keys
});

/// Of each relay its descriptor and two key sets.
static SIGNED: LazyLock<Vec<(Document, [VerifiedKeySet; 2])>> =
    LazyLock::new(|| KEYS.iter().map(sign).collect());

fn sign(key: &SecretKey) -> (Document, [VerifiedKeySet; 2]) {
    let v4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 1090);
    let presence = Presence {
        issued: NOW - 1000,
        addresses: Addresses::new(Some(v4), None).expect("an address of a machine"),
        family: None,
        capacity: 7,
    };
    let descriptor = Descriptor::sign(&NETWORK, key, presence);
    let set = |variant: u8| {
        let onion = OnionPublic {
            x25519: [variant; 32],
            kem: RELAYS[0].public.kem.clone(),
        };
        KeySet::sign(&NETWORK, key, EPOCH, onion)
    };
    (
        Document::Descriptor(descriptor.get().clone()),
        [set(1), set(2)],
    )
}

fn empty() -> Directory {
    let relays = KEYS.iter().map(|key| Member {
        relay: key.relay_id(),
        family: None,
    });
    let members = Members::new(SnapshotHead::default(), relays).expect("in order");
    Directory::new(*NETWORK, members)
}

fn set(which: usize, variant: usize) -> Document {
    Document::KeySet(SIGNED[which].1[variant].get().clone())
}

fn proof(which: usize) -> Document {
    let [one, other] = &SIGNED[which].1;
    let proof = Equivocation::of(one, other).expect("they contradict each other");
    Document::Equivocation(proof.get().clone())
}

fn examples() -> Vec<Document> {
    vec![SIGNED[0].0.clone(), set(0, 0), set(1, 1), proof(2)]
}

/// The input is a document, then changes to one of four. What decodes encodes to the same bytes; a
/// directory takes only what its relay signed, and only what was there already if it is changed.
pub(crate) fn document(bytes: &[u8]) {
    read_document(bytes);
    let mut input = Input::new(bytes);
    let examples = examples();
    let example = &examples[input.below(examples.len())];
    let mut changed = example.encode();
    mutate(&mut changed, &mut input, 4);
    if let Some(document) = read_document(&changed) {
        let signed = document.name(&NETWORK) == example.name(&NETWORK);
        let learned = empty().learn(document, NOW);
        assert!(learned.is_err() || signed, "nobody signed it");
    }
}

fn read_document(bytes: &[u8]) -> Option<Document> {
    let document = Document::decode(bytes).ok()?;
    assert_eq!(document.encode(), bytes);
    assert_eq!(document.encoded_len(), bytes.len());
    Some(document)
}

pub(crate) fn document_seeds() -> Vec<Seed> {
    let [descriptor, set, _, proof] = &examples()[..] else {
        unreachable!("four examples");
    };
    vec![
        ("descriptor", descriptor.encode()),
        ("key_set", set.encode()),
        ("proof", proof.encode()),
        ("cut", set.encode()[..700].to_vec()),
        ("changed_signature", vec![1, 0, 255, 255, 1]),
    ]
}

/// The input is a request and a reply. What decodes encodes to the same bytes; what a directory
/// answers fits, and is read.
pub(crate) fn message(bytes: &[u8]) {
    if let Ok(request) = Request::decode(bytes) {
        assert_eq!(request.encode(), bytes);
        let mut directory = empty();
        for document in examples() {
            directory.learn(document, NOW).expect("signed");
        }
        let reply = directory.answer(&request);
        let encoded = reply.encode();
        assert!(encoded.len() <= DIRECTORY_MESSAGE_MAX);
        assert_eq!(Reply::decode(&encoded), Ok(reply));
        if let Request::Offer(documents) = request {
            let many = documents.len();
            assert!(directory.offered(documents, NOW).news.len() <= many);
        }
    }
    if let Ok(reply) = Reply::decode(bytes) {
        assert_eq!(reply.encode(), bytes);
    }
}

pub(crate) fn message_seeds() -> Vec<Seed> {
    let mut directory = empty();
    for document in examples() {
        directory.learn(document, NOW).expect("signed");
    }
    let what = What::KeySets(EPOCH);
    let (buckets, relays) = (vec![0, 1], KEYS.iter().map(SecretKey::relay_id).collect());
    let after = llarp_core::crypto::identity::RelayId([0; 32]);
    let ask = SnapshotAsk {
        number: 1,
        hash: [1; 32],
        offset: 60_000,
    };
    let level = 1;
    let requests = [
        ("head", Request::Head),
        ("snapshot", Request::Snapshot(ask)),
        ("buckets", Request::Buckets { what, level }),
        (
            "hashes",
            Request::Hashes {
                what,
                level,
                after,
                buckets,
            },
        ),
        ("documents", Request::Documents { what, relays }),
        ("offer", Request::Offer(examples())),
    ];
    let mut seeds: Vec<Seed> = Vec::new();
    let names = [
        "head_reply",
        "snapshot_reply",
        "buckets_reply",
        "hashes_reply",
        "documents_reply",
        "offer_reply",
    ];
    for ((name, request), reply_name) in requests.into_iter().zip(names) {
        let reply = match &request {
            Request::Snapshot(ask) => Reply::Snapshot(SnapshotPart::of(&[7; 60_100], ask.offset)),
            Request::Offer(_) => Reply::Taken { news: 3 },
            other => directory.answer(other),
        };
        seeds.push((name, request.encode()));
        seeds.push((reply_name, reply.encode()));
    }
    seeds
}

/// The input is a number of sources, how each is reached and which key sets it has, and then how the
/// replies of one of them are changed. Holds: the comparison ends; nobody but the liar is found
/// lying; nothing is trusted without the rule's quorum, the liar's vote counted wherever it helps.
pub(crate) fn sync(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let count = input.below(SOURCES_MAX) + 1;
    let (reaches, liar) = (input.u8(), input.below(SOURCES_MAX));
    let sources: Vec<_> = (0..count).map(|_| source(&mut input)).collect();
    let by_path = |at: usize| reaches & 1 << at != 0;
    let reach: Vec<_> = (0..count)
        .map(|at| {
            if by_path(at) {
                Reach::Path
            } else {
                Reach::Direct
            }
        })
        .collect();
    let mut client = empty();
    let mut sync = Sync::new(&client, Sync::needed(NOW, true), &reach);
    let mut under_way: VecDeque<(SourceId, Request)> = VecDeque::new();
    for left in (0..REQUESTS_MAX).rev() {
        assert!(left > 0, "asks on and on");
        while let Some(asked) = sync.next(&client) {
            under_way.push_back(asked);
        }
        let Some((at, request)) = under_way.pop_front() else {
            break;
        };
        let mut reply = sources[at.0].answer(&request).encode();
        if at.0 == liar {
            match input.u8() % 4 {
                0 => mutate(&mut reply, &mut input, 3),
                1 => {
                    sync.failed(at);
                    continue;
                }
                _ => (),
            }
        }
        let handled = sync.handle(at, &reply, &mut client, NOW);
        assert!(handled.is_ok() || at.0 == liar, "{handled:?}");
    }
    assert!(sync.finished());
    let outcome = sync.finish(&mut client);
    for key in KEYS.iter() {
        let (relay, what) = (key.relay_id(), What::KeySets(EPOCH));
        let trust = client.trust(&relay, EPOCH).unwrap_or(Trust::Held);
        let name = client.name(what, &relay);
        let gives = |at: &usize| *at == liar || sources[*at].name(what, &relay) == name;
        let givers: Vec<_> = (0..count).filter(gives).collect();
        if trust > Trust::Held {
            assert!(outcome.answered >= 3 && 2 * givers.len() > outcome.answered);
        }
        if trust == Trust::Accepted {
            assert!(givers.into_iter().any(by_path));
        }
    }
}

/// A source with some of the documents: two bits of the input a relay.
fn source(input: &mut Input<'_>) -> Directory {
    let bits = input.u16();
    let mut directory = empty();
    for (which, (descriptor, _)) in SIGNED.iter().enumerate() {
        let document = match bits >> (2 * which) & 3 {
            0 => None,
            3 => Some(proof(which)),
            variant => Some(set(which, usize::from(variant) - 1)),
        };
        for document in document.into_iter().chain([descriptor.clone()]) {
            // Whoever is excluded has no descriptor.
            let learned = directory.learn(document, NOW);
            assert!(learned.is_ok() || directory.is_excluded(&KEYS[which].relay_id()));
        }
    }
    directory
}

pub(crate) fn sync_seeds() -> Vec<Seed> {
    let alike = |count: u8, reaches: u8, liar: u8, has: u16| {
        let mut seed = vec![count - 1, reaches, liar];
        (0..count).for_each(|_| seed.extend_from_slice(&has.to_be_bytes()));
        seed
    };
    let with = |seed: Vec<u8>, tail: &[u8]| [&seed[..], tail].concat();
    let all = 0b0101_0101_0101;
    let mut special = alike(3, 0b100, 9, all);
    special[3..5].copy_from_slice(&0b0101_0110_0101_u16.to_be_bytes());
    let mut proven = alike(3, 0b010, 9, all);
    proven[5..7].copy_from_slice(&0b1101_0101_0101_u16.to_be_bytes());
    vec![
        ("three_alike", with(alike(3, 0b001, 9, all), &[2; 8])),
        ("direct_only", with(alike(3, 0, 9, all), &[2; 8])),
        ("too_few", alike(2, 0b11, 9, all)),
        ("special_key_set", special),
        ("proof_spreads", proven),
        (
            "first_head_changed",
            with(alike(4, 0b1111, 0, all), &[0, 1, 60, 255, 1]),
        ),
        ("lost_at_once", with(alike(4, 0b1111, 0, all), &[1])),
        ("lost_later", with(alike(4, 0b1111, 0, all), &[2, 2, 1])),
    ]
}
