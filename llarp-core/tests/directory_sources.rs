//! Sources that want to know who asks, and sources that take their time.

use core::cell::RefCell;

use llarp_core::crypto::identity::SecretKey;
use llarp_core::registry::directory::{Digest, Item, What};
use llarp_core::registry::message::{Reply, Request};
use llarp_core::registry::sync::{Fault, Reach, SourceId, Sync};
use llarp_core::registry::{Directory, Name};

use crate::directory_support::*;

use Reach::{Direct, Path};

/// All of `keys`, but for the key set of the relay `which`, which has this variant or none.
fn but(keys: &[SecretKey], which: usize, variant: Option<u8>) -> Directory {
    let mut directory = empty(keys);
    for (at, key) in keys.iter().enumerate() {
        directory.learn(descriptor(key, NOW - 1000), NOW).unwrap();
        let set = if at == which { variant } else { Some(0) };
        if let Some(variant) = set {
            directory.learn(key_set(key, EPOCH, variant), NOW).unwrap();
        }
    }
    directory
}

/// What a source that has `told` is asked by a client that knows `known`, the others being `source`.
fn asked_of(told: &Directory, source: &Directory, known: &Directory) -> Vec<Request> {
    let asked = RefCell::new(Vec::new());
    let spy = |request: &Request, reply: Reply| {
        asked.borrow_mut().push(request.clone());
        reply.encode()
    };
    let spy = Peer {
        reach: Path,
        directory: told,
        lie: Box::new(spy),
    };
    let mut client = known.clone();
    let others = (0..3).map(|_| honest(Path, source));
    let peers: Vec<_> = core::iter::once(spy).chain(others).collect();
    let _ = run(&mut client, &peers);
    drop(peers);
    asked.into_inner()
}

#[test]
fn a_source_is_asked_the_same_by_whoever_has_what_it_alone_names_and_by_others() {
    let keys = keys(60);
    let (honest, special) = (but(&keys, 5, None), but(&keys, 5, Some(1)));
    let by_other = asked_of(&special, &honest, &honest);
    assert!(
        by_other
            .iter()
            .any(|asked| matches!(asked, Request::Documents { .. }))
    );
    assert_eq!(asked_of(&special, &honest, &special), by_other);
    // The same where it lacks something, as the client did once.
    let by_other = asked_of(&honest, &special, &special);
    assert_eq!(asked_of(&honest, &special, &honest), by_other);
}

#[test]
fn a_descriptor_that_one_source_alone_names_is_neither_asked_for_nor_taken() {
    let keys = keys(30);
    let (source, mut special) = (full(&keys), full(&keys));
    special.learn(descriptor(&keys[3], NOW - 60), NOW).unwrap();
    let relay = keys[3].relay_id();
    let issued = |directory: &Directory| directory.descriptor(&relay).unwrap().presence().issued;
    for known in [empty(&keys), full(&keys)] {
        let mut client = known;
        let peers = [
            honest(Direct, &special),
            honest(Direct, &source),
            honest(Path, &source),
        ];
        let (outcome, _) = run(&mut client, &peers);
        assert_eq!((outcome.accepted, issued(&client)), (30, NOW - 1000));
    }
    // Nor is it if it comes in place of the one that was named.
    let swap = |request: &Request, reply: Reply| match request {
        Request::Documents {
            what: What::Descriptors,
            ..
        } => special.answer(request).encode(),
        _ => reply.encode(),
    };
    let mut client = empty(&keys);
    let peers = [
        Peer {
            reach: Direct,
            directory: &source,
            lie: Box::new(swap),
        },
        honest(Path, &source),
        honest(Path, &source),
    ];
    run(&mut client, &peers);
    assert_eq!(issued(&client), NOW - 1000);
    // One relay that compares with another takes what it gives.
    let mut relay_of = full(&keys);
    run(&mut relay_of, &[honest(Direct, &special)]);
    assert_eq!(issued(&relay_of), NOW - 60);
}

