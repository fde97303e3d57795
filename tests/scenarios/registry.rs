//! Clients learn the network from a signed registry and from each other's relays, without trusting
//! any single one.

use core::time::Duration;

use llarp_core::path::Want;
use llarp_core::registry::KeyEpoch;
use llarp_core::registry::directory::{Trust, What};
use llarp_core::store::Store;
use llarp_tests::figure;
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::registered::RegisteredNet;
use tokio::time::{Instant, sleep, timeout};

/// Waits until each relay has the documents of all.
async fn settled(net: &RegisteredNet) {
    let present = KeyEpoch::at(net.now());
    let knows_all = |n: usize| {
        net.view(n).read(|directory| {
            (0..net.len()).all(|other| {
                let has = |what| directory.name(what, &net.id(other)).is_some();
                has(What::Descriptors) && has(What::KeySets(present))
            })
        })
    };
    for _ in 0..600 {
        if (0..net.len()).all(|n| net.relay(n).is_none() || knows_all(n)) {
            return;
        }
        sleep(Duration::from_secs(1)).await;
    }
    panic!("not all relays know of all");
}

#[test]
fn relays_hear_of_each_other_within_seconds() {
    virtual_time(1, async {
        let net = RegisteredNet::new(1, Weather::FAIR, 30);
        let started = Instant::now();
        settled(&net).await;
        let took = started.elapsed();
        figure(&format!("30 relays know of each other after {took:?}"));
        assert!(took < Duration::from_secs(60), "{took:?}");
    });
}

#[test]
fn a_client_learns_the_network_from_three_contacts() {
    virtual_time(2, async {
        let mut net = RegisteredNet::new(2, Weather::FAIR, 15);
        settled(&net).await;
        let started = Instant::now();
        let (client, view) = net.client(0, Store::in_memory());
        timeout(Duration::from_secs(30), client.ready())
            .await
            .expect("the network is known");
        figure(&format!("known after {:?}", started.elapsed()));
        assert_eq!(view.relays(Trust::Accepted).len(), 15);
        let path = client.build(Want::Any).await.expect("a path");
        assert_eq!(path.hops().expose().len(), 3);
    });
}
