//! What a table of paths must make of one path, said a second time and as plainly as can be.

use std::collections::HashSet;

use llarp_core::cell::{
    Body, CloseReason, Command, Content, HopKeys, InboundLayers, MiddleHop, OutboundLayers, PathId,
    Probe, Reason, TerminalHop, split_cell,
};
use llarp_core::crypto::noise::Split;
use llarp_core::crypto::secret::Secret;
use llarp_core::hop::{
    Cell, CloseNext, Closing, Counts, DropReason, LinkId, Millis, NewPath, PathRef, Side, Verdict,
};
use llarp_core::wire::limits::{
    BODY_LEN, CELL_HEADER_LEN, CELL_LEN, PATH_ID_LEN, PATH_LIFE_MILLIS, PATH_UNUSED_MILLIS,
    STRIKES_MAX,
};
use rand_chacha::ChaCha20Rng;

use crate::fixture::NETWORK;

/// Links of the relay.
pub(crate) const LINKS: u64 = 4;

/// Which way a cell goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// A cell as a path's client sealed it.
#[derive(Clone)]
pub(crate) struct Genuine {
    cell: Cell,
    hop: usize,
    command: Command,
    data: Vec<u8>,
}

/// A path, with both ends of it.
pub(crate) struct PathModel {
    /// Once the table has it.
    pub(crate) path: Option<PathRef>,
    pub(crate) prev: Side,
    pub(crate) next: Option<Side>,
    pub(crate) expires: Millis,
    /// When the table looks at it.
    pub(crate) due: Millis,
    pub(crate) open: bool,
    pub(crate) counts: Counts,
    sealed: Vec<Genuine>,
    seal: OutboundLayers,
    arrive: InboundLayers,
    /// The hop behind, of a path that has one.
    behind: TerminalHop,
    seen: HashSet<(bool, u64)>,
    strikes: u8,
}

fn keys(rng: &mut ChaCha20Rng) -> HopKeys {
    let split = Split {
        to_responder: Secret::random(rng),
        to_initiator: Secret::random(rng),
    };
    HopKeys::of_split(&NETWORK, &split)
}

impl PathModel {
    /// A path to insert now, and its model.
    pub(crate) fn new(
        prev: Side,
        next: Option<Side>,
        now: Millis,
        rng: &mut ChaCha20Rng,
    ) -> (NewPath, Self) {
        let (own, behind) = (keys(rng), keys(rng));
        let parts = match next {
            Some(next) => NewPath::Middle {
                hop: MiddleHop::new(&own),
                prev,
                next,
            },
            None => NewPath::Terminal {
                hop: TerminalHop::new(&own),
                prev,
            },
        };
        let hops = [&own, &behind];
        let hops = &hops[..if next.is_some() { 2 } else { 1 }];
        let model = Self {
            path: None,
            prev,
            next,
            expires: now.plus(PATH_LIFE_MILLIS),
            due: now.plus(PATH_UNUSED_MILLIS),
            open: true,
            counts: Counts::default(),
            sealed: Vec::new(),
            seal: OutboundLayers::new(hops.iter().copied()),
            arrive: InboundLayers::new(hops.iter().copied()),
            behind: TerminalHop::new(&behind),
            seen: HashSet::new(),
            strikes: 0,
        };
        (parts, model)
    }

    pub(crate) fn reference(&self) -> PathRef {
        self.path.expect("inserted")
    }

    pub(crate) fn uses(&self, link: LinkId) -> bool {
        self.prev.link == link || self.next.is_some_and(|next| next.link == link)
    }

    /// Which way cells with this id go on this path.
    pub(crate) fn way(&self, id: PathId) -> Option<Way> {
        if self.prev.ours == id {
            return Some(Way::Up);
        }
        let down = self.next.is_some_and(|next| next.ours == id);
        down.then_some(Way::Down)
    }

    /// Whether no cell that began like this came before.
    pub(crate) fn is_new(&mut self, way: Way, cell: &Cell) -> bool {
        let start = std::array::from_fn(|place| cell[PATH_ID_LEN + place]);
        // The filter needs a mark for "none", and takes 0 for 1.
        let start = u64::from_le_bytes(start).max(1);
        self.seen.insert((way == Way::Up, start))
    }

    /// Seals a cell for this hop, or for the last one, and addresses it to the relay.
    pub(crate) fn seal(&mut self, hop: usize, command: Command, data: Vec<u8>) -> Cell {
        let hop = if self.next.is_some() { hop } else { 0 };
        let mut body: Body = [0; BODY_LEN];
        let sealed = self.seal.seal(hop, command, &data, &mut body);
        assert_eq!(sealed, Ok(()));
        let mut cell = [0; CELL_LEN];
        cell[..PATH_ID_LEN].copy_from_slice(&self.prev.ours.0);
        cell[PATH_ID_LEN..].copy_from_slice(&body);
        self.sealed.push(Genuine {
            cell,
            hop,
            command,
            data,
        });
        cell
    }

