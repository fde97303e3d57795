//! A client begins with a few contacts, of which some are dead, or all, or it falls asleep over it.

use core::time::Duration;

use llarp_core::client::PathError;
use llarp_core::path::Want;
use llarp_core::registry::directory::Trust;
use llarp_core::store::Store;
use llarp_core::wire::limits::BUILD_DEADLINE;
use llarp_tests::figure;
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::registered::RegisteredNet;
use llarp_tests::testnet::client_address;
use tokio::time::{Instant, sleep};

use super::{MINUTE, ready, settled, talk};

#[test]
fn a_client_learns_the_network_from_three_contacts() {
    virtual_time(2, async {
        let mut net = RegisteredNet::new(2, Weather::FAIR, 15);
        settled(&net).await;
        let (client, view) = net.client(0, Store::in_memory());
        let took = ready(&client, Duration::from_secs(30)).await;
        figure(&format!("known after {took:?}"));
        assert_eq!(view.relays(Trust::Accepted).len(), 15);
        let path = talk(&client, Want::Any).await;
        assert_eq!(path.hops().expose().len(), 3);
    });
}

/// Found by this test: a client waited a minute for a path to the dead one, with enough others at
/// hand.
///
/// A dead machine answers with nothing, a cut one hears nothing: the same to a client, unless the
/// link stands already.
#[test]
fn one_dead_contact_of_four_is_not_missed() {
    for silent in [false, true] {
        virtual_time(3, async {
            let mut net = RegisteredNet::new(3, Weather::FAIR, 15);
            net.bootstrap = 4;
            settled(&net).await;
            match silent {
                true => net.net.cut(net.address(1)),
                false => net.kill(1),
            }
            let (client, view) = net.client(0, Store::in_memory());
            // A link may take eight seconds, and whoever is chosen for a path is tried in vain.
            let took = ready(&client, Duration::from_secs(20)).await;
            figure(&format!("known after {took:?}, silent: {silent}"));
            assert_eq!(view.relays(Trust::Accepted).len(), 15);
            talk(&client, Want::Any).await;
        });
    }
}

#[test]
fn without_any_contact_it_says_so_and_begins_by_itself_when_they_are_back() {
    virtual_time(4, async {
        let mut net = RegisteredNet::new(4, Weather::FAIR, 15);
        settled(&net).await;
        (0..3).for_each(|n| net.kill(n));
        let (client, view) = net.client(0, Store::in_memory());
        let started = Instant::now();
        let error = client.build(Want::Any).await.unwrap_err();
        assert!(matches!(error, PathError::NetworkUnknown { .. }), "{error}");
        let took = started.elapsed();
        assert!(took <= BUILD_DEADLINE + Duration::from_secs(1), "{took:?}");
        sleep(10 * MINUTE).await;
        assert!(view.members().is_empty());
        (0..3).for_each(|n| net.start(n));
        let took = ready(&client, 8 * MINUTE).await;
        figure(&format!("known {took:?} after they came back"));
        talk(&client, Want::Any).await;
    });
}

/// Found by this test: a client that was suspended while it learned went on, and one that was
/// suspended when it was to learn again turned in circles.
#[test]
fn a_client_that_is_suspended_while_it_learns_is_silent_and_goes_on_at_once_when_resumed() {
    for millis in [20, 150, 400, 1_200] {
        virtual_time(millis, async {
            let mut net = RegisteredNet::new(5, Weather::FAIR, 15);
            settled(&net).await;
            let (client, view) = net.client(0, Store::in_memory());
            sleep(Duration::from_millis(millis)).await;
            client.suspend();
            let knew = view.relays(Trust::Held).len();
            // Whoever it talked to may still hear that the links close.
            sleep(Duration::from_secs(5)).await;
            let sent = |net: &RegisteredNet| {
                let counts = net.net.counts();
                let mine = counts
                    .iter()
                    .filter(|((from, _), _)| *from == client_address(0));
                mine.map(|(_, count)| count.datagrams).sum::<u64>()
            };
            let before = sent(&net);
            let started = Instant::now();
            let error = client.build(Want::Any).await.unwrap_err();
            assert!(matches!(error, PathError::Suspended), "{error}");
            assert!(started.elapsed() < Duration::from_secs(1));
            sleep(60 * MINUTE).await;
            assert_eq!(sent(&net), before, "after {millis} ms");
            let knows = view.relays(Trust::Held).len();
            assert_eq!(knows, knew, "it learned on after {millis} ms");
            client.resume();
            let took = ready(&client, Duration::from_secs(30)).await;
            figure(&format!(
                "suspended after {millis} ms, known {took:?} after"
            ));
            talk(&client, Want::Any).await;
        });
    }
}

/// Found by this test: a client that knew the network once built on to keys that nobody had any
/// more, and could reach nobody to learn the new ones.
#[test]
fn a_client_that_slept_for_days_learns_the_network_anew() {
    llarp_tests::net::virtual_time_within(6, 200 * 60 * MINUTE, async {
        let mut net = RegisteredNet::new(6, Weather::FAIR, 9);
        settled(&net).await;
        let (client, _) = net.client(0, Store::in_memory());
        ready(&client, MINUTE).await;
        let guards = |net: &RegisteredNet| {
            let now = llarp_core::path::Seconds(net.now());
            client.profile().guards_in_use(&client.relays(), now)
        };
        let before = guards(&net);
        sleep(10 * Duration::from_secs(1)).await;
        client.suspend();
        // Nobody's comparisons are of interest meanwhile.
        (0..9).for_each(|n| net.kill(n));
        sleep(4 * 24 * 60 * MINUTE).await;
        (0..9).for_each(|n| net.restart(n));
        settled(&net).await;
        // Until then relays that were restarted build nothing.
        sleep(6 * MINUTE).await;
        client.resume();
        let started = Instant::now();
        talk(&client, Want::Any).await;
        let took = started.elapsed();
        figure(&format!("a path {took:?} after four days"));
        assert!(took <= Duration::from_secs(30), "{took:?}");
        assert_eq!(guards(&net), before, "the guards are the same");
        let unopened = (0..net.len()).map(|n| net.relay(n).unwrap().stats().unopened);
        assert_eq!(unopened.sum::<u64>(), 0, "nobody was asked in vain");
    });
}
