//! Real processes that are killed while they commit to a real disk.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use llarp_core::store::{Batch, OpenError, Store, StoreOptions, TableId};
use rand_chacha::rand_core::Rng;

use super::evidence::{Whole, is_full};
use super::store_disk::{LEFT, RIGHT, TempDir, rows};
use super::support::rng;

/// Where the child commits; the test that finds none is not a child.
const DIR: &str = "LLARP_STORE_CRASH_DIR";
/// The first number that the child commits.
const FIRST: &str = "LLARP_STORE_CRASH_FIRST";
/// What the child writes in front of a number that is durable.
const DURABLE: &str = "durable ";
const TASKS: usize = 8;

#[test]
fn killed_process_loses_nothing_that_it_has_acknowledged() {
    let kills = if is_full() { 200 } else { 20 };
    let whole = Whole::begin(
        "killed_process_loses_nothing_that_it_has_acknowledged",
        format!("{kills} kills"),
    );
    let dir = TempDir::new("crash");
    let mut rng = rng(1);
    let mut durable = BTreeSet::new();
    for kill in 0..kills {
        let mut child = start_child(dir.path(), kill * 1_000_000);
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let wanted = rng.next_u64() % 40;
        let mut seen = BTreeSet::new();
        while (seen.len() as u64) < wanted {
            let mut line = String::new();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "the child lives");
            seen.extend(number(&line));
        }
        if kill == 0 {
            let second = Store::open(dir.path(), StoreOptions::default());
            assert!(
                wanted == 0 || matches!(second, Err(OpenError::Locked)),
                "{second:?}"
            );
        }
        // Some way into the next commit, or past it.
        (0..rng.next_u64() % 2_000_000).for_each(|_| std::hint::spin_loop());
        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        seen.extend(rest.split_inclusive('\n').filter_map(number));
        durable.extend(seen);
        check(dir.path(), &durable, kill);
    }
    assert!(durable.len() > 100, "{}", durable.len());
    whole.found_nothing();
}

/// All that is durable is there, and each batch whole: both tables tell the same.
fn check(dir: &Path, durable: &BTreeSet<u64>, kill: u64) {
    let store = Store::open(dir, StoreOptions::default()).unwrap();
    let numbers = |table: TableId| -> BTreeSet<_> {
        let rows = rows(&store, table).into_iter();
        rows.map(|(key, value)| {
            assert_eq!(value.len(), 1000);
            u64::from_be_bytes(key.try_into().unwrap())
        })
        .collect()
    };
    let (left, right) = (numbers(LEFT), numbers(RIGHT));
    assert!(left == right, "kill {kill}: a batch is there in part");
    let lost: Vec<_> = durable.difference(&left).collect();
    assert!(lost.is_empty(), "kill {kill}: {lost:?} are lost");
}

/// The number of a whole line, if it says one.
fn number(line: &str) -> Option<u64> {
    // The harness writes its own words in front, on the first line.
    let (_, number) = line.strip_suffix('\n')?.split_once(DURABLE)?;
    number.parse().ok()
}

fn start_child(dir: &Path, first: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "store_crash::child_commits_until_it_is_killed",
            "--nocapture",
        ])
        .env(DIR, dir)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Does nothing unless [`start_child`] has set the scene.
#[tokio::test]
async fn child_commits_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let store = Store::open(Path::new(&dir), StoreOptions::default()).unwrap();
    let tasks: Vec<_> = (0..TASKS as u64)
        .map(|task| tokio::spawn(commit_for_ever(store.clone(), first + task)))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn commit_for_ever(store: Store, first: u64) {
    for number in (first..).step_by(TASKS) {
        let mut batch = Batch::new();
        for table in [LEFT, RIGHT] {
            let key = number.to_be_bytes();
            batch.expect_absent(table, key).put(table, key, [7; 1000]);
        }
        store.commit(batch).await.unwrap();
        let line = format!("{DURABLE}{number}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}
