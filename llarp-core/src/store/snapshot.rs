//! Reads that see one state, whatever is committed meanwhile.

use core::ops::ControlFlow;
use std::sync::RwLockReadGuard;

use super::batch::TableId;
use super::engine::View;
use super::error::ReadError;
use super::memory::MemoryTables;
use super::range::KeyRange;

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// One durable state of all tables. While it lives, the space of what is deleted is not used again.
pub struct Snapshot<'a>(Source<'a>);

pub(super) enum Source<'a> {
    Memory(RwLockReadGuard<'a, MemoryTables>),
    Disk(View),
}

impl<'a> Snapshot<'a> {
    pub(super) const fn new(source: Source<'a>) -> Self {
        Self(source)
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`ReadError`], if the disk fails; [`Store::read`](super::Store::read) then tries once more.
    pub fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match &self.0 {
            Source::Memory(tables) => Ok(tables.get(table, key).map(<[u8]>::to_vec)),
            Source::Disk(view) => Ok(view.get(table, key)?),
        }
    }

    /// The first rows of a range, at most `limit`, ordered by key.
    ///
    /// # Errors
    /// As [`Snapshot::get`].
    pub fn range(
        &self,
        table: TableId,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Row>, ReadError> {
        let mut rows = Vec::new();
        if limit == 0 {
            return Ok(rows);
        }
        self.scan(table, range, |key, value| {
            rows.push((key.to_vec(), value.to_vec()));
            if rows.len() < limit {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        Ok(rows)
    }

    /// Shows `visit` the rows of a range, ordered by key, without copying them, until it breaks.
    ///
    /// # Errors
    /// As [`Snapshot::get`].
    pub fn scan(
        &self,
        table: TableId,
        range: &KeyRange,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        if range.is_empty() {
            return Ok(());
        }
        let mut goes_on = |key: &[u8], value: &[u8]| visit(key, value).is_continue();
        match &self.0 {
            Source::Memory(tables) => {
                let mut rows = tables.rows(table, range);
                while rows.next().is_some_and(|(key, value)| goes_on(key, value)) {}
                Ok(())
            }
            Source::Disk(view) => Ok(view.scan(table, range, goes_on)?),
        }
    }

    /// Which opening of the engine this sees.
    pub(super) const fn opening(&self) -> Option<u64> {
        match &self.0 {
            Source::Memory(_) => None,
            Source::Disk(view) => Some(view.opening),
        }
    }
}
