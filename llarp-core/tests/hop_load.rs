//! A relay under load: fair queues and the admission of builds.

use core::net::Ipv4Addr;
use std::collections::{HashMap, VecDeque};

use llarp_core::cell::{MiddleHop, PathId};
use llarp_core::hop::{
    Asker, BuildAdmission, Cell, CellPool, FairLimits, FairQueue, LinkId, Millis, NewPath, PathRef,
    PathTable, Shed, Side,
};
use llarp_core::wire::Sensitive;
use llarp_core::wire::limits::{
    BUILDS_PER_SECOND, CLIENT_BUILDS_AT_ONCE, CLIENT_BUILDS_PER_SECOND, CLIENT_PATHS_MAX,
    CLIENT_PENDING_BUILDS_MAX, CLIENTS_BUILDS_PER_SECOND, CLIENTS_PATHS_MAX,
    LINK_BUILDS_PER_SECOND, LINK_PATHS_MAX, LINK_PENDING_BUILDS_MAX, NETWORK_BUILDS_PER_SECOND,
    NETWORK_PATHS_MAX, NETWORK_PENDING_BUILDS_MAX, PENDING_BUILDS_MAX, RELAY_PATHS_MAX,
    SHED_QUEUED_CELLS,
};
use proptest::prelude::*;

use crate::support::*;

/// References to `count` paths.
fn paths(count: usize) -> Vec<PathRef> {
    let (keys, _) = build(&mut relays(3), 7);
    let mut table = PathTable::new(&mut rng(1));
    let mut random = rng(2);
    let mut insert = |_| {
        let mut side = |link| Side {
            link: LinkId(link),
            ours: table.draw_id(&mut random),
            theirs: PathId::random(&mut random),
        };
        let (prev, next) = (side(1), side(2));
        let hop = MiddleHop::new(&keys[0]);
        let path = NewPath::Middle { hop, prev, next };
        table.insert(Millis(0), path).unwrap()
    };
    (0..count).map(&mut insert).collect()
}

/// A queue whose cells say which path they are of, and their number there.
struct Labelled {
    queue: FairQueue,
    pool: CellPool,
    paths: Vec<PathRef>,
    next: Vec<u64>,
}

impl Labelled {
    fn new(limits: FairLimits, count: usize) -> Self {
        Self {
            queue: FairQueue::new(limits),
            pool: CellPool::new(64),
            paths: paths(count),
            next: vec![0; count],
        }
    }

    /// Queues a cell; the path and number of the one that was lost for it, if any.
    fn push(&mut self, path: usize) -> Result<u64, (usize, u64)> {
        let mut cell = self.pool.take();
        let number = self.next[path];
        self.next[path] += 1;
        cell[..8].copy_from_slice(&(path as u64).to_be_bytes());
        cell[8..16].copy_from_slice(&number.to_be_bytes());
        let pushed = self.queue.push(self.paths[path], cell);
        pushed.map(|()| number).map_err(|lost| {
            let label = read(&lost.cell);
            assert_eq!(lost.path, self.paths[label.0]);
            self.pool.give(lost.cell);
            label
        })
    }

    fn pop(&mut self) -> Option<(usize, u64)> {
        let cell = self.queue.pop()?;
        let label = read(&cell);
        self.pool.give(cell);
        Some(label)
    }
}

fn read(cell: &Cell) -> (usize, u64) {
    let number = |at: usize| u64::from_be_bytes(cell[at..at + 8].try_into().unwrap());
    (usize::try_from(number(0)).unwrap(), number(8))
}

#[test]
fn a_bulk_path_of_10_000_cells_delays_a_chat_path_by_9_cells() {
    let limits = FairLimits::default();
    let mut queue = Labelled::new(limits, 2);
    let waits = (0..10_000).filter(|_| queue.push(0).is_ok()).count();
    assert_eq!(waits, limits.fifo + limits.per_path);
    queue.push(1).unwrap();
    let before = std::iter::from_fn(|| queue.pop())
        .take_while(|(path, _)| *path == 0)
        .count();
    assert_eq!(before, limits.fifo + 1);
    assert_eq!(before, 9);
}

