//! `wire`: the reader against a plain cursor, and the writer back to the same bytes.

use llarp_core::wire::limits::VERSION;
use llarp_core::wire::{Fault, Reader, WireError, Writer};

use crate::Seed;
use crate::input::Input;

const FIELD: &str = "field";
const FIELDS_MAX: usize = 32;

/// The input is a list of fields (count 1, then one or two bytes a field), then the bytes to read.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let fields: Vec<_> = (0..input.below(FIELDS_MAX))
        .map(|_| (input.u8(), input.u8()))
        .collect();
    let data = input.rest();
    exact(data, fields.len());
    exact(data, data.len());
    let mut written = vec![0xaa; data.len()];
    let mut writer = Writer::new(&mut written);
    let (mut reader, mut at) = (Reader::new(data), 0);
    for (kind, size) in fields {
        match field(&mut reader, &mut writer, kind, size) {
            Ok(read) => {
                assert_eq!(
                    data.get(at..at + read.len()),
                    Some(&*read),
                    "the next bytes"
                );
                at += read.len();
            }
            Err(error) => return holds(error, kind, size, &data[at..]),
        }
    }
    assert_eq!(reader.rest(), &data[at..]);
    writer.pad();
    assert_eq!(written[..at], data[..at], "written as read");
    assert!(written[at..].iter().all(|byte| *byte == 0), "padded");
}

/// Reads a field and writes it; its bytes on the wire.
fn field(
    reader: &mut Reader<'_>,
    writer: &mut Writer<'_>,
    kind: u8,
    size: u8,
) -> Result<Vec<u8>, WireError> {
    let read = match kind % 7 {
        0 => vec![reader.u8(FIELD)?],
        1 => reader.u16(FIELD)?.to_be_bytes().to_vec(),
        2 => reader.u32(FIELD)?.to_be_bytes().to_vec(),
        3 => reader.u64(FIELD)?.to_be_bytes().to_vec(),
        4 => reader.bytes(FIELD, size.into())?.to_vec(),
        5 => {
            let text = reader.bytes_u16(FIELD, size.into())?;
            let mut copy = vec![0; text.len() + 2];
            let written = Writer::new(&mut copy).bytes_u16(FIELD, text, size.into());
            assert_eq!(written, Ok(()), "what was read can be written");
            copy
        }
        _ => {
            reader.version()?;
            vec![VERSION]
        }
    };
    assert_eq!(writer.bytes(FIELD, &read), Ok(()), "there is as much room");
    Ok(read)
}

/// Whether `error` is the right one for a field of this kind in front of `data`.
fn holds(error: WireError, kind: u8, size: u8, data: &[u8]) {
    let (have, size) = (data.len(), usize::from(size));
    let need = match kind % 7 {
        0..=3 => 1 << (kind % 7),
        4 => size,
        5 if have < 2 => 2,
        5 => usize::from(data[0]) << 8 | usize::from(data[1]),
        _ => 1,
    };
    let (name, fault) = match (kind % 7, have) {
        (5, 2..) if need > size => {
            let (max, got) = (size as u64, need as u64);
            (FIELD, Fault::TooLarge { max, got })
        }
        (5, 2..) => (
            FIELD,
            Fault::Truncated {
                need,
                have: have - 2,
            },
        ),
        (6, 1..) => (
            "version",
            Fault::NotAdmitted {
                got: data[0].into(),
            },
        ),
        (6, 0) => ("version", Fault::Truncated { need, have }),
        _ => (FIELD, Fault::Truncated { need, have }),
    };
    assert_eq!(error, WireError::new(name, fault));
}

fn exact(data: &[u8], expected: usize) {
    let got = data.len();
    match Reader::exact(data, expected, "whole") {
        Ok(reader) if got == 0 => assert_eq!(reader.finish("whole"), Ok(())),
        Ok(reader) => {
            assert_eq!(got, expected);
            let left = WireError::new("whole", Fault::LeftOver { bytes: got });
            assert_eq!(reader.finish("whole"), Err(left));
        }
        Err(error) => {
            let fault = Fault::WrongLength { expected, got };
            assert_eq!(error, WireError::new("whole", fault));
            assert_ne!(got, expected);
        }
    }
}

pub(crate) fn seeds() -> Vec<Seed> {
    let script = |fields: &[(u8, u8)], data: &[u8]| {
        let mut bytes = vec![u8::try_from(fields.len()).unwrap_or(u8::MAX)];
        bytes.extend(fields.iter().flat_map(|(kind, size)| [*kind, *size]));
        bytes.extend(data);
        bytes
    };
    let numbers = [(0, 0), (1, 0), (2, 0), (3, 0)];
    let strings = [(6, 0), (5, 9), (4, 3)];
    vec![
        (
            "numbers",
            script(&numbers, b"\x01\x02\x03\x04\x05\x06\x07ABCDEFGH"),
        ),
        ("numbers_cut", script(&numbers, b"\x01\x02\x03\x04\x05")),
        (
            "version_and_strings",
            script(&strings, b"\x01\x00\x04textend"),
        ),
        ("string_too_large", script(&strings, b"\x01\x00\x0atext")),
        ("wrong_version", script(&strings, b"\x02\x00\x04textend")),
    ]
}
