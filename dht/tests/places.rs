//! Publishing and finding, and where values come to lie.

use std::sync::Arc;

use bytes::Bytes;
use llarp_core::store::Store;
use llarp_dht::{DhtError, Invalid};

use super::support::{Net, Owner, Signed, eventually, now};

#[tokio::test]
async fn what_one_of_two_publishes_the_other_finds() {
    let net = Net::new(1, 2);
    let (owner, other) = (Owner::new(1), Owner::new(2));
    let value = owner.value(1, b"here");
    assert_eq!(
        net.nodes[0].dht.put(owner.key(), value.clone()).await,
        Ok(2)
    );
    assert_eq!(net.nodes[1].dht.find(owner.key()).await, Ok(vec![value]));
    assert_eq!(net.nodes[1].dht.find(other.key()).await, Ok(vec![]));
}

#[tokio::test]
async fn a_relay_alone_keeps_its_own() {
    let net = Net::new(2, 1);
    let owner = Owner::new(1);
    let value = owner.value(1, b"here");
    assert_eq!(
        net.nodes[0].dht.put(owner.key(), value.clone()).await,
        Ok(1)
    );
    assert_eq!(net.nodes[0].dht.find(owner.key()).await, Ok(vec![value]));
}

#[tokio::test]
async fn values_lie_at_the_eight_closest_and_everybody_finds_them() {
    let net = Net::new(3, 20);
    let owner = Owner::new(1);
    let value = owner.value(1, &[7; 4000]);
    let keepers = net.keepers(&owner.key());
    let publisher = net.outsider(&owner.key());
    assert_eq!(publisher.dht.put(owner.key(), value.clone()).await, Ok(8));
    for node in &net.nodes {
        let keeps = u64::from(keepers.contains(&node.id()));
        let holds = || node.dht.stats().records == keeps;
        eventually("eight keep it, and no others", holds).await;
        assert_eq!(node.dht.find(owner.key()).await, Ok(vec![value.clone()]));
    }
    // A keeper that publishes counts itself.
    let keeper = net.node(&keepers[3]);
    let newer = owner.value(2, b"newer");
    assert_eq!(keeper.dht.put(owner.key(), newer.clone()).await, Ok(8));
    assert_eq!(publisher.dht.find(owner.key()).await, Ok(vec![newer]));
}

#[tokio::test]
async fn an_older_value_is_refused_and_says_so() {
    let net = Net::new(4, 10);
    let owner = Owner::new(1);
    let newer = owner.value(2, b"newer");
    let dht = &net.outsider(&owner.key()).dht;
    assert_eq!(dht.put(owner.key(), newer.clone()).await, Ok(8));
    assert_eq!(dht.put(owner.key(), owner.value(1, b"older")).await, Ok(0));
    assert_eq!(dht.put(owner.key(), newer.clone()).await, Ok(8));
    assert_eq!(dht.find(owner.key()).await, Ok(vec![newer]));
}

#[tokio::test]
async fn what_no_relay_would_keep_is_not_sent() {
    let net = Net::new(5, 3);
    let (owner, other) = (Owner::new(1), Owner::new(2));
    let dht = &net.nodes[0].dht;
    let forged = Err(DhtError::Invalid(Invalid::Forged));
    assert_eq!(dht.put(owner.key(), other.value(1, b"")).await, forged);
    assert_eq!(dht.put(owner.key(), Bytes::new()).await, forged);
    assert_eq!(dht.put(owner.key(), vec![0; 17 << 10].into()).await, forged);
    let old = owner.value_until(1, now() - 1, b"");
    let late = Err(DhtError::Invalid(Invalid::NotNow));
    assert_eq!(dht.put(owner.key(), old).await, late);
    assert!(net.nodes.iter().all(|node| node.dht.stats().brought == 0));
}

#[tokio::test]
async fn the_young_find_and_are_given_nothing() {
    let mut net = Net::new(6, 12);
    net.add(Arc::new(Signed), Store::in_memory());
    let young = net.nodes.last().unwrap();
    for n in 0..10 {
        let owner = Owner::new(n);
        let value = owner.value(1, b"from the young");
        assert_eq!(young.dht.put(owner.key(), value.clone()).await, Ok(8));
        assert_eq!(young.dht.find(owner.key()).await, Ok(vec![value]));
    }
    let stats = young.dht.stats();
    assert_eq!((stats.stored, stats.asked, stats.brought), (0, 0, 0));
}
