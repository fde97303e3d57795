//! A new snapshot reaches everybody, whoever signs; and nodes that are one apart still deliver.

use core::time::Duration;

use llarp_core::client::PathError;
use llarp_core::path::{ChooseError, Want};
use llarp_core::registry::directory::Trust;
use llarp_core::registry::{Changes, OrderError, Refused, Snapshot, SnapshotHash, assign_swarms};
use llarp_core::store::Store;
use llarp_tests::figure;
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::registered::RegisteredNet;
use llarp_tests::testnet::{START, network};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use tokio::time::sleep;

use super::{HOUR, MINUTE, number, ready, settled, talk, until};

#[test]
fn nodes_one_snapshot_apart_deliver_and_the_new_one_reaches_everybody() {
    virtual_time(1, async {
        let mut net = RegisteredNet::new(1, Weather::FAIR, 12);
        settled(&net).await;
        let (behind, behinds_view) = net.client(0, Store::in_memory());
        let (ahead, aheads_view) = net.client(1, Store::in_memory());
        ready(&behind, MINUTE).await;
        ready(&ahead, MINUTE).await;
        sleep(5 * MINUTE).await;

        let leaves = net.id(11);
        let comes = net.newcomer();
        let changes = Changes {
            add: vec![net.registration(comes)],
            remove: vec![leaves],
            change: Vec::new(),
        };
        net.publish_at(0, changes);
        for n in (2..12).step_by(2) {
            net.view(n).offer_snapshot(&net.snapshot).unwrap();
        }
        aheads_view.offer_snapshot(&net.snapshot).unwrap();
        assert_eq!(
            (number(&behinds_view), number(&aheads_view)),
            (Some(0), Some(1))
        );
        // Within the moment, before anybody compares.
        for _ in 0..6 {
            talk(&behind, Want::Any).await;
            talk(&ahead, Want::Any).await;
        }
        let half = (0..12).filter(|n| number(net.view(*n)) == Some(0)).count();
        assert!(half >= 4, "only {half} relays are still behind");
        talk(&behind, Want::Terminal(leaves)).await;

        // Nobody talks to the one that has left: it hears of that from a file or its operator.
        let all = || (0..11).all(|n| number(net.view(n)) == Some(1));
        let relays = until(10 * MINUTE, Duration::from_secs(1), all).await;
        net.start(comes);
        let announced = settled_without(&net, 11).await;
        let id = net.id(comes);
        let knows = || behind.relays().get(&id).is_some() && behind.relays().get(&leaves).is_none();
        let client = until(3 * HOUR, Duration::from_secs(10), knows).await;
        figure(&format!(
            "all relays have it after {relays:?}, the newcomer after {announced:?}, a client \
             {client:?} later"
        ));
        talk(&behind, Want::Terminal(id)).await;
        let error = behind.build(Want::Terminal(leaves)).await.unwrap_err();
        let unknown = PathError::Choose(ChooseError::WantedUnknown);
        assert_eq!(error.to_string(), unknown.to_string());
        for _ in 0..20 {
            let path = behind.build(Want::Any).await.unwrap();
            assert!(!path.hops().expose().contains(&leaves));
        }
    });
}

/// All but relay `left` know of each other.
async fn settled_without(net: &RegisteredNet, left: usize) -> Duration {
    let knows = |n: usize| net.view(n).relays(Trust::Held).len() == net.len() - 1;
    let all = || (0..net.len()).filter(|n| *n != left).all(knows);
    until(5 * MINUTE, Duration::from_secs(1), all).await
}

/// One snapshot, told to one of fifty relays.
#[test]
fn a_snapshot_told_to_one_relay_reaches_fifty_within_minutes() {
    virtual_time(2, async {
        let mut net = RegisteredNet::new(2, Weather::FAIR, 50);
        settled(&net).await;
        sleep(5 * MINUTE).await;
        net.publish_at(7, Changes::default());
        let all = || (0..50).all(|n| number(net.view(n)) == Some(1));
        let took = until(20 * MINUTE, Duration::from_secs(1), all).await;
        figure(&format!("50 relays have it after {took:?}"));
        assert!(took <= 10 * MINUTE, "{took:?}");
    });
}

#[test]
fn who_was_away_while_authorities_were_replaced_follows_them_and_nobody_else() {
    virtual_time(3, async {
        let mut net = RegisteredNet::new(3, Weather::FAIR, 12);
        settled(&net).await;
        let disk = Store::in_memory();
        let (client, view) = net.client(0, disk.clone());
        ready(&client, MINUTE).await;
        sleep(10 * Duration::from_secs(1)).await;
        drop((client, view));
        net.kill(5);
        net.net.kill(llarp_tests::testnet::client_address(0));
        for n in 0..5 {
            if n % 2 == 0 {
                net.replace_authorities();
            }
            net.publish_at(0, Changes::default());
            sleep(20 * MINUTE).await;
        }
        net.restart(5);
        assert_eq!(number(net.view(5)), Some(0), "as it was on its disk");
        let follows = || number(net.view(5)) == Some(5);
        let relay = until(10 * MINUTE, Duration::from_secs(1), follows).await;

        let (client, view) = net.client(0, disk);
        assert_eq!(number(&view), Some(0));
        let follows = || number(&view) == Some(5);
        let took = until(5 * MINUTE, Duration::from_millis(100), follows).await;
        figure(&format!(
            "a relay follows after {relay:?}, a client after {took:?}"
        ));
        assert_eq!(view.members().head().charter, 3);
        talk(&client, Want::Any).await;
        // Those who were replaced are not believed any more, whatever they sign.
        let relay = net.view(5).clone();
        for node in [&view, &relay] {
            let why = node.offer_snapshot(&by_the_replaced(&net, 0)).unwrap_err();
            let is_right = matches!(
                why,
                Refused::Order {
                    number: 6,
                    error: OrderError::Charter { least: 3, got: 0 }
                }
            );
            assert!(is_right, "{why}");
            let why = node.offer_snapshot(&by_the_replaced(&net, 3)).unwrap_err();
            assert!(matches!(why, Refused::Forged(_)), "{why}");
            assert_eq!((number(node), node.members().head().charter), (Some(5), 3));
        }
        // What those sign who took their places is.
        let changes = Changes::default();
        let true_one = net.authorities.publish(net.now(), changes);
        for node in [&view, &relay] {
            node.offer_snapshot(&true_one).unwrap();
            assert_eq!(number(node), Some(6));
        }
    });
}

/// Snapshot 6, in all else as it should be, signed by the first authorities of network 3 after they
/// have appointed so many others in a row, as whoever steals their keys may.
fn by_the_replaced(net: &RegisteredNet, appointed: u32) -> Vec<u8> {
    // One seed makes one desk.
    let mut desk = RegisteredNet::without_relays(3, Weather::FAIR, 12, START).authorities;
    let now = net.now();
    let newest = net.authorities.newest();
    for _ in 0..newest.number() {
        desk.publish(now, Changes::default());
    }
    let mut dice = ChaCha20Rng::seed_from_u64(66);
    for _ in 0..appointed {
        desk.replace(&mut dice);
    }
    let before = desk.newest();
    let draft = before.succeed(
        &network(),
        desk.terms(now),
        Changes::default(),
        assign_swarms,
    );
    let mut draft = draft.unwrap().encode();
    let SnapshotHash(named) = before.hash();
    let at = draft.windows(32).position(|bytes| bytes == named).unwrap();
    draft[at..at + 32].copy_from_slice(&newest.hash().0);
    desk.sign(Snapshot::decode(&draft).unwrap())
}
