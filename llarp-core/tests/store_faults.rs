//! Disks that fail, fill up, lose power and rot.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;

use llarp_core::store::{
    Batch, CommitError, KeyRange, OpenError, ReadError, Remedy, Row, Store, StoreOptions,
};
use tokio::task::{JoinHandle, yield_now};

use super::evidence::{Whole, is_full};
use super::store_disk::{Disk, Failure, LEFT, RIGHT, rows, small};
use super::support::rng;

type State = [Vec<Row>; 2];

/// Batches that touch two tables, write over, delete, delete ranges and grow the file.
fn batches() -> Vec<Batch> {
    (0..12_u8)
        .map(|n| {
            let mut batch = Batch::new();
            batch.expect_absent(LEFT, [n]).put(LEFT, [n], [n; 3000]);
            batch.put(LEFT, [100, n % 3], [n]);
            batch.put(RIGHT, [n], vec![n; 20_000 * usize::from(n % 4)]);
            if n % 5 == 4 {
                batch.delete_range(RIGHT, KeyRange::between([n - 3], [n]));
                batch.delete(LEFT, [n - 1]);
            }
            batch
        })
        .collect()
}

fn state(store: &Store) -> State {
    [rows(store, LEFT), rows(store, RIGHT)]
}

/// The states that the batches lead through on a good disk; the first is empty.
async fn good_states() -> Vec<State> {
    let store = Store::in_memory();
    let mut states = vec![state(&store)];
    for batch in batches() {
        store.commit(batch).await.unwrap();
        states.push(state(&store));
    }
    states
}

#[tokio::test]
async fn any_one_operation_may_fail_and_the_store_goes_on() {
    let good = good_states().await;
    for failure in [Failure::Once, Failure::Half] {
        let mut failed_commits = 0;
        for operation in 0.. {
            let disk = Disk::default();
            let store = disk.store();
            disk.fail_at(operation, failure);
            for (n, batch) in batches().into_iter().enumerate() {
                let first = store.commit(batch.clone()).await;
                if first.is_err() {
                    failed_commits += 1;
                    assert_eq!(first, Err(CommitError::Io(ErrorKind::Other)), "{operation}");
                    let now = state(&store);
                    assert!(
                        now == good[n] || now == good[n + 1],
                        "{operation}: batch {n} in part"
                    );
                    let again = store.commit(batch).await;
                    let expected = if now == good[n] {
                        Ok(())
                    } else {
                        Err(CommitError::Conflict)
                    };
                    assert_eq!(again, expected, "{operation}");
                }
                assert_eq!(state(&store), good[n + 1], "{operation}");
            }
            // Closing may fail as well.
            drop(store);
            let has_failed = disk.has_failed();
            disk.repair();
            assert_eq!(state(&disk.store()), good[12], "{operation}");
            if !has_failed {
                break;
            }
        }
        assert!(failed_commits > 50, "{failed_commits}");
    }
}

#[tokio::test]
async fn power_may_go_at_any_operation_and_nothing_acknowledged_is_lost() {
    let good = good_states().await;
    let losses = if is_full() { 50 } else { 2 };
    let whole = Whole::begin(
        "power_may_go_at_any_operation_and_nothing_acknowledged_is_lost",
        format!("{losses} losses of power at each operation"),
    );
    let mut cut = 0;
    for operation in 0.. {
        let disk = Disk::default();
        let store = disk.store();
        disk.fail_at(operation, Failure::Dead);
        let mut acknowledged = 0;
        for batch in batches() {
            if store.commit(batch).await.is_err() {
                break;
            }
            acknowledged += 1;
        }
        drop(store);
        if !disk.has_failed() {
            break;
        }
        for loss in 0..losses {
            let after = disk.after_power_loss(&mut rng(operation * 1000 + loss));
            let store = Store::on_medium(Arc::new(after), small());
            let store =
                store.unwrap_or_else(|error| panic!("{operation}, {acknowledged}: {error}"));
            let now = state(&store);
            let next = good.get(acknowledged + 1);
            assert!(
                now == good[acknowledged] || Some(&now) == next,
                "operation {operation}, loss {loss}: {acknowledged} batches were acknowledged"
            );
            cut += u64::from(now == good[acknowledged]);
            let mut batch = Batch::new();
            store
                .commit(batch.put(LEFT, b"on", b"we go").clone())
                .await
                .unwrap();
        }
    }
    assert!(cut > 50, "{cut}");
    whole.found_nothing();
}

#[tokio::test]
async fn full_disk_refuses_commits_not_reads_and_recovers() {
    for sparse in [false, true] {
        let disk = Disk::default();
        let store = disk.store();
        let mut there = BTreeMap::new();
        let row = |n: u32| (n.to_be_bytes().to_vec(), vec![7; 50_000]);
        let put = |n: u32| {
            let mut batch = Batch::new();
            let (key, value) = row(n);
            batch.put(LEFT, key, value);
            batch
        };
        let mut n = 0;
        for filled in 0..3 {
            disk.fill_up(sparse);
            let error = loop {
                match store.commit(put(n)).await {
                    Ok(()) => there.extend([row(n)]),
                    Err(error) => break error,
                }
                n += 1;
            };
            assert_eq!(error, CommitError::NoSpace, "{filled}");
            assert_eq!(error.remedy(), Remedy::Operator);
            let expected: Vec<_> = there.clone().into_iter().collect();
            assert_eq!(rows(&store, LEFT), expected, "{filled}: reads go on");
            disk.make_room();
            store.commit(put(n)).await.unwrap();
            there.extend([row(n)]);
        }
        assert!(n > 3);
        drop(store);
        let expected: Vec<_> = there.into_iter().collect();
        assert_eq!(rows(&disk.store(), LEFT), expected);
    }
}

