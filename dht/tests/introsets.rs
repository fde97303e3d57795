//! Introsets in the table: the contract that every store of them keeps to, and storers that die.

use std::sync::Arc;

use llarp_core::crypto::pow::Effort;
use llarp_core::store::Store;
use llarp_core::storer::IntrosetStore;
use llarp_dht::{IntrosetRules, IntrosetTable, Invalid, Rules};
use llarp_tests::introsets::BEACONS;
use llarp_tests::store_contract::{a_record, keeps_to_its_contract};

use super::support::{Net, network, now};

fn rules(least: u32) -> Arc<IntrosetRules> {
    Arc::new(IntrosetRules {
        network: network(),
        beacons: Arc::new(BEACONS),
        least: Effort::new(least).unwrap(),
    })
}

fn net(seed: u64, count: usize) -> Net {
    let mut net = Net::empty(seed);
    for _ in 0..count {
        net.add(rules(1), Store::in_memory());
    }
    net.all_keep();
    net
}

fn table(net: &Net, n: usize) -> Arc<dyn IntrosetStore> {
    Arc::new(IntrosetTable::new(net.nodes[n].dht.clone()))
}

#[tokio::test]
async fn the_table_keeps_to_the_contract() {
    let net = net(20, 12);
    keeps_to_its_contract(table(&net, 0), now(), 1).await;
}

#[tokio::test]
async fn what_one_relay_stores_another_finds_when_a_third_of_all_are_dead() {
    let net = net(21, 21);
    let records: Vec<_> = (0..8).map(|seed| a_record(seed, now())).collect();
    for (at, record) in &records {
        table(&net, 0).put(*at, record.clone()).await.unwrap();
    }
    for node in &net.nodes[14..] {
        node.kill();
    }
    for (at, record) in &records {
        let found = table(&net, 1).find(*at).await.unwrap();
        assert_eq!(found.first(), Some(record.get()));
    }
}

#[tokio::test]
async fn forged_and_untimely_introsets_are_told_apart() {
    let (at, record) = a_record(1, now());
    let (at, bytes) = (at.0, record.get().as_bytes());
    let rules = rules(1);
    assert!(rules.judge(&at, bytes, now()).is_ok());
    let day = 24 * 3600;
    for when in [now() - 3 * day, now() + 3 * day] {
        assert_eq!(rules.judge(&at, bytes, when), Err(Invalid::NotNow));
    }
    // Under another beacon it may lie elsewhere; at a busier storer it would cost more.
    assert_eq!(rules.judge(&[9; 32], bytes, now()), Err(Invalid::NotNow));
    let dear = self::rules(u32::MAX);
    assert_eq!(dear.judge(&at, bytes, now()), Err(Invalid::NotNow));
    let mut changed = bytes.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(rules.judge(&at, &changed, now()), Err(Invalid::Forged));
    assert_eq!(rules.judge(&at, &bytes[1..], now()), Err(Invalid::Forged));
}
