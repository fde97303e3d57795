//! Who gives what: a bit a source for each document that is told of.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Directory;
use super::super::directory::{Digest, Item, Trust, What};
use super::super::document::Name;
use super::source::{Asked, Claim, Reach, Source};
use super::{SourceId, Sync};
use crate::crypto::identity::RelayId;
use crate::wire::limits::{
    DESCRIPTOR_MAX, DIRECTORY_MESSAGE_MAX, DIRECTORY_SOURCES_LEAST, DOCUMENTS_ASKED_MAX,
    EQUIVOCATION_LEN, KEY_SET_LEN,
};

/// A set of sources: bit n is source n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sources(u16);

impl Sources {
    pub(super) fn of(sources: &[Source], which: impl Fn(&Source) -> bool) -> Self {
        let which = |(_, source): &(usize, &Source)| which(source);
        let mut set = Self::default();
        for (at, _) in sources.iter().enumerate().filter(which) {
            set = set.with(at);
        }
        set
    }

    pub(super) fn iter(self) -> impl Iterator<Item = SourceId> {
        (0..16).filter(move |at| self.has(*at)).map(SourceId)
    }

    const fn with(self, at: usize) -> Self {
        Self(self.0 | 1 << at)
    }

    const fn without(self, at: usize) -> Self {
        Self(self.0 & !(1 << at))
    }

