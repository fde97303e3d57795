//! `introset/1`: takes records from whoever comes through a path, and gives them.

use core::fmt;
use std::sync::Arc;

use tokio::time::timeout;

use super::allowance::Allowance;
use super::{IntrosetStore, KnowsBeacons, Put, StoreError};
use crate::clock::Clock;
use crate::crypto::hash::NetworkId;
use crate::crypto::pow::Effort;
use crate::introset::message::{Answer, Reason, Request, SERVICE};
use crate::introset::{Location, Record, Refused, Rules, VerifiedRecord};
use crate::tunnel::{BiStream, Caller, Serving, TerminalService};
use crate::wire::limits::{INTROSET_REQUEST_MAX, STORE_TIME, STREAM_HEAD_TIME};

/// What the service is told.
pub struct ServiceConfig {
    /// The network.
    pub network: NetworkId,
    /// The wall clock.
    pub clock: Clock,
    /// Who knows the beacons.
    pub beacons: Arc<dyn KnowsBeacons>,
    /// Where records go.
    pub store: Arc<dyn IntrosetStore>,
    /// The least work that a record must have cost.
    pub least: Effort,
}

/// Introsets, as a service at the end of paths. A stream is a request and its answer.
pub struct IntrosetService(Arc<Inner>);

struct Inner {
    config: ServiceConfig,
    allowance: Allowance,
}

impl IntrosetService {
    /// The service of a node that is told this.
    #[must_use]
    pub fn new(config: ServiceConfig) -> Self {
        let allowance = Allowance::new();
        Self(Arc::new(Inner { config, allowance }))
    }
}

impl TerminalService for IntrosetService {
    fn name(&self) -> &'static str {
        SERVICE
    }

    fn serve(&self, stream: BiStream, _from: Caller) -> Serving {
        let inner = Arc::clone(&self.0);
        Box::pin(inner.serve(stream))
    }
}

impl Inner {
    /// Whoever is slow to ask, or asks what is no request, gets no answer, which is one.
    async fn serve(self: Arc<Self>, mut stream: BiStream) {
        let request = stream.read_to_end(INTROSET_REQUEST_MAX);
        let Ok(Ok(request)) = timeout(STREAM_HEAD_TIME, request).await else {
            return;
        };
        let Ok(request) = Request::decode(&request) else {
            return stream.give_up();
        };
        let answer = match self.allowance.take(&request) {
            Ok(()) => self.answer(request).await,
            Err(seconds) => Answer::Refused(Reason::Busy { seconds }),
        };
        if stream.write_all(&answer.encode()).await.is_ok() {
            stream.finish();
            let _ = timeout(STREAM_HEAD_TIME, stream.delivered()).await;
        }
    }

    async fn answer(&self, request: Request) -> Answer {
        match request {
            Request::Publish { at, record } => match self.verify(&at, record) {
                Ok(record) => self.publish(at, record).await,
                Err(refused) => Answer::Refused(reason(refused)),
            },
            Request::Fetch(place) => self.fetch(place).await,
        }
    }

    /// Costs two hashes, and 0.1 ms for a record that was worked for.
    fn verify(&self, at: &Location, record: Record) -> Result<VerifiedRecord, Refused> {
        let known = self.config.beacons.beacons();
        let beacons: Vec<_> = known.iter().flat_map(super::Beacons::iter).collect();
        let rules = Rules {
            network: &self.config.network,
            now: self.config.clock.unix().as_secs(),
            beacons: &beacons,
            least: self.config.least,
        };
        record.verify(at, &rules)
    }

    async fn publish(&self, at: Location, record: VerifiedRecord) -> Answer {
        let put = timeout(STORE_TIME, self.config.store.put(at, record)).await;
        match put.unwrap_or(Err(StoreError::NoAnswer)) {
            Ok(Put::Stored { copies }) => Answer::Stored { copies },
            Ok(Put::Stale(newer)) => Answer::Stale(newer),
            Err(error) => Answer::Refused(reason_of(error)),
        }
    }

    async fn fetch(&self, place: Location) -> Answer {
        let found = timeout(STORE_TIME, self.config.store.find(place)).await;
        match found.unwrap_or(Err(StoreError::NoAnswer)) {
            Ok(records) => Answer::Found(records),
            Err(error) => Answer::Refused(reason_of(error)),
        }
    }
}

const fn reason(refused: Refused) -> Reason {
    match refused {
        Refused::Effort { least, .. } => match Effort::new(least) {
            Some(least) => Reason::Effort { least },
            None => Reason::Invalid,
        },
        _ => Reason::Invalid,
    }
}

const fn reason_of(error: StoreError) -> Reason {
    match error {
        StoreError::Full => Reason::Full,
        StoreError::Busy { seconds } => Reason::Busy { seconds },
        StoreError::NoAnswer => Reason::Busy { seconds: 1 },
    }
}

impl fmt::Debug for IntrosetService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntrosetService")
    }
}
