//! How a client finds out that a path is over, and what a tunnel over it notices.

use core::time::Duration;
use std::sync::{Arc, Mutex};

use llarp_core::cell::{CloseReason, Command};
use llarp_core::client::{Client, Lasting, Path, PathEnd};
use llarp_core::crypto::identity::RelayId;
use llarp_core::hop::message::KIND_CLOSE;
use llarp_core::path::Want;
use llarp_core::tunnel::{ServiceName, Tunnel};
use llarp_core::wire::limits::{CLOSE_TIME, PATH_CELLS_MAX, REQUESTS_OPEN};
use llarp_tests::net::tap::{Cell, CellFate, Direction, Passing, Policy, RequestFate};
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::testnet::{TestNet, client_address};
use llarp_tests::{figure, is_full};
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::time::{Instant, sleep};

use crate::raw::Raw;

/// A client's path in a network in which somebody before each relay loses one cell on its way down:
/// the next one after the relay's id was put into the returned place.
async fn lossy(seed: u64) -> (TestNet, Client, Path, Arc<Mutex<Option<RelayId>>>) {
    let lose = Arc::<Mutex<Option<RelayId>>>::default();
    let mut net = TestNet::without_relays(seed, Weather::FAIR, 8);
    for n in 0..8 {
        let lose = Arc::clone(&lose);
        net.tap(n, move |passing: &Passing, _: &mut Cell| {
            let at = &mut *lose.lock().unwrap();
            if passing.direction == Direction::ToPeer && *at == Some(passing.relay) {
                *at = None;
                return CellFate::Drop;
            }
            CellFate::Pass
        });
        net.start(n);
    }
    let client = net.client(0);
    let path = client.build(Want::Any).await.unwrap();
    (net, client, path, lose)
}

/// The middle relay loses its link to the terminal, and its word about that gets lost.
async fn close_unheard(net: &TestNet, path: &Path, lose: &Mutex<Option<RelayId>>) {
    let [_, middle, terminal] = path.hops().expose()[..] else {
        panic!("three hops")
    };
    let before = net.relay(net.number(&middle)).unwrap().stats().closed;
    *lose.lock().unwrap() = Some(middle);
    net.tap_of(net.number(&terminal)).unwrap().close();
    sleep(Duration::from_millis(200)).await;
    assert_eq!(*lose.lock().unwrap(), None, "the word is lost");
    let after = net.relay(net.number(&middle)).unwrap().stats().closed;
    assert_eq!((after - before, path.end()), (1, None));
}

#[test]
fn an_idle_path_whose_closed_cell_is_lost_is_found_dead_by_the_next_probe() {
    for seed in 0..5 {
        virtual_time(seed, async {
            let (net, _client, path, lose) = lossy(seed).await;
            let closed = Instant::now();
            close_unheard(&net, &path, &lose).await;
            assert_eq!(path.ended().await, PathEnd::Dead { hop: 1 });
            // A probe each 45 to 75 s, dead 2.25 s after it, and looked at each 0.25 s.
            let found = closed.elapsed();
            assert!(found <= Duration::from_millis(77_600), "{found:?}");
        });
    }
}

#[test]
fn a_path_with_traffic_whose_closed_cell_is_lost_is_found_dead_within_3_seconds() {
    for seed in 0..5 {
        virtual_time(seed, async {
            let (net, _client, path, lose) = lossy(seed).await;
            let closed = Instant::now();
            close_unheard(&net, &path, &lose).await;
            let traffic = path.clone();
            let asking = tokio::spawn(async move {
                while traffic.end().is_none() {
                    let _ = traffic.probe(2).await;
                }
            });
            assert_eq!(path.ended().await, PathEnd::Dead { hop: 1 });
            let found = closed.elapsed();
            assert!(found <= Duration::from_secs(3), "{found:?}");
            asking.await.unwrap();
        });
    }
}

/// Hears when paths are closed, and never says so.
struct Deaf(Arc<Mutex<Vec<Instant>>>);

impl Policy for Deaf {
    fn request(&mut self, _: &Passing, kind: u8, _: &mut Vec<u8>) -> RequestFate {
        if kind != KIND_CLOSE {
            return RequestFate::Pass;
        }
        self.0.lock().unwrap().push(Instant::now());
        RequestFate::Hold(Duration::from_secs(3600))
    }
}

#[test]
fn a_neighbour_that_does_not_answer_holds_up_the_next_close_for_5_seconds() {
    virtual_time(1, async {
        let heard = Arc::<Mutex<Vec<Instant>>>::default();
        let mut net = TestNet::without_relays(1, Weather::FAIR, 2);
        net.tap(1, Deaf(Arc::clone(&heard)));
        (0..2).for_each(|n| net.start(n));
        let mut client = Raw::client(&net, 0, 0).await;
        for _ in 0..2 {
            let mut path = client.build(&net, &[0, 1]).await;
            let reason = [CloseReason::Done.code()];
            client.send(&mut path, 0, Command::Closed, &reason);
            sleep(Duration::from_millis(500)).await;
        }
        sleep(2 * CLOSE_TIME).await;
        let heard = heard.lock().unwrap();
        let [first, second] = heard[..] else {
            panic!("{} closes", heard.len())
        };
        let late = second - first;
        let most = CLOSE_TIME + Duration::from_millis(100);
        assert!(late >= CLOSE_TIME && late <= most, "{late:?}");
    });
}

