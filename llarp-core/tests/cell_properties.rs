//! Properties 3 and 4 of the protocol, at the level of the cell.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use llarp_core::cell::{
    Arrived, Body, CloseReason, Command, Content, Discarded, InboundLayers, MiddleHop,
    OutboundLayers, Peeled, Probe, Reason, SealError, TerminalHop, WrapError, split_cell,
};
use llarp_core::wire::limits::{BODY_LEN, CELL_DATA_MAX, CELL_LEN, PATH_CELLS_MAX};
use proptest::prelude::*;

use crate::support::*;

/// Both ends and the hops between, as a build leaves them.
struct Path {
    out: OutboundLayers,
    inbound: InboundLayers,
    middle: [MiddleHop; 2],
    terminal: TerminalHop,
}

impl Path {
    fn new() -> Self {
        let (keys, ran) = build(&mut relays(3), 7);
        Self {
            out: OutboundLayers::new(&keys),
            inbound: InboundLayers::new(&keys),
            middle: [MiddleHop::new(&ran.keys[0]), MiddleHop::new(&ran.keys[1])],
            terminal: TerminalHop::new(&ran.keys[2]),
        }
    }

    /// Carries a cell from the client to the terminal; `see(link, body)` is each link.
    fn up(
        &mut self,
        mut body: Body,
        see: &mut dyn FnMut(usize, &mut Body),
    ) -> Result<(Command, Vec<u8>), Discarded> {
        see(0, &mut body);
        for (hop, middle) in self.middle.iter_mut().enumerate() {
            assert_eq!(middle.peel(&mut body)?, Peeled::Onward);
            see(hop + 1, &mut body);
        }
        let (command, data) = self.terminal.open(&mut body)?;
        Ok((command, data.to_vec()))
    }

    /// Carries a cell from the terminal to the client.
    fn down(
        &mut self,
        mut body: Body,
        see: &mut dyn FnMut(usize, &mut Body),
    ) -> Result<(usize, Vec<u8>), Discarded> {
        see(2, &mut body);
        self.middle[1].wrap(&mut body).unwrap();
        see(1, &mut body);
        self.middle[0].wrap(&mut body).unwrap();
        see(0, &mut body);
        let arrived = self.inbound.open(&mut body)?;
        Ok((arrived.hop, arrived.data.to_vec()))
    }

    fn sealed_up(&mut self, data: &[u8]) -> Body {
        let mut body = [0; BODY_LEN];
        self.out.seal(2, Command::Data, data, &mut body).unwrap();
        body
    }

    fn sealed_down(&mut self, data: &[u8]) -> Body {
        let mut body = [0; BODY_LEN];
        self.terminal.seal(Command::Data, data, &mut body).unwrap();
        body
    }
}

#[test]
fn cells_arrive_whole_both_ways_at_every_length() {
    let mut path = Path::new();
    for len in [0, 1, 15, 16, 1200, CELL_DATA_MAX] {
        let data = vec![0x42; len];
        let body = path.sealed_up(&data);
        assert_eq!(
            path.up(body, &mut |_, _| ()),
            Ok((Command::Data, data.clone()))
        );
        let body = path.sealed_down(&data);
        assert_eq!(path.down(body, &mut |_, _| ()), Ok((2, data)));
    }
}

#[test]
fn any_flipped_bit_makes_the_end_discard_exactly_that_cell() {
    let mut path = Path::new();
    for bit in 0..BODY_LEN * 8 {
        let link = bit % 3;
        let mut flip = |at: usize, body: &mut Body| {
            if at == link {
                body[bit / 8] ^= 1 << (bit % 8);
            }
        };
        let body = path.sealed_up(b"up");
        let discarded = path.up(body, &mut flip).unwrap_err();
        assert_eq!(
            discarded.reason,
            Reason::Garbled,
            "bit {bit} link {link} up"
        );
        let body = path.sealed_down(b"down");
        let discarded = path.down(body, &mut flip).unwrap_err();
        assert_eq!(
            discarded.reason,
            Reason::Garbled,
            "bit {bit} link {link} down"
        );
        // The cells before and after it are untouched.
        let (up, down) = (path.sealed_up(b"next"), path.sealed_down(b"next"));
        assert!(path.up(up, &mut |_, _| ()).is_ok());
        assert!(path.down(down, &mut |_, _| ()).is_ok());
    }
}

