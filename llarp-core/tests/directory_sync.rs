//! Comparing sources: honest ones, liars, and relays that serve somebody a special key set.

use std::cell::Cell;
use std::collections::BTreeMap;

use llarp_core::crypto::identity::SecretKey;
use llarp_core::registry::directory::{Digest, Item, Trust, What};
use llarp_core::registry::message::{Reply, Request};
use llarp_core::registry::sync::{Fault, Reach, SourceId, Sync};
use llarp_core::registry::{Directory, Document, Name};
use proptest::prelude::*;

use crate::directory_support::*;

use Reach::{Direct, Path};

fn listed(directory: &Directory, least: Trust) -> usize {
    directory.relays(NOW, least).len()
}

/// A directory of all `keys` in which relay `which` has the key set `variant`.
fn special(keys: &[SecretKey], which: usize, variant: u8) -> Directory {
    let mut directory = empty(keys);
    for (at, key) in keys.iter().enumerate() {
        directory.learn(descriptor(key, NOW - 1000), NOW).unwrap();
        let variant = if at == which { variant } else { 0 };
        directory.learn(key_set(key, EPOCH, variant), NOW).unwrap();
    }
    directory
}

#[test]
fn three_sources_of_which_one_is_behind_a_path_are_enough() {
    let keys = keys(40);
    let source = full(&keys);
    let mut client = empty(&keys);
    let peers = [Direct, Direct, Path].map(|reach| honest(reach, &source));
    let (outcome, _) = run(&mut client, &peers);
    assert_eq!((outcome.answered, outcome.accepted), (3, 40));
    assert_eq!(outcome.changed.len(), 40);
    assert!(outcome.disputes.is_empty() && outcome.faults.is_empty());
    assert_eq!(
        client.relays(NOW, Trust::Accepted),
        source.relays(NOW, Trust::Held)
    );
    assert_eq!(client.head(), source.head());
    // Again: nothing but heads.
    let (outcome, cost) = run(&mut client, &peers);
    assert_eq!(
        (outcome.accepted, outcome.changed.len(), cost.requests),
        (40, 0, 3)
    );
}

#[test]
fn direct_sources_alone_are_provisional_and_fewer_than_three_nothing() {
    let keys = keys(20);
    let source = full(&keys);
    let run_with = |reaches: &[Reach]| {
        let mut client = empty(&keys);
        let peers: Vec<_> = reaches
            .iter()
            .map(|reach| honest(*reach, &source))
            .collect();
        let (outcome, _) = run(&mut client, &peers);
        assert_eq!(listed(&client, Trust::Held), 20);
        (
            outcome.undecided,
            outcome.provisional,
            outcome.accepted,
            listed(&client, Trust::Provisional),
        )
    };
    assert_eq!(run_with(&[Direct]), (20, 0, 0, 0));
    assert_eq!(run_with(&[Path, Path]), (20, 0, 0, 0));
    assert_eq!(run_with(&[Direct; 3]), (0, 20, 0, 20));
    assert_eq!(run_with(&[Direct; 16]), (0, 20, 0, 20));
    assert_eq!(run_with(&[Direct, Path, Direct]), (0, 0, 20, 20));
}

#[test]
fn provisional_keys_become_accepted_for_the_price_of_a_head() {
    let keys = keys(30);
    let source = full(&keys);
    let mut client = empty(&keys);
    run(
        &mut client,
        &[Direct; 3].map(|reach| honest(reach, &source)),
    );
    assert_eq!(listed(&client, Trust::Accepted), 0);
    let (outcome, cost) = run(
        &mut client,
        &[Direct, Path, Path].map(|reach| honest(reach, &source)),
    );
    assert_eq!((outcome.accepted, outcome.changed.len()), (30, 30));
    assert!(cost.requests == 3 && cost.down < 1000, "{cost:?}");
}

