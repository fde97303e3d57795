//! What a directory takes in, holds, lists, answers and writes to the disk.

use llarp_core::crypto::identity::RelayId;
use llarp_core::registry::directory::{
    Digest, Item, Learned, Member, Members, MembersError, Refused, RowError, Trust, What,
    bucket_of, digest_of, root_of,
};
use llarp_core::registry::message::{Reply, Request};
use llarp_core::registry::{Directory, Document, Equivocation, Family, KeyEpoch, RelayList};
use llarp_core::wire::limits::{DIRECTORY_MESSAGE_MAX, RELAYS_MAX};
use proptest::prelude::*;

use crate::directory_support::*;

const HOUR: u64 = 3600;

fn ids(list: &RelayList) -> Vec<RelayId> {
    list.iter().map(|contact| contact.id).collect()
}

#[test]
fn members_ascend_and_are_not_too_many() {
    let [one, other] = [[1; 32], [2; 32]].map(|id| member(RelayId(id)));
    let new = |list: &[Member]| Members::new(Default::default(), list.iter().copied());
    assert_eq!(new(&[one, other]).unwrap().len(), 2);
    let relay = one.relay;
    assert_eq!(
        new(&[other, one]).unwrap_err(),
        MembersError::Order { relay }
    );
    assert_eq!(new(&[one, one]).unwrap_err(), MembersError::Order { relay });
    let many = new(&vec![one; RELAYS_MAX + 1]).unwrap_err();
    assert_eq!(
        many,
        MembersError::TooMany {
            got: RELAYS_MAX + 1
        }
    );
    let level = |count: usize| {
        let many = (0..count).map(|n| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&u32::try_from(n).unwrap().to_be_bytes());
            member(RelayId(id))
        });
        Members::new(Default::default(), many).unwrap().level()
    };
    assert_eq!(
        [0, 1, 8, 9, 1000, 10_000, RELAYS_MAX].map(level),
        [0, 0, 0, 1, 7, 10, 10]
    );
}

#[test]
fn a_relay_is_listed_with_descriptor_and_trusted_keys_only() {
    let keys = keys(3);
    let mut directory = empty(&keys);
    directory.learn(descriptor(&keys[0], NOW), NOW).unwrap();
    directory.learn(key_set(&keys[1], EPOCH, 0), NOW).unwrap();
    directory.learn(descriptor(&keys[2], NOW), NOW).unwrap();
    directory.learn(key_set(&keys[2], EPOCH, 0), NOW).unwrap();
    assert_eq!(
        ids(&directory.relays(NOW, Trust::Held)),
        [keys[2].relay_id()]
    );
    assert!(directory.relays(NOW, Trust::Provisional).is_empty());
}

#[test]
fn the_registrys_family_stands_above_the_descriptors() {
    let keys = keys(1);
    let relay = keys[0].relay_id();
    let mut directory = full(&keys);
    let family = |directory: &Directory| {
        directory
            .relays(NOW, Trust::Held)
            .get(&relay)
            .unwrap()
            .family
    };
    assert_eq!(family(&directory), None);
    let own = llarp_core::registry::Presence {
        family: Some(Family([1; 32])),
        ..presence(NOW)
    };
    let own = llarp_core::registry::Descriptor::sign(&network(), &keys[0], own);
    let own = Document::Descriptor(own.get().clone());
    assert_eq!(directory.learn(own, NOW), Ok(Learned::News));
    assert_eq!(family(&directory), Some(Family([1; 32])));
    let of = Member {
        relay,
        family: Some(Family([2; 32])),
    };
    directory.set_members(Members::new(Default::default(), [of]).unwrap());
    assert_eq!(family(&directory), Some(Family([2; 32])));
}

