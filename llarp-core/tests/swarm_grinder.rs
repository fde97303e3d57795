//! Somebody with a twentieth of the relays who wants one swarm: what choosing keys, leaving and
//! coming back gains.

use llarp_core::crypto::identity::RelayId;
use llarp_core::registry::swarm::{Seat, SwarmId, assign};

use crate::support::{network, rng};
use crate::swarm_support::*;

/// Whose mailbox is wanted.
const WANTED: u64 = 0x1234_5678_9abc_def0;

/// Tries keys until one lands where it should under `beacon`.
fn ground(history: &History, stake: Seat, beacon: &[u8; 32], keys: usize, seed: u64) -> Seat {
    let wanted = history.swarms().nearest(WANTED).unwrap();
    let mut rng = rng(seed);
    let mut seat = stake;
    for _ in 0..keys {
        seat.relay = RelayId(bytes(&mut rng));
        if lands(history, seat, beacon) == Some(wanted) {
            break;
        }
    }
    seat
}

fn lands(history: &History, seat: Seat, beacon: &[u8; 32]) -> Option<SwarmId> {
    let mut seats = history.seats.clone();
    seats.push(seat);
    assign(&seats, beacon, &network(), &history.params).pop()
}

#[test]
fn a_thousand_keys_gain_nothing_without_the_beacon_and_everything_with_it() {
    let history = History::genesis(180, 31);
    let wanted = history.swarms().nearest(WANTED).unwrap();
    let (tries, keys) = if full() { (1000, 1000) } else { (200, 150) };
    let whole = Whole::begin(
        "a_thousand_keys_gain_nothing_without_the_beacon_and_everything_with_it",
        format!("{tries} joins with {keys} keys each"),
    );
    let (mut blind, mut seeing) = (0, 0);
    for seed in 0..tries {
        let mut rng = rng(1000 + seed);
        let [old, new, later] = [0; 3].map(|_| bytes(&mut rng));
        let stake = Seat {
            relay: RelayId([0; 32]),
            height: 1,
            block: later,
            previous: None,
        };
        // The key is chosen before its stake is in a block and before the beacon is known: what can
        // be tried is the stake of a guess, under the last beacon.
        let guess = Seat {
            block: [0; 32],
            ..stake
        };
        let key = ground(&history, guess, &old, keys, seed).relay;
        blind += usize::from(
            lands(
                &history,
                Seat {
                    relay: key,
                    ..stake
                },
                &new,
            ) == Some(wanted),
        );
        if seed < 20 {
            let ground = ground(&history, stake, &new, keys.max(300), seed);
            seeing += usize::from(lands(&history, ground, &new) == Some(wanted));
        }
    }
    let expected = tries as f64 / 20.0;
    say(&format!(
        "{keys} keys a join: {blind} of {tries} joins landed, {expected} without trying"
    ));
    // Six standard deviations.
    assert!(
        (blind as f64 - expected).abs() < 6.0 * expected.sqrt(),
        "{blind} of {tries}"
    );
    // That is why the beacon must come last; and the attack above was one.
    assert!(seeing >= 19, "{seeing} of 20");
    whole.found_nothing();
}

/// How often the grinder leaves with whom it has elsewhere, and comes back.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Never: what chance gives.
    Honest,
    /// All of them, every epoch.
    Loud,
    /// All of them when the swarm has lost somebody, so that there is room in it.
    Timed,
    /// One in thirty each epoch: a stake that is locked for a month.
    Locked,
}

/// Members of the wanted swarm that are the grinder's, at each epoch; and what share of it chance
/// gives.
fn siege(way: Way, honest_churn: f64, stirs: u8, seed: u64, epochs: usize) -> Vec<f64> {
    const RELAYS: usize = 500;
    const OURS: usize = RELAYS / 20;
    let mut history = History::empty(seed);
    history.params = llarp_core::registry::swarm::SwarmParams::new(9, 7, stirs).unwrap();
    let mut joins = history.newcomers(RELAYS);
    mark(&mut joins, OURS);
    history.step(joins);
    let mut held = Vec::new();
    for epoch in 0..epochs {
        let wanted = history.swarms().nearest(WANTED).unwrap();
        let before = history.seats.len();
        let mut dice = rng(seed * 1_000_003 + epoch as u64);
        let mut goes = |share: f64| (below(&mut dice, 1 << 30) as f64) < share * f64::from(1 << 30);
        history
            .seats
            .retain(|seat| is_ours(seat) || !goes(honest_churn));
        let room = history
            .seats
            .iter()
            .filter(|seat| seat.previous == Some(wanted))
            .count()
            < 9;
        let share = match way {
            Way::Honest => honest_churn,
            Way::Loud => 1.0,
            Way::Timed => f64::from(u8::from(room)),
            Way::Locked => 1.0 / 30.0,
        };
        let stays = |seat: &Seat| seat.previous == Some(wanted) && !matches!(way, Way::Honest);
        history
            .seats
            .retain(|seat| !is_ours(seat) || stays(seat) || !goes(share));
        let ours = history.seats.iter().filter(|seat| is_ours(seat)).count();
        let mut joins = history.newcomers(before - history.seats.len());
        mark(&mut joins, OURS - ours);
        history.step(joins);
        let swarms = history.swarms();
        let members = swarms.members(swarms.nearest(WANTED).unwrap());
        held.push(members.iter().filter(|relay| relay.0[0] == 0xff).count() as f64);
    }
    held.split_off(epochs / 4)
}

/// The first of these are the grinder's: their keys begin with 0xff, those of others do not.
fn mark(joins: &mut [Seat], ours: usize) {
    for (at, seat) in joins.iter_mut().enumerate() {
        seat.relay.0[0] = if at < ours {
            0xff
        } else {
            seat.relay.0[0] & 0x7f
        };
    }
}

fn is_ours(seat: &Seat) -> bool {
    seat.relay.0[0] == 0xff
}

#[test]
fn coming_back_again_and_again_gains_a_bounded_factor() {
    let (runs, epochs) = if full() { (8, 400) } else { (3, 200) };
    let whole = Whole::begin(
        "coming_back_again_and_again_gains_a_bounded_factor",
        format!("{runs} runs of {epochs} epochs"),
    );
    let mut worst = 0.0_f64;
    for churn in [0.002, 0.01, 0.05] {
        for way in [Way::Honest, Way::Locked, Way::Timed, Way::Loud] {
            let held: Vec<f64> = (0..runs)
                .flat_map(|seed| siege(way, churn, 3, seed, epochs))
                .collect();
            let most =
                held.iter().filter(|count| **count >= 5.0).count() as f64 / held.len() as f64;
            let [mean, p99, max] = summary(held);
            // A twentieth of nine members.
            let factor = mean / 0.45;
            say(&format!(
                "{:.1} % churn, {way:?}: {mean:.2} of 9 members ({factor:.1} times chance), p99 {p99}, \
                 max {max}; five or more in {:.2} % of epochs",
                churn * 100.0,
                most * 100.0,
            ));
            worst = worst.max(factor);
        }
    }
    assert!(worst < 4.5, "{worst}");
    whole.found_nothing();
}

#[test]
fn without_stirring_the_swarm_would_be_taken() {
    // What the stirs are for, and that the siege is one.
    let mean = |stirs| {
        let held: Vec<f64> = (0..3)
            .flat_map(|seed| siege(Way::Loud, 0.002, stirs, seed, 200))
            .collect();
        summary(held)[0]
    };
    let [none, three] = [0, 3].map(mean);
    say(&format!(
        "{none:.2} members without stirs, {three:.2} with three"
    ));
    assert!(none > 2.0 * three, "{none} {three}");
}
