//! `swarm_assign`: histories of swarms.

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::RelayId;
use llarp_core::registry::swarm::{Seat, SwarmId, SwarmParams, Swarms, assign};

use crate::Seed;
use crate::input::Input;

/// Relays at most: enough for more swarms than nine, and quick.
const RELAYS: usize = 160;

/// The input is parameters, then snapshots: relays that leave, relays that come, and now and then
/// one whose swarm in the predecessor is anything. Each relay has a swarm; no swarm has fewer
/// members than it should while there are enough relays; there are as many swarms as should be;
/// the order of the seats does not matter; mailboxes find a swarm that exists.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let [target, least, stirs] = input.array();
    let params = SwarmParams::new(target, least, stirs).unwrap_or(SwarmParams::DEFAULT);
    let network = NetworkId([7; 32]);
    let mut seats: Vec<Seat> = Vec::new();
    let mut made = true;
    while !input.is_empty() {
        made &= change(&mut seats, &mut input);
        let beacon = [input.u8(); 32];
        let swarms = assign(&seats, &beacon, &network, &params);
        assert_eq!(swarms.len(), seats.len());
        assert_order_is_nothing(&seats, &swarms, &beacon, &network, &params);
        assert_sizes(&seats, &swarms, &params, made);
        for (seat, swarm) in seats.iter_mut().zip(swarms) {
            seat.previous = Some(swarm);
        }
    }
}

/// Leaves, joins, and swarms out of nowhere; whether there were no such ones.
fn change(seats: &mut Vec<Seat>, input: &mut Input<'_>) -> bool {
    for _ in 0..input.u8() {
        let at = input.u8();
        match usize::from(at).checked_rem(seats.len()) {
            Some(at) => drop(seats.swap_remove(at)),
            None => break,
        }
    }
    let joins = input.below(RELAYS);
    for number in (0..=u8::MAX).take(joins) {
        let relay = RelayId([number; 32]);
        if seats.len() < RELAYS && seats.iter().all(|seat| seat.relay != relay) {
            let (height, block) = (number.into(), [number; 32]);
            let previous = None;
            seats.push(Seat {
                relay,
                height,
                block,
                previous,
            });
        }
    }
    let strange = input.u8().saturating_sub(200);
    for _ in 0..strange {
        let (at, id) = (input.u8(), input.u64());
        let at = usize::from(at).checked_rem(seats.len());
        if let Some(seat) = at.and_then(|at| seats.get_mut(at)) {
            seat.previous = Some(SwarmId(id));
        }
    }
    strange == 0
}

fn assert_order_is_nothing(
    seats: &[Seat],
    swarms: &[SwarmId],
    beacon: &[u8; 32],
    network: &NetworkId,
    params: &SwarmParams,
) {
    let reversed: Vec<Seat> = seats.iter().rev().copied().collect();
    let mut again = assign(&reversed, beacon, network, params);
    again.reverse();
    assert_eq!(again, swarms);
}

fn assert_sizes(seats: &[Seat], swarms: &[SwarmId], params: &SwarmParams, made: bool) {
    let (target, least) = (usize::from(params.target()), usize::from(params.least()));
    let relays = seats.len();
    let swarms = Swarms::new(
        seats
            .iter()
            .map(|seat| seat.relay)
            .zip(swarms.iter().copied()),
    );
    let count = swarms.len();
    assert_eq!(count == 0, relays == 0);
    assert!(count <= 1 || relays > least * count, "{count} of {relays}");
    assert!(relays < target * (count + 1), "{count} of {relays}");
    for (id, members) in swarms.iter() {
        let size = members.len();
        assert!(size >= least.min(relays), "{size}");
        // A predecessor that no machine made may have one of any size.
        assert!(size < 2 * target || !made, "{size}");
        assert_eq!(swarms.nearest(id.0), Some(id));
    }
    let of_mailbox = swarms.swarm_of(&[3; 32], &NetworkId([7; 32]));
    assert!(of_mailbox.is_none_or(|id| !swarms.members(id).is_empty()));
}

pub(crate) fn seeds() -> Vec<Seed> {
    // Leaves (and which), joins up to that relay, strange ones, beacon.
    let begin: &[u8] = &[9, 7, 3, 0, 100, 0, 1];
    let churn: &[u8] = &[3, 5, 90, 17, 104, 0, 2, 1, 40, 0, 0, 3, 0, 120, 0, 4];
    let mut departure = vec![80];
    departure.extend(1..=80);
    departure.extend([0, 0, 5]);
    let strange: &[u8] = &[
        0, 60, 203, 1, 0, 0, 0, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 0, 0, 0, 10, 3, 255, 255, 255, 255,
        255, 255, 255, 255, 6,
    ];
    vec![
        ("genesis", begin.to_vec()),
        ("churn", [begin, churn].concat()),
        ("departure", [begin, &departure, churn].concat()),
        ("strange", [begin, strange, churn].concat()),
        (
            "wrong_parameters",
            [&[9, 9, 3], &begin[3..], churn].concat(),
        ),
        ("least_of_all", [&[2, 1, 0], &begin[3..], churn].concat()),
    ]
}
