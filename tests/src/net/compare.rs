//! Whether what passes on two links can be told to belong together, by its bytes.
//!
//! In: recorded cells or messages. Out: windows that they share, and what XOR and difference of
//! cells of the same number show beyond chance. *Not* here: times and sizes. The properties are in
//! the specification of cells and builds; chance is that of random bytes.
//!
//! The work is sorting: two links of 10⁴ cells have 13 million windows of eight bytes each, of
//! which random bytes share one in 10⁵ comparisons of such links.

use core::iter::Peekable;
use core::ops::Range;

/// Bytes of a window of a cell.
const CELL_WINDOW: usize = 8;
/// Bytes of a window of a message.
const MESSAGE_WINDOW: usize = 16;
/// At most so many shared windows are located: one is a failure already.
const LOCATED_MAX: usize = 16;
/// Cells below which the histograms say nothing: ten for each of 256 values.
pub const CELLS_MIN: usize = 2_560;
/// Chi-square of 256 values that random bytes stay below in all but one histogram of 10¹².
const CHI_SQUARE_MAX: f64 = 447.0;

/// Where a window is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of the cell or message, in the order given.
    pub item: usize,
    /// Its first byte there.
    pub offset: usize,
}

/// A window that is in two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shared {
    /// In the first link, or the earlier message.
    pub first: Place,
    /// In the second link, or the later message.
    pub second: Place,
}

/// Windows of eight bytes, at any offsets, that are in cells of both links; at most 16 of them.
#[must_use]
pub fn shared_windows<A: AsRef<[u8]>, B: AsRef<[u8]>>(a: &[A], b: &[B]) -> Vec<Shared> {
    let mut values = common(sorted(a), sorted(b));
    values.truncate(LOCATED_MAX);
    let places = values.iter().filter_map(|value| {
        Some(Shared {
            first: find(a, value)?,
            second: find(b, value)?,
        })
    });
    places.collect()
}

/// Windows of 16 bytes, at any offsets, that are in two different messages; at most 16 of them.
#[must_use]
pub fn shared_by_messages<M: AsRef<[u8]>>(messages: &[M]) -> Vec<Shared> {
    let mut all: Vec<_> = windows::<MESSAGE_WINDOW, _>(messages).collect();
    all.sort_unstable();
    let pairs = all.windows(2).filter_map(|pair| match pair {
        [(a, first), (b, second)] if a == b && first.item != second.item => Some(Shared {
            first: *first,
            second: *second,
        }),
        _ => None,
    });
    pairs.take(LOCATED_MAX).collect()
}

/// What cells of the same number on two links show, taken together at equal offsets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// Values of eight bytes of XOR that occur again, anywhere.
    pub repeated_xors: usize,
    /// Values of eight bytes of difference (big-endian) that occur again, anywhere.
    pub repeated_differences: usize,
    /// Of all offsets, the one where the bytes of XOR are least like random ones.
    pub worst_xor: Worst,
    /// The same for the differences of bytes.
    pub worst_difference: Worst,
}

/// A histogram of bytes, by how unlike random ones they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Worst {
    /// Where.
    pub offset: usize,
    /// Chi-square over the 256 values: 255 on the average of random bytes.
    pub chi_square: f64,
}

impl Likeness {
    /// Whether random bytes look like this. They do not once in about 10⁵ comparisons.
    #[must_use]
    pub fn is_chance(&self) -> bool {
        let worst = [self.worst_xor, self.worst_difference];
        self.repeated_xors == 0
            && self.repeated_differences == 0
            && worst.iter().all(|worst| worst.chi_square <= CHI_SQUARE_MAX)
    }
}

