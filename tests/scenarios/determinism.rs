//! One seed makes one run: each datagram at the same microsecond, from the same source to the same
//! destination, of the same length.

use core::time::Duration;

use llarp_core::client::Client;
use llarp_core::path::Want;
use llarp_core::path::pool::{Isolation, Purpose};
use llarp_core::tunnel::{ServiceName, Tunnel};
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::testnet::TestNet;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::time::sleep;

const KEY: Isolation = Isolation {
    identity: 1,
    purpose: Purpose::Session,
};

/// Asks all hops of the client's best path, forever.
async fn chat(client: Client) {
    while let Ok(path) = client.path(KEY).await {
        for hop in 0..3 {
            let _ = path.probe(hop).await;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// A megabyte there and back; how much of it came, should the tunnel end before.
async fn echo(tunnel: Tunnel) -> usize {
    let name = ServiceName::new("echo/1").unwrap();
    let (mut receive, mut send) = split(tunnel.open_bi(&name).await.unwrap());
    let sending = tokio::spawn(async move {
        let _ = send.write_all(&[7; 1_000_000]).await;
        let _ = send.shutdown().await;
    });
    let mut heard = Vec::new();
    let _ = receive.read_to_end(&mut heard).await;
    sending.abort();
    heard.len()
}

/// Twelve relays, two clients that keep paths and use them, and one that sends a megabyte through a
/// tunnel, under which the middle relay dies, and comes back. The transcript, and what came.
fn run(seed: u64) -> ([u8; 32], usize) {
    virtual_time(seed, async {
        let mut net = TestNet::new(seed, Weather::ROUGH, 12);
        for n in 0..2 {
            let client = net.client(n);
            client.keep(KEY, Want::Any, 2);
            tokio::spawn(chat(client));
        }
        sleep(Duration::from_secs(5)).await;
        let third = net.client(2);
        let lasting = third.lasting_tunnel(net.id(7)).await.unwrap();
        let middle = net.number(&lasting.path().hops().expose()[1]);
        let echoing = tokio::spawn(echo(lasting.tunnel().clone()));
        sleep(Duration::from_millis(500)).await;
        assert!(!echoing.is_finished(), "killed in mid-stream");
        net.kill(middle);
        sleep(Duration::from_secs(15)).await;
        net.start(middle);
        let heard = echoing.await.unwrap();
        sleep(Duration::from_secs(5)).await;
        (net.net.transcript(), heard)
    })
}

#[test]
fn one_seed_makes_one_run_and_another_seed_another() {
    for seed in 0..4 {
        let first = run(seed);
        assert_eq!(first, run(seed), "seed {seed}");
        assert_ne!(first.0, run(seed + 100).0);
        assert_eq!(first.1, 1_000_000, "the echo of seed {seed}");
    }
}
