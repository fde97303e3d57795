//! The values of a relay with their bytes: judged, held, written behind, found again at a restart.
//!
//! ```text
//! table dht/records: key (32) →
//!   0         1         9          17    49      81       113
//!  ┌─────────┬─────────┬──────────┬─────┬───────┬────────┬───────┐
//!  │ version │ expires │ sequence │ tie │ owner │ source │ value │   integers big-endian
//!  └─────────┴─────────┴──────────┴─────┴───────┴────────┴───────┘
//! ```
//!
//! Nothing here waits for the disk but reads of single rows. [`Shelf::batch`] says what is to be
//! written; until [`Shelf::written`] the bytes are in memory, and their amount has a bound.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use chacha20::ChaCha20Rng;
use libp2p_identity::PeerId;
use libp2p_kad::store::RecordStore;
use libp2p_kad::{ProviderRecord, Record, RecordKey};
use llarp_core::clock::Clock;
use llarp_core::crypto::identity::RelayId;
use llarp_core::store::{Batch, KeyRange, ReadError, Store, TableId};
use llarp_core::wire::limits::{DHT_REPUBLISH_SECONDS, DHT_TAKERS, DHT_VALUE_MAX};
use llarp_core::wire::{Reader, WireError};
use rand_core::Rng;

use crate::counters::Counters;
use crate::members::Members;
use crate::names::Key;
use crate::records::{Bounds, Records, Verdict};
use crate::rules::{Invalid, Judged, Order, Rules};

const RECORDS: TableId = TableId("dht/records");
const VERSION: u8 = 1;
const HEAD: usize = 1 + 8 + 8 + 32 + 32 + 32;
/// Rows read at once.
const PAGE: usize = 256;
/// Rows written at once, and their bytes: what one sync holds others up for.
const BATCH_ROWS: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// Values that are looked at before one is found that is to be handed on: each costs a pass over all
/// keepers.
const DUE_LOOKS: usize = 64;

/// What is to be written, and which changes it is.
pub(crate) type Unwritten = (Batch, Vec<(Key, u64)>);

/// What became of a value that somebody has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It is here.
    Held,
    /// Another is here, or there is no room, or this relay is not among the closest, or it is the
    /// wrong time.
    Refused,
    /// Nobody honest brings it.
    Forged,
}

/// The values of this relay.
pub(crate) struct Shelf {
    own: RelayId,
    rules: Arc<dyn Rules>,
    store: Store,
    clock: Clock,
    rng: ChaCha20Rng,
    counters: Arc<Counters>,
    records: Records,
    members: Members,
}

impl Shelf {
    /// With what the store has of them.
    pub(crate) fn open(
        own: RelayId,
        rules: Arc<dyn Rules>,
        store: Store,
        clock: Clock,
        rng: ChaCha20Rng,
        counters: Arc<Counters>,
    ) -> Result<Self, ReadError> {
        let mut shelf = Self {
            own,
            rules,
            store,
            clock,
            rng,
            counters,
            records: Records::new(&own, Bounds::default()),
            members: Members::default(),
        };
        shelf.load()?;
        Ok(shelf)
    }

    fn load(&mut self) -> Result<(), ReadError> {
        let unix = self.unix();
        let mut range = KeyRange::all();
        loop {
            let rows = self.store.range(RECORDS, &range, PAGE)?;
            let Some((last, _)) = rows.last() else {
                return Ok(());
            };
            range = range.after(last);
            for (key, row) in &rows {
                // Another length can only be another version's.
                let Ok(key) = Key::try_from(key.as_slice()) else {
                    continue;
                };
                if !self.restore(key, row, unix) {
                    self.records.lose(key);
                }
            }
        }
    }

    fn restore(&mut self, key: Key, row: &[u8], unix: u64) -> bool {
        let Ok(row) = Row::decode(row) else {
            return false;
        };
        // In turns from the start on: all relays of a machine room come back at once.
        let due = self.due(unix);
        row.judged.expires > unix
            && (self.records).restore(key, row.value.len(), row.judged, row.source, due)
    }

    /// From now on these relays keep values.
    pub(crate) fn set_members(&mut self, members: Members) {
        self.members = members;
    }

    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    pub(crate) fn rules(&self) -> &Arc<dyn Rules> {
        &self.rules
    }