/// Compares the n-th cell of `a` with the n-th of `b`, within the bytes `part` of each.
///
/// A field that stays the same on each link, as a path id does, makes all XORs and differences of
/// one path alike: leave it out of `part`, and ask [`shared_windows`] about it.
///
/// # Panics
/// If there are fewer than [`CELLS_MIN`] pairs, or a cell does not reach to the end of `part`.
#[must_use]
pub fn likeness<A: AsRef<[u8]>, B: AsRef<[u8]>>(a: &[A], b: &[B], part: Range<usize>) -> Likeness {
    let pairs: Vec<_> = a
        .iter()
        .zip(b)
        .map(|(a, b)| (&a.as_ref()[part.clone()], &b.as_ref()[part.clone()]))
        .collect();
    assert!(pairs.len() >= CELLS_MIN, "{} pairs of cells", pairs.len());
    let worst = |combine: fn(u8, u8) -> u8| {
        let worst = worst(&pairs, combine);
        Worst {
            offset: part.start + worst.offset,
            ..worst
        }
    };
    Likeness {
        repeated_xors: repeated(&pairs, |a, b| a ^ b),
        repeated_differences: repeated(&pairs, u64::wrapping_sub),
        worst_xor: worst(|a, b| a ^ b),
        worst_difference: worst(u8::wrapping_sub),
    }
}

fn windows<const N: usize, T: AsRef<[u8]>>(
    items: &[T],
) -> impl Iterator<Item = ([u8; N], Place)> + '_ {
    items.iter().enumerate().flat_map(|(item, bytes)| {
        let windows = bytes.as_ref().array_windows::<N>().enumerate();
        windows.map(move |(offset, window)| (*window, Place { item, offset }))
    })
}

/// All windows of cells, as numbers.
fn sorted<T: AsRef<[u8]>>(items: &[T]) -> Vec<u64> {
    let values = windows::<CELL_WINDOW, _>(items).map(|(window, _)| u64::from_be_bytes(window));
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values
}

fn find<T: AsRef<[u8]>>(items: &[T], value: &u64) -> Option<Place> {
    let wanted = value.to_be_bytes();
    let mut all = windows::<CELL_WINDOW, _>(items);
    all.find(|(window, _)| *window == wanted)
        .map(|(_, place)| place)
}

/// The values that two sorted lists share, once each.
fn common(a: Vec<u64>, b: Vec<u64>) -> Vec<u64> {
    let mut others = b.into_iter().peekable();
    let mut shared: Vec<_> = a
        .into_iter()
        .filter(|value| reach(&mut others, *value) == Some(*value))
        .collect();
    shared.dedup();
    shared
}

/// The first of `others` that is not below `value`.
fn reach(others: &mut Peekable<impl Iterator<Item = u64>>, value: u64) -> Option<u64> {
    while others.next_if(|other| *other < value).is_some() {}
    others.peek().copied()
}

fn repeated(pairs: &[(&[u8], &[u8])], combine: fn(u64, u64) -> u64) -> usize {
    let number = |window: &[u8; CELL_WINDOW]| u64::from_be_bytes(*window);
    let mut values: Vec<_> = pairs
        .iter()
        .flat_map(|(a, b)| a.array_windows().zip(b.array_windows()))
        .map(|(a, b)| combine(number(a), number(b)))
        .collect();
    values.sort_unstable();
    values.windows(2).filter(|pair| pair[0] == pair[1]).count()
}

fn worst(pairs: &[(&[u8], &[u8])], combine: fn(u8, u8) -> u8) -> Worst {
    let offsets = pairs.first().map_or(0, |(a, _)| a.len());
    let mut counts = vec![[0_u32; 256]; offsets];
    for (a, b) in pairs {
        for ((a, b), counts) in a.iter().zip(*b).zip(&mut counts) {
            counts[usize::from(combine(*a, *b))] += 1;
        }
    }
    let all = counts.iter().map(chi_square).enumerate();
    let worst = all.max_by(|(_, a), (_, b)| a.total_cmp(b));
    let (offset, chi_square) = worst.unwrap_or_default();
    Worst { offset, chi_square }
}

fn chi_square(counts: &[u32; 256]) -> f64 {
    let expected = f64::from(counts.iter().sum::<u32>()) / 256.0;
    let squares = counts
        .iter()
        .map(|count| (f64::from(*count) - expected).powi(2));
    squares.sum::<f64>() / expected
}
