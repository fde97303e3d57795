//! Peers that take nothing of what waits for them: whom they hold up, and what a relay holds for them.
//!
//! They send probes to the first hop of many paths, and take fifteen answers a second; then none: all that
//! is as large as a cell gets lost on the way to them, so that they acknowledge no more.

use core::net::SocketAddr;
use core::time::Duration;

use llarp_core::cell::Command;
use llarp_core::hop::message::{KIND_CLOSE, encode_close};
use llarp_core::relay::Stats;
use llarp_core::wire::limits::{
    LINK_IDLE, NETWORK_QUEUED_CELLS_MAX, QUEUE_FIFO_CELLS, QUEUE_LINK_CELLS, QUEUE_PATH_CELLS,
    QUEUE_STILL_MILLIS,
};
use llarp_tests::figure;
use llarp_tests::net::{Bandwidth, Weather, virtual_time};
use llarp_tests::testnet::{TestNet, client_address};
use tokio::time::sleep;

use crate::raw::{Raw, RawPath};

/// When a queue that stands still is given up: it is looked at each second, and QUIC's probes move it a
/// little at first.
const GIVEN_UP: Duration = Duration::from_millis(2 * QUEUE_STILL_MILLIS);

fn stats(net: &TestNet) -> Stats {
    net.relay(0).unwrap().stats()
}

/// Enough for acknowledgements of what is sent, and for a few cells.
const NARROW: Weather = Weather {
    bandwidth: Some(Bandwidth {
        bytes_per_second: 20_000,
        queue: 4_000,
    }),
    ..Weather::FAIR
};

/// Nothing as large as a cell.
const DEAF: Weather = Weather {
    largest: 1000,
    ..Weather::FAIR
};

/// So many paths that end at relay 0, whose queues are then filled, behind a link that takes few cells.
async fn fill(net: &TestNet, raw: &mut Raw, at: SocketAddr, paths: usize) -> Vec<RawPath> {
    let mut built = Vec::new();
    for _ in 0..paths {
        built.push(raw.build(net, &[0]).await);
    }
    let from = net.address(0);
    net.net.set_weather_one_way(from, at, NARROW);
    let room = raw.link.cell_room();
    // As many as wait for a path, and as many again as leave meanwhile.
    for _ in 0..QUEUE_PATH_CELLS + 64 {
        for path in &mut built {
            let probe = path.next_probe().encode();
            let cell = path.seal(0, Command::Probe, &probe);
            raw.link.send_cell_wait(cell).await.unwrap();
        }
    }
    while raw.link.cell_room() < room {
        sleep(Duration::from_millis(10)).await;
    }
    sleep(Duration::from_millis(100)).await;
    built
}

/// From now on nothing is acknowledged.
fn deafen(net: &TestNet, at: SocketAddr) {
    net.net.set_weather_one_way(net.address(0), at, DEAF);
}

#[test]
fn a_client_that_acknowledges_nothing_stops_no_build_and_is_let_go() {
    virtual_time(1, async {
        let net = TestNet::new(1, Weather::FAIR, 3);
        let mut hostile = Raw::client(&net, 1, 0).await;
        let _paths = fill(&net, &mut hostile, client_address(1), 20).await;
        let held = stats(&net).queued;
        figure(&format!("{held} cells wait for one client"));
        assert!(held > QUEUE_LINK_CELLS * 9 / 10, "{held}");
        deafen(&net, client_address(1));
        let mut other = Raw::client(&net, 2, 0).await;
        for _ in 0..5 {
            let mut path = other.build(&net, &[0, 1, 2]).await;
            assert!(other.probe(&mut path, 2).await.is_some());
        }
        sleep(GIVEN_UP).await;
        // The other client's, and that to relay 1. QUIC has no room to say why, so that a reset tells.
        let stats = stats(&net);
        assert_eq!((stats.queued, stats.shed), (0, 0), "{stats:?}");
        assert_eq!(stats.links, 2, "{stats:?}");
        sleep(LINK_IDLE).await;
        assert!(hostile.link.close_reason().is_some());
    });
}

#[test]
fn what_waits_of_a_path_goes_with_it() {
    virtual_time(1, async {
        let net = TestNet::new(1, Weather::FAIR, 1);
        let mut hostile = Raw::client(&net, 1, 0).await;
        let paths = fill(&net, &mut hostile, client_address(1), 4).await;
        let held = stats(&net).queued;
        assert!(held > 2 * QUEUE_PATH_CELLS, "{held}");
        let ids: Vec<_> = paths.iter().map(|path| path.theirs).collect();
        let close = encode_close(&ids);
        hostile.link.request(KIND_CLOSE, &close, 0).await.unwrap();
        let stats = stats(&net);
        assert!(stats.queued <= QUEUE_FIFO_CELLS, "{stats:?}");
        assert_eq!(stats.paths, 0);
    });
}

#[test]
fn what_waits_for_a_relay_that_acknowledges_nothing_is_given_up_and_its_link_stays() {
    virtual_time(1, async {
        let mut net = TestNet::without_relays(1, Weather::FAIR, 2);
        net.start(0);
        let mut hostile = Raw::relay(&net, 1, 0).await;
        let _paths = fill(&net, &mut hostile, net.address(1), 4).await;
        let held = stats(&net).queued;
        assert!(held > QUEUE_PATH_CELLS, "{held}");
        deafen(&net, net.address(1));
        sleep(GIVEN_UP).await;
        let stats = stats(&net);
        assert_eq!((stats.queued, stats.links), (0, 1), "{stats:?}");
        assert_eq!(hostile.link.close_reason(), None);
    });
}

#[test]
fn the_clients_of_one_network_share_what_waits_and_one_that_reads_is_served() {
    virtual_time(1, async {
        let net = TestNet::new(1, Weather::FAIR, 1);
        let in_one_network = |last: u8| SocketAddr::from(([203, 0, 113, last], 1090));
        let mut hostile = Vec::new();
        for last in [1, 2] {
            let at = in_one_network(last);
            let mut raw = Raw::client_at(&net, at, 0).await;
            let paths = fill(&net, &mut raw, at, 17).await;
            hostile.push((raw, paths));
        }
        let stats = stats(&net);
        figure(&format!("{} cells wait for one network", stats.queued));
        assert!(stats.queued <= NETWORK_QUEUED_CELLS_MAX, "{stats:?}");
        assert!(stats.queued > QUEUE_LINK_CELLS, "{stats:?}");
        let mut other = Raw::client_at(&net, in_one_network(3), 0).await;
        let mut path = other.build(&net, &[0]).await;
        for _ in 0..100 {
            assert!(other.probe(&mut path, 0).await.is_some());
        }
    });
}
