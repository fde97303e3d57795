//! What a table has done, and what it holds.

use core::sync::atomic::{AtomicU64, Ordering};

/// What a table has done since it began, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Values held; this and the next three as of a second ago at most.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Relays linked.
    pub links: u64,
    /// Searches, publishings and handings-on under way.
    pub queries: u64,
    /// Values that were asked for by others.
    pub asked: u64,
    /// Values that others have brought, good or bad.
    pub brought: u64,
    /// Values taken, newer ones in place of older ones included.
    pub stored: u64,
    /// Values that were brought and are not kept: old, without room, or not this relay's to keep.
    pub refused: u64,
    /// Values that were brought or found and are forged.
    pub forged: u64,
    /// Times that a peer was sent away, for asking too much.
    pub sent_away: u64,
    /// Times that the disk did not take what it was given; it is tried again.
    pub unwritten: u64,
}

/// The same, counted from any thread.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) links: AtomicU64,
    pub(crate) queries: AtomicU64,
    pub(crate) asked: AtomicU64,
    pub(crate) brought: AtomicU64,
    pub(crate) stored: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) forged: AtomicU64,
    pub(crate) sent_away: AtomicU64,
    pub(crate) unwritten: AtomicU64,
}

impl Counters {
    /// One more.
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// That many now.
    pub(crate) fn set(counter: &AtomicU64, now: usize) {
        counter.store(now as u64, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            records: read(&self.records),
            bytes: read(&self.bytes),
            links: read(&self.links),
            queries: read(&self.queries),
            asked: read(&self.asked),
            brought: read(&self.brought),
            stored: read(&self.stored),
            refused: read(&self.refused),
            forged: read(&self.forged),
            sent_away: read(&self.sent_away),
            unwritten: read(&self.unwritten),
        }
    }
}
