//! Datagrams: late, lost, doubled, too large, cut off, queued.

use core::time::Duration;
use std::sync::{Arc, Mutex};

use llarp_tests::net::{Bandwidth, Count, Datagram, Net, Weather, virtual_time};
use tokio::time::{Instant, timeout};

use super::parties::{Bare, at};

const MS: Duration = Duration::from_millis(1);
/// Longer than anything is under way here.
const LONG: Duration = Duration::from_secs(10);

/// Receives until nothing more comes; when each datagram came, and its first four bytes.
async fn drain(socket: &Bare) -> Vec<(Duration, u32)> {
    let start = Instant::now();
    let mut got = Vec::new();
    while let Ok((_, bytes)) = timeout(LONG, socket.recv()).await {
        let number = u32::from_be_bytes(bytes[..4].try_into().unwrap());
        got.push((start.elapsed(), number));
    }
    got
}

fn numbered(count: u32) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(|number| [&number.to_be_bytes(), [0; 96].as_slice()].concat())
}

/// What arrives of `count` datagrams sent at once.
fn arrivals(seed: u64, weather: Weather, count: u32) -> Vec<(Duration, u32)> {
    virtual_time(seed, async {
        let net = Net::new(seed, weather);
        let (a, b) = (Bare::bind(&net, 1), Bare::bind(&net, 2));
        for bytes in numbered(count) {
            a.send(at(2), &bytes);
        }
        drain(&b).await
    })
}

#[test]
fn latency_is_exact_and_order_kept_without_jitter() {
    let weather = Weather {
        latency: 37 * MS,
        ..Weather::FAIR
    };
    let want: Vec<_> = (0..100).map(|number| (37 * MS, number)).collect();
    assert_eq!(arrivals(1, weather, 100), want);
    let none = Weather {
        latency: Duration::ZERO,
        ..weather
    };
    assert_eq!(arrivals(1, none, 1), [(Duration::ZERO, 0)]);
}

#[test]
fn a_datagram_sent_later_may_arrive_sooner() {
    virtual_time(1, async {
        let net = Net::new(1, Weather::FAIR);
        let (a, b, c) = (
            Bare::bind(&net, 1),
            Bare::bind(&net, 2),
            Bare::bind(&net, 3),
        );
        let far = Weather {
            latency: 500 * MS,
            ..Weather::FAIR
        };
        net.set_weather(at(1), at(2), far);
        let received = tokio::spawn(async move { drain(&b).await });
        a.send(at(2), &[0, 0, 0, 1]);
        tokio::time::sleep(100 * MS).await;
        c.send(at(2), &[0, 0, 0, 2]);
        assert_eq!(received.await.unwrap(), [(120 * MS, 2), (500 * MS, 1)]);
    });
}

#[test]
fn losses_and_doubles_are_near_what_was_asked() {
    let weather = Weather {
        lost_per_mille: 100,
        doubled_per_mille: 50,
        ..Weather::FAIR
    };
    let mut seen = [0_u32; 20_000];
    for (_, number) in arrivals(7, weather, 20_000) {
        seen[usize::try_from(number).unwrap()] += 1;
    }
    let times = |times| seen.iter().filter(|seen| **seen == times).count();
    // Six standard deviations are 255 and 180.
    assert!(times(0).abs_diff(2000) < 255, "{} lost", times(0));
    assert!(times(2).abs_diff(900) < 180, "{} doubled", times(2));
    assert_eq!(times(0) + times(1) + times(2), 20_000);
}

#[test]
fn all_or_nothing_is_lost_at_the_ends_of_the_scale() {
    let lost = |lost_per_mille| Weather {
        lost_per_mille,
        ..Weather::FAIR
    };
    assert_eq!(arrivals(1, lost(0), 1000).len(), 1000);
    assert_eq!(arrivals(1, lost(1000), 1000).len(), 0);
}

#[test]
fn jitter_reorders_within_its_bounds() {
    let weather = Weather {
        jitter: 50 * MS,
        ..Weather::FAIR
    };
    let got = arrivals(1, weather, 1000);
    assert_eq!(got.len(), 1000);
    assert!(got.iter().all(|(at, _)| (20 * MS..=70 * MS).contains(at)));
    let (first, last) = (got[0].0, got[999].0);
    assert!(
        first < 22 * MS && last > 68 * MS,
        "from {first:?} to {last:?}"
    );
    assert!(!got.is_sorted_by_key(|(_, number)| *number));
    assert!(got.is_sorted_by_key(|(at, _)| *at));
}

#[test]
fn what_is_above_the_largest_is_lost_and_the_largest_is_not() {
    virtual_time(1, async {
        let net = Net::new(1, Weather::FAIR);
        let (a, b) = (Bare::bind(&net, 1), Bare::bind(&net, 2));
        a.send(at(2), &[1; 1473]);
        a.send(at(2), &[2; 1472]);
        assert_eq!(b.recv().await, (at(1), vec![2; 1472]));
        let count = Count {
            datagrams: 2,
            bytes: 2945,
            lost: 1,
        };
        assert_eq!(net.counts()[&(at(1), at(2))], count);
    });
}

#[test]
fn segments_are_datagrams_of_their_own() {
    virtual_time(1, async {
        let net = Net::new(1, Weather::FAIR);
        let (a, b) = (Bare::bind(&net, 1), Bare::bind(&net, 2));
        a.send_split(at(2), &[7; 2500], Some(1000));
        let sizes = [
            b.recv().await.1.len(),
            b.recv().await.1.len(),
            b.recv().await.1.len(),
        ];
        assert_eq!(sizes, [1000, 1000, 500]);
        assert_eq!(net.counts()[&(at(1), at(2))].datagrams, 3);
    });
}

