//! The judges of likeness find what is planted, and do not cry wolf.

use llarp_core::wire::limits::CELL_LEN;
use llarp_tests::net::compare::{Place, Shared, likeness, shared_by_messages, shared_windows};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const CELLS: usize = 10_000;
/// Enough for what shows in each cell.
const FEW: usize = 3_000;

fn random(seed: u64, count: usize, len: usize) -> Vec<Vec<u8>> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let item = |_| {
        let mut bytes = vec![0; len];
        rng.fill_bytes(&mut bytes);
        bytes
    };
    (0..count).map(item).collect()
}

/// Two links; the second is random but where `plant` makes bytes of a cell out of the first's.
fn planted(plant: impl Fn(usize, &[u8], &mut [u8])) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (a, mut b) = (random(1, FEW, 200), random(2, FEW, 200));
    for (number, (a, b)) in a.iter().zip(&mut b).enumerate() {
        plant(number, a, b);
    }
    (a, b)
}

#[test]
fn random_cells_share_nothing_and_look_like_chance() {
    let (a, b) = (random(1, CELLS, CELL_LEN), random(2, CELLS, CELL_LEN));
    assert_eq!(shared_windows(&a, &b), []);
    let found = likeness(&a, &b, 0..CELL_LEN);
    assert!(found.is_chance(), "{found:?}");
    assert!(found.worst_xor.chi_square > 300.0, "the worst of 1312");
}

#[test]
fn one_window_shared_at_other_offsets_is_found_among_many() {
    let (a, mut b) = (random(1, FEW, 200), random(2, FEW, 200));
    b[2000][13..21].copy_from_slice(&a[17][192..200]);
    let first = Place {
        item: 17,
        offset: 192,
    };
    let second = Place {
        item: 2000,
        offset: 13,
    };
    assert_eq!(shared_windows(&a, &b), [Shared { first, second }]);
    b[2000][20] ^= 1;
    assert_eq!(shared_windows(&a, &b), []);
}

#[test]
fn many_shared_windows_are_not_all_listed() {
    let a = random(1, 100, 200);
    assert_eq!(shared_windows(&a, &a).len(), 16);
}

#[test]
fn a_constant_xor_is_found() {
    let (a, b) = planted(|number, a, b| {
        if number < 2 {
            for offset in 50..58 {
                b[offset] = a[offset] ^ 0x5a;
            }
        }
    });
    let found = likeness(&a, &b, 0..200);
    assert_eq!((found.repeated_xors, found.repeated_differences), (1, 0));
    assert!(!found.is_chance());
    assert!(likeness(&a, &b, 51..200).is_chance(), "{found:?}");
}

#[test]
fn a_constant_difference_is_found() {
    let (a, b) = planted(|number, a, b| {
        if number >= FEW - 2 {
            let value = u64::from_be_bytes(a[192..].try_into().unwrap());
            b[192..].copy_from_slice(&value.wrapping_sub(0x0123_4567_89ab_cdef).to_be_bytes());
        }
    });
    let found = likeness(&a, &b, 0..200);
    assert_eq!((found.repeated_xors, found.repeated_differences), (0, 1));
    assert!(!found.is_chance());
}

#[test]
fn one_related_bit_shows_in_the_histograms() {
    let (a, b) = planted(|_, a, b| b[77] = b[77] & 0xfe | a[77] & 1);
    let found = likeness(&a, &b, 0..200);
    assert_eq!((found.repeated_xors, found.repeated_differences), (0, 0));
    assert_eq!(found.worst_xor.offset, 77);
    assert!(!found.is_chance());
    assert_eq!(likeness(&a, &b, 70..200).worst_xor.offset, 77);
    let (a, b) = planted(|_, a, b| b[3] = a[3].wrapping_sub(7));
    let found = likeness(&a, &b, 0..200);
    assert_eq!(found.worst_difference.offset, 3);
    // One value alone; the XORs have several.
    let one_value = f64::from(u32::try_from(255 * FEW).unwrap());
    assert!(found.worst_difference.chi_square > 0.99 * one_value);
    assert!(found.worst_xor.chi_square < 0.8 * one_value);
}

#[test]
fn a_window_of_one_message_in_another_is_found_and_its_own_repeats_are_not() {
    let mut messages = random(1, 40, 5_000);
    messages[3].copy_within(0..500, 1000);
    assert_eq!(shared_by_messages(&messages), []);
    let window: [u8; 16] = messages[5][100..116].try_into().unwrap();
    messages[39][4984..].copy_from_slice(&window);
    let first = Place {
        item: 5,
        offset: 100,
    };
    let second = Place {
        item: 39,
        offset: 4984,
    };
    assert_eq!(shared_by_messages(&messages), [Shared { first, second }]);
}

#[test]
#[should_panic(expected = "3 pairs of cells")]
fn too_few_cells_are_not_judged() {
    let _ = likeness(&random(1, 3, 50), &random(2, 9, 50), 0..50);
}