    pub(crate) fn unix(&self) -> u64 {
        self.clock.unix().as_secs()
    }

    /// Takes what `source` brings, if it is good and this relay is one to keep it.
    pub(crate) fn offer(&mut self, key: &[u8], value: &[u8], source: RelayId) -> Offered {
        let Some(key) = Key::try_from(key)
            .ok()
            .filter(|_| value.len() <= DHT_VALUE_MAX)
        else {
            return Offered::Forged;
        };
        let unix = self.unix();
        if !self.is_taker(&key) {
            return Offered::Refused;
        }
        let again = self.due(unix);
        // What is here already was judged when it came.
        if self.value(&key, unix).is_some_and(|held| held == value) {
            self.records.hand_on_at(&key, again);
            return Offered::Held;
        }
        let judged = match self.rules.judge(&key, value, unix) {
            Ok(judged) if judged.expires > unix => judged,
            Ok(_) | Err(Invalid::NotNow) => return Offered::Refused,
            Err(Invalid::Forged) => return Offered::Forged,
        };
        let value = Bytes::copy_from_slice(value);
        match self.records.offer(key, &value, judged, source, again) {
            Verdict::Stored => {
                Counters::add(&self.counters.stored);
                Offered::Held
            }
            Verdict::Known => Offered::Held,
            Verdict::Older | Verdict::NoRoom => Offered::Refused,
        }
    }

    /// The bytes of a value that has not expired.
    pub(crate) fn value(&self, key: &Key, unix: u64) -> Option<Bytes> {
        let held = self.records.get(key, unix)?;
        if let Some(fresh) = &held.fresh {
            return Some(fresh.clone());
        }
        let row = self.store.get(RECORDS, key).ok()??;
        let row = Bytes::from(row);
        (row.len() >= HEAD).then(|| row.slice(HEAD..))
    }

    /// Forgets what has had its time.
    pub(crate) fn expire(&mut self) {
        let unix = self.unix();
        self.records.expire(unix);
    }

    /// A value that is to be handed on now, if this relay still is one to keep it.
    pub(crate) fn next_due(&mut self) -> Option<(Key, Bytes)> {
        let unix = self.unix();
        for _ in 0..DUE_LOOKS {
            let again = self.due(unix);
            let key = self.records.next_due(unix, again)?;
            if self.is_taker(&key)
                && let Some(value) = self.value(&key, unix)
            {
                return Some((key, value));
            }
        }
        None
    }

    /// What is to be written, if anything is.
    pub(crate) fn batch(&self) -> Option<Unwritten> {
        let (mut batch, mut changes) = (Batch::new(), Vec::new());
        for (key, change) in self.records.unwritten().take(BATCH_ROWS) {
            match self.records.any(&key).map(|held| (held, &held.fresh)) {
                Some((held, Some(value))) => {
                    batch.put(RECORDS, key, Row::encode(&held.judged, &held.source, value));
                }
                // The row is as it should be.
                Some((_, None)) => {}
                None => {
                    batch.delete(RECORDS, key);
                }
            }
            changes.push((key, change));
            if batch.cost() >= BATCH_BYTES {
                break;
            }
        }
        (!changes.is_empty()).then_some((batch, changes))
    }

    /// The disk has that.
    pub(crate) fn written(&mut self, changes: &[(Key, u64)]) {
        for (key, change) in changes {
            self.records.written(key, *change);
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn records(&self) -> &Records {
        &self.records
    }

    /// Whether this relay is one of those that take the value of `key`.
    fn is_taker(&self, key: &Key) -> bool {
        self.members.closest(key, DHT_TAKERS).contains(&self.own)
    }

    /// When a value that comes now is handed on: after three to five quarters of the time.
    fn due(&mut self, unix: u64) -> u64 {
        let jitter = self.rng.next_u64() % (DHT_REPUBLISH_SECONDS / 2);
        unix + DHT_REPUBLISH_SECONDS * 3 / 4 + jitter
    }
}

/// A row of the table.
struct Row<'a> {
    judged: Judged,
    source: RelayId,
    value: &'a [u8],
}

impl<'a> Row<'a> {
    fn encode(judged: &Judged, source: &RelayId, value: &[u8]) -> Vec<u8> {
        [
            &[VERSION][..],
            &judged.expires.to_be_bytes(),
            &judged.order.sequence.to_be_bytes(),
            &judged.order.tie,
            &judged.owner,
            &source.0,
            value,
        ]
        .concat()
    }

