//! Links over which no datagram of more than 1200 bytes comes through.

use core::time::Duration;

use llarp_core::path::Want;
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::testnet::{TestNet, client_address};
use tokio::time::Instant;

use crate::raw::Raw;

const NARROW: Weather = Weather {
    largest: 1200,
    ..Weather::FAIR
};

#[test]
fn a_client_behind_a_narrow_link_builds_and_probes() {
    virtual_time(1, async {
        let mut net = TestNet::new(1, Weather::FAIR, 12);
        for n in 0..net.len() {
            net.net
                .set_weather(client_address(0), net.address(n), NARROW);
        }
        let client = net.client(0);
        let started = Instant::now();
        let first = client.build(Want::Any).await.unwrap();
        // Three seconds of silence tell that the link is narrow.
        assert!(started.elapsed() <= Duration::from_secs(4));
        let lost: u64 = net.net.counts().values().map(|count| count.lost).sum();
        assert!(lost > 0, "it was tried with wide packets first");
        for _ in 0..50 {
            for hop in 0..3 {
                let rtt = first.probe(hop).await.unwrap();
                assert!(rtt <= Duration::from_millis(150), "hop {hop}: {rtt:?}");
            }
        }
        for _ in 0..10 {
            let path = client.build(Want::Any).await.unwrap();
            path.probe(2).await.unwrap();
        }
        // A path ends, and the link is still that link.
        drop(first);
    });
}

#[test]
fn a_narrow_link_between_relays_carries_the_paths_of_wide_clients() {
    for narrow in [[0, 1], [1, 2]] {
        virtual_time(1, async {
            let net = TestNet::new(1, Weather::FAIR, 3);
            let [a, b] = narrow.map(|n| net.address(n));
            net.net.set_weather(a, b, NARROW);
            let mut client = Raw::client(&net, 0, 0).await;
            let mut path = client.build(&net, &[0, 1, 2]).await;
            for _ in 0..50 {
                for hop in 0..3 {
                    let rtt = client.probe(&mut path, hop).await.unwrap();
                    assert!(rtt <= Duration::from_millis(150), "hop {hop}: {rtt:?}");
                }
            }
            let dropped = |n| net.relay(n).unwrap().stats().dropped;
            assert_eq!([0, 1, 2].map(dropped), [0; 3]);
        });
    }
}

#[test]
fn a_client_finds_its_way_where_all_relays_are_linked_narrowly() {
    virtual_time(1, async {
        let mut net = TestNet::new(1, Weather::FAIR, 12);
        for a in 0..net.len() {
            for b in 0..a {
                net.net.set_weather(net.address(a), net.address(b), NARROW);
            }
        }
        let client = net.client(0);
        let started = Instant::now();
        let path = client.build(Want::Any).await.unwrap();
        // Two narrow dials, one after the other, are more than one build waits for.
        assert!(started.elapsed() <= Duration::from_secs(15));
        path.probe(2).await.unwrap();
    });
}
