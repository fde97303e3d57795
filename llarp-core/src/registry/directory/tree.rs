//! Digests over what a directory has, so that two directories find where they differ.
//!
//! ```text
//!  level 0                     root
//!  level 1            0…               1…          by the leading bits of relay ids
//!    ⋮
//!  level 10   leaf = H(leaf ‖ id ‖ name ‖ id ‖ name ‖ …), 1,024 of them
//! ```
//! The digest of a node without relays is zero; of another H(node ‖ left ‖ right). A *bucket* is a
//! node of any level, so that two nodes whose networks differ in size still compare. Specification:
//! `docs/spec/10-directory.md` §6.

use std::collections::BTreeMap;

use super::super::document::Name;
use crate::crypto::hash::{NetworkId, hash, label};
use crate::crypto::identity::RelayId;
use crate::wire::limits::TREE_LEVELS;

/// The digest of a bucket, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of nothing.
    pub const EMPTY: Self = Self([0; 32]);
}

/// What is compared: a relay, and the name of its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// The relay.
    pub relay: RelayId,
    /// The name of the document.
    pub name: Name,
}

/// The bucket of `relay` at `level`: that many leading bits of its id.
#[must_use]
pub fn bucket_of(relay: &RelayId, level: u8) -> u16 {
    let [high, low, ..] = relay.0;
    let shift = 16 - u32::from(level.min(TREE_LEVELS));
    u16::from_be_bytes([high, low])
        .checked_shr(shift)
        .unwrap_or(0)
}

/// The digest of the bucket of `level` that has these items and no others, by ascending id.
#[must_use]
pub fn digest_of(network: &NetworkId, items: &[Item], level: u8) -> Digest {
    if items.is_empty() {
        return Digest::EMPTY;
    }
    if level >= TREE_LEVELS {
        return leaf(network, items.iter().copied());
    }
    let below = level + 1;
    let middle = items.partition_point(|item| bucket_of(&item.relay, below) & 1 == 0);
    let (left, right) = items.split_at(middle);
    let left = digest_of(network, left, below);
    node(network, left, digest_of(network, right, below))
}

/// The root above these digests of all buckets of one level, if they are a power of two.
#[must_use]
pub fn root_of(network: &NetworkId, buckets: &[Digest]) -> Option<Digest> {
    let mut level = buckets.to_vec();
    while level.len() > 1 {
        let pairs = level.chunks(2).map(|pair| match pair {
            [left, right] => Some(node(network, *left, *right)),
            _ => None,
        });
        level = pairs.collect::<Option<_>>()?;
    }
    level.first().copied()
}

fn leaf(network: &NetworkId, items: impl Iterator<Item = Item>) -> Digest {
    let mut bytes = vec![0];
    for item in items {
        bytes.extend_from_slice(&item.relay.0);
        bytes.extend_from_slice(&item.name.0);
    }
    match bytes.len() {
        1 => Digest::EMPTY,
        _ => Digest(hash(label::DIRECTORY_BUCKET, network, &[&bytes])),
    }
}

fn node(network: &NetworkId, left: Digest, right: Digest) -> Digest {
    if left == Digest::EMPTY && right == Digest::EMPTY {
        return Digest::EMPTY;
    }
    let parts: [&[u8]; 3] = [&[1], &left.0, &right.0];
    Digest(hash(label::DIRECTORY_BUCKET, network, &parts))
}

/// The items of one kind of documents with all digests over them, which a change keeps right at the
/// cost of [`TREE_LEVELS`] hashes and a leaf.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    /// By ascending id.
    items: BTreeMap<RelayId, Name>,
    /// The node `n` of level `l` at `2^l + n`; nothing at 0.
    nodes: Vec<Digest>,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self {
            items: BTreeMap::new(),
            nodes: vec![Digest::EMPTY; 2 << TREE_LEVELS],
        }
    }

    pub(super) fn insert(&mut self, network: &NetworkId, item: Item) {
        if self.items.insert(item.relay, item.name) != Some(item.name) {
            self.renew(network, &item.relay);
        }
    }

    pub(super) fn remove(&mut self, network: &NetworkId, relay: &RelayId) {
        if self.items.remove(relay).is_some() {
            self.renew(network, relay);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn root(&self) -> Digest {
        self.node(1)
    }

    /// The digests of all buckets of `level`.
    pub(super) fn buckets(&self, level: u8) -> &[Digest] {
        let first = 1_usize << level.min(TREE_LEVELS);
        self.nodes.get(first..2 * first).unwrap_or_default()
    }

    /// The items of the bucket behind the id `after`, by ascending id.
    pub(super) fn bucket(
        &self,
        level: u8,
        bucket: u16,
        after: RelayId,
    ) -> impl Iterator<Item = Item> {
        let first = first_of(level, bucket).max(after);
        let behind = move |relay: &RelayId| *relay > after || after == RelayId([0; 32]);
        self.items
            .range(first..)
            .map(|(relay, name)| Item {
                relay: *relay,
                name: *name,
            })
            .take_while(move |item| bucket_of(&item.relay, level) == bucket)
            .filter(move |item| behind(&item.relay))
    }

    fn node(&self, at: usize) -> Digest {
        self.nodes.get(at).copied().unwrap_or(Digest::EMPTY)
    }

    /// Computes the digests anew from the leaf of `relay` up to the root.
    fn renew(&mut self, network: &NetworkId, relay: &RelayId) {
        let bucket = bucket_of(relay, TREE_LEVELS);
        let nothing = RelayId([0; 32]);
        let mut digest = leaf(network, self.bucket(TREE_LEVELS, bucket, nothing));
        let mut at = (1 << TREE_LEVELS) + usize::from(bucket);
        loop {
            if let Some(place) = self.nodes.get_mut(at) {
                *place = digest;
            }
            at /= 2;
            if at == 0 {
                return;
            }
            digest = node(network, self.node(2 * at), self.node(2 * at + 1));
        }
    }
}

/// The smallest id of a bucket.
fn first_of(level: u8, bucket: u16) -> RelayId {
    let shift = 16 - u32::from(level.min(TREE_LEVELS));
    let [high, low] = bucket.checked_shl(shift).unwrap_or(0).to_be_bytes();
    let mut id = [0; 32];
    let [first, second, ..] = &mut id;
    (*first, *second) = (high, low);
    RelayId(id)
}