    fn decode(row: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(row);
        reader.version()?;
        let expires = reader.u64("expires")?;
        let sequence = reader.u64("sequence")?;
        let tie = *reader.array("tie")?;
        let owner = *reader.array("owner")?;
        let source = RelayId(*reader.array("source")?);
        let order = Order { sequence, tie };
        Ok(Self {
            judged: Judged {
                order,
                expires,
                owner,
            },
            source,
            value: reader.rest(),
        })
    }
}

/// What libp2p asks of it. What comes in has been taken by [`Shelf::offer`] before, which knows who
/// brought it; and an error would be a trap: libp2p would reset the stream without waking it, and the
/// peer would have one stream less for as long as its link lives.
impl RecordStore for Shelf {
    type RecordsIter<'a> = std::iter::Empty<Cow<'a, Record>>;
    type ProvidedIter<'a> = std::iter::Empty<Cow<'a, ProviderRecord>>;

    fn get(&self, key: &RecordKey) -> Option<Cow<'_, Record>> {
        let wanted = Key::try_from(key.as_ref()).ok()?;
        let value = self.value(&wanted, self.unix())?;
        Some(Cow::Owned(Record::new(key.clone(), value.into())))
    }

    fn put(&mut self, _: Record) -> libp2p_kad::store::Result<()> {
        Ok(())
    }

    /// Only what libp2p has seen expire, and it sees no expiry here.
    fn remove(&mut self, _: &RecordKey) {}