#[test]
fn a_special_key_set_served_to_one_client_is_caught_and_proven() {
    let keys = keys(30);
    let (source, liar) = (full(&keys), special(&keys, 7, 1));
    let relay = keys[7].relay_id();
    let mut client = empty(&keys);
    let peers = [
        honest(Direct, &liar),
        honest(Path, &source),
        honest(Path, &source),
    ];
    let (outcome, _) = run(&mut client, &peers);
    assert_eq!(outcome.accepted, 29);
    let [dispute] = &outcome.disputes[..] else {
        panic!("one dispute: {:?}", outcome.disputes);
    };
    assert_eq!((dispute.relay, dispute.epoch), (relay, EPOCH));
    assert_eq!(Some(dispute.name), liar.name(What::KeySets(EPOCH), &relay));
    assert_eq!(
        (&dispute.sources[..], dispute.proven),
        (&[SourceId(0)][..], true)
    );
    assert!(client.is_excluded(&relay));
    // The proof convinces others.
    let [proof] = &outcome.proofs[..] else {
        panic!("one proof");
    };
    let mut other = full(&keys);
    let offered = other.offered(vec![Document::Equivocation(proof.get().clone())], NOW);
    assert_eq!((offered.news.len(), offered.forged), (1, false));
    assert!(other.is_excluded(&relay));
    // And spreads by comparing, too.
    let mut third = full(&keys);
    let (outcome, _) = run(&mut third, &[honest(Direct, &other)]);
    assert!(third.is_excluded(&relay) && outcome.proofs.len() == 1);
    assert_eq!(listed(&third, Trust::Held), 29);
}

#[test]
fn two_of_three_that_collude_and_are_direct_only_get_nothing_accepted() {
    let keys = keys(12);
    let (source, liar) = (full(&keys), special(&keys, 3, 1));
    let relay = keys[3].relay_id();
    // The relay signed both, and is out; nobody else is touched.
    let mut client = empty(&keys);
    let peers = [
        honest(Direct, &liar),
        honest(Direct, &liar),
        honest(Path, &source),
    ];
    let (outcome, _) = run(&mut client, &peers);
    assert!(client.is_excluded(&relay) && outcome.accepted == 11);
    // They hide the true one: three direct ones give the special one, and no path is there.
    let mut client = empty(&keys);
    run(&mut client, &[Direct; 3].map(|reach| honest(reach, &liar)));
    assert_eq!(
        (
            listed(&client, Trust::Provisional),
            listed(&client, Trust::Accepted)
        ),
        (12, 0)
    );
    assert_eq!(client.trust(&relay, EPOCH), Some(Trust::Provisional));
    // As soon as one source behind a path answers, the relay is caught.
    let (_, _) = run(
        &mut client,
        &[
            honest(Direct, &liar),
            honest(Direct, &liar),
            honest(Path, &source),
        ],
    );
    assert!(client.is_excluded(&relay));
}

#[test]
fn a_minority_that_lacks_something_hinders_nobody() {
    let keys = keys(30);
    let (source, empty_one) = (full(&keys), empty(&keys));
    let mut client = empty(&keys);
    let peers = [
        honest(Direct, &empty_one),
        honest(Path, &source),
        honest(Direct, &source),
    ];
    let (outcome, _) = run(&mut client, &peers);
    assert_eq!((outcome.answered, outcome.accepted), (3, 30));
    // A majority that lacks it does.
    let mut client = empty(&keys);
    let peers = [
        honest(Direct, &empty_one),
        honest(Path, &empty_one),
        honest(Path, &source),
    ];
    let (outcome, _) = run(&mut client, &peers);
    assert_eq!(
        (outcome.answered, outcome.accepted, outcome.undecided),
        (3, 0, 30)
    );
    assert_eq!(listed(&client, Trust::Provisional), 0);
    // Half is not a majority.
    let mut client = empty(&keys);
    let peers = [&empty_one, &empty_one, &source, &source].map(|of| honest(Path, of));
    let (outcome, _) = run(&mut client, &peers);
    assert_eq!((outcome.answered, outcome.accepted), (4, 0));
}

