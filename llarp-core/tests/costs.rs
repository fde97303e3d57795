//! What a cell and a path cost, where it can be counted exactly.

use llarp_core::cell::{
    Command, InboundLayers, MiddleHop, OutboundLayers, PathId, Probe, TerminalHop,
};
use llarp_core::hop::{Cell, LinkId, NewPath, PathTable, Side, Verdict};
use llarp_core::wire::limits::{BODY_LEN, CELL_LEN, PATH_ID_LEN};
use rand_chacha::rand_core::Rng;

use crate::hop_net::{START, body};
use crate::support::*;
use crate::swarm_support::say;

#[test]
fn no_cell_allocates_at_client_relay_or_terminal() {
    let (keys, ran) = build(&mut relays(3), 7);
    let (mut out, mut inbound) = (OutboundLayers::new(&keys), InboundLayers::new(&keys));
    let [mut first, mut second] = [0, 1].map(|hop| MiddleHop::new(&ran.keys[hop]));
    let mut terminal = TerminalHop::new(&ran.keys[2]);
    let mut body = [0; BODY_LEN];
    let counted = allocation_counter::measure(|| {
        for _ in 0..100 {
            out.seal(2, Command::Data, &[1; 1200], &mut body).unwrap();
            first.peel(&mut body).unwrap();
            second.peel(&mut body).unwrap();
            assert!(terminal.open(&mut body).is_ok());
            terminal.seal(Command::Data, &[2; 1200], &mut body).unwrap();
            second.wrap(&mut body).unwrap();
            first.wrap(&mut body).unwrap();
            assert!(inbound.open(&mut body).is_ok());
            // Garbled cells cost no memory either.
            body[0] ^= 1;
            assert!(terminal.open(&mut body).is_err());
        }
    });
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

/// Paths that a table holds while an entry is weighed: between these numbers each map grows at least
/// once, so that the worst moment is among them.
const PATHS: core::ops::RangeInclusive<i64> = 512..=2048;

/// Questions to the terminal that an idle path carries in the ten minutes of its life, and answers.
const QUESTIONS: usize = 10;

/// Bytes of heap that a table takes for each path, when it takes most. `enter` inserts one path and lets
/// its questions pass.
fn bytes_of_entry(mut enter: impl FnMut(&mut PathTable, [Side; 2])) -> i64 {
    let mut table = PathTable::new(&mut rng(1));
    let mut random = rng(2);
    let (mut held, mut most) = (0, 0);
    for count in 1..=*PATHS.end() {
        let sides = [1, 2].map(|link| Side {
            link: LinkId(link),
            ours: table.draw_id(&mut random),
            theirs: PathId::random(&mut random),
        });
        held += allocation_counter::measure(|| enter(&mut table, sides)).bytes_current;
        if PATHS.contains(&count) {
            most = most.max(held / count);
        }
    }
    most
}

/// A cell for whoever chose the id of `side`.
fn cell_to(side: Side, rng: &mut impl Rng) -> Cell {
    let mut cell = [0; CELL_LEN];
    rng.fill_bytes(&mut cell);
    cell[..PATH_ID_LEN].copy_from_slice(&side.ours.0);
    cell
}

#[test]
fn a_middle_hop_keeps_a_path_in_less_than_4_kib_its_place_in_the_table_included() {
    let (_, ran) = build(&mut relays(3), 7);
    let mut random = rng(3);
    let bytes = bytes_of_entry(|table, [prev, next]| {
        let hop = MiddleHop::new(&ran.keys[1]);
        let path = NewPath::Middle { hop, prev, next };
        table.insert(START, path).unwrap();
        for side in [prev, next].repeat(QUESTIONS) {
            let mut cell = cell_to(side, &mut random);
            let verdict = table.handle_cell(START, side.link, &mut cell);
            assert!(matches!(verdict, Verdict::Forward { .. }));
        }
    });
    say(&format!("a path at a middle hop: {bytes} bytes"));
    assert!((1500..=4096).contains(&bytes), "{bytes} bytes");
}

#[test]
fn a_terminal_keeps_a_path_in_less_than_4_kib_its_place_in_the_table_included() {
    let (keys, ran) = build(&mut relays(1), 7);
    let probe = Probe {
        nonce: [1; 8],
        sent: 1,
        received: 0,
    };
    // All paths are asked with the same cells, since they have the same keys.
    let mut client = OutboundLayers::new(&keys);
    let questions: Vec<Cell> = (0..QUESTIONS)
        .map(|_| {
            let mut cell = [0; CELL_LEN];
            let sealed = client.seal(0, Command::Probe, &probe.encode(), body(&mut cell));
            sealed.unwrap();
            cell
        })
        .collect();
    let bytes = bytes_of_entry(|table, [prev, _]| {
        let hop = TerminalHop::new(&ran.keys[0]);
        let path = NewPath::Terminal { hop, prev };
        table.insert(START, path).unwrap();
        for mut cell in questions.iter().copied() {
            cell[..PATH_ID_LEN].copy_from_slice(&prev.ours.0);
            let verdict = table.handle_cell(START, prev.link, &mut cell);
            assert!(matches!(verdict, Verdict::Answer { .. }));
        }
    });
    say(&format!("a path at its terminal: {bytes} bytes"));
    assert!((1500..=4096).contains(&bytes), "{bytes} bytes");
}
