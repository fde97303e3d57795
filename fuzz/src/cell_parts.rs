//! `cell_split`, `cell_message` and `cell_window`: the cell's parsers, and its window.

use std::collections::HashSet;

use llarp_core::cell::{Command, Content, PathId, Reason, Window, split_cell};
use llarp_core::wire::limits::{CELL_LEN, PATH_ID_LEN, WINDOW_CELLS};
use llarp_core::wire::{Fault, WireError};

use crate::Seed;
use crate::input::{Input, counting};

/// The input is what a link delivers: as it is, and made as long as a cell.
pub(crate) fn split(bytes: &[u8]) {
    let whole: Vec<u8> = bytes
        .iter()
        .copied()
        .chain([0; CELL_LEN])
        .take(CELL_LEN)
        .collect();
    for bytes in [bytes, whole.as_slice()] {
        let (got, expected) = (bytes.len(), CELL_LEN);
        match split_cell(&mut bytes.to_vec()) {
            Ok((PathId(id), body)) => {
                assert_eq!(got, expected);
                assert_eq!([id.as_slice(), body].concat(), bytes);
            }
            Err(error) => {
                let fault = Fault::WrongLength { expected, got };
                assert_eq!(error, WireError::new("cell", fault));
                assert_ne!(got, expected);
            }
        }
    }
}

pub(crate) fn split_seeds() -> Vec<Seed> {
    vec![
        ("cell", counting(0, CELL_LEN)),
        ("one_short", counting(0, CELL_LEN - 1)),
        ("one_long", counting(0, CELL_LEN + 1)),
        ("path_id_only", counting(0, PATH_ID_LEN)),
    ]
}

/// The input is a command and its data. What parses means the same bytes again.
pub(crate) fn message(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (code, data) = (input.u8(), input.rest());
    let command = Command::from(code);
    assert_eq!(command.code(), code);
    match Content::parse(command, data) {
        Ok(Content::Pad) => assert_eq!(code, 0),
        Ok(Content::Data(found)) => assert_eq!((code, found), (1, data)),
        Ok(Content::Probe(probe)) => {
            assert_eq!((code, probe.encode().as_slice()), (2, data));
        }
        Ok(Content::Closed(reason)) => assert_eq!((code, [reason.code()].as_slice()), (3, data)),
        Ok(Content::Unknown {
            code: unknown,
            data: found,
        }) => {
            assert_eq!((unknown, found), (code, data));
            assert!(code > 3);
        }
        Err(error) => {
            let (field, expected) = if code == 2 {
                ("probe", 24)
            } else {
                ("close reason", 1)
            };
            let got = data.len();
            assert_eq!(
                error,
                WireError::new(field, Fault::WrongLength { expected, got })
            );
            assert!(matches!(code, 2 | 3) && got != expected);
        }
    }
}

pub(crate) fn message_seeds() -> Vec<Seed> {
    let message = |code: u8, len| [vec![code], counting(1, len)].concat();
    vec![
        ("pad", message(0, 9)),
        ("data", message(1, 40)),
        ("probe", message(2, 24)),
        ("probe_one_long", message(2, 25)),
        ("closed_garbled", vec![3, 4]),
        ("closed_without_reason", vec![3]),
        ("unknown", message(0xee, 3)),
    ]
}

/// The input is a list of counters: ahead of the newest, behind it, or outright. Against the
/// obvious model: a set of all counters, and the newest.
pub(crate) fn window(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (mut window, mut seen, mut next) = (Window::default(), HashSet::new(), 0u64);
    while !input.is_empty() {
        let counter = match input.u8() % 4 {
            0 => next.saturating_add(input.u8().into()),
            1 => next.saturating_sub(input.u16().into()),
            2 => next.saturating_add(input.u16().into()),
            _ => input.u64(),
        };
        let expected = if counter == u64::MAX {
            Err(Reason::Spent { counter })
        } else if next.saturating_sub(counter) > WINDOW_CELLS {
            Err(Reason::TooOld { counter })
        } else if seen.insert(counter) {
            next = next.max(counter + 1);
            Ok(())
        } else {
            Err(Reason::Duplicate { counter })
        };
        assert_eq!(window.accept(counter), expected, "next {next}");
    }
}

pub(crate) fn window_seeds() -> Vec<Seed> {
    let edge = u16::try_from(WINDOW_CELLS).unwrap_or(u16::MAX);
    let behind = |steps: u16| [vec![1], steps.to_be_bytes().to_vec()].concat();
    let ahead = |steps: u16| [vec![2], steps.to_be_bytes().to_vec()].concat();
    let at = |counter: u64| [vec![3], counter.to_be_bytes().to_vec()].concat();
    vec![
        ("in_order", [0, 0].repeat(8)),
        ("duplicate", [at(5), at(5), at(4), at(4)].concat()),
        (
            "edge",
            [at(0), ahead(edge - 1), behind(edge), behind(edge + 1)].concat(),
        ),
        (
            "slide_by_all",
            [at(1), ahead(edge), at(1), behind(edge), ahead(0)].concat(),
        ),
        (
            "reordered",
            [ahead(9), behind(3), behind(2), behind(4), behind(3)].concat(),
        ),
        (
            "last_numbers",
            [at(u64::MAX - 1), at(u64::MAX), behind(2), at(u64::MAX - 1)].concat(),
        ),
    ]
}
