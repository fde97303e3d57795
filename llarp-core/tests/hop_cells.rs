//! A relay's table of paths: cells through three relays, probes, teardown, hostile cells.

use llarp_core::cell::{
    Arrived, Body, CloseReason, Command, HopKeys, InboundLayers, MiddleHop, OutboundLayers, PathId,
    Probe, Reason, TerminalHop,
};
use llarp_core::hop::{
    Cell, CloseNext, Closing, DropReason, InsertError, LinkId, Millis, NewPath, PathRef, PathTable,
    SendError, Side, Verdict,
};
use llarp_core::wire::limits::{
    CELL_LEN, FILTER_CELLS, PATH_CELLS_MAX, PATH_ID_LEN, PATH_LIFE_MILLIS,
};
use proptest::prelude::*;

use crate::support::*;

/// A client and three relays; link `i` lies before relay `i`.
struct Net {
    tables: Vec<PathTable>,
    paths: Vec<PathRef>,
    /// The id that cells of link `i` bear on their way up, and down.
    ids: Vec<(PathId, PathId)>,
    out: OutboundLayers,
    inbound: InboundLayers,
    keys: Vec<HopKeys>,
}

const START: Millis = Millis(5000);

fn tables(count: u64) -> Vec<PathTable> {
    (0..count)
        .map(|seed| PathTable::new(&mut rng(seed)))
        .collect()
}

/// The relays' parts of a path as the build exchanged them.
fn parts(ran: &Ran) -> Vec<NewPath> {
    let side = |link: usize, towards_client: bool| {
        let (up, down) = (ran.replies[link].path_id, ran.requests[link].path_id);
        let (ours, theirs) = if towards_client {
            (up, down)
        } else {
            (down, up)
        };
        Side {
            link: LinkId(link as u64),
            ours,
            theirs,
        }
    };
    let last = ran.keys.len() - 1;
    let part = |(hop, keys): (usize, &HopKeys)| match hop {
        hop if hop == last => NewPath::Terminal {
            hop: TerminalHop::new(keys),
            prev: side(hop, true),
        },
        hop => NewPath::Middle {
            hop: MiddleHop::new(keys),
            prev: side(hop, true),
            next: side(hop + 1, false),
        },
    };
    ran.keys.iter().enumerate().map(part).collect()
}

impl Net {
    fn new() -> Self {
        let (keys, ran) = build(&mut relays(3), 7);
        let mut tables = tables(3);
        let insert = |(table, part): (&mut PathTable, _)| table.insert(START, part).unwrap();
        let paths = tables.iter_mut().zip(parts(&ran)).map(insert).collect();
        let id = |link: usize| (ran.replies[link].path_id, ran.requests[link].path_id);
        Self {
            paths,
            tables,
            ids: (0..3).map(id).collect(),
            out: OutboundLayers::new(&keys),
            inbound: InboundLayers::new(&keys),
            keys: ran.keys,
        }
    }

    fn sealed(&mut self, hop: usize, command: Command, data: &[u8]) -> Cell {
        let mut cell = [0; CELL_LEN];
        cell[..PATH_ID_LEN].copy_from_slice(&self.ids[0].0.0);
        self.out.seal(hop, command, data, body(&mut cell)).unwrap();
        cell
    }

    fn at(&mut self, relay: usize, link: u64, cell: &mut Cell) -> Verdict {
        self.tables[relay].handle_cell(START, LinkId(link), cell)
    }

    /// Carries a cell up as far as relays forward it.
    fn up(&mut self, cell: &mut Cell) -> (usize, Verdict) {
        for relay in 0..3 {
            let verdict = self.at(relay, relay as u64, cell);
            let path = self.paths[relay];
            let link = LinkId(relay as u64 + 1);
            if verdict != (Verdict::Forward { link, path }) {
                return (relay, verdict);
            }
            assert_eq!(id(cell), self.ids[relay + 1].0);
        }
        panic!("the terminal forwarded a cell");
    }

    /// Carries a cell down from `relay` to the client.
    fn down(&mut self, relay: usize, cell: &mut Cell) {
        for relay in (0..relay).rev() {
            assert_eq!(id(cell), self.ids[relay + 1].1);
            let verdict = self.at(relay, relay as u64 + 1, cell);
            let (link, path) = (LinkId(relay as u64), self.paths[relay]);
            assert_eq!(verdict, Verdict::Forward { link, path });
        }
        assert_eq!(id(cell), self.ids[0].1);
    }

    fn arrived<'c>(&mut self, cell: &'c mut Cell) -> Arrived<'c> {
        self.inbound.open(body(cell)).unwrap()
    }
}