/// Asks until nobody is left to be asked, and answers all but `silent`.
fn answer_all(sync: &mut Sync, client: &mut Directory, source: &Directory, silent: SourceId) {
    while let Some((at, request)) = sync.next(client) {
        if at != silent {
            let reply = source.answer(&request).encode();
            sync.handle(at, &reply, client, NOW).unwrap();
        }
    }
}

#[test]
fn what_a_slow_source_was_asked_for_is_asked_of_others_and_its_late_word_is_no_lie() {
    let keys = keys(40);
    let source = full(&keys);
    let slow = SourceId(0);
    let mut client = empty(&keys);
    let mut sync = Sync::new(&client, Sync::needed(NOW, false), &[Path; 4]);
    // It says what it has like all others, and not what is below.
    let heads: Vec<_> = (0..4).map(|_| sync.next(&client).unwrap()).collect();
    for (at, request) in heads {
        let reply = source.answer(&request).encode();
        sync.handle(at, &reply, &mut client, NOW).unwrap();
    }
    answer_all(&mut sync, &mut client, &source, slow);
    let waits = (sync.told(), sync.untold().count(), sync.finished());
    assert_eq!(waits, (0, 4, false), "all wait for it");
    sync.mark_slow(slow);
    answer_all(&mut sync, &mut client, &source, slow);
    assert!(sync.told() >= 3 && sync.finished(), "nothing is lacking");
    sync.failed(slow);
    let late = Reply::Buckets(vec![Digest([1; 32]); 8]).encode();
    assert_eq!(sync.handle(slow, &late, &mut client, NOW), Ok(()));
    let outcome = sync.finish(&mut client);
    assert_eq!((outcome.accepted, outcome.faults.len()), (40, 0));
    assert_eq!(client.head(), source.head());
}

#[test]
fn a_source_that_tells_of_more_than_it_said_ends() {
    let keys = keys(40);
    let source = full(&keys);
    let mut client = empty(&keys);
    let mut sync = Sync::new(&client, Sync::needed(NOW, false), &[Path]);
    let mut page = 0_u64;
    let mut fault = None;
    while let Some((at, request)) = sync.next(&client) {
        let reply = match source.answer(&request) {
            Reply::Hashes { .. } => {
                page += 1;
                let items = (0..600_u64).map(|n| {
                    let mut relay = [0; 32];
                    relay[1..9].copy_from_slice(&(page * 600 + n).to_be_bytes());
                    Item {
                        relay: llarp_core::crypto::identity::RelayId(relay),
                        name: Name([3; 32]),
                    }
                });
                let items = items.collect();
                Reply::Hashes { items, more: true }
            }
            other => other,
        };
        if let Err(found) = sync.handle(at, &reply.encode(), &mut client, NOW) {
            fault = Some(found);
        }
    }
    assert_eq!(fault, Some(Fault::Endless));
    assert!(page <= 2, "{page} pages of a directory of forty relays");
}

#[test]
fn documents_that_only_a_slow_source_gives_are_told_apart_from_those_of_others() {
    let keys = keys(40);
    let (source, special) = (but(&keys, 5, None), but(&keys, 5, Some(1)));
    let slow = SourceId(0);
    let mut client = empty(&keys);
    let mut sync = Sync::new(&client, Sync::needed(NOW, false), &[Path; 4]);
    while let Some((at, request)) = sync.next(&client) {
        let documents = matches!(request, Request::Documents { .. });
        if at == slow && documents {
            sync.mark_slow(slow);
        } else {
            let of = if at == slow { &special } else { &source };
            let reply = of.answer(&request).encode();
            sync.handle(at, &reply, &mut client, NOW).unwrap();
        }
    }
    assert!(sync.waits_for_slow() && !sync.finished());
    sync.failed(slow);
    assert!(sync.next(&client).is_none() && sync.finished());
    let outcome = sync.finish(&mut client);
    assert_eq!((outcome.answered, outcome.accepted), (4, 39));
}
