//! Which keys.

use core::fmt;

/// The keys from `start` on and before `end`, in the order of their bytes. Every range of byte
/// strings can be written so, since the next key after `k` is `k` with a zero behind it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRange {
    start: Vec<u8>,
    end: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            start: Vec::new(),
            end: None,
        }
    }

    /// The keys that begin so: a day's bucket, if the day stands in front.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        // The first key behind them all: the prefix, counted up by one where it can be.
        let ones = prefix.iter().rev().take_while(|byte| **byte == u8::MAX);
        let mut end = prefix.to_vec();
        end.truncate(prefix.len() - ones.count());
        let end = end.last_mut().map(|last| *last += 1).map(|()| end);
        Self {
            start: prefix.to_vec(),
            end,
        }
    }

    /// The keys from `start` on and before `end`; none, if `end` is not behind `start`.
    #[must_use]
    pub fn between(start: impl Into<Vec<u8>>, end: impl Into<Vec<u8>>) -> Self {
        Self {
            start: start.into(),
            end: Some(end.into()),
        }
    }

    /// Those of the range that are behind `key`: how to go on after the last row of a page.
    #[must_use]
    pub fn after(mut self, key: &[u8]) -> Self {
        let next = [key, &[0]].concat();
        self.start = self.start.max(next);
        self
    }

    /// The first key.
    #[must_use]
    pub fn start(&self) -> &[u8] {
        &self.start
    }

    /// The first key behind the range, if there is one.
    #[must_use]
    pub fn end(&self) -> Option<&[u8]> {
        self.end.as_deref()
    }

    /// Whether no key is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

/// Keys may hold what no log should.
impl fmt::Debug for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRange(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::KeyRange;

    #[test]
    fn prefixes_end_where_counting_up_ends() {
        let end = |prefix: &[u8]| KeyRange::prefix(prefix).end().map(<[u8]>::to_vec);
        assert_eq!(end(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(end(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(end(&[255, 255]), None);
        assert_eq!(end(&[]), None);
        assert_eq!(KeyRange::prefix(&[]), KeyRange::all());
    }

    #[test]
    fn after_moves_only_forward() {
        let range = KeyRange::between([5], [9]);
        assert_eq!(range.clone().after(&[6]).start(), [6, 0]);
        assert_eq!(range.clone().after(&[4]).start(), [5]);
        assert!(range.after(&[9]).is_empty());
        assert!(KeyRange::between([5], [5]).is_empty());
        assert!(KeyRange::between([6], [5]).is_empty());
        assert!(!KeyRange::between([5], [5, 0]).is_empty());
    }
}
