//! Relays that keep values and lie, fall silent, or flood.

use core::time::Duration;
use std::sync::{Arc, Mutex};

use llarp_core::crypto::hash::{hash, label};
use llarp_core::link::{Handlers, Link, Protocol};
use llarp_core::relay::Directory;
use llarp_core::store::Store;
use llarp_dht::{Invalid, Judged, Key, Order, Rules};
use tokio::time::{Instant, timeout};

use super::support::{Net, Owner, Signed, eventually, network};

/// Keeps the first value that it hears, whatever comes later.
struct Stale;

impl Rules for Stale {
    fn judge(&self, key: &Key, value: &[u8], unix: u64) -> Result<Judged, Invalid> {
        let judged = Signed.judge(key, value, unix)?;
        match judged.order.sequence {
            1 => Ok(judged),
            _ => Err(Invalid::NotNow),
        }
    }
}

/// Believes everything, and most of all what is signed by nobody.
struct Anything;

impl Rules for Anything {
    fn judge(&self, key: &Key, value: &[u8], unix: u64) -> Result<Judged, Invalid> {
        let signed = Signed.judge(key, value, unix).is_ok();
        let tie = hash(label::LINK_NETWORK, &network(), &[value]);
        Ok(Judged {
            order: Order {
                sequence: if signed { 0 } else { u64::MAX },
                tie,
            },
            expires: unix + 3600,
            owner: *key,
        })
    }
}

/// Eight keepers, of which six lie or fall silent, and a relay that searches.
struct Surrounded {
    net: Net,
    owner: Owner,
    silent: Arc<Mutex<Vec<Link>>>,
}

impl Surrounded {
    /// Two stale, two forging, two honest, two silent.
    async fn new(seed: u64) -> Self {
        let mut net = Net::empty(seed);
        let owner = Owner::new(seed);
        let silent: Arc<Mutex<Vec<Link>>> = Arc::default();
        for _ in 0..2 {
            net.add(Arc::new(Stale), Store::in_memory());
        }
        for _ in 0..2 {
            net.add(Arc::new(Anything), Store::in_memory());
        }
        for _ in 0..2 {
            net.add(Arc::new(Signed), Store::in_memory());
        }
        let mut keepers: Vec<_> = net.nodes.iter().map(|node| node.id()).collect();
        for _ in 0..2 {
            let key = net.new_key();
            let endpoint = net.endpoint(&key);
            net.registry
                .add(key.relay_id(), endpoint.local_addr().unwrap());
            let held = Arc::clone(&silent);
            let hold = move |link: Link| held.lock().unwrap().push(link);
            endpoint
                .serve(Handlers::new().with(Protocol::DHT, hold))
                .unwrap();
            keepers.push(key.relay_id());
        }
        assert_eq!(keepers.len(), 8);
        net.add(Arc::new(Signed), Store::in_memory());
        net.keep(&keepers);
        Self { net, owner, silent }
    }
}

#[tokio::test]
async fn the_newest_valid_value_is_found_among_liars() {
    let Surrounded { net, owner, silent } = Surrounded::new(30).await;
    let reader = net.nodes.last().unwrap();
    let first = owner.value(1, b"stale");
    // The silent never say that they keep it.
    let publisher = &net.nodes[4];
    assert_eq!(publisher.dht.put(owner.key(), first.clone()).await, Ok(6));
    // Forgers forge, and only forgers take it.
    let forged = vec![9; 300];
    assert_eq!(
        net.nodes[2].dht.put(owner.key(), forged.into()).await,
        Ok(2)
    );
    let newest = owner.value(2, b"newest");
    assert_eq!(publisher.dht.put(owner.key(), newest.clone()).await, Ok(2));
    let asked = Instant::now();
    let mut search = reader.dht.search(owner.key()).unwrap();
    let mut values = Vec::new();
    while let Some(value) = search.next().await {
        if values.is_empty() {
            // Whoever is silent holds up nobody's first value.
            assert!(asked.elapsed() < Duration::from_secs(1));
        }
        values.push(value);
    }
    assert!(asked.elapsed() < Duration::from_secs(4));
    assert_eq!(values.last(), Some(&newest));
    assert!(values.len() <= 2);
    assert!(reader.dht.stats().forged >= 1);
    assert!(!silent.lock().unwrap().is_empty());
}

