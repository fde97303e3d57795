//! Taking documents in: the cheapest checks first, the signature last.

use super::super::document::{Document, Name};
use super::super::{
    Descriptor, Equivocation, KeyEpoch, KeySet, VerifiedDescriptor, VerifiedEquivocation,
    VerifiedKeySet,
};
use super::{Directory, HeldKeys, Item, Record, Refused, Trust, What, is_open, is_punished};
use crate::crypto::identity::{BadSignature, PublicKey, RelayId};
use crate::wire::limits::{DESCRIPTOR_INTERVAL, DIRECTORY_AHEAD, KEY_SETS_MAX};

/// What a document changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Learned {
    /// It was known. Cost a hash, no signature.
    Known,
    /// It is news, to be told to others.
    News,
    /// It contradicts what was known: the relay signed two key sets. It is excluded from now on, and
    /// this proof, rather than the document, is news to be told to others.
    Contradiction(Box<VerifiedEquivocation>),
}

impl Directory {
    /// Takes a document, whoever sent it. Costs two signatures at most, and none for what is known
    /// or cannot be taken anyway.
    ///
    /// # Errors
    /// [`Refused`]; only [`Refused::Signature`] speaks against whoever sent it.
    pub fn learn(&mut self, document: Document, now: u64) -> Result<Learned, Refused> {
        let relay = document.relay();
        if self.members.get(&relay).is_none() {
            return Err(Refused::Stranger { relay });
        }
        let name = document.name(&self.network);
        match document {
            Document::Descriptor(descriptor) => self.learn_descriptor(descriptor, name, now),
            Document::KeySet(set) => self.learn_key_set(set, name, now),
            Document::Equivocation(proof) => self.learn_proof(proof, now),
        }
    }

    fn learn_descriptor(
        &mut self,
        descriptor: Descriptor,
        name: Name,
        now: u64,
    ) -> Result<Learned, Refused> {
        let (relay, issued) = (descriptor.relay(), descriptor.presence().issued);
        let record = self.records.get(&relay);
        let held = record.and_then(|record| record.descriptor.as_ref());
        // One from the future was taken while our clock was ahead, and would keep all others out.
        let future = now.saturating_add(DIRECTORY_AHEAD);
        let held = held.filter(|(held, _)| held.get().presence().issued <= future);
        if let Some((held, known)) = held {
            if *known == name {
                return Ok(Learned::Known);
            }
            let before = held.get().presence().issued;
            if issued <= before {
                let newer = before - issued;
                return Err(Refused::Old { newer });
            }
            let after = issued - before;
            if after < DESCRIPTOR_INTERVAL {
                return Err(Refused::TooSoon { after });
            }
        }
        let ahead = issued.saturating_sub(now);
        if ahead > DIRECTORY_AHEAD {
            return Err(Refused::Ahead { ahead });
        }
        self.check_not_excluded(relay)?;
        let key = self.key(&relay)?;
        let descriptor = descriptor.verify_by(&self.network, &key)?;
        self.put_descriptor(key, descriptor, name);
        Ok(Learned::News)
    }

    fn learn_key_set(&mut self, set: KeySet, name: Name, now: u64) -> Result<Learned, Refused> {
        let (relay, epoch) = (set.relay(), set.epoch());
        if !is_open(epoch, now) {
            return Err(Refused::Closed { epoch });
        }
        self.check_not_excluded(relay)?;
        let held = self.records.get(&relay);
        let held = held.and_then(|record| record.of_epoch(epoch));
        if held.is_some_and(|held| held.name == name) {
            return Ok(Learned::Known);
        }
        let held = held.map(|held| held.set.clone());
        let key = self.key(&relay)?;
        let set = set.verify_by(&self.network, &key)?;
        match held.and_then(|held| Equivocation::of(&held, &set)) {
            Some(proof) => {
                self.exclude(key, proof.clone());
                Ok(Learned::Contradiction(Box::new(proof)))
            }
            None => {
                self.put_key_set(key, set, name, Trust::Held);
                Ok(Learned::News)
            }
        }
    }

    fn learn_proof(&mut self, proof: Equivocation, now: u64) -> Result<Learned, Refused> {
        let (relay, epoch) = (proof.relay(), proof.epoch());
        let held = self.records.get(&relay);
        let held = held.and_then(|record| record.proof.as_ref());
        // The newest excludes longest.
        if held.is_some_and(|held| held.get().epoch() >= epoch) {
            return Ok(Learned::Known);
        }
        if !is_punished(epoch, now) {
            return Err(Refused::Closed { epoch });
        }
        let key = self.key(&relay)?;
        let proof = proof.verify_by(&self.network, &key)?;
        self.exclude(key, proof);
        Ok(Learned::News)
    }

    fn check_not_excluded(&self, relay: RelayId) -> Result<(), Refused> {
        match self.is_excluded(&relay) {
            true => Err(Refused::Excluded { relay }),
            false => Ok(()),
        }
    }

    /// The relay's id as a key, checked once.
    fn key(&self, relay: &RelayId) -> Result<PublicKey, BadSignature> {
        let known = self.records.get(relay).and_then(|record| record.key);
        match known {
            Some(key) => Ok(key),
            None => relay.key().map_err(|_| BadSignature),
        }
    }

    pub(super) fn put_descriptor(
        &mut self,
        key: PublicKey,
        descriptor: VerifiedDescriptor,
        name: Name,
    ) {
        let relay = descriptor.get().relay();
        let record = self.record(relay, key);
        record.descriptor = Some((descriptor, name));
        self.insert_item(What::Descriptors, Item { relay, name });
    }

    pub(super) fn put_key_set(
        &mut self,
        key: PublicKey,
        set: VerifiedKeySet,
        name: Name,
        trust: Trust,
    ) {
        let (relay, epoch) = (set.get().relay(), set.get().epoch());
        let record = self.record(relay, key);
        let dropped = oldest(&record.keys).filter(|_| record.keys.len() >= KEY_SETS_MAX);
        record
            .keys
            .retain(|held| Some(held.set.get().epoch()) != dropped);
        record.keys.push(HeldKeys { set, name, trust });
        if let Some(dropped) = dropped {
            self.remove_item(What::KeySets(dropped), &relay);
        }
        self.insert_item(What::KeySets(epoch), Item { relay, name });
    }

    /// Keeps a proof, and nothing else of its relay.
    pub(super) fn exclude(&mut self, key: PublicKey, proof: VerifiedEquivocation) {
        let relay = proof.get().relay();
        self.forget(&relay);
        let name = super::proof_name(&self.network, &relay);
        self.record(relay, key).proof = Some(proof);
        self.insert_item(What::Proofs, Item { relay, name });
    }

    fn record(&mut self, relay: RelayId, key: PublicKey) -> &mut Record {
        let record = self.records.entry(relay).or_default();
        record.key = Some(key);
        record
    }
}

fn oldest(keys: &[HeldKeys]) -> Option<KeyEpoch> {
    keys.iter().map(|held| held.set.get().epoch()).min()
}
