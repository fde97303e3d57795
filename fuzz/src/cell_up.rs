//! `cell_up`: cells from a client to the hops of its path, in any order and state.
//!
//! Holds: every hop does with every cell just what the model says. A cell that comes through
//! unchanged opens at its hop, once, with the very data; one that was changed, or that comes in on
//! another link, opens nowhere; the terminal's strikes count as told.

use llarp_core::cell::{
    Body, Command, MiddleHop, OutboundLayers, Peeled, Reason, SealError, TerminalHop,
};
use llarp_core::crypto::hash::label;
use llarp_core::crypto::onion::{Decipher, Encipher};
use llarp_core::wire::limits::{BODY_LEN, CELL_DATA_MAX};

use crate::Seed;
use crate::cell_model::{CELLS_MAX, Plain, Seen, Strikes, arbitrary_body, script, tamper};
use crate::fixture::HOP_KEYS;
use crate::input::{Input, counting};

/// The input is a script of ops, see [`script`].
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut world = World::new();
    while !input.is_empty() && world.cells.len() < CELLS_MAX {
        world.step(&mut input);
    }
}

struct World {
    client: OutboundLayers,
    middle: [MiddleHop; 2],
    terminal: TerminalHop,
    /// The layers once more, for who has the keys and keeps no rule.
    put: [Encipher; 3],
    take: [Decipher; 3],
    next_counter: [u64; 3],
    /// What was sealed, and the body on the first link.
    cells: Vec<(Plain, Body)>,
    seen: [Seen; 3],
    strikes: [Strikes; 3],
}

impl World {
    fn new() -> Self {
        let tweak = label::CELL_UP.as_str().as_bytes();
        let keys = &*HOP_KEYS;
        Self {
            client: OutboundLayers::new(keys),
            middle: [MiddleHop::new(&keys[0]), MiddleHop::new(&keys[1])],
            terminal: TerminalHop::new(&keys[2]),
            put: std::array::from_fn(|hop| Encipher::new(keys[hop].up(), tweak)),
            take: std::array::from_fn(|hop| Decipher::new(keys[hop].up(), tweak)),
            next_counter: [0; 3],
            cells: Vec::new(),
            seen: Default::default(),
            strikes: Default::default(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.u8() % 6 {
            0 => self.seal(input),
            1 => {
                let (plain, mut body) = Plain::forged(input.below(3), input);
                for layer in self.put[..=plain.hop].iter().rev() {
                    assert_eq!(layer.apply(&mut body), Ok(()));
                }
                self.cells.push((plain, body));
            }
            2 => {
                if let Some((plain, body)) = self.pick(input) {
                    self.deliver(0, body, Some(&plain));
                }
            }
            3 => {
                let Some((plain, body)) = self.pick(input) else {
                    return;
                };
                let link = input.below(plain.hop + 1);
                let mut body = self.on_link(link, body);
                let changed = tamper(&mut body, input);
                self.deliver(link, body, (!changed).then_some(&plain));
            }
            4 => {
                let Some((plain, body)) = self.pick(input) else {
                    return;
                };
                let (from, to) = (input.below(plain.hop + 1), input.below(3));
                let body = self.on_link(from, body);
                self.deliver(to, body, (from == to).then_some(&plain));
            }
            _ => {
                let (link, body) = (input.below(3), arbitrary_body(input));
                self.deliver(link, body, None);
            }
        }
    }

    fn seal(&mut self, input: &mut Input<'_>) {
        let (hop, command) = (input.below(5), Command::from(input.u8()));
        let len = usize::from(input.u16()) % (CELL_DATA_MAX + 3);
        let (data, sent) = (counting(input.u8(), len), self.client.sent());
        let mut body = [0xee; BODY_LEN];
        let sealed = self.client.seal(hop, command, &data, &mut body);
        let expected = match (hop, len) {
            (3.., _) => Err(SealError::NoSuchHop { hop, hops: 3 }),
            (_, ..=CELL_DATA_MAX) => Ok(()),
            (_, got) => Err(SealError::DataTooLong { got }),
        };
        assert_eq!(sealed, expected);
        assert_eq!(self.client.sent(), sent + u64::from(sealed.is_ok()));
        if sealed.is_ok() {
            let counter = self.next_counter[hop];
            self.next_counter[hop] += 1;
            let plain = Plain {
                hop,
                counter,
                command,
                len,
                data,
            };
            self.cells.push((plain, body));
        }
    }

    fn pick(&self, input: &mut Input<'_>) -> Option<(Plain, Body)> {
        let index = input.below(CELLS_MAX).checked_rem(self.cells.len())?;
        self.cells.get(index).cloned()
    }

    /// The body as link `link` carries it; link 0 is the client's.
    fn on_link(&self, link: usize, mut body: Body) -> Body {
        for layer in &self.take[..link] {
            assert_eq!(layer.apply(&mut body), Ok(()));
        }
        body
    }

    /// Lets `body` run from `link` on; `genuine` is what it says, if that is where it belongs.
    fn deliver(&mut self, link: usize, mut body: Body, genuine: Option<&Plain>) {
        for (hop, relay) in self.middle.iter_mut().enumerate().skip(link) {
            let found = relay.peel(&mut body);
            let Some(plain) = genuine.filter(|plain| plain.hop == hop) else {
                assert_eq!(found, Ok(Peeled::Onward), "not hop {hop}'s");
                continue;
            };
            match self.seen[hop].expect(plain) {
                Ok(()) => match found {
                    Ok(Peeled::Ours { command, data }) => plain.is(command, data),
                    other => panic!("hop {hop}: {other:?}"),
                },
                Err(reason) => assert_eq!(found, Err(self.strikes[hop].expect(reason))),
            }
            return;
        }
        let opened = self.terminal.open(&mut body);
        let expected = genuine.ok_or(Reason::Garbled);
        match expected.and_then(|plain| self.seen[2].expect(plain).map(|()| plain)) {
            Ok(plain) => match opened {
                Ok((command, data)) => plain.is(command, data),
                other => panic!("terminal: {other:?}"),
            },
            Err(reason) => assert_eq!(opened, Err(self.strikes[2].expect(reason))),
        }
    }
}

pub(crate) fn seeds() -> Vec<Seed> {
    script::stories()
}
