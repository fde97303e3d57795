//! How fast a flight of packets was delivered: a snapshot when a packet leaves, compared with what
//! has been acknowledged when it is.

use core::time::Duration;
use std::collections::VecDeque;

/// Snapshots kept: with 256 of them in a round trip, enough for four.
const SNAPSHOTS_MAX: usize = 1024;

/// Bytes acknowledged so far, and what that was when each packet left.
#[derive(Debug, Clone, Default)]
pub(super) struct Delivery {
    delivered: u64,
    delivered_at: Duration,
    /// When the packet left that was acknowledged last.
    first_sent: Duration,
    /// Packets that leave before so much was delivered tell nothing of the pipe: there was nothing
    /// more to send.
    limited_until: u64,
    snapshots: VecDeque<Snapshot>,
    /// Of the youngest packet in the batch of acknowledgements that runs.
    batch: Option<(Duration, Snapshot)>,
}

#[derive(Debug, Clone, Copy)]
struct Snapshot {
    sent: Duration,
    delivered: u64,
    delivered_at: Duration,
    first_sent: Duration,
    limited: bool,
}

/// What one batch of acknowledgements tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// Bytes a second.
    pub(super) rate: u64,
    /// What was delivered when the flight left.
    pub(super) before: u64,
    /// There was nothing more to send.
    pub(super) limited: bool,
}

impl Delivery {
    /// Bytes acknowledged so far.
    pub(super) const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Something leaves. `round_trip`: how long an answer takes, and so when silence is idleness.
    pub(super) fn sent(&mut self, now: Duration, round_trip: Duration) {
        let idle = round_trip * 2 + Duration::from_millis(50);
        if now.saturating_sub(self.delivered_at) > idle {
            self.delivered_at = now;
            self.first_sent = now;
        }
        let apart = round_trip / 256;
        let last = self.snapshots.back();
        if last.is_some_and(|last| now.saturating_sub(last.sent) <= apart) {
            return;
        }
        if self.snapshots.len() == SNAPSHOTS_MAX {
            self.snapshots.pop_front();
        }
        self.snapshots.push_back(Snapshot {
            sent: now,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent: self.first_sent,
            limited: self.delivered < self.limited_until,
        });
    }

    pub(super) fn acked(&mut self, now: Duration, sent: Duration, bytes: u64) {
        self.delivered = self.delivered.saturating_add(bytes);
        self.delivered_at = now;
        if self.batch.is_some_and(|(youngest, _)| sent <= youngest) {
            return;
        }
        let later = self.snapshots.partition_point(|it| it.sent <= sent);
        let at = later
            .checked_sub(1)
            .and_then(|before| self.snapshots.get(before));
        if let Some(snapshot) = at {
            self.batch = Some((sent, *snapshot));
        }
    }

    /// The batch is over, and so much is under way. `dry`: there was nothing more to send.
    pub(super) fn batch_ends(
        &mut self,
        now: Duration,
        in_flight: u64,
        dry: bool,
        round_trip: Duration,
    ) -> Option<Sample> {
        if dry {
            self.limited_until = self.delivered.saturating_add(in_flight).max(1);
        }
        let (sent, snapshot) = self.batch.take()?;
        self.first_sent = self.first_sent.max(sent);
        self.forget_before(sent.saturating_sub(round_trip));
        let sending = sent.saturating_sub(snapshot.first_sent);
        let acking = now.saturating_sub(snapshot.delivered_at);
        let took = sending.max(acking);
        // Two batches at once would make an infinite rate.
        if took < round_trip {
            return None;
        }
        let bytes = self.delivered.saturating_sub(snapshot.delivered);
        Some(Sample {
            rate: rate(bytes, took),
            before: snapshot.delivered,
            limited: snapshot.limited,
        })
    }

    fn forget_before(&mut self, time: Duration) {
        while self.snapshots.get(1).is_some_and(|it| it.sent < time) {
            self.snapshots.pop_front();
        }
    }
}

/// Bytes a second.
fn rate(bytes: u64, took: Duration) -> u64 {
    let nanos = took.as_nanos().max(1);
    u64::try_from(u128::from(bytes) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}

/// Bytes that `rate` delivers in `time`.
pub(super) fn bytes(rate: u64, time: Duration) -> u64 {
    u64::try_from(u128::from(rate) * time.as_nanos() / 1_000_000_000).unwrap_or(u64::MAX)
}
