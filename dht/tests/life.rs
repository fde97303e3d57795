//! Relays that die, come back, were never there.

use core::time::Duration;
use std::sync::Arc;

use llarp_core::link::Protocol;
use llarp_core::relay::Directory;
use llarp_core::store::{Store, StoreOptions};
use tokio::time::timeout;

use super::support::{Net, Node, Owner, Signed, eventually};

#[tokio::test]
async fn a_third_of_the_relays_may_die() {
    let net = Net::new(10, 21);
    let owners: Vec<_> = (0..10).map(Owner::new).collect();
    for owner in &owners {
        let put = net.nodes[0].dht.put(owner.key(), owner.value(1, b"here"));
        assert!(put.await.unwrap() >= 7);
    }
    for node in &net.nodes[14..] {
        node.kill();
    }
    for owner in &owners {
        let found = net.nodes[1].dht.find(owner.key()).await.unwrap();
        assert_eq!(found.len(), 1);
    }
    // And what is published now is found, too.
    let owner = Owner::new(99);
    let put = net.nodes[2].dht.put(owner.key(), owner.value(1, b"later"));
    assert!(put.await.unwrap() >= 1);
    assert_eq!(net.nodes[3].dht.find(owner.key()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_restarted_relay_has_its_records() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Store::open(dir.path(), StoreOptions::default()).unwrap();
    let mut net = Net::empty(11);
    net.add(Arc::new(Signed), open());
    net.add(Arc::new(Signed), Store::in_memory());
    net.all_keep();
    let owners: Vec<_> = (0..300).map(Owner::new).collect();
    let bodies = vec![3; 3000];
    for owner in &owners {
        let value = owner.value(1, &bodies);
        assert_eq!(net.nodes[1].dht.put(owner.key(), value).await, Ok(2));
    }
    let first = net.nodes.remove(0);
    let key = first.stop().await;
    net.nodes.remove(0).stop().await;
    let again = net.start(key, Arc::new(Signed), open());
    eventually("they are counted", || again.dht.stats().records == 300).await;
    for owner in &owners {
        let value = owner.value(1, &bodies);
        assert_eq!(
            again.dht.find(owner.key()).await.unwrap()[0][80..],
            value[80..]
        );
    }
    again.stop().await;
}

#[tokio::test]
async fn a_restarted_relay_is_linked_again() {
    let mut net = Net::new(12, 2);
    let owner = Owner::new(1);
    let value = owner.value(1, b"here");
    assert_eq!(
        net.nodes[0].dht.put(owner.key(), value.clone()).await,
        Ok(2)
    );
    let key = net.nodes.remove(1).stop().await;
    let again = net.start(key, Arc::new(Signed), Store::in_memory());
    net.nodes.push(again);
    // Its address is new, its store empty.
    assert_eq!(
        net.nodes[1].dht.find(owner.key()).await,
        Ok(vec![value.clone()])
    );
    let newer = owner.value(2, b"newer");
    let mut copies = 0;
    for _ in 0..20 {
        copies = net.nodes[0]
            .dht
            .put(owner.key(), newer.clone())
            .await
            .unwrap();
        if copies == 2 {
            break;
        }
    }
    assert_eq!(copies, 2);
}

#[tokio::test]
async fn who_is_not_registered_is_neither_asked_nor_answered() {
    let mut net = Net::new(13, 6);
    let owner = Owner::new(1);
    let value = owner.value(1, b"here");
    net.nodes[0].dht.put(owner.key(), value).await.unwrap();
    net.add(Arc::new(Signed), Store::in_memory());
    let stranger = net.nodes.pop().unwrap();
    net.registry.remove(&stranger.id());
    let asked = |net: &Net| -> u64 { net.nodes.iter().map(|n| n.dht.stats().asked).sum() };
    let before = asked(&net);
    assert_eq!(stranger.dht.find(owner.key()).await, Ok(vec![]));
    assert_eq!(
        stranger.dht.put(owner.key(), owner.value(2, b"")).await,
        Ok(0)
    );
    assert_eq!(asked(&net), before);
    assert!(net.nodes.iter().all(|n| n.dht.stats().stored <= 1));
    // Nobody dials it, even if a snapshot from elsewhere says that it keeps values.
    net.keep(&[stranger.id()]);
    assert_eq!(net.nodes[1].dht.find(Owner::new(2).key()).await, Ok(vec![]));
    assert_eq!(stranger.dht.stats().asked, 0);
}

#[tokio::test]
async fn who_leaves_the_registry_loses_its_links() {
    let net = Net::new(14, 3);
    let owner = Owner::new(1);
    for node in &net.nodes {
        node.dht.find(owner.key()).await.unwrap();
    }
    eventually("all are linked", || net.nodes[0].dht.stats().links == 2).await;
    net.registry.remove(&net.nodes[2].id());
    let left = [net.nodes[0].id(), net.nodes[1].id()];
    net.keep(&left);
    eventually("one link is closed", || net.nodes[0].dht.stats().links == 1).await;
}

#[tokio::test]
async fn clients_never_reach_the_table() {
    let mut net = Net::new(15, 1);
    let address = net.registry.address_of(&net.nodes[0].id()).unwrap();
    let client = client(&mut net);
    let relay = net.nodes[0].id();
    let dialled = client.dial_protocol(Protocol::DHT, &relay, address).await;
    let closed = timeout(Duration::from_secs(5), dialled.unwrap().closed()).await;
    assert!(closed.is_ok(), "the link is closed");
    assert_eq!(net.nodes[0].dht.stats().links, 0);
}

fn client(net: &mut Net) -> llarp_core::link::Endpoint {
    use llarp_core::crypto::secret::Secret;
    use llarp_core::link::{Endpoint, EndpointConfig, Role};
    let seed = Secret::random(&mut net.rng);
    let config = EndpointConfig::new(Role::Client, super::support::network(), seed);
    Endpoint::bind(config, (core::net::Ipv4Addr::LOCALHOST, 0).into()).unwrap()
}

#[tokio::test]
async fn a_table_that_is_stopped_says_so() {
    let net = Net::new(16, 1);
    let Node { dht, .. } = &net.nodes[0];
    dht.stop().await;
    let stopped = Err(llarp_dht::DhtError::Stopped);
    assert_eq!(dht.find([1; 32]).await, stopped);
    dht.stop().await;
}

#[tokio::test]
async fn cells_and_the_table_share_the_socket_of_a_relay() {
    let mut net = Net::empty(17);
    for _ in 0..2 {
        let key = net.new_key();
        let node = net.start_relay(key);
        net.nodes.push(node);
    }
    net.all_keep();
    let owner = Owner::new(1);
    let value = owner.value(1, b"here");
    assert_eq!(
        net.nodes[0].dht.put(owner.key(), value.clone()).await,
        Ok(2)
    );
    assert_eq!(net.nodes[1].dht.find(owner.key()).await, Ok(vec![value]));
    let [one, two] = &net.nodes[..] else {
        panic!("two relays");
    };
    let address = net.registry.address_of(&two.id()).unwrap();
    let link = one.endpoint.dial(&two.id(), address).await.unwrap();
    assert_eq!(link.protocol(), Protocol::CELLS);
}
