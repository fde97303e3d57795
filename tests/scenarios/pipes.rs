//! One link that fills a pipe: how much it carries, how much it loses, how long it makes others wait.

use core::time::Duration;

use llarp_core::cell::Command;
use llarp_tests::net::{Bandwidth, Weather, virtual_time};
use llarp_tests::testnet::{TestNet, client_address};
use tokio::time::{Instant, sleep, timeout};

use crate::raw::Raw;

/// What a full pipe carried.
struct Carried {
    /// Bytes a second that arrived.
    rate: u64,
    /// Of a thousand datagrams, how many were lost.
    lost_per_mille: u64,
}

/// A client that always has cells for relay 0, over a pipe of so many bytes a second with a queue of
/// half of what is under way: ten seconds, after two of which the start is over.
fn full(bytes_per_second: u64, latency: Duration, lost_per_mille: u32) -> Carried {
    virtual_time(1, async {
        let net = TestNet::new(1, Weather::FAIR, 3);
        let (from, to) = (client_address(0), net.address(0));
        let fair = Weather {
            latency,
            lost_per_mille,
            ..Weather::FAIR
        };
        net.net.set_weather(from, to, fair);
        let under_way = bytes_per_second * 2 * u64::try_from(latency.as_millis()).unwrap() / 1000;
        let pipe = Weather {
            bandwidth: Some(Bandwidth {
                bytes_per_second,
                queue: under_way / 2,
            }),
            ..fair
        };
        net.net.set_weather_one_way(from, to, pipe);
        let mut raw = Raw::client(&net, 0, 0).await;
        let mut path = raw.build(&net, &[0, 1, 2]).await;
        tokio::spawn(async move {
            loop {
                let cell = path.seal(2, Command::Data, &[7; 1000]);
                let _ = raw.link.send_cell_wait(cell).await;
            }
        });
        sleep(Duration::from_secs(2)).await;
        let count = || net.net.counts()[&(from, to)];
        let (before, arrived) = (count(), net.relay(0).unwrap().stats().forwarded);
        sleep(Duration::from_secs(8)).await;
        let arrived = net.relay(0).unwrap().stats().forwarded - arrived;
        let (sent, lost) = (
            count().datagrams - before.datagrams,
            count().lost - before.lost,
        );
        Carried {
            rate: arrived * 1350 / 8,
            lost_per_mille: lost * 1000 / sent,
        }
    })
}

#[test]
fn a_link_that_always_has_cells_fills_the_pipe_and_loses_two_percent_at_most() {
    for (rate, latency) in [
        (2_500_000, 20),
        (12_500_000, 20),
        (2_500_000, 75),
        (300_000, 50),
    ] {
        let carried = full(rate, Duration::from_millis(latency), 0);
        assert!(carried.rate * 100 >= rate * 85, "{} B/s", carried.rate);
        assert!(carried.lost_per_mille <= 20, "{}", carried.lost_per_mille);
    }
}

#[test]
fn a_link_fills_the_pipe_although_chance_loses_three_percent() {
    let carried = full(2_500_000, Duration::from_millis(20), 30);
    assert!(carried.rate * 100 >= 2_500_000 * 80, "{} B/s", carried.rate);
}

#[test]
fn the_first_100_kb_of_a_link_take_four_round_trips_at_most() {
    virtual_time(1, async {
        let slow = Weather {
            latency: Duration::from_millis(50),
            ..Weather::FAIR
        };
        let net = TestNet::new(1, slow, 3);
        let mut raw = Raw::client(&net, 0, 0).await;
        let mut path = raw.build(&net, &[0, 1, 2]).await;
        let before = net.relay(0).unwrap().stats().forwarded;
        let started = Instant::now();
        for _ in 0..77 {
            let cell = path.seal(2, Command::Data, &[7; 1000]);
            raw.link.send_cell_wait(cell).await.unwrap();
        }
        let arrived = async {
            while net.relay(0).unwrap().stats().forwarded - before < 77 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(5), arrived).await.unwrap();
        assert!(started.elapsed() <= Duration::from_millis(400));
    });
}
