//! Which values a relay keeps. Pure: values that others have judged go in, with the time.
//!
//! One value a key, the highest in [`Order`]. Bounds in all, for each owner, and for each relay that
//! brought values; when there is no room, what lies farthest from this relay goes, for others keep
//! it, too. Nothing goes for being old: an attacker's values would be the youngest.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use llarp_core::crypto::identity::RelayId;
use llarp_core::wire::limits;

use crate::names::{Distance, Key, Place};
use crate::rules::{Judged, Order};

/// Bounds. The defaults are in [`limits`], with reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Values in all.
    pub records: usize,
    /// Bytes of values in all.
    pub bytes: usize,
    /// The part of both for values that one relay brought.
    pub peer_share: usize,
    /// Values of one owner.
    pub owner_records: usize,
    /// Bytes of values that are not on the disk yet.
    pub unwritten: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            records: limits::DHT_RECORDS_MAX,
            bytes: limits::DHT_BYTES_MAX,
            peer_share: limits::DHT_PEER_SHARE,
            owner_records: limits::DHT_OWNER_RECORDS,
            unwritten: limits::DHT_UNWRITTEN_MAX,
        }
    }
}

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept from now on.
    Stored,
    /// It was here.
    Known,
    /// A newer one is here.
    Older,
    /// There is no room for it.
    NoRoom,
}

/// The values of a relay.
pub struct Records {
    own: Place,
    bounds: Bounds,
    held: BTreeMap<Key, Held>,
    farthest: BTreeSet<(Distance, Key)>,
    expiring: BTreeSet<(u64, Key)>,
    due: BTreeSet<(u64, Key)>,
    owners: BTreeMap<[u8; 32], usize>,
    sources: BTreeMap<RelayId, Share>,
    bytes: usize,
    /// Keys whose row on the disk is not what is here, each with the number of its last change.
    unwritten: BTreeMap<Key, u64>,
    unwritten_bytes: usize,
    changes: u64,
}

/// One value.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) judged: Judged,
    pub(crate) source: RelayId,
    distance: Distance,
    due: u64,
    len: usize,
    /// The value, until the disk has it.
    pub(crate) fresh: Option<Bytes>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Share {
    records: usize,
    bytes: usize,
}

impl Records {
    /// None yet, at the relay `own`.
    #[must_use]
    pub fn new(own: &RelayId, bounds: Bounds) -> Self {
        Self {
            own: Place::of_relay(own),
            bounds,
            held: BTreeMap::new(),
            farthest: BTreeSet::new(),
            expiring: BTreeSet::new(),
            due: BTreeSet::new(),
            owners: BTreeMap::new(),
            sources: BTreeMap::new(),
            bytes: 0,
            unwritten: BTreeMap::new(),
            unwritten_bytes: 0,
            changes: 0,
        }
    }

    /// Takes a value that `source` brought, to be handed on at `due`.
    pub fn offer(
        &mut self,
        key: Key,
        value: &Bytes,
        judged: Judged,
        source: RelayId,
        due: u64,
    ) -> Verdict {
        let old = self.held.get(&key).map(|held| held.judged.order);
        match old {
            Some(old) if old == judged.order => {
                // Somebody has just handed it on to all who keep it.
                self.hand_on_at(&key, due);
                return Verdict::Known;
            }
            Some(old) if old > judged.order => return Verdict::Older,
            _ => {}
        }
        let held = Held {
            judged,
            source,
            distance: self.own.distance(&Place::of_key(&key)),
            due,
            len: value.len(),
            fresh: Some(value.clone()),
        };
        if !self.make_room(&key, &held) {
            return Verdict::NoRoom;
        }
        self.forget(&key);
        self.insert(key, held);
        self.changed(key);
        Verdict::Stored
    }

    /// Puts back a value of `len` bytes that the disk had. `false` if there is no room any more.
    pub fn restore(
        &mut self,
        key: Key,
        len: usize,
        judged: Judged,
        source: RelayId,
        due: u64,
    ) -> bool {
        let held = Held {
            judged,
            source,
            distance: self.own.distance(&Place::of_key(&key)),
            due,
            len,
            fresh: None,
        };
        let room = !self.held.contains_key(&key) && self.make_room(&key, &held);
        if room {
            self.insert(key, held);
        }
        room
    }

    /// The disk has a row of `key` that is of no use.
    pub fn lose(&mut self, key: Key) {
        if !self.held.contains_key(&key) {
            self.changed(key);
        }
    }

