//! Clients learn the network from a signed registry and from each other's relays, without trusting
//! any single one.

mod bootstrap;
mod disk;
mod forks;
mod lies;
mod log;
mod lost_keys;
mod marks;
mod reasons;
mod rollover;
mod slow;
mod snapshots;
mod spread;

use core::time::Duration;

use llarp_core::client::{Client, Path};
use llarp_core::directory::NetworkView;
use llarp_core::path::Want;
use llarp_core::registry::KeyEpoch;
use llarp_core::registry::directory::What;
use llarp_core::tunnel::{ServiceName, Tunnel};
use llarp_tests::figure;
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::registered::RegisteredNet;
use tokio::time::{Instant, sleep, timeout};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Waits until `done`, looking each `step`; how long that took.
async fn until(limit: Duration, step: Duration, mut done: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() <= limit, "not within {limit:?}");
        sleep(step).await;
    }
    started.elapsed()
}

/// Waits until each relay that runs has the documents of all that run.
async fn settled(net: &RegisteredNet) -> Duration {
    let running: Vec<_> = (0..net.len()).filter(|n| net.relay(*n).is_some()).collect();
    let knows_all = |n: usize| {
        let present = KeyEpoch::at(net.now());
        net.view(n).read(|directory| {
            running.iter().all(|other| {
                let has = |what| directory.name(what, &net.id(*other)).is_some();
                has(What::Descriptors) && has(What::KeySets(present))
            })
        })
    };
    let all = || running.iter().all(|n| knows_all(*n));
    until(10 * MINUTE, Duration::from_secs(1), all).await
}

/// The number of the newest snapshot of a view.
fn number(view: &NetworkView) -> Option<u64> {
    view.fit().ok().map(|snapshot| snapshot.number())
}

/// Says something to the end of the path, and hears it back.
async fn echo(tunnel: &Tunnel, said: &[u8]) {
    let service = ServiceName::new("echo/1").unwrap();
    let mut stream = tunnel.open_bi(&service).await.unwrap();
    stream.write_all(said).await.unwrap();
    stream.finish();
    let heard = stream.read_to_end(said.len()).await.unwrap();
    assert_eq!(heard, said);
}

/// Builds a path as wanted, and says something through it.
async fn talk(client: &Client, want: Want) -> Path {
    let path = client.build(want).await.unwrap();
    let tunnel = client.tunnel(&path).await.unwrap();
    echo(&tunnel, b"is anybody there?").await;
    path
}

#[test]
fn relays_hear_of_each_other_within_seconds() {
    virtual_time(1, async {
        let net = RegisteredNet::new(1, Weather::FAIR, 30);
        let took = settled(&net).await;
        figure(&format!("30 relays know of each other after {took:?}"));
        assert!(took < MINUTE, "{took:?}");
    });
}

/// Waits until a client knows the network.
async fn ready(client: &Client, limit: Duration) -> Duration {
    let started = Instant::now();
    let ready = timeout(limit, client.ready()).await;
    assert!(ready.is_ok(), "the network is not known after {limit:?}");
    started.elapsed()
}
