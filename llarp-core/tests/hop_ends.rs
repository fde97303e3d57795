//! How a path at a relay ends, and who is told.

use llarp_core::cell::{CloseReason, Command, MiddleHop, PathId, Reason};
use llarp_core::hop::{
    CloseNext, DropReason, InsertError, LinkId, Millis, NewPath, PathTable, SendError, Side,
    Verdict,
};
use llarp_core::wire::limits::{CELL_LEN, PATH_ID_LEN, PATH_LIFE_MILLIS, PATH_UNUSED_MILLIS};
use proptest::prelude::*;

use crate::hop_net::*;
use crate::support::*;

#[test]
fn a_next_hop_that_speaks_in_this_hops_name_ends_the_path() {
    let mut net = Net::new();
    // Zeros in front, as in a cell of hop 0's own, from the link to hop 1.
    let mut cell = [0; CELL_LEN];
    cell[..PATH_ID_LEN].copy_from_slice(&net.ids[1].1.0);
    let closed = closing(net.at(0, 1, &mut cell));
    assert_eq!((closed.reason, closed.cell), (CloseReason::Garbled, true));
    // What the client gets is this hop's own report, and nothing that the neighbour wrote.
    let arrived = net.arrived(&mut cell);
    assert_eq!((arrived.hop, arrived.command), (0, Command::Closed));
    assert_eq!(arrived.data, [CloseReason::Garbled.code()]);
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
    // Both are used.
    for (link, id) in [(0, net.ids[0].0), (5, PathId([1; 8]))] {
        cell[..PATH_ID_LEN].copy_from_slice(&id.0);
        let verdict = table.handle_cell(START.plus(1), LinkId(link), &mut cell);
        assert!(matches!(verdict, Verdict::Forward { .. }), "{verdict:?}");
    }
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
fn a_path_that_carries_nothing_is_closed_long_before_its_time() {
    let mut net = Net::new();
    let mut cell = net.sealed(1, Command::Pad, b"");
    assert_eq!(net.up(&mut cell), (1, Verdict::Absorbed));
    let due = START.plus(PATH_UNUSED_MILLIS);
    for (relay, table) in net.tables.iter_mut().enumerate() {
        assert_eq!(table.next_expiry(), Some(due));
        assert_eq!(table.expire(Millis(due.0 - 1), &mut cell), None);
        // What came from behind, or was sent from here, is nobody's use of it.
        if relay == 2 {
            table.send_down(net.paths[2], b"", &mut cell).unwrap();
        }
        let closed = table.expire(due, &mut cell);
        assert_eq!(closed.is_some(), relay == 2, "relay {relay}");
        assert_eq!(table.expire(due, &mut cell), None);
        let next = (relay != 2).then_some(START.plus(PATH_LIFE_MILLIS));
        assert_eq!(table.next_expiry(), next);
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
fn a_closed_path_does_not_hide_others_from_the_loss_of_their_link() {
    let mut net = Net::new();
    let side = |link, ours| Side {
        link: LinkId(link),
        ours: PathId([ours; 8]),
        theirs: PathId([9; 8]),
    };
    let (prev, next) = (side(0, 1), side(1, 2));
    let hop = MiddleHop::new(&net.keys[1]);
    let other = NewPath::Middle { hop, prev, next };
    let other = net.tables[0].insert(START, other).unwrap();
    let mut cell = [0; CELL_LEN];
    let first = net.paths[0];
    let closed = net.tables[0].close(first, CloseReason::Done, &mut cell);
    assert!(closed.is_some());
    let lost = net.tables[0].lose_link(LinkId(0), &mut cell).unwrap();
    assert_eq!(lost.path, other);
}

proptest! {
    /// Any cells, from anywhere, at any time: no panic, and what is said closed is closed.
    #[test]
    fn arbitrary_sequences_keep_the_table_whole(
        steps in prop::collection::vec((0..8_u8, 0..4_u64, any::<u8>()), 1..80)
    ) {
        let mut net = Net::new();
        let (mut now, mut cell) = (START, [0; CELL_LEN]);
        let mut open = 1_usize;
        for (step, link, value) in steps {
            let up = net.ids[1].0;
            let down = net.ids[2].1;
            let closed = match step {
                0 | 1 => {
                    cell = [value; CELL_LEN];
                    let id = if step == 0 { up } else { down };
                    cell[..PATH_ID_LEN].copy_from_slice(&id.0);
                    match net.tables[1].handle_cell(now, LinkId(link), &mut cell) {
                        Verdict::Closed(closed) => Some(closed),
                        _ => None,
                    }
                }
                2 => {
                    cell = net.sealed(1, Command::from(value % 6), &[value % 8]);
                    let _ = net.tables[0].handle_cell(START, LinkId(0), &mut cell);
                    match net.tables[1].handle_cell(now, LinkId(1), &mut cell) {
                        Verdict::Closed(closed) => Some(closed),
                        _ => None,
                    }
                }
                3 => net.tables[1].expire(now, &mut cell),
                4 => net.tables[1].lose_link(LinkId(link + 20 * u64::from(value % 4)), &mut cell),
                5 => net.tables[1].handle_close_next(LinkId(link), if value % 2 == 0 { up } else { down }),
                6 => {
                    now = now.plus(u64::from(value) * 1000);
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