#[test]
fn a_replayed_old_descriptor_does_not_replace_a_newer_one() {
    let keys = keys(10);
    let (old, mut new) = (full(&keys), full(&keys));
    new.learn(descriptor(&keys[2], NOW - 60), NOW).unwrap();
    let relay = keys[2].relay_id();
    let issued = |directory: &Directory| directory.descriptor(&relay).unwrap().presence().issued;
    for peers in [[&old, &new, &new], [&new, &old, &new]] {
        let mut client = empty(&keys);
        let (outcome, _) = run(&mut client, &peers.map(|of| honest(Path, of)));
        assert_eq!((issued(&client), outcome.faults.len()), (NOW - 60, 0));
        run(&mut client, &[&old; 3].map(|of| honest(Path, of)));
        assert_eq!(issued(&client), NOW - 60);
    }
}

/// A peer whose replies of one kind are replaced.
fn lying<'a>(
    reach: Reach,
    directory: &'a Directory,
    lie: impl Fn(&Request, Reply) -> Reply + 'a,
) -> Peer<'a> {
    let lie = Box::new(move |request: &Request, reply| lie(request, reply).encode());
    Peer {
        reach,
        directory,
        lie,
    }
}

#[test]
fn a_source_that_lies_in_bucket_digests_costs_little_and_changes_nothing() {
    let keys = keys(200);
    let source = full(&keys);
    let drawn = Cell::new(0_u64);
    let random = || {
        drawn.set(drawn.get() + 1);
        let mut bytes = [9; 32];
        bytes[..8].copy_from_slice(&drawn.get().to_be_bytes());
        bytes
    };
    let lie = |_: &Request, reply| match reply {
        Reply::Head(mut head) => {
            head.trees
                .iter_mut()
                .for_each(|tree| tree.root = Digest(random()));
            Reply::Head(head)
        }
        Reply::Buckets(buckets) => {
            Reply::Buckets(buckets.iter().map(|_| Digest(random())).collect())
        }
        other => other,
    };
    let mut client = full(&keys);
    let peers = [
        lying(Direct, &source, lie),
        honest(Path, &source),
        honest(Path, &source),
    ];
    let (outcome, cost) = run(&mut client, &peers);
    assert_eq!((outcome.answered, outcome.accepted), (3, 200));
    // Its lists are asked for once, and are what it has.
    assert!(cost.down < 2 * (200 * 64 + 32 * 32) + 4000, "{cost:?}");
}

