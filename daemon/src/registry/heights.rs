//! How old a relay must be to store introsets, as far as an authority's folder knows.
//!
//! ```text
//! 20837 1412     the greatest height of a relay in a snapshot of epoch 20837
//! ```
//!
//! A relay's key must have been chosen before the beacon was public from which places are computed.
//! So storers are those registered no later than the youngest relay of two epochs ago.

use core::fmt;
use std::collections::BTreeMap;

use llarp_core::registry::{Epoch, Snapshot};

/// Bytes of the list.
pub(super) const HEIGHTS_MAX: usize = 1 << 10;
/// Epochs that are kept: of the newest three, one is two epochs before any epoch that is yet to come.
const KEPT: usize = 3;
/// Epochs by which a storer is older than the epoch for which it stores.
const AGE: u64 = 2;

/// The greatest height of registration in each of the last epochs that had a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Heights(BTreeMap<u64, u64>);

impl Heights {
    /// Notes what a published snapshot says.
    pub(super) fn note(&mut self, snapshot: &Snapshot) {
        let heights = snapshot.entries().iter().map(|entry| entry.height);
        if let Some(height) = heights.max() {
            let noted = self.0.entry(snapshot.terms().epoch.0).or_default();
            *noted = height.max(*noted);
        }
        while self.0.len() > KEPT {
            self.0.pop_first();
        }
    }

    /// The greatest height of two epochs before `epoch`, or earlier if that one had no snapshot.
    pub(super) fn storers(&self, epoch: Epoch) -> Option<u64> {
        let last = epoch.0.checked_sub(AGE)?;
        let noted = self.0.range(..=last).next_back();
        noted.map(|(_, height)| *height)
    }

    /// Reads the list.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = core::str::from_utf8(bytes).map_err(|_| "no text".to_owned())?;
        let line = |line: &str| {
            let (epoch, height) = line.split_once(' ')?;
            Some((epoch.parse().ok()?, height.parse().ok()?))
        };
        let lines = text.lines().map(line).collect::<Option<_>>();
        lines.map(Self).ok_or_else(|| {
            "an epoch and a height expected in each line; remove the file, and storers stay as they are for two days".to_owned()
        })
    }
}

impl fmt::Display for Heights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut noted = self.0.iter();
        noted.try_for_each(|(epoch, height)| writeln!(f, "{epoch} {height}"))
    }
}