    /// What the path's client has sealed in this cell, if it is unchanged.
    pub(crate) fn genuine(&self, cell: &Cell) -> Option<Genuine> {
        let mut sealed = self.sealed.iter();
        sealed.find(|genuine| genuine.cell == *cell).cloned()
    }

    /// A cell from the client, unchanged and for the first time.
    pub(crate) fn handle_up(&mut self, verdict: Verdict, genuine: &Genuine, left: &mut Cell) {
        if genuine.hop == 1 {
            self.went_on(&verdict, left);
            let (_, body) = split_cell(left).expect("a cell");
            let opened = self.behind.open(body);
            assert_eq!(opened, Ok((genuine.command, genuine.data.as_slice())));
            return;
        }
        self.counts.up_in += 1;
        let (path, link) = (self.reference(), self.prev.link);
        match Content::parse(genuine.command, &genuine.data) {
            Ok(Content::Data(data)) if self.next.is_none() => {
                let start = PATH_ID_LEN + CELL_HEADER_LEN;
                let place = start..start + data.len();
                assert_eq!(&left[place.clone()], data);
                assert_eq!(verdict, Verdict::Deliver { path, data: place });
            }
            Ok(Content::Probe(probe)) => {
                assert_eq!(verdict, Verdict::Answer { link, path });
                let answer = Probe {
                    nonce: probe.nonce,
                    sent: self.counts.down_out + 1,
                    received: self.counts.up_in,
                };
                self.arrives(left, Command::Probe, &answer.encode());
            }
            Ok(Content::Closed(reason)) => match verdict {
                Verdict::Closed(closing) => self.closed(closing, reason, None),
                other => panic!("{other:?}"),
            },
            _ => assert_eq!(verdict, Verdict::Absorbed),
        }
    }

    /// Any other cell towards the terminal: the middle cannot tell, the terminal counts.
    pub(crate) fn handle_garbled(&mut self, verdict: Verdict, left: &mut Cell) {
        if self.next.is_some() {
            return self.went_on(&verdict, left);
        }
        self.strikes += 1;
        match verdict {
            Verdict::Closed(closing) => {
                assert_eq!(self.strikes, STRIKES_MAX);
                self.closed(closing, CloseReason::Garbled, Some(left));
            }
            Verdict::Drop(DropReason::Discarded(reason)) => {
                assert_eq!(reason, Reason::Garbled);
                assert!(self.strikes < STRIKES_MAX);
            }
            other => panic!("{other:?}"),
        }
    }

    fn went_on(&mut self, verdict: &Verdict, left: &Cell) {
        let next = self.next.expect("a middle hop");
        let (link, path) = (next.link, self.reference());
        assert_eq!(*verdict, Verdict::Forward { link, path });
        assert_eq!(left[..PATH_ID_LEN], next.theirs.0);
        self.counts.up_in += 1;
        self.counts.up_out += 1;
    }

    /// A cell from behind: zeros where only this hop may show them close the path.
    pub(crate) fn handle_down(&mut self, verdict: Verdict, cell: &Cell, left: &mut Cell) {
        let body = &cell[PATH_ID_LEN..];
        if body[..16] == [0; 16] {
            return match verdict {
                Verdict::Closed(closing) => {
                    self.closed(closing, CloseReason::Garbled, Some(left));
                }
                other => panic!("{other:?}"),
            };
        }
        let (link, path) = (self.prev.link, self.reference());
        assert_eq!(verdict, Verdict::Forward { link, path });
        assert_eq!(left[..PATH_ID_LEN], self.prev.theirs.0);
        assert_ne!(left[PATH_ID_LEN..], *body);
        self.counts.down_in += 1;
        self.counts.down_out += 1;
    }

    /// A cell that this relay sealed opens at the client as what it is.
    pub(crate) fn arrives(&mut self, cell: &mut Cell, command: Command, data: &[u8]) {
        self.counts.down_out += 1;
        let (id, body) = split_cell(cell).expect("a cell");
        assert_eq!(id, self.prev.theirs);
        let arrived = self.arrive.open(body).expect("sealed here");
        assert_eq!((arrived.hop, arrived.command), (0, command));
        assert_eq!(arrived.data, data);
    }

    /// Whom a closing tells behind this relay.
    pub(crate) fn next_to_tell(&self) -> Option<CloseNext> {
        self.next.map(|next| CloseNext {
            link: next.link,
            path_id: next.theirs,
        })
    }

    /// The path is closed for this reason; with a cell for the client, if it is told.
    pub(crate) fn closed(
        &mut self,
        closing: Closing,
        reason: CloseReason,
        cell: Option<&mut Cell>,
    ) {
        assert!(self.open, "closed twice");
        self.open = false;
        let told = cell.is_some();
        if let Some(cell) = cell {
            self.arrives(cell, Command::Closed, &[reason.code()]);
        }
        let expected = Closing {
            path: self.reference(),
            reason,
            prev: self.prev.link,
            cell: told,
            next: self.next_to_tell(),
            counts: self.counts,
        };
        assert_eq!(closing, expected);
    }
}
