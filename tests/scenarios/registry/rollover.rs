//! All relays change their onion keys under traffic, and nobody notices.

use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;

use llarp_core::client::Client;
use llarp_core::clock::Clock;
use llarp_core::path::Want;
use llarp_core::registry::KeyEpoch;
use llarp_core::registry::directory::Trust;
use llarp_core::store::Store;
use llarp_tests::figure;
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::registered::RegisteredNet;
use llarp_tests::testnet::START;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::time::{Instant, sleep, timeout};

use super::{HOUR, MINUTE, ready, settled, talk};

/// The key epoch whose start is what this is about.
fn new_epoch() -> KeyEpoch {
    KeyEpoch::at(START).next()
}

/// A network of nine relays that begins so long before the new key epoch.
async fn before(seed: u64, long: Duration) -> RegisteredNet {
    let start = new_epoch().start() - long.as_secs();
    let mut net = RegisteredNet::without_relays(seed, Weather::FAIR, 9, start);
    (0..9).for_each(|n| net.start(n));
    settled(&net).await;
    net
}

/// Sleeps until so many seconds behind the epoch's start, or before it.
async fn sleep_to(net: &RegisteredNet, seconds: i64) {
    let then = new_epoch().start().saturating_add_signed(seconds);
    sleep(Duration::from_secs(then.saturating_sub(net.now()))).await;
}

/// Builds that did not open: to keys that the relay does not have.
fn unopened(net: &RegisteredNet) -> u64 {
    let unopened = (0..net.len()).map(|n| net.relay(n).unwrap().stats().unopened);
    unopened.sum()
}

fn off(clock: Clock, seconds: i64) -> Clock {
    let unix = clock.unix().as_secs().saturating_add_signed(seconds);
    Clock::set_to(Duration::from_secs(unix))
}

/// Says four bytes a second through a tunnel that lasts, and hears all of them back in order, to the
/// second `last` behind the epoch's start; how many those were.
async fn chat(net: &RegisteredNet, client: &Client, last: u64) -> u32 {
    let lasting = client.lasting_tunnel(net.id(4)).await.unwrap();
    let service = llarp_core::tunnel::ServiceName::new("echo/1").unwrap();
    let stream = lasting.tunnel().open_bi(&service).await.unwrap();
    let (mut receive, mut send) = split(stream);
    let heard = async {
        let mut count = 0_u32;
        let mut bytes = [0; 4];
        while receive.read_exact(&mut bytes).await.is_ok() {
            assert_eq!(
                u32::from_be_bytes(bytes),
                count,
                "lost, doubled or turned round"
            );
            count += 1;
        }
        count
    };
    let said = async {
        let mut count = 0_u32;
        while net.now() < new_epoch().start() + last {
            let sent = send.write_all(&count.to_be_bytes()).await;
            assert!(sent.is_ok(), "{sent:?} after {count}");
            count += 1;
            sleep(Duration::from_secs(1)).await;
        }
        send.shutdown().await.unwrap();
        count
    };
    let (said, heard) = tokio::join!(said, heard);
    assert_eq!(said, heard, "nothing is lost");
    said
}

