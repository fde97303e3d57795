//! A path that sends all that it can, and one that sends little, over one pipe that is full.
//!
//! What a full link adds to the way of others is the pipe's own queue, which the link's controller keeps
//! short, and the relay's standing cells: `QUEUE_FIFO_CELLS` in the order of their arrival and
//! `RELAY_SEND_CELLS` in QUIC's buffer.

use core::time::Duration;

use llarp_core::cell::Command;
use llarp_tests::figure;
use llarp_tests::net::{Bandwidth, Weather, virtual_time};
use llarp_tests::testnet::{TestNet, client_address};
use tokio::time::{Instant, sleep, sleep_until};

use crate::raw::{Raw, RawPath};

/// What a bulk path may add to the median delay of another path's cells.
const BAR: Duration = Duration::from_millis(20);

const fn pipe(bytes_per_second: u64) -> Weather {
    Weather {
        bandwidth: Some(Bandwidth {
            bytes_per_second,
            queue: bytes_per_second / 50,
        }),
        ..Weather::FAIR
    }
}

async fn median_probe(chat: &Raw, path: &mut RawPath, probes: usize) -> Duration {
    let mut delays = Vec::new();
    for _ in 0..probes {
        delays.extend(chat.probe(path, 2).await);
        sleep(Duration::from_millis(13)).await;
    }
    assert!(delays.len() * 10 >= probes * 9, "{} answers", delays.len());
    delays.sort_unstable();
    delays[delays.len() / 2]
}

/// Sends packets for the terminal, twice as many as the pipe takes.
async fn bulk(raw: Raw, mut path: RawPath, bytes_per_second: u64) {
    let cells_a_tick = bytes_per_second * 3 / 1312 / 200 + 1;
    let mut tick = Instant::now();
    loop {
        for _ in 0..cells_a_tick {
            let cell = path.seal(2, Command::Data, &[7; 1000]);
            let _ = raw.link.send_cell_wait(cell).await;
        }
        tick += Duration::from_millis(5);
        sleep_until(tick).await;
    }
}

/// The medians of a chat path over relays 0, 1 and 2: idle, and beside a bulk path when the way from
/// 0 to 1 carries so much.
fn medians(bytes_per_second: u64) -> [Duration; 2] {
    virtual_time(1, async {
        let net = TestNet::new(1, Weather::FAIR, 3);
        let (from, to) = (net.address(0), net.address(1));
        net.net
            .set_weather_one_way(from, to, pipe(bytes_per_second));
        let wide = pipe(4 * bytes_per_second);
        net.net.set_weather_one_way(client_address(1), from, wide);
        let mut chat = Raw::client(&net, 0, 0).await;
        let mut path = chat.build(&net, &[0, 1, 2]).await;
        let idle = median_probe(&chat, &mut path, 20).await;
        let mut greedy = Raw::client(&net, 1, 0).await;
        let theirs = greedy.build(&net, &[0, 1, 2]).await;
        tokio::spawn(bulk(greedy, theirs, bytes_per_second));
        sleep(Duration::from_secs(1)).await;
        let before = net.relay(1).unwrap().stats().forwarded;
        let started = Instant::now();
        let loaded = median_probe(&chat, &mut path, 20).await;
        let carried = net.relay(1).unwrap().stats().forwarded - before;
        let rate = u128::from(carried) * 1312 * 1000 / started.elapsed().as_millis();
        let stats = net.relay(0).unwrap().stats();
        figure(&format!(
            "{bytes_per_second} B/s: {idle:?} idle, {loaded:?} loaded, {rate} B/s, {stats:?}"
        ));
        assert!(stats.overflowed > 0, "the pipe is full");
        assert!(rate * 10 >= u128::from(bytes_per_second) * 7, "{rate} B/s");
        [idle, loaded]
    })
}

#[test]
fn a_bulk_path_adds_no_more_than_20_ms_to_a_chat_over_the_same_link() {
    for bytes_per_second in [2_500_000, 12_500_000] {
        let [idle, loaded] = medians(bytes_per_second);
        assert!(
            loaded <= idle + BAR,
            "{bytes_per_second} B/s: {idle:?} idle, {loaded:?} beside a bulk path"
        );
    }
}
