//! Taking replies.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::directory::{Digest, Item, Learned, Refused, What, bucket_of, digest_of};
use super::super::message::{Head, Reply};
use super::super::{Directory, Document};
use super::source::{Asked, Claim, TreeSaid};
use super::{Fault, SourceId, Sync};
use crate::wire::limits::{HASHES_MAX, RELAYS_MAX, SYNC_OMITTED_MAX};

/// Items that a page has at least which promises more, so that pages end.
const PAGE_MIN: usize = HASHES_MAX / 2;

/// Items of one kind that a source may tell beyond what its head said: its directory grows meanwhile.
const ITEMS_MORE: usize = HASHES_MAX;

impl Sync {
    pub(super) fn take(
        &mut self,
        source: SourceId,
        asked: Asked,
        reply: Reply,
        directory: &mut Directory,
        now: u64,
    ) -> Result<(), Fault> {
        match (asked, reply) {
            (Asked::Head, Reply::Head(head)) => {
                self.take_head(source, &head);
                Ok(())
            }
            (Asked::Buckets { what, .. }, Reply::Buckets(buckets)) => {
                self.take_buckets(source, what, buckets)
            }
            // What it told of is gone meanwhile, which happens when a key epoch ends.
            (Asked::Buckets { what, .. }, Reply::Nothing) => {
                self.claim(source, what, Claim::Root(Digest::EMPTY));
                Ok(())
            }
            (asked @ Asked::Hashes { .. }, Reply::Hashes { items, more }) => {
                self.take_page(source, asked, items, more)
            }
            (asked @ Asked::Hashes { .. }, Reply::Nothing) => {
                self.take_page(source, asked, Vec::new(), false)
            }
            (Asked::Documents { what, wanted }, Reply::Documents(documents)) => {
                let taken = self.take_documents((source, what), &wanted, documents, directory, now);
                self.give_back(&Asked::Documents { what, wanted });
                taken
            }
            (asked, _) => {
                self.give_back(&asked);
                Err(Fault::OtherReply)
            }
        }
    }

    fn take_head(&mut self, source: SourceId, head: &Head) {
        let said = |what: &What| {
            let tree = head.trees.iter().find(|tree| tree.what == *what);
            TreeSaid {
                root: tree.map_or(Digest::EMPTY, |tree| tree.root),
                count: tree.map_or(0, |tree| tree.count.into()),
                items: 0,
            }
        };
        let heads: Vec<_> = self.whats.iter().map(said).collect();
        if let Some(source) = self.source(source) {
            source.snapshot = Some(head.snapshot);
            source.claims = heads.iter().map(|said| Claim::Root(said.root)).collect();
            source.heads = heads;
        }
    }

    fn take_buckets(
        &mut self,
        source: SourceId,
        what: usize,
        buckets: Vec<Digest>,
    ) -> Result<(), Fault> {
        if buckets.len() != 1 << self.level {
            return Err(Fault::Buckets);
        }
        let buckets: Arc<[_]> = buckets.into();
        if let Some(root) = self.know_buckets(Arc::clone(&buckets)) {
            self.own.remove(&root);
        }
        self.claim(source, what, Claim::Buckets(buckets));
        Ok(())
    }

    fn claim(&mut self, source: SourceId, what: usize, claim: Claim) {
        let source = self.source(source);
        let place = source.and_then(|source| source.claims.get_mut(what));
        if let Some(place) = place {
            *place = claim;
        }
    }

    /// Takes a page of hashes; the last one makes lists, which are what the source has, whatever it
    /// said before: its directory may have changed meanwhile.
    fn take_page(
        &mut self,
        source: SourceId,
        asked: Asked,
        page: Vec<Item>,
        more: bool,
    ) -> Result<(), Fault> {
        let Asked::Hashes {
            what,
            wanted,
            mut items,
        } = asked
        else {
            return Err(Fault::OtherReply);
        };
        let after = items.last().map(|item| item.relay);
        let stray = |item: &Item| {
            let bucket = bucket_of(&item.relay, self.level);
            let asked = wanted.binary_search_by_key(&bucket, |(of, _)| *of);
            Some(item.relay) <= after || asked.is_err()
        };
        if page.iter().any(stray) {
            return Err(Fault::Stray);
        }
        let of = self.source(source).ok_or(Fault::Unasked)?;
        let said = of.heads.get_mut(what).ok_or(Fault::Unasked)?;
        said.items += page.len();
        let most = said.count.min(RELAYS_MAX) + ITEMS_MORE;
        if said.items > most || more && page.len() < PAGE_MIN {
            return Err(Fault::Endless);
        }
        items.extend(page);
        of.unfinished = more.then(|| Asked::Hashes {
            what,
            wanted: wanted.clone(),
            items: items.clone(),
        });
        if !more {
            self.take_lists(source, what, &wanted, &items);
        }
        Ok(())
    }