#[test]
fn keys_roll_over_under_traffic_and_not_a_byte_is_lost() {
    virtual_time(1, async {
        let mut net = before(1, 8 * HOUR).await;
        let (client, _) = net.client(0, Store::in_memory());
        ready(&client, MINUTE).await;
        let (sleeper, _) = net.client(1, Store::in_memory());
        ready(&sleeper, MINUTE).await;
        sleep_to(&net, -7 * 3600).await;
        sleeper.suspend();
        let old = client.relays();
        let believer = net.believer(4, old.clone());
        sleep_to(&net, -3600).await;
        assert!((0..9).all(|n| net.seeds(n).len() == 2), "both are open");
        let done = Rc::new(Cell::new(false));
        let chat = async {
            let said = chat(&net, &client, 7 * 3600).await;
            done.set(true);
            said
        };
        let builds = async {
            let mut built = 0_u32;
            while !done.get() {
                let seconds = net.now().abs_diff(new_epoch().start());
                drop(client.build(Want::Any).await.unwrap());
                built += 1;
                // Each minute around the start, and around the end of the old keys.
                let dense = seconds < 600 || seconds.abs_diff(6 * 3600) < 600;
                sleep(if dense { MINUTE } else { 10 * MINUTE }).await;
            }
            built
        };
        let others = async {
            sleep_to(&net, 3600).await;
            sleeper.resume();
            drop(sleeper.build(Want::Any).await.unwrap());
            sleep_to(&net, 6 * 3600 - 60).await;
            drop(believer.build(Want::Any).await.unwrap());
            assert_eq!(unopened(&net), 0, "all that was built opened");
            sleep_to(&net, 6 * 3600 + 60).await;
            assert!((0..9).all(|n| net.seeds(n) == [new_epoch()]), "erased");
            assert!(
                believer.build(Want::Any).await.is_err(),
                "nothing opens it any more"
            );
            drop(sleeper.build(Want::Any).await.unwrap());
            unopened(&net)
        };
        let (said, built, in_vain) = tokio::join!(chat, builds, others);
        assert!(in_vain > 0);
        figure(&format!("{said} words, {built} builds, nothing lost"));
        let own_end = unopened(&net);
        talk(&client, Want::Any).await;
        assert_eq!(unopened(&net), own_end);
    });
}

#[test]
fn clocks_that_are_four_minutes_off_build_at_every_minute_of_the_rollover() {
    virtual_time(2, async {
        let mut net = before(2, 7 * HOUR).await;
        let slow_clock = off(net.clock, -240);
        let fast_clock = off(net.clock, 240);
        let (slow, _) = net.client_with(0, Store::in_memory(), slow_clock);
        let (fast, _) = net.client_with(1, Store::in_memory(), fast_clock);
        ready(&slow, MINUTE).await;
        ready(&fast, MINUTE).await;
        sleep_to(&net, -600).await;
        for minute in -10..=10 {
            for (client, which) in [(&slow, "slow"), (&fast, "fast")] {
                let built = client.build(Want::Any).await;
                assert!(
                    built.is_ok(),
                    "{which} at minute {minute}: {:?}",
                    built.err()
                );
            }
            sleep(MINUTE).await;
        }
        sleep_to(&net, 6 * 3600 - 600).await;
        for minute in -10..=10 {
            for (client, which) in [(&slow, "slow"), (&fast, "fast")] {
                let built = client.build(Want::Any).await;
                assert!(
                    built.is_ok(),
                    "{which} at minute {minute}: {:?}",
                    built.err()
                );
            }
            sleep(MINUTE).await;
        }
        assert_eq!(unopened(&net), 0, "all that was built opened");
        assert!((0..9).all(|n| net.seeds(n) == [new_epoch()]));
    });
}

/// A relay that is down while all others turn their keys comes back with those of the new epoch.
#[test]
fn a_relay_that_was_down_at_the_rollover_comes_back_with_new_keys() {
    virtual_time(3, async {
        let mut net = before(3, 7 * HOUR).await;
        let (client, view) = net.client(0, Store::in_memory());
        ready(&client, MINUTE).await;
        net.kill(6);
        sleep_to(&net, 7 * 3600).await;
        let id = net.id(6);
        assert!(
            view.relays(Trust::Accepted).get(&id).is_none(),
            "its keys are erased"
        );
        net.restart(6);
        assert_eq!(net.seeds(6), [new_epoch()]);
        let started = Instant::now();
        let known = async {
            while client.relays().get(&id).is_none() {
                sleep(Duration::from_secs(10)).await;
            }
        };
        timeout(3 * HOUR, known).await.expect("it is known again");
        figure(&format!("known again after {:?}", started.elapsed()));
        // What was tried in vain while it was down counts against it for a while.
        sleep(15 * MINUTE).await;
        talk(&client, Want::Terminal(id)).await;
    });
}
