//! Taps: an honest one is not noticed, a lying one does what it says and nothing else.

use core::time::Duration;
use std::collections::BTreeSet;

use bytes::Bytes;
use llarp_core::link::{CloseCode, DialError, Endpoint, Link, LinkClosed, Peer, RequestError};
use llarp_core::wire::limits::{CELL_LEN, REQUEST_MAX};
use llarp_tests::net::tap::{
    Cell, CellFate, Direction, Passing, Policy, Recorder, ReplyFate, RequestFate, Tap, TapConfig,
};
use llarp_tests::net::{Net, Weather, virtual_time};
use tokio::time::{Instant, timeout};

use super::parties::{at, client, id, key, network, relay, serve};

const LONG: Duration = Duration::from_secs(5);
/// Where the true relay 1 listens; the others know it at address 1.
const HIDDEN: u8 = 201;

/// Relay 1 behind a tap, and a link to it: its two ends.
struct Tapped {
    net: Net,
    tap: Tap,
    peer: Link,
    relay: Link,
    _endpoints: [Endpoint; 2],
}

impl Tapped {
    /// Relay 2 has dialled relay 1.
    async fn by_relay(policy: impl Policy + 'static) -> Self {
        let net = Net::new(1, Weather::FAIR);
        let endpoint = relay(&net, 2, at(2));
        Self::by(net, endpoint, policy).await
    }

    async fn by(net: Net, endpoint: Endpoint, policy: impl Policy + 'static) -> Self {
        let truth = relay(&net, 1, at(HIDDEN));
        let mut accepted = serve(&truth);
        let tap = Tap::start(&net, config(), policy);
        let peer = endpoint.dial(&id(1), at(1)).await.unwrap();
        Self {
            relay: accepted.recv().await.unwrap(),
            _endpoints: [endpoint, truth],
            net,
            tap,
            peer,
        }
    }
}

fn config() -> TapConfig {
    TapConfig {
        peers: vec![key(4), key(2)],
        ..TapConfig::new(network(), key(1), at(1), at(HIDDEN))
    }
}

fn cell(n: u8) -> Bytes {
    vec![n; CELL_LEN].into()
}

async fn send(link: &Link, cells: impl IntoIterator<Item = u8>) {
    for n in cells {
        link.send_cell_wait(cell(n)).await.unwrap();
    }
}

/// All that comes until nothing more does.
async fn receive(link: &Link) -> Vec<Bytes> {
    let mut cells = Vec::new();
    while let Ok(cell) = timeout(LONG, link.recv_cell()).await {
        cells.push(cell.unwrap());
    }
    cells
}

/// Answers requests with their kind, then their body.
fn answer(link: &Link) {
    let link = link.clone();
    tokio::spawn(async move {
        while let Ok(request) = link.next_request(REQUEST_MAX).await {
            let reply = [&[request.kind], request.body.as_slice()].concat();
            let _ = request.respond(&reply).await;
        }
    });
}

#[test]
fn an_honest_tap_passes_everything_and_everybody_unchanged() {
    virtual_time(1, async {
        let it = Tapped::by_relay(()).await;
        assert_eq!(it.relay.peer(), Peer::Relay(id(2)));
        assert_eq!(it.relay.remote().expose().ip(), at(2).ip());
        send(&it.peer, 0..100).await;
        send(&it.relay, 100..200).await;
        assert_eq!(
            receive(&it.relay).await,
            (0..100).map(cell).collect::<Vec<_>>()
        );
        assert_eq!(
            receive(&it.peer).await,
            (100..200).map(cell).collect::<Vec<_>>()
        );
        answer(&it.relay);
        answer(&it.peer);
        let large = vec![9; REQUEST_MAX - 1];
        let reply = it.peer.request(7, &large, REQUEST_MAX).await.unwrap();
        assert_eq!(reply, [&[7], large.as_slice()].concat());
        assert_eq!(it.relay.request(8, b"up", 3).await.unwrap(), b"\x08up");
    });
}

#[test]
fn who_has_no_name_gets_none() {
    virtual_time(1, async {
        let net = Net::new(1, Weather::FAIR);
        let endpoint = client(&net, 100);
        let it = Tapped::by(net, endpoint, ()).await;
        assert_eq!(it.relay.peer(), Peer::Anonymous);
        assert_eq!(it.relay.remote().expose().ip(), at(100).ip());
    });
}

