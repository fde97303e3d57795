//! The store as it ships, on a real disk with 100,000 messages of 1 KB: what a durable message
//! costs, alone and among others, and what a read and an expiry do.
//! `cargo bench -p llarp-core --bench store`

use core::ops::ControlFlow;
use core::time::Duration;
use std::path::PathBuf;

use criterion::{BatchSize, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use llarp_core::store::{Batch, KeyRange, Store, StoreOptions, TableId};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::runtime::{Builder, Runtime};

const MESSAGES: TableId = TableId("bench/messages");
/// Messages that are there before anything is measured; `LLARP_BENCH_ROWS` asks for others.
const ROWS: u64 = 100_000;
/// The day that no measurement expires.
const KEPT: u32 = 1;

/// Day, then what stands for recipient and hash.
fn key(day: u32, number: u64) -> Vec<u8> {
    let mut rest = [0; 32];
    ChaCha20Rng::seed_from_u64(number).fill_bytes(&mut rest);
    [day.to_be_bytes().as_slice(), &rest].concat()
}

fn message(day: u32, number: u64) -> Batch {
    let mut value = vec![0; 1000];
    ChaCha20Rng::seed_from_u64(!number).fill_bytes(&mut value);
    let (key, mut batch) = (key(day, number), Batch::new());
    batch.expect_absent(MESSAGES, key.clone());
    batch.put(MESSAGES, key, value);
    batch
}

struct Bench {
    store: Store,
    runtime: Runtime,
    rows: u64,
    next: u64,
}

impl Bench {
    fn new() -> Self {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("store-bench");
        let _ = std::fs::remove_dir_all(&dir);
        let rows = std::env::var("LLARP_BENCH_ROWS").map_or(ROWS, |rows| rows.parse().unwrap());
        let mut bench = Self {
            store: Store::open(&dir, StoreOptions::default()).unwrap(),
            runtime: Builder::new_current_thread().build().unwrap(),
            rows,
            next: rows,
        };
        for first in (0..rows).step_by(256) {
            let last = rows.min(first + 256);
            bench.commit((first..last).map(|n| message(KEPT, n)).collect());
        }
        bench
    }

    /// Messages that are not there yet.
    fn fresh(&mut self, day: u32, count: u64) -> Vec<Batch> {
        let first = self.next;
        self.next += count;
        (first..self.next).map(|n| message(day, n)).collect()
    }

    /// Each batch by a task of its own, as with many connections.
    fn commit(&mut self, batches: Vec<Batch>) {
        self.runtime.block_on(async {
            let commit = |batch| {
                let store = self.store.clone();
                tokio::spawn(async move { store.commit(batch).await })
            };
            let tasks: Vec<_> = batches.into_iter().map(commit).collect();
            for task in tasks {
                task.await.unwrap().unwrap();
            }
        });
    }
}

fn store(c: &mut Criterion) {
    let mut bench = Bench::new();
    let mut group = c.benchmark_group("store");
    group.sample_size(20).sampling_mode(SamplingMode::Flat);
    group.measurement_time(Duration::from_secs(3));
    for at_once in [1, 8, 64, 512] {
        group.throughput(Throughput::Elements(at_once));
        group.bench_function(format!("durable messages, {at_once} at once"), |b| {
            b.iter_custom(|rounds| {
                let batches: Vec<_> = (0..rounds).map(|_| bench.fresh(2, at_once)).collect();
                let mut spent = Duration::ZERO;
                for batches in batches {
                    spent += timed(|| bench.commit(batches));
                }
                spent
            });
        });
    }
    group.throughput(Throughput::Elements(1));
    group.bench_function("get by key", |b| {
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        b.iter_batched(
            || key(KEPT, rng.next_u64() % bench.rows),
            |key| bench.store.get(MESSAGES, &key).unwrap().unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.sample_size(10);
    group.throughput(Throughput::Elements(bench.rows));
    group.bench_function("look at every message", |b| {
        b.iter(|| {
            let mut seen = 0;
            let mut visit = |_: &[u8], _: &[u8]| {
                seen += 1;
                ControlFlow::Continue(())
            };
            let day = KeyRange::prefix(&KEPT.to_be_bytes());
            let looked = bench.store.read(|all| all.scan(MESSAGES, &day, &mut visit));
            looked.unwrap();
            assert_eq!(seen, bench.rows);
        });
    });
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("expire a day of 10,000", |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                let messages = bench.fresh(3, 10_000);
                bench.commit(messages);
                let mut expiry = Batch::new();
                expiry.delete_range(MESSAGES, KeyRange::prefix(&3_u32.to_be_bytes()));
                spent += timed(|| bench.commit(vec![expiry]));
            }
            spent
        });
    });
    group.finish();
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn timed(work: impl FnOnce()) -> Duration {
    let started = std::time::Instant::now();
    work();
    started.elapsed()
}

criterion_group!(benches, store);
criterion_main!(benches);
