//! A client that cannot learn the network says why, and what to do.

use core::time::Duration;

use llarp_core::client::{Client, PathError, Unknown};
use llarp_core::clock::Clock;
use llarp_core::hop::message::KIND_DIRECTORY;
use llarp_core::link::Peer;
use llarp_core::path::Want;
use llarp_core::registry::message::{Reply, Request, SnapshotPart};
use llarp_core::registry::{Changes, Refused, Unfit, assign_swarms};
use llarp_core::store::Store;
use llarp_core::wire::limits::VERSION;
use llarp_tests::net::tap::{Passing, Policy, ReplyFate, RequestFate};
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::registered::RegisteredNet;
use llarp_tests::testnet::{START, network};
use tokio::time::sleep;

use super::{MINUTE, ready, settled};
use crate::logs::Lines;

const DAY: u64 = 24 * 3600;

/// Why a client finds no path, and the words in which it says so.
async fn reason(client: &Client) -> (Unknown, String) {
    let error = client.build(Want::Any).await.unwrap_err();
    let text = error.to_string();
    match error {
        PathError::NetworkUnknown { why } => (why, text),
        other => panic!("{other}"),
    }
}

/// Found in review: both said that three sources did not agree.
#[test]
fn a_wrong_clock_and_an_expired_registry_are_named_with_what_to_do() {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        virtual_time(1, async {
            let mut net = RegisteredNet::new(1, Weather::FAIR, 12);
            settled(&net).await;
            let at_1970 = Clock::set_to(Duration::ZERO);
            let (client, _) = net.client_with(0, Store::in_memory(), at_1970);
            let (why, text) = reason(&client).await;
            assert!(
                matches!(why, Unknown::Refused(Refused::ClockSkew { .. })),
                "{text}"
            );
            assert!(text.contains("the clock may be wrong, set it"), "{text}");
            let later = Clock::set_to(Duration::from_secs(net.now() + 8 * DAY));
            let (other, _) = net.client_with(1, Store::in_memory(), later);
            let (why, text) = reason(&other).await;
            assert!(
                matches!(why, Unknown::Refused(Refused::Expired { .. })),
                "{text}"
            );
            assert!(
                text.contains("expired") && text.contains("set the clock"),
                "{text}"
            );
            sleep(20 * MINUTE).await;
            let said = lines.said().matches("cannot be relied on").count();
            assert_eq!(said, 2, "each says so once");
        });
    });
}

/// A registry that is on the disk already, and a clock that has gone back since.
#[test]
fn a_clock_behind_the_registry_that_a_client_knows_is_named() {
    virtual_time(2, async {
        let mut net = RegisteredNet::new(2, Weather::FAIR, 12);
        settled(&net).await;
        let view = net.open_view(Store::in_memory(), Clock::set_to(Duration::from_secs(9)));
        let behind = view.offer_snapshot(&net.snapshot).unwrap_err();
        assert!(matches!(behind, Refused::ClockSkew { .. }));
        let disk = Store::in_memory();
        let (client, view) = net.client(0, disk.clone());
        ready(&client, MINUTE).await;
        sleep(Duration::from_secs(10)).await;
        drop((client, view));
        net.net.kill(llarp_tests::testnet::client_address(0));
        let at_1970 = Clock::set_to(Duration::ZERO);
        let (client, view) = net.client_with(0, disk, at_1970);
        assert!(matches!(view.fit(), Err(Unfit::ClockSkew { .. })));
        let error = client.build(Want::Any).await.unwrap_err().to_string();
        assert!(error.contains("clock"), "{error}");
    });
}

/// Gives those who do not say who they are this snapshot.
struct Gives(Vec<u8>);

impl Policy for Gives {
    fn request(&mut self, passing: &Passing, kind: u8, body: &mut Vec<u8>) -> RequestFate {
        match (kind, passing.peer, Request::decode(body)) {
            (KIND_DIRECTORY, Peer::Anonymous, Ok(Request::Snapshot(ask))) => {
                let part = SnapshotPart::of(&self.0, ask.offset);
                RequestFate::Answer(Reply::Snapshot(part).encode())
            }
            _ => RequestFate::Pass,
        }
    }

    fn reply(&mut self, passing: &Passing, kind: u8, body: &mut Vec<u8>) -> ReplyFate {
        if let (KIND_DIRECTORY, Peer::Anonymous, Ok(Reply::Head(mut head))) =
            (kind, passing.peer, Reply::decode(body))
        {
            head.snapshot.number += 1;
            head.snapshot.hash = [7; 32];
            *body = Reply::Head(head).encode();
        }
        ReplyFate::Pass
    }
}

#[test]
fn a_program_that_the_network_has_left_behind_is_told_to_be_updated() {
    virtual_time(3, async {
        let mut net = RegisteredNet::without_relays(3, Weather::FAIR, 12, START);
        let mut terms = net.authorities.terms(net.now());
        terms.minimum_version = VERSION + 1;
        let newest = net.authorities.newest();
        let draft = newest.succeed(&network(), terms, Changes::default(), assign_swarms);
        let signed = net.authorities.sign(draft.unwrap());
        let whole = [&[1], &signed[..]].concat();
        (0..3).for_each(|n| net.tap(n, Gives(whole.clone())));
        (0..12).for_each(|n| net.start(n));
        settled(&net).await;
        let (client, _) = net.client(0, Store::in_memory());
        let (why, text) = reason(&client).await;
        assert!(
            matches!(why, Unknown::Refused(Refused::Outdated { .. })),
            "{text}"
        );
        assert!(text.contains("update it"), "{text}");
    });
}