#[test]
fn a_relay_without_a_key_here_is_refused() {
    virtual_time(1, async {
        let net = Net::new(1, Weather::FAIR);
        let _tap = Tap::start(&net, config(), ());
        let stranger = relay(&net, 3, at(3));
        let link = stranger.dial(&id(1), at(1)).await.unwrap();
        assert_eq!(link.closed().await, LinkClosed::NotAdmitted);
    });
}

#[test]
fn the_end_of_one_link_is_the_end_of_the_other() {
    virtual_time(1, async {
        let it = Tapped::by_relay(()).await;
        assert!(it.tap.ends(1).is_some());
        it.relay.close(CloseCode::Evicted);
        assert_eq!(it.peer.closed().await, LinkClosed::Peer(CloseCode::Evicted));
        let it = Tapped::by_relay(()).await;
        it.peer.close(CloseCode::Other(77));
        assert_eq!(
            it.relay.closed().await,
            LinkClosed::Peer(CloseCode::Other(77))
        );
        tokio::time::sleep(LONG).await;
        assert!(it.tap.ends(1).is_none());
        it.tap.close();
        let endpoint = client(&it.net, 100);
        let error = endpoint.dial(&id(1), at(1)).await.unwrap_err();
        assert!(
            matches!(error, DialError::NoAnswer | DialError::Refused),
            "{error:?}"
        );
    });
}

#[test]
fn a_garbling_tap_changes_exactly_what_it_says() {
    virtual_time(1, async {
        let garble = |passing: &Passing, cell: &mut Cell| {
            if passing.direction == Direction::ToRelay && cell[0].is_multiple_of(3) {
                cell[1311] ^= 0x80;
            }
            CellFate::Pass
        };
        let it = Tapped::by_relay(garble).await;
        send(&it.peer, 0..100).await;
        send(&it.relay, 0..100).await;
        assert_eq!(
            receive(&it.peer).await,
            (0..100).map(cell).collect::<Vec<_>>()
        );
        let want = (0..100).map(|n| {
            let mut cell = cell(n).to_vec();
            cell[1311] ^= if n % 3 == 0 { 0x80 } else { 0 };
            Bytes::from(cell)
        });
        assert_eq!(receive(&it.relay).await, want.collect::<Vec<_>>());
    });
}

#[test]
fn cells_are_dropped_doubled_held_and_invented_as_said() {
    virtual_time(1, async {
        let lie = |_: &Passing, cell: &mut Cell| match cell[0] {
            1 => CellFate::Drop,
            2 => CellFate::Twice,
            3 => CellFate::Hold(Duration::from_secs(2)),
            4 => CellFate::Also(Box::new([44; CELL_LEN])),
            _ => CellFate::Pass,
        };
        let it = Tapped::by_relay(lie).await;
        let start = Instant::now();
        send(&it.peer, 0..6).await;
        let first: Vec<_> = receive(&it.relay)
            .await
            .iter()
            .map(|cell| cell[0])
            .collect();
        assert_eq!(first, [0, 2, 2, 4, 44, 5, 3]);
        // 40 ms under way, 2 s held, and the wait for nothing more; each link may pace its cells.
        let spent = start.elapsed() - Duration::from_millis(2040) - LONG;
        assert!(spent < Duration::from_millis(100), "{spent:?}");
        let (near, far) = it.tap.ends(1).unwrap();
        send(&near, [70]).await;
        send(&far, [71]).await;
        assert_eq!(it.peer.recv_cell().await.unwrap(), cell(70));
        assert_eq!(it.relay.recv_cell().await.unwrap(), cell(71));
    });
}

/// Lies by the kind of request.
struct Liar;

impl Policy for Liar {
    fn request(&mut self, _: &Passing, kind: u8, body: &mut Vec<u8>) -> RequestFate {
        match kind {
            1 => RequestFate::Refuse,
            2 => RequestFate::Hold(Duration::from_secs(3)),
            3 => RequestFate::Twice,
            4 => RequestFate::Answer(b"made up".to_vec()),
            5 => {
                body.truncate(1);
                RequestFate::Pass
            }
            _ => RequestFate::Pass,
        }
    }