#[test]
fn keys_of_the_epoch_before_serve_until_half_an_hour_before_their_end() {
    let keys = keys(2);
    let mut directory = full(&keys);
    let next = EPOCH.next();
    let announced = next.announced();
    let set = |key, variant| key_set(key, next, variant);
    let early = directory.learn(set(&keys[0], 3), announced - 301);
    assert_eq!(early, Err(Refused::Closed { epoch: next }));
    directory.learn(set(&keys[0], 3), announced - 300).unwrap();
    let x25519 = |now, at: usize| {
        let list = directory.relays(now, Trust::Held);
        list.get(&keys[at].relay_id())
            .map(|contact| contact.onion.x25519[0])
    };
    // Announced keys are not used before their epoch.
    assert_eq!(
        [0, 1].map(|at| x25519(next.start() - 1, at)),
        [Some(1), Some(1)]
    );
    assert_eq!(
        [0, 1].map(|at| x25519(next.start(), at)),
        [Some(4), Some(1)]
    );
    let margin = EPOCH.erased() - HOUR / 2;
    assert_eq!([0, 1].map(|at| x25519(margin - 1, at)), [Some(4), Some(1)]);
    assert_eq!([0, 1].map(|at| x25519(margin, at)), [Some(4), None]);
    directory.expire(EPOCH.erased() - 1);
    assert_eq!(
        directory.trust(&keys[1].relay_id(), EPOCH),
        Some(Trust::Held)
    );
    directory.expire(EPOCH.erased());
    assert_eq!(directory.trust(&keys[1].relay_id(), EPOCH), None);
    assert_eq!(directory.head().trees.len(), 2, "no tree of a closed epoch");
}

#[test]
fn double_signing_excludes_for_thirty_days_and_is_news() {
    let keys = keys(2);
    let mut directory = full(&keys);
    let relay = keys[0].relay_id();
    let learned = directory.learn(key_set(&keys[0], EPOCH, 1), NOW).unwrap();
    let Learned::Contradiction(proof) = learned else {
        panic!("two key sets");
    };
    assert!(directory.is_excluded(&relay));
    assert_eq!(
        ids(&directory.relays(NOW, Trust::Held)),
        [keys[1].relay_id()]
    );
    for document in [descriptor(&keys[0], NOW), key_set(&keys[0], EPOCH, 0)] {
        assert_eq!(
            directory.learn(document, NOW),
            Err(Refused::Excluded { relay })
        );
    }
    // Another node believes the proof alone, and knows it the second time.
    let mut other = full(&keys);
    let proof = Document::Equivocation(proof.get().clone());
    assert_eq!(other.learn(proof.clone(), NOW), Ok(Learned::News));
    assert_eq!(other.learn(proof.clone(), NOW), Ok(Learned::Known));
    assert!(other.is_excluded(&relay) && other.descriptor(&relay).is_none());
    assert_eq!(other.head(), directory.head());
    let end = EPOCH.start() + 30 * 24 * HOUR;
    other.expire(end - 1);
    assert!(other.is_excluded(&relay));
    other.expire(end);
    assert!(!other.is_excluded(&relay));
    assert_eq!(
        other.learn(proof, end),
        Err(Refused::Closed { epoch: EPOCH })
    );
}

#[test]
fn a_forged_proof_excludes_nobody() {
    let keys = keys(2);
    let mut directory = full(&keys);
    let proof = |key: &_| {
        let [one, other] = [0, 1].map(|variant| signed(key, EPOCH, variant));
        Equivocation::of(&one, &other).unwrap().get().encode()
    };
    // The signatures of another relay under this one's name.
    let mut bytes = proof(&keys[1]);
    bytes[2..34].copy_from_slice(&keys[0].relay_id().0);
    let forged = Document::decode(&bytes).unwrap();
    assert!(matches!(
        directory.learn(forged, NOW),
        Err(Refused::Signature(_))
    ));
    let mut bytes = proof(&keys[0]);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let half = Document::decode(&bytes).unwrap();
    assert!(matches!(
        directory.learn(half, NOW),
        Err(Refused::Signature(_))
    ));
    assert_eq!(directory.relays(NOW, Trust::Held).len(), 2);
}

