//! What a directory tells others, in bounded work: nothing is hashed or verified but what is offered.

use super::super::VerifiedEquivocation;
use super::super::document::Document;
use super::super::message::{Head, Reply, Request, TreeHead};
use super::{Digest, Directory, Item, Learned, Refused, Tree, What};
use crate::crypto::identity::RelayId;
use crate::wire::limits::{DIRECTORY_MESSAGE_MAX, HASHES_MAX, TREES_MAX};

/// What came of documents that another node offered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offered {
    /// What is news, to be offered to others. A contradiction is there as its proof.
    pub news: Vec<Document>,
    /// A document that its relay did not sign was among them: whoever offers such does not check,
    /// and what is behind it was not looked at.
    pub forged: bool,
}

impl Directory {
    /// Answers any request but [`Request::Snapshot`] and [`Request::Offer`], to which it says
    /// [`Reply::Nothing`]: snapshots are the ledger's, and offers change the directory
    /// ([`Self::offered`]). A reply takes at most [`DIRECTORY_MESSAGE_MAX`] bytes.
    #[must_use]
    pub fn answer(&self, request: &Request) -> Reply {
        match request {
            Request::Head => Reply::Head(self.head()),
            Request::Snapshot(_) | Request::Offer(_) => Reply::Nothing,
            Request::Buckets { what, level } => match self.trees.get(what) {
                Some(tree) => Reply::Buckets(tree.buckets(*level).to_vec()),
                None => Reply::Nothing,
            },
            Request::Hashes {
                what,
                level,
                after,
                buckets,
            } => match self.trees.get(what) {
                Some(tree) => hashes(tree, *level, *after, buckets),
                None => Reply::Nothing,
            },
            Request::Documents { what, relays } => Reply::Documents(self.fitting(*what, relays)),
        }
    }

    /// Takes what another node offers, up to the first forgery.
    pub fn offered(&mut self, documents: Vec<Document>, now: u64) -> Offered {
        let mut offered = Offered::default();
        for document in documents {
            match self.learn(document.clone(), now) {
                Ok(Learned::News) => offered.news.push(document),
                Ok(Learned::Contradiction(proof)) => {
                    let proof = Document::Equivocation(proof.get().clone());
                    offered.news.push(proof);
                }
                Err(Refused::Signature(_)) => {
                    offered.forged = true;
                    break;
                }
                Ok(Learned::Known) | Err(_) => (),
            }
        }
        offered
    }

    /// What it has, in brief.
    #[must_use]
    pub fn head(&self) -> Head {
        let trees = self.trees.iter().map(|(what, tree)| TreeHead {
            what: *what,
            // At most RELAYS_MAX.
            count: u16::try_from(tree.len()).unwrap_or(u16::MAX),
            root: tree.root(),
        });
        Head {
            snapshot: *self.members.head(),
            trees: trees.take(TREES_MAX).collect(),
        }
    }

    /// The proof against `relay`.
    pub(in super::super) fn proof(&self, relay: &RelayId) -> Option<&VerifiedEquivocation> {
        self.records.get(relay)?.proof.as_ref()
    }

    /// The digests of all buckets of `level`, if it has a document at all.
    pub(in super::super) fn buckets(&self, what: What, level: u8) -> Option<&[Digest]> {
        Some(self.trees.get(&what)?.buckets(level))
    }

    /// The items of a bucket.
    pub(in super::super) fn items(&self, what: What, level: u8, bucket: u16) -> Vec<Item> {
        let tree = self.trees.get(&what);
        let items = tree.map(|tree| tree.bucket(level, bucket, RelayId([0; 32])));
        items.into_iter().flatten().collect()
    }

    /// One document.
    #[must_use]
    pub fn document(&self, what: What, relay: &RelayId) -> Option<Document> {
        let record = self.records.get(relay)?;
        match what {
            What::Descriptors => {
                let (descriptor, _) = record.descriptor.as_ref()?;
                Some(Document::Descriptor(descriptor.get().clone()))
            }
            What::KeySets(epoch) => {
                let held = record.of_epoch(epoch)?;
                Some(Document::KeySet(held.set.get().clone()))
            }
            What::Proofs => {
                let proof = record.proof.as_ref()?;
                Some(Document::Equivocation(proof.get().clone()))
            }
        }
    }

    /// The documents of these relays, as many as one reply takes.
    fn fitting(&self, what: What, relays: &[RelayId]) -> Vec<Document> {
        // Version, kind and count.
        let mut left = DIRECTORY_MESSAGE_MAX - 4;
        let mut documents = Vec::new();
        for relay in relays {
            let Some(document) = self.document(what, relay) else {
                continue;
            };
            let Some(rest) = left.checked_sub(2 + document.encoded_len()) else {
                break;
            };
            left = rest;
            documents.push(document);
        }
        documents
    }
}

fn hashes(tree: &Tree, level: u8, after: RelayId, buckets: &[u16]) -> Reply {
    let items = buckets
        .iter()
        .flat_map(|bucket| tree.bucket(level, *bucket, after));
    let mut items: Vec<_> = items.take(HASHES_MAX + 1).collect();
    let more = items.len() > HASHES_MAX;
    items.truncate(HASHES_MAX);
    Reply::Hashes { items, more }
}