    const fn has(self, at: usize) -> bool {
        self.0 & 1 << at != 0
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn len(self) -> u32 {
        self.0.count_ones()
    }
}

/// **The rule**: what is to be thought of a key set that `givers` give, of all those that answered.
pub(super) fn trust(givers: Sources, answered: Sources, by_path: Sources) -> Trust {
    let givers = givers.and(answered);
    if (answered.len() as usize) < DIRECTORY_SOURCES_LEAST || 2 * givers.len() <= answered.len() {
        Trust::Held
    } else if givers.and(by_path).is_empty() {
        Trust::Provisional
    } else {
        Trust::Accepted
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Is lacking.
    Wanted,
    /// Somebody is asked for it.
    Asked,
    /// Is there.
    Had,
}

#[derive(Debug)]
pub(super) struct Vote {
    pub(super) name: Name,
    pub(super) givers: Sources,
    state: State,
}

/// All votes, once all sources have told what they have.
#[derive(Debug)]
pub(super) struct Tally {
    votes: BTreeMap<(usize, RelayId), Vec<Vote>>,
    /// Those of which something is lacking.
    open: BTreeSet<(usize, RelayId)>,
}

impl Tally {
    pub(super) fn new(sync: &Sync, directory: &Directory) -> Self {
        let mut tally = Self {
            votes: BTreeMap::new(),
            open: BTreeSet::new(),
        };
        for what in 0..sync.whats.len() {
            for bucket in 0..1 << sync.level {
                for (digest, givers) in groups(&sync.sources, what, bucket) {
                    for item in sync.lists.get(&digest).iter().flat_map(|list| list.iter()) {
                        tally.count(what, item, givers);
                    }
                }
            }
        }
        tally.settle(sync, directory);
        tally
    }

    /// Whether nothing is lacking.
    pub(super) fn has_all(&self) -> bool {
        self.open.is_empty()
    }

    /// The votes on key sets and descriptors of one kind.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, RelayId, &[Vote])> {
        let votes = self.votes.iter();
        votes.map(|((what, relay), votes)| (*what, *relay, votes.as_slice()))
    }

    /// As many documents as one reply takes that the source tells of and we lack.
    pub(super) fn documents(&mut self, source: usize, whats: &[What]) -> Option<Asked> {
        let mut wanted = Vec::new();
        let mut of = None;
        for key in &self.open {
            let (what, relay) = *key;
            if of.is_some_and(|of| of != what) || wanted.len() >= most(whats.get(what)) {
                break;
            }
            let votes = self.votes.get_mut(key).into_iter().flatten();
            let mut votes =
                votes.filter(|vote| vote.state == State::Wanted && vote.givers.has(source));
            if let Some(vote) = votes.next() {
                let name = vote.name;
                vote.state = State::Asked;
                wanted.push(Item { relay, name });
                of = Some(what);
            }
        }
        of.map(|what| Asked::Documents { what, wanted })
    }

    /// A document is there.
    pub(super) fn had(&mut self, what: usize, item: &Item) {
        if let Some(vote) = self.vote(what, item) {
            vote.state = State::Had;
        }
        let key = (what, item.relay);
        let had = |vote: &Vote| vote.state == State::Had;
        if self
            .votes
            .get(&key)
            .is_none_or(|votes| votes.iter().all(had))
        {
            self.open.remove(&key);
        }
    }

    /// Whoever else tells of these may be asked, as far as they are not there.
    pub(super) fn give_back(&mut self, what: usize, items: &[Item]) {
        for item in items {
            if let Some(vote) = self.vote(what, item)
                && vote.state == State::Asked
            {
                vote.state = State::Wanted;
            }
        }
    }

    /// The source does not have these.
    pub(super) fn withdraw(&mut self, source: SourceId, what: usize, items: &[Item]) {
        for item in items {
            if let Some(vote) = self.vote(what, item) {
                vote.givers = vote.givers.without(source.0);
            }
        }
    }

    fn vote(&mut self, what: usize, item: &Item) -> Option<&mut Vote> {
        let votes = self.votes.get_mut(&(what, item.relay))?;
        votes.iter_mut().find(|vote| vote.name == item.name)
    }

    fn count(&mut self, what: usize, item: &Item, givers: Sources) {
        let votes = self.votes.entry((what, item.relay)).or_default();
        match votes.iter_mut().find(|vote| vote.name == item.name) {
            Some(vote) => vote.givers = Sources(vote.givers.0 | givers.0),
            None => votes.push(Vote {
                name: item.name,
                givers,
                state: State::Wanted,
            }),
        }
    }

    /// Drops votes on strangers, and finds what is lacking. What one source of several names alone is
    /// treated alike whether it is there or not, so that this source learns nothing of us: a descriptor
    /// is left where it is, so that nobody has one that the others have not; anything else is
    /// fetched, since it may be a proof.
    fn settle(&mut self, sync: &Sync, directory: &Directory) {
        let (whats, enough) = (&sync.whats, sync.enough);
        let members = directory.members();
        self.votes
            .retain(|(_, relay), _| members.get(relay).is_some());
        for (key, votes) in &mut self.votes {
            let (what, relay) = key;
            let held = whats.get(*what).and_then(|of| directory.name(*of, relay));
            let kind = whats.get(*what);
            let excluded = kind != Some(&What::Proofs) && directory.is_excluded(relay);
            for vote in &mut *votes {
                let alone = (vote.givers.len() as usize) < enough;
                let had = match kind {
                    Some(What::Descriptors) if alone => true,
                    _ => held == Some(vote.name) && !alone,
                };
                if excluded || had {
                    vote.state = State::Had;
                }
            }
            if votes.iter().any(|vote| vote.state == State::Wanted) {
                self.open.insert(*key);
            }
        }
    }
}

/// The lists of one bucket, and who has each.
fn groups(sources: &[Source], what: usize, bucket: usize) -> BTreeMap<Digest, Sources> {
    let mut groups: BTreeMap<Digest, Sources> = BTreeMap::new();
    let answered = |(_, source): &(usize, &Source)| source.has_answered();
    for (at, source) in sources.iter().enumerate().filter(answered) {
        if let Some(Claim::Told(buckets)) = source.claims.get(what) {
            let digest = buckets.get(bucket).copied().unwrap_or_default();
            let group = groups.entry(digest).or_default();
            *group = group.with(at);
        }
    }
    groups.remove(&Digest::EMPTY);
    groups
}

/// How many documents of a kind fit in a reply.
fn most(what: Option<&What>) -> usize {
    let len = match what {
        Some(What::Descriptors) => DESCRIPTOR_MAX,
        Some(What::KeySets(_)) => KEY_SET_LEN,
        Some(What::Proofs) | None => EQUIVOCATION_LEN,
    };
    ((DIRECTORY_MESSAGE_MAX - 4) / (2 + len)).min(DOCUMENTS_ASKED_MAX)
}

/// The sources reached through a path.
pub(super) fn by_path(sources: &[Source]) -> Sources {
    Sources::of(sources, |source| source.reach == Reach::Path)
}
