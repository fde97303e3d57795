//! The engine under a store on disk: redb, which latches after a failure and is then opened anew.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use redb::{
    Database, ReadTransaction, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError,
    WriteTransaction,
};

use super::apply::{Tables, Verdict, apply};
use super::batch::{Batch, TableId};
use super::error::Fault;
use super::handle::StoreOptions;
use super::medium::{FirstFault, Medium, Opening};
use super::memory::bounds;
use super::range::KeyRange;

/// One database, and what it takes to open it again.
pub(super) struct Engine {
    medium: Arc<dyn Medium>,
    options: StoreOptions,
    /// Held for reading through each transaction that writes, so that no two openings write.
    slot: RwLock<Slot>,
}

struct Slot {
    open: Option<Open>,
    /// Which opening this is.
    opening: u64,
}

struct Open {
    database: Database,
    first: FirstFault,
}

/// The last durable state, as one transaction sees it.
pub(super) struct View {
    reading: ReadTransaction,
    first: FirstFault,
    pub(super) opening: u64,
}

impl Engine {
    pub(super) fn open(medium: Arc<dyn Medium>, options: StoreOptions) -> Result<Self, Fault> {
        let slot = Slot {
            open: Some(Open::new(&medium, options, options.check)?),
            opening: 0,
        };
        Ok(Self {
            medium,
            options,
            slot: RwLock::new(slot),
        })
    }

    /// Makes batches durable in one transaction; each applies or is in conflict.
    pub(super) fn commit<'a>(
        &self,
        batches: impl Iterator<Item = &'a Batch>,
    ) -> Result<Vec<Verdict>, Fault> {
        let slot = self.slot()?;
        let opening = slot.opening;
        let result = match &slot.open {
            Some(open) => guarded(|| commit(&open.database, batches))
                .map_err(|fault| open.first.explain(fault)),
            None => Err(Fault::Latched),
        };
        drop(slot);
        if result.is_err() {
            // What it says is for whoever comes next: this commit has its own answer.
            let _ = self.reopen(opening);
        }
        result
    }

    pub(super) fn view(&self) -> Result<View, Fault> {
        let slot = self.slot()?;
        let opening = slot.opening;
        let result = match &slot.open {
            Some(open) => open.view(opening),
            None => Err(Fault::Latched),
        };
        drop(slot);
        if result.is_err() {
            let _ = self.reopen(opening);
        }
        result
    }

    /// Opens the medium anew, unless somebody has done so since opening number `seen`.
    pub(super) fn reopen(&self, seen: u64) -> Result<(), Fault> {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        if slot.opening != seen && slot.open.is_some() {
            return Ok(());
        }
        close(slot.open.take());
        slot.opening += 1;
        slot.open = Some(Open::new(&self.medium, self.options, false)?);
        Ok(())
    }

    /// The database, opened again if the last try failed.
    fn slot(&self) -> Result<RwLockReadGuard<'_, Slot>, Fault> {
        let read = || self.slot.read().unwrap_or_else(PoisonError::into_inner);
        let slot = read();
        if slot.open.is_some() {
            return Ok(slot);
        }
        let opening = slot.opening;
        drop(slot);
        self.reopen(opening)?;
        Ok(read())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let slot = self.slot.get_mut().unwrap_or_else(PoisonError::into_inner);
        close(slot.open.take());
    }
}

impl Open {
    fn new(medium: &Arc<dyn Medium>, options: StoreOptions, check: bool) -> Result<Self, Fault> {
        let first = FirstFault::default();
        let opening = Opening::new(Arc::clone(medium), first.clone());
        let database = guarded(|| {
            Ok(Database::builder()
                .set_cache_size(options.cache_bytes)
                .set_check_integrity_on_open(check)
                .create_with_backend(opening)?)
        });
        Ok(Self {
            database: database.map_err(|fault| first.explain(fault))?,
            first,
        })
    }

    fn view(&self, opening: u64) -> Result<View, Fault> {
        let first = self.first.clone();
        let reading = guarded(|| Ok(self.database.begin_read()?));
        Ok(View {
            reading: reading.map_err(|fault| first.explain(fault))?,
            first,
            opening,
        })
    }
}

