//! A relay's table of paths: cells through three relays, probes, copies, hostile cells, costs.

use llarp_core::cell::{Command, Probe};
use llarp_core::hop::{Cell, DropReason, LinkId, Verdict};
use llarp_core::wire::limits::{CELL_LEN, FILTER_CELLS, PATH_CELLS_MAX, PATH_ID_LEN};

use crate::hop_net::*;
use crate::support::*;

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
    for (hop, nonce) in [[1; 8], [2; 8], [3; 8]].into_iter().enumerate() {
        let probe = Probe {
            nonce,
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
