//! Far more builds than a relay starts.
//!
//! Delays are those of queues: in virtual time computing takes none, and what a build costs is
//! measured elsewhere.

use core::time::Duration;
use std::sync::Arc;

use llarp_core::hop::message::KIND_BUILD;
use llarp_core::link::Link;
use llarp_core::wire::limits::{BUILD_REPLY_LEN, BUILD_REQUEST_LEN, REQUESTS_OPEN};
use llarp_tests::figure;
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::testnet::TestNet;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::raw::{Raw, RawPath};

const BAR: Duration = Duration::from_millis(20);

async fn median_probe(chat: &Raw, path: &mut RawPath, probes: usize) -> Duration {
    let mut delays = Vec::new();
    for _ in 0..probes {
        delays.push(chat.probe(path, 2).await.unwrap());
        sleep(Duration::from_millis(7)).await;
    }
    delays.sort_unstable();
    delays[probes / 2]
}

/// Asks for builds over `link`, as many at a time as it takes, forever: each request of `builds`
/// once, then the last of them, which are repetitions, and random bytes.
async fn flood(link: Link, builds: Arc<Vec<Vec<u8>>>) {
    let mut asking = JoinSet::new();
    for worker in 0..REQUESTS_OPEN as usize {
        let (link, builds) = (link.clone(), Arc::clone(&builds));
        asking.spawn(async move {
            let own = builds.iter().skip(worker).step_by(REQUESTS_OPEN as usize);
            for request in own.chain(core::iter::repeat(&builds[worker])) {
                let _ = link.request(KIND_BUILD, request, BUILD_REPLY_LEN).await;
            }
        });
    }
    asking.join_all().await;
}

/// One-hop builds that would be carried out, and as many that would not.
fn builds(net: &TestNet, raw: &mut Raw, at: usize) -> Arc<Vec<Vec<u8>>> {
    let valid: Vec<_> = (0..200).map(|_| raw.request(net, &[at]).0).collect();
    let noise = (0..200).map(|_| {
        let mut bytes = raw.noise(BUILD_REQUEST_LEN);
        bytes[0] = valid[0][0];
        bytes
    });
    let noise: Vec<_> = noise.collect();
    let both = valid.iter().zip(&noise);
    Arc::new(both.flat_map(|(a, b)| [a.clone(), b.clone()]).collect())
}

#[test]
fn a_flood_of_builds_by_clients_delays_no_chat_and_is_forgotten() {
    virtual_time(1, async {
        let net = TestNet::new(1, Weather::FAIR, 3);
        let mut chat = Raw::client(&net, 0, 0).await;
        let mut path = chat.build(&net, &[0, 1, 2]).await;
        let idle = median_probe(&chat, &mut path, 50).await;
        let mut floods = JoinSet::new();
        let mut hostile = Vec::new();
        for n in 1..=5 {
            let mut raw = Raw::client(&net, n, 0).await;
            floods.spawn(flood(raw.link.clone(), builds(&net, &mut raw, 0)));
            hostile.push(raw);
        }
        let loaded = median_probe(&chat, &mut path, 40).await;
        assert!(loaded <= idle + BAR, "{idle:?} idle, {loaded:?} under load");
        let stats = net.relay(0).unwrap().stats();
        figure(&format!("{idle:?} idle, {loaded:?} under load, {stats:?}"));
        assert!(stats.shed >= 1_000, "{stats:?}");
        assert!(stats.refused >= 300, "noise and repetitions: {stats:?}");
        // An honest client is let in meanwhile.
        let mut other = Raw::client(&net, 9, 0).await;
        let mut others = other.build(&net, &[0, 1, 2]).await;
        assert!(other.probe(&mut others, 2).await.is_some());
        floods.shutdown().await;
        drop(hostile);
        sleep(Duration::from_secs(3)).await;
        let stats = net.relay(0).unwrap().stats();
        assert_eq!((stats.paths, stats.queued), (2, 0), "{stats:?}");
        let after = median_probe(&chat, &mut path, 20).await;
        assert!(after <= idle + Duration::from_millis(1), "{after:?}");
    });
}

#[test]
fn a_flood_of_builds_by_a_relay_delays_no_chat_and_stops_no_build() {
    virtual_time(1, async {
        let mut net = TestNet::without_relays(1, Weather::FAIR, 4);
        (0..3).for_each(|n| net.start(n));
        let mut chat = Raw::client(&net, 0, 0).await;
        let mut path = chat.build(&net, &[0, 1, 2]).await;
        let idle = median_probe(&chat, &mut path, 50).await;
        // The hostile relay asks the middle one for paths.
        let mut hostile = Raw::relay(&net, 3, 1).await;
        let mut floods = JoinSet::new();
        floods.spawn(flood(hostile.link.clone(), builds(&net, &mut hostile, 1)));
        let loaded = median_probe(&chat, &mut path, 40).await;
        assert!(loaded <= idle + BAR, "{idle:?} idle, {loaded:?} under load");
        for _ in 0..20 {
            let mut other = chat.build(&net, &[0, 1, 2]).await;
            assert!(chat.probe(&mut other, 2).await.is_some());
        }
        let stats = net.relay(1).unwrap().stats();
        figure(&format!("{idle:?} idle, {loaded:?} under load, {stats:?}"));
        assert!(stats.shed >= 500, "{stats:?}");
        floods.shutdown().await;
        drop(hostile);
        sleep(Duration::from_secs(3)).await;
        assert_eq!(net.relay(1).unwrap().stats().paths, 21);
    });
}