#[test]
fn a_narrow_wire_takes_its_time_and_loses_what_its_queue_cannot_hold() {
    let weather = Weather {
        bandwidth: Some(Bandwidth {
            bytes_per_second: 10_000,
            queue: 1_000,
        }),
        ..Weather::FAIR
    };
    // 100 bytes take 10 ms, and ten of them fill the queue.
    let want: Vec<_> = (0..10).map(|n| ((30 + 10 * n) * MS, n)).collect();
    assert_eq!(arrivals(1, weather, 50), want);
}

#[test]
fn each_direction_has_a_wire_of_its_own() {
    virtual_time(1, async {
        let slow = Weather {
            bandwidth: Some(Bandwidth {
                bytes_per_second: 1_000,
                queue: 1_000,
            }),
            ..Weather::FAIR
        };
        let net = Net::new(1, slow);
        let (a, b) = (Bare::bind(&net, 1), Bare::bind(&net, 2));
        a.send(at(2), &[0; 100]);
        b.send(at(1), &[0; 100]);
        assert_eq!(drain(&a).await, [(120 * MS, 0)]);
        assert_eq!(drain(&b).await.len(), 1);
    });
}

#[test]
fn cuts_and_partitions_hold_until_healed() {
    virtual_time(1, async {
        let net = Net::new(1, Weather::FAIR);
        let sockets: Vec<_> = (0..4).map(|n| Bare::bind(&net, n)).collect();
        let reaches = async |from: u8, to: u8| {
            sockets[usize::from(from)].send(at(to), &[from; 4]);
            !drain(&sockets[usize::from(to)]).await.is_empty()
        };
        net.cut(at(1));
        assert!(!reaches(1, 2).await && !reaches(2, 1).await && reaches(2, 3).await);
        net.heal();
        net.cut_pair(at(1), at(2));
        assert!(!reaches(1, 2).await && !reaches(2, 1).await && reaches(1, 3).await);
        net.heal();
        net.partition(&[&[at(0), at(1)]]);
        assert!(reaches(0, 1).await && reaches(2, 3).await);
        assert!(!reaches(0, 2).await && !reaches(3, 1).await);
        net.partition(&[&[at(0), at(2)], &[at(1)]]);
        assert!(reaches(0, 2).await && !reaches(0, 1).await && !reaches(1, 3).await);
        net.heal();
        assert!(reaches(0, 1).await && reaches(1, 2).await);
    });
}

#[test]
fn an_address_is_free_again_and_its_inbox_gone() {
    virtual_time(1, async {
        let net = Net::new(1, Weather::FAIR);
        let (a, b) = (Bare::bind(&net, 1), Bare::bind(&net, 2));
        a.send(at(2), b"old!");
        drop(b);
        let b = Bare::bind(&net, 2);
        a.send(at(2), b"new!");
        assert_eq!(b.recv().await.1, b"new!");
        net.kill(at(2));
        let again = Bare::bind(&net, 2);
        b.send(at(1), b"from beyond");
        a.send(at(2), b"more");
        assert_eq!(again.recv().await.1, b"more");
        assert!(drain(&a).await.is_empty() && drain(&b).await.is_empty());
        drop(b);
        a.send(at(2), b"last");
        assert_eq!(again.recv().await.1, b"last");
    });
}

#[test]
#[should_panic(expected = "has a socket already")]
fn two_sockets_never_share_an_address() {
    virtual_time(1, async {
        let net = Net::new(1, Weather::FAIR);
        let _one = net.socket(at(1));
        let _two = net.socket(at(1));
    });
}

#[test]
fn a_spy_sees_every_datagram_and_may_ask_the_network() {
    virtual_time(1, async {
        let net = Net::new(1, Weather::FAIR);
        let (a, seen) = (Bare::bind(&net, 1), Arc::new(Mutex::new(Vec::new())));
        let (spied, asked) = (Arc::clone(&seen), net.clone());
        net.spy(move |datagram| {
            assert_eq!(asked.counts().len(), 1);
            spied.lock().unwrap().push(datagram);
        });
        tokio::time::sleep(5 * MS).await;
        a.send(at(2), &[1; 11]);
        let want = Datagram {
            at: 5 * MS,
            from: at(1),
            to: at(2),
            len: 11,
        };
        assert_eq!(*seen.lock().unwrap(), [want]);
    });
}

#[test]
fn injected_datagrams_come_from_anywhere() {
    virtual_time(1, async {
        let net = Net::new(1, Weather::FAIR);
        let b = Bare::bind(&net, 2);
        net.inject(at(77), at(2), b"forged");
        assert_eq!(b.recv().await, (at(77), b"forged".to_vec()));
    });
}

#[test]
fn a_transcript_tells_time_ends_and_length_but_not_bytes() {
    let of = |micros, from, to, bytes: &[u8]| {
        virtual_time(1, async {
            let net = Net::new(1, Weather::FAIR);
            tokio::time::advance(Duration::from_micros(micros)).await;
            net.inject(at(from), at(to), bytes);
            net.transcript()
        })
    };
    let one = of(1, 1, 2, b"one");
    assert_eq!(one, of(1, 1, 2, b"two"));
    let others = [
        of(2, 1, 2, b"one"),
        of(1, 3, 2, b"one"),
        of(1, 1, 3, b"one"),
        of(1, 1, 2, b"three"),
    ];
    assert!(others.iter().all(|other| *other != one));
}

#[test]
fn one_seed_one_fate() {
    let luck = |seed| arrivals(seed, Weather::ROUGH, 1000);
    assert_eq!(luck(1), luck(1));
    assert_ne!(luck(1), luck(2));
}

#[test]
#[should_panic(expected = "still waiting after")]
fn what_hangs_ends() {
    virtual_time(1, core::future::pending::<()>());
}
