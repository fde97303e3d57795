//! A node's view of its network, and its disk.

use core::time::Duration;

use llarp_core::clock::Clock;
use llarp_core::crypto::identity::SecretKey;
use llarp_core::directory::{NetworkView, Verify, ViewConfig};
use llarp_core::registry::{
    Charter, CharterChain, Registration, SignedSnapshot, Snapshot, assign_swarms,
};
use llarp_core::store::{KeyRange, Store, TableId};
use tokio::time::{Instant, sleep};

use crate::directory_support::{NOW, descriptor, keys, network};
use crate::registry_support;

fn authority() -> SecretKey {
    registry_support::keys(1, 1).remove(0)
}

fn root() -> Charter {
    Charter::root(1, [authority().public()]).unwrap()
}

/// A snapshot of relays with these keys, as it is published.
fn snapshot(relays: &[SecretKey]) -> Vec<u8> {
    let registered = relays.iter().map(|key| Registration {
        relay: key.relay_id(),
        height: 1,
        block: key.relay_id().0,
        family: None,
    });
    let terms = registry_support::terms(1);
    let draft = Snapshot::first(&network(), terms, registered, assign_swarms).unwrap();
    let signature = draft.sign(&network(), &root(), &authority()).unwrap();
    let chain = CharterChain::new(network(), root()).unwrap();
    let signed = SignedSnapshot::collect(&chain, draft, [signature]).unwrap();
    signed.encode()
}

fn open(store: &Store) -> NetworkView {
    let config = ViewConfig {
        network: network(),
        root: root().into(),
        bootstrap: Vec::new(),
        clock: Clock::set_to(Duration::from_secs(NOW)),
        store: store.clone(),
        verify: Verify::Inline,
    };
    NetworkView::open(config).unwrap()
}

fn rows(store: &Store) -> usize {
    let table = TableId("directory");
    store
        .range(table, &KeyRange::all(), usize::MAX)
        .unwrap()
        .len()
}

#[tokio::test(start_paused = true)]
async fn all_that_was_learned_at_once_is_on_the_disk_at_once() {
    let (keys, store) = (keys(600), Store::in_memory());
    let view = open(&store);
    view.offer_snapshot(&snapshot(&keys)).unwrap();
    for key in &keys {
        view.learn(descriptor(key, NOW - 60)).unwrap();
    }
    let began = Instant::now();
    while rows(&store) < keys.len() {
        sleep(Duration::from_millis(10)).await;
        assert!(began.elapsed() < Duration::from_millis(500));
    }
    // What comes later waits, so that a busy hour is not a write for each word.
    sleep(Duration::from_millis(100)).await;
    let before = store.range(TableId("directory"), &KeyRange::all(), 1);
    view.learn(descriptor(&keys[0], NOW)).unwrap();
    sleep(Duration::from_millis(100)).await;
    let after = store.range(TableId("directory"), &KeyRange::all(), 1);
    assert_eq!(before.unwrap(), after.unwrap());
    drop(view);
}

#[tokio::test(start_paused = true)]
async fn a_view_that_is_opened_again_has_what_it_had() {
    let (keys, store) = (keys(300), Store::in_memory());
    let view = open(&store);
    view.offer_snapshot(&snapshot(&keys)).unwrap();
    for key in &keys {
        view.learn(descriptor(key, NOW - 60)).unwrap();
    }
    while rows(&store) < keys.len() {
        sleep(Duration::from_millis(10)).await;
    }
    let head = |view: &NetworkView| view.read(llarp_core::registry::Directory::head);
    let before = head(&view);
    drop(view);
    let again = open(&store);
    assert_eq!(head(&again), before);
    assert_eq!((again.members().len(), again.traffic()), (300, 0));
}
