//! Uniform draws from the caller's generator.

use rand_core::Rng;

/// Uniform in `0..bound`; 0 if `bound` is 0. Off by less than 2⁻⁶⁴ · bound.
pub(super) fn below(bound: u64, rng: &mut impl Rng) -> u64 {
    let drawn = (u128::from(bound) * u128::from(rng.next_u64())) >> 64;
    u64::try_from(drawn).unwrap_or(0)
}

/// Uniform in `low..=high`.
pub(super) fn between(low: u64, high: u64, rng: &mut impl Rng) -> u64 {
    let width = high.saturating_sub(low).saturating_add(1);
    low.saturating_add(below(width, rng))
}

/// One of `items`, by weight; `None` if there is none or all weigh nothing.
pub(super) fn weighted<T: Copy>(items: &[(T, u64)], rng: &mut impl Rng) -> Option<T> {
    let total = items.iter().map(|(_, weight)| weight).sum();
    let mut drawn = below(total, rng);
    for (item, weight) in items {
        match drawn.checked_sub(*weight) {
            None => return Some(*item),
            Some(rest) => drawn = rest,
        }
    }
    None
}

/// One of `items`, all alike.
pub(super) fn one_of<T: Copy>(items: &[T], rng: &mut impl Rng) -> Option<T> {
    let at = usize::try_from(below(items.len() as u64, rng)).ok()?;
    items.get(at).copied()
}
