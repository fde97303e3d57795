//! The machine's only randomness: hashes under one label, over the beacon and what is drawn for.

use super::{Seat, SwarmId};
use crate::crypto::hash::{NetworkId, hash, label};

/// Draws of one snapshot. Nobody knows them before its beacon is known.
pub(super) struct Draws<'a> {
    pub(super) network: &'a NetworkId,
    pub(super) beacon: &'a [u8; 32],
}

impl Draws<'_> {
    /// A number for this relay, from its key and its stake, which were fixed before the beacon.
    pub(super) fn of_seat(&self, what: &str, seat: &Seat) -> u64 {
        let height = seat.height.to_be_bytes();
        self.draw(what, &[&seat.relay.0, &height, &seat.block]).0
    }

    /// A number for this swarm.
    pub(super) fn of_swarm(&self, swarm: SwarmId) -> u64 {
        self.draw("swarm", &[&swarm.0.to_be_bytes()]).0
    }

    /// Two numbers for the event of this number.
    pub(super) fn of_event(&self, what: &str, number: usize) -> (u64, u64) {
        self.draw(what, &[&(number as u64).to_be_bytes()])
    }

    fn draw(&self, what: &str, about: &[&[u8]]) -> (u64, u64) {
        let parts: Vec<&[u8]> = [self.beacon, what.as_bytes()]
            .into_iter()
            .chain(about.iter().copied())
            .collect();
        let drawn = hash(label::SWARM_DRAW, self.network, &parts);
        let (first, rest) = drawn.split_first_chunk().unwrap_or((&[0; 8], &[]));
        let second = rest.first_chunk().unwrap_or(&[0; 8]);
        (u64::from_be_bytes(*first), u64::from_be_bytes(*second))
    }
}

/// The number of `0..end` at the place that `drawn` has among all 64-bit numbers. Uneven by less
/// than `end` in 2⁶⁴.
pub(super) fn scale(drawn: u64, end: usize) -> usize {
    let scaled = (u128::from(drawn) * end as u128) >> 64;
    usize::try_from(scaled).unwrap_or_default()
}