fn body(cell: &mut Cell) -> &mut Body {
    (&mut cell[PATH_ID_LEN..]).try_into().unwrap()
}

fn id(cell: &Cell) -> PathId {
    PathId(cell[..PATH_ID_LEN].try_into().unwrap())
}

fn closing(verdict: Verdict) -> Closing {
    match verdict {
        Verdict::Closed(closing) => closing,
        other => panic!("not closed: {other:?}"),
    }
}

#[test]
fn cells_pass_three_relays_both_ways() {
    let mut net = Net::new();
    for n in 0..100_u8 {
        let data = vec![n; usize::from(n) * 12];
        let mut cell = net.sealed(2, Command::Data, &data);
        let (relay, verdict) = net.up(&mut cell);
        let Verdict::Deliver { path, data: range } = verdict else {
            panic!("{verdict:?}")
        };
        assert_eq!((relay, path, &cell[range]), (2, net.paths[2], &*data));
        let link = net.tables[2].send_down(path, &data, &mut cell).unwrap();
        assert_eq!(link, LinkId(2));
        net.down(2, &mut cell);
        let arrived = net.arrived(&mut cell);
        assert_eq!((arrived.hop, arrived.data), (2, &*data));
    }
}

#[test]
fn every_hop_answers_a_probe_with_its_counts() {
    let mut net = Net::new();
    for _ in 0..5 {
        let mut cell = net.sealed(2, Command::Data, b"data");
        let _ = net.up(&mut cell);
    }
    let terminal = net.paths[2];
    for _ in 0..2 {
        let mut cell = [0; CELL_LEN];
        net.tables[2]
            .send_down(terminal, b"data", &mut cell)
            .unwrap();
        net.down(2, &mut cell);
        net.arrived(&mut cell);
    }
    // A copy and a garbled cell count nowhere, so that they cover no loss.
    let mut cell = net.sealed(2, Command::Data, b"data");
    let mut copy = cell;
    let _ = net.up(&mut cell);
    assert_eq!(net.up(&mut copy), (0, Verdict::Drop(DropReason::Copy)));
    for hop in [0, 1, 2] {
        let probe = Probe {
            nonce: [hop as u8; 8],
            sent: 0,
            received: 0,
        };
        let mut cell = net.sealed(hop, Command::Probe, &probe.encode());
        let (at, verdict) = net.up(&mut cell);
        let (link, path) = (LinkId(hop as u64), net.paths[hop]);
        assert_eq!((at, verdict), (hop, Verdict::Answer { link, path }));
        net.down(hop, &mut cell);
        let arrived = net.arrived(&mut cell);
        assert_eq!((arrived.hop, arrived.command), (hop, Command::Probe));
        let answer = Probe::decode(arrived.data).unwrap();
        // Six data cells and the probe itself, which stops here; two data cells and this answer.
        assert_eq!(answer.nonce, probe.nonce);
        assert_eq!((answer.sent, answer.received), (3, 7), "hop {hop}");
    }
    let counts = net.tables[0].counts(net.paths[0]).unwrap();
    assert_eq!((counts.up_in, counts.up_out), (9, 8));
    assert_eq!((counts.down_in, counts.down_out), (4, 5));
}

#[test]
fn pad_unknown_and_malformed_commands_are_absorbed() {
    let mut net = Net::new();
    let longest = [1; 1000];
    let cases = [
        (Command::Pad, &longest[..]),
        (Command::Unknown(200), &longest[..]),
        (Command::Probe, &[0; 23][..]),
        (Command::Closed, &[0; 2][..]),
    ];
    for (command, data) in cases {
        for hop in 0..3 {
            let mut cell = net.sealed(hop, command, data);
            assert_eq!(net.up(&mut cell), (hop, Verdict::Absorbed), "{command:?}");
        }
    }
    let mut cell = net.sealed(1, Command::Data, b"not for a middle hop");
    assert_eq!(net.up(&mut cell), (1, Verdict::Absorbed));
}

#[test]
fn a_client_closes_the_whole_path_with_one_cell() {
    let mut net = Net::new();
    let mut cell = net.sealed(0, Command::Closed, &[4]);
    let closed = closing(net.up(&mut cell).1);
    // The client's own word comes back to nobody, whatever reason it names.
    assert_eq!((closed.reason, closed.cell), (CloseReason::Garbled, false));
    let mut next = closed.next;
    for relay in [1, 2] {
        let CloseNext { link, path_id } = next.unwrap();
        assert_eq!((link.0, path_id), (relay as u64, net.ids[relay].0));
        let table = &mut net.tables[relay];
        // Not even the right id closes anything from another link, nor does the other direction's.
        assert_eq!(table.handle_close_next(LinkId(9), path_id), None);
        let closed = table.handle_close_next(link, path_id).unwrap();
        assert_eq!(table.handle_close_next(link, path_id), None);
        next = closed.next;
    }
    assert_eq!(next, None);
    assert!(net.tables.iter().all(PathTable::is_empty));
}