    fn reply(&mut self, _: &Passing, kind: u8, body: &mut Vec<u8>) -> ReplyFate {
        match kind {
            6 => ReplyFate::Refuse,
            7 => ReplyFate::Hold(Duration::from_secs(4)),
            8 => {
                body.reverse();
                ReplyFate::Pass
            }
            _ => ReplyFate::Pass,
        }
    }
}

#[test]
fn requests_and_replies_are_lied_about_as_said() {
    virtual_time(1, async {
        let it = Tapped::by_relay(Liar).await;
        answer(&it.relay);
        let ask = async |kind| it.peer.request(kind, b"abc", 99).await;
        assert_eq!(ask(1).await, Err(RequestError::Refused));
        let start = Instant::now();
        assert_eq!(ask(2).await.unwrap(), b"\x02abc");
        assert!(start.elapsed() >= Duration::from_secs(3));
        assert_eq!(ask(3).await.unwrap(), b"\x03abc");
        assert_eq!(ask(4).await.unwrap(), b"made up");
        assert_eq!(ask(5).await.unwrap(), b"\x05a");
        assert_eq!(ask(6).await, Err(RequestError::Refused));
        let start = Instant::now();
        assert_eq!(ask(7).await.unwrap(), b"\x07abc");
        assert!(start.elapsed() >= Duration::from_secs(4));
        assert_eq!(ask(8).await.unwrap(), b"cba\x08");
    });
}

#[test]
fn a_doubled_request_arrives_twice() {
    virtual_time(1, async {
        let it = Tapped::by_relay(Liar).await;
        let asked = it.peer.clone();
        let reply = tokio::spawn(async move { asked.request(3, b"?", 99).await });
        for answer in [b"first", b"other"] {
            let request = it.relay.next_request(99).await.unwrap();
            assert_eq!(
                (request.kind, request.body.as_slice()),
                (3, b"?".as_slice())
            );
            request.respond(answer).await.unwrap();
        }
        assert_eq!(reply.await.unwrap().unwrap(), b"first");
    });
}

#[test]
fn a_recorder_in_front_notes_what_came_and_one_behind_what_goes_on() {
    virtual_time(1, async {
        let (front, behind) = (Recorder::new(), Recorder::new());
        let garble = |_: &Passing, cell: &mut Cell| {
            cell[0] += 100;
            match cell[1] {
                1 => CellFate::Drop,
                _ => CellFate::Pass,
            }
        };
        let policy = (front.clone(), (garble, behind.clone()));
        let it = Tapped::by_relay(policy).await;
        send(&it.peer, 0..3).await;
        send(&it.relay, 3..5).await;
        receive(&it.relay).await;
        let first = |recorder: &Recorder, way| -> Vec<_> {
            let cells = recorder.cells(|passing| passing.direction == way);
            cells.iter().map(|heard| heard.what[0]).collect()
        };
        assert_eq!(first(&front, Direction::ToRelay), [0, 1, 2]);
        assert_eq!(first(&behind, Direction::ToRelay), [100, 102]);
        assert_eq!(first(&front, Direction::ToPeer), [3, 4]);
        let places: BTreeSet<_> = (front.cells(|_| true).iter())
            .map(|heard| (heard.passing.link, heard.passing.direction))
            .collect();
        assert_eq!(places.len(), 2);
        answer(&it.relay);
        it.peer.request(9, b"q", 9).await.unwrap();
        let said: Vec<_> = (front
            .messages(|passing| passing.peer == Peer::Relay(id(2)))
            .iter())
        .map(|heard| {
            (
                heard.passing.direction,
                heard.what.is_reply,
                heard.what.body.clone(),
            )
        })
        .collect();
        let want = [
            (Direction::ToRelay, false, b"q".to_vec()),
            (Direction::ToPeer, true, b"\x09q".to_vec()),
        ];
        assert_eq!(said, want);
    });
}

#[test]
fn a_tapped_run_repeats() {
    let run = || {
        virtual_time(3, async {
            let net = Net::new(3, Weather::ROUGH);
            let endpoint = relay(&net, 2, at(2));
            let it = Tapped::by(net, endpoint, Liar).await;
            answer(&it.relay);
            for kind in 2..6 {
                send(&it.peer, 0..50).await;
                it.peer
                    .request(kind, &[kind; 5000], REQUEST_MAX)
                    .await
                    .unwrap();
            }
            let received = receive(&it.relay).await.len();
            (it.net.transcript(), received)
        })
    };
    assert_eq!(run(), run());
}
