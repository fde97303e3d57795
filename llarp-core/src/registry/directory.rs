//! What a relay or a client knows of the relays that count: descriptors, key sets, proofs.
//!
//! In: [`Members`] from a snapshot of the registry, documents from anybody. Out: the [`RelayList`]
//! from which paths are chosen, answers to other nodes, rows for the cache on disk. *Not* here: how
//! a client compares sources ([`super::sync`]); snapshots themselves. Specification:
//! `docs/spec/10-directory.md` §5.
//!
//! Of a relay at most one descriptor and three key sets are held, or one proof: 5 KiB, and 80 MiB in a
//! network of the largest size in which every relay holds all it can.

mod answer;
mod error;
mod learn;
mod members;
mod record;
mod rows;
mod tree;

use std::collections::BTreeMap;

use super::document::{Name, proof_name};
use super::{Descriptor, KeyEpoch, RelayContact, RelayList};
use crate::crypto::hash::NetworkId;
use crate::crypto::identity::RelayId;
use crate::wire::limits::{DIRECTORY_AHEAD, KEY_MARGIN_SECONDS, PROOF_SECONDS};
pub use answer::Offered;
pub use error::Refused;
pub use learn::Learned;
pub use members::{Member, Members, MembersError, SnapshotHead};
pub use record::Trust;
use record::{HeldKeys, Record};
pub use rows::{Row, RowError};
use tree::Tree;
pub use tree::{Digest, Item, bucket_of, digest_of, root_of};

/// What the documents of a tree are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    /// Descriptors.
    Descriptors,
    /// Key sets of one key epoch.
    KeySets(KeyEpoch),
    /// Proofs against relays.
    Proofs,
}

/// Documents of the relays that count. See the module.
#[derive(Debug, Clone)]
pub struct Directory {
    network: NetworkId,
    members: Members,
    records: BTreeMap<RelayId, Record>,
    trees: BTreeMap<What, Tree>,
}

impl Directory {
    /// A directory of `members` without any document.
    #[must_use]
    pub fn new(network: NetworkId, members: Members) -> Self {
        Self {
            network,
            members,
            records: BTreeMap::new(),
            trees: BTreeMap::new(),
        }
    }

    /// The network that it is of.
    #[must_use]
    pub const fn network(&self) -> &NetworkId {
        &self.network
    }

    /// The relays that count.
    #[must_use]
    pub const fn members(&self) -> &Members {
        &self.members
    }

    /// Takes the relays of another snapshot; what is known of others is forgotten.
    pub fn set_members(&mut self, members: Members) {
        let gone: Vec<_> = self
            .records
            .keys()
            .filter(|relay| members.get(relay).is_none())
            .copied()
            .collect();
        for relay in gone {
            self.forget(&relay);
        }
        self.members = members;
    }

    /// Forgets key sets and proofs whose time is over. To be called now and then; what has
    /// expired is in no list before that, either.
    pub fn expire(&mut self, now: u64) {
        let relays: Vec<_> = self.records.keys().copied().collect();
        for relay in relays {
            self.expire_relay(&relay, now);
        }
        self.trees
            .retain(|what, _| !matches!(what, What::KeySets(epoch) if !is_open(*epoch, now)));
    }

    /// The relays of which paths can be built at `now`: with a descriptor, without a proof, and with
    /// a key set of at least this [`Trust`] for the present key epoch. Who has none yet is there
    /// with the epoch before, until half an hour before its keys are erased.
    #[must_use]
    pub fn relays(&self, now: u64, least: Trust) -> RelayList {
        let contacts = self
            .records
            .iter()
            .filter_map(|(relay, record)| self.contact(relay, record, now, least));
        // The ids are keys of a map, and not more than members.
        RelayList::new(contacts).unwrap_or_else(|_| RelayList::none())
    }

    /// The descriptor of `relay`.
    #[must_use]
    pub fn descriptor(&self, relay: &RelayId) -> Option<&Descriptor> {
        let (descriptor, _) = self.records.get(relay)?.descriptor.as_ref()?;
        Some(descriptor.get())
    }

