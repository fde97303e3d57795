//! Paths of real clients over real relays: built, watched over, replaced.

use core::time::Duration;

use llarp_core::client::PathEnd;
use llarp_core::path::Want;
use llarp_core::path::pool::{Isolation, Purpose};
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::testnet::TestNet;
use tokio::time::{Instant, sleep};

const KEY: Isolation = Isolation {
    identity: 1,
    purpose: Purpose::Session,
};

#[test]
fn a_path_over_three_relays_takes_one_round_trip_and_each_hop_answers() {
    virtual_time(1, async {
        let mut net = TestNet::new(1, Weather::FAIR, 12);
        let client = net.client(0);
        let first = client.build(Want::Any).await.unwrap();
        let started = Instant::now();
        let path = client.build(Want::Any).await.unwrap();
        // Six links of 20 ms, and a handshake of a link where there was none yet.
        assert!(
            started.elapsed() <= Duration::from_millis(400),
            "{:?}",
            started.elapsed()
        );
        assert_eq!(path.hops().expose().len(), 3);
        for hop in 0..3 {
            let rtt = path.probe(hop).await.unwrap();
            let links = u32::try_from(hop).unwrap() + 1;
            let there_and_back = Duration::from_millis(40) * links;
            assert!(
                rtt >= there_and_back && rtt <= there_and_back + Duration::from_millis(15),
                "hop {hop}: {rtt:?}"
            );
        }
        drop(first);
    });
}

/// Found in networks of twelve: one build of twelve to a given relay was declined by the second hop, which
/// was charged for it together with the guard.
#[test]
fn a_path_that_ends_at_its_own_guard_is_refused_by_nobody() {
    for seed in 0..4 {
        virtual_time(seed, async {
            let mut net = TestNet::new(seed, Weather::FAIR, 12);
            let client = net.client(0);
            let guard = client.build(Want::Any).await.unwrap().hops().expose()[0];
            let mut at_both_ends = 0;
            for _ in 0..10 {
                let path = client.build(Want::Terminal(guard)).await.unwrap();
                let hops = path.hops().expose().to_vec();
                assert_eq!((hops.len(), hops[2]), (3, guard));
                at_both_ends += usize::from(hops[0] == guard);
                path.probe(2).await.unwrap();
            }
            assert!(at_both_ends > 0);
            let refused = (0..12).map(|n| net.relay(n).unwrap().stats().refused);
            assert_eq!(refused.sum::<u64>(), 0, "seed {seed}");
        });
    }
}

#[test]
fn a_dead_middle_relay_is_noticed_and_replaced_within_five_seconds() {
    for seed in 0..10 {
        virtual_time(seed, async {
            let mut net = TestNet::new(seed, Weather::FAIR, 20);
            let client = net.client(0);
            client.keep(KEY, Want::Any, 1);
            let path = client.path(KEY).await.unwrap();
            let middle = net.number(&path.hops().expose()[1]);
            let traffic = path.clone();
            let asking = tokio::spawn(async move {
                while traffic.end().is_none() {
                    let _ = traffic.probe(2).await;
                    sleep(Duration::from_millis(100)).await;
                }
            });
            sleep(Duration::from_secs(1)).await;
            net.kill(middle);
            let killed = Instant::now();
            let end = path.ended().await;
            assert_eq!(end, PathEnd::Dead { hop: 1 }, "seed {seed}");
            let other = client.path(KEY).await.unwrap();
            assert!(
                killed.elapsed() <= Duration::from_secs(5),
                "seed {seed}: {:?}",
                killed.elapsed()
            );
            other.probe(2).await.unwrap();
            assert!(!other.hops().expose().contains(&net.id(middle)));
            asking.await.unwrap();
        });
    }
}
