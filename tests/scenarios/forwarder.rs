//! Links over real sockets and a bad road.

use core::time::Duration;
use std::net::Ipv4Addr;
use std::sync::Arc;

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{RelayId, SecretKey, Seed};
use llarp_core::crypto::secret::Secret;
use llarp_core::link::{Endpoint, EndpointConfig, Handlers, KnownRelays, Link, Protocol, Role};
use llarp_tests::forwarder::{Forwarder, Road};
use tokio::net::UdpSocket;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, timeout};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn endpoint(role: Role) -> Endpoint {
    let config = EndpointConfig::new(
        role,
        NetworkId::from_name("road"),
        Secret::take(&mut [5; 32]),
    );
    Endpoint::bind(config, (Ipv4Addr::LOCALHOST, 0).into()).unwrap()
}

#[derive(Debug)]
struct Nobody;

impl KnownRelays for Nobody {
    fn is_known(&self, _: &RelayId) -> bool {
        false
    }
}

#[test]
fn datagrams_come_late_and_in_order_or_not_at_all() {
    runtime().block_on(async {
        let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
        let (a, b) = (bind().await.unwrap(), bind().await.unwrap());
        let road = Road {
            latency: Duration::from_millis(30),
            lost_per_mille: 200,
        };
        let forwarder = Forwarder::start(b.local_addr().unwrap(), road, 1);
        let forwarder = forwarder.await.unwrap();
        let start = Instant::now();
        for n in 0..100 {
            a.send_to(&[n], forwarder.address()).await.unwrap();
        }
        let mut got = Vec::new();
        let mut buffer = [0; 10];
        while let Ok(received) = timeout(Duration::from_millis(200), b.recv_from(&mut buffer)).await
        {
            assert_eq!(received.unwrap().0, 1);
            assert!(start.elapsed() >= road.latency);
            got.push(buffer[0]);
        }
        assert!(got.is_sorted());
        // Four standard deviations.
        assert!((64..=96).contains(&got.len()), "{} of 100", got.len());
    });
}

#[test]
fn a_link_lives_on_a_bad_road() {
    runtime().block_on(async {
        let key = Arc::new(SecretKey::from_seed(Seed::new(Secret::take(&mut [9; 32]))));
        let id = key.relay_id();
        let known = Arc::new(Nobody);
        let relay = endpoint(Role::Relay { key, known });
        let echo = |link: Link| {
            tokio::spawn(async move {
                while let Ok(request) = link.next_request(10_000).await {
                    let body = request.body.clone();
                    let _ = request.respond(&body).await;
                }
            });
        };
        let handlers = Handlers::new().with(Protocol::CELLS, echo);
        relay.serve(handlers).unwrap();
        let road = Road {
            latency: Duration::from_millis(10),
            lost_per_mille: 50,
        };
        let forwarder = Forwarder::start(relay.local_addr().unwrap(), road, 2);
        let forwarder = forwarder.await.unwrap();
        let client = endpoint(Role::Client);
        let link = client.dial(&id, forwarder.address()).await.unwrap();
        for n in 0..5 {
            let body = vec![n; 5_000];
            assert_eq!(link.request(1, &body, 10_000).await.unwrap(), body);
        }
        assert!(link.rtt() >= Duration::from_millis(20), "{:?}", link.rtt());
    });
}
