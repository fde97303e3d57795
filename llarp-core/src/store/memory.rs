//! Tables in memory: the same meaning as on disk, for tests and simulated networks.

use core::ops::Bound;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::apply::{Tables, Verdict, apply};
use super::batch::{Batch, TableId};
use super::error::{CommitError, Fault};
use super::range::KeyRange;

type Table = BTreeMap<Vec<u8>, Vec<u8>>;

/// Every table, and who reads or writes them.
#[derive(Default)]
pub(super) struct Memory(RwLock<MemoryTables>);

#[derive(Default)]
pub(super) struct MemoryTables(BTreeMap<TableId, Table>);

impl Memory {
    pub(super) fn commit(&self, batch: &Batch) -> Verdict {
        batch.check()?;
        let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
        apply(batch, &mut *tables).unwrap_or_else(|fault| Err(CommitError::from(fault)))
    }

    pub(super) fn snapshot(&self) -> RwLockReadGuard<'_, MemoryTables> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryTables {
    pub(super) fn get(&self, table: TableId, key: &[u8]) -> Option<&[u8]> {
        self.0.get(&table)?.get(key).map(Vec::as_slice)
    }

    /// The rows of a range, which is not empty.
    pub(super) fn rows(
        &self,
        table: TableId,
        range: &KeyRange,
    ) -> impl Iterator<Item = (&[u8], &[u8])> {
        let rows = self.0.get(&table).into_iter();
        let rows = rows.flat_map(move |rows| rows.range::<[u8], _>(bounds(range)));
        rows.map(|(key, value)| (key.as_slice(), value.as_slice()))
    }
}

impl Tables for MemoryTables {
    fn contains(&mut self, table: TableId, key: &[u8]) -> Result<bool, Fault> {
        Ok(self.get(table, key).is_some())
    }

    fn put(&mut self, table: TableId, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        let rows = self.0.entry(table).or_default();
        rows.insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn delete(&mut self, table: TableId, key: &[u8]) -> Result<(), Fault> {
        let rows = self.0.entry(table).or_default();
        rows.remove(key);
        Ok(())
    }

    fn delete_range(&mut self, table: TableId, range: &KeyRange) -> Result<(), Fault> {
        let rows = self.0.entry(table).or_default();
        let mut tail = rows.split_off(range.start());
        if let Some(end) = range.end() {
            rows.append(&mut tail.split_off(end));
        }
        Ok(())
    }
}

/// A range as ordered maps take it.
pub(super) fn bounds(range: &KeyRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    let end = range.end().map_or(Bound::Unbounded, Bound::Excluded);
    (Bound::Included(range.start()), end)
}
