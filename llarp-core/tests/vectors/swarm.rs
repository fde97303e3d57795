//! `swarm.json`: a history of swarms, snapshot by snapshot, and where mailboxes lie.

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::RelayId;
use llarp_core::registry::swarm::{Seat, SwarmId, SwarmParams, Swarms, assign, mailbox_position};
use serde_json::{Value, json};

use super::{array, bytes, hex, read};

/// Relays after each snapshot: a genesis, a join, a leave, swarms that open, swarms that dissolve,
/// and an end with a single swarm.
const RELAYS: [usize; 6] = [40, 41, 40, 75, 30, 6];

/// The letters of a key, a block, a beacon: `what` and a number, filled up with zeros.
fn named(what: &str, number: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes[8..8 + what.len()].copy_from_slice(what.as_bytes());
    bytes
}

fn newcomer(number: u64) -> Seat {
    Seat {
        relay: RelayId(named("relay", number)),
        height: 1000 + number,
        block: named("block", number),
        previous: None,
    }
}

pub(super) fn make() -> Value {
    let network = NetworkId::from_name("test");
    let params = SwarmParams::DEFAULT;
    let mut seats: Vec<Seat> = Vec::new();
    let mut numbers = 0..;
    let mut snapshots = Vec::new();
    for (number, relays) in (0..).zip(RELAYS) {
        // Who leaves is every third, again and again.
        while seats.len() > relays {
            seats.remove(seats.len() / 3);
        }
        let joins = relays - seats.len();
        seats.extend(numbers.by_ref().take(joins).map(newcomer));
        seats.sort_by_key(|seat| seat.relay);
        let beacon = named("beacon", number);
        let swarms = assign(&seats, &beacon, &network, &params);
        let listed: Vec<_> = seats
            .iter()
            .zip(&swarms)
            .map(|(seat, swarm)| listed(seat, *swarm))
            .collect();
        snapshots.push(json!({ "beacon": hex(&beacon), "seats": listed }));
        for (seat, swarm) in seats.iter_mut().zip(swarms) {
            seat.previous = Some(swarm);
        }
        if number == 3 {
            let members = seats
                .iter()
                .map(|seat| (seat.relay, seat.previous.unwrap()));
            let swarms = Swarms::new(members);
            let mailboxes: Vec<_> = (0..12).map(|key| mailbox(&swarms, key, &network)).collect();
            snapshots.last_mut().unwrap()["mailboxes"] = mailboxes.into();
        }
    }
    json!({
        "network": hex(&network.0),
        "target": params.target(),
        "least": params.least(),
        "stirs": params.stirs(),
        "snapshots": snapshots,
    })
}

fn listed(seat: &Seat, swarm: SwarmId) -> Value {
    json!({
        "relay": hex(&seat.relay.0),
        "height": seat.height,
        "block": hex(&seat.block),
        "previous": seat.previous.map(place),
        "swarm": place(swarm),
    })
}

fn mailbox(swarms: &Swarms, number: u64, network: &NetworkId) -> Value {
    let key = named("mailbox", number);
    let position = mailbox_position(&key, network);
    let swarm = swarms.swarm_of(&key, network).unwrap();
    json!({ "key": hex(&key), "position": hex(&position.to_be_bytes()), "swarm": place(swarm) })
}

/// As hex: numbers of 64 bits are not safe in JSON.
fn place(swarm: SwarmId) -> String {
    hex(&swarm.0.to_be_bytes())
}

#[test]
fn swarms_follow_from_what_stands_in_the_file() {
    let file = read("swarm");
    let network = NetworkId(array(&file["network"]));
    let number = |name: &str| u8::try_from(file[name].as_u64().unwrap()).unwrap();
    let params = SwarmParams::new(number("target"), number("least"), number("stirs")).unwrap();
    let id = |value: &Value| SwarmId(u64::from_be_bytes(array(value)));
    for snapshot in file["snapshots"].as_array().unwrap() {
        let listed = snapshot["seats"].as_array().unwrap();
        let seat = |value: &Value| Seat {
            relay: RelayId(array(&value["relay"])),
            height: value["height"].as_u64().unwrap(),
            block: array(&value["block"]),
            previous: (!value["previous"].is_null()).then(|| id(&value["previous"])),
        };
        let seats: Vec<_> = listed.iter().map(seat).collect();
        let expected: Vec<_> = listed.iter().map(|value| id(&value["swarm"])).collect();
        let beacon = array(&snapshot["beacon"]);
        assert_eq!(assign(&seats, &beacon, &network, &params), expected);
        let swarms = Swarms::new(seats.iter().map(|seat| seat.relay).zip(expected));
        for mailbox in snapshot["mailboxes"].as_array().into_iter().flatten() {
            let key: [u8; 32] = bytes(&mailbox["key"]).try_into().unwrap();
            let position = u64::from_be_bytes(array(&mailbox["position"]));
            assert_eq!(mailbox_position(&key, &network), position);
            assert_eq!(swarms.swarm_of(&key, &network), Some(id(&mailbox["swarm"])));
        }
    }
}
