//! Which cells came already: copies die here, before any onion work (`docs/spec/04-hop.md` §3).
//!
//! The fingerprint of a cell is the first eight bytes of its body. Those are pseudorandom for
//! everybody but the neighbours that hold the layer's keys, so that honest cells collide with
//! 2⁻⁶⁴ a pair. A neighbour can choose them, and gains nothing: of two cells that agree in them it
//! loses the second, which it could as well not have sent; and a copy agrees in all its bytes, so
//! that no choice lets one through. A keyed hash of the whole body would buy nothing for its price.
//! Only the *place* in the table is keyed, so that a neighbour cannot aim fingerprints at one place
//! and make us search.

use std::collections::BTreeMap;

use rand_core::CryptoRng;

use super::LinkId;
use crate::cell::Body;
use crate::wire::limits::FILTER_CELLS;

/// Slots of the smallest table; it holds half as many cells.
const SLOTS_MIN: usize = 32;

/// Slots that one search looks at, at most. Half-full tables of this size have runs of about 60.
const RUN_MAX: usize = 512;

const SLOT_LEN: usize = size_of::<u64>();

/// Secrets that decide places; one pair a relay.
#[derive(Clone, Copy)]
pub(super) struct PlaceKey(u64, u64);

impl PlaceKey {
    pub(super) fn random(rng: &mut impl CryptoRng) -> Self {
        Self(rng.next_u64(), rng.next_u64() | 1)
    }

    /// Folded multiplication, then cut to a table's length.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "both halves of the product are used, and a mask is below a table's length"
    )]
    const fn place(self, fingerprint: u64, mask: usize) -> usize {
        let product = (fingerprint ^ self.0) as u128 * self.1 as u128;
        ((product >> 64) as u64 ^ product as u64) as usize & mask
    }
}

/// Bytes that all filters of a relay share, and of those the ones that the paths over one link may
/// have: one neighbour's heavy paths leave the windows of others as they are.
#[derive(Debug)]
pub(super) struct Budget {
    used: usize,
    max: usize,
    link_max: usize,
    by_link: BTreeMap<LinkId, usize>,
}

impl Budget {
    pub(super) const fn new(max: usize, link_max: usize) -> Self {
        Self {
            used: 0,
            max,
            link_max,
            by_link: BTreeMap::new(),
        }
    }

    pub(super) const fn used(&self) -> usize {
        self.used
    }

    /// Grants bytes to a path over `link`, if there are as many or they are its `right`.
    fn take(&mut self, link: LinkId, bytes: usize, right: bool) -> bool {
        let held = self.by_link.get(&link).copied().unwrap_or(0);
        let granted = self.used + bytes <= self.max && held + bytes <= self.link_max;
        if granted || right {
            self.used += bytes;
            self.by_link.insert(link, held + bytes);
        }
        granted || right
    }

    /// A path over `link` is gone, with so many bytes.
    pub(super) fn give_back(&mut self, link: LinkId, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
        match self.by_link.get_mut(&link) {
            Some(held) if *held > bytes => *held -= bytes,
            _ => {
                self.by_link.remove(&link);
            }
        }
    }
}

/// The cells of one path and direction, as far back as [`FILTER_CELLS`] at least: two generations,
/// of which the older is forgotten when the younger is full.
#[derive(Default)]
pub(super) struct Filter {
    young: Generation,
    old: Generation,
}

#[derive(Default)]
struct Generation {
    /// Fingerprints, 0 where there is none; a power of two of them, or none.
    slots: Vec<u64>,
    held: usize,
}

/// Where a search ends.
enum Found {
    Here,
    Free(usize),
    /// Neither, as far as [`RUN_MAX`] goes; or there is no table yet.
    NoRoom,
}

impl Filter {
    /// Whether this is the first time that `body` comes; remembers it. Memory for that is `link`'s.
    pub(super) fn is_new(
        &mut self,
        body: &Body,
        key: PlaceKey,
        budget: &mut Budget,
        link: LinkId,
    ) -> bool {
        let fingerprint = fingerprint(body);
        let young = self.young.find(fingerprint, key);
        if matches!(young, Found::Here) || matches!(self.old.find(fingerprint, key), Found::Here) {
            return false;
        }
        if let (Found::Free(at), false) = (young, self.young.must_grow()) {
            self.young.put(at, fingerprint);
            return true;
        }
        self.make_room(key, budget, link);
        match self.young.find(fingerprint, key) {
            Found::Free(at) => self.young.put(at, fingerprint),
            Found::Here | Found::NoRoom => self.turn_over(),
        }
        true
    }

    /// Bytes on the heap.
    pub(super) const fn bytes(&self) -> usize {
        (self.young.slots.len() + self.old.slots.len()) * SLOT_LEN
    }

    /// Room for one more: a larger table or, without need or memory for one, the next generation.
    fn make_room(&mut self, key: PlaceKey, budget: &mut Budget, link: LinkId) {
        if self.young.held >= FILTER_CELLS {
            self.turn_over();
        } else if self.young.grow_within(budget, link, key) {
            return;
        } else {
            self.turn_over();
        }
        if self.young.slots.is_empty() {
            self.young.grow_within(budget, link, key);
        }
    }

    /// Forgets the older generation; its table serves again.
    fn turn_over(&mut self) {
        core::mem::swap(&mut self.young, &mut self.old);
        self.young.slots.fill(0);
        self.young.held = 0;
    }
}

impl Generation {
    /// Whether it is half full.
    const fn must_grow(&self) -> bool {
        2 * self.held >= self.slots.len()
    }