#[test]
fn right_digests_and_wrong_bodies_are_found_out_and_the_bodies_come_from_others() {
    let keys = keys(60);
    let source = full(&keys);
    let other = special(&keys, 0, 2);
    let forge = |mut document: Document| {
        let mut bytes = document.encode();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        if let Ok(forged) = Document::decode(&bytes) {
            document = forged;
        }
        document
    };
    type Lie<'a> = Box<dyn Fn(&Request, Reply) -> Reply + 'a>;
    let lies: Vec<(&str, Lie<'_>)> = vec![
        (
            "forged",
            Box::new(|_, reply| match reply {
                Reply::Documents(documents) => {
                    Reply::Documents(documents.into_iter().map(forge).collect())
                }
                other => other,
            }),
        ),
        (
            "none",
            Box::new(|_, reply| match reply {
                Reply::Documents(_) => Reply::Documents(Vec::new()),
                other => other,
            }),
        ),
        (
            "another relay's",
            Box::new(|request, reply| match (request, reply) {
                (Request::Documents { .. }, Reply::Documents(_)) => Reply::Documents(vec![
                    key_set(&keys[59], EPOCH, 0),
                    key_set(&keys[0], EPOCH, 0),
                ]),
                (_, other) => other,
            }),
        ),
        (
            "another kind",
            Box::new(|request, reply| match (request, reply) {
                (
                    Request::Documents {
                        what: What::Descriptors,
                        relays,
                    },
                    Reply::Documents(_),
                ) => Reply::Documents(
                    source
                        .document(What::KeySets(EPOCH), &relays[0])
                        .into_iter()
                        .collect(),
                ),
                (_, other) => other,
            }),
        ),
        (
            "another key set",
            Box::new(|request, _| {
                let what = What::KeySets(EPOCH);
                match request {
                    Request::Documents { what: of, relays }
                        if *of == what && relays[0] == keys[0].relay_id() =>
                    {
                        Reply::Documents(vec![other.document(what, &relays[0]).unwrap()])
                    }
                    other => source.answer(other),
                }
            }),
        ),
        (
            "another reply",
            Box::new(|_, reply| match reply {
                Reply::Documents(_) => Reply::Taken { news: 1 },
                other => other,
            }),
        ),
        (
            "endless pages",
            Box::new(|_, reply| match reply {
                Reply::Hashes { items, .. } => Reply::Hashes { items, more: true },
                other => other,
            }),
        ),
        (
            "another number of buckets",
            Box::new(|_, reply| match reply {
                Reply::Buckets(_) => Reply::Buckets(vec![Digest([1; 32]); 64]),
                other => other,
            }),
        ),
    ];
    for (name, lie) in lies {
        // Descriptors are there, or the first source would be asked for nothing else.
        let mut client = empty(&keys);
        if name == "another key set" {
            for key in &keys {
                client.learn(descriptor(key, NOW - 1000), NOW).unwrap();
            }
        }
        let mut peers = vec![lying(Path, &source, lie)];
        peers.extend((0..3).map(|_| honest(Path, &source)));
        let (outcome, cost) = run(&mut client, &peers);
        assert_eq!(outcome.faults.len(), 1, "{name}: {:?}", outcome.faults);
        assert_eq!(outcome.faults[0].0, SourceId(0), "{name}");
        assert_eq!((outcome.answered, outcome.accepted), (3, 60), "{name}");
        assert_eq!(client.head(), source.head(), "{name}");
        assert!(cost.down < 200_000, "{name}: {cost:?}");
    }
}

#[test]
fn hashes_outside_of_what_was_asked_for_end_a_source() {
    let keys = keys(60);
    let mut source = full(&keys);
    source.learn(descriptor(&keys[0], NOW - 60), NOW).unwrap();
    let stray = Item {
        relay: keys[59].relay_id(),
        name: Name([1; 32]),
    };
    let lie = |_: &Request, reply| match reply {
        Reply::Hashes { mut items, more } => {
            items.push(stray);
            Reply::Hashes { items, more }
        }
        other => other,
    };
    let mut client = full(&keys);
    let peers = [
        lying(Path, &source, lie),
        honest(Path, &source),
        honest(Path, &source),
    ];
    let (outcome, _) = run(&mut client, &peers);
    assert_eq!(outcome.faults, [(SourceId(0), Fault::Stray)]);
    assert_eq!((outcome.answered, client.head()), (2, source.head()));
}

#[test]
fn a_source_that_tells_of_documents_nobody_has_is_given_up_soon() {
    let keys = keys(100);
    let source = full(&keys);
    let lie = |_: &Request, reply| match reply {
        Reply::Head(mut head) => {
            head.trees
                .iter_mut()
                .for_each(|tree| tree.root = Digest([7; 32]));
            Reply::Head(head)
        }
        Reply::Buckets(buckets) => {
            Reply::Buckets((0..).zip(buckets).map(|(n, _)| Digest([n; 32])).collect())
        }
        Reply::Hashes { mut items, more } => {
            items.iter_mut().for_each(|item| item.name = Name([3; 32]));
            Reply::Hashes { items, more }
        }
        other => other,
    };
    let mut client = full(&keys);
    let peers = [
        lying(Path, &source, lie),
        honest(Path, &source),
        honest(Path, &source),
        honest(Direct, &source),
    ];
    let (outcome, cost) = run(&mut client, &peers);
    assert!(matches!(
        outcome.faults[..],
        [(SourceId(0), Fault::OtherKeySet { .. } | Fault::Omits { .. })]
    ));
    assert_eq!((outcome.answered, outcome.accepted), (3, 100));
    assert!(cost.requests < 20, "{cost:?}");
}