#[test]
fn a_next_hop_cannot_close_a_path_that_it_does_not_come_first_on() {
    let mut net = Net::new();
    let down_id = net.ids[1].1;
    assert_eq!(net.tables[0].handle_close_next(LinkId(1), down_id), None);
    assert_eq!(net.tables[0].len(), 1);
}

#[test]
fn a_relay_that_closes_tells_the_client_with_a_cell_and_the_next_with_a_message() {
    let mut net = Net::new();
    let mut cell = [0; CELL_LEN];
    let path = net.paths[1];
    let closed = net.tables[1]
        .close(path, CloseReason::Draining, &mut cell)
        .unwrap();
    assert!(closed.cell);
    assert_eq!(closed.prev, LinkId(1));
    let path_id = net.ids[2].0;
    let link = LinkId(2);
    assert_eq!(closed.next, Some(CloseNext { link, path_id }));
    net.down(1, &mut cell);
    let arrived = net.arrived(&mut cell);
    assert_eq!((arrived.hop, arrived.command), (1, Command::Closed));
    assert_eq!(arrived.data, [CloseReason::Draining.code()]);
    assert_eq!(
        net.tables[1].close(path, CloseReason::Done, &mut cell),
        None
    );
    let gone = net.tables[1].send_down(path, b"", &mut cell);
    assert_eq!(gone, Err(SendError::Closed));
    let mut late = net.sealed(2, Command::Data, b"late");
    assert_eq!(
        net.up(&mut late),
        (1, Verdict::Drop(DropReason::UnknownPath))
    );
}

#[test]
fn a_lost_link_closes_its_paths_and_nobody_is_told_over_it() {
    for (lost, cell_told, next_told) in [(1, false, true), (2, true, false)] {
        let mut net = Net::new();
        let mut cell = [0; CELL_LEN];
        assert_eq!(net.tables[1].lose_link(LinkId(7), &mut cell), None);
        let closed = net.tables[1].lose_link(LinkId(lost), &mut cell).unwrap();
        assert_eq!(closed.reason, CloseReason::LinkLost);
        assert_eq!((closed.cell, closed.next.is_some()), (cell_told, next_told));
        assert_eq!(net.tables[1].lose_link(LinkId(lost), &mut cell), None);
        if closed.cell {
            net.down(1, &mut cell);
            assert_eq!(net.arrived(&mut cell).data, [CloseReason::LinkLost.code()]);
        }
    }
}

#[test]
fn paths_carry_nothing_after_their_time_and_then_close_in_order() {
    let mut net = Net::new();
    let table = &mut net.tables[0];
    let side = |link, ours| Side {
        link: LinkId(link),
        ours: PathId([ours; 8]),
        theirs: PathId([9; 8]),
    };
    let (prev, next) = (side(5, 1), side(6, 2));
    let hop = MiddleHop::new(&net.keys[1]);
    let later = NewPath::Middle { hop, prev, next };
    let young = table.insert(START.plus(1), later).unwrap();
    let end = START.plus(PATH_LIFE_MILLIS);
    let mut cell = [0; CELL_LEN];
    assert_eq!(table.expire(Millis(end.0 - 1), &mut cell), None);
    assert_eq!(table.next_expiry(), Some(end));
    let mut late = [0; CELL_LEN];
    late[..PATH_ID_LEN].copy_from_slice(&net.ids[0].0.0);
    let verdict = table.handle_cell(end, LinkId(0), &mut late);
    assert_eq!(verdict, Verdict::Drop(DropReason::Expired));
    let closed = table.expire(end, &mut cell).unwrap();
    assert_eq!((closed.path, closed.cell), (net.paths[0], true));
    assert_eq!(table.expire(end, &mut cell), None);
    let closed = table.expire(end.plus(1), &mut cell).unwrap();
    assert_eq!((closed.path, closed.reason), (young, CloseReason::Expired));
    assert!(table.is_empty());
    assert_eq!(table.filter_bytes(), 0);
}

