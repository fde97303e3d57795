//! Any order of commits, restarts and reads, against maps in memory.

use std::collections::BTreeMap;

use llarp_core::store::{Batch, CommitError, KeyRange, Store, TableId};
use proptest::collection::vec;
use proptest::prelude::*;

use super::store_disk::{Disk, LEFT, RIGHT, rows};

#[derive(Debug, Clone)]
enum Change {
    Put(bool, Vec<u8>, Vec<u8>),
    Delete(bool, Vec<u8>),
    DeleteRange(bool, Vec<u8>, Option<Vec<u8>>),
}

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(bool, Vec<u8>)>, Vec<Change>),
    Restart,
    Range(bool, Vec<u8>, Vec<u8>, usize),
}

/// Few keys, so that they meet; some are prefixes of others.
fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(0_u8), Just(1), Just(255)], 0..4)
}

fn change() -> impl Strategy<Value = Change> {
    let value = vec(any::<u8>(), 0..3000);
    prop_oneof![
        4 => (any::<bool>(), key(), value).prop_map(|(t, k, v)| Change::Put(t, k, v)),
        2 => (any::<bool>(), key()).prop_map(|(t, k)| Change::Delete(t, k)),
        1 => (any::<bool>(), key(), proptest::option::of(key()))
            .prop_map(|(t, from, to)| Change::DeleteRange(t, from, to)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (vec((any::<bool>(), key()), 0..2), vec(change(), 0..8))
            .prop_map(|(absent, changes)| Step::Commit(absent, changes)),
        1 => Just(Step::Restart),
        3 => (any::<bool>(), key(), key(), 0..9_usize)
            .prop_map(|(t, from, to, limit)| Step::Range(t, from, to, limit)),
    ]
}

fn table(right: bool) -> TableId {
    if right { RIGHT } else { LEFT }
}

/// A prefix, if there is no end.
fn range(from: &[u8], to: Option<&[u8]>) -> KeyRange {
    to.map_or_else(|| KeyRange::prefix(from), |to| KeyRange::between(from, to))
}

fn in_range(key: &[u8], from: &[u8], to: Option<&[u8]>) -> bool {
    to.map_or_else(|| key.starts_with(from), |to| from <= key && key < to)
}

#[derive(Default)]
struct Model([BTreeMap<Vec<u8>, Vec<u8>>; 2]);

impl Model {
    fn commit(
        &mut self,
        absent: &[(bool, Vec<u8>)],
        changes: &[Change],
    ) -> Result<(), CommitError> {
        let there = |(t, key): &(bool, Vec<u8>)| self.0[usize::from(*t)].contains_key(key);
        if absent.iter().any(there) {
            return Err(CommitError::Conflict);
        }
        for change in changes {
            match change.clone() {
                Change::Put(t, key, value) => drop(self.0[usize::from(t)].insert(key, value)),
                Change::Delete(t, key) => drop(self.0[usize::from(t)].remove(&key)),
                Change::DeleteRange(t, from, to) => {
                    self.0[usize::from(t)].retain(|key, _| !in_range(key, &from, to.as_deref()))
                }
            }
        }
        Ok(())
    }

    fn rows(&self, right: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.0[usize::from(right)].clone().into_iter().collect()
    }
}

fn batch(absent: &[(bool, Vec<u8>)], changes: &[Change]) -> Batch {
    let mut batch = Batch::new();
    for (t, key) in absent {
        batch.expect_absent(table(*t), key.clone());
    }
    for change in changes.iter().cloned() {
        match change {
            Change::Put(t, key, value) => batch.put(table(t), key, value),
            Change::Delete(t, key) => batch.delete(table(t), key),
            Change::DeleteRange(t, from, to) => {
                batch.delete_range(table(t), range(&from, to.as_deref()))
            }
        };
    }
    batch
}

async fn run(steps: Vec<Step>) {
    let disk = Disk::default();
    let (mut on_disk, in_memory) = (disk.store(), Store::in_memory());
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Commit(absent, changes) => {
                let expected = model.commit(&absent, &changes);
                let batch = batch(&absent, &changes);
                assert_eq!(on_disk.commit(batch.clone()).await, expected);
                assert_eq!(in_memory.commit(batch).await, expected);
            }
            Step::Restart => {
                drop(on_disk);
                on_disk = disk.store();
            }
            Step::Range(t, from, to, limit) => {
                let mut expected = model.rows(t);
                expected.retain(|(key, _)| in_range(key, &from, Some(&to)));
                expected.truncate(limit);
                let range = range(&from, Some(&to));
                for store in [&on_disk, &in_memory] {
                    assert_eq!(store.range(table(t), &range, limit).unwrap(), expected);
                }
            }
        }
        for store in [&on_disk, &in_memory] {
            assert_eq!(rows(store, LEFT), model.rows(false));
            assert_eq!(rows(store, RIGHT), model.rows(true));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_stores_are_ordered_maps_that_outlive_restarts(steps in vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(steps));
    }
}
