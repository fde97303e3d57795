//! Authorities that sign two snapshots of one number: whoever meets both says so and keeps them.

use core::time::Duration;

use llarp_core::directory::NetworkView;
use llarp_core::hop::message::KIND_DIRECTORY;
use llarp_core::path::Want;
use llarp_core::registry::message::Reply;
use llarp_core::registry::{Changes, assign_swarms};
use llarp_core::store::Store;
use llarp_tests::figure;
use llarp_tests::net::tap::{Passing, Policy, ReplyFate};
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::registered::RegisteredNet;
use llarp_tests::testnet::{START, network};
use tokio::time::sleep;

use super::{HOUR, MINUTE, number, ready, settled, talk, until};
use crate::logs::Lines;

/// The next snapshot, valid for so long: each is another one.
fn next(net: &RegisteredNet, hours: u64) -> Vec<u8> {
    let mut terms = net.authorities.terms(net.now());
    terms.valid_until = terms.valid_from + hours * 3600;
    let newest = net.authorities.newest();
    let draft = newest.succeed(&network(), terms, Changes::default(), assign_swarms);
    net.authorities.sign(draft.unwrap())
}

const SAID: &str = "two different snapshots of one number";

/// Found in review: links compared numbers, and so nobody ever saw another snapshot of the same.
#[test]
fn two_signed_snapshots_of_one_number_are_seen_by_both_halves_and_by_clients() {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        virtual_time(1, async {
            let mut net = RegisteredNet::new(1, Weather::FAIR, 12);
            settled(&net).await;
            let disk = Store::in_memory();
            let (client, view) = net.client(0, disk.clone());
            ready(&client, MINUTE).await;
            let (one, other) = (next(&net, 100), next(&net, 101));
            assert_ne!(one, other);
            for n in 0..12 {
                let half = if n % 2 == 0 { &one } else { &other };
                net.view(n).offer_snapshot(half).unwrap();
            }
            view.offer_snapshot(&one).unwrap();
            let sees = |view: &NetworkView| view.fork().is_some_and(|fork| fork.number() == 1);
            let all = || (0..12).all(|n| sees(net.view(n)));
            let took = until(10 * MINUTE, Duration::from_secs(1), all).await;
            let by_client = until(6 * HOUR, MINUTE, || sees(&view)).await;
            figure(&format!(
                "two snapshots of one number: all relays see it after {took:?}, a client after {by_client:?}"
            ));
            // Whoever shows it shows both, as they were signed.
            for view in (0..12).map(|n| net.view(n)).chain([&view]) {
                let fork = view.fork().unwrap();
                let mut both = [fork.own().encode(), fork.other().encode()];
                let mut signed = [one.clone(), other.clone()];
                both.sort();
                signed.sort();
                assert_eq!(both, signed);
                assert_eq!(number(view), Some(1), "each stays where it is");
            }
            talk(&client, Want::Any).await;
            sleep(HOUR).await;
            let said = lines.said();
            assert_eq!(said.matches(SAID).count(), 13, "each says so once:\n{said}");
            drop((client, view));
            let again = net.open_view(disk, net.clock);
            assert!(sees(&again), "it is on the disk");
        });
    });
}

/// Says that it has another snapshot of the same number.
struct Claims;

impl Policy for Claims {
    fn reply(&mut self, _: &Passing, kind: u8, body: &mut Vec<u8>) -> ReplyFate {
        if let (KIND_DIRECTORY, Ok(Reply::Head(mut head))) = (kind, Reply::decode(body)) {
            head.snapshot.hash = [7; 32];
            *body = Reply::Head(head).encode();
        }
        ReplyFate::Pass
    }
}

#[test]
fn who_only_says_that_there_is_another_snapshot_alarms_nobody() {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        virtual_time(2, async {
            let mut net = RegisteredNet::without_relays(2, Weather::FAIR, 12, START);
            net.tap(0, Claims);
            (0..12).for_each(|n| net.start(n));
            settled(&net).await;
            let (client, view) = net.client(0, Store::in_memory());
            ready(&client, MINUTE).await;
            sleep(10 * MINUTE).await;
            assert!(view.fork().is_none());
            assert!((0..12).all(|n| net.view(n).fork().is_none()));
            assert!(!lines.said().contains(SAID));
            talk(&client, Want::Any).await;
        });
    });
}