#[tokio::test]
async fn who_brings_forged_values_is_sent_away_and_the_others_are_not() {
    let mut net = Net::new(31, 4);
    net.add(Arc::new(Anything), Store::in_memory());
    net.all_keep();
    let forger = net.nodes.last().unwrap();
    for n in 0..40 {
        let forged = vec![n; 200];
        let _ = forger.dht.put([n; 32], forged.into()).await;
    }
    eventually("it is sent away", || {
        net.nodes[..4].iter().all(|n| n.dht.stats().sent_away > 0)
    })
    .await;
    assert!(net.nodes[..4].iter().all(|n| n.dht.stats().stored == 0));
    let owner = Owner::new(1);
    let value = owner.value(1, b"honest");
    assert!(
        net.nodes[0]
            .dht
            .put(owner.key(), value.clone())
            .await
            .unwrap()
            >= 4
    );
    assert_eq!(net.nodes[1].dht.find(owner.key()).await, Ok(vec![value]));
}

#[tokio::test]
async fn a_flood_of_streams_ends_its_link_and_stops_nobody() {
    let mut net = Net::new(32, 4);
    let key = net.new_key();
    let flooder = net.endpoint(&key);
    net.registry
        .add(key.relay_id(), flooder.local_addr().unwrap());
    let target = net.nodes[0].id();
    let address = net.registry.address_of(&target).unwrap();
    let link = flooder.dial_protocol(Protocol::DHT, &target, address);
    let link = link.await.unwrap();
    let flood = async {
        let garbage = [0x13; 700];
        while let Ok((mut send, _recv)) = link.quic().open_bi().await {
            if send.write_all(&garbage).await.is_err() {
                break;
            }
        }
    };
    let owner = Owner::new(1);
    let value = owner.value(1, b"honest");
    let honest = async {
        let put = net.nodes[1].dht.put(owner.key(), value.clone()).await;
        assert_eq!(put, Ok(4));
        assert_eq!(net.nodes[2].dht.find(owner.key()).await, Ok(vec![value]));
    };
    let both = async { tokio::join!(flood, honest) };
    assert!(timeout(Duration::from_secs(30), both).await.is_ok());
    assert!(link.close_reason().is_some());
}

#[tokio::test]
async fn a_peer_that_stalls_within_its_question_does_not_keep_its_link() {
    let mut net = Net::new(33, 1);
    let key = net.new_key();
    let staller = net.endpoint(&key);
    net.registry
        .add(key.relay_id(), staller.local_addr().unwrap());
    let target = net.nodes[0].id();
    let address = net.registry.address_of(&target).unwrap();
    let link = staller.dial_protocol(Protocol::DHT, &target, address);
    let link = link.await.unwrap();
    let begun = Instant::now();
    let (mut send, mut recv) = link.quic().open_bi().await.unwrap();
    // The names, and the first bytes of a message of forty.
    let names = b"\x13/multistream/1.0.0\n\x0d/llarp/kad/1\n";
    let begins = [&names[..], &[40, 8, 1, 18]].concat();
    send.write_all(&begins).await.unwrap();
    let mut answer = Vec::new();
    let ended = async {
        while let Ok(Some(chunk)) = recv.read_chunk(1000, true).await {
            answer.extend_from_slice(&chunk.bytes);
        }
    };
    assert!(timeout(Duration::from_secs(15), ended).await.is_ok());
    assert!(begun.elapsed() < Duration::from_secs(12));
}
