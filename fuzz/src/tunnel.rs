//! `tunnel_heads` and `tunnel_handshake`: what a tunnel's far end says before and behind QUIC.

use std::sync::LazyLock;

use llarp_core::crypto::identity::RelayId;
use llarp_core::crypto::noise::StaticKey;
use llarp_core::crypto::onion_key::OnionKeyId;
use llarp_core::crypto::secret::Secret;
use llarp_core::tunnel::handshake::{Draws, answer_to, call};
use llarp_core::tunnel::{Description, FarEnd, HandshakeError, ServiceName, Status, TunnelKeys};
use llarp_core::wire::Reader;
use llarp_core::wire::limits::{SERVICE_NAME_MAX, SERVICES_MAX};

use crate::Seed;
use crate::fixture::{NETWORK, RELAYS};
use crate::input::{Input, counting, mutate};

/// The input is a stream's head and what follows it, a text, a status, a description, and changes to
/// one. What is read is what the model reads, and writes the same bytes.
pub(crate) fn heads(bytes: &[u8]) {
    read_name(bytes);
    if let Ok(text) = str::from_utf8(bytes) {
        let name = ServiceName::new(text);
        assert_eq!(name.is_ok(), is_name(bytes));
        assert!(name.is_err() || name.is_ok_and(|name| name.as_str() == text));
    }
    let mut input = Input::new(bytes);
    let code = input.u8();
    assert_eq!(Status::from_code(code).code(), code);
    read_description(bytes);
    let mut changed = description(3);
    mutate(&mut changed, &mut Input::new(bytes), 4);
    read_description(&changed);
}

fn read_name(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let found = ServiceName::read(&mut reader);
    let expected = bytes.split_first().and_then(|(len, behind)| {
        let name = behind.get(..usize::from(*len))?;
        is_name(name).then_some(name)
    });
    match (found, expected) {
        (Ok(found), Some(expected)) => {
            assert_eq!(found.as_str().as_bytes(), expected);
            let mut again = Vec::new();
            found.encode(&mut again);
            assert_eq!([&again, reader.rest()].concat(), bytes);
        }
        (Err(error), None) => assert_eq!(error.field, "service name"),
        (found, expected) => panic!("{found:?}, not {expected:?}"),
    }
}

fn is_name(bytes: &[u8]) -> bool {
    (1..=SERVICE_NAME_MAX).contains(&bytes.len())
        && bytes.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

fn read_description(bytes: &[u8]) {
    match Description::decode(bytes) {
        Ok(description) => {
            assert_eq!(description.encode(), bytes);
            let services = &description.services;
            assert!(services.len() <= SERVICES_MAX);
            assert!(services.is_sorted_by(|one, next| one < next));
        }
        Err(error) => assert!(FIELDS.contains(&error.field), "{error}"),
    }
}

const FIELDS: &[&str] = &[
    "version",
    "relay id",
    "count",
    "service name",
    "description",
];

fn description(services: usize) -> Vec<u8> {
    let name = |number| ServiceName::new(&format!("service/{number:03}")).expect("a name");
    let services = (0..services).map(name).collect();
    let relay = RelayId([7; 32]);
    Description { relay, services }.encode()
}

pub(crate) fn heads_seeds() -> Vec<Seed> {
    let mut unsorted = description(2);
    let last = unsorted.len() - 1;
    unsorted[last] = b'0';
    let whole = description(3);
    let long = [vec![33], vec![b'a'; 33]].concat();
    vec![
        ("echo", b"\x06echo/1and what follows".to_vec()),
        ("space", b"\x03a b".to_vec()),
        ("empty", vec![0]),
        ("longest", [vec![32], vec![b'a'; 32]].concat()),
        ("too_long", long),
        ("no_text", vec![2, 0xc3, 0x28]),
        ("description", whole.clone()),
        ("offers_nothing", description(0)),
        ("unsorted", unsorted),
        ("cut", whole[..whole.len() - 1].to_vec()),
        ("full", description(SERVICES_MAX)),
    ]
}

/// The first relay, as who answers calls.
struct Callee;

impl TunnelKeys for Callee {
    fn relay(&self) -> RelayId {
        RELAYS[0].id
    }

    fn find(&self, id: &OnionKeyId) -> Option<StaticKey> {
        let [onion] = &RELAYS[0].onion;
        (*id == onion.id()).then(|| onion.x25519().clone())
    }
}

static FAR: LazyLock<FarEnd> = LazyLock::new(|| FarEnd::Terminal {
    relay: RELAYS[0].id,
    onion: RELAYS[0].public.clone(),
});

/// The input is a message 1 or 2, then the lengths of both sides' parameters, changes to message 1,
/// and changes to message 2. Only unchanged messages open, with the very parameters, and split alike.
pub(crate) fn handshake(bytes: &[u8]) {
    let draws = Draws::new(&Secret::take(&mut [4; 32]), *NETWORK);
    let mut input = Input::new(bytes);
    let refused = |message: &[u8]| match answer_to(&NETWORK, &Callee, message, &draws) {
        Ok(_) => panic!("nobody called"),
        Err(HandshakeError::Malformed(error)) => {
            assert!(
                message.len() < 16 && error.field == "onion key id",
                "{error}"
            );
        }
        Err(_) => assert!(message.len() >= 16),
    };
    refused(bytes);
    let (ours, theirs) = (
        counting(1, input.u8().into()),
        counting(2, input.u8().into()),
    );
    let (expect, first) = call(&NETWORK, &FAR, &ours, &draws).expect("a good key");
    let mut changed = first.clone();
    let steps = input.below(4);
    mutate(&mut changed, &mut input, steps);
    if changed != first {
        refused(&changed);
    }
    let (read, owes) = answer_to(&NETWORK, &Callee, &first, &draws).expect("unchanged");
    assert_eq!(read, ours);
    let (second, split) = owes.answer(&theirs).expect("a good key");
    let mut changed = second.clone();
    mutate(&mut changed, &mut input, 3);
    match expect.finish(&changed) {
        Ok((read, same)) => {
            assert_eq!((&changed, read), (&second, theirs));
            assert_eq!(split.to_responder, same.to_responder);
            assert_eq!(split.to_initiator, same.to_initiator);
        }
        Err(_) => assert_ne!(changed, second),
    }
}

pub(crate) fn handshake_seeds() -> Vec<Seed> {
    let flip = |place: u16, value| [vec![4], place.to_be_bytes().to_vec(), vec![value]].concat();
    let script = |first: &[u8], second: &[u8]| {
        let steps = u8::from(!first.is_empty());
        [&[60, 80, steps], first, second].concat()
    };
    vec![
        ("both_open", script(&[], &[])),
        ("another_key_id", script(&flip(3, 1), &[])),
        ("another_ephemeral", script(&flip(20, 0x80), &[])),
        ("first_changed", script(&flip(60, 1), &[])),
        ("first_cut", script(&[0, 0, 40, 0], &[])),
        ("first_longer", script(&[2, 0, 0, 9], &[])),
        ("second_changed", script(&[], &flip(40, 1))),
        ("second_cut", script(&[], &[0, 0, 20, 0])),
    ]
}
