//! `dht_records`: which values a relay keeps.
//!
//! Holds: the highest order of a key stays; what is refused changes nothing; bounds in all, of each
//! owner and of each peer; nothing goes but for room, by expiry, or by a newer value of its key; what
//! the disk is told is what is here; a value is handed on when its time has come, and not before.

use std::collections::BTreeMap;

use bytes::Bytes;
use llarp_core::crypto::identity::RelayId;
use llarp_dht::{Bounds, Judged, Key, Order, Records, Verdict};

use crate::Seed;
use crate::input::Input;

const KEYS: u8 = 24;
const STEPS_MAX: usize = 512;

/// The input is five bounds, then ops.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let bounds = Bounds {
        records: input.below(12),
        bytes: input.below(200) * 4,
        peer_share: input.below(4),
        owner_records: input.below(6),
        unwritten: input.below(100) * 10,
    };
    let mut world = World::new(bounds);
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        match input.u8() % 8 {
            0..4 => world.offer(&mut input),
            4 => world.expire(u64::from(input.u8())),
            5 => world.write(input.u8()),
            6 => world.hand_on(u64::from(input.u8())),
            _ => world.restart(),
        }
        world.compare();
    }
}

/// What the model knows of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    judged: Judged,
    source: RelayId,
    len: usize,
    due: u64,
}

struct World {
    records: Records,
    bounds: Bounds,
    rows: BTreeMap<Key, Row>,
    disk: BTreeMap<Key, Row>,
}

impl World {
    fn new(bounds: Bounds) -> Self {
        Self {
            records: Records::new(&RelayId([9; 32]), bounds),
            bounds,
            rows: BTreeMap::new(),
            disk: BTreeMap::new(),
        }
    }

    fn offer(&mut self, input: &mut Input<'_>) {
        let key = [input.u8() % KEYS; 32];
        let row = Row {
            judged: Judged {
                order: Order {
                    sequence: u64::from(input.u8() % 4),
                    tie: [input.u8() % 2; 32],
                },
                expires: u64::from(input.u8()),
                owner: [input.u8() % 4; 32],
            },
            source: RelayId([input.u8() % 4; 32]),
            len: usize::from(input.u8()),
            due: u64::from(input.u8()),
        };
        let value = Bytes::from(vec![0; row.len]);
        let before = self.rows.clone();
        let (judged, source) = (row.judged, row.source);
        let verdict = self.records.offer(key, &value, judged, source, row.due);
        let old = before.get(&key).map(|old| old.judged.order);
        match verdict {
            Verdict::Stored => {
                assert!(old < Some(judged.order), "it is newer");
                self.rows.insert(key, row);
                self.rows
                    .retain(|held, _| self.records.order(held).is_some());
                assert!(self.rows.contains_key(&key), "it is here");
                self.went_for_room(&before, &key, &row);
            }
            Verdict::Known => {
                assert_eq!(old, Some(judged.order));
                self.rows.entry(key).and_modify(|held| held.due = row.due);
            }
            Verdict::Older => assert!(old > Some(judged.order)),
            Verdict::NoRoom => assert!(old < Some(judged.order)),
        }
    }

    /// Only as much has gone as had to.
    fn went_for_room(&self, before: &BTreeMap<Key, Row>, key: &Key, new: &Row) {
        let others = before.iter().filter(|(other, _)| *other != key);
        let gone = others
            .clone()
            .filter(|(other, _)| !self.rows.contains_key(*other));
        let Some(smallest) = gone.map(|(_, row)| row.len).min() else {
            return;
        };
        let bytes: usize = self.rows.values().map(|row| row.len).sum();
        let count_full = self.rows.len() == self.bounds.records;
        let all: usize = others.map(|(_, row)| row.len).sum::<usize>() + new.len;
        assert!(count_full || all > self.bounds.bytes);
        assert!(count_full || bytes + smallest <= all);
    }

    fn expire(&mut self, unix: u64) {
        self.records.expire(unix);
        self.rows.retain(|_, row| row.judged.expires > unix);
    }

    /// The disk takes some of what it is told.
    fn write(&mut self, count: u8) {
        let told: Vec<_> = self.records.unwritten().take(count.into()).collect();
        for (key, change) in told {
            match self.rows.get(&key) {
                Some(row) => drop(self.disk.insert(key, *row)),
                None => drop(self.disk.remove(&key)),
            }
            // An acknowledgement of something else means nothing.
            self.records.written(&key, change + 1000);
            self.records.written(&key, change);
        }
        if self.records.unwritten().next().is_none() {
            let keys = |rows: &BTreeMap<Key, Row>| rows.keys().copied().collect::<Vec<_>>();
            assert_eq!(keys(&self.disk), keys(&self.rows));
            for (key, row) in &self.rows {
                assert_eq!(self.disk.get(key).map(|it| it.judged), Some(row.judged));
            }
        }
    }

