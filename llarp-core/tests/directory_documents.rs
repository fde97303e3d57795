//! What relays sign: bytes and values are the same thing, and only the signed value passes.

use llarp_core::registry::directory::{Digest, Item, Learned, Refused, SnapshotHead, Trust, What};
use llarp_core::registry::message::{Head, Reply, Request, SnapshotAsk, SnapshotPart, TreeHead};
use llarp_core::registry::sync::{FetchError, SnapshotFetch};
use llarp_core::registry::{
    Descriptor, Document, Equivocation, Family, KeyEpoch, KeySet, Name, Presence,
};
use llarp_core::wire::Fault;
use llarp_core::wire::limits::{
    DESCRIPTOR_MAX, EQUIVOCATION_LEN, HASHES_MAX, KEY_SET_LEN, SNAPSHOT_PART_MAX,
};
use proptest::prelude::*;

use crate::directory_support::*;

fn proof() -> Equivocation {
    let key = &keys(1)[0];
    let [one, other] = [0, 1].map(|variant| signed(key, EPOCH, variant));
    Equivocation::of(&one, &other).unwrap().get().clone()
}

fn documents() -> [Document; 3] {
    let key = &keys(1)[0];
    let proof = Document::Equivocation(proof());
    [descriptor(key, NOW), key_set(key, EPOCH, 0), proof]
}

#[test]
fn documents_have_their_lengths_and_round_trip() {
    let key = &keys(1)[0];
    let [descriptor, set, proof] = documents();
    for document in [&descriptor, &set, &proof] {
        assert_eq!(Document::decode(&document.encode()).as_ref(), Ok(document));
        assert_eq!(document.encode().len(), document.encoded_len());
    }
    assert_eq!(set.encode().len(), KEY_SET_LEN);
    assert_eq!(proof.encode().len(), EQUIVOCATION_LEN);
    let all = Presence {
        addresses: llarp_core::registry::Addresses::new(
            Some("192.0.2.1:9".parse().unwrap()),
            Some("[2001:db8::1]:9".parse().unwrap()),
        )
        .unwrap(),
        family: Some(Family([4; 32])),
        ..presence(NOW)
    };
    let longest = Descriptor::sign(&network(), key, all).get().encode();
    assert_eq!(longest.len(), DESCRIPTOR_MAX);
    assert_eq!(
        Descriptor::decode(&longest)
            .unwrap()
            .verify(&network())
            .unwrap()
            .get()
            .presence(),
        &all
    );
}

#[test]
fn no_changed_bit_of_a_document_verifies() {
    let [descriptor, set, proof] = documents();
    for document in [descriptor, set, proof] {
        let bytes = document.encode();
        for at in (0..bytes.len())
            .step_by(7)
            .chain(bytes.len() - 64..bytes.len())
        {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            let verified = match Document::decode(&changed) {
                Ok(Document::Descriptor(of)) => of.verify(&network()).is_ok(),
                Ok(Document::KeySet(of)) => of.verify(&network()).is_ok(),
                Ok(Document::Equivocation(of)) => of.verify(&network()).is_ok(),
                Err(_) => false,
            };
            assert!(!verified, "byte {at}");
        }
    }
}

#[test]
fn a_document_of_another_network_or_use_does_not_verify() {
    let other = llarp_core::crypto::hash::NetworkId::from_name("other");
    let key = &keys(1)[0];
    let set = signed(key, EPOCH, 0).get().clone();
    assert!(set.clone().verify(&other).is_err());
    assert!(set.verify(&network()).is_ok());
    let of = Descriptor::sign(&network(), key, presence(NOW))
        .get()
        .clone();
    assert!(of.clone().verify(&other).is_err() && of.verify(&network()).is_ok());
    assert!(proof().verify(&other).is_err() && proof().verify(&network()).is_ok());
}

