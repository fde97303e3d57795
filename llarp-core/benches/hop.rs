//! A cell through a relay's table of paths, and how much of that is not the onion layer.
//! `cargo bench -p llarp-core --bench hop`

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use llarp_core::cell::{HopKeys, MiddleHop, PathId};
use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::noise::Split;
use llarp_core::crypto::secret::Secret;
use llarp_core::hop::{
    Cell, CellPool, FairLimits, FairQueue, LinkId, Millis, NewPath, PathRef, PathTable, Side,
    Verdict,
};
use llarp_core::wire::limits::{CELL_LEN, PATH_CELLS_MAX, PATH_ID_LEN};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

fn keys() -> HopKeys {
    let split = Split {
        to_responder: Secret::take(&mut [1; 32]),
        to_initiator: Secret::take(&mut [2; 32]),
    };
    HopKeys::of_split(&NetworkId::from_name("bench"), &split)
}

/// A table with `paths` paths that carry cells in turn; each is renewed when it is spent.
struct Relay {
    table: PathTable,
    paths: Vec<(PathRef, Side)>,
    keys: HopKeys,
    rng: ChaCha20Rng,
    cell: Cell,
    turn: usize,
}

impl Relay {
    fn new(paths: usize) -> Self {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let mut relay = Self {
            table: PathTable::new(&mut rng),
            paths: Vec::new(),
            keys: keys(),
            cell: [0; CELL_LEN],
            rng,
            turn: 0,
        };
        relay.rng.fill_bytes(&mut relay.cell);
        (0..paths).for_each(|_| {
            let path = relay.path();
            relay.paths.push(path);
        });
        relay
    }

    fn path(&mut self) -> (PathRef, Side) {
        let mut side = |link| Side {
            link: LinkId(link),
            ours: self.table.draw_id(&mut self.rng),
            theirs: PathId::random(&mut self.rng),
        };
        let (prev, next) = (side(1), side(2));
        let hop = MiddleHop::new(&self.keys);
        let path = NewPath::Middle { hop, prev, next };
        (self.table.insert(Millis(0), path).unwrap(), prev)
    }

    /// What the last cell became is the next cell: as random as any.
    fn forward(&mut self) -> bool {
        self.turn = (self.turn + 1) % self.paths.len();
        let (path, side) = self.paths[self.turn];
        if self.table.counts(path).unwrap().up_in == PATH_CELLS_MAX - 1 {
            let _ = self.table.handle_close_next(side.link, side.ours);
            self.paths[self.turn] = self.path();
        }
        self.again()
    }

    fn again(&mut self) -> bool {
        let (_, side) = self.paths[self.turn];
        self.cell[..PATH_ID_LEN].copy_from_slice(&side.ours.0);
        let cell = black_box(&mut self.cell);
        let verdict = self.table.handle_cell(Millis(1), side.link, cell);
        matches!(verdict, Verdict::Forward { .. })
    }
}

fn hop(c: &mut Criterion) {
    let mut group = c.benchmark_group("hop");
    group.throughput(Throughput::Elements(1));
    group.bench_function("onion layer alone", |b| {
        let mut hop = MiddleHop::new(&keys());
        let mut body = [0x5a; CELL_LEN - PATH_ID_LEN];
        let mut left = PATH_CELLS_MAX;
        b.iter(|| {
            left -= 1;
            if left == 0 {
                (hop, left) = (MiddleHop::new(&keys()), PATH_CELLS_MAX);
            }
            hop.peel(black_box(&mut body)).is_ok()
        });
    });
    for paths in [1, 100] {
        let mut relay = Relay::new(paths);
        group.bench_function(format!("forward, {paths} busy paths"), |b| {
            b.iter(|| assert!(relay.forward()));
        });
        // The table and the filter without the onion layer.
        let cell = relay.cell;
        group.bench_function(format!("drop a copy, {paths} busy paths"), |b| {
            relay.again();
            relay.cell = cell;
            relay.again();
            relay.cell = cell;
            b.iter(|| assert!(!relay.again()));
        });
    }
    group.bench_function("queue, 100 paths: push and pop", |b| {
        let relay = Relay::new(100);
        let mut queue = FairQueue::new(FairLimits::default());
        let mut pool = CellPool::new(16);
        for n in 0..4000 {
            let pushed = queue.push(relay.paths[n % 100].0, pool.take());
            assert!(pushed.is_ok());
        }
        let mut turn = 0;
        b.iter(|| {
            turn = (turn + 7) % 100;
            if let Some(cell) = queue.pop() {
                pool.give(cell);
            }
            let pushed = queue.push(relay.paths[turn].0, pool.take());
            assert!(pushed.is_ok());
        });
    });
    group.finish();
}

criterion_group!(benches, hop);
criterion_main!(benches);