#[test]
fn the_third_garbled_cell_closes_the_path() {
    let mut path = Path::new();
    let closes = [(); 3].map(|()| {
        let body = path.sealed_up(b"x");
        path.up(body, &mut |_, body| body[700] ^= 1)
            .unwrap_err()
            .close
    });
    assert_eq!(closes, [false, false, true]);
}

#[test]
fn a_cell_delivered_twice_is_opened_once_and_no_strike() {
    let mut path = Path::new();
    for _ in 0..8 {
        let body = path.sealed_up(b"once");
        assert!(path.up(body, &mut |_, _| ()).is_ok());
        let again = path.up(body, &mut |_, _| ()).unwrap_err();
        assert!(matches!(again.reason, Reason::Duplicate { .. }) && !again.close);

        let body = path.sealed_down(b"once");
        assert!(path.down(body, &mut |_, _| ()).is_ok());
        let again = path.down(body, &mut |_, _| ()).unwrap_err();
        assert!(matches!(again.reason, Reason::Duplicate { .. }) && !again.close);
    }
}

#[test]
fn every_hop_can_be_asked_can_absorb_and_can_report() {
    let mut path = Path::new();
    let probe = Probe {
        nonce: [9; 8],
        sent: 3,
        received: 2,
    };
    for hop in 0..2 {
        let mut body = [0; BODY_LEN];
        path.out
            .seal(hop, Command::Probe, &probe.encode(), &mut body)
            .unwrap();
        for before in 0..hop {
            assert_eq!(path.middle[before].peel(&mut body), Ok(Peeled::Onward));
        }
        let Ok(Peeled::Ours { command, data }) = path.middle[hop].peel(&mut body) else {
            panic!("hop {hop} opens what was sealed for it");
        };
        assert_eq!(Content::parse(command, data), Ok(Content::Probe(probe)));

        let reason = CloseReason::LinkLost.code();
        path.middle[hop]
            .seal(Command::Closed, &[reason], &mut body)
            .unwrap();
        for before in (0..hop).rev() {
            path.middle[before].wrap(&mut body).unwrap();
        }
        let arrived = path.inbound.open(&mut body);
        let expected = Arrived {
            hop,
            command: Command::Closed,
            data: &[reason],
        };
        assert_eq!(arrived, Ok(expected));
    }
    let body = path.sealed_up(b"after");
    assert!(path.up(body, &mut |_, _| ()).is_ok());
}

#[test]
fn a_hop_cannot_speak_for_the_hop_in_front_of_it() {
    let mut path = Path::new();
    // What hop 1 would send to have the client believe that hop 0 closes the path.
    let mut forged = [0; BODY_LEN];
    forged[24] = Command::Closed.code();
    forged[26] = 1;
    for hop in [0, 1] {
        let mut body = forged;
        let refused = path.middle[hop].wrap(&mut body);
        assert_eq!(refused, Err(WrapError::Forged));
        assert_eq!(body, forged);
    }
    let body = path.sealed_down(b"after");
    assert!(path.down(body, &mut |_, _| ()).is_ok());
}

#[test]
fn a_command_of_another_version_survives() {
    let mut path = Path::new();
    let mut body = [0; BODY_LEN];
    path.out
        .seal(2, Command::Unknown(0xe7), b"new", &mut body)
        .unwrap();
    let arrived = path.up(body, &mut |_, _| ());
    assert_eq!(arrived, Ok((Command::Unknown(0xe7), b"new".to_vec())));
}

