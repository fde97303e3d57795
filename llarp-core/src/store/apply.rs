//! What a batch does to tables, the same for every backend.

use super::batch::{Batch, Change, TableId};
use super::error::{CommitError, Fault};
use super::range::KeyRange;

/// Tables within one transaction.
pub(super) trait Tables {
    fn contains(&mut self, table: TableId, key: &[u8]) -> Result<bool, Fault>;
    fn put(&mut self, table: TableId, key: &[u8], value: &[u8]) -> Result<(), Fault>;
    fn delete(&mut self, table: TableId, key: &[u8]) -> Result<(), Fault>;
    fn delete_range(&mut self, table: TableId, range: &KeyRange) -> Result<(), Fault>;
}

/// What a batch comes to, if its transaction becomes durable.
pub(super) type Verdict = Result<(), CommitError>;

/// Applies a batch: conditions first, so that a batch in conflict leaves nothing to undo.
pub(super) fn apply(batch: &Batch, tables: &mut impl Tables) -> Result<Verdict, Fault> {
    for (table, key) in &batch.absent {
        if tables.contains(*table, key)? {
            return Ok(Err(CommitError::Conflict));
        }
    }
    for change in &batch.changes {
        match change {
            Change::Put(table, key, value) => tables.put(*table, key, value)?,
            Change::Delete(table, key) => tables.delete(*table, key)?,
            Change::DeleteRange(_, range) if range.is_empty() => {}
            Change::DeleteRange(table, range) => tables.delete_range(*table, range)?,
        }
    }
    Ok(Ok(()))
}
