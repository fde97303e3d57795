//! `dht_stream`: what a registered peer writes to a relay's table: the names of protocols, and
//! messages of Kademlia, in which anything may stand.
//!
//! Holds: only values that the rules allow are kept; each stream has at most one answer's bytes for
//! each message; counts add up.

use std::sync::Arc;

use llarp_core::wire::limits::DHT_MESSAGE_MAX;
use llarp_dht::{Invalid, Judged, Key, Order, Rules, hear};

use crate::Seed;
use crate::input::Input;

/// Streams of one run.
const STREAMS_MAX: usize = 16;
const NAMES: &[u8] = b"\x13/multistream/1.0.0\n\x0d/llarp/kad/1\n";
/// What lies under a key begins with the key's first byte, and then its sequence.
struct Begins;

impl Rules for Begins {
    fn judge(&self, key: &Key, value: &[u8], unix: u64) -> Result<Judged, Invalid> {
        match value {
            [first, sequence, ..] if first == &key[0] => Ok(Judged {
                order: Order {
                    sequence: u64::from(*sequence),
                    tie: [0; 32],
                },
                expires: unix + 60,
                owner: *key,
            }),
            _ => Err(Invalid::Forged),
        }
    }
}

/// The input is streams, each with how it begins: raw, behind the names, or as one message.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut streams = Vec::new();
    while !input.is_empty() && streams.len() < STREAMS_MAX {
        let (form, len) = (input.u8() % 3, usize::from(input.u16()));
        let said = input.up_to(len);
        streams.push(match form {
            0 => said.to_vec(),
            1 => [NAMES, said].concat(),
            _ => [NAMES, &varint(said.len()), said].concat(),
        });
    }
    let said: usize = streams.iter().map(Vec::len).sum();
    let heard = hear(Arc::new(Begins), streams).expect("a runtime");
    let stats = heard.stats;
    assert!(stats.brought >= stats.stored + stats.refused + stats.forged);
    assert!(heard.kept as u64 <= stats.stored);
    for answer in &heard.answers {
        // A message has two bytes at the least.
        assert!(answer.len() <= NAMES.len() + (said / 2 + 1) * (DHT_MESSAGE_MAX + 3));
    }
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let [low, ..] = number.to_le_bytes();
        number /= 0x80;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn field(number: usize, bytes: &[u8]) -> Vec<u8> {
    [&varint(number * 8 + 2), &varint(bytes.len()), bytes].concat()
}

pub(crate) fn seeds() -> Vec<Seed> {
    let stream = |form: u8, said: &[u8]| -> Vec<u8> {
        let len = u16::try_from(said.len()).unwrap_or(u16::MAX);
        [&[form][..], &len.to_be_bytes(), said].concat()
    };
    let key = [7; 32];
    let record = |value: &[u8]| field(3, &[field(1, &key), field(2, value)].concat());
    let put = |value: &[u8]| [field(2, &key), record(value)].concat();
    let ask = |kind: u8| [vec![8, kind], field(2, &key)].concat();
    let peer = [&[0, 0x24, 8, 1, 0x12, 0x20][..], &[2; 32]].concat();
    let provide = [ask(2), field(9, &field(1, &peer))].concat();
    vec![
        ("put", stream(2, &put(&[7, 1, 9]))),
        (
            "put_and_get",
            [
                stream(2, &put(&[7, 1, 9])),
                stream(2, &put(&[7, 2, 9])),
                stream(2, &put(&[7, 1, 9])),
                stream(2, &ask(1)),
            ]
            .concat(),
        ),
        ("forged", stream(2, &put(&[8, 1, 9]))),
        (
            "two_on_one_stream",
            stream(
                1,
                &[varint(ask(1).len()), ask(1), varint(ask(4).len()), ask(4)].concat(),
            ),
        ),
        (
            "providers",
            [stream(2, &provide), stream(2, &ask(3))].concat(),
        ),
        ("find_node", stream(2, &ask(4))),
        ("ping", stream(2, &ask(5))),
        ("too_long", stream(1, &varint(1 << 20))),
        ("truncated", stream(1, &[40, 8, 1, 18])),
        (
            "other_protocol",
            stream(0, b"\x13/multistream/1.0.0\n\x0b/ipfs/id/1\n"),
        ),
        ("no_names", stream(0, &[0xff; 40])),
        (
            "lists_protocols",
            stream(0, b"\x13/multistream/1.0.0\n\x03ls\n"),
        ),
    ]
}
