//! What links of one path show to those who compare them, and what hops learn.
//!
//! Recorders sit before relays 0, 1 and 2 and see the three links of a client's path over them.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use llarp_core::cell::{Command, PathId};
use llarp_core::link::Peer;
use llarp_core::path::{Seconds, Want, choose};
use llarp_core::wire::limits::{CELL_LEN, PATH_ID_LEN};
use llarp_tests::Single;
use llarp_tests::net::compare::{CELLS_MIN, likeness, shared_by_messages, shared_windows};
use llarp_tests::net::tap::{Cell, CellFate, Direction, Passing, Recorder};
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::testnet::{TestNet, client_address};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use tokio::time::sleep;

use crate::raw::{Raw, RawPath};

/// Sends probes to the terminal, and waits for the answers, a few at a time.
async fn talk(client: &Raw, path: &mut RawPath, cells: usize) {
    let mut left = cells;
    while left > 0 {
        let batch = left.min(32);
        for _ in 0..batch {
            let probe = path.next_probe().encode();
            client.send(path, 2, Command::Probe, &probe);
        }
        for _ in 0..batch {
            client.hear(path).await.unwrap();
        }
        left -= batch;
    }
}

/// Three relays with recorders before them, and a client's path over them.
async fn recorded() -> (TestNet, Recorder, Raw, RawPath) {
    let recorder = Recorder::new();
    let mut net = TestNet::without_relays(1, Weather::FAIR, 3);
    for n in 0..3 {
        net.tap(n, recorder.clone());
        net.start(n);
    }
    let mut client = Raw::client(&net, 0, 0).await;
    let path = client.build(&net, &[0, 1, 2]).await;
    (net, recorder, client, path)
}

fn heard(net: &TestNet, recorder: &Recorder, n: usize, way: Direction) -> Vec<Cell> {
    let id = net.id(n);
    let cells = recorder.cells(|passing| passing.relay == id && passing.direction == way);
    cells.into_iter().map(|heard| *heard.what).collect()
}

#[test]
fn links_of_one_path_share_nothing_beyond_chance() {
    let single = Single {
        name: "links_of_one_path_share_nothing_beyond_chance",
        ci: CELLS_MIN,
        full: 10_000,
        unit: "cells of each link and direction",
    };
    single.run(|cells| virtual_time(1, links_share_nothing(cells)));
}

async fn links_share_nothing(cells: usize) {
    let (net, recorder, client, mut path) = recorded().await;
    talk(&client, &mut path, cells).await;
    let mut ids = BTreeSet::new();
    for way in [Direction::ToRelay, Direction::ToPeer] {
        let links = [0, 1, 2].map(|n| heard(&net, &recorder, n, way));
        for link in &links {
            assert_eq!(link.len(), cells);
            let of_link: BTreeSet<_> = link.iter().map(|cell| &cell[..PATH_ID_LEN]).collect();
            assert_eq!(of_link.len(), 1, "one path, one id");
            ids.extend(of_link.into_iter().map(<[u8]>::to_vec));
        }
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            let part = PATH_ID_LEN..CELL_LEN;
            let bytes = |n: usize| links[n].iter().map(|cell| &cell[..]).collect::<Vec<_>>();
            let (a, b) = (bytes(a), bytes(b));
            let found = likeness(&a, &b, part);
            assert!(found.is_chance(), "{way:?}: {found:?}");
            assert_eq!(shared_windows(&a, &b), []);
        }
    }
    assert_eq!(ids.len(), 6, "each link and direction has an id of its own");
}

#[test]
fn path_ids_are_independent() {
    virtual_time(1, async {
        let (net, recorder, mut client, mut path) = recorded().await;
        talk(&client, &mut path, 1).await;
        for _ in 0..60 {
            let mut path = client.build(&net, &[0, 1, 2]).await;
            talk(&client, &mut path, 1).await;
        }
        let cells = recorder.cells(|_| true);
        let ids: Vec<u64> = cells
            .iter()
            .map(|heard| u64::from_be_bytes(heard.what[..PATH_ID_LEN].try_into().unwrap()))
            .collect();
        assert_eq!(ids.len(), 61 * 6);
        let distinct: BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        // No XOR or difference of two ids occurs twice: 67,000 pairs of 64 bits.
        for combine in [|a: u64, b: u64| a ^ b, u64::wrapping_sub] {
            let mut seen = BTreeSet::new();
            for (at, a) in ids.iter().enumerate() {
                for b in &ids[..at] {
                    assert!(seen.insert(combine(*a, *b)));
                }
            }
        }
    });
}

