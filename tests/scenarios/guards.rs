//! Guards that cannot be reached, and clients that leave and come back.

use core::time::Duration;
use std::collections::BTreeSet;

use llarp_core::client::{Client, Path, PathEnd, PathError};
use llarp_core::path::pool::{Isolation, Purpose};
use llarp_core::path::{Seconds, Want};
use llarp_core::store::{Store, TableId};
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::testnet::{TestNet, client_address};
use tokio::time::{Instant, sleep, timeout};

const KEY: Isolation = Isolation {
    identity: 1,
    purpose: Purpose::Session,
};

fn guards(client: &Client, net: &TestNet) -> Vec<usize> {
    let now = Seconds(net.clock.unix().as_secs());
    let guards = client.profile().guards_in_use(&net.list, now);
    guards.iter().map(|guard| net.number(guard)).collect()
}

fn guard_of(path: &Path, net: &TestNet) -> usize {
    net.number(&path.hops().expose()[0])
}

async fn build_many(client: &Client, net: &TestNet, count: usize) -> BTreeSet<usize> {
    let mut used = BTreeSet::new();
    for _ in 0..count {
        let path = client.build(Want::Any).await.unwrap();
        used.insert(guard_of(&path, net));
    }
    used
}

/// Datagrams that the client with number `n` has sent.
fn sent_by(net: &TestNet, n: usize) -> u64 {
    let counts = net.net.counts();
    let own = counts
        .iter()
        .filter(|((from, _), _)| *from == client_address(n));
    own.map(|(_, count)| count.datagrams).sum()
}

#[test]
fn an_unreachable_guard_gives_way_to_the_next_and_comes_back() {
    for seed in 0..5 {
        virtual_time(seed, async {
            let mut net = TestNet::new(seed, Weather::FAIR, 12);
            let client = net.client(0);
            let before = guards(&client, &net);
            net.net.cut_pair(client_address(0), net.address(before[0]));
            for _ in 0..10 {
                let started = Instant::now();
                let path = client.build(Want::Any).await.unwrap();
                assert_ne!(guard_of(&path, &net), before[0]);
                // Another guard's try joins in after a second, and all links are new.
                let took = started.elapsed();
                assert!(took <= Duration::from_millis(2500), "seed {seed}: {took:?}");
            }
            sleep(Duration::from_secs(10)).await;
            let meanwhile = guards(&client, &net);
            assert_eq!(meanwhile[0], before[1], "the order stays");
            net.net.heal();
            sleep(Duration::from_secs(60)).await;
            assert_eq!(guards(&client, &net), before, "seed {seed}");
            let used = build_many(&client, &net, 20).await;
            assert_eq!(used, before.into_iter().collect(), "seed {seed}");
        });
    }
}

#[test]
fn what_a_client_learned_in_its_last_seconds_is_on_its_disk() {
    for is_suspended in [true, false] {
        virtual_time(1, async {
            let mut net = TestNet::new(1, Weather::FAIR, 12);
            let store = Store::in_memory();
            let client = net.client_with(0, store.clone(), net.clock);
            let on_disk = || store.get(TableId("client"), b"profile").unwrap();
            sleep(Duration::from_secs(1)).await;
            let first = net.address(guards(&client, &net)[0]);
            net.net.cut_pair(client_address(0), first);
            build_many(&client, &net, 10).await;
            sleep(Duration::from_secs(10)).await;
            let learned = Some(client.profile().encode());
            assert_ne!(on_disk(), learned, "the guard's failure is news");
            let client = Some(client).filter(|_| is_suspended);
            client.iter().for_each(Client::suspend);
            assert_eq!(on_disk(), learned, "suspended: {is_suspended}");
        });
    }
}

#[test]
fn a_guard_that_dies_under_a_path_costs_five_seconds() {
    for seed in 0..10 {
        virtual_time(seed, async {
            let mut net = TestNet::new(seed, Weather::FAIR, 12);
            let client = net.client(0);
            client.keep(KEY, Want::Any, 1);
            let path = client.path(KEY).await.unwrap();
            let guard = guard_of(&path, &net);
            let traffic = path.clone();
            tokio::spawn(async move {
                while traffic.end().is_none() {
                    let _ = timeout(Duration::from_millis(100), traffic.probe(2)).await;
                }
            });
            sleep(Duration::from_secs(1)).await;
            net.net.cut(net.address(guard));
            let cut = Instant::now();
            assert_eq!(path.ended().await, PathEnd::Dead { hop: 0 }, "seed {seed}");
            let other = client.path(KEY).await.unwrap();
            let took = cut.elapsed();
            assert!(took <= Duration::from_secs(8), "seed {seed}: {took:?}");
            assert_ne!(guard_of(&other, &net), guard);
            other.probe(2).await.unwrap();
        });
    }
}