#[test]
fn garbled_unasked_and_late_replies_end_a_source_and_a_lost_one_still_counts() {
    let keys = keys(8);
    let source = full(&keys);
    let mut client = empty(&keys);
    let mut sync = Sync::new(
        &client,
        Sync::needed(NOW, false),
        &[Direct, Path, Path, Path],
    );
    let unasked = sync.handle(SourceId(0), &Reply::Nothing.encode(), &mut client, NOW);
    assert_eq!(unasked, Err(Fault::Unasked));
    let nobody = sync.handle(SourceId(9), &Reply::Nothing.encode(), &mut client, NOW);
    assert_eq!(nobody, Err(Fault::Unasked));
    sync.failed(SourceId(9));
    let mut garbled = false;
    while let Some((at, request)) = sync.next(&client) {
        assert_ne!(at, SourceId(0));
        let reply = source.answer(&request);
        if at == SourceId(1) && matches!(request, Request::Documents { .. }) {
            // It has told all it has, and is lost before it gives anything.
            sync.failed(at);
        } else if at == SourceId(2) && matches!(request, Request::Documents { .. }) && !garbled {
            garbled = true;
            let fault = sync
                .handle(at, &[1, 5, 0, 1, 0], &mut client, NOW)
                .unwrap_err();
            assert!(matches!(fault, Fault::Bytes(_)));
        } else {
            sync.handle(at, &reply.encode(), &mut client, NOW).unwrap();
        }
    }
    assert!(sync.finished());
    assert_eq!(sync.heads().count(), 3);
    let outcome = sync.finish(&mut client);
    // Two of four are left that count: the one that was lost, and the last.
    assert_eq!(
        (outcome.answered, outcome.accepted, outcome.undecided),
        (2, 0, 8)
    );
    assert_eq!(outcome.faults.len(), 2);
    assert_eq!(
        listed(&client, Trust::Held),
        8,
        "all bodies came from the last"
    );
}

#[test]
fn sources_of_which_all_fail_end_the_comparison() {
    let keys = keys(8);
    let mut client = empty(&keys);
    let mut sync = Sync::new(&client, Sync::needed(NOW, false), &[Direct; 3]);
    while let Some((at, _)) = sync.next(&client) {
        assert!(!sync.finished());
        sync.failed(at);
    }
    assert!(sync.finished());
    assert_eq!(sync.finish(&mut client).answered, 0);
    let mut none = Sync::new(&client, Sync::needed(NOW, false), &[]);
    assert!(none.next(&client).is_none() && none.finished());
}

#[test]
fn networks_that_differ_by_a_snapshot_compare() {
    let keys = keys(80);
    let (older, newer) = (full(&keys[..63]), full(&keys));
    let mut client = empty(&keys[..63]);
    let peers = [
        honest(Path, &older),
        honest(Path, &newer),
        honest(Path, &newer),
    ];
    let (outcome, _) = run(&mut client, &peers);
    assert_eq!((outcome.accepted, outcome.faults.len()), (63, 0));
    let mut client = empty(&keys);
    let (outcome, _) = run(&mut client, &peers);
    assert_eq!(
        (outcome.accepted, outcome.undecided),
        (80, 0),
        "two of three are most"
    );
}

