//! A store in memory: all storers of a network of one process in one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Answering, IntrosetStore, Put, StoreError};
use crate::clock::Clock;
use crate::introset::{Location, Record, Standing, VerifiedRecord};
use crate::wire::limits::RECORDS_HELD_MAX;

/// Records of a whole network, for tests of many nodes in one process. Clones share them.
#[derive(Debug, Clone)]
pub struct StorerInMemory {
    clock: Clock,
    held: Arc<Mutex<BTreeMap<Location, VerifiedRecord>>>,
}

impl StorerInMemory {
    /// Holds nothing yet; forgets by `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let held = Arc::default();
        Self { clock, held }
    }

    /// All that it holds: what somebody learns who runs every storer.
    #[must_use]
    pub fn dump(&self) -> Vec<(Location, Vec<u8>)> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let record = |record: &VerifiedRecord| record.get().as_bytes().to_vec();
        held.iter().map(|(at, held)| (*at, record(held))).collect()
    }

    fn put_now(&self, place: Location, record: VerifiedRecord) -> Result<Put, StoreError> {
        let now = self.clock.unix().as_secs();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, record| now < record.get().until());
        if let Some(there) = held.get(&place) {
            match record.get().standing(there.get()) {
                Standing::Newer => (),
                Standing::Same => return Ok(Put::Stored { copies: 1 }),
                Standing::Stale => return Ok(Put::Stale(there.get().clone())),
            }
        } else if held.len() >= RECORDS_HELD_MAX {
            return Err(StoreError::Full);
        }
        held.insert(place, record);
        Ok(Put::Stored { copies: 1 })
    }

    fn find_now(&self, place: Location) -> Vec<Record> {
        let now = self.clock.unix().as_secs();
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let there = held.get(&place).map(VerifiedRecord::get);
        there
            .filter(|record| now < record.until())
            .cloned()
            .into_iter()
            .collect()
    }
}

impl IntrosetStore for StorerInMemory {
    fn put(&self, place: Location, record: VerifiedRecord) -> Answering<Result<Put, StoreError>> {
        let put = self.put_now(place, record);
        Box::pin(async move { put })
    }

    fn find(&self, place: Location) -> Answering<Result<Vec<Record>, StoreError>> {
        let found = Ok(self.find_now(place));
        Box::pin(async move { found })
    }
}