    fn hand_on(&mut self, unix: u64) {
        let first = self.rows.values().map(|row| row.due).min();
        let found = self.records.next_due(unix, unix + 60);
        assert_eq!(found.is_some(), first.is_some_and(|due| due <= unix));
        if let Some(key) = found {
            let row = self.rows.get_mut(&key).expect("it is here");
            assert_eq!(Some(row.due), first);
            row.due = unix + 60;
        }
    }

    /// The process dies; what the disk has comes back, if there is room.
    fn restart(&mut self) {
        self.records = Records::new(&RelayId([9; 32]), self.bounds);
        self.rows.clear();
        for (key, row) in &self.disk {
            let (judged, source) = (row.judged, row.source);
            if self.records.restore(*key, row.len, judged, source, row.due) {
                self.rows.insert(*key, *row);
            } else {
                self.records.lose(*key);
            }
        }
        self.rows.retain(|key, _| self.records.order(key).is_some());
    }

    fn compare(&self) {
        let bytes: usize = self.rows.values().map(|row| row.len).sum();
        assert_eq!(self.records.len(), self.rows.len());
        assert_eq!(self.records.is_empty(), self.rows.is_empty());
        assert_eq!(self.records.bytes(), bytes);
        assert!(self.rows.len() <= self.bounds.records && bytes <= self.bounds.bytes);
        for n in 0..KEYS {
            let order = self.rows.get(&[n; 32]).map(|row| row.judged.order);
            assert_eq!(self.records.order(&[n; 32]), order);
        }
        let part = self.bounds.peer_share.max(1);
        for n in 0..4 {
            let of_owner = self.rows.values().filter(|row| row.judged.owner == [n; 32]);
            assert!(of_owner.count() <= self.bounds.owner_records);
            let of_peer = || self.rows.values().filter(|row| row.source.0 == [n; 32]);
            assert!(of_peer().count() <= self.bounds.records.div_ceil(part));
            let bytes: usize = of_peer().map(|row| row.len).sum();
            assert!(bytes <= self.bounds.bytes.div_ceil(part));
        }
    }
}

pub(crate) fn seeds() -> Vec<Seed> {
    let roomy = vec![11, 199, 0, 5, 99];
    let offer = |key: u8, sequence: u8, owner: u8, len: u8| {
        vec![0, key, sequence, 0, 100 + key, owner, owner, len, key]
    };
    let many = |count: u8, len: u8| -> Vec<u8> {
        (0..count).flat_map(|key| offer(key, 1, key, len)).collect()
    };
    vec![
        (
            "newer_and_older",
            [
                roomy.clone(),
                offer(1, 1, 1, 10),
                offer(1, 2, 1, 20),
                offer(1, 1, 1, 10),
                offer(1, 2, 1, 20),
            ]
            .concat(),
        ),
        (
            "farthest_goes",
            [vec![5, 199, 0, 5, 99], many(20, 9)].concat(),
        ),
        (
            "bytes_are_full",
            [vec![11, 60, 0, 5, 99], many(20, 50), offer(3, 2, 3, 200)].concat(),
        ),
        (
            "one_owner",
            [
                roomy.clone(),
                (0..9).flat_map(|key| offer(key, 1, 1, 5)).collect(),
            ]
            .concat(),
        ),
        (
            "shares_of_peers",
            [
                vec![8, 100, 3, 5, 99],
                (0..9).flat_map(|key| offer(key, 1, key % 2, 5)).collect(),
            ]
            .concat(),
        ),
        (
            "disk_and_restart",
            [
                roomy.clone(),
                many(6, 30),
                vec![5, 3, 7],
                many(6, 30),
                vec![5, 255, 4, 103, 7, 5, 255],
            ]
            .concat(),
        ),
        (
            "slow_disk",
            [vec![11, 199, 0, 5, 9], many(9, 30), vec![5, 1], many(9, 30)].concat(),
        ),
        (
            "handed_on",
            [roomy, many(4, 10), vec![6, 2, 6, 2, 6, 60, 6, 130, 4, 255]].concat(),
        ),
        (
            "no_room_at_all",
            [vec![0, 0, 0, 0, 0], many(3, 0), many(3, 9)].concat(),
        ),
    ]
}
