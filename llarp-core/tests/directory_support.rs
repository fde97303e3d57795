//! Directories on paper: relays with keys, what they sign, and sources that answer, or lie.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::LazyLock;

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{RelayId, SecretKey};
use llarp_core::crypto::kem::{KemPublic, KemSecret};
use llarp_core::crypto::onion_key::OnionPublic;
use llarp_core::registry::directory::{Member, Members, SnapshotHead};
use llarp_core::registry::message::{Reply, Request};
use llarp_core::registry::sync::{Fault, Outcome, Reach, Sync};
use llarp_core::registry::{
    Addresses, Descriptor, Directory, Document, KeyEpoch, KeySet, Presence, VerifiedKeySet,
};
use llarp_core::wire::limits::DIRECTORY_MESSAGE_MAX;

use crate::support::rng;

/// The middle of a key epoch.
pub(crate) const NOW: u64 = KeyEpoch(10_000).start() + 24 * 3600;
pub(crate) const EPOCH: KeyEpoch = KeyEpoch(10_000);

static KEM: LazyLock<KemPublic> =
    LazyLock::new(|| KemSecret::generate(&mut rng(1)).public().clone());

pub(crate) fn network() -> NetworkId {
    NetworkId::from_name("directory")
}

/// The keys of `count` relays, by ascending id.
pub(crate) fn keys(count: usize) -> Vec<SecretKey> {
    let mut rng = rng(7);
    let mut keys: Vec<_> = (0..count).map(|_| SecretKey::generate(&mut rng)).collect();
    keys.sort_by_key(SecretKey::relay_id);
    keys
}

pub(crate) fn members(keys: &[SecretKey]) -> Members {
    let head = SnapshotHead {
        number: 5,
        hash: [5; 32],
        charter: 1,
    };
    Members::new(head, keys.iter().map(|key| member(key.relay_id()))).unwrap()
}

pub(crate) const fn member(relay: RelayId) -> Member {
    let family = None;
    Member { relay, family }
}

pub(crate) fn presence(issued: u64) -> Presence {
    let v4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 1090);
    Presence {
        issued,
        addresses: Addresses::new(Some(v4), None).unwrap(),
        family: None,
        capacity: 10_000,
    }
}

pub(crate) fn descriptor(key: &SecretKey, issued: u64) -> Document {
    let signed = Descriptor::sign(&network(), key, presence(issued));
    Document::Descriptor(signed.get().clone())
}

/// The keys of `variant` that the relay signs for `epoch`; honest relays have one variant, 0.
pub(crate) fn signed(key: &SecretKey, epoch: KeyEpoch, variant: u8) -> VerifiedKeySet {
    let onion = OnionPublic {
        x25519: [variant + 1; 32],
        kem: KEM.clone(),
    };
    KeySet::sign(&network(), key, epoch, onion)
}

pub(crate) fn key_set(key: &SecretKey, epoch: KeyEpoch, variant: u8) -> Document {
    Document::KeySet(signed(key, epoch, variant).get().clone())
}

pub(crate) fn empty(keys: &[SecretKey]) -> Directory {
    Directory::new(network(), members(keys))
}

/// The directory that has all of `keys`.
pub(crate) fn full(keys: &[SecretKey]) -> Directory {
    let mut directory = empty(keys);
    for key in keys {
        directory.learn(descriptor(key, NOW - 1000), NOW).unwrap();
        directory.learn(key_set(key, EPOCH, 0), NOW).unwrap();
    }
    directory
}

/// What a peer does with an answer before it is sent.
pub(crate) type Lie<'a> = Box<dyn Fn(&Request, Reply) -> Vec<u8> + 'a>;

/// Who answers: a directory, and what it does with each answer before it is sent.
pub(crate) struct Peer<'a> {
    pub(crate) reach: Reach,
    pub(crate) directory: &'a Directory,
    pub(crate) lie: Lie<'a>,
}

pub(crate) fn honest(reach: Reach, directory: &Directory) -> Peer<'_> {
    let lie = Box::new(|_: &Request, reply: Reply| reply.encode());
    Peer {
        reach,
        directory,
        lie,
    }
}

/// What a comparison cost.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) requests: usize,
    pub(crate) up: usize,
    pub(crate) down: usize,
}

pub(crate) fn run(client: &mut Directory, peers: &[Peer<'_>]) -> (Outcome, Cost) {
    run_at(client, peers, NOW)
}

pub(crate) fn run_at(client: &mut Directory, peers: &[Peer<'_>], now: u64) -> (Outcome, Cost) {
    let reaches: Vec<_> = peers.iter().map(|peer| peer.reach).collect();
    let mut sync = Sync::new(client, Sync::needed(now, true), &reaches);
    let mut cost = Cost::default();
    // Answers come in the order of the requests, as many under way as there are peers.
    let mut under_way = std::collections::VecDeque::new();
    loop {
        while let Some((source, request)) = sync.next(client) {
            let bytes = request.encode();
            assert!(bytes.len() <= DIRECTORY_MESSAGE_MAX);
            assert_eq!(Request::decode(&bytes).as_ref(), Ok(&request));
            let peer = &peers[source.0];
            let reply = (peer.lie)(&request, peer.directory.answer(&request));
            assert!(reply.len() <= DIRECTORY_MESSAGE_MAX);
            cost.requests += 1;
            cost.up += bytes.len();
            cost.down += reply.len();
            assert!(cost.requests < 20_000, "runs in circles");
            under_way.push_back((source, reply));
        }
        let Some((source, reply)) = under_way.pop_front() else {
            break;
        };
        let _: Result<(), Fault> = sync.handle(source, &reply, client, now);
    }
    assert!(sync.finished(), "nothing is under way, and nothing asked");
    (sync.finish(client), cost)
}