impl View {
    pub(super) fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        self.explained(|| {
            let Some(rows) = opened(self.reading.open_table(definition(table)))? else {
                return Ok(None);
            };
            Ok(rows.get(key)?.map(|value| value.value().to_vec()))
        })
    }

    /// Shows the rows of a range, which is not empty, until `visit` has enough and says false.
    pub(super) fn scan(
        &self,
        table: TableId,
        range: &KeyRange,
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), Fault> {
        let rows = self.explained(|| {
            let rows = opened(self.reading.open_table(definition(table)))?;
            Ok(rows
                .map(|rows| rows.range::<&[u8]>(bounds(range)))
                .transpose()?)
        })?;
        let Some(mut rows) = rows else { return Ok(()) };
        let mut next = || {
            let row = rows.next().transpose()?;
            // The engine finds broken pages where it looks for the bytes: that is guarded too.
            Ok(row.inspect(|(key, value)| {
                let _ = (key.value(), value.value());
            }))
        };
        while let Some((key, value)) = self.explained(&mut next)? {
            if !visit(key.value(), value.value()) {
                break;
            }
        }
        Ok(())
    }

    fn explained<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        guarded(work).map_err(|fault| self.first.explain(fault))
    }
}

/// Everything in one transaction. Quick repair writes the engine's allocator with each commit and
/// syncs twice: the file then opens at once after a crash, without room for repairs, and a sync
/// that fails leaves the state before it whole.
fn commit<'a>(
    database: &Database,
    batches: impl Iterator<Item = &'a Batch>,
) -> Result<Vec<Verdict>, Fault> {
    let mut writing = database.begin_write()?;
    writing.set_quick_repair(true);
    let mut tables = OpenTables {
        writing: &writing,
        open: BTreeMap::new(),
    };
    let verdicts = batches
        .map(|batch| apply(batch, &mut tables))
        .collect::<Result<Vec<_>, _>>()?;
    drop(tables);
    if verdicts.iter().any(Result::is_ok) {
        writing.commit()?;
    } else {
        writing.abort()?;
    }
    Ok(verdicts)
}

/// The tables that a transaction has touched: the engine opens each once.
struct OpenTables<'t> {
    writing: &'t WriteTransaction,
    open: BTreeMap<TableId, Rows<'t>>,
}

type Rows<'t> = Table<'t, &'static [u8], &'static [u8]>;

impl<'t> OpenTables<'t> {
    fn table(&mut self, table: TableId) -> Result<&mut Rows<'t>, Fault> {
        use std::collections::btree_map::Entry;
        match self.open.entry(table) {
            Entry::Occupied(open) => Ok(open.into_mut()),
            Entry::Vacant(vacant) => Ok(vacant.insert(self.writing.open_table(definition(table))?)),
        }
    }
}

impl Tables for OpenTables<'_> {
    fn contains(&mut self, table: TableId, key: &[u8]) -> Result<bool, Fault> {
        Ok(self.table(table)?.get(key)?.is_some())
    }

    fn put(&mut self, table: TableId, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.table(table)?.insert(key, value)?;
        Ok(())
    }

    fn delete(&mut self, table: TableId, key: &[u8]) -> Result<(), Fault> {
        self.table(table)?.remove(key)?;
        Ok(())
    }

    fn delete_range(&mut self, table: TableId, range: &KeyRange) -> Result<(), Fault> {
        let rows = self.table(table)?;
        Ok(rows.retain_in::<&[u8], _>(bounds(range), |_, _| false)?)
    }
}

const fn definition(table: TableId) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.0)
}

/// A table that nobody has written to is not there, which is no error.
fn opened<T>(table: Result<T, TableError>) -> Result<Option<T>, Fault> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The engine writes when it is closed in order. What fails then is found when it is next opened.
fn close(open: Option<Open>) {
    let _ = guarded(|| {
        drop(open);
        Ok(())
    });
}

/// The engine trusts a file that was closed in order, and may panic if something else has written
/// to it. That is a damaged store, not the end of the process.
fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Fault::Corrupted))
}
