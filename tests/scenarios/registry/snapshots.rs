//! Snapshots that are not to be taken: each is refused for what it is, and the last good one goes on.

use core::time::Duration;

use llarp_core::directory::{NetworkView, OpenError};
use llarp_core::hop::message::KIND_DIRECTORY;
use llarp_core::path::Want;
use llarp_core::registry::message::{Reply, Request, SnapshotPart};
use llarp_core::registry::{Changed, Changes, LedgerError, Refused, Terms, assign_swarms};
use llarp_core::store::{Batch, KeyRange, Store, TableId};
use llarp_core::wire::limits::SIGNED_SNAPSHOT_MAX;
use llarp_tests::figure;
use llarp_tests::net::tap::{Passing, Policy, ReplyFate};
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::registered::RegisteredNet;
use llarp_tests::testnet::{START, network};
use tokio::time::sleep;

use super::{HOUR, MINUTE, number, ready, settled, talk};

/// The next snapshot with other terms, signed as it should be, and published nowhere.
fn signed(net: &RegisteredNet, change: impl FnOnce(&mut Terms)) -> Vec<u8> {
    let mut terms = net.authorities.terms(net.now());
    change(&mut terms);
    let newest = net.authorities.newest();
    let draft = newest.succeed(&network(), terms, Changes::default(), assign_swarms);
    net.authorities.sign(draft.unwrap())
}

