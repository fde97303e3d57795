//! Contacts that take nearly all the time there is for each word: nobody waits for them for long.

use core::time::Duration;

use llarp_core::crypto::identity::RelayId;
use llarp_core::directory::NetworkView;
use llarp_core::hop::message::KIND_DIRECTORY;
use llarp_core::link::Peer;
use llarp_core::path::Want;
use llarp_core::registry::Name;
use llarp_core::registry::directory::{Digest, Item, Trust};
use llarp_core::registry::message::{Reply, Request, SnapshotAsk, SnapshotPart};
use llarp_core::store::Store;
use llarp_tests::figure;
use llarp_tests::net::tap::{Passing, Policy, ReplyFate, RequestFate};
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::registered::RegisteredNet;
use llarp_tests::testnet::START;

use super::{MINUTE, number, ready, settled, talk};

/// A little less than a reply may take, the way included.
const LATE: Duration = Duration::from_millis(9_500);

/// What a slow contact says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Says {
    /// The truth.
    Truth,
    /// Digests that nobody has, and below them pages of relays that nobody knows.
    Inventions,
    /// The same; and it takes its time with its first word, too.
    InventionsFromTheStart,
}

struct Slow {
    says: Says,
    invented: u64,
}

impl Slow {
    const fn new(says: Says) -> Self {
        Self { says, invented: 0 }
    }

    fn invent(&mut self) -> [u8; 32] {
        self.invented += 1;
        let mut bytes = [0; 32];
        bytes[1..9].copy_from_slice(&self.invented.to_be_bytes());
        bytes
    }

    /// A page of relays in the first half of all ids, which promises more.
    fn page(&mut self) -> Reply {
        let items = (0..600).map(|_| Item {
            relay: RelayId(self.invent()),
            name: Name([3; 32]),
        });
        Reply::Hashes {
            items: items.collect(),
            more: true,
        }
    }
}

impl Policy for Slow {
    fn reply(&mut self, passing: &Passing, kind: u8, body: &mut Vec<u8>) -> ReplyFate {
        if kind != KIND_DIRECTORY || passing.peer != Peer::Anonymous {
            return ReplyFate::Pass;
        }
        let reply = Reply::decode(body).expect("a reply");
        let is_head = matches!(reply, Reply::Head(_));
        let said = match reply {
            reply if self.says == Says::Truth => reply,
            Reply::Head(mut head) => {
                for tree in &mut head.trees {
                    (tree.root, tree.count) = (Digest(self.invent()), u16::MAX);
                }
                Reply::Head(head)
            }
            Reply::Buckets(buckets) => {
                Reply::Buckets(buckets.iter().map(|_| Digest(self.invent())).collect())
            }
            Reply::Hashes { .. } => self.page(),
            other => other,
        };
        *body = said.encode();
        match is_head && self.says != Says::InventionsFromTheStart {
            true => ReplyFate::Pass,
            false => ReplyFate::Hold(LATE),
        }
    }
}

/// Found in review: nothing was fetched before the slowest source had told everything, and after
/// two minutes of that the client thought that it had learned.
#[test]
fn one_slow_contact_of_four_holds_nobody_up() {
    let all = [Says::Truth, Says::Inventions, Says::InventionsFromTheStart];
    for (says, slow) in all.into_iter().flat_map(|says| [(says, 0), (says, 2)]) {
        virtual_time(1, async {
            let mut net = RegisteredNet::without_relays(1, Weather::FAIR, 12, START);
            net.bootstrap = 4;
            net.tap(slow, Slow::new(says));
            (0..12).for_each(|n| net.start(n));
            settled(&net).await;
            let (client, view) = net.client(0, Store::in_memory());
            let took = ready(&client, MINUTE).await;
            figure(&format!("one says {says:?} slowly: known after {took:?}"));
            assert!(took <= Duration::from_secs(30), "{took:?}");
            assert_eq!(view.relays(Trust::Accepted).len(), 12);
            talk(&client, Want::Any).await;
        });
    }
}

/// Says that it has a newer snapshot, and gives it part by part, each as late as it can.
struct Boasts {
    whole: Vec<u8>,
    /// From where on it was asked.
    offset: u32,
}

impl Policy for Boasts {
    fn request(&mut self, passing: &Passing, kind: u8, body: &mut Vec<u8>) -> RequestFate {
        if let (KIND_DIRECTORY, Peer::Anonymous, Ok(Request::Snapshot(ask))) =
            (kind, passing.peer, Request::decode(body))
        {
            self.offset = ask.offset;
            // The true one has no part so far behind.
            *body = Request::Snapshot(SnapshotAsk { offset: 0, ..ask }).encode();
        }
        RequestFate::Pass
    }

    fn reply(&mut self, passing: &Passing, kind: u8, body: &mut Vec<u8>) -> ReplyFate {
        if passing.peer != Peer::Anonymous {
            return ReplyFate::Pass;
        }
        match (kind, Reply::decode(body)) {
            (KIND_DIRECTORY, Ok(Reply::Head(mut head))) => {
                head.snapshot.number += 5;
                head.snapshot.hash = [7; 32];
                *body = Reply::Head(head).encode();
                ReplyFate::Pass
            }
            (KIND_DIRECTORY, Ok(Reply::Snapshot(_))) => {
                let part = SnapshotPart::of(&self.whole, self.offset);
                *body = Reply::Snapshot(part).encode();
                ReplyFate::Hold(LATE)
            }
            _ => ReplyFate::Pass,
        }
    }
}

/// Found in review: it had two minutes, and nobody else was asked meanwhile.
#[test]
fn who_boasts_of_a_newer_snapshot_and_drips_it_is_asked_alone_for_fifteen_seconds() {
    virtual_time(2, async {
        let mut net = RegisteredNet::without_relays(2, Weather::FAIR, 12, START);
        let whole = vec![1; 1 << 20];
        net.tap(1, Boasts { whole, offset: 0 });
        (0..12).for_each(|n| net.start(n));
        settled(&net).await;
        let (client, view): (_, NetworkView) = net.client(0, Store::in_memory());
        let took = ready(&client, MINUTE).await;
        figure(&format!("a boast: known after {took:?}"));
        assert!(took <= Duration::from_secs(45), "{took:?}");
        assert_eq!(number(&view), Some(0));
        talk(&client, Want::Any).await;
    });
}