    /// Forgets what has had its time.
    pub fn expire(&mut self, unix: u64) {
        while let Some((expires, key)) = self.expiring.first().copied() {
            if expires > unix {
                break;
            }
            self.forget(&key);
            self.changed(key);
        }
    }

    /// Forgets a value.
    pub fn remove(&mut self, key: &Key) {
        if self.forget(key) {
            self.changed(*key);
        }
    }

    /// A value whose time to be handed on has come. It comes again at `again`.
    pub fn next_due(&mut self, unix: u64, again: u64) -> Option<Key> {
        let (due, key) = self.due.first().copied()?;
        if due > unix {
            return None;
        }
        self.hand_on_at(&key, again);
        Some(key)
    }

    /// Where the value of `key` stands, if there is one.
    #[must_use]
    pub fn order(&self, key: &Key) -> Option<Order> {
        Some(self.held.get(key)?.judged.order)
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Bytes of all values.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keys whose rows on the disk must change, each with the number of its last change.
    pub fn unwritten(&self) -> impl Iterator<Item = (Key, u64)> {
        self.unwritten.iter().map(|(key, change)| (*key, *change))
    }

    /// The disk has what was here after that change.
    pub fn written(&mut self, key: &Key, change: u64) {
        if self.unwritten.get(key) != Some(&change) {
            return;
        }
        self.unwritten.remove(key);
        if let Some(held) = self.held.get_mut(key)
            && held.fresh.take().is_some()
        {
            self.unwritten_bytes -= held.len;
        }
    }

    /// What is known of a value that has not expired.
    pub(crate) fn get(&self, key: &Key, unix: u64) -> Option<&Held> {
        self.held.get(key).filter(|held| held.judged.expires > unix)
    }

    /// What is known of a value, expired or not.
    pub(crate) fn any(&self, key: &Key) -> Option<&Held> {
        self.held.get(key)
    }

    /// Makes room for `new` in place of what lies under its key. `false` if it is not worth it, and
    /// then nothing has gone.
    fn make_room(&mut self, key: &Key, new: &Held) -> bool {
        let old = self.held.get(key);
        let fresh = new.fresh.as_ref().map_or(0, Bytes::len);
        // Rows to be deleted have no bytes, but a disk that takes nothing must not make them many.
        if self.unwritten_bytes + fresh > self.bounds.unwritten
            || self.unwritten.len() >= self.bounds.records.saturating_mul(2)
        {
            return false;
        }
        let (same_owner, same_source) = (
            old.is_some_and(|old| old.judged.owner == new.judged.owner),
            old.filter(|old| old.source == new.source),
        );
        let of_owner = self.owners.get(&new.judged.owner).copied().unwrap_or(0);
        if of_owner - usize::from(same_owner) >= self.bounds.owner_records {
            return false;
        }
        let share = self.sources.get(&new.source).copied().unwrap_or_default();
        let (records, bytes) = (
            share.records - usize::from(same_source.is_some()),
            share.bytes - same_source.map_or(0, |old| old.len),
        );
        let part = self.bounds.peer_share.max(1);
        if records >= self.bounds.records.div_ceil(part)
            || bytes + new.len > self.bounds.bytes.div_ceil(part)
        {
            return false;
        }
        self.evict_for(key, new)
    }

    /// Forgets values that lie farther away than `new`, until there is room for it.
    fn evict_for(&mut self, key: &Key, new: &Held) -> bool {
        let (old_count, old_len) = self.held.get(key).map_or((0, 0), |old| (1, old.len));
        let mut count = self.held.len() - old_count;
        let mut bytes = self.bytes - old_len;
        let mut victims = Vec::new();
        let mut farther = self.farthest.iter().rev();
        while count >= self.bounds.records || bytes + new.len > self.bounds.bytes {
            let Some((distance, victim)) = farther.next() else {
                return false;
            };
            if victim == key {
                continue;
            }
            if *distance <= new.distance {
                return false;
            }
            count -= 1;
            bytes -= self.held.get(victim).map_or(0, |held| held.len);
            victims.push(*victim);
        }
        victims.iter().for_each(|victim| self.remove(victim));
        true
    }

    fn insert(&mut self, key: Key, held: Held) {
        self.farthest.insert((held.distance, key));
        self.expiring.insert((held.judged.expires, key));
        self.due.insert((held.due, key));
        *self.owners.entry(held.judged.owner).or_default() += 1;
        let share = self.sources.entry(held.source).or_default();
        share.records += 1;
        share.bytes += held.len;
        self.bytes += held.len;
        self.unwritten_bytes += held.fresh.as_ref().map_or(0, Bytes::len);
        self.held.insert(key, held);
    }

    /// `false` if there is nothing under `key`.
    fn forget(&mut self, key: &Key) -> bool {
        let Some(held) = self.held.remove(key) else {
            return false;
        };
        self.farthest.remove(&(held.distance, *key));
        self.expiring.remove(&(held.judged.expires, *key));
        self.due.remove(&(held.due, *key));
        if let Some(count) = self.owners.get_mut(&held.judged.owner) {
            *count -= 1;
            if *count == 0 {
                self.owners.remove(&held.judged.owner);
            }
        }
        if let Some(share) = self.sources.get_mut(&held.source) {
            share.records -= 1;
            share.bytes -= held.len;
            if share.records == 0 {
                self.sources.remove(&held.source);
            }
        }
        self.bytes -= held.len;
        self.unwritten_bytes -= held.fresh.as_ref().map_or(0, Bytes::len);
        true
    }

    fn changed(&mut self, key: Key) {
        self.changes += 1;
        self.unwritten.insert(key, self.changes);
    }

    /// The value is handed on at `due` and not before.
    pub(crate) fn hand_on_at(&mut self, key: &Key, due: u64) {
        if let Some(held) = self.held.get_mut(key) {
            self.due.remove(&(held.due, *key));
            held.due = due;
            self.due.insert((due, *key));
        }
    }
}

/// What lies where is not for a log.
impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("records", &self.len())
            .field("bytes", &self.bytes)
            .field("unwritten", &self.unwritten.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: RelayId = RelayId([0; 32]);
    const PEER: RelayId = RelayId([1; 32]);
    const SMALL: Bounds = Bounds {
        records: 8,
        bytes: 800,
        peer_share: 1,
        owner_records: 8,
        unwritten: 2000,
    };

    fn judged(sequence: u64, owner: u8) -> Judged {
        let order = Order {
            sequence,
            tie: [0; 32],
        };
        Judged {
            order,
            expires: 100 + sequence,
            owner: [owner; 32],
        }
    }

    fn offer(records: &mut Records, key: u8, len: usize, judged: Judged) -> Verdict {
        let value = Bytes::from(vec![key; len]);
        records.offer([key; 32], &value, judged, RelayId([key; 32]), 50)
    }

    /// The disk takes everything.
    fn write(records: &mut Records) {
        let changes: Vec<_> = records.unwritten().collect();
        for (key, change) in changes {
            records.written(&key, change);
        }
    }

    /// Keys in the order of their distance, the closest first.
    fn by_distance(count: u8) -> Vec<u8> {
        let mut keys: Vec<u8> = (0..count).collect();
        let own = Place::of_relay(&OWN);
        keys.sort_by_key(|key| own.distance(&Place::of_key(&[*key; 32])));
        keys
    }

    #[test]
    fn the_highest_order_stays() {
        let mut records = Records::new(&OWN, SMALL);
        assert_eq!(offer(&mut records, 1, 10, judged(2, 1)), Verdict::Stored);
        assert_eq!(offer(&mut records, 1, 10, judged(2, 1)), Verdict::Known);
        assert_eq!(offer(&mut records, 1, 99, judged(1, 1)), Verdict::Older);
        assert_eq!(offer(&mut records, 1, 30, judged(3, 1)), Verdict::Stored);
        assert_eq!((records.len(), records.bytes()), (1, 30));
        let mut tie = judged(3, 1);
        tie.order.tie = [1; 32];
        assert_eq!(offer(&mut records, 1, 20, tie), Verdict::Stored);
    }

    #[test]
    fn what_lies_farthest_goes_first() {
        let mut records = Records::new(&OWN, SMALL);
        let keys = by_distance(20);
        for key in keys.iter().rev() {
            let verdict = offer(&mut records, *key, 10, judged(1, *key));
            assert_eq!(verdict, Verdict::Stored, "each is closer than all before");
            write(&mut records);
        }
        assert_eq!(records.len(), 8);
        assert!(
            keys[..8]
                .iter()
                .all(|key| records.order(&[*key; 32]).is_some())
        );
        let farther = offer(&mut records, keys[9], 10, judged(1, 1));
        assert_eq!(farther, Verdict::NoRoom);
    }

    #[test]
    fn a_large_value_does_not_push_out_what_is_closer() {
        let mut records = Records::new(&OWN, SMALL);
        let keys = by_distance(4);
        for key in [keys[0], keys[2], keys[3]] {
            offer(&mut records, key, 250, judged(1, key));
        }
        // The two that are farther do not make enough room.
        let verdict = offer(&mut records, keys[1], 600, judged(1, keys[1]));
        assert_eq!((verdict, records.len()), (Verdict::NoRoom, 3));
        let verdict = offer(&mut records, keys[1], 300, judged(1, keys[1]));
        assert_eq!((verdict, records.len()), (Verdict::Stored, 3));
    }

    #[test]
    fn one_owner_and_one_peer_have_their_share_only() {
        let bounds = Bounds {
            owner_records: 2,
            peer_share: 2,
            ..SMALL
        };
        let mut records = Records::new(&OWN, bounds);
        let offer = |records: &mut Records, key: u8, len, judged| {
            let value = Bytes::from(vec![key; len]);
            records.offer([key; 32], &value, judged, PEER, 50)
        };
        for key in 0..2 {
            assert_eq!(offer(&mut records, key, 10, judged(1, 1)), Verdict::Stored);
        }
        assert_eq!(offer(&mut records, 2, 10, judged(1, 1)), Verdict::NoRoom);
        // A newer one in place of an old one takes no more room.
        assert_eq!(offer(&mut records, 1, 10, judged(2, 1)), Verdict::Stored);
        for key in 2..4 {
            assert_eq!(offer(&mut records, key, 10, judged(1, 2)), Verdict::Stored);
        }
        assert_eq!(offer(&mut records, 4, 10, judged(1, 3)), Verdict::NoRoom);
        let value = Bytes::from_static(b"from another");
        let other = RelayId([2; 32]);
        let verdict = records.offer([4; 32], &value, judged(1, 3), other, 0);
        assert_eq!(verdict, Verdict::Stored);
    }

    #[test]
    fn what_expires_is_gone_and_its_row_is_to_be_deleted() {
        let mut records = Records::new(&OWN, SMALL);
        offer(&mut records, 1, 10, judged(1, 1));
        offer(&mut records, 2, 10, judged(2, 1));
        write(&mut records);
        records.expire(101);
        assert_eq!((records.len(), records.bytes()), (1, 10));
        let unwritten: Vec<_> = records.unwritten().map(|(key, _)| key).collect();
        assert_eq!(unwritten, [[1; 32]]);
        assert!(records.get(&[2; 32], 101).is_some());
        assert!(records.get(&[2; 32], 102).is_none(), "before it is swept");
    }

    #[test]
    fn a_disk_that_takes_nothing_bounds_what_is_taken() {
        let bounds = Bounds {
            unwritten: 25,
            ..SMALL
        };
        let mut records = Records::new(&OWN, bounds);
        for key in 0..2 {
            assert_eq!(offer(&mut records, key, 10, judged(1, 1)), Verdict::Stored);
        }
        assert_eq!(offer(&mut records, 2, 10, judged(1, 1)), Verdict::NoRoom);
        let (key, change) = records.unwritten().next().unwrap();
        records.written(&key, change);
        assert_eq!(offer(&mut records, 2, 10, judged(1, 1)), Verdict::Stored);
        assert_eq!(records.len(), 3);
    }

    #[test]
    fn a_row_that_changed_while_it_was_written_is_written_again() {
        let mut records = Records::new(&OWN, SMALL);
        offer(&mut records, 1, 10, judged(1, 1));
        let (key, change) = records.unwritten().next().unwrap();
        offer(&mut records, 1, 20, judged(2, 1));
        records.written(&key, change);
        assert_eq!(records.unwritten().count(), 1);
        assert!(records.any(&key).unwrap().fresh.is_some());
    }

    #[test]
    fn values_are_handed_on_in_turn() {
        let mut records = Records::new(&OWN, SMALL);
        offer(&mut records, 1, 10, judged(1, 1));
        assert_eq!(records.next_due(49, 80), None);
        assert_eq!(records.next_due(50, 80), Some([1; 32]));
        assert_eq!(records.next_due(79, 120), None);
        // Somebody else has handed it on.
        let value = Bytes::from(vec![1; 10]);
        records.offer([1; 32], &value, judged(1, 1), PEER, 90);
        assert_eq!(records.next_due(80, 120), None);
        assert_eq!(records.next_due(90, 120), Some([1; 32]));
    }
}