#[test]
fn each_fault_of_a_document_names_its_field() {
    let [descriptor, set, proof] = documents().map(|document| document.encode());
    let field = |bytes: &[u8]| Document::decode(bytes).unwrap_err().field;
    let with = |bytes: &[u8], at: usize, byte| {
        let mut bytes = bytes.to_vec();
        bytes[at] = byte;
        bytes
    };
    assert_eq!(field(&[]), "version");
    assert_eq!(field(&[1]), "kind");
    assert_eq!(field(&with(&set, 0, 2)), "version");
    assert_eq!(field(&with(&set, 1, 9)), "kind");
    assert_eq!(field(&with(&descriptor, 46, 8)), "flags");
    assert_eq!(field(&descriptor[..40]), "issued");
    assert_eq!(field(&[&descriptor[..], &[0]].concat()), "descriptor");
    assert_eq!(field(&set[1..]), "version");
    assert_eq!(field(&set[..set.len() - 1]), "key set");
    let unreduced = [&set[..70], &[0xff; 1184], &set[1254..]].concat();
    assert_eq!(field(&unreduced), "KEM key");
    assert_eq!(field(&[&proof[..], &[0]].concat()), "equivocation");
    // The same twice, or in the wrong order, is no proof.
    let (head, one, other) = (&proof[..38], &proof[38..1318], &proof[1318..]);
    assert_eq!(field(&[head, one, one].concat()), "key sets");
    assert_eq!(field(&[head, other, one].concat()), "key sets");
}

#[test]
fn a_proof_is_of_one_relay_and_epoch_and_of_different_keys() {
    let keys = keys(2);
    let base = signed(&keys[0], EPOCH, 0);
    assert!(Equivocation::of(&base, &base).is_none());
    assert!(Equivocation::of(&base, &signed(&keys[0], EPOCH.next(), 1)).is_none());
    assert!(Equivocation::of(&base, &signed(&keys[1], EPOCH, 1)).is_none());
    let [one, other] = [signed(&keys[0], EPOCH, 1), base];
    let both = [
        Equivocation::of(&one, &other),
        Equivocation::of(&other, &one),
    ];
    assert!(both[0].is_some() && both[0] == both[1], "one encoding");
}

fn requests() -> Vec<Request> {
    let [descriptor, set, proof] = documents();
    let what = What::KeySets(KeyEpoch(7));
    let relays: Vec<_> = keys(3).iter().map(|key| key.relay_id()).collect();
    vec![
        Request::Head,
        Request::Snapshot(SnapshotAsk {
            number: 9,
            hash: [3; 32],
            offset: 61_000,
        }),
        Request::Buckets { what, level: 10 },
        Request::Hashes {
            what: What::Descriptors,
            level: 3,
            after: relays[0],
            buckets: vec![0, 4, 7],
        },
        Request::Documents {
            what: What::Proofs,
            relays,
        },
        Request::Offer(vec![descriptor, set, proof]),
    ]
}

fn replies() -> Vec<Reply> {
    let items = keys(3).into_iter().map(|key| Item {
        relay: key.relay_id(),
        name: Name([6; 32]),
    });
    let tree = |what| TreeHead {
        what,
        count: 3,
        root: Digest([8; 32]),
    };
    vec![
        Reply::Head(Head {
            snapshot: SnapshotHead {
                number: 1,
                hash: [2; 32],
                charter: 3,
            },
            trees: vec![tree(What::Descriptors), tree(What::Proofs)],
        }),
        Reply::Snapshot(SnapshotPart::of(&[9; 100], 40)),
        Reply::Buckets(vec![Digest([1; 32]); 4]),
        Reply::Hashes {
            items: items.collect(),
            more: true,
        },
        Reply::Documents(documents().to_vec()),
        Reply::Taken { news: 2 },
        Reply::Nothing,
    ]
}

