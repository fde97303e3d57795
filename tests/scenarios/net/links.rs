//! Links over the network: they live with its weather, and one seed makes one run.

use core::time::Duration;

use bytes::Bytes;
use llarp_core::link::{DialError, Endpoint, Link, LinkClosed};
use llarp_core::wire::limits::{CELL_LEN, REQUEST_MAX};
use llarp_tests::net::{Bandwidth, Net, Weather, virtual_time};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::parties::{at, client, id, relay, serve};

const RELAYS: u8 = 3;
const CLIENTS: u8 = 5;

/// Sends back all cells and requests.
async fn echo(link: Link) {
    let requests = link.clone();
    let answers = tokio::spawn(async move {
        while let Ok(request) = requests.next_request(REQUEST_MAX).await {
            let body = request.body.clone();
            let _ = request.respond(&body).await;
        }
    });
    while let Ok(cell) = link.recv_cell().await {
        let _ = link.send_cell_wait(cell).await;
    }
    let _ = answers.await;
}

fn start(net: &Net) -> Vec<Endpoint> {
    let relays: Vec<_> = (1..=RELAYS).map(|n| relay(net, n, at(n))).collect();
    for relay in &relays {
        let mut accepted = serve(relay);
        tokio::spawn(async move {
            while let Some(link) = accepted.recv().await {
                tokio::spawn(echo(link));
            }
        });
    }
    relays
}

/// What one client does; how many cells came back.
async fn errand(endpoint: Endpoint, seed: u64) -> usize {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let to = u8::try_from(1 + rng.next_u32() % u32::from(RELAYS)).unwrap();
    let link = endpoint.dial(&id(to), at(to)).await.unwrap();
    let back = link.clone();
    let returned = tokio::spawn(async move {
        let mut count = 0;
        while let Ok(Ok(_)) = timeout(Duration::from_secs(3), back.recv_cell()).await {
            count += 1;
        }
        count
    });
    for _ in 0..300 {
        let mut cell = vec![0; CELL_LEN];
        rng.fill_bytes(&mut cell);
        link.send_cell_wait(cell.into()).await.unwrap();
        if rng.next_u32().is_multiple_of(16) {
            sleep(Duration::from_millis(u64::from(rng.next_u32() % 50))).await;
            let body = vec![7; 1 + usize::try_from(rng.next_u32() % 20_000).unwrap()];
            assert_eq!(link.request(1, &body, REQUEST_MAX).await.unwrap(), body);
        }
    }
    returned.await.unwrap()
}

/// Transcript, cells that came back, and when all was done.
fn run(seed: u64, weather: Weather) -> ([u8; 32], Vec<usize>, Duration) {
    virtual_time(seed, async {
        let net = Net::new(seed, weather);
        let _relays = start(&net);
        let errands: JoinSet<_> = (0..CLIENTS)
            .map(|n| errand(client(&net, 100 + n), u64::from(n)))
            .collect();
        let returned = errands.join_all().await;
        (net.transcript(), returned, net.elapsed())
    })
}

#[test]
fn one_seed_makes_one_run() {
    let slow = Weather {
        bandwidth: Some(Bandwidth {
            bytes_per_second: 500_000,
            queue: 60_000,
        }),
        ..Weather::ROUGH
    };
    for weather in [Weather::ROUGH, slow] {
        let first = run(5, weather);
        for _ in 0..2 {
            assert_eq!(run(5, weather), first);
        }
        assert_ne!(run(6, weather).0, first.0);
        let returned: usize = first.1.iter().sum();
        assert!(returned > 1000, "{returned} of 1500 cells came back");
        assert!(returned < 1500, "some are lost");
    }
}

#[test]
fn a_link_over_a_fair_net_loses_nothing() {
    let (_, returned, _) = run(1, Weather::FAIR);
    assert_eq!(returned, [300; CLIENTS as usize]);
}

#[test]
fn a_relay_that_fell_over_comes_back_at_its_address() {
    virtual_time(1, async {
        let net = Net::new(1, Weather::FAIR);
        let first = relay(&net, 1, at(1));
        let mut accepted = serve(&first);
        let client = client(&net, 100);
        let link = client.dial(&id(1), at(1)).await.unwrap();
        accepted.recv().await.unwrap();
        net.kill(at(1));
        let second = relay(&net, 1, at(1));
        let mut accepted = serve(&second);
        link.send_cell(Bytes::from(vec![0; CELL_LEN])).unwrap();
        assert_eq!(link.closed().await, LinkClosed::Reset);
        let link = client.dial(&id(1), at(1)).await.unwrap();
        let other = accepted.recv().await.unwrap();
        link.send_cell(Bytes::from(vec![3; CELL_LEN])).unwrap();
        assert_eq!(other.recv_cell().await.unwrap(), vec![3; CELL_LEN]);
    });
}

#[test]
fn nobody_is_dialled_across_a_partition() {
    virtual_time(1, async {
        let net = Net::new(1, Weather::FAIR);
        let _relays = start(&net);
        let client = client(&net, 100);
        net.partition(&[&[at(1)], &[at(2), at(100)]]);
        assert!(client.dial(&id(2), at(2)).await.is_ok());
        let error = client.dial(&id(1), at(1)).await.unwrap_err();
        assert_eq!(error, DialError::NoAnswer);
        net.heal();
        assert!(client.dial(&id(1), at(1)).await.is_ok());
    });
}
