//! What the next snapshot changes, as text that people can read.
//!
//! ```text
//! set RELAY.snode height block-hash [family]     a new relay, or one that registers anew
//! remove RELAY.snode
//! ```

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use llarp_core::crypto::identity::{NameError, RelayId};
use llarp_core::registry::{Changes, Family, Registration, Snapshot};
use llarp_core::wire::limits::RELAYS_MAX;

use super::text::{hex, hex32};

/// Bytes of a list of changes: each relay's line is at most 240 long.
pub const PENDING_MAX: usize = 2 * RELAYS_MAX * 240;

/// Changes that wait for the next draft.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    set: BTreeMap<RelayId, Registration>,
    remove: BTreeSet<RelayId>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// A relay that was not there.
    New,
    /// A relay that has registered anew, and will be a newcomer.
    Anew,
    /// A relay of another family.
    Family,
    /// A relay that leaves.
    Leaves,
    /// An earlier change is taken back.
    TakenBack,
    /// Nothing to do.
    Nothing,
}

impl Pending {
    /// Notes that a relay is, or should be, as `registration` says; `newest` is the newest snapshot.
    pub fn set(&mut self, newest: Option<&Snapshot>, registration: Registration) -> Noted {
        let relay = registration.relay;
        let back = self.remove.remove(&relay);
        let known = newest.and_then(|newest| newest.get(&relay));
        let known = known.map(|entry| entry.registration());
        if known == Some(registration) {
            let back = self.set.remove(&relay).is_some() || back;
            return if back {
                Noted::TakenBack
            } else {
                Noted::Nothing
            };
        }
        let before = self.set.insert(relay, registration);
        if before == Some(registration) {
            return Noted::Nothing;
        }
        let stake = |of: Registration| (of.height, of.block);
        match known {
            None => Noted::New,
            Some(known) if stake(known) == stake(registration) => Noted::Family,
            Some(_) => Noted::Anew,
        }
    }

    /// Notes that a relay leaves.
    pub fn remove(&mut self, newest: Option<&Snapshot>, relay: RelayId) -> Noted {
        let back = self.set.remove(&relay).is_some();
        if newest.is_some_and(|newest| newest.get(&relay).is_some()) {
            let new = self.remove.insert(relay);
            return if new { Noted::Leaves } else { Noted::Nothing };
        }
        if back {
            Noted::TakenBack
        } else {
            Noted::Nothing
        }
    }

    /// Drops what `newest` has brought; what was noted behind its draft stays.
    pub fn settle(&mut self, newest: &Snapshot) {
        let known = |relay: &RelayId| newest.get(relay).map(|entry| entry.registration());
        self.set
            .retain(|relay, registration| known(relay) != Some(*registration));
        self.remove.retain(|relay| known(relay).is_some());
    }

    /// Relays that will be as this says.
    #[must_use]
    pub const fn wanted(&self) -> &BTreeMap<RelayId, Registration> {
        &self.set
    }

    /// Relays that leave.
    #[must_use]
    pub const fn leaving(&self) -> &BTreeSet<RelayId> {
        &self.remove
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    /// The same for a draft that follows `newest`.
    #[must_use]
    pub fn changes(&self, newest: Option<&Snapshot>) -> Changes {
        let known = |relay: &RelayId| newest.is_some_and(|newest| newest.get(relay).is_some());
        let (change, add) =
            (self.set.values()).partition(|registration| known(&registration.relay));
        Changes {
            add,
            remove: self.remove.iter().copied().collect(),
            change,
        }
    }

    /// Reads a list of changes.
    ///
    /// # Errors
    /// Which line, and what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = core::str::from_utf8(bytes).map_err(|_| "not text in UTF-8")?;
        let mut pending = Self::default();
        for (line, number) in text.lines().zip(1..) {
            let read = pending.line(line);
            read.map_err(|what: String| format!("line {number}: {what}; correct or remove it"))?;
        }
        Ok(pending)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split_whitespace();
        let (Some(what), Some(relay)) = (words.next(), words.next()) else {
            return Err("a word and a relay expected".to_owned());
        };
        let relay: RelayId = relay
            .parse()
            .map_err(|error: NameError| error.to_string())?;
        if self.set.contains_key(&relay) || self.remove.contains(&relay) {
            return Err("the relay is there twice".to_owned());
        }
        match what {
            "set" => {
                let mut next = |what: &str| words.next().ok_or_else(|| format!("{what} expected"));
                let height = next("a height")?
                    .parse()
                    .map_err(|_| "the height is no number")?;
                let block = hex32(next("a block's hash")?)?;
                let family = words.next().map(hex32).transpose()?.map(Family);
                let registration = Registration {
                    relay,
                    height,
                    block,
                    family,
                };
                self.set.insert(relay, registration);
            }
            "remove" => _ = self.remove.insert(relay),
            _ => return Err("begins with neither set nor remove".to_owned()),
        }
        match words.next() {
            None => Ok(()),
            Some(_) => Err("goes on behind its end".to_owned()),
        }
    }
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for registration in self.set.values() {
            let Registration { relay, height, .. } = registration;
            write!(f, "set {relay} {height} {}", hex(&registration.block))?;
            match registration.family {
                Some(Family(family)) => writeln!(f, " {}", hex(&family))?,
                None => writeln!(f)?,
            }
        }
        for relay in &self.remove {
            writeln!(f, "remove {relay}")?;
        }
        Ok(())
    }
}