#[test]
fn whoever_leaves_the_registry_is_forgotten() {
    let keys = keys(3);
    let mut directory = full(&keys);
    directory.set_members(members(&keys[..2]));
    assert!(directory.descriptor(&keys[2].relay_id()).is_none());
    assert_eq!(directory.head(), full(&keys[..2]).head());
}

#[test]
fn an_offer_is_looked_at_up_to_its_first_forgery() {
    let keys = keys(3);
    let mut directory = empty(&keys);
    let mut bytes = descriptor(&keys[1], NOW).encode();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let forged = Document::decode(&bytes).unwrap();
    let news = descriptor(&keys[0], NOW);
    let offer = vec![
        news.clone(),
        news.clone(),
        forged,
        descriptor(&keys[2], NOW),
    ];
    let offered = directory.offered(offer, NOW);
    assert_eq!((offered.news, offered.forged), (vec![news], true));
    assert!(directory.descriptor(&keys[2].relay_id()).is_none());
}

#[test]
fn replies_are_bounded_and_what_does_not_fit_comes_next() {
    let keys = keys(120);
    let directory = full(&keys);
    let what = What::KeySets(EPOCH);
    let mut relays: Vec<_> = keys.iter().map(|key| key.relay_id()).collect();
    let mut got = 0;
    while !relays.is_empty() {
        let ask = Request::Documents {
            what,
            relays: relays.clone(),
        };
        let reply = directory.answer(&ask);
        assert!(reply.encode().len() <= DIRECTORY_MESSAGE_MAX);
        let Reply::Documents(documents) = reply else {
            panic!("documents");
        };
        assert!(!documents.is_empty());
        got += documents.len();
        let last = documents.last().unwrap().relay();
        relays.retain(|relay| *relay > last);
    }
    assert_eq!(got, 120);
    let nothing = Request::Buckets {
        what: What::Proofs,
        level: 3,
    };
    assert_eq!(directory.answer(&nothing), Reply::Nothing);
}

fn all_items(directory: &Directory, what: What, level: u8) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    loop {
        let after = items.last().map_or(RelayId([0; 32]), |item| item.relay);
        let buckets = (0..1 << level).collect();
        let ask = Request::Hashes {
            what,
            level,
            after,
            buckets,
        };
        let (page, more) = match directory.answer(&ask) {
            Reply::Hashes { items, more } => (items, more),
            other => {
                assert_eq!(other, Reply::Nothing);
                return items;
            }
        };
        items.extend(page);
        if !more {
            return items;
        }
    }
}

#[test]
fn pages_of_hashes_give_every_relay_once() {
    let keys = keys(1500);
    let mut directory = empty(&keys);
    for key in &keys {
        directory.learn(descriptor(key, NOW), NOW).unwrap();
    }
    let items = all_items(&directory, What::Descriptors, 4);
    let ids: Vec<_> = items.iter().map(|item| item.relay).collect();
    let expected: Vec<_> = keys.iter().map(|key| key.relay_id()).collect();
    assert_eq!(ids, expected);
}