#[test]
fn build_messages_of_one_path_share_no_window_and_show_no_position() {
    virtual_time(1, async {
        let (net, recorder, mut client, _path) = recorded().await;
        for _ in 0..20 {
            client.build(&net, &[0, 1, 2]).await;
        }
        // A path that ends sooner looks no different.
        client.build(&net, &[0, 1]).await;
        client.build(&net, &[0]).await;
        let messages = recorder.messages(|_| true);
        let of = |is_reply| {
            let wanted = messages.iter().filter(move |m| m.what.is_reply == is_reply);
            let lens: BTreeSet<_> = wanted.map(|heard| heard.what.body.len()).collect();
            lens
        };
        assert_eq!((of(false).len(), of(true).len()), (1, 1), "one size each");
        assert_eq!(messages.len(), 2 * (3 * 21 + 2 + 1));
        // One after the other: three requests and three replies are of one path. Paths over one relay
        // share the id of its onion keys, on the link to that relay.
        for path in messages.chunks(6).take(21) {
            let bodies: Vec<_> = path.iter().map(|heard| &heard.what.body).collect();
            assert_eq!(shared_by_messages(&bodies), []);
        }
    });
}

#[test]
fn cells_have_one_size_wherever_they_are_and_whatever_they_say() {
    virtual_time(1, async {
        let net = TestNet::new(1, Weather::FAIR, 3);
        let mut client = Raw::client(&net, 0, 0).await;
        let mut path = client.build(&net, &[0, 1, 2]).await;
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sizes);
        // What is not a cell is an acknowledgement or a keep-alive.
        net.net.spy(move |datagram| {
            if datagram.len > 400 {
                seen.lock().unwrap().push(datagram.len);
            }
        });
        for hop in 0..3 {
            for len in [0, 1, 500, 1000] {
                client.send(&mut path, hop, Command::Pad, &vec![0; len]);
            }
            assert!(client.probe(&mut path, hop).await.is_some());
        }
        let sizes = sizes.lock().unwrap().clone();
        // Four cells and a probe for each hop, and its answer, over one to three links: none was small
        // enough to be taken for something else.
        assert_eq!(sizes.len(), 6 * (1 + 2 + 3));
        let (least, most) = (*sizes.iter().min().unwrap(), *sizes.iter().max().unwrap());
        // Packets with an acknowledgement beside the cell have a few bytes more.
        assert!(most - least <= 24, "{sizes:?}");
    });
}

/// Sizes of datagrams, and how many there were of each.
type Sizes = BTreeMap<usize, u32>;

/// How much of one distribution is not in the other, of a thousand.
fn apart(one: &Sizes, other: &Sizes) -> u64 {
    let sum = |sizes: &Sizes| u64::from(sizes.values().sum::<u32>());
    let share = |sizes: &Sizes, size| {
        let count = u64::from(sizes.get(size).copied().unwrap_or(0));
        count * 1000 / sum(sizes)
    };
    let more = |size| share(one, size).saturating_sub(share(other, size));
    one.keys().map(more).sum()
}

/// Sizes of all datagrams on the three links of a path, each way, while `talk` uses it.
async fn sizes(talk: impl AsyncFnOnce(&Raw, &mut RawPath)) -> [[Sizes; 3]; 2] {
    let net = TestNet::new(1, Weather::FAIR, 3);
    let mut client = Raw::client(&net, 0, 0).await;
    let mut path = client.build(&net, &[0, 1, 2]).await;
    let seen = Arc::new(Mutex::new(BTreeMap::<_, Sizes>::new()));
    let noted = Arc::clone(&seen);
    net.net.spy(move |datagram| {
        let way = (datagram.from, datagram.to);
        let mut noted = noted.lock().unwrap();
        let sizes = noted.entry(way).or_default();
        *sizes.entry(datagram.len).or_default() += 1;
    });
    talk(&client, &mut path).await;
    let seen = seen.lock().unwrap();
    let at = |n| net.address(n);
    let links = [(client_address(0), at(0)), (at(0), at(1)), (at(1), at(2))];
    [
        links.map(|(near, far)| seen[&(near, far)].clone()),
        links.map(|(near, far)| seen[&(far, near)].clone()),
    ]
}

#[test]
fn sizes_do_not_tell_the_links_of_a_path_apart() {
    virtual_time(1, async {
        // Up only: what comes back is the links' own.
        let ways = sizes(async |client, path| {
            for n in 0..2000 {
                client.send(path, 2, Command::Pad, &[7; 100]);
                sleep(Duration::from_millis(n % 23)).await;
            }
            sleep(Duration::from_secs(1)).await;
        });
        for links in ways.await {
            for (a, b) in [(0, 1), (0, 2), (1, 2)] {
                let apart = apart(&links[a], &links[b]);
                assert!(apart <= 50, "{apart} of 1000, links {a} and {b}: {links:?}");
            }
        }
        // There and back: a packet that carries a cell may bring an acknowledgement along, nine bytes at
        // most. How often it does depends on who answers at once, which its time shows as well.
        let ways = sizes(async |client, path| {
            for n in 0..300 {
                for _ in 0..n % 16 {
                    let probe = path.next_probe().encode();
                    client.send(path, 2, Command::Probe, &probe);
                }
                while client.hear(path).await.is_some() {}
            }
        });
        let with_cell = |sizes: &Sizes| {
            let with_cell = sizes.keys().copied().filter(|size| *size > 400);
            (with_cell.clone().min().unwrap(), with_cell.max().unwrap())
        };
        let ways = ways.await;
        let all: Vec<_> = ways.iter().flatten().map(with_cell).collect();
        let bare = all[0].0;
        let is_alike = |(least, most): &(usize, usize)| *least == bare && most - least <= 9;
        assert!(all.iter().all(is_alike), "{all:?}");
    });
}