/// A snapshot, why it is refused, and the word by which its error is known.
type Bad = (Vec<u8>, fn(&Refused) -> bool, &'static str);

fn bad_ones(net: &RegisteredNet, old: Vec<u8>) -> Vec<Bad> {
    let good = net.snapshot.clone();
    let mut garbled = good.clone();
    *garbled.last_mut().unwrap() ^= 1;
    let mut changed = good.clone();
    let middle = good.len() / 2;
    changed[middle] ^= 1;
    let now = net.now();
    // Further on than what is known, so that only its signatures speak against it.
    let mut strangers = RegisteredNet::without_relays(99, Weather::FAIR, 12, START).authorities;
    strangers.publish(now, Changes::default());
    let foreign = strangers.publish(now, Changes::default());
    assert_eq!(strangers.newest().number(), 2);
    let expired = signed(net, |terms| {
        terms.valid_from = now - 60;
        terms.valid_until = now - 1;
    });
    let early = signed(net, |terms| {
        terms.valid_from = now + 600;
        terms.valid_until = now + 7200;
    });
    vec![
        (
            old,
            |why| matches!(why, Refused::RolledBack { .. }),
            "rolled back",
        ),
        (garbled, |why| matches!(why, Refused::Forged(_)), "forged"),
        (
            changed,
            |why| matches!(why, Refused::Forged(_) | Refused::Malformed(_)),
            "registry",
        ),
        (foreign, |why| matches!(why, Refused::Forged(_)), "forged"),
        (
            expired,
            |why| matches!(why, Refused::Expired { .. }),
            "expired",
        ),
        (
            early,
            |why| matches!(why, Refused::ClockSkew { .. }),
            "clock",
        ),
        (
            good[..middle].to_vec(),
            |why| matches!(why, Refused::Malformed(_)),
            "malformed",
        ),
        (
            Vec::new(),
            |why| matches!(why, Refused::Malformed(_)),
            "malformed",
        ),
        (
            vec![1; SIGNED_SNAPSHOT_MAX + 1],
            |why| matches!(why, Refused::Malformed(_)),
            "malformed",
        ),
    ]
}

#[test]
fn bad_snapshots_are_refused_for_what_they_are_and_the_last_good_one_goes_on() {
    virtual_time(1, async {
        let mut net = RegisteredNet::new(1, Weather::FAIR, 12);
        settled(&net).await;
        let (client, view) = net.client(0, Store::in_memory());
        ready(&client, MINUTE).await;
        let old = net.snapshot.clone();
        sleep(2 * HOUR).await;
        net.publish_at(0, Changes::default());
        view.offer_snapshot(&net.snapshot).unwrap();
        sleep(2 * MINUTE).await;
        let relay = net.view(0).clone();
        for (bytes, is_right, said) in bad_ones(&net, old) {
            for node in [&view, &relay] {
                let why = node.offer_snapshot(&bytes).unwrap_err();
                assert!(is_right(&why), "{said}: {why}");
                let text = why.to_string();
                assert!(text.contains(said), "{text}");
                assert_eq!(number(node), Some(1), "the last good one stays");
            }
            talk(&client, Want::Any).await;
        }
        assert_eq!(view.offer_snapshot(&net.snapshot).unwrap(), Changed::Known);
    });
}

/// Says that it has a newer snapshot, and gives something else.
struct Promises {
    whole: Vec<u8>,
    /// Bytes that it gives of it; then nothing.
    given: usize,
}

impl Policy for Promises {
    fn reply(&mut self, passing: &Passing, kind: u8, body: &mut Vec<u8>) -> ReplyFate {
        let _ = passing;
        if kind == KIND_DIRECTORY
            && let Ok(Reply::Head(mut head)) = Reply::decode(body)
        {
            head.snapshot.number += 5;
            head.snapshot.hash = [7; 32];
            *body = Reply::Head(head).encode();
        }
        ReplyFate::Pass
    }

    fn request(
        &mut self,
        _: &Passing,
        kind: u8,
        body: &mut Vec<u8>,
    ) -> llarp_tests::net::tap::RequestFate {
        use llarp_tests::net::tap::RequestFate;
        let asked = Request::decode(body);
        let (KIND_DIRECTORY, Ok(Request::Snapshot(ask))) = (kind, asked) else {
            return RequestFate::Pass;
        };
        let part = SnapshotPart::of(&self.whole, ask.offset);
        let given = ask.offset as usize + part.bytes.len() <= self.given;
        let reply = if given {
            Reply::Snapshot(part)
        } else {
            Reply::Nothing
        };
        RequestFate::Answer(reply.encode())
    }
}

/// A contact that promises a newer snapshot is asked for it, and keeps nobody from the true one.
#[test]
fn a_contact_with_a_false_snapshot_delays_nobody() {
    // Nothing, garbage, an oversized one in parts, one that ends halfway.
    let cases = [
        (Vec::new(), 0),
        (vec![1; 9_000], 9_000),
        (vec![1; 3 << 20], 3 << 20),
        (vec![1; 3 << 20], 1 << 20),
    ];
    for (n, (whole, given)) in (1..).zip(cases) {
        virtual_time(n, async {
            let mut net = RegisteredNet::without_relays(n, Weather::FAIR, 12, START);
            net.tap(0, Promises { whole, given });
            (0..12).for_each(|n| net.start(n));
            settled(&net).await;
            let (client, view) = net.client(0, Store::in_memory());
            let took = ready(&client, 2 * MINUTE).await;
            figure(&format!("false snapshot {n}: known after {took:?}"));
            assert_eq!(number(&view), Some(0));
            talk(&client, Want::Any).await;
        });
    }
}

/// An expired snapshot stays in use, and says so.
#[test]
fn a_network_whose_authorities_sleep_goes_on_and_says_so() {
    llarp_tests::net::virtual_time_within(2, 9 * 24 * HOUR, async {
        let mut net = RegisteredNet::new(2, Weather::FAIR, 6);
        settled(&net).await;
        let (client, view) = net.client(0, Store::in_memory());
        ready(&client, MINUTE).await;
        assert!(view.fit().is_ok());
        client.suspend();
        (0..6).for_each(|n| net.kill(n));
        sleep(8 * 24 * HOUR).await;
        (0..6).for_each(|n| net.restart(n));
        // For so long their clocks may be wrong instead, and they draw no keys.
        sleep(3 * HOUR).await;
        settled(&net).await;
        // Until then relays that were restarted build nothing.
        sleep(6 * MINUTE).await;
        client.resume();
        talk(&client, Want::Any).await;
        let unfit = view.fit().unwrap_err().to_string();
        assert!(unfit.contains("expired"), "{unfit}");
    });
}

#[test]
fn what_a_disk_has_spoiled_is_not_taken_for_the_registry() {
    virtual_time(3, async {
        let mut net = RegisteredNet::new(3, Weather::FAIR, 12);
        settled(&net).await;
        let disk = Store::in_memory();
        let (client, view) = net.client(0, disk.clone());
        ready(&client, MINUTE).await;
        sleep(Duration::from_secs(10)).await;
        drop((client, view));
        let table = TableId("ledger");
        let rows = disk.range(table, &KeyRange::all(), 9).unwrap();
        let (key, value) = rows[0].clone();
        let half = value[..value.len() / 2].to_vec();
        let mut changed = value.clone();
        changed[value.len() / 2] ^= 1;
        for spoiled in [half, changed] {
            let mut batch = Batch::new();
            batch.put(table, key.clone(), spoiled);
            disk.commit(batch).await.unwrap();
            let error = net.try_open_view(disk.clone(), net.clock).unwrap_err();
            let kind = matches!(
                error,
                OpenError::Ledger(LedgerError::Malformed(_) | LedgerError::Refused(_))
            );
            assert!(kind, "{error}");
            assert!(error.to_string().contains("remove"), "{error}");
        }
        let mut batch = Batch::new();
        batch.put(table, key, value);
        disk.commit(batch).await.unwrap();
        let view: NetworkView = net.open_view(disk, net.clock);
        assert_eq!(number(&view), Some(0));
    });
}
