//! A path over three relays with their tables: what the tests of `hop` stand on.

use llarp_core::cell::{
    Arrived, Body, Command, HopKeys, InboundLayers, MiddleHop, OutboundLayers, PathId, TerminalHop,
};
use llarp_core::hop::{Cell, Closing, LinkId, Millis, NewPath, PathRef, PathTable, Side, Verdict};
use llarp_core::wire::limits::{CELL_LEN, PATH_ID_LEN};

use crate::support::*;

/// A client and three relays; link `i` lies before relay `i`.
pub(crate) struct Net {
    pub(crate) tables: Vec<PathTable>,
    pub(crate) paths: Vec<PathRef>,
    /// The id that cells of link `i` bear on their way up, and down.
    pub(crate) ids: Vec<(PathId, PathId)>,
    pub(crate) out: OutboundLayers,
    pub(crate) inbound: InboundLayers,
    pub(crate) keys: Vec<HopKeys>,
}

pub(crate) const START: Millis = Millis(5000);

pub(crate) fn tables(count: u64) -> Vec<PathTable> {
    (0..count)
        .map(|seed| PathTable::new(&mut rng(seed)))
        .collect()
}

/// The relays' parts of a path as the build exchanged them.
pub(crate) fn parts(ran: &Ran) -> Vec<NewPath> {
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
    pub(crate) fn new() -> Self {
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

    pub(crate) fn sealed(&mut self, hop: usize, command: Command, data: &[u8]) -> Cell {
        let mut cell = [0; CELL_LEN];
        cell[..PATH_ID_LEN].copy_from_slice(&self.ids[0].0.0);
        self.out.seal(hop, command, data, body(&mut cell)).unwrap();
        cell
    }

    pub(crate) fn at(&mut self, relay: usize, link: u64, cell: &mut Cell) -> Verdict {
        self.tables[relay].handle_cell(START, LinkId(link), cell)
    }

    /// Carries a cell up as far as relays forward it.
    pub(crate) fn up(&mut self, cell: &mut Cell) -> (usize, Verdict) {
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
    pub(crate) fn down(&mut self, relay: usize, cell: &mut Cell) {
        for relay in (0..relay).rev() {
            assert_eq!(id(cell), self.ids[relay + 1].1);
            let verdict = self.at(relay, relay as u64 + 1, cell);
            let (link, path) = (LinkId(relay as u64), self.paths[relay]);
            assert_eq!(verdict, Verdict::Forward { link, path });
        }
        assert_eq!(id(cell), self.ids[0].1);
    }

    pub(crate) fn arrived<'c>(&mut self, cell: &'c mut Cell) -> Arrived<'c> {
        self.inbound.open(body(cell)).unwrap()
    }
}

pub(crate) fn body(cell: &mut Cell) -> &mut Body {
    (&mut cell[PATH_ID_LEN..]).try_into().unwrap()
}

pub(crate) fn id(cell: &Cell) -> PathId {
    PathId(cell[..PATH_ID_LEN].try_into().unwrap())
}

pub(crate) fn closing(verdict: Verdict) -> Closing {
    match verdict {
        Verdict::Closed(closing) => closing,
        other => panic!("not closed: {other:?}"),
    }
}