#[test]
fn unknown_and_foreign_cells_die_and_change_nothing() {
    let mut net = Net::new();
    let mut cell = net.sealed(2, Command::Data, b"data");
    let sent = cell;
    cell[0] ^= 1;
    assert_eq!(
        net.at(0, 0, &mut cell),
        Verdict::Drop(DropReason::UnknownPath)
    );
    let mut cell = sent;
    for link in [1, 2, 99] {
        let verdict = net.at(0, link, &mut cell);
        assert_eq!(verdict, Verdict::Drop(DropReason::ForeignLink));
    }
    assert_eq!(cell, sent);
    assert_eq!(net.up(&mut cell).0, 2);
}

/// Property 5, both ways: the first honest relay after the one that copies.
#[test]
fn a_copy_is_stopped_at_the_first_relay_within_65_536_cells() {
    let mut net = Net::new();
    let mut first = net.sealed(2, Command::Data, b"once");
    let (copy, mut random) = (first, rng(3));
    assert_eq!(net.up(&mut first).0, 2);
    let mut down = [0; CELL_LEN];
    let path = net.paths[2];
    net.tables[2].send_down(path, b"once", &mut down).unwrap();
    let copy_down = down;
    net.down(2, &mut down);
    for n in 1..=FILTER_CELLS {
        if n.is_power_of_two() {
            let mut copy = copy;
            assert_eq!(
                net.up(&mut copy),
                (0, Verdict::Drop(DropReason::Copy)),
                "after {n}"
            );
            let mut copy = copy_down;
            assert_eq!(
                net.at(1, 2, &mut copy),
                Verdict::Drop(DropReason::Copy),
                "after {n}"
            );
        }
        if n == FILTER_CELLS {
            break;
        }
        let mut noise = copy;
        rand_chacha::rand_core::Rng::fill_bytes(&mut random, body(&mut noise));
        assert!(matches!(net.at(0, 0, &mut noise), Verdict::Forward { .. }));
        noise[..PATH_ID_LEN].copy_from_slice(&copy_down[..PATH_ID_LEN]);
        assert!(matches!(net.at(1, 2, &mut noise), Verdict::Forward { .. }));
    }
}

#[test]
fn a_terminal_closes_at_the_third_garbled_cell_and_tells_the_client() {
    let mut net = Net::new();
    for strike in 1..=3 {
        let mut cell = net.sealed(2, Command::Data, b"data");
        cell[CELL_LEN - 1] ^= 1;
        let (relay, verdict) = net.up(&mut cell);
        assert_eq!(relay, 2);
        if strike < 3 {
            assert_eq!(
                verdict,
                Verdict::Drop(DropReason::Discarded(Reason::Garbled))
            );
            continue;
        }
        let closed = closing(verdict);
        assert_eq!((closed.reason, closed.cell), (CloseReason::Garbled, true));
        net.down(2, &mut cell);
        assert_eq!(net.arrived(&mut cell).data, [CloseReason::Garbled.code()]);
    }
    assert!(net.tables[2].is_empty());
}

#[test]
fn a_neighbour_cannot_make_a_relay_carry_more_than_a_path_may() {
    let mut net = Net::new();
    let mut cell = [0; CELL_LEN];
    for n in 0..=PATH_CELLS_MAX {
        cell[PATH_ID_LEN..][..8].copy_from_slice(&(n + 1).to_be_bytes());
        cell[..PATH_ID_LEN].copy_from_slice(&net.ids[1].1.0);
        let verdict = net.at(0, 1, &mut cell);
        if n < PATH_CELLS_MAX {
            assert!(
                matches!(verdict, Verdict::Forward { .. }),
                "{n}: {verdict:?}"
            );
        } else {
            let closed = closing(verdict);
            assert_eq!(
                (closed.cell, closed.counts.down_in),
                (false, PATH_CELLS_MAX)
            );
        }
    }
}

#[test]
fn an_id_serves_one_path_and_a_closed_paths_reference_none() {
    let mut net = Net::new();
    let again = || {
        let (_, ran) = build(&mut relays(3), 7);
        parts(&ran).remove(0)
    };
    let taken = net.tables[0].insert(START, again());
    assert_eq!(taken, Err(InsertError::IdTaken));
    let mut cell = [0; CELL_LEN];
    let old = net.paths[0];
    let _ = net.tables[0]
        .close(old, CloseReason::Done, &mut cell)
        .unwrap();
    let new = net.tables[0].insert(START, again()).unwrap();
    assert_ne!(new, old);
    assert_eq!(net.tables[0].counts(old), None);
    assert!(net.tables[0].counts(new).is_some());
}

