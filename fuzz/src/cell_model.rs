//! What an end must make of a cell, said a second time and as plainly as can be.

use std::collections::HashSet;

use llarp_core::cell::{Body, Command, Content, Discarded, Reason};
use llarp_core::wire::limits::{
    BODY_LEN, CELL_DATA_MAX, CELL_HEADER_LEN, PATH_CELLS_MAX, STRIKES_MAX, WINDOW_CELLS,
};
use llarp_core::wire::{Fault, WireError};

use crate::input::Input;

/// Cells that one run keeps; more ops than this are not looked at.
pub(crate) const CELLS_MAX: usize = 48;

/// A cell under the layers, as its sealer means it, right or wrong.
#[derive(Debug, Clone)]
pub(crate) struct Plain {
    /// The hop that opens it upstream, or sealed it downstream.
    pub(crate) hop: usize,
    pub(crate) counter: u64,
    pub(crate) command: Command,
    /// What its length field says.
    pub(crate) len: usize,
    pub(crate) data: Vec<u8>,
}

impl Plain {
    /// A cell whose sealer has the keys and lies about whatever it likes.
    pub(crate) fn forged(hop: usize, input: &mut Input<'_>) -> (Self, Body) {
        let (counter, code, len, fill) = (input.u64(), input.u8(), input.u16(), input.u8());
        // Mostly counters that ends can meet.
        let counter = if code & 0x40 == 0 {
            counter % (2 * PATH_CELLS_MAX)
        } else {
            counter
        };
        let mut body = [fill; BODY_LEN];
        body[..16].fill(0);
        body[16..24].copy_from_slice(&counter.to_be_bytes());
        body[24] = code;
        body[25..27].copy_from_slice(&len.to_be_bytes());
        let len = usize::from(len);
        let data = vec![fill; len.min(CELL_DATA_MAX)];
        let command = Command::from(code);
        let plain = Self {
            hop,
            counter,
            command,
            len,
            data,
        };
        (plain, body)
    }

    /// Looks at what was opened: it is what was sealed, and it parses or is refused in form.
    pub(crate) fn is(&self, command: Command, data: &[u8]) {
        assert_eq!(command, self.command);
        assert_eq!(data, self.data);
        let _ = Content::parse(command, data);
    }
}

const _: () = assert!(CELL_HEADER_LEN == 27);

/// What an end remembers of one sender.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    counters: HashSet<u64>,
    next: u64,
}

impl Seen {
    /// What an end makes of this cell, if it comes through unchanged.
    pub(crate) fn expect(&mut self, plain: &Plain) -> Result<(), Reason> {
        let (len, counter) = (plain.len, plain.counter);
        if len > CELL_DATA_MAX {
            let (max, got) = (CELL_DATA_MAX as u64, len as u64);
            let error = WireError::new("data", Fault::TooLarge { max, got });
            return Err(Reason::Malformed(error));
        }
        if counter >= PATH_CELLS_MAX {
            return Err(Reason::Spent { counter });
        }
        if self.next.saturating_sub(counter) > WINDOW_CELLS {
            return Err(Reason::TooOld { counter });
        }
        if !self.counters.insert(counter) {
            return Err(Reason::Duplicate { counter });
        }
        self.next = self.next.max(counter + 1);
        Ok(())
    }
}

/// The cells that an end has thrown away, duplicates apart.
#[derive(Debug, Default)]
pub(crate) struct Strikes(u8);

impl Strikes {
    pub(crate) fn expect(&mut self, reason: Reason) -> Discarded {
        if !matches!(reason, Reason::Duplicate { .. }) {
            self.0 = self.0.saturating_add(1);
        }
        let close = self.0 >= STRIKES_MAX;
        Discarded { reason, close }
    }
}

/// A body that the input gives, over and over.
pub(crate) fn arbitrary_body(input: &mut Input<'_>) -> Body {
    let len = input.below(64) + 1;
    let pattern = [input.up_to(len), &[1]].concat();
    let mut body = [0; BODY_LEN];
    for (byte, from) in body.iter_mut().zip(pattern.iter().cycle()) {
        *byte = *from;
    }
    body
}

/// Changes one byte of `body` as the input says; whether it did.
pub(crate) fn tamper(body: &mut Body, input: &mut Input<'_>) -> bool {
    let (place, change) = (usize::from(input.u16()) % BODY_LEN, input.u8());
    body[place] ^= change;
    change != 0
}

/// Scripts for both directions: the ops have the same numbers.
pub(crate) mod script {
    use llarp_core::wire::limits::CELL_DATA_MAX;

    pub(crate) fn seal(hop: u8, code: u8, len: u16) -> Vec<u8> {
        let [high, low] = len.to_be_bytes();
        vec![0, hop, code, high, low, 0x30]
    }

    pub(crate) fn forge(hop: u8, counter: u64, code: u8, len: u16) -> Vec<u8> {
        let [high, low] = len.to_be_bytes();
        [
            &[1, hop],
            counter.to_be_bytes().as_slice(),
            &[code, high, low, 0xaa],
        ]
        .concat()
    }

    pub(crate) fn deliver(cell: u8) -> Vec<u8> {
        vec![2, cell]
    }

    pub(crate) fn tamper(cell: u8, link: u8, place: u16, change: u8) -> Vec<u8> {
        let [high, low] = place.to_be_bytes();
        vec![3, cell, link, high, low, change]
    }

    pub(crate) fn inject(cell: u8, from: u8, to: u8) -> Vec<u8> {
        vec![4, cell, from, to]
    }

    pub(crate) fn arbitrary(link: u8) -> Vec<u8> {
        vec![5, link, 3, 1, 2, 3, 4]
    }

    /// The stories that both directions start from.
    pub(crate) fn stories() -> Vec<crate::Seed> {
        let full = u16::try_from(CELL_DATA_MAX).unwrap_or(u16::MAX);
        let each = [seal(0, 2, 24), seal(1, 0, 0), seal(2, 1, full)].concat();
        let all = [deliver(2), deliver(0), deliver(1)].concat();
        let three = [seal(2, 1, 9), seal(2, 1, 9), seal(2, 1, 9)].concat();
        let old = [
            forge(2, 5000, 1, 4),
            deliver(0),
            forge(2, 904, 1, 4),
            deliver(1),
        ]
        .concat();
        vec![
            ("each_hop", [each.clone(), all.clone()].concat()),
            ("duplicates", [each.clone(), all.clone(), all].concat()),
            (
                "reordered",
                [three.clone(), deliver(2), deliver(0), deliver(1)].concat(),
            ),
            (
                "tampered",
                [
                    three,
                    tamper(0, 0, 0, 1),
                    tamper(1, 1, 1303, 0x80),
                    tamper(2, 2, 700, 4),
                ]
                .concat(),
            ),
            (
                "other_link",
                [each, inject(2, 0, 1), inject(2, 1, 2), inject(2, 2, 0)].concat(),
            ),
            ("too_old", [old, forge(2, 903, 1, 4), deliver(2)].concat()),
            (
                "bad_fields",
                [
                    forge(2, 1, 1, full + 1),
                    deliver(0),
                    forge(0, 1 << 20, 1, 0),
                    deliver(1),
                    seal(3, 1, 0),
                    seal(0, 1, full + 1),
                    arbitrary(0),
                ]
                .concat(),
            ),
        ]
    }
}
