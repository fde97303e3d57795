//! One seed makes one run: each datagram at the same microsecond, from the same source to the same
//! destination, of the same length.

use core::time::Duration;

use llarp_core::client::Client;
use llarp_core::path::Want;
use llarp_core::path::pool::{Isolation, Purpose};
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::testnet::TestNet;
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

/// Twelve relays, two clients that keep paths and use them, one relay that dies and comes back.
fn run(seed: u64) -> [u8; 32] {
    virtual_time(seed, async {
        let mut net = TestNet::new(seed, Weather::ROUGH, 12);
        for n in 0..2 {
            let client = net.client(n);
            client.keep(KEY, Want::Any, 2);
            tokio::spawn(chat(client));
        }
        let third = net.client(2);
        let path = third.build(Want::Any).await.unwrap();
        sleep(Duration::from_secs(5)).await;
        let middle = net.number(&path.hops().expose()[1]);
        net.kill(middle);
        sleep(Duration::from_secs(10)).await;
        net.start(middle);
        sleep(Duration::from_secs(15)).await;
        net.net.transcript()
    })
}

#[test]
fn one_seed_makes_one_run_and_another_seed_another() {
    for seed in 0..4 {
        let first = run(seed);
        assert_eq!(first, run(seed), "seed {seed}");
        assert_ne!(first, run(seed + 100));
    }
}
