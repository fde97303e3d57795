//! Who gets a link while others flood a relay with dials, and what becomes of dials that cross.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::sync::Arc;

use llarp_core::crypto::identity::SecretKey;
use llarp_core::crypto::secret::Secret;
use llarp_core::link::{Endpoint, EndpointConfig, Role};
use llarp_core::wire::limits;
use llarp_tests::figure;
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::testnet::{TestNet, network};
use quinn::TokioRuntime;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::logs::Lines;
use crate::raw::Raw;

/// A client at this address, with no relay in mind.
fn client_at(net: &TestNet, ip: Ipv4Addr) -> Endpoint {
    endpoint_at(net, ip, Role::Client)
}

fn endpoint_at(net: &TestNet, ip: Ipv4Addr, role: Role) -> Endpoint {
    let mut rng = ChaCha20Rng::seed_from_u64(u64::from(ip.to_bits()));
    let config = EndpointConfig::new(role, network(), Secret::random(&mut rng));
    let socket = net.net.socket((ip, 1090).into());
    Endpoint::with_socket(config, socket, Arc::new(TokioRuntime)).unwrap()
}

#[test]
fn a_flood_of_dials_from_one_network_keeps_nobody_else_from_linking() {
    virtual_time(1, async {
        let net = TestNet::new(1, Weather::FAIR, 1);
        let (relay, address) = (net.id(0), net.address(0));
        let mut floods = JoinSet::new();
        for last in 1..=60 {
            let endpoint = client_at(&net, Ipv4Addr::new(10, 9, 8, last));
            floods.spawn(async move {
                loop {
                    // Links that come about are dropped, so that only dials count.
                    drop(endpoint.dial(&relay, address).await);
                }
            });
        }
        let began = Instant::now();
        let mut honest = Vec::new();
        for n in 0..10 {
            sleep(Duration::from_millis(200)).await;
            let endpoint = client_at(&net, Ipv4Addr::new(10, 20 + n, 1, 1));
            let dialled = Instant::now();
            let link = endpoint.dial(&relay, address).await;
            assert!(dialled.elapsed() < Duration::from_secs(1));
            honest.push((link.unwrap(), endpoint));
        }
        let seconds = began.elapsed().as_secs_f64();
        floods.shutdown().await;
        let knocks = net.relay(0).unwrap().endpoint().knocks();
        figure(&format!("{knocks:?} in {seconds} s"));
        let pace =
            |at_once: u32, per_second: u32| f64::from(at_once) + seconds * f64::from(per_second);
        let most = pace(
            limits::HANDSHAKES_UNPROVEN_AT_ONCE,
            limits::HANDSHAKES_UNPROVEN_A_SECOND,
        ) + pace(
            limits::NETWORK_HANDSHAKES_AT_ONCE,
            limits::NETWORK_HANDSHAKES_A_SECOND,
        ) + 10.0;
        #[expect(clippy::cast_precision_loss, reason = "a count of a few hundred")]
        let welcomed = knocks.welcomed as f64;
        assert!(welcomed <= most, "{welcomed} of at most {most}");
        assert!(knocks.refused >= 300, "it was a flood: {knocks:?}");
        assert!(honest.iter().all(|(link, _)| link.close_reason().is_none()));
    });
}

#[test]
fn relays_that_dial_each_other_at_once_stay_linked_and_dial_no_more() {
    virtual_time(1, async {
        let net = TestNet::new(1, Weather::FAIR, 4);
        let mut left = Raw::client(&net, 0, 0).await;
        let mut right = Raw::client(&net, 1, 1).await;
        let links = || [0, 1].map(|n| net.relay(n).unwrap().stats().links);
        let knocks = || [0, 1].map(|n| net.relay(n).unwrap().endpoint().knocks().welcomed);
        // One client's path leads from relay 0 to 1, the other's from 1 to 0: both relays dial.
        let both = [[0, 1, 2], [1, 0, 3]];
        let (mut there, mut back) =
            tokio::join!(left.build(&net, &both[0]), right.build(&net, &both[1]));
        let (first_links, first_knocks) = (links(), knocks());
        // A client, two links with each other, and one to the path's last relay.
        assert_eq!((first_links, first_knocks), ([4, 4], [2, 2]));
        for _ in 0..20 {
            assert!(left.probe(&mut there, 2).await.is_some());
            assert!(right.probe(&mut back, 2).await.is_some());
            // 400 s in all: what nobody used would be closed, and no path is at its end.
            sleep(Duration::from_secs(20)).await;
            (there, back) = tokio::join!(left.build(&net, &both[0]), right.build(&net, &both[1]));
        }
        assert_eq!((links(), knocks()), (first_links, first_knocks));
    });
}

#[test]
fn links_log_no_address_and_no_relay_above_debug() {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        virtual_time(1, async {
            let mut net = TestNet::without_relays(1, Weather::ROUGH, 3);
            net.start(0);
            let (relay, address) = (net.id(0), net.address(0));
            let client = client_at(&net, Ipv4Addr::new(10, 9, 8, 1));
            // Another key, nobody there, and dials until they are refused.
            assert!(client.dial(&net.id(1), address).await.is_err());
            assert!(client.dial(&net.id(1), net.address(1)).await.is_err());
            let mut dials = JoinSet::new();
            for _ in 0..80 {
                let client = client.clone();
                dials.spawn(async move { client.dial(&relay, address).await.map(drop) });
            }
            let refused = dials.join_all().await.into_iter().filter(Result::is_err);
            assert!(refused.count() >= 20);
            sleep(Duration::from_secs(60)).await;
            // A relay that nobody knows, one with too many links, and noise.
            let key = Arc::new(SecretKey::generate(&mut ChaCha20Rng::seed_from_u64(5)));
            for (last, key) in (1..).zip([key, net.key(2)]) {
                let role = Role::Relay {
                    key,
                    known: Arc::new(net.list.clone()),
                };
                let endpoint = endpoint_at(&net, Ipv4Addr::new(10, 9, 7, last), role);
                let mut links = Vec::new();
                for _ in 0..4 {
                    links.push(endpoint.dial(&relay, address).await);
                    sleep(Duration::from_secs(1)).await;
                }
            }
            let link = client.dial(&relay, address).await.unwrap();
            for first in [0xc0, 0x40, 0xff] {
                let forged = (Ipv4Addr::new(10, 9, 6, 1), 1090).into();
                net.net.inject(forged, address, &[first; 1350]);
            }
            net.kill(0);
            link.closed().await;
            warn!("the last line");
        });
    });
    let said = lines.said().to_lowercase();
    assert!(said.contains("the last line"), "lines are seen");
    for secret in ["10.9.", "11.0.", "11.1.", "11.2.", "snode", "1090"] {
        assert!(!said.contains(secret), "{secret} is in:\n{said}");
    }
}