    fn records(&self) -> Self::RecordsIter<'_> {
        std::iter::empty()
    }

    fn add_provider(&mut self, _: ProviderRecord) -> libp2p_kad::store::Result<()> {
        Ok(())
    }

    fn providers(&self, _: &RecordKey) -> Vec<ProviderRecord> {
        Vec::new()
    }

    fn provided(&self) -> Self::ProvidedIter<'_> {
        std::iter::empty()
    }

    fn remove_provider(&mut self, _: &RecordKey, _: &PeerId) {}
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use futures::FutureExt;
    use rand_core::SeedableRng;
    use tokio::time::advance;

    use super::*;
    use crate::members::Member;

    const OWN: RelayId = RelayId([1; 32]);
    const PEER: RelayId = RelayId([2; 32]);
    const START: u64 = 1_000_000;

    /// A value is its sequence, its life in hours from [`START`], and anything; of sequence 0 it is
    /// forged.
    struct Numbers;

    impl Rules for Numbers {
        fn judge(&self, key: &Key, value: &[u8], _: u64) -> Result<Judged, Invalid> {
            let (Some(sequence @ 1..), Some(hours)) = (value.first(), value.get(1)) else {
                return Err(Invalid::Forged);
            };
            Ok(Judged {
                order: Order {
                    sequence: u64::from(*sequence),
                    tie: [*value.last().unwrap_or(&0); 32],
                },
                expires: START + 3600 * u64::from(*hours),
                owner: *key,
            })
        }
    }

    fn shelf(store: &Store, clock: Clock) -> Shelf {
        let mut shelf = Shelf::open(
            OWN,
            Arc::new(Numbers),
            store.clone(),
            clock,
            ChaCha20Rng::seed_from_u64(7),
            Arc::default(),
        )
        .unwrap();
        shelf.set_members(Members::new(
            [OWN, PEER].map(|relay| Member { relay, keeps: true }),
        ));
        shelf
    }

    fn clock() -> Clock {
        Clock::set_to(Duration::from_secs(START))
    }

    /// Writes all that waits, as the actor does.
    fn write(shelf: &mut Shelf) {
        while let Some((batch, changes)) = shelf.batch() {
            let store = shelf.store().clone();
            store.commit(batch).now_or_never().unwrap().unwrap();
            shelf.written(&changes);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn values_are_found_before_and_after_they_are_written() {
        let store = Store::in_memory();
        let mut shelf = shelf(&store, clock());
        let value = [1, 5, 42];
        assert_eq!(shelf.offer(&[9; 32], &value, PEER), Offered::Held);
        assert_eq!(shelf.value(&[9; 32], START).unwrap(), &value[..]);
        write(&mut shelf);
        assert_eq!(shelf.value(&[9; 32], START).unwrap(), &value[..]);
        let record = RecordStore::get(&shelf, &RecordKey::new(&[9; 32])).unwrap();
        assert_eq!(record.value, value);
        assert!(RecordStore::get(&shelf, &RecordKey::new(&[9; 31])).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_restart_finds_what_has_not_expired_and_deletes_the_rest() {
        let store = Store::in_memory();
        let clock = clock();
        let mut before = shelf(&store, clock);
        for n in 0..200 {
            let hours = 1 + n % 2;
            assert_eq!(before.offer(&[n; 32], &[3, hours, n], PEER), Offered::Held);
        }
        write(&mut before);
        drop(before);
        // Rows of nobody's and of another version.
        let mut batch = Batch::new();
        batch.put(RECORDS, [250; 32], [2; 200]);
        batch.put(RECORDS, [251; 32], []);
        store.commit(batch).await.unwrap();
        advance(Duration::from_secs(3600)).await;
        let mut after = shelf(&store, clock);
        assert_eq!(after.records().len(), 100);
        assert_eq!(after.value(&[1; 32], after.unix()).unwrap(), &[3, 2, 1][..]);
        assert_eq!(after.offer(&[1; 32], &[2, 2, 1], PEER), Offered::Refused);
        write(&mut after);
        let rows = store.range(RECORDS, &KeyRange::all(), 1000).unwrap();
        assert_eq!(rows.len(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wall_clock_ends_a_value() {
        let mut shelf = shelf(&Store::in_memory(), clock());
        shelf.offer(&[9; 32], &[1, 1], PEER);
        advance(Duration::from_secs(3599)).await;
        assert!(RecordStore::get(&shelf, &RecordKey::new(&[9; 32])).is_some());
        advance(Duration::from_secs(1)).await;
        assert!(RecordStore::get(&shelf, &RecordKey::new(&[9; 32])).is_none());
        shelf.expire();
        assert!(shelf.records().is_empty());
        // It does not come back, either.
        assert_eq!(shelf.offer(&[9; 32], &[1, 1], PEER), Offered::Refused);
    }

    #[tokio::test(start_paused = true)]
    async fn forged_values_are_told_from_those_that_are_not_for_us() {
        let mut shelf = shelf(&Store::in_memory(), clock());
        assert_eq!(shelf.offer(&[9; 32], &[0, 5], PEER), Offered::Forged);
        assert_eq!(shelf.offer(&[9; 31], &[1, 5], PEER), Offered::Forged);
        let large = vec![1; DHT_VALUE_MAX + 1];
        assert_eq!(shelf.offer(&[9; 32], &large, PEER), Offered::Forged);
        shelf.set_members(Members::new([Member {
            relay: PEER,
            keeps: true,
        }]));
        assert_eq!(shelf.offer(&[9; 32], &[1, 5], PEER), Offered::Refused);
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_is_handed_on_every_hour_or_so_unless_others_do() {
        let mut shelf = shelf(&Store::in_memory(), clock());
        shelf.offer(&[9; 32], &[1, 200], PEER);
        write(&mut shelf);
        let mut times = 0;
        for _ in 0..48 * 60 {
            advance(Duration::from_secs(60)).await;
            times += usize::from(shelf.next_due().is_some());
        }
        assert!((40..=60).contains(&times), "{times} times in two days");
        for _ in 0..48 {
            advance(Duration::from_secs(1800)).await;
            assert_eq!(shelf.offer(&[9; 32], &[1, 200], PEER), Offered::Held);
            assert!(shelf.next_due().is_none(), "a peer has just brought it");
        }
        // Who is no longer one of the closest hands nothing on.
        shelf.set_members(Members::default());
        advance(Duration::from_secs(7200)).await;
        assert!(shelf.next_due().is_none());
    }
}