#[test]
fn a_guard_that_does_not_answer_a_close_holds_up_no_build() {
    virtual_time(1, async {
        let mut net = TestNet::without_relays(1, Weather::FAIR, 8);
        for n in 0..8 {
            net.tap(n, Deaf(Arc::default()));
            net.start(n);
        }
        let client = net.client(0);
        let mut paths = Vec::new();
        for _ in 0..4 * REQUESTS_OPEN {
            paths.push(client.build(Want::Any).await.unwrap());
        }
        drop(paths);
        for _ in 0..4 {
            let asked = Instant::now();
            client.build(Want::Any).await.unwrap();
            let took = asked.elapsed();
            assert!(took <= Duration::from_secs(1), "{took:?}");
        }
    });
}

#[test]
fn a_path_that_stands_idle_is_not_taken_for_an_abandoned_one() {
    for seed in 0..5 {
        virtual_time(seed, async {
            let mut net = TestNet::new(seed, Weather::FAIR, 8);
            let client = net.client(0);
            let path = client.build(Want::Any).await.unwrap();
            sleep(Duration::from_secs(300)).await;
            assert_eq!(path.end(), None, "seed {seed}");
        });
    }
}

/// Sends numbered chunks of 1 KiB to the echo with a pause between them, and checks what comes back.
async fn echoed(tunnel: &Tunnel, chunks: u32, pause: Duration) {
    let name = ServiceName::new("echo/1").unwrap();
    let (mut receive, mut send) = split(tunnel.open_bi(&name).await.unwrap());
    let sending = tokio::spawn(async move {
        for chunk in 0..chunks {
            let bytes = chunk.to_be_bytes().repeat(256);
            send.write_all(&bytes).await.unwrap();
            if !pause.is_zero() {
                sleep(pause).await;
            }
        }
        send.shutdown().await.unwrap();
    });
    let mut bytes = [0; 1024];
    for chunk in 0..chunks {
        receive.read_exact(&mut bytes).await.unwrap();
        assert!(bytes[..] == chunk.to_be_bytes().repeat(256), "{chunk}");
    }
    assert_eq!(receive.read(&mut bytes).await.unwrap(), 0);
    sending.await.unwrap();
}

/// All paths that a tunnel takes.
fn paths_of(mut lasting: Lasting) -> Arc<Mutex<Vec<Path>>> {
    let taken = Arc::new(Mutex::new(vec![lasting.path()]));
    let noted = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Some(path) = lasting.moved().await {
            noted.lock().unwrap().push(path);
        }
    });
    taken
}

#[test]
fn a_tunnel_that_lasts_leaves_paths_before_they_are_spent_and_loses_nothing() {
    let (cells, pause) = if is_full() {
        (PATH_CELLS_MAX, Duration::ZERO)
    } else {
        (4096, Duration::from_millis(2))
    };
    virtual_time(1, async {
        let mut net = TestNet::new(1, Weather::FAIR, 12);
        let client = net.client(0);
        client.limit_path_cells(cells);
        let lasting = client.lasting_tunnel(net.id(7)).await.unwrap();
        let tunnel = lasting.tunnel().clone();
        let taken = paths_of(lasting);
        // As much as three paths could carry in one direction.
        let chunks = u32::try_from(3 * cells).unwrap();
        echoed(&tunnel, chunks, pause).await;
        sleep(Duration::from_secs(5)).await;
        let taken = taken.lock().unwrap();
        figure(&format!("{} paths for {chunks} KiB", taken.len()));
        assert!((4..=10).contains(&taken.len()), "{}", taken.len());
        for path in taken.iter() {
            let end = path.end();
            assert!(matches!(end, None | Some(PathEnd::Done)), "{end:?}");
        }
    });
}

#[test]
fn a_path_that_nobody_replaces_ends_before_its_relays_refuse_its_cells() {
    virtual_time(1, async {
        let mut net = TestNet::new(1, Weather::FAIR, 12);
        let client = net.client(0);
        client.limit_path_cells(2048);
        let path = client.build(Want::Any).await.unwrap();
        let tunnel = client.tunnel(&path).await.unwrap();
        let sending = tokio::spawn(async move {
            let name = ServiceName::new("echo/1").unwrap();
            let (_receive, mut send) = split(tunnel.open_bi(&name).await.unwrap());
            while send.write_all(&[0; 1024]).await.is_ok() {}
        });
        assert_eq!(path.ended().await, PathEnd::Retired);
        sending.abort();
        let delivered = |n| net.relay(n).unwrap().stats().delivered;
        let most = (0..net.len()).map(delivered).max().unwrap();
        assert!((1500..=2048).contains(&most), "{most} cells up");
    });
}

#[test]
fn a_network_that_holds_its_breath_does_not_use_up_the_builds_of_an_hour() {
    for seed in 0..3 {
        virtual_time(seed, async {
            let mut net = TestNet::new(seed, Weather::FAIR, 12);
            let client = net.client(0);
            let lasting = client.lasting_tunnel(net.id(7)).await.unwrap();
            let tunnel = lasting.tunnel().clone();
            let taken = paths_of(lasting);
            let built = |net: &TestNet| -> u64 {
                let of = |n| net.relay(n).unwrap().stats().built;
                (0..net.len()).map(of).sum()
            };
            let before = built(&net);
            let talking =
                tokio::spawn(
                    async move { echoed(&tunnel, 1200, Duration::from_millis(100)).await },
                );
            for _ in 0..10 {
                sleep(Duration::from_secs(8)).await;
                net.net.cut(client_address(0));
                sleep(Duration::from_secs(2)).await;
                net.net.heal();
            }
            talking.await.unwrap();
            let (built, taken) = (built(&net) - before, taken.lock().unwrap().len());
            figure(&format!("{built} hops built, {taken} paths"));
            // Two tries of one build for the suspicion; and with the way there and back two seconds come
            // close to the 2.25 after which a path is dead, so that one of ten may be taken for it.
            assert!(built <= 12 && taken <= 3, "{built} hops, {taken} paths");
        });
    }
}
