//! Relays that give somebody special keys are caught, and no client uses those.

use core::time::Duration;

use llarp_core::client::{Client, PathError};
use llarp_core::directory::NetworkView;
use llarp_core::path::{ChooseError, Want};
use llarp_core::registry::KeyEpoch;
use llarp_core::registry::directory::{Trust, What};
use llarp_core::store::Store;
use llarp_tests::figure;
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::registered::{Lie, RegisteredNet};
use llarp_tests::testnet::START;
use tokio::time::{Instant, sleep};

use super::{HOUR, MINUTE, ready, settled, talk};

/// A network of which these relays tell clients over links, or everybody through tunnels, special
/// keys of `about`.
async fn with_liars(
    seed: u64,
    links: &[usize],
    tunnels: &[usize],
    about: &[usize],
) -> (RegisteredNet, Lie) {
    let mut net = RegisteredNet::without_relays(seed, Weather::FAIR, 12, START);
    let lie = Lie::new(net.open_view(Store::in_memory(), net.clock));
    lie.tell(false);
    links.iter().for_each(|n| net.tap(*n, lie.clone()));
    tunnels.iter().for_each(|n| net.lie_in_tunnels(*n, &lie));
    (0..12).for_each(|n| net.start(n));
    settled(&net).await;
    net.teach_lie(lie.view(), 0, about);
    lie.tell(true);
    (net, lie)
}

fn excludes(view: &NetworkView, net: &RegisteredNet, n: usize) -> bool {
    view.read(|directory| directory.is_excluded(&net.id(n)))
}

/// Whether a view has the special keys of relay `n`, and how sure it is of them.
fn trust_in_lie(view: &NetworkView, net: &RegisteredNet, n: usize) -> Option<Trust> {
    let epoch = KeyEpoch::at(net.now());
    let (_, special) = net.second_key_set(n);
    let id = net.id(n);
    view.read(|directory| {
        let held = directory.name(What::KeySets(epoch), &id);
        held.filter(|held| *held == special)?;
        directory.trust(&id, epoch)
    })
}

/// Waits until `view` excludes relay `n`, and never accepts its special keys until then.
async fn caught(view: &NetworkView, net: &RegisteredNet, n: usize, limit: Duration) -> Duration {
    let started = Instant::now();
    while !excludes(view, net, n) {
        assert!(
            trust_in_lie(view, net, n) < Some(Trust::Accepted),
            "relay {n} is believed"
        );
        assert!(
            started.elapsed() <= limit,
            "relay {n} is not caught in {limit:?}"
        );
        sleep(Duration::from_millis(100)).await;
    }
    started.elapsed()
}

/// Waits until all relays but those themselves know that relay `n` is caught.
async fn known_everywhere(net: &RegisteredNet, n: usize) -> Duration {
    let all = || (0..net.len()).all(|other| other == n || excludes(net.view(other), net, n));
    super::until(5 * MINUTE, Duration::from_millis(100), all).await
}

async fn is_not_used(client: &Client, net: &RegisteredNet, n: usize) {
    let error = client.build(Want::Terminal(net.id(n))).await.unwrap_err();
    let unknown = PathError::Choose(ChooseError::WantedUnknown);
    assert_eq!(error.to_string(), unknown.to_string());
    for _ in 0..20 {
        let path = client.build(Want::Any).await.unwrap();
        assert!(!path.hops().expose().contains(&net.id(n)));
    }
}

#[test]
fn special_keys_through_tunnels_are_caught_by_whoever_hears_of_them() {
    for liar in [5, 7] {
        virtual_time(1, async {
            let (mut net, _lie) = with_liars(1, &[], &[liar], &[liar]).await;
            let (client, view) = net.client(0, Store::in_memory());
            let (other, others_view) = net.client(1, Store::in_memory());
            ready(&client, MINUTE).await;
            ready(&other, MINUTE).await;
            let took = caught(&view, &net, liar, 20 * HOUR).await;
            let known = known_everywhere(&net, liar).await;
            let by_other = caught(&others_view, &net, liar, 3 * HOUR).await;
            figure(&format!(
                "caught after {took:?}, known to all relays {known:?} later, to another client \
                 {by_other:?} later"
            ));
            sleep(Duration::from_secs(10)).await;
            is_not_used(&client, &net, liar).await;
            is_not_used(&other, &net, liar).await;
            let honest = (0..net.len()).filter(|n| *n != liar);
            assert!(
                honest.into_iter().all(|n| !excludes(&view, &net, n)),
                "nobody else"
            );
        });
    }
}

#[test]
fn special_keys_of_one_contact_over_its_link_are_caught_at_once() {
    virtual_time(2, async {
        let (mut net, _lie) = with_liars(2, &[0], &[], &[0]).await;
        let (client, view) = net.client(0, Store::in_memory());
        let took = caught(&view, &net, 0, MINUTE).await;
        let known = known_everywhere(&net, 0).await;
        figure(&format!(
            "caught after {took:?}, known to all relays {known:?} later"
        ));
        ready(&client, 2 * MINUTE).await;
        is_not_used(&client, &net, 0).await;
    });
}

#[test]
fn two_of_three_contacts_that_vouch_for_each_others_special_keys_are_both_caught() {
    virtual_time(3, async {
        let (mut net, _lie) = with_liars(3, &[0, 1], &[], &[0, 1]).await;
        let (client, view) = net.client(0, Store::in_memory());
        for n in [0, 1] {
            caught(&view, &net, n, MINUTE).await;
            let known = known_everywhere(&net, n).await;
            figure(&format!("relay {n} is known to all relays {known:?} later"));
        }
        ready(&client, 2 * MINUTE).await;
        is_not_used(&client, &net, 0).await;
    });
}

/// All that a client can ask at first lie alike: it believes them as far as it must to ask others.
#[test]
fn what_all_contacts_say_is_provisional_until_ends_of_paths_say_so_too() {
    virtual_time(4, async {
        let (mut net, _lie) = with_liars(4, &[0, 1, 2], &[], &[7]).await;
        let (client, view) = net.client(0, Store::in_memory());
        let started = Instant::now();
        while trust_in_lie(&view, &net, 7).is_none() {
            assert!(started.elapsed() <= MINUTE, "it never heard of it");
            sleep(Duration::from_millis(10)).await;
        }
        let took = caught(&view, &net, 7, 5 * MINUTE).await;
        let known = known_everywhere(&net, 7).await;
        figure(&format!(
            "caught {took:?} after the lie, known to all relays {known:?} later"
        ));
        ready(&client, 2 * MINUTE).await;
        is_not_used(&client, &net, 7).await;
        talk(&client, Want::Any).await;
    });
}

/// Two of three contacts have the keys of all relays: whoever is asked at first is excluded, as far
/// as this client sees. It then has nobody, which it says, and uses none of the special keys.
#[test]
fn a_client_among_contacts_with_special_keys_of_everybody_uses_none_of_them() {
    virtual_time(5, async {
        let all: Vec<_> = (0..12).collect();
        let (mut net, _lie) = with_liars(5, &[0, 1], &[], &all).await;
        let (client, view) = net.client(0, Store::in_memory());
        let error = client.build(Want::Any).await.unwrap_err();
        assert!(matches!(error, PathError::NetworkUnknown { .. }), "{error}");
        for n in 0..net.len() {
            assert!(trust_in_lie(&view, &net, n) < Some(Trust::Accepted));
        }
    });
}