#[tokio::test]
async fn read_that_fails_once_is_not_noticed_and_one_that_fails_twice_is_an_error() {
    let disk = Disk::default();
    let store = disk.store();
    let mut batch = Batch::new();
    for n in 0..200_u8 {
        batch.put(LEFT, [n], [n; 2000]);
    }
    store.commit(batch).await.unwrap();
    let all = rows(&store, LEFT);
    disk.fail_reads(1);
    assert_eq!(rows(&store, LEFT), all);
    disk.fail_reads(u64::MAX);
    let failed = store.get(LEFT, &[100]);
    assert_eq!(failed, Err(ReadError::Io(ErrorKind::Other)));
    let mut batch = Batch::new();
    batch.put(LEFT, [0], []);
    let failed = store.commit(batch).await;
    assert_eq!(failed, Err(CommitError::Io(ErrorKind::Other)));
    disk.repair();
    assert_eq!(rows(&store, LEFT), all);
}

/// Hands `batch` over; the runtime polls it once before this task goes on.
async fn hand_over(store: &Store, batch: Batch) -> JoinHandle<Result<(), CommitError>> {
    let store = store.clone();
    let task = tokio::spawn(async move { store.commit(batch).await });
    yield_now().await;
    task
}

fn numbered(n: u8, value: Vec<u8>) -> Batch {
    let mut batch = Batch::new();
    batch.put(LEFT, [n], value);
    batch
}

#[tokio::test]
async fn commits_that_come_while_the_disk_is_busy_share_its_next_syncs() {
    let disk = Disk::default();
    let store = disk.store();
    store.commit(numbered(200, vec![1])).await.unwrap();
    let before = disk.syncs();
    store.commit(numbered(200, vec![2])).await.unwrap();
    let each = disk.syncs() - before;
    assert!((1..=2).contains(&each), "{each}");

    disk.hold();
    let mut tasks = Vec::new();
    for n in 0..100 {
        tasks.push(hand_over(&store, numbered(n, vec![n])).await);
    }
    assert!(
        tasks.iter().all(|task| !task.is_finished()),
        "not durable yet"
    );
    assert_eq!(rows(&store, LEFT).len(), 1, "and not to be seen");
    let before = disk.syncs();
    disk.let_go();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(()));
    }
    // The first had gone alone, or a few with it; the rest together.
    let shared = disk.syncs() - before;
    assert!(shared <= 2 * each, "{shared} syncs for 100 commits");
    assert_eq!(rows(&store, LEFT).len(), 101);
}

#[tokio::test]
async fn sync_that_fails_fails_all_who_share_it() {
    let disk = Disk::default();
    let store = disk.store();
    disk.hold();
    let first = hand_over(&store, numbered(0, vec![0])).await;
    while disk.syncs_waiting() == 0 {
        yield_now().await;
    }
    let mut tasks = Vec::new();
    for n in 1..50 {
        tasks.push(hand_over(&store, numbered(n, vec![n])).await);
    }
    disk.fail_syncs_from_the_third();
    disk.let_go();
    assert_eq!(first.await.unwrap(), Ok(()));
    for task in tasks {
        assert_eq!(task.await.unwrap(), Err(CommitError::Io(ErrorKind::Other)));
    }
    disk.repair();
    assert_eq!(rows(&store, LEFT).len(), 1);
}

#[tokio::test]
async fn queue_is_bounded_and_dropped_futures_commit_whole_or_not() {
    let disk = Disk::default();
    let store = disk.store();
    disk.hold();
    let mut tasks = Vec::new();
    for n in 0..10 {
        let mut batch = Batch::new();
        for part in 0..4 {
            batch.put(LEFT, [n, part], vec![part; 1_000_000]);
        }
        tasks.push(hand_over(&store, batch).await);
    }
    for task in tasks {
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
    disk.let_go();
    drop(store);
    // 16 MiB hold four batches of 4 MB: they were handed over. The others waited for room.
    let keys: Vec<_> = rows(&disk.store(), LEFT)
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    let expected: Vec<_> = (0..4)
        .flat_map(|n| (0..4).map(move |part| vec![n, part]))
        .collect();
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn damaged_file_is_an_error_never_a_panic() {
    let disk = Disk::default();
    let store = disk.store();
    for batch in batches() {
        store.commit(batch).await.unwrap();
    }
    drop(store);
    let good = disk.after_power_loss(&mut rng(0));
    let copy = || good.after_power_loss(&mut rng(0));
    let open = |disk: &Disk, check| {
        let options = StoreOptions { check, ..small() };
        Store::on_medium(Arc::new(disk.clone()), options)
    };
    open(&copy(), true).unwrap();

    let other_file = copy();
    other_file.damage(|bytes| bytes[..9].copy_from_slice(b"not ours."));
    assert_eq!(open(&other_file, false).unwrap_err(), OpenError::Corrupted);
    let mut found = 0;
    let mut len = 0;
    copy().damage(|bytes| len = bytes.len());
    let step = if is_full() { 64 } else { 4096 };
    let whole = Whole::begin(
        "damaged_file_is_an_error_never_a_panic",
        format!("damage at every {step} bytes"),
    );
    for at in (0..len).step_by(step) {
        let disk = copy();
        disk.damage(|bytes| {
            bytes[at + 20..at + 40]
                .iter_mut()
                .for_each(|byte| *byte ^= 0x5a)
        });
        found += usize::from(open(&disk, true).is_err());
        // Without the check, a read may find it, or give what is there.
        if let Ok(store) = open(&disk, false) {
            let _ = store.range(LEFT, &KeyRange::all(), usize::MAX);
            let _ = store.commit(numbered(0, vec![])).await;
        }
    }
    assert!(found > 0);
    whole.found_nothing();
}