#[test]
fn keys_of_the_next_epoch_are_compared_only_ahead() {
    let now = EPOCH.next().announced();
    let whats = |ahead| Sync::needed(now, ahead).len();
    assert_eq!((whats(false), whats(true)), (3, 4));
    assert_eq!(Sync::needed(now - 1, true).len(), 3);
    let keys = keys(5);
    let mut source = full(&keys);
    for key in &keys {
        source.learn(key_set(key, EPOCH.next(), 4), now).unwrap();
    }
    let mut client = empty(&keys);
    let peers = [Path; 3].map(|reach| honest(reach, &source));
    let (outcome, _) = run_at(&mut client, &peers, now);
    assert_eq!(outcome.accepted, 10);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Sources have arbitrary variants of key sets, or none, or lie in single bytes of replies.
    #[test]
    fn nothing_is_ever_accepted_without_the_rules_quorum(
        reaches in prop::collection::vec(any::<bool>(), 1..6),
        variants in prop::collection::vec(prop::collection::vec(0_u8..4, 6), 6),
        liar in any::<prop::sample::Index>(),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let keys = keys(6);
        // Variant 3 stands for none at all.
        let sources: Vec<_> = (0..reaches.len()).map(|at| {
            let mut directory = empty(&keys);
            for (key, variant) in keys.iter().zip(&variants[at]) {
                directory.learn(descriptor(key, NOW - 1000), NOW).unwrap();
                if *variant != 3 {
                    directory.learn(key_set(key, EPOCH, *variant / 2), NOW).unwrap();
                }
            }
            directory
        }).collect();
        let liar = liar.index(reaches.len());
        let turn = Cell::new(0_usize);
        let peers: Vec<_> = reaches.iter().zip(&sources).enumerate().map(|(at, (path, directory))| {
            let reach = if *path { Path } else { Direct };
            let (turn, noise) = (&turn, &noise);
            let lie = Box::new(move |_: &Request, reply: Reply| {
                let mut bytes = reply.encode();
                let noise = noise.get(turn.get()).filter(|_| at == liar);
                if let Some((place, byte)) = noise {
                    turn.set(turn.get() + 1);
                    let place = place.index(bytes.len());
                    bytes[place] ^= byte;
                }
                bytes
            });
            Peer { reach, directory, lie }
        }).collect();
        let mut client = empty(&keys);
        let (outcome, _) = run(&mut client, &peers);
        let faulty: Vec<_> = outcome.faults.iter().map(|(at, _)| at.0).collect();
        // Whoever is not the liar told what it has.
        prop_assert!(faulty.iter().all(|at| *at == liar));
        for (at, key) in keys.iter().enumerate() {
            let relay = key.relay_id();
            let Some(trust) = client.trust(&relay, EPOCH) else { continue };
            let name = client.name(What::KeySets(EPOCH), &relay);
            let mut givers = BTreeMap::new();
            for (source, directory) in sources.iter().enumerate() {
                givers.insert(source, directory.name(What::KeySets(EPOCH), &relay) == name);
            }
            // The liar may have told anything of this relay: count it as a giver at most once.
            let sure = givers.iter().filter(|(source, gives)| **source != liar && **gives).count();
            let most = sure + 1;
            let by_path = givers.iter().any(|(source, gives)| reaches[*source] && (*gives || *source == liar));
            if trust > Trust::Held {
                prop_assert!(outcome.answered >= 3 && 2 * most > outcome.answered, "{at}");
            }
            if trust == Trust::Accepted {
                prop_assert!(by_path);
            }
            // And without noise exactly then.
            if noise.is_empty() {
                let count = givers.values().filter(|gives| **gives).count();
                let quorum = reaches.len() >= 3 && 2 * count > reaches.len();
                let path = givers.iter().any(|(source, gives)| reaches[*source] && *gives);
                let right = match (quorum, path) {
                    (true, true) => Trust::Accepted,
                    (true, false) => Trust::Provisional,
                    (false, _) => Trust::Held,
                };
                prop_assert_eq!(trust, right);
            }
        }
        // Two variants anywhere among those who told all: the relay is out.
        if noise.is_empty() {
            for (at, key) in keys.iter().enumerate() {
                let told: std::collections::BTreeSet<_> = variants.iter().take(reaches.len())
                    .map(|of| of[at]).filter(|of| *of != 3).map(|of| of / 2).collect();
                prop_assert_eq!(client.is_excluded(&key.relay_id()), told.len() == 2);
            }
        }
    }
}