#[test]
fn a_path_that_is_forgotten_waits_no_more_and_the_others_keep_their_turns() {
    let limits = FairLimits {
        fifo: 2,
        per_path: 10,
        total: 30,
    };
    let mut queue = Labelled::new(limits, 4);
    for path in [0, 1, 0, 1, 2, 1, 0, 2, 1] {
        queue.push(path).unwrap();
    }
    let (gone, pool) = (queue.paths[1], &mut queue.pool);
    assert_eq!(queue.queue.forget(gone, pool), 3);
    assert_eq!(queue.queue.forget(gone, pool), 0);
    assert_eq!((queue.queue.len(), queue.queue.waiting_of(gone)), (6, 0));
    // Its last word has a turn of its own; a new path may take its place.
    queue.push(1).unwrap();
    queue.push(3).unwrap();
    let order: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
    let paths: Vec<_> = order.iter().map(|(path, _)| *path).collect();
    assert_eq!(paths, [0, 1, 0, 2, 1, 3, 0, 2]);
    assert_eq!(order[4], (1, 4), "what it said last");
}

#[test]
fn a_queue_that_must_make_room_gives_the_newest_of_the_longest_and_silences_nobody() {
    let mut queue = Labelled::new(FairLimits::default(), 3);
    (0..8).for_each(|_| assert!(queue.push(2).is_ok()));
    for path in [0, 0, 0, 1, 0, 1] {
        queue.push(path).unwrap();
    }
    assert_eq!(queue.queue.surplus(), 4);
    let cut = std::iter::from_fn(|| queue.queue.cut());
    let cut: Vec<_> = cut.map(|cell| read(&cell)).collect();
    assert_eq!(cut[..2], [(0, 3), (0, 2)]);
    assert_eq!((cut.len(), queue.queue.surplus()), (4, 0));
    let left: Vec<_> = std::iter::from_fn(|| queue.pop()).skip(8).collect();
    assert_eq!(left, [(0, 0), (1, 0)]);
}

#[test]
fn below_the_threshold_cells_leave_as_they_came() {
    let mut queue = Labelled::new(FairLimits::default(), 4);
    let order: Vec<usize> = (0..32).map(|n| n * n % 4).collect();
    for path in &order {
        queue.push(*path).unwrap();
    }
    let popped: Vec<usize> = std::iter::from_fn(|| queue.pop())
        .map(|(path, _)| path)
        .collect();
    assert_eq!(popped, order);
}

#[test]
fn a_full_queue_costs_the_longest_path_its_newest_cell() {
    let limits = FairLimits {
        fifo: 2,
        per_path: 10,
        total: 15,
    };
    let mut queue = Labelled::new(limits, 4);
    // Two in the fifo, ten in the flow, then its own newest is refused.
    (0..12).for_each(|_| assert!(queue.push(0).is_ok()));
    assert_eq!(queue.push(0), Err((0, 12)));
    (0..5).for_each(|_| assert!(queue.push(1).is_ok()));
    // Full: a path with few takes the place of the longest one's last.
    assert_eq!(queue.push(2), Err((0, 11)));
    assert_eq!(queue.push(0), Err((0, 13)));
    assert_eq!(queue.push(1), Err((0, 10)));
    assert_eq!(queue.queue.len(), 17);
    assert_eq!(queue.pop(), Some((0, 0)));
    assert_eq!(queue.pop(), Some((0, 1)));
    assert_eq!(queue.pop(), Some((0, 2)));
    assert_eq!(queue.pop(), Some((1, 0)));
    assert_eq!(queue.pop(), Some((2, 0)));
}

