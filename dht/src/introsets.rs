//! Introsets in the table: what makes a value one, and the table as a terminal's store.

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::pow::Effort;
use llarp_core::directory::NetworkView;
use llarp_core::introset::{self, Location, Record, VerifiedRecord};
use llarp_core::storer::{Answering, IntrosetStore, KnowsBeacons, Put, StoreError};
use llarp_core::wire::limits::FETCH_RECORDS_MAX;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::error::DhtError;
use crate::members::{Member, Members};
use crate::names::Key;
use crate::rules::{Invalid, Judged, Order, Rules};
use crate::table::Dht;

/// How much longer than the first valid answer took others may take, and at least: the first may be
/// this relay's own, which takes no time, and a storer that has a newer one is somewhere in the world.
const PATIENCE_FACTOR: u32 = 4;
const PATIENCE_LEAST: Duration = Duration::from_millis(500);

/// By what introsets are judged.
pub struct IntrosetRules {
    /// The network.
    pub network: NetworkId,
    /// Who knows the beacons.
    pub beacons: Arc<dyn KnowsBeacons>,
    /// The least work that one must have cost.
    pub least: Effort,
}

impl Rules for IntrosetRules {
    fn judge(&self, key: &Key, value: &[u8], unix: u64) -> Result<Judged, Invalid> {
        let record = Record::decode(value).map_err(|_| Invalid::Forged)?;
        let known = self.beacons.beacons();
        let beacons: Vec<_> = known.iter().flat_map(|known| known.iter()).collect();
        let rules = introset::Rules {
            network: &self.network,
            now: unix,
            beacons: &beacons,
            least: self.least,
        };
        let record = record.verify(&Location(*key), &rules);
        let record = record.map_err(|refused| match refused.is_fault() {
            true => Invalid::Forged,
            // By another clock, snapshot or taste it would do.
            false => Invalid::NotNow,
        })?;
        let record = record.get();
        // The end of a signature: no two records have the same.
        let (_, tie) = value.split_last_chunk().ok_or(Invalid::Forged)?;
        Ok(Judged {
            order: Order {
                sequence: record.sequence(),
                tie: *tie,
            },
            expires: record.until(),
            owner: *record.blinded(),
        })
    }
}

impl core::fmt::Debug for IntrosetRules {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("IntrosetRules").finish_non_exhaustive()
    }
}

/// Storers of introsets, as a relay's directory names them: kept up to date by a task, until the
/// receiver is dropped. In a tokio runtime.
#[must_use]
pub fn storers(view: &NetworkView) -> watch::Receiver<Members> {
    let (tell, storers) = watch::channel(storers_of(view));
    let (view, mut snapshots) = (view.clone(), view.snapshots());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                () = tell.closed() => return,
                changed = snapshots.changed() => match changed {
                    Ok(()) => drop(tell.send_replace(storers_of(&view))),
                    Err(_) => return,
                },
            }
        }
    });
    storers
}

fn storers_of(view: &NetworkView) -> Members {
    let newest = view.newest();
    let entries = newest.iter().flat_map(|snapshot| {
        snapshot.entries().iter().map(|entry| Member {
            relay: entry.relay,
            keeps: snapshot.stores_introsets(entry),
        })
    });
    Members::new(entries)
}

/// The table as what a terminal gives introsets to.
#[derive(Debug, Clone)]
pub struct IntrosetTable(Dht);

impl IntrosetTable {
    /// Introsets in `dht`, whose rules are [`IntrosetRules`].
    #[must_use]
    pub const fn new(dht: Dht) -> Self {
        Self(dht)
    }

    async fn put_now(self, place: Location, record: Record) -> Result<Put, StoreError> {
        let value = Bytes::copy_from_slice(record.as_bytes());
        let copies = self.0.put(place.0, value).await.map_err(store_error)?;
        // A storer that holds a newer one says no more than that it has heard.
        let newest = self.find_now(place).await?.into_iter().next();
        match newest {
            Some(newest) if newest.supersedes(&record) => Ok(Put::Stale(newest)),
            _ if copies == 0 => Err(StoreError::NoAnswer),
            _ => Ok(Put::Stored {
                copies: u8::try_from(copies).unwrap_or(u8::MAX),
            }),
        }
    }

    async fn find_now(&self, place: Location) -> Result<Vec<Record>, StoreError> {
        let began = Instant::now();
        let mut search = self.0.search(place.0).map_err(store_error)?;
        let mut values: Vec<Bytes> = search.next().await.into_iter().collect();
        if !values.is_empty() {
            let patience = (began.elapsed() * PATIENCE_FACTOR).max(PATIENCE_LEAST);
            let until = Instant::now() + patience;
            while let Ok(Some(newer)) = timeout_at(until, search.next()).await {
                values.push(newer);
            }
        }
        let records = values.iter().rev().take(FETCH_RECORDS_MAX);
        Ok(records
            .filter_map(|value| Record::decode(value).ok())
            .collect())
    }
}

impl IntrosetStore for IntrosetTable {
    fn put(&self, place: Location, record: VerifiedRecord) -> Answering<Result<Put, StoreError>> {
        Box::pin(self.clone().put_now(place, record.into_inner()))
    }

    fn find(&self, place: Location) -> Answering<Result<Vec<Record>, StoreError>> {
        let this = self.clone();
        Box::pin(async move { this.find_now(place).await })
    }
}

const fn store_error(error: DhtError) -> StoreError {
    match error {
        DhtError::Busy => StoreError::Busy { seconds: 1 },
        DhtError::Stopped | DhtError::Invalid(_) => StoreError::NoAnswer,
    }
}