#[test]
fn no_cell_allocates_once_a_filter_has_its_size() {
    let mut net = Net::new();
    let round = |net: &mut Net, cell: &mut Cell| {
        *cell = net.sealed(2, Command::Data, &[1; 1200]);
        let (_, verdict) = net.up(cell);
        assert!(matches!(verdict, Verdict::Deliver { .. }));
        let path = net.paths[2];
        net.tables[2].send_down(path, &[2; 1200], cell).unwrap();
        net.down(2, cell);
        let mut copy = net.sealed(1, Command::Probe, &[0; 24]);
        assert!(matches!(net.up(&mut copy).1, Verdict::Answer { .. }));
        copy[..PATH_ID_LEN].fill(7);
        assert_eq!(
            net.at(0, 0, &mut copy),
            Verdict::Drop(DropReason::UnknownPath)
        );
    };
    let mut cell = [0; CELL_LEN];
    // 2 × 300 cells up at relay 0: its table of 2048 slots takes 424 more.
    (0..300).for_each(|_| round(&mut net, &mut cell));
    let counted = allocation_counter::measure(|| {
        (0..100).for_each(|_| round(&mut net, &mut cell));
    });
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn a_relay_keeps_an_idle_path_in_less_than_4_kib_filters_included() {
    const PATHS: usize = 200;
    let keys = Net::new().keys;
    let mut table = PathTable::new(&mut rng(1));
    let mut random = rng(2);
    let counted = allocation_counter::measure(|| {
        for n in 0..PATHS as u64 {
            let mut side = |link| Side {
                link: LinkId(link),
                ours: table.draw_id(&mut random),
                theirs: PathId::random(&mut random),
            };
            let (prev, next) = (side(n), side(n + 1));
            let hop = MiddleHop::new(&keys[0]);
            table
                .insert(START, NewPath::Middle { hop, prev, next })
                .unwrap();
            // What an idle path sees in ten minutes: ten probes each way.
            for side in [prev, next] {
                for _ in 0..10 {
                    let mut cell = [0; CELL_LEN];
                    rand_chacha::rand_core::Rng::fill_bytes(&mut random, &mut cell);
                    cell[..PATH_ID_LEN].copy_from_slice(&side.ours.0);
                    let verdict = table.handle_cell(START, side.link, &mut cell);
                    assert!(matches!(verdict, Verdict::Forward { .. }));
                }
            }
        }
    });
    let each = counted.bytes_current as usize / PATHS;
    eprintln!("an idle path: {each} bytes");
    assert!((1500..=4096).contains(&each), "{each} bytes");
}

proptest! {
    /// Any cells, from anywhere, at any time: no panic, and what is said closed is closed.
    #[test]
    fn arbitrary_sequences_keep_the_table_whole(
        steps in prop::collection::vec((0..8_u8, 0..4_u64, any::<u64>()), 1..80)
    ) {
        let mut net = Net::new();
        let (mut now, mut cell) = (START, [0; CELL_LEN]);
        let mut open = 1_usize;
        for (step, link, value) in steps {
            let up = net.ids[1].0;
            let down = net.ids[2].1;
            let closed = match step {
                0 | 1 => {
                    cell = [value as u8; CELL_LEN];
                    let id = if step == 0 { up } else { down };
                    cell[..PATH_ID_LEN].copy_from_slice(&id.0);
                    match net.tables[1].handle_cell(now, LinkId(link), &mut cell) {
                        Verdict::Closed(closed) => Some(closed),
                        _ => None,
                    }
                }
                2 => {
                    cell = net.sealed(1, Command::from(value as u8 % 6), &[value as u8 % 8]);
                    let _ = net.tables[0].handle_cell(START, LinkId(0), &mut cell);
                    match net.tables[1].handle_cell(now, LinkId(1), &mut cell) {
                        Verdict::Closed(closed) => Some(closed),
                        _ => None,
                    }
                }
                3 => net.tables[1].expire(now, &mut cell),
                4 => net.tables[1].lose_link(LinkId(link + 20 * (value % 4)), &mut cell),
                5 => net.tables[1].handle_close_next(LinkId(link), if value % 2 == 0 { up } else { down }),
                6 => {
                    now = now.plus(value % 200_000);
                    None
                }
                _ => {
                    if net.tables[1].is_empty() {
                        let (_, ran) = build(&mut relays(3), 7);
                        net.paths[1] = net.tables[1].insert(now, parts(&ran).remove(1)).unwrap();
                        open += 1;
                    }
                    None
                }
            };
            if let Some(closed) = closed {
                open -= 1;
                prop_assert_eq!(net.tables[1].counts(closed.path), None);
            }
            prop_assert_eq!(net.tables[1].len(), open);
            if open == 0 {
                prop_assert_eq!(net.tables[1].filter_bytes(), 0);
                prop_assert_eq!(net.tables[1].next_expiry(), None);
            }
        }
    }
}