#[test]
fn wrong_use_gets_an_error_that_says_so() {
    let mut path = Path::new();
    let mut body = [0; BODY_LEN];
    let long = path
        .out
        .seal(2, Command::Data, &[0; CELL_DATA_MAX + 1], &mut body);
    assert_eq!(long, Err(SealError::DataTooLong { got: 1278 }));
    let hop = path.out.seal(3, Command::Pad, &[], &mut body);
    assert_eq!(hop, Err(SealError::NoSuchHop { hop: 3, hops: 3 }));
    assert_eq!(path.out.sent(), 0);
    for len in [0, 7, CELL_LEN - 1, CELL_LEN + 1] {
        let error = split_cell(&mut vec![0; len]).unwrap_err();
        assert_eq!(error.field, "cell");
    }
}

#[test]
fn a_path_is_spent_after_its_cells() {
    let mut path = Path::new();
    let mut body = [0; BODY_LEN];
    for _ in 0..PATH_CELLS_MAX {
        path.terminal.seal(Command::Pad, &[], &mut body).unwrap();
    }
    let spent = path.terminal.seal(Command::Pad, &[], &mut body);
    assert_eq!(spent, Err(SealError::PathSpent));
}

#[test]
fn links_of_a_path_share_nothing_that_two_observers_could_join() {
    const CELLS: usize = 10_000;
    let mut path = Path::new();
    // The same plaintext over and over: the worst case for whoever hides it.
    for upward in [true, false] {
        let mut links = [const { Vec::new() }; 3];
        for _ in 0..CELLS {
            let mut see = |link: usize, body: &mut Body| links[link].push(*body);
            if upward {
                let body = path.sealed_up(&[0; 1200]);
                path.up(body, &mut see).unwrap();
            } else {
                let body = path.sealed_down(&[0; 1200]);
                path.down(body, &mut see).unwrap();
            }
        }
        for (one, other) in [(0, 1), (0, 2), (1, 2), (0, 0), (1, 1), (2, 2)] {
            assert_unrelated(&links[one], &links[other], one == other);
        }
    }
}

/// No equality, XOR or difference of an 8-byte window stands out between two captures: over 10⁴
/// cells each of 64-bit values, chance gives a repetition with probability 3·10⁻¹² a window.
fn assert_unrelated(one: &[Body], other: &[Body], same_link: bool) {
    let word = |body: &Body, at: usize| u64::from_le_bytes(body[at..at + 8].try_into().unwrap());
    let mut xors = Words::with_capacity_and_hasher(one.len(), BuildHasherDefault::default());
    let mut differences = xors.clone();
    for at in 0..BODY_LEN - 7 {
        let shift = usize::from(same_link);
        xors.clear();
        differences.clear();
        for (a, b) in one.iter().zip(&other[shift..]) {
            let (a, b) = (word(a, at), word(b, at));
            assert_ne!(a, b, "equal windows at {at}");
            // Each cell gives an XOR and a difference that no other cell may give.
            assert!(xors.insert(a ^ b), "an XOR repeats at {at}");
            assert!(
                differences.insert(a.wrapping_sub(b)),
                "a difference repeats at {at}"
            );
        }
    }
}

/// A set of words that are random already, so that hashing them again would be waste.
type Words = HashSet<u64, BuildHasherDefault<AsItIs>>;

#[derive(Clone, Copy, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only words are hashed")
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

proptest! {
    #[test]
    fn arbitrary_bodies_are_discarded_without_panic(seed: u64) {
        use rand_chacha::rand_core::Rng;
        let (keys, ran) = build(&mut relays(1), 7);
        let mut body = [0; BODY_LEN];
        rng(seed).fill_bytes(&mut body);
        prop_assert!(TerminalHop::new(&ran.keys[0]).open(&mut body.clone()).is_err());
        let mut copy = body;
        let peeled = MiddleHop::new(&ran.keys[0]).peel(&mut copy);
        prop_assert_eq!(peeled, Ok(Peeled::Onward));
        prop_assert!(InboundLayers::new(&keys).open(&mut body).is_err());
    }
}