#[test]
fn rows_survive_a_restart_and_spoiled_ones_are_refused() {
    let keys = keys(4);
    let mut directory = full(&keys);
    directory.learn(key_set(&keys[3], EPOCH, 1), NOW).unwrap();
    let rows: Vec<_> = directory.rows().collect();
    assert_eq!(rows.len(), 4);
    let mut again = empty(&keys);
    for row in &rows {
        again
            .restore(row.relay, row.value.as_ref().unwrap(), NOW)
            .unwrap();
    }
    assert_eq!(again.head(), directory.head());
    let lists = [&again, &directory].map(|of| of.relays(NOW, Trust::Held));
    assert_eq!(lists[0], lists[1]);
    assert!(again.is_excluded(&keys[3].relay_id()));
    // Under another relay's name, cut, changed.
    let value = rows[0].value.as_ref().unwrap();
    let mut fresh = empty(&keys);
    assert!(matches!(
        fresh.restore(keys[1].relay_id(), value, NOW),
        Err(RowError::Spoiled(_))
    ));
    for at in (0..value.len()).step_by(11) {
        let mut changed = value.clone();
        changed[at] ^= 4;
        assert!(fresh.restore(rows[0].relay, &changed, NOW).is_err());
        assert!(fresh.restore(rows[0].relay, &value[..at], NOW).is_err());
    }
    let stranger = RelayId([1; 32]);
    let error = fresh.restore(stranger, value, NOW);
    assert_eq!(error, Err(RowError::Stranger { relay: stranger }));
    assert_eq!(fresh.rows().count(), 0);
    // What expired meanwhile is not taken back.
    fresh.restore(rows[0].relay, value, EPOCH.erased()).unwrap();
    assert_eq!(fresh.trust(&rows[0].relay, EPOCH), None);
    assert_eq!(directory.row(&stranger).value, None);
}

#[derive(Debug, Clone)]
enum Op {
    Describe(usize, u64),
    Key(usize, u8),
    Leave(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..20_usize, 0..5_u64).prop_map(|(key, at)| Op::Describe(key, at)),
        4 => (0..20_usize, 0..10_u8).prop_map(|(key, variant)| Op::Key(key, variant / 9)),
        1 => (0..20_usize).prop_map(Op::Leave),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn digests_are_those_of_what_is_there_after_any_changes(ops in prop::collection::vec(op(), 0..60)) {
        let mut keys = keys(20);
        let mut directory = empty(&keys);
        for op in ops {
            match op {
                Op::Describe(key, at) => {
                    let document = keys.get(key).map(|key| descriptor(key, NOW - 1000 + at * 60));
                    document.map(|document| directory.learn(document, NOW));
                }
                Op::Key(key, variant) => {
                    let document = keys.get(key).map(|key| key_set(key, EPOCH, variant));
                    document.map(|document| directory.learn(document, NOW));
                }
                Op::Leave(key) => {
                    if key < keys.len() {
                        keys.remove(key);
                        directory.set_members(members(&keys));
                    }
                }
            }
        }
        for what in [What::Descriptors, What::KeySets(EPOCH), What::Proofs] {
            let items = all_items(&directory, what, 3);
            for key in &keys {
                let relay = key.relay_id();
                let listed = items.iter().find(|item| item.relay == relay).map(|item| item.name);
                prop_assert_eq!(listed, directory.name(what, &relay));
                let document = directory.document(what, &relay);
                prop_assert_eq!(listed, document.map(|document| document.name(&network())));
            }
            let Reply::Buckets(buckets) = directory.answer(&Request::Buckets { what, level: 3 }) else {
                prop_assert!(items.is_empty());
                continue;
            };
            for (bucket, digest) in (0..).zip(&buckets) {
                let of: Vec<_> = items.iter().filter(|item| bucket_of(&item.relay, 3) == bucket).copied().collect();
                prop_assert_eq!(*digest, digest_of(&network(), &of, 3));
            }
            let root = directory.head().trees.iter().find(|tree| tree.what == what).map(|tree| tree.root);
            prop_assert_eq!(root_of(&network(), &buckets), root);
            prop_assert_eq!(root == Some(Digest::EMPTY), items.is_empty());
        }
    }
}

#[test]
fn a_key_epoch_that_nobody_can_reach_is_never_open() {
    let keys = keys(1);
    let mut directory = empty(&keys);
    let epoch = KeyEpoch(u32::MAX);
    let refused = directory.learn(key_set(&keys[0], epoch, 0), NOW);
    assert_eq!(refused, Err(Refused::Closed { epoch }));
}
