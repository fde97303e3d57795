//! Comparing what several sources say of the directory, and fetching what is lacking.
//!
//! In: which sources there are and how each is reached; their replies; that one failed. Out: the next
//! request to a source that is idle; in the end an [`Outcome`], and trust in the directory. *Not*
//! here: links, tunnels, timers, and which relays to ask: those are the driver's. Specification:
//! `docs/spec/10-directory.md` §8.
//!
//! ```text
//!   Head ─▶ Buckets, if nobody told what is below this root ─▶ Hashes of buckets that nobody told
//!     └─ all sources that answer have told what they have ─▶ Documents that we lack ─▶ Outcome
//! ```
//! A digest that two nodes share is a list that they share, so each list crosses the wire once,
//! whoever tells it, and never if the own directory has it.
//!
//! **The rule.** A key set is accepted if three or more sources answered, more than half of them give
//! its name, and one of those was reached through a path. Whoever was found lying has not answered.

mod ask;
mod fault;
mod fetch;
mod known;
mod outcome;
mod source;
mod take;
mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::directory::{Digest, Item, SnapshotHead, What, root_of};
use super::message::{Reply, Request};
use super::{Directory, KeyEpoch, VerifiedEquivocation};
use crate::crypto::hash::NetworkId;
use crate::crypto::identity::RelayId;
use crate::wire::limits::{SYNC_NAMED_BY, SYNC_SOURCES_MAX};
pub use fault::Fault;
pub use fetch::{FetchError, SnapshotFetch};
pub use outcome::{Dispute, Outcome};
use source::{Asked, Source, Standing};
pub use source::{Reach, SourceId};
use tally::Tally;

/// Compares sources. See the module.
#[derive(Debug)]
pub struct Sync {
    network: NetworkId,
    level: u8,
    whats: Vec<What>,
    sources: Vec<Source>,
    /// Sources that must name something before it is taken to be known to everybody.
    enough: usize,
    /// Digests below which only our own directory knows what there is.
    own: BTreeSet<Digest>,
    /// What is in a bucket of this digest.
    lists: BTreeMap<Digest, Arc<[Item]>>,
    /// The digests of all buckets below this root.
    roots: BTreeMap<Digest, Arc<[Digest]>>,
    /// Once all have told what they have.
    tally: Option<Tally>,
    finished: bool,
    changed: BTreeSet<RelayId>,
    proofs: Vec<VerifiedEquivocation>,
    faults: Vec<(SourceId, Fault)>,
}

impl Sync {
    /// What is to be compared at `now`: descriptors, proofs and the key sets of the present key
    /// epoch; if `ahead`, also those of the next one as soon as it is announced.
    #[must_use]
    pub fn needed(now: u64, ahead: bool) -> Vec<What> {
        let present = KeyEpoch::at(now);
        let next = Some(present.next()).filter(|next| ahead && next.is_open(now));
        let mut whats = vec![What::Descriptors, What::KeySets(present)];
        whats.extend(next.map(What::KeySets));
        whats.push(What::Proofs);
        whats
    }

    /// A comparison of `whats` among sources that are reached as told, the first
    /// [`SYNC_SOURCES_MAX`] of them. A relay may stand there once only, whatever ways lead to it:
    /// that is the caller's care.
    #[must_use]
    pub fn new(directory: &Directory, whats: Vec<What>, sources: &[Reach]) -> Self {
        let sources = sources.iter().take(SYNC_SOURCES_MAX);
        let enough = sources.len().min(SYNC_NAMED_BY);
        let mut sync = Self {
            network: *directory.network(),
            level: directory.members().level(),
            sources: sources
                .map(|reach| Source::new(*reach, whats.len()))
                .collect(),
            whats,
            enough,
            own: BTreeSet::new(),
            lists: BTreeMap::new(),
            roots: BTreeMap::new(),
            tally: None,
            finished: false,
            changed: BTreeSet::new(),
            proofs: Vec::new(),
            faults: Vec::new(),
        };
        sync.know_own(directory);
        sync
    }

    /// The next request, and to whom, until there is none for now. Each source has one request open
    /// at a time.
    pub fn next(&mut self, directory: &Directory) -> Option<(SourceId, Request)> {
        self.resolve();
        if self.tally.is_none() && self.all_told() {
            self.tally = Some(Tally::new(self, directory));
        }
        let request = (0..self.sources.len()).find_map(|at| self.request_of(at));
        if request.is_none() {
            // What slow sources still say is of no use then.
            let all_there = self.tally.as_ref().is_some_and(Tally::has_all);
            self.finished |= all_there || self.tally.is_some() && !self.is_busy();
        }
        request
    }

    /// Takes the reply of `source` to the last request that [`Self::next`] gave for it.
    ///
    /// # Errors
    /// The [`Fault`] for which the source is not asked any more, and does not count.
    pub fn handle(
        &mut self,
        source: SourceId,
        reply: &[u8],
        directory: &mut Directory,
        now: u64,
    ) -> Result<(), Fault> {
        let of = self.source(source);
        if of.is_some_and(|of| of.standing == Standing::Gone) {
            // Others were asked meanwhile. To be slow is no lie.
            return Ok(());
        }
        let asked = self.source(source).and_then(|source| source.asked.take());
        let handled = match (asked, Reply::decode(reply)) {
            (None, _) => Err(Fault::Unasked),
            (Some(asked), Err(error)) => {
                self.give_back(&asked);
                Err(Fault::Bytes(error))
            }
            (Some(asked), Ok(reply)) => self.take(source, asked, reply, directory, now),
        };
        handled.inspect_err(|fault| self.convict(source, *fault))
    }