#[test]
fn messages_round_trip_and_no_cut_one_is_read() {
    for request in requests() {
        let bytes = request.encode();
        assert_eq!(Request::decode(&bytes).as_ref(), Ok(&request));
        assert!((0..bytes.len()).all(|len| Request::decode(&bytes[..len]).is_err()));
        assert!(Request::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
    for reply in replies() {
        let bytes = reply.encode();
        assert_eq!(Reply::decode(&bytes).as_ref(), Ok(&reply));
        let part = matches!(reply, Reply::Snapshot(_));
        assert!((0..bytes.len()).all(|len| part || Reply::decode(&bytes[..len]).is_err()));
        assert!(Reply::decode(&[&bytes[..], &[0]].concat()).is_err() || part);
    }
}

#[test]
fn each_fault_of_a_message_names_its_field() {
    let request = |bytes: &[u8]| Request::decode(bytes).unwrap_err().field;
    let reply = |bytes: &[u8]| Reply::decode(bytes).unwrap_err().field;
    assert_eq!(request(&[1, 9]), "kind");
    assert_eq!(request(&[1, 3, 4, 0, 0, 0, 0, 0]), "what");
    assert_eq!(request(&[1, 3, 1, 0, 0, 0, 1, 0]), "key epoch");
    assert_eq!(request(&[1, 3, 1, 0, 0, 0, 0, 11]), "level");
    let hashes = |tail: &[u8]| [&[1, 4, 1, 0, 0, 0, 0, 1], &[0; 32][..], tail].concat();
    assert_eq!(request(&hashes(&[0, 3])), "bucket count");
    assert_eq!(request(&hashes(&[0, 1, 0, 2])), "bucket", "there are two");
    assert_eq!(request(&hashes(&[0, 2, 0, 1, 0, 1])), "bucket", "twice");
    assert_eq!(request(&[1, 5, 1, 0, 0, 0, 0, 2, 1]), "relay count");
    let twice = [&[1, 5, 1, 0, 0, 0, 0, 0, 2], &[7; 64][..]].concat();
    assert_eq!(request(&twice), "relay id");
    assert_eq!(request(&[0; 61_441]), "directory message");
    assert_eq!(reply(&[0; 61_441]), "directory message");
    assert_eq!(reply(&[1, 3, 0, 3]), "bucket count");
    assert_eq!(reply(&[1, 3, 0, 0]), "bucket count");
    assert_eq!(reply(&[1, 4, 2]), "more");
    assert_eq!(reply(&[1, 4, 0, 3, 0xc0]), "item count");
    assert_eq!(reply(&[1, 2, 0xff, 0, 0, 0, 0, 0, 0, 0]), "total");
    assert_eq!(reply(&[1, 2, 0, 0, 0, 1, 0, 0, 0, 2]), "offset");
    assert_eq!(reply(&[&[1, 1], &[0; 48][..], &[6]].concat()), "tree count");
    assert_eq!(reply(&[1, 5, 0, 1, 0xff, 0]), "document");
    assert_eq!(HASHES_MAX, 0x3bf, "one less than the item count above");
}

#[test]
fn a_snapshot_is_put_together_from_parts_of_one_source() {
    let whole: Vec<u8> = (0..150_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut fetch = SnapshotFetch::new(&SnapshotHead::default());
    let mut parts = 0;
    let got = loop {
        let Request::Snapshot(ask) = fetch.request() else {
            panic!("asks for a part");
        };
        parts += 1;
        let reply = Reply::Snapshot(SnapshotPart::of(&whole, ask.offset)).encode();
        if let Some(got) = fetch.handle(&reply).unwrap() {
            break got;
        }
    };
    assert_eq!(
        (got == whole, parts),
        (true, whole.len().div_ceil(SNAPSHOT_PART_MAX))
    );
    let first = |reply: Reply| SnapshotFetch::new(&SnapshotHead::default()).handle(&reply.encode());
    assert_eq!(first(Reply::Nothing), Err(FetchError::Nothing));
    assert_eq!(first(Reply::Taken { news: 0 }), Err(FetchError::OtherPart));
    let later = Reply::Snapshot(SnapshotPart::of(&whole, 9));
    assert_eq!(first(later), Err(FetchError::OtherPart));
    // An endless empty source is refused at once.
    let none = Reply::Snapshot(SnapshotPart::of(&[], 0));
    assert_eq!(first(none), Err(FetchError::OtherPart));
    // Nor is one that drips: a byte a part would take hours.
    let mut drip = SnapshotPart::of(&whole, 0);
    drip.bytes.truncate(1);
    assert_eq!(first(Reply::Snapshot(drip)), Err(FetchError::OtherPart));
    let mut fetch = SnapshotFetch::new(&SnapshotHead::default());
    fetch
        .handle(&Reply::Snapshot(SnapshotPart::of(&whole, 0)).encode())
        .unwrap();
    let offset = u32::try_from(SNAPSHOT_PART_MAX).unwrap();
    let other = Reply::Snapshot(SnapshotPart::of(&whole[..149_000], offset));
    assert_eq!(fetch.handle(&other.encode()), Err(FetchError::Changed));
}

#[test]
fn what_is_known_costs_no_signature_and_what_is_refused_neither() {
    let keys = keys(2);
    let mut directory = full(&keys[..1]);
    // Changed signatures: had they been looked at, the error would be theirs.
    let forged = |document: Document| {
        let mut bytes = document.encode();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        Document::decode(&bytes).unwrap()
    };
    let mut learn = |document| directory.learn(forged(document), NOW);
    let key = &keys[0];
    assert_eq!(learn(descriptor(key, NOW - 1000)), Ok(Learned::Known));
    assert_eq!(learn(key_set(key, EPOCH, 0)), Ok(Learned::Known));
    let relay = keys[1].relay_id();
    assert_eq!(
        learn(descriptor(&keys[1], NOW)),
        Err(Refused::Stranger { relay })
    );
    assert_eq!(
        learn(descriptor(key, NOW - 1001)),
        Err(Refused::Old { newer: 1 })
    );
    assert_eq!(
        learn(descriptor(key, NOW - 941)),
        Err(Refused::TooSoon { after: 59 })
    );
    assert_eq!(
        learn(descriptor(key, NOW + 301)),
        Err(Refused::Ahead { ahead: 301 })
    );
    let epoch = EPOCH.next();
    assert_eq!(
        learn(key_set(key, epoch, 0)),
        Err(Refused::Closed { epoch })
    );
    let epoch = EPOCH.previous();
    assert_eq!(
        learn(key_set(key, epoch, 0)),
        Err(Refused::Closed { epoch })
    );
    // These are worth a look.
    for worth in [descriptor(key, NOW - 940), key_set(key, EPOCH, 1)] {
        assert!(matches!(learn(worth), Err(Refused::Signature(_))));
    }
    assert!(directory.trust(&key.relay_id(), EPOCH) == Some(Trust::Held));
}

#[test]
fn the_same_keys_signed_twice_are_the_same_document() {
    let key = &keys(1)[0];
    let set = key_set(key, EPOCH, 0);
    let mut bytes = set.encode();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let again = Document::KeySet(KeySet::decode(&bytes).unwrap());
    assert_eq!(again.name(&network()), set.name(&network()));
    assert_ne!(
        key_set(key, EPOCH, 1).name(&network()),
        set.name(&network())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn changed_messages_are_refused_or_encode_back(
        which in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte: u8,
    ) {
        let mut bytes = which.get(&requests()).encode();
        let place = at.index(bytes.len());
        bytes[place] = byte;
        if let Ok(request) = Request::decode(&bytes) {
            prop_assert_eq!(request.encode(), bytes);
        }
        let mut bytes = which.get(&replies()).encode();
        let place = at.index(bytes.len());
        bytes[place] = byte;
        if let Ok(reply) = Reply::decode(&bytes) {
            prop_assert_eq!(reply.encode(), bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_message_or_encode_back(
        mut bytes in prop::collection::vec(any::<u8>(), 2..600), kind in 0_u8..9,
    ) {
        (bytes[0], bytes[1]) = (1, kind);
        if let Ok(request) = Request::decode(&bytes) {
            prop_assert_eq!(request.encode(), bytes.clone());
        }
        if let Ok(reply) = Reply::decode(&bytes) {
            prop_assert_eq!(reply.encode(), bytes.clone());
        }
        if let Ok(document) = Document::decode(&bytes) {
            prop_assert_eq!(document.encode(), bytes);
        }
    }
}

#[test]
fn a_head_with_a_fault_of_length_is_told_with_numbers() {
    let error = Reply::decode(&[1, 4, 0, 3, 0xc0]).unwrap_err();
    let max = HASHES_MAX as u64;
    assert_eq!(error.fault, Fault::TooLarge { max, got: 0x3c0 });
}
