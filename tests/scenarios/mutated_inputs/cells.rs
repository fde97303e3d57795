//! Cells on every link of a path, in both directions.

use llarp_core::cell::{
    Arrived, Body, Command, HopKeys, InboundLayers, MiddleHop, OutboundLayers, Peeled, Reason,
    TerminalHop, WrapError, split_cell,
};
use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::noise::Split;
use llarp_core::crypto::secret::Secret;
use llarp_core::wire::limits::{BODY_LEN, CELL_LEN, PATH_CELLS_MAX, ZEROS_LEN};
use llarp_core::wire::{Fault, WireError};

use super::{fixed, mutate, mutated, pick};

const HOPS: usize = 3;
const DATA: &[u8] = b"what the cell says";

/// An honest cell as it passes a link. Upstream link `n` leads to hop `n`, downstream it comes
/// from there; link 0 is the client's.
struct Honest {
    /// The hop at its other end.
    hop: usize,
    link: usize,
    bytes: Vec<u8>,
}

fn keys() -> [HopKeys; HOPS] {
    let (network, mut rng) = (NetworkId::from_name("test"), fixed(3));
    std::array::from_fn(|_| {
        let split = Split {
            to_responder: Secret::random(&mut rng),
            to_initiator: Secret::random(&mut rng),
        };
        HopKeys::of_split(&network, &split)
    })
}

fn relays(keys: &[HopKeys; HOPS]) -> ([MiddleHop; 2], TerminalHop) {
    let [first, second, third] = keys;
    let middle = [MiddleHop::new(first), MiddleHop::new(second)];
    (middle, TerminalHop::new(third))
}

fn cell(hop: usize, link: usize, body: &Body) -> Honest {
    let bytes = [[7; 8].as_slice(), body].concat();
    Honest { hop, link, bytes }
}

/// Mutates a cell and splits it. If it still is one, `open` gets its link, its body, and the hop of
/// the honest cell that it still is, if any.
fn run(
    name: &'static str,
    cells: &[Honest],
    mut open: impl FnMut(usize, &mut Body, Option<usize>),
) {
    mutated(name).run(|_, rng| {
        let (honest, donor) = (pick(rng, cells), pick(rng, cells));
        let mut bytes = honest.bytes.clone();
        mutate(&mut bytes, &donor.bytes, rng);
        let same = |cell: &&Honest| cell.link == honest.link && cell.bytes[8..] == bytes[8..];
        if bytes.len() == CELL_LEN {
            let hop = cells.iter().find(same).map(|cell| cell.hop);
            let (_, body) = split_cell(&mut bytes).expect("a cell's length");
            open(honest.link, body, hop);
        } else {
            let (expected, got) = (CELL_LEN, bytes.len());
            let fault = Fault::WrongLength { expected, got };
            let error = split_cell(&mut bytes).err();
            assert_eq!(error, Some(WireError::new("cell", fault)));
        }
    });
}

#[test]
fn mutated_cells_up() {
    let keys = keys();
    let mut cells = Vec::new();
    for hop in 0..HOPS {
        let mut body = [0; BODY_LEN];
        let sealed = OutboundLayers::new(&keys).seal(hop, Command::Data, DATA, &mut body);
        assert_eq!(sealed, Ok(()));
        cells.push(cell(hop, 0, &body));
        let (mut middle, _) = relays(&keys);
        for (link, relay) in (1..).zip(&mut middle[..hop]) {
            assert_eq!(relay.peel(&mut body), Ok(Peeled::Onward));
            cells.push(cell(hop, link, &body));
        }
    }
    let mut refresh = (0..PATH_CELLS_MAX).cycle();
    let mut hops = relays(&keys);
    run("mutated_cells_up", &cells, |link, body, honest| {
        if honest.is_some() || refresh.next() == Some(0) {
            hops = relays(&keys);
        }
        let (middle, terminal) = &mut hops;
        for (hop, relay) in middle.iter_mut().enumerate().skip(link) {
            let peeled = relay.peel(body);
            if honest == Some(hop) {
                let (command, data) = (Command::Data, DATA);
                return assert_eq!(peeled, Ok(Peeled::Ours { command, data }));
            }
            assert_eq!(peeled, Ok(Peeled::Onward), "hop {hop}");
        }
        let opened = terminal.open(body).map_err(|discarded| discarded.reason);
        let right = honest.map(|_| (Command::Data, DATA));
        assert_eq!(opened, right.ok_or(Reason::Garbled));
    });
}

#[test]
fn mutated_cells_down() {
    let keys = keys();
    let mut cells = Vec::new();
    for hop in 0..HOPS {
        let mut body = [0; BODY_LEN];
        let (mut middle, mut terminal) = relays(&keys);
        let sealed = match middle.get_mut(hop) {
            Some(relay) => relay.seal(Command::Data, DATA, &mut body),
            None => terminal.seal(Command::Data, DATA, &mut body),
        };
        assert_eq!(sealed, Ok(()));
        for link in (0..=hop).rev() {
            cells.push(cell(hop, link, &body));
            if let Some(nearer) = link.checked_sub(1) {
                assert_eq!(middle[nearer].wrap(&mut body), Ok(()));
            }
        }
    }
    let (mut middle, _) = relays(&keys);
    let mut refresh = (0..PATH_CELLS_MAX).cycle();
    let mut client = InboundLayers::new(&keys);
    run("mutated_cells_down", &cells, |link, body, honest| {
        if let Some(relay) = link
            .checked_sub(1)
            .filter(|_| body[..ZEROS_LEN] == [0; ZEROS_LEN])
        {
            // Under this relay's layer the client would take it for the relay's own.
            return assert_eq!(middle[relay].wrap(body), Err(WrapError::Forged));
        }
        if honest.is_some() || refresh.next() == Some(0) {
            (middle, _) = relays(&keys);
            client = InboundLayers::new(&keys);
        }
        for relay in middle[..link].iter_mut().rev() {
            assert_eq!(relay.wrap(body), Ok(()));
        }
        let opened = client.open(body).map_err(|discarded| discarded.reason);
        let (command, data) = (Command::Data, DATA);
        let right = honest.map(|hop| Arrived { hop, command, data });
        assert_eq!(opened, right.ok_or(Reason::Garbled));
    });
}
