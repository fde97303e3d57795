//! `cell_down`: cells from the hops of a path to its client, in any order and state.
//!
//! Holds: the client does with every cell just what the model says. A cell that comes through
//! unchanged opens, once, with its hop and the very data; one that was changed, or that comes in
//! on another link, never opens; the client's strikes count as told.

use llarp_core::cell::{
    Arrived, Body, Command, InboundLayers, MiddleHop, Reason, SealError, TerminalHop, WrapError,
};
use llarp_core::crypto::hash::label;
use llarp_core::crypto::onion::Encipher;
use llarp_core::wire::limits::{BODY_LEN, CELL_DATA_MAX, ZEROS_LEN};

use crate::Seed;
use crate::cell_model::{CELLS_MAX, Plain, Seen, Strikes, arbitrary_body, script, tamper};
use crate::fixture::HOP_KEYS;
use crate::input::{Input, counting};

/// The input is a script of ops, see [`script`]. Link `n` is the one that hop `n` sends on.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut world = World::new();
    while !input.is_empty() && world.cells.len() < CELLS_MAX {
        world.step(&mut input);
    }
}

struct World {
    client: InboundLayers,
    middle: [MiddleHop; 2],
    terminal: TerminalHop,
    /// The layers once more, for who has the keys and keeps no rule.
    put: [Encipher; 3],
    next_counter: [u64; 3],
    /// What was sealed, and the body on its hop's link.
    cells: Vec<(Plain, Body)>,
    seen: [Seen; 3],
    strikes: Strikes,
}

impl World {
    fn new() -> Self {
        let tweak = label::CELL_DOWN.as_str().as_bytes();
        let keys = &*HOP_KEYS;
        Self {
            client: InboundLayers::new(keys),
            middle: [MiddleHop::new(&keys[0]), MiddleHop::new(&keys[1])],
            terminal: TerminalHop::new(&keys[2]),
            put: std::array::from_fn(|hop| Encipher::new(keys[hop].down(), tweak)),
            next_counter: [0; 3],
            cells: Vec::new(),
            seen: Default::default(),
            strikes: Strikes::default(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.u8() % 6 {
            0 => self.seal(input),
            1 => {
                let (plain, mut body) = Plain::forged(input.below(3), input);
                assert_eq!(self.put[plain.hop].apply(&mut body), Ok(()));
                self.cells.push((plain, body));
            }
            2 => {
                if let Some((plain, body)) = self.pick(input) {
                    self.deliver(plain.hop, body, Some(&plain));
                }
            }
            3 => {
                let Some((plain, body)) = self.pick(input) else {
                    return;
                };
                let link = input.below(plain.hop + 1);
                let mut body = self.wrap(plain.hop, link, body);
                let changed = tamper(&mut body, input);
                self.deliver(link, body, (!changed).then_some(&plain));
            }
            4 => {
                let Some((plain, body)) = self.pick(input) else {
                    return;
                };
                let (from, to) = (input.below(plain.hop + 1), input.below(3));
                let body = self.wrap(plain.hop, from, body);
                self.deliver(to, body, (from == to).then_some(&plain));
            }
            _ => {
                let (link, body) = (input.below(3), arbitrary_body(input));
                // Sixteen zeros from behind a hop would pass for its own words: it stops them.
                if body[..ZEROS_LEN] == [0; ZEROS_LEN]
                    && let Some(hop) = link.checked_sub(1)
                {
                    let (mut forged, before) = (body, body);
                    let refused = self.middle[hop].wrap(&mut forged);
                    assert_eq!(refused, Err(WrapError::Forged));
                    assert_eq!(forged, before);
                    return;
                }
                self.deliver(link, body, None);
            }
        }
    }

    fn seal(&mut self, input: &mut Input<'_>) {
        let (hop, command) = (input.below(3), Command::from(input.u8()));
        let len = usize::from(input.u16()) % (CELL_DATA_MAX + 3);
        let data = counting(input.u8(), len);
        let mut body = [0xee; BODY_LEN];
        let sealed = match self.middle.get_mut(hop) {
            Some(relay) => relay.seal(command, &data, &mut body),
            None => self.terminal.seal(command, &data, &mut body),
        };
        if len > CELL_DATA_MAX {
            assert_eq!(sealed, Err(SealError::DataTooLong { got: len }));
            return;
        }
        assert_eq!(sealed, Ok(()));
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

    fn pick(&self, input: &mut Input<'_>) -> Option<(Plain, Body)> {
        let index = input.below(CELLS_MAX).checked_rem(self.cells.len())?;
        self.cells.get(index).cloned()
    }

    /// The body of link `from` as link `to`, nearer to the client, carries it.
    fn wrap(&mut self, from: usize, to: usize, mut body: Body) -> Body {
        for relay in self.middle[to..from].iter_mut().rev() {
            assert_eq!(relay.wrap(&mut body), Ok(()));
        }
        body
    }

    /// Lets `body` run from `link` on; `genuine` is what it says, if that is where it belongs.
    fn deliver(&mut self, link: usize, body: Body, genuine: Option<&Plain>) {
        let mut body = self.wrap(link, 0, body);
        let opened = self.client.open(&mut body);
        let expected = genuine.ok_or(Reason::Garbled);
        match expected.and_then(|plain| self.seen[plain.hop].expect(plain).map(|()| plain)) {
            Ok(plain) => match opened {
                Ok(Arrived { hop, command, data }) => {
                    assert_eq!(hop, plain.hop);
                    plain.is(command, data);
                }
                other => panic!("client: {other:?}"),
            },
            Err(reason) => assert_eq!(opened, Err(self.strikes.expect(reason))),
        }
    }
}

pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds = script::stories();
    // From behind the second hop, a plain body with the zeros that mark a hop's own.
    let zeros = [[5, 1, 63].as_slice(), &[0; 64]].concat();
    seeds.push(("zeros_from_behind", zeros));
    seeds
}
