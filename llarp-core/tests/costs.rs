//! What a cell and a path cost, where it can be counted exactly.

use llarp_core::cell::{Command, InboundLayers, MiddleHop, OutboundLayers, TerminalHop};
use llarp_core::wire::limits::BODY_LEN;

use crate::support::*;

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

#[test]
fn a_relay_keeps_a_path_in_less_than_4_kib() {
    let (_, ran) = build(&mut relays(3), 7);
    let mut hops = None;
    let counted = allocation_counter::measure(|| {
        hops = Some((MiddleHop::new(&ran.keys[0]), TerminalHop::new(&ran.keys[2])));
    });
    let of_both = size_of_val(&hops) as i64 + counted.bytes_current;
    assert!(of_both <= 2 * 4096, "{of_both} bytes");
}