#[test]
fn a_doubled_cell_is_stopped_at_the_first_honest_relay() {
    virtual_time(1, async {
        let recorder = Recorder::new();
        let mut net = TestNet::without_relays(1, Weather::FAIR, 3);
        net.tap(1, |_: &Passing, _: &mut Cell| CellFate::Twice);
        net.tap(2, recorder.clone());
        (0..3).for_each(|n| net.start(n));
        let mut client = Raw::client(&net, 0, 0).await;
        let mut path = client.build(&net, &[0, 1, 2]).await;
        talk(&client, &mut path, 200).await;
        assert_eq!(heard(&net, &recorder, 2, Direction::ToRelay).len(), 200);
        // On the way back the guard is the first.
        assert_eq!(net.relay(0).unwrap().stats().dropped, 200);
        assert_eq!(net.relay(1).unwrap().stats().dropped, 200);
    });
}

#[test]
fn a_middle_relay_meets_neither_end() {
    virtual_time(1, async {
        let net = TestNet::new(1, Weather::FAIR, 4);
        let mut client = Raw::client(&net, 0, 0).await;
        let mut path = client.build(&net, &[0, 1, 2, 3]).await;
        for hop in 0..4 {
            assert!(client.probe(&mut path, hop).await.is_some());
        }
        let counts = net.net.counts();
        let met = |n: usize| -> BTreeSet<_> {
            let own = counts.keys().filter(|(from, _)| *from == net.address(n));
            own.map(|(_, to)| *to).collect()
        };
        let at = |n| net.address(n);
        assert_eq!(met(0), [client_address(0), at(1)].into());
        assert_eq!(met(1), [at(0), at(2)].into());
        assert_eq!(met(2), [at(1), at(3)].into());
        assert_eq!(met(3), [at(2)].into());
    });
}

#[test]
fn what_a_middle_relay_is_sent_names_no_end() {
    virtual_time(1, async {
        let (net, recorder, client, mut path) = recorded().await;
        talk(&client, &mut path, 100).await;
        let at_middle = |passing: &Passing| passing.relay == net.id(1);
        let peers: BTreeSet<_> = recorder
            .cells(at_middle)
            .iter()
            .map(|heard| heard.passing.peer)
            .chain(recorder.messages(at_middle).iter().map(|m| m.passing.peer))
            .map(|peer| matches!(peer, Peer::Relay(id) if id == net.id(0)))
            .collect();
        assert_eq!(peers, [true].into(), "the guard, and nobody else");
        let own_ids = [path.ours, path.theirs];
        let cells = recorder.cells(at_middle);
        let messages = recorder.messages(at_middle);
        let cells = cells.iter().map(|heard| &heard.what[..]);
        let all = cells.chain(messages.iter().map(|heard| &heard.what.body[..]));
        for bytes in all {
            for PathId(id) in own_ids {
                assert!(bytes.windows(id.len()).all(|window| window != id));
            }
            for n in 0..3 {
                let id = net.id(n).0;
                assert!(bytes.windows(16).all(|window| window != &id[..16]));
            }
        }
    });
}

#[test]
fn whoever_names_the_end_of_a_path_does_not_move_its_guard() {
    virtual_time(1, async {
        let mut net = TestNet::new(1, Weather::FAIR, 20);
        let client = net.client(0);
        let now = Seconds(net.clock.unix().as_secs());
        let profile = client.profile();
        for seed in 0..50 {
            let guard = |want: Want| {
                let mut rng = ChaCha20Rng::seed_from_u64(seed);
                let route = choose(&net.list, &profile, &want, now, &mut rng).unwrap();
                route.hops()[0]
            };
            for n in 0..net.len() {
                for want in [Want::Terminal(net.id(n)), Want::Aligned(net.id(n))] {
                    assert_eq!(guard(want), guard(Want::Any), "seed {seed}, relay {n}");
                }
            }
        }
        // And on the network, where builds fail: towards each relay, of which every third is dead.
        let in_use: BTreeSet<_> = profile.guards_in_use(&net.list, now).into_iter().collect();
        for n in (0..net.len()).step_by(3) {
            if !in_use.contains(&net.id(n)) {
                net.kill(n);
            }
        }
        let mut used = BTreeSet::new();
        for n in 0..net.len() {
            for want in [Want::Terminal(net.id(n)), Want::Aligned(net.id(n))] {
                if let Ok(path) = client.build(want).await {
                    used.insert(path.hops().expose()[0]);
                }
            }
        }
        assert!(used.is_subset(&in_use), "other guards than before");
    });
}