    fn find(&self, fingerprint: u64, key: PlaceKey) -> Found {
        let Some(mask) = self.slots.len().checked_sub(1) else {
            return Found::NoRoom;
        };
        let start = key.place(fingerprint, mask);
        for step in 0..RUN_MAX.min(self.slots.len()) {
            let at = start.wrapping_add(step) & mask;
            match self.slots.get(at) {
                Some(0) => return Found::Free(at),
                Some(held) if *held == fingerprint => return Found::Here,
                _ => (),
            }
        }
        Found::NoRoom
    }

    fn put(&mut self, at: usize, fingerprint: u64) {
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = fingerprint;
            self.held += 1;
        }
    }

    /// Twice the slots, if there is memory; the smallest table is every path's right, since caps
    /// on paths bound those.
    fn grow_within(&mut self, budget: &mut Budget, link: LinkId, key: PlaceKey) -> bool {
        let now = self.slots.len();
        let slots = (2 * now).max(SLOTS_MIN);
        let extra = (slots - now) * SLOT_LEN;
        let granted = budget.take(link, extra, now == 0);
        if granted {
            self.grow(slots, key);
        }
        granted
    }

    fn grow(&mut self, slots: usize, key: PlaceKey) {
        let before = core::mem::replace(&mut self.slots, vec![0; slots]);
        self.held = 0;
        for fingerprint in before.into_iter().filter(|slot| *slot != 0) {
            if let Found::Free(at) = self.find(fingerprint, key) {
                self.put(at, fingerprint);
            }
        }
    }
}

/// The first eight bytes; 0 marks free slots, so that 0 is taken for 1.
fn fingerprint(body: &Body) -> u64 {
    let head = body.first_chunk().copied().unwrap_or_default();
    u64::from_le_bytes(head).max(1)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;
    use crate::wire::limits::BODY_LEN;

    fn key() -> PlaceKey {
        PlaceKey::random(&mut ChaCha20Rng::from_seed([1; 32]))
    }

    const LINK: LinkId = LinkId(1);

    fn body(head: u64) -> Body {
        let mut body = [0; BODY_LEN];
        body[..8].copy_from_slice(&head.to_le_bytes());
        body
    }

    #[test]
    fn a_copy_is_known_for_65_536_cells_and_no_fresh_cell_is() {
        let (mut filter, key) = (Filter::default(), key());
        let mut budget = Budget::new(usize::MAX, usize::MAX);
        let mut rng = ChaCha20Rng::from_seed([2; 32]);
        let heads: Vec<u64> = (0..300_000).map(|_| rng.next_u64()).collect();
        for (at, head) in heads.iter().enumerate() {
            // False positives: 300,000 × 131,072 / 2⁶⁴ ≈ 2⁻²⁹ for this whole test.
            assert!(
                filter.is_new(&body(*head), key, &mut budget, LINK),
                "cell {at}"
            );
            if at % 7 == 0 {
                let oldest = heads[at.saturating_sub(FILTER_CELLS - 1)];
                assert!(
                    !filter.is_new(&body(oldest), key, &mut budget, LINK),
                    "{at}"
                );
                assert!(!filter.is_new(&body(*head), key, &mut budget, LINK));
            }
        }
        assert_eq!(filter.bytes(), 2 << 20);
        assert_eq!(filter.bytes(), budget.used());
    }

    #[test]
    fn chosen_fingerprints_cause_no_long_searches() {
        let key = key();
        for step in [1, 1 << 17, 1 << 32, 1 << 47, 0x9e37_79b9_7f4a_7c15_u64] {
            let mut generation = Generation::default();
            generation.grow(2 * FILTER_CELLS, key);
            let mut longest = 0;
            for n in 1..=FILTER_CELLS as u64 {
                let fingerprint = n.wrapping_mul(step).max(1);
                let Found::Free(at) = generation.find(fingerprint, key) else {
                    continue;
                };
                let mask = generation.slots.len() - 1;
                longest = longest.max(at.wrapping_sub(key.place(fingerprint, mask)) & mask);
                generation.put(at, fingerprint);
            }
            assert!(longest < RUN_MAX / 2, "step {step:#x}: {longest}");
        }
    }

    #[test]
    fn without_memory_the_window_shrinks_and_the_last_cells_are_still_known() {
        let (mut filter, key) = (Filter::default(), key());
        let mut budget = Budget::new(0, 0);
        for head in 1..10_000_u64 {
            assert!(filter.is_new(&body(head), key, &mut budget, LINK));
            let recent = head.saturating_sub(15).max(1);
            assert!(
                !filter.is_new(&body(recent), key, &mut budget, LINK),
                "{head}"
            );
        }
        assert_eq!(filter.bytes(), 2 * SLOTS_MIN * SLOT_LEN);
        assert_eq!(filter.bytes(), budget.used());
    }

    #[test]
    fn heavy_paths_over_one_link_leave_the_window_of_a_path_over_another() {
        let key = key();
        let per_path = 2 * (2 * FILTER_CELLS).next_power_of_two() * SLOT_LEN;
        let mut budget = Budget::new(3 * per_path, per_path);
        let (mut heavy, mut more) = (Filter::default(), Filter::default());
        let (mut other, all) = (Filter::default(), 0..2 * FILTER_CELLS as u64);
        for head in all.clone() {
            assert!(heavy.is_new(&body(head + 1), key, &mut budget, LINK));
            assert!(more.is_new(&body(head + 1), key, &mut budget, LINK));
        }
        assert!(budget.used() <= per_path + 2 * SLOTS_MIN * SLOT_LEN);
        for head in all {
            assert!(other.is_new(&body(head + 1), key, &mut budget, LinkId(2)));
        }
        assert_eq!(other.bytes(), per_path);
        budget.give_back(LINK, heavy.bytes() + more.bytes());
        budget.give_back(LinkId(2), other.bytes());
        assert!(budget.used() == 0 && budget.by_link.is_empty());
    }
}
