//! What came of a comparison.

use super::super::directory::{Trust, What};
use super::super::document::Name;
use super::super::{Directory, KeyEpoch, VerifiedEquivocation};
use super::tally::{Sources, Tally, Vote, by_path, trust};
use super::{Fault, Source, SourceId, Sync};
use crate::crypto::identity::RelayId;

/// What came of a comparison. The directory has it already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Sources that told all they have, and were not found lying.
    pub answered: usize,
    /// Key sets that the rule accepts, new ones and those accepted before.
    pub accepted: usize,
    /// Key sets that most sources give, all of them reached directly.
    pub provisional: usize,
    /// Key sets that too few sources give for either.
    pub undecided: usize,
    /// Relays whose rows on the disk are to be written, by ascending id.
    pub changed: Vec<RelayId>,
    /// Proofs that are news, to be offered to others.
    pub proofs: Vec<VerifiedEquivocation>,
    /// Key sets that contradict what most sources give.
    pub disputes: Vec<Dispute>,
    /// Who was found lying.
    pub faults: Vec<(SourceId, Fault)>,
}

/// Some sources give another key set of a relay than most do. Either the relay serves somebody a
/// special one, or they made it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// The relay.
    pub relay: RelayId,
    /// The key epoch.
    pub epoch: KeyEpoch,
    /// The name of the other key set.
    pub name: Name,
    /// Who gives it.
    pub sources: Vec<SourceId>,
    /// The relay signed both: it is excluded, and the proof is known.
    pub proven: bool,
}

impl Sync {
    /// Ends the comparison, and gives the directory its result. Before [`Sync::finished`] is true,
    /// only those sources count that have told all they have.
    #[must_use]
    pub fn finish(mut self, directory: &mut Directory) -> Outcome {
        self.resolve();
        let tally = self.tally.take();
        let tally = tally.unwrap_or_else(|| Tally::new(&self, directory));
        let answered = Sources::of(&self.sources, Source::has_answered);
        let by_path = by_path(&self.sources);
        let mut outcome = Outcome {
            answered: answered.len() as usize,
            accepted: 0,
            provisional: 0,
            undecided: 0,
            changed: Vec::new(),
            proofs: std::mem::take(&mut self.proofs),
            disputes: Vec::new(),
            faults: std::mem::take(&mut self.faults),
        };
        for (what, relay, votes) in tally.iter() {
            let Some(What::KeySets(epoch)) = self.whats.get(what).copied() else {
                continue;
            };
            let judged = |vote: &Vote| (vote.name, trust(vote.givers, answered, by_path));
            let best = votes.iter().map(judged).max_by_key(|(_, trust)| *trust);
            self.settle(directory, &mut outcome, (relay, epoch), best);
            let held = directory.name(What::KeySets(epoch), &relay);
            let right = best.filter(|(_, trust)| *trust > Trust::Held);
            let right = right.map(|(name, _)| name).or(held);
            let proven = directory.is_excluded(&relay);
            for vote in votes.iter().filter(|vote| Some(vote.name) != right) {
                let sources: Vec<_> = vote.givers.and(answered).iter().collect();
                if !sources.is_empty() && (votes.len() > 1 || held.is_some() || proven) {
                    outcome.disputes.push(Dispute {
                        relay,
                        epoch,
                        name: vote.name,
                        sources,
                        proven,
                    });
                }
            }
        }
        outcome.changed = std::mem::take(&mut self.changed).into_iter().collect();
        outcome
    }

    fn settle(
        &mut self,
        directory: &mut Directory,
        outcome: &mut Outcome,
        (relay, epoch): (RelayId, KeyEpoch),
        best: Option<(Name, Trust)>,
    ) {
        let Some((name, trust)) = best else { return };
        if trust > Trust::Held && directory.name(What::KeySets(epoch), &relay) != Some(name) {
            return;
        }
        match trust {
            Trust::Held => outcome.undecided += 1,
            Trust::Provisional => outcome.provisional += 1,
            Trust::Accepted => outcome.accepted += 1,
        }
        if trust > Trust::Held && directory.trust(&relay, epoch) < Some(trust) {
            directory.trust_in(&relay, epoch, name, trust);
            self.changed.insert(relay);
        }
    }
}
