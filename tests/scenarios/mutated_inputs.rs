//! Bad input: valid bytes, changed in many ways, are refused with an error that names the field,
//! never with a panic, and are accepted only where they are valid again.
//!
//! Each check has a model that says which error is right.

mod builds;
mod cells;
mod files;
mod names;
mod targets;

use llarp_tests::Heavy;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A check of the sizes that all of this module have.
const fn mutated(name: &'static str) -> Heavy {
    Heavy {
        name,
        ci: 100_000,
        full: 10_000_000,
    }
}

/// A generator for fixtures.
fn fixed(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// A number below `end`, which is not 0.
fn below(rng: &mut ChaCha20Rng, end: usize) -> usize {
    usize::try_from(rng.next_u64() % end as u64).unwrap_or_default()
}

fn pick<'a, T>(rng: &mut ChaCha20Rng, from: &'a [T]) -> &'a T {
    &from[below(rng, from.len())]
}

/// Changes `bytes`, mostly once and mostly without changing their number; parts of `donor`, valid
/// bytes of the same kind, come in.
fn mutate(bytes: &mut Vec<u8>, donor: &[u8], rng: &mut ChaCha20Rng) {
    let steps = [1, 1, 1, 2, 3, 6][below(rng, 6)];
    for _ in 0..steps {
        step(bytes, donor, rng);
    }
}

fn step(bytes: &mut Vec<u8>, donor: &[u8], rng: &mut ChaCha20Rng) {
    if bytes.is_empty() {
        return bytes.extend(donor);
    }
    let place = below(rng, bytes.len());
    let len = 1 + below(rng, 64).min(bytes.len() - place - 1);
    let part = &mut bytes[place..place + len];
    match below(rng, 16) {
        0..5 => part[0] ^= 1 << below(rng, 8),
        5 | 6 => part[0] = *pick(rng, &[0, 1, 2, 0x7f, 0x80, 0xff, b'y', b'.']),
        7 => rng.fill_bytes(part),
        8 => part.fill(0),
        9 => part.reverse(),
        10 | 11 => {
            // A splice, of the same place or of another.
            let same = if donor.len() > place { place } else { 0 };
            let other = below(rng, donor.len());
            let from = *pick(rng, &[same, other]);
            for (to, from) in part.iter_mut().zip(&donor[from..]) {
                *to = *from;
            }
        }
        12 => bytes.truncate(place),
        13 => {
            bytes.drain(place..place + len);
        }
        14 => {
            let insert = part.to_vec();
            bytes.splice(place..place, insert);
        }
        _ => {
            let mut more = vec![0; len];
            rng.fill_bytes(&mut more);
            bytes.extend(more);
        }
    }
}
