//! Cells of a path of three hops, as every link carries them.

use llarp_core::cell::{
    Body, Command, HopKeys, InboundLayers, MiddleHop, OutboundLayers, Peeled, Probe, TerminalHop,
};
use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::noise::Split;
use llarp_core::crypto::secret::Secret;
use llarp_core::wire::limits::BODY_LEN;
use serde_json::{Value, json};

use super::{array, bytes, hex, read};

fn keys(net: &NetworkId, splits: &[[[u8; 32]; 2]; 3]) -> [HopKeys; 3] {
    splits.map(|[mut up, mut down]| {
        let split = Split {
            to_responder: Secret::take(&mut up),
            to_initiator: Secret::take(&mut down),
        };
        HopKeys::of_split(net, &split)
    })
}

fn commands() -> Vec<(usize, Command, Vec<u8>)> {
    let probe = Probe {
        nonce: *b"nonce 01",
        sent: 3,
        received: 1,
    };
    vec![
        (2, Command::Data, b"a packet of the tunnel".to_vec()),
        (2, Command::Data, vec![0xdd; 1277]),
        (1, Command::Probe, probe.encode().to_vec()),
        (0, Command::Pad, Vec::new()),
        (2, Command::Closed, vec![0]),
        (2, Command::Unknown(0x7f), b"later".to_vec()),
    ]
}

pub(super) fn make() -> Value {
    let net = NetworkId::from_name("vectors");
    let splits = [1, 3, 5].map(|byte| [[byte; 32], [byte + 1; 32]]);
    let keys = keys(&net, &splits);
    let mut out = OutboundLayers::new(&keys);
    let up: Vec<_> = commands()
        .into_iter()
        .map(|(hop, command, data)| {
            let mut body = [0; BODY_LEN];
            out.seal(hop, command, &data, &mut body).unwrap();
            cell(hop, command, &data, &body)
        })
        .collect();
    json!({
        "network": hex(&net.0),
        "hops": keys.iter().zip(splits).map(hop).collect::<Vec<_>>(),
        "up": up,
        "down": down(&keys),
    })
}

fn hop((keys, [to_responder, to_initiator]): (&HopKeys, [[u8; 32]; 2])) -> Value {
    json!({
        "split_to_responder": hex(&to_responder),
        "split_to_initiator": hex(&to_initiator),
        "key_up": hex(keys.up().expose()),
        "key_down": hex(keys.down().expose()),
    })
}

/// The body as the client's own link carries it.
fn cell(hop: usize, command: Command, data: &[u8], body: &Body) -> Value {
    json!({ "hop": hop, "command": command.code(), "data": hex(data), "body": hex(body) })
}

fn down(keys: &[HopKeys; 3]) -> Vec<Value> {
    let mut terminal = TerminalHop::new(&keys[2]);
    let mut middle = [MiddleHop::new(&keys[0]), MiddleHop::new(&keys[1])];
    let send = |(hop, command, data): (usize, Command, Vec<u8>)| {
        let mut body = [0; BODY_LEN];
        match hop {
            2 => terminal.seal(command, &data, &mut body).unwrap(),
            hop => middle[hop].seal(command, &data, &mut body).unwrap(),
        }
        for before in (0..hop).rev() {
            middle[before].wrap(&mut body).unwrap();
        }
        cell(hop, command, &data, &body)
    };
    commands().into_iter().map(send).collect()
}

fn keys_of(vectors: &Value) -> [HopKeys; 3] {
    let net = NetworkId(array(&vectors["network"]));
    let split = |hop: usize| {
        let hop = &vectors["hops"][hop];
        [
            array(&hop["split_to_responder"]),
            array(&hop["split_to_initiator"]),
        ]
    };
    keys(&net, &[split(0), split(1), split(2)])
}

#[test]
fn upstream_cells_of_the_vectors_open_at_their_hops() {
    let vectors = read("cell");
    let keys = keys_of(&vectors);
    let mut middle = [MiddleHop::new(&keys[0]), MiddleHop::new(&keys[1])];
    let mut terminal = TerminalHop::new(&keys[2]);
    for vector in vectors["up"].as_array().unwrap() {
        let (mut body, hop): (Body, _) = (array(&vector["body"]), vector["hop"].as_u64().unwrap());
        let mut found = None;
        for (index, layer) in middle.iter_mut().enumerate() {
            if let Peeled::Ours { command, data } = layer.peel(&mut body).unwrap() {
                found = Some((index as u64, command, data.to_vec()));
                break;
            }
        }
        let (at, command, data) = found.unwrap_or_else(|| {
            let (command, data) = terminal.open(&mut body).unwrap();
            (2, command, data.to_vec())
        });
        assert_eq!((at, data), (hop, bytes(&vector["data"])));
        assert_eq!(
            u64::from(command.code()),
            vector["command"].as_u64().unwrap()
        );
    }
}

#[test]
fn downstream_cells_of_the_vectors_open_at_the_client() {
    let vectors = read("cell");
    let mut inbound = InboundLayers::new(&keys_of(&vectors));
    for vector in vectors["down"].as_array().unwrap() {
        let mut body: Body = array(&vector["body"]);
        let arrived = inbound.open(&mut body).unwrap();
        assert_eq!(arrived.hop as u64, vector["hop"].as_u64().unwrap());
        assert_eq!(arrived.data, bytes(&vector["data"]));
        assert_eq!(
            u64::from(arrived.command.code()),
            vector["command"].as_u64().unwrap()
        );
    }
}