    /// The source is not reached any more. What it has told in full still counts.
    pub fn failed(&mut self, source: SourceId) {
        let Some(of) = self.source(source) else {
            return;
        };
        let asked = of.asked.take();
        of.unfinished = None;
        if of.standing == Standing::Asked {
            of.standing = Standing::Gone;
        }
        if let Some(asked) = asked {
            self.give_back(&asked);
        }
    }

    /// The question of this source has been open for long: others may be asked the same from now on,
    /// whatever it is asked.
    pub fn mark_slow(&mut self, source: SourceId) {
        let Some(of) = self.source(source) else {
            return;
        };
        of.slow = true;
        if let Some(asked) = of.asked.clone() {
            self.give_back(&asked);
        }
    }

    /// Sources that have yet to answer a question, and whether they were marked as slow.
    pub fn busy(&self) -> impl Iterator<Item = (SourceId, bool)> {
        let sources = self.sources.iter().enumerate();
        let busy = sources.filter(|(_, source)| source.asked.is_some());
        busy.map(|(at, source)| (SourceId(at), source.slow))
    }

    /// Sources that are asked and have yet to tell what they have; nobody any more once documents are
    /// fetched.
    pub fn untold(&self) -> impl Iterator<Item = SourceId> {
        let sources = self.sources.iter().enumerate();
        let untold = sources.filter(|(_, source)| {
            self.tally.is_none() && source.standing == Standing::Asked && !source.has_told()
        });
        untold.map(|(at, _)| SourceId(at))
    }

    /// How many sources have told all they have.
    #[must_use]
    pub fn told(&self) -> usize {
        let told = self.sources.iter().filter(|source| source.has_answered());
        told.count()
    }

    /// Whether documents are fetched, and only slow sources have yet to answer, while a prompt one
    /// has nothing to do.
    #[must_use]
    pub fn waits_for_slow(&self) -> bool {
        let idle = |source: &Source| source.is_prompt() && source.asked.is_none();
        self.tally.is_some()
            && self.is_busy()
            && self.busy().all(|(_, slow)| slow)
            && self.sources.iter().any(idle)
    }

    /// Whether all was compared and fetched. True only after [`Self::next`] gave nothing.
    #[must_use]
    pub const fn finished(&self) -> bool {
        self.finished
    }

    /// The snapshots that sources have, for the driver to fetch a newer one.
    pub fn heads(&self) -> impl Iterator<Item = (SourceId, &SnapshotHead)> {
        let sources = self.sources.iter().enumerate();
        sources.filter_map(|(at, source)| Some((SourceId(at), source.snapshot.as_ref()?)))
    }

    fn source(&mut self, source: SourceId) -> Option<&mut Source> {
        self.sources.get_mut(source.0)
    }

    fn is_busy(&self) -> bool {
        self.sources.iter().any(|source| source.asked.is_some())
    }

    /// Whether nobody is left who has yet to tell what it has.
    fn all_told(&self) -> bool {
        let told = |source: &Source| source.standing != Standing::Asked || source.has_told();
        self.busy().all(|(_, slow)| slow) && self.sources.iter().all(told)
    }

    fn know_own(&mut self, directory: &Directory) {
        let whats = self.whats.clone();
        for what in whats {
            let Some(buckets) = directory.buckets(what, self.level) else {
                continue;
            };
            for (bucket, digest) in (0..).zip(buckets) {
                let items = directory.items(what, self.level, bucket);
                self.lists.insert(*digest, items.into());
                self.own.insert(*digest);
            }
            let root = self.know_buckets(buckets.into());
            self.own.extend(root);
        }
    }

    /// The root of these buckets, if they have one.
    fn know_buckets(&mut self, buckets: Arc<[Digest]>) -> Option<Digest> {
        let root = root_of(&self.network, &buckets)?;
        self.roots.insert(root, buckets);
        Some(root)
    }

    fn request_of(&mut self, at: usize) -> Option<(SourceId, Request)> {
        let source = self.sources.get(at)?;
        if source.standing != Standing::Asked || source.asked.is_some() {
            return None;
        }
        let slow = source.slow;
        let asked = match &mut self.tally {
            Some(tally) => tally.documents(at, &self.whats)?,
            None => self.question(at)?,
        };
        if slow {
            self.give_back(&asked);
        }
        let request = self.words(&asked);
        self.sources.get_mut(at)?.asked = Some(asked);
        Some((SourceId(at), request))
    }

    /// The source lied: it is not asked any more, and does not count.
    fn convict(&mut self, source: SourceId, fault: Fault) {
        if let Some(of) = self.source(source) {
            of.standing = Standing::Liar;
            of.asked = None;
            of.unfinished = None;
            self.faults.push((source, fault));
        }
    }

    /// Lets others be asked for documents that a source was asked for in vain.
    fn give_back(&mut self, asked: &Asked) {
        if let (Asked::Documents { what, wanted }, Some(tally)) = (asked, &mut self.tally) {
            tally.give_back(*what, wanted);
        }
    }
}
