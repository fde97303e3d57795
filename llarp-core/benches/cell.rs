//! A cell at each place of its way, over a path of three hops.
//! `cargo bench -p llarp-core --bench cell`

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use llarp_core::cell::{Command, HopKeys, InboundLayers, MiddleHop, OutboundLayers, TerminalHop};
use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::noise::Split;
use llarp_core::crypto::secret::Secret;
use llarp_core::wire::limits::{BODY_LEN, CELL_DATA_MAX};

fn keys() -> [HopKeys; 3] {
    [1, 2, 3].map(|byte| {
        let split = Split {
            to_responder: Secret::take(&mut [byte; 32]),
            to_initiator: Secret::take(&mut [byte + 3; 32]),
        };
        HopKeys::of_split(&NetworkId::from_name("bench"), &split)
    })
}

/// Cells per measured batch: one path's counters last for 2²⁰ cells.
const BATCH: usize = 64;

fn cell(c: &mut Criterion) {
    let keys = keys();
    let mut body = [0x5a; BODY_LEN];
    let mut group = c.benchmark_group(format!("{BATCH} cells"));
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("relay peel, onward", |b| {
        b.iter_batched_ref(
            || MiddleHop::new(&keys[0]),
            |middle| (0..BATCH).all(|_| middle.peel(black_box(&mut body)).is_ok()),
            PER_BATCH,
        );
    });
    group.bench_function("relay wrap, downstream", |b| {
        b.iter_batched_ref(
            || MiddleHop::new(&keys[0]),
            |middle| (0..BATCH).all(|_| middle.wrap(black_box(&mut body)).is_ok()),
            PER_BATCH,
        );
    });
    group.bench_function("client seal × 3", |b| {
        b.iter_batched_ref(
            || OutboundLayers::new(&keys),
            |out| seal_batch(out, &mut body),
            PER_BATCH,
        );
    });
    group.bench_function("terminal open", |b| {
        b.iter_batched_ref(
            || (TerminalHop::new(&keys[0]), sealed_up(&keys[..1])),
            |(terminal, cells)| {
                cells
                    .iter_mut()
                    .all(|cell| terminal.open(black_box(cell)).is_ok())
            },
            PER_BATCH,
        );
    });
    group.bench_function("client open × 3", |b| {
        b.iter_batched_ref(
            || (InboundLayers::new(&keys), sealed_down(&keys)),
            |(layers, cells)| {
                cells
                    .iter_mut()
                    .all(|cell| layers.open(black_box(cell)).is_ok())
            },
            PER_BATCH,
        );
    });
    group.finish();
}

const PER_BATCH: criterion::BatchSize = criterion::BatchSize::SmallInput;

fn seal_batch(out: &mut OutboundLayers, body: &mut [u8; BODY_LEN]) {
    for _ in 0..BATCH {
        out.seal(2, Command::Data, &[7; CELL_DATA_MAX], black_box(body))
            .unwrap();
    }
}

fn sealed_up(keys: &[HopKeys]) -> Vec<[u8; BODY_LEN]> {
    let mut out = OutboundLayers::new(keys);
    let mut cells = vec![[0; BODY_LEN]; BATCH];
    for cell in &mut cells {
        out.seal(keys.len() - 1, Command::Data, &[7; CELL_DATA_MAX], cell)
            .unwrap();
    }
    cells
}

fn sealed_down(keys: &[HopKeys; 3]) -> Vec<[u8; BODY_LEN]> {
    let [first, second, third] = keys;
    let mut terminal = TerminalHop::new(third);
    let (mut first, mut second) = (MiddleHop::new(first), MiddleHop::new(second));
    let mut cells = vec![[0; BODY_LEN]; BATCH];
    for cell in &mut cells {
        terminal
            .seal(Command::Data, &[7; CELL_DATA_MAX], cell)
            .unwrap();
        second.wrap(cell).unwrap();
        first.wrap(cell).unwrap();
    }
    cells
}

criterion_group!(benches, cell);
criterion_main!(benches);