#[test]
fn a_client_without_any_guard_is_told_what_to_do() {
    virtual_time(1, async {
        let mut net = TestNet::new(1, Weather::FAIR, 12);
        let client = net.client(0);
        for n in 0..net.len() {
            net.net.cut(net.address(n));
        }
        let started = Instant::now();
        let error = client.build(Want::Any).await.unwrap_err();
        assert!(started.elapsed() <= Duration::from_secs(61));
        let said = error.to_string();
        assert!(said.contains("is the network down?"), "{said}");
        net.net.heal();
        client.network_changed().await;
        client.build(Want::Any).await.unwrap();
        assert!(started.elapsed() <= Duration::from_secs(63));
    });
}

#[test]
fn a_suspended_client_sends_nothing_until_it_is_resumed() {
    for seed in 0..5 {
        virtual_time(seed, async {
            let mut net = TestNet::new(seed, Weather::FAIR, 12);
            let client = net.client(0);
            client.keep(KEY, Want::Any, 2);
            let path = client.path(KEY).await.unwrap();
            // Others are under way.
            for wait in 0..20 {
                let building = client.clone();
                tokio::spawn(async move {
                    sleep(Duration::from_millis(10 * wait)).await;
                    building.build(Want::Any).await
                });
            }
            sleep(Duration::from_millis(150)).await;
            client.suspend();
            assert_eq!(path.ended().await, PathEnd::Left);
            let refused = client.build(Want::Any).await;
            assert!(matches!(refused, Err(PathError::Suspended)));
            assert!(matches!(client.path(KEY).await, Err(PathError::Suspended)));
            sleep(Duration::from_secs(5)).await;
            let sent = sent_by(&net, 0);
            sleep(Duration::from_secs(300)).await;
            assert_eq!(sent_by(&net, 0), sent, "seed {seed}");
            client.resume();
            let back = timeout(Duration::from_secs(2), client.path(KEY)).await;
            back.unwrap().unwrap().probe(2).await.unwrap();
        });
    }
}

#[test]
fn a_changed_network_ends_paths_and_links_and_makes_new_ones() {
    for seed in 0..5 {
        virtual_time(seed, async {
            let mut net = TestNet::new(seed, Weather::FAIR, 12);
            let client = net.client(0);
            let before = guards(&client, &net);
            net.net.cut_pair(client_address(0), net.address(before[0]));
            client.keep(KEY, Want::Any, 2);
            let path = client.path(KEY).await.unwrap();
            build_many(&client, &net, 5).await;
            sleep(Duration::from_secs(12)).await;
            assert_ne!(guards(&client, &net)[0], before[0], "it is down");
            net.net.heal();
            client.network_changed().await;
            assert_eq!(guards(&client, &net), before, "tried again at once");
            assert_eq!(path.ended().await, PathEnd::Left);
            let back = timeout(Duration::from_secs(2), client.path(KEY)).await;
            back.unwrap().unwrap().probe(2).await.unwrap();
        });
    }
}

#[test]
fn a_client_that_was_restarted_has_its_guards_again() {
    virtual_time(9, async {
        let mut net = TestNet::new(9, Weather::FAIR, 40);
        let store = Store::in_memory();
        let now = Seconds(net.clock.unix().as_secs());
        let client = net.client_with(0, store.clone(), net.clock);
        let before = client.profile().guards_in_use(&net.list, now);
        sleep(Duration::from_secs(1)).await;
        drop(client);
        net.net.kill(client_address(0));
        let again = net.client_with(0, store, net.clock);
        assert_eq!(again.profile().guards_in_use(&net.list, now), before);
        again.build(Want::Any).await.unwrap();
        net.net.kill(client_address(0));
        let stranger = net.client(1);
        assert_ne!(stranger.profile().guards_in_use(&net.list, now), before);
    });
}