    /// How sure the key set of `relay` is for `epoch`, if there is one.
    #[must_use]
    pub fn trust(&self, relay: &RelayId, epoch: KeyEpoch) -> Option<Trust> {
        Some(self.records.get(relay)?.of_epoch(epoch)?.trust)
    }

    /// Whether a proof excludes `relay`.
    #[must_use]
    pub fn is_excluded(&self, relay: &RelayId) -> bool {
        let record = self.records.get(relay);
        record.is_some_and(|record| record.proof.is_some())
    }

    /// The name of the document that it holds of `relay`.
    #[must_use]
    pub fn name(&self, what: What, relay: &RelayId) -> Option<Name> {
        let record = self.records.get(relay)?;
        match what {
            What::Descriptors => record.descriptor.as_ref().map(|(_, name)| *name),
            What::KeySets(epoch) => record.of_epoch(epoch).map(|held| held.name),
            What::Proofs => {
                let proof = record.proof.as_ref();
                proof.map(|_| proof_name(&self.network, relay))
            }
        }
    }

    /// Raises the trust in a key set that most sources give. Only [`super::sync`] knows of which
    /// that is true.
    pub(super) fn trust_in(&mut self, relay: &RelayId, epoch: KeyEpoch, name: Name, trust: Trust) {
        let record = self.records.get_mut(relay);
        let held = record.and_then(|record| record.of_epoch_mut(epoch));
        if let Some(held) = held.filter(|held| held.name == name) {
            held.trust = held.trust.max(trust);
        }
    }

    fn contact(
        &self,
        relay: &RelayId,
        record: &Record,
        now: u64,
        least: Trust,
    ) -> Option<RelayContact> {
        if record.proof.is_some() {
            return None;
        }
        let member = self.members.get(relay)?;
        let presence = record.descriptor.as_ref()?.0.get().presence();
        let trusted = |held: &&HeldKeys| held.trust >= least;
        let present = KeyEpoch::at(now);
        let before = present.previous();
        let in_time = now < before.erased().saturating_sub(KEY_MARGIN_SECONDS);
        let held = record.of_epoch(present).filter(trusted).or_else(|| {
            let held = record.of_epoch(before).filter(trusted);
            held.filter(|_| in_time)
        })?;
        Some(RelayContact {
            id: *relay,
            addresses: presence.addresses,
            family: member.family.or(presence.family),
            onion: held.set.get().onion().clone(),
        })
    }

    fn expire_relay(&mut self, relay: &RelayId, now: u64) {
        let Some(record) = self.records.get_mut(relay) else {
            return;
        };
        record
            .keys
            .retain(|held| is_open(held.set.get().epoch(), now));
        let over = |epoch| !is_punished(epoch, now);
        if record
            .proof
            .as_ref()
            .is_some_and(|proof| over(proof.get().epoch()))
        {
            record.proof = None;
            self.remove_item(What::Proofs, relay);
        }
        if self.records.get(relay).is_some_and(Record::is_empty) {
            self.records.remove(relay);
        }
    }

    fn forget(&mut self, relay: &RelayId) {
        self.records.remove(relay);
        let Self { network, trees, .. } = self;
        for tree in trees.values_mut() {
            tree.remove(network, relay);
        }
    }

    fn insert_item(&mut self, what: What, item: Item) {
        let tree = self.trees.entry(what).or_insert_with(Tree::new);
        tree.insert(&self.network, item);
    }

    fn remove_item(&mut self, what: What, relay: &RelayId) {
        if let Some(tree) = self.trees.get_mut(&what) {
            tree.remove(&self.network, relay);
        }
    }
}

/// Whether keys of `epoch` are in use, by a clock that is behind a little, too.
const fn is_open(epoch: KeyEpoch, now: u64) -> bool {
    epoch.announced() <= now.saturating_add(DIRECTORY_AHEAD) && now < epoch.erased()
}

/// Whether a proof about `epoch` excludes a relay.
const fn is_punished(epoch: KeyEpoch, now: u64) -> bool {
    epoch.announced() <= now.saturating_add(DIRECTORY_AHEAD)
        && now < epoch.start().saturating_add(PROOF_SECONDS)
}