    fn take_lists(
        &mut self,
        source: SourceId,
        what: usize,
        wanted: &[(u16, Digest)],
        items: &[Item],
    ) {
        let level = self.level;
        let mut told = BTreeMap::new();
        for (bucket, _) in wanted {
            let start = items.partition_point(|item| bucket_of(&item.relay, level) < *bucket);
            let end = items.partition_point(|item| bucket_of(&item.relay, level) <= *bucket);
            let list = items.get(start..end).unwrap_or_default();
            let digest = digest_of(&self.network, list, level);
            told.insert(*bucket, digest);
            self.lists.insert(digest, list.into());
            self.own.remove(&digest);
        }
        let claims = self.source(source).map(|of| of.claims.get(what).cloned());
        if let Some(Some(Claim::Buckets(buckets))) = claims {
            let now = |(bucket, digest): (u16, &Digest)| *told.get(&bucket).unwrap_or(digest);
            let buckets = (0..).zip(buckets.iter()).map(now).collect();
            self.claim(source, what, Claim::Buckets(buckets));
        }
    }

    fn take_documents(
        &mut self,
        (source, what): (SourceId, usize),
        wanted: &[Item],
        documents: Vec<Document>,
        directory: &mut Directory,
        now: u64,
    ) -> Result<(), Fault> {
        let kind = self.whats.get(what).copied().ok_or(Fault::Unasked)?;
        let mut rest = wanted.iter();
        let mut omitted = Vec::new();
        let none = documents.is_empty();
        for document in documents {
            let relay = document.relay();
            let not_asked = Fault::NotAsked { relay };
            let item = loop {
                match rest.next() {
                    Some(item) if item.relay == relay => break item,
                    Some(item) => omitted.push(*item),
                    None => return Err(not_asked),
                }
            };
            if !is_of(kind, &document) {
                return Err(not_asked);
            }
            let same = document.name(&self.network) == item.name;
            if !same && kind != What::Descriptors {
                return Err(Fault::OtherKeySet { relay });
            }
            if same || self.enough == 1 {
                self.learn(document, directory, now)?;
            }
            match &mut self.tally {
                Some(tally) if same => tally.had(what, item),
                // It has another one meanwhile, which nobody else has named; who else tells of
                // this one is asked.
                Some(tally) => tally.withdraw(source, what, &[*item]),
                None => (),
            }
        }
        if none {
            omitted.extend(wanted);
        }
        self.omitted((source, what), &omitted)
    }

    fn learn(
        &mut self,
        document: Document,
        directory: &mut Directory,
        now: u64,
    ) -> Result<(), Fault> {
        let relay = document.relay();
        match directory.learn(document, now) {
            Ok(Learned::Known) => (),
            Ok(Learned::News) => {
                self.changed.insert(relay);
                self.proofs.extend(directory.proof(&relay).cloned());
            }
            Ok(Learned::Contradiction(proof)) => {
                self.changed.insert(relay);
                self.proofs.push(*proof);
            }
            Err(Refused::Signature(_)) => return Err(Fault::Forged { relay }),
            // Clocks and snapshots differ among the honest, too.
            Err(_) => (),
        }
        Ok(())
    }

    /// Takes back what the source had told of documents that it does not have.
    fn omitted(&mut self, (source, what): (SourceId, usize), items: &[Item]) -> Result<(), Fault> {
        if let Some(tally) = &mut self.tally {
            tally.withdraw(source, what, items);
        }
        let of = self.source(source).ok_or(Fault::Unasked)?;
        of.omitted += items.len();
        match of.omitted {
            omitted if omitted > SYNC_OMITTED_MAX => Err(Fault::Omits { omitted }),
            _ => Ok(()),
        }
    }
}

fn is_of(what: What, document: &Document) -> bool {
    match (what, document) {
        (What::Descriptors, Document::Descriptor(_))
        | (What::Proofs, Document::Equivocation(_)) => true,
        (What::KeySets(epoch), Document::KeySet(set)) => set.epoch() == epoch,
        _ => false,
    }
}
