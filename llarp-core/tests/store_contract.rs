//! What every store promises, whatever it lies on.

use core::ops::ControlFlow;

use llarp_core::store::{Batch, CommitError, KeyRange, OpenError, Store, StoreOptions, TableId};
use llarp_core::wire::limits::{STORE_BATCH_MAX, STORE_KEY_MAX, STORE_VALUE_MAX};

use super::store_disk::{Disk, LEFT, RIGHT, TempDir, rows, small};

/// Each kind of store; the directory lives as long as its store.
fn stores(name: &str) -> Vec<(Store, Option<TempDir>)> {
    let dir = TempDir::new(name);
    vec![
        (Store::in_memory(), None),
        (Disk::default().store(), None),
        (dir.store(), Some(dir)),
    ]
}

fn batch(change: impl FnOnce(&mut Batch)) -> Batch {
    let mut batch = Batch::new();
    change(&mut batch);
    batch
}

fn put(table: TableId, key: &[u8], value: &[u8]) -> Batch {
    batch(|batch| {
        batch.put(table, key, value);
    })
}

#[tokio::test]
async fn what_was_put_is_read_and_what_was_deleted_is_gone() {
    for (store, _dir) in stores("put") {
        assert_eq!(store.get(LEFT, b"a").unwrap(), None, "no such table yet");
        assert!(rows(&store, LEFT).is_empty());
        store.commit(put(LEFT, b"a", b"1")).await.unwrap();
        store.commit(put(LEFT, b"", b"")).await.unwrap();
        assert_eq!(store.get(LEFT, b"a").unwrap(), Some(b"1".to_vec()));
        assert_eq!(store.get(LEFT, b"").unwrap(), Some(Vec::new()));
        assert_eq!(store.get(RIGHT, b"a").unwrap(), None, "tables are apart");
        store.commit(put(LEFT, b"a", b"2")).await.unwrap();
        assert_eq!(store.get(LEFT, b"a").unwrap(), Some(b"2".to_vec()));
        let delete = batch(|batch| {
            batch.delete(LEFT, b"a").delete(LEFT, b"never there");
        });
        store.commit(delete).await.unwrap();
        assert_eq!(rows(&store, LEFT), [(Vec::new(), Vec::new())]);
    }
}

#[tokio::test]
async fn changes_of_a_batch_apply_in_their_order() {
    for (store, _dir) in stores("order") {
        let changes = batch(|batch| {
            batch.put(LEFT, b"a", b"1").delete(LEFT, b"a");
            batch.delete(LEFT, b"b").put(LEFT, b"b", b"2");
            batch.put(LEFT, b"c", b"3");
            batch.delete_range(LEFT, KeyRange::prefix(b"c"));
            batch.put(LEFT, b"ca", b"4").put(LEFT, b"ca", b"5");
        });
        store.commit(changes).await.unwrap();
        let expected = [
            (b"b".to_vec(), b"2".to_vec()),
            (b"ca".to_vec(), b"5".to_vec()),
        ];
        assert_eq!(rows(&store, LEFT), expected);
    }
}