#[test]
fn queues_do_not_allocate_in_steady_state() {
    let mut queue = Labelled::new(FairLimits::default(), 3);
    let mut round = || {
        for n in 0..400 {
            let _ = queue.push(n % 7 % 3);
        }
        while queue.pop().is_some() {}
    };
    round();
    // The pool keeps 64 buffers; what it may not keep is freed, so let it keep all.
    queue.pool = CellPool::new(500);
    let mut round = || {
        for n in 0..400 {
            let _ = queue.push(n % 7 % 3);
        }
        while queue.pop().is_some() {}
    };
    (0..3).for_each(|_| round());
    let counted = allocation_counter::measure(|| (0..20).for_each(|_| round()));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

proptest! {
    /// Whatever comes: cells of a path keep their order; a cell at the head of its path waits for
    /// at most the fifo and one cell of each other path; what is lost is of the longest path.
    #[test]
    fn any_traffic_is_served_fairly(
        steps in prop::collection::vec((0..6_usize, 0..60_usize), 1..120),
        fifo in 1..9_usize, per_path in 1..40_usize, total in 1..80_usize,
    ) {
        const PATHS: usize = 6;
        let mut queue = Labelled::new(FairLimits { fifo, per_path, total }, PATHS);
        let mut model: HashMap<usize, VecDeque<u64>> = HashMap::new();
        // How many cells of others have left since a path's oldest waiting cell became its oldest.
        let mut waited = [0_usize; PATHS];
        for (path, count) in steps {
            for _ in 0..count {
                let number = queue.next[path];
                let held = model.entry(path).or_default();
                held.push_back(number);
                if held.len() == 1 { waited[path] = 0; }
                if let Err((loser, lost)) = queue.push(path) {
                    prop_assert_eq!(model.get_mut(&loser).unwrap().pop_back(), Some(lost));
                    let mine = model[&path].len();
                    prop_assert!(loser == path || model[&loser].len() + 1 + fifo >= mine);
                }
            }
            for _ in 0..count / 2 + 1 {
                let Some((path, number)) = queue.pop() else { break };
                prop_assert_eq!(model.get_mut(&path).unwrap().pop_front(), Some(number));
                waited[path] = 0;
                for (other, held) in &model {
                    if *other != path && !held.is_empty() {
                        waited[*other] += 1;
                        prop_assert!(waited[*other] < fifo + PATHS);
                    }
                }
            }
            let all: usize = model.values().map(VecDeque::len).sum();
            prop_assert_eq!(queue.queue.len(), all);
            prop_assert!(all <= fifo + total);
        }
    }
}

const NOW: Millis = Millis(77_000);
const RELAY: Asker = Asker::Relay;
const CLIENT: Asker = Asker::Anonymous(None);

/// Somebody in the network with this number.
fn stranger(network: u8) -> Asker {
    let first = Ipv4Addr::new(198, 51, network, 0);
    Asker::Anonymous(Some(Sensitive::new(first.into())))
}

#[test]
fn builds_are_shed_before_cells_stall() {
    let mut admission = BuildAdmission::new(NOW);
    let queued = SHED_QUEUED_CELLS;
    let shed = admission.admit(NOW, LinkId(1), RELAY, queued);
    assert_eq!(shed, Err(Shed::CellsWait { queued }));
    assert!(admission.admit(NOW, LinkId(1), RELAY, queued - 1).is_ok());
}

#[test]
fn a_link_gets_its_rate_of_builds_and_no_more_and_all_links_theirs() {
    let mut admission = BuildAdmission::new(NOW);
    let mut admitted = |now: Millis, link| {
        let ticket = admission.admit(now, LinkId(link), RELAY, 0);
        ticket.map(|ticket| admission.failed(ticket))
    };
    for _ in 0..LINK_BUILDS_PER_SECOND {
        assert_eq!(admitted(NOW, 1), Ok(()));
    }
    assert_eq!(admitted(NOW, 1), Err(Shed::LinkRate));
    let link_step = 1000 / LINK_BUILDS_PER_SECOND;
    assert_eq!(admitted(NOW.plus(link_step), 1), Ok(()));
    assert_eq!(admitted(NOW.plus(link_step), 1), Err(Shed::LinkRate));
    // A clock that stands still or is set back gives nothing.
    assert_eq!(admitted(Millis(0), 1), Err(Shed::LinkRate));
    let mut total = 0;
    for link in 2..100 {
        while admitted(NOW.plus(link_step), link) == Ok(()) {
            total += 1;
        }
    }
    // A second's worth, less what link 1 had, and what the step added.
    let left = BUILDS_PER_SECOND - LINK_BUILDS_PER_SECOND - 1;
    assert_eq!(total, left + link_step * BUILDS_PER_SECOND / 1000);
    assert_eq!(admitted(NOW.plus(link_step), 200), Err(Shed::Rate));
    assert_eq!(admitted(NOW.plus(link_step + 1), 200), Ok(()));
}

#[test]
fn builds_under_way_and_paths_are_capped_per_link_and_in_all() {
    let mut admission = BuildAdmission::new(NOW);
    let mut now = NOW;
    let mut tickets = Vec::new();
    let per_link = LINK_PENDING_BUILDS_MAX as u64;
    for n in 0..PENDING_BUILDS_MAX as u64 {
        now = now.plus(1000);
        if n == per_link {
            let shed = admission.admit(now, LinkId(0), RELAY, 0);
            assert_eq!(shed, Err(Shed::LinkPending));
        }
        tickets.push(
            admission
                .admit(now, LinkId(n / per_link), RELAY, 0)
                .unwrap(),
        );
    }
    assert_eq!(
        admission.admit(now, LinkId(99), RELAY, 0),
        Err(Shed::Pending)
    );
    tickets
        .into_iter()
        .for_each(|ticket| admission.built(ticket));
    let mut link = 1000;
    let mut shed_for_link = 0;
    for _ in PENDING_BUILDS_MAX..RELAY_PATHS_MAX {
        now = now.plus(1000);
        let ticket = match admission.admit(now, LinkId(link), RELAY, 0) {
            Err(Shed::LinkPaths) => {
                shed_for_link += 1;
                link += 1;
                admission.admit(now, LinkId(link), RELAY, 0).unwrap()
            }
            other => other.unwrap(),
        };
        admission.built(ticket);
    }
    assert_eq!(
        shed_for_link,
        (RELAY_PATHS_MAX - PENDING_BUILDS_MAX - 1) / LINK_PATHS_MAX
    );
    assert_eq!(
        admission.admit(now, LinkId(5000), RELAY, 0),
        Err(Shed::Paths)
    );
    admission.closed(LinkId(1000));
    assert!(admission.admit(now, LinkId(5000), RELAY, 0).is_ok());
}

#[test]
fn an_account_goes_with_its_links_last_path() {
    let mut admission = BuildAdmission::new(NOW);
    let ticket = admission.admit(NOW, LinkId(1), RELAY, 0).unwrap();
    let pending = admission.admit(NOW, LinkId(1), RELAY, 0).unwrap();
    admission.built(ticket);
    admission.link_gone(LinkId(1));
    assert_eq!(admission.links(), 1);
    admission.closed(LinkId(1));
    admission.failed(pending);
    assert_eq!(admission.links(), 0);
}

#[test]
fn a_quiet_hour_saves_up_no_more_than_a_seconds_builds() {
    let mut admission = BuildAdmission::new(NOW);
    let later = NOW.plus(3_600_000);
    let mut admitted = 0;
    while let Ok(ticket) = admission.admit(later, LinkId(1), RELAY, 0) {
        admission.failed(ticket);
        admitted += 1;
    }
    assert_eq!(admitted, LINK_BUILDS_PER_SECOND);
    // Nor does a link that waits.
    let mut admitted = 0;
    while let Ok(ticket) = admission.admit(later.plus(3_600_000), LinkId(1), RELAY, 0) {
        admission.failed(ticket);
        admitted += 1;
    }
    assert_eq!(admitted, LINK_BUILDS_PER_SECOND);
}

#[test]
fn a_client_gets_less_than_a_relay() {
    let mut admission = BuildAdmission::new(NOW);
    let mut tickets = Vec::new();
    let shed = loop {
        match admission.admit(NOW, LinkId(1), CLIENT, 0) {
            Ok(ticket) => tickets.push(ticket),
            Err(shed) => break shed,
        }
    };
    assert_eq!(shed, Shed::LinkPending);
    assert_eq!(tickets.len(), CLIENT_PENDING_BUILDS_MAX);
    let mut asked = tickets.len() as u64;
    (tickets.into_iter()).for_each(|ticket| admission.built(ticket));
    while let Ok(ticket) = admission.admit(NOW, LinkId(1), CLIENT, 0) {
        admission.built(ticket);
        asked += 1;
    }
    assert_eq!(asked, CLIENT_BUILDS_AT_ONCE);
    let mut now = NOW;
    while asked < CLIENT_PATHS_MAX as u64 {
        now = now.plus(1000 / CLIENT_BUILDS_PER_SECOND);
        let ticket = admission.admit(now, LinkId(1), CLIENT, 0).unwrap();
        admission.built(ticket);
        let too_soon = admission.admit(now, LinkId(1), CLIENT, 0);
        asked += 1;
        if asked < CLIENT_PATHS_MAX as u64 {
            assert_eq!(too_soon, Err(Shed::LinkRate));
        } else {
            assert_eq!(too_soon, Err(Shed::LinkPaths));
        }
    }
}

#[test]
fn all_clients_together_leave_room_for_what_comes_from_relays() {
    let mut admission = BuildAdmission::new(NOW);
    let mut built = 0;
    let mut link = 0;
    let mut now = NOW;
    while built < CLIENTS_PATHS_MAX {
        link += 1;
        now = now.plus(1000);
        for _ in 0..CLIENT_BUILDS_AT_ONCE {
            if let Ok(ticket) = admission.admit(now, LinkId(link), CLIENT, 0) {
                admission.built(ticket);
                built += 1;
            }
        }
    }
    now = now.plus(1000);
    let shed = admission.admit(now, LinkId(link + 1), CLIENT, 0);
    assert_eq!(shed, Err(Shed::Paths));
    let relay = LinkId(link + 2);
    assert!(admission.admit(now, relay, RELAY, 0).is_ok());
    assert!(admission.has_pending(relay) && !admission.has_pending(LinkId(1)));
    admission.closed(LinkId(1));
    assert!(admission.admit(now, LinkId(link + 1), CLIENT, 0).is_ok());
    // Nor do they use up the builds of a second.
    let mut admission = BuildAdmission::new(NOW);
    let mut asked = 0;
    for link in 0..100 {
        while let Ok(ticket) = admission.admit(NOW, LinkId(link), CLIENT, 0) {
            admission.failed(ticket);
            asked += 1;
        }
    }
    assert_eq!(asked, CLIENTS_BUILDS_PER_SECOND);
    assert!(admission.admit(NOW, relay, RELAY, 0).is_ok());
}

#[test]
fn the_links_of_one_network_cannot_fill_what_all_clients_share() {
    let mut admission = BuildAdmission::new(NOW);
    let mut shed = None;
    let (mut paths, mut now, mut link) = (0, NOW, 0);
    while shed != Some(Shed::NetworkPaths) {
        now = now.plus(1000);
        match admission.admit(now, LinkId(link), stranger(1), 0) {
            Ok(ticket) => {
                admission.built(ticket);
                paths += 1;
            }
            Err(Shed::LinkPaths) => link += 1,
            Err(other) => shed = Some(other),
        }
    }
    assert_eq!(paths, NETWORK_PATHS_MAX);
    // A new link does not help, and nobody else is held up.
    let again = admission.admit(now, LinkId(99), stranger(1), 0);
    assert_eq!(again, Err(Shed::NetworkPaths));
    for (n, other) in [stranger(2), CLIENT, RELAY].into_iter().enumerate() {
        let ticket = admission
            .admit(now, LinkId(100 + n as u64), other, 0)
            .unwrap();
        admission.failed(ticket);
    }
    admission.closed(LinkId(0));
    assert!(admission.admit(now, LinkId(0), stranger(1), 0).is_ok());
}

#[test]
fn the_links_of_one_network_share_its_builds_a_second_and_under_way() {
    let mut admission = BuildAdmission::new(NOW);
    let (mut started, mut link) = (0, 0);
    let over = loop {
        match admission.admit(NOW, LinkId(link), stranger(1), 0) {
            Ok(ticket) => {
                admission.failed(ticket);
                started += 1;
            }
            Err(Shed::LinkRate) => link += 1,
            Err(other) => break other,
        }
    };
    assert_eq!(
        (over, started),
        (Shed::NetworkRate, NETWORK_BUILDS_PER_SECOND)
    );
    assert!(admission.admit(NOW, LinkId(99), stranger(2), 0).is_ok());
    let (mut now, mut held) = (NOW, Vec::new());
    let over = loop {
        now = now.plus(1000);
        match admission.admit(now, LinkId(link), stranger(1), 0) {
            Ok(ticket) => held.push(ticket),
            Err(Shed::LinkPending) => link += 1,
            Err(other) => break other,
        }
    };
    assert_eq!(
        (over, held.len()),
        (Shed::NetworkPending, NETWORK_PENDING_BUILDS_MAX)
    );
}

#[test]
fn an_account_goes_with_the_last_link_of_its_network() {
    let mut admission = BuildAdmission::new(NOW);
    let path = admission.admit(NOW, LinkId(1), stranger(1), 0).unwrap();
    let failed = admission.admit(NOW, LinkId(2), stranger(1), 0).unwrap();
    admission.built(path);
    admission.failed(failed);
    admission.link_gone(LinkId(2));
    admission.link_gone(LinkId(1));
    assert_eq!((admission.links(), admission.networks()), (1, 1));
    admission.closed(LinkId(1));
    assert_eq!((admission.links(), admission.networks()), (0, 0));
}
