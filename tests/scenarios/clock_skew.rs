//! Clocks that are wrong: a client's, a relay's.

use core::time::Duration;
use std::collections::BTreeMap;

use llarp_core::client::{Client, PathError};
use llarp_core::clock::Clock;
use llarp_core::path::{Seconds, Want, choose};
use llarp_core::store::Store;
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::testnet::TestNet;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use tokio::time::{Instant, sleep};

const HOUR: i64 = 3600;

fn off(clock: Clock, seconds: i64) -> Clock {
    let off = Duration::from_secs(seconds.unsigned_abs());
    Clock::set_to(if seconds < 0 {
        clock.unix() - off
    } else {
        clock.unix() + off
    })
}

fn client(net: &mut TestNet, seconds: i64) -> (Client, Clock) {
    let clock = off(net.clock, seconds);
    let client = net.client_with(0, Store::in_memory(), clock);
    (client, clock)
}

fn guards(client: &Client, clock: &Clock, net: &TestNet) -> Vec<usize> {
    let now = Seconds(clock.unix().as_secs());
    let guards = client.profile().guards_in_use(&net.list, now);
    guards.iter().map(|guard| net.number(guard)).collect()
}

/// How often each relay is the hop of this number, of 4000 routes.
fn shares(client: &Client, net: &TestNet, hop: usize) -> BTreeMap<usize, u32> {
    let now = Seconds(net.clock.unix().as_secs());
    let profile = client.profile();
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut counted = BTreeMap::new();
    for _ in 0..4_000 {
        let route = choose(&net.list, &profile, &Want::Any, now, &mut rng).unwrap();
        *counted.entry(net.number(&route.hops()[hop])).or_default() += 1;
    }
    counted
}

#[test]
fn four_minutes_are_nothing() {
    for seconds in [-240, 240] {
        virtual_time(1, async {
            let mut net = TestNet::without_relays(1, Weather::FAIR, 12);
            // And relays that are off the other way are none of the client's business.
            (0..12).for_each(|n| net.start(n));
            let (client, _) = client(&mut net, seconds);
            for _ in 0..20 {
                let path = client.build(Want::Any).await.unwrap();
                path.probe(2).await.unwrap();
            }
        });
    }
}

#[test]
fn a_client_an_hour_off_is_told_so_soon_and_wears_out_no_guard() {
    for (seconds, said) in [(HOUR, "60 minutes fast"), (-HOUR, "60 minutes slow")] {
        virtual_time(1, async {
            let mut net = TestNet::new(1, Weather::FAIR, 12);
            let (client, clock) = client(&mut net, seconds);
            let before = guards(&client, &clock, &net);
            for _ in 0..40 {
                let started = Instant::now();
                let error = client.build(Want::Any).await.unwrap_err();
                assert!(started.elapsed() <= Duration::from_secs(2));
                let PathError::ClockSkew { minutes } = error else {
                    panic!("{error}");
                };
                assert_eq!(minutes, seconds / 60);
                let text = error.to_string();
                assert!(text.contains("clock") && text.contains(said), "{text}");
            }
            assert_eq!(guards(&client, &clock, &net), before);
            assert_eq!(shares(&client, &net, 1).len(), 4, "nobody is charged");
        });
    }
}

#[test]
fn a_relay_an_hour_off_is_charged_alone_and_lightly() {
    for seconds in [-HOUR, HOUR] {
        virtual_time(3, async {
            let mut net = TestNet::without_relays(3, Weather::FAIR, 20);
            let (client, _) = client(&mut net, 0);
            let before = [0, 1, 2].map(|hop| shares(&client, &net, hop));
            let is_second = |n: &&usize| !before[0].contains_key(n);
            let wrong = *before[1].keys().find(is_second).unwrap();
            net.set_clock_off(wrong, seconds);
            (0..20).for_each(|n| net.start(n));
            for n in 0..100 {
                client.build(Want::Any).await.unwrap();
                if n == 4 {
                    // Whoever declines a build as second hop rests for a minute.
                    sleep(Duration::from_secs(61)).await;
                    let soon = shares(&client, &net, 1)[&wrong];
                    assert!(soon * 2 > before[1][&wrong], "one in four, and lightly");
                }
            }
            let after = [0, 1, 2].map(|hop| shares(&client, &net, hop));
            let left = after[1].get(&wrong).copied().unwrap_or(0);
            assert!(left * 3 < before[1][&wrong]);
            // Another second hop stands in for it, and is a third one less often.
            let stands_in = |n: &usize| after[1].contains_key(n) && !before[1].contains_key(n);
            for (before, after) in before.iter().zip(&after) {
                let honest = before.iter();
                let honest = honest.filter(|(n, _)| **n != wrong && !stands_in(n));
                for (n, share) in honest {
                    assert!(after[n] * 100 >= share * 75, "{n}: {} of {share}", after[n]);
                }
            }
        });
    }
}

#[test]
fn a_guard_an_hour_off_shames_nobody_else() {
    for seconds in [-HOUR, HOUR] {
        virtual_time(5, async {
            let mut net = TestNet::without_relays(5, Weather::FAIR, 12);
            let (client, clock) = client(&mut net, 0);
            let before = guards(&client, &clock, &net);
            net.set_clock_off(before[0], seconds);
            (0..12).for_each(|n| net.start(n));
            for _ in 0..30 {
                let path = client.build(Want::Any).await.unwrap();
                assert_ne!(net.number(&path.hops().expose()[0]), before[0]);
            }
            let after = guards(&client, &clock, &net);
            assert_eq!(after[0], before[1], "it is skipped for a while");
        });
    }
}