#[tokio::test]
async fn rows_come_in_the_order_of_their_bytes_page_by_page() {
    for (store, _dir) in stores("pages") {
        let all = batch(|batch| {
            for n in (0..=255).rev() {
                batch.put(LEFT, [n], [n]).put(LEFT, [n, 0], [n]);
            }
        });
        store.commit(all).await.unwrap();
        let mut left = KeyRange::between([7], [250]);
        let mut seen = Vec::new();
        loop {
            let page = store.range(LEFT, &left, 10).unwrap();
            assert!(page.len() <= 10);
            let Some((last, _)) = page.last() else { break };
            left = left.after(last);
            seen.extend(page.into_iter().map(|(key, _)| key));
        }
        let expected: Vec<_> = (7..250).flat_map(|n| [vec![n], vec![n, 0]]).collect();
        assert_eq!(seen, expected);
        assert!(store.range(LEFT, &left, 0).unwrap().is_empty());
        let prefix = store.range(LEFT, &KeyRange::prefix(&[255]), 9).unwrap();
        assert_eq!(prefix.len(), 2);
        let backwards = KeyRange::between([9], [8]);
        assert!(store.range(LEFT, &backwards, 9).unwrap().is_empty());
        let mut visited = 0;
        let until = |key: &[u8], _: &[u8]| {
            visited += 1;
            if key == [3] {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let mut until = until;
        store
            .read(|snapshot| snapshot.scan(LEFT, &KeyRange::all(), &mut until))
            .unwrap();
        assert_eq!(visited, 7, "0, 1 and 2 twice, and 3");
    }
}

#[tokio::test]
async fn days_bucket_goes_at_once_and_takes_nothing_else() {
    for (store, _dir) in stores("expiry") {
        let all = batch(|batch| {
            for day in 0..4_u32 {
                for n in 0..100_u32 {
                    let key = [day.to_be_bytes(), n.to_be_bytes()].concat();
                    batch
                        .put(LEFT, key.clone(), key.clone())
                        .put(RIGHT, key, []);
                }
            }
        });
        store.commit(all).await.unwrap();
        let expire = batch(|batch| {
            batch.delete_range(LEFT, KeyRange::prefix(&1_u32.to_be_bytes()));
            batch.delete_range(LEFT, KeyRange::between([9], [8]));
            batch.delete_range(TableId("test/never written"), KeyRange::all());
        });
        store.commit(expire).await.unwrap();
        let left = rows(&store, LEFT);
        assert_eq!(left.len(), 300);
        assert!(left.iter().all(|(key, _)| key[3] != 1));
        assert_eq!(rows(&store, RIGHT).len(), 400);
    }
}

#[tokio::test]
async fn second_insert_of_the_same_row_is_a_conflict_and_changes_nothing() {
    for (store, _dir) in stores("conflict") {
        let insert = |value: &[u8]| {
            batch(|batch| {
                batch.put(RIGHT, b"count", value);
                batch.expect_absent(LEFT, b"id").put(LEFT, b"id", value);
            })
        };
        store.commit(insert(b"1")).await.unwrap();
        assert_eq!(store.commit(insert(b"2")).await, Err(CommitError::Conflict));
        assert_eq!(store.get(RIGHT, b"count").unwrap(), Some(b"1".to_vec()));
        assert_eq!(store.get(LEFT, b"id").unwrap(), Some(b"1".to_vec()));
        let delete = batch(|batch| {
            batch.delete(LEFT, b"id");
        });
        store.commit(delete).await.unwrap();
        store.commit(insert(b"3")).await.unwrap();
        assert_eq!(store.get(LEFT, b"id").unwrap(), Some(b"3".to_vec()));
    }
}

#[tokio::test]
async fn of_many_inserts_at_once_one_wins() {
    for (store, _dir) in stores("race") {
        let tasks: Vec<_> = (0..100_u8)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move {
                    let insert = batch(|batch| {
                        batch.expect_absent(LEFT, b"id").put(LEFT, b"id", [n]);
                        batch.put(RIGHT, [n], []);
                    });
                    (n, store.commit(insert).await)
                })
            })
            .collect();
        let mut winners = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                (n, Ok(())) => winners.push(n),
                (_, verdict) => assert_eq!(verdict, Err(CommitError::Conflict)),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(store.get(LEFT, b"id").unwrap(), Some(winners.clone()));
        assert_eq!(rows(&store, RIGHT), [(winners, Vec::new())]);
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_the_largest_is_taken() {
    for (store, _dir) in stores("large") {
        let too_large = |what, max, got| Err(CommitError::TooLarge { what, max, got });
        let key = vec![1; STORE_KEY_MAX + 1];
        assert_eq!(
            store.commit(put(LEFT, &key, b"")).await,
            too_large("key", STORE_KEY_MAX, key.len())
        );
        let value = vec![2; STORE_VALUE_MAX + 1];
        assert_eq!(
            store.commit(put(LEFT, b"", &value)).await,
            too_large("value", STORE_VALUE_MAX, value.len())
        );
        let (key, value) = (&key[1..], &value[1..]);
        let full = |rows: u8| {
            batch(|batch| {
                for n in 0..rows {
                    batch.put(LEFT, [n], value);
                }
            })
        };
        let got = full(4).cost();
        assert_eq!(
            store.commit(full(4)).await,
            too_large("batch", STORE_BATCH_MAX, got)
        );
        assert!(rows(&store, LEFT).is_empty());
        store.commit(full(3)).await.unwrap();
        store.commit(put(RIGHT, key, value)).await.unwrap();
        assert_eq!(store.get(RIGHT, key).unwrap().as_deref(), Some(value));
    }
}

#[tokio::test]
async fn snapshot_on_disk_does_not_see_later_commits() {
    let store = Disk::default().store();
    store.commit(put(LEFT, b"a", b"1")).await.unwrap();
    let other = store.clone();
    let seen = store.read(|snapshot| {
        let before = snapshot.get(LEFT, b"a")?;
        let commit = |value: &'static [u8]| {
            let (other, batch) = (other.clone(), put(LEFT, b"a", value));
            std::thread::spawn(move || block_on(other.commit(batch)).unwrap())
        };
        commit(b"2").join().unwrap();
        Ok((before, snapshot.get(LEFT, b"a")?))
    });
    assert_eq!(seen, Ok((Some(b"1".to_vec()), Some(b"1".to_vec()))));
    assert_eq!(store.get(LEFT, b"a").unwrap(), Some(b"2".to_vec()));
}

#[tokio::test]
async fn directory_opens_again_with_everything_and_for_one_at_a_time() {
    let dir = TempDir::new("again");
    let store = dir.store();
    store.commit(put(LEFT, b"a", b"1")).await.unwrap();
    let clone = store.clone();
    let second = Store::open(dir.path(), StoreOptions::default());
    assert_eq!(second.unwrap_err(), OpenError::Locked);
    drop(store);
    let second = Store::open(dir.path(), StoreOptions::default());
    assert_eq!(second.unwrap_err(), OpenError::Locked, "a clone is left");
    drop(clone);
    assert_eq!(rows(&dir.store(), LEFT), [(b"a".to_vec(), b"1".to_vec())]);
}

#[cfg(unix)]
#[test]
fn files_are_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new("mode");
    let _store = dir.store();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(dir.path()), 0o700);
    let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(files.len(), 2);
    for file in files {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
}

#[test]
fn directory_that_cannot_be_made_says_so() {
    let dir = TempDir::new("file");
    std::fs::create_dir_all(dir.path()).unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    let opened = Store::open(&file.join("store"), small());
    assert!(matches!(opened, Err(OpenError::Io(_))), "{opened:?}");
}

#[test]
fn logs_show_no_rows() {
    let batch = put(LEFT, b"secret", b"secret");
    let range = KeyRange::prefix(b"secret");
    let shown = format!("{batch:?} {range:?} {:?}", Store::in_memory());
    assert!(!shown.contains("115"), "{shown}");
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}
