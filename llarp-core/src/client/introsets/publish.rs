//! Keeping an identity's device published: today and tomorrow, again when something changes, and
//! before it is over.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use rand_core::Rng;
use tokio::sync::watch;
use tokio::task::{AbortHandle, yield_now};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::find::{FindError, Wanted};
use super::{Inner, Introsets, TerminalFailed};
use crate::crypto::epoch::Epoch;
use crate::crypto::identity::SecretKey;
use crate::crypto::pow::{Effort, Proof, Puzzle, Search};
use crate::introset::message::{Answer, Reason, Request};
use crate::introset::{
    ClientKey, DeviceSlot, Introset, Place, Publisher, Readers, Record, SealError,
};
use crate::link::Backoff;
use crate::wire::limits::{
    FIND_TIME, PUBLISH_APART, PUBLISH_EFFORT_MAX, PUBLISH_JITTER, PUBLISH_LOOK, PUBLISH_RETRY_BASE,
    PUBLISH_RETRY_CAP, PUBLISH_TRIES, WORK_PORTION,
};

/// What is to be published, and how.
pub struct Publication {
    /// The identity.
    pub identity: Arc<SecretKey>,
    /// Which of its devices this is.
    pub slot: DeviceSlot,
    /// What the device says; published anew, after a jitter, when it changes. Its keys must be
    /// replaced before they end.
    pub contents: watch::Receiver<Introset>,
    /// Those who may read it; `None` for whoever knows the address.
    pub readers: Option<Vec<ClientKey>>,
    /// How much work goes into a record, unless storers want more.
    pub effort: Effort,
}

/// A device that is kept published; dropped, it is published no more, and what was is over by and by.
pub struct Published {
    status: watch::Receiver<PublishStatus>,
    keeper: AbortHandle,
}

/// How a publication stands.
#[derive(Debug, Clone, Default)]
pub struct PublishStatus {
    /// The epochs whose introsets are up to date, with the copies that were told of.
    pub epochs: BTreeMap<Epoch, u8>,
    /// Whether today's, or, with tomorrow's snapshot, tomorrow's was fetched over another path and
    /// opened.
    pub proven: bool,
    /// Why the last try failed, if it did.
    pub failed: Option<Arc<PublishError>>,
}

/// Why an introset is not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// It cannot be made.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The terminal was of no use.
    #[error(transparent)]
    Terminal(#[from] TerminalFailed),
    /// The network wants more work than a device should do.
    #[error(
        "storers ask for an effort of {least}, more than {}",
        PUBLISH_EFFORT_MAX
    )]
    Effort {
        /// What they ask for.
        least: u32,
    },
    /// The storers have no room.
    #[error("the storers have no room")]
    Full,
    /// The terminal finds something wrong with it.
    #[error(
        "the terminal finds the introset wrong: is this machine's clock right, its registry new?"
    )]
    Invalid,
    /// Others hold a newer one, again and again: two machines use one device slot.
    #[error("a newer introset is published in this device's slot: another machine uses it, too")]
    Outdone,
    /// It was stored, they say, and is not found.
    #[error("the introset was stored, but is not found: {0}")]
    NotFound(FindError),
    /// No snapshot says where.
    #[error(
        "no snapshot of the registry says where introsets are today; is this machine's clock right?"
    )]
    NoPlace,
}

impl Introsets {
    /// Publishes from now on, until the handle is dropped. In a tokio runtime.
    #[must_use]
    pub fn publish(&self, publication: Publication) -> Published {
        let (tell, status) = watch::channel(PublishStatus::default());
        let keeper = Keeper {
            inner: Arc::clone(&self.0),
            publication,
            shown: BTreeMap::new(),
            tell,
        };
        let keeper = tokio::spawn(keeper.run()).abort_handle();
        Published { status, keeper }
    }
}

impl Published {
    /// How it stands.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<PublishStatus> {
        self.status.clone()
    }

    /// Resolves when the introset was found and opened over another path than the one it was
    /// published over. Cancel-safe.
    pub async fn ready(&self) {
        let mut status = self.status.clone();
        if status.wait_for(|status| status.proven).await.is_err() {
            // The keeper ends with this handle, or with the runtime.
            core::future::pending::<()>().await;
        }
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

struct Keeper {
    inner: Arc<Inner>,
    publication: Publication,
    shown: BTreeMap<Epoch, Shown>,
    tell: watch::Sender<PublishStatus>,
}

/// What is published for an epoch.
struct Shown {
    publisher: Publisher,
    beacon: [u8; 32],
    /// When to publish again; at once if nothing is.
    again: Instant,
    copies: u8,
}

impl Keeper {
    async fn run(mut self) {
        let mut backoff = Backoff::new(PUBLISH_RETRY_BASE, PUBLISH_RETRY_CAP);
        loop {
            let contents = self.publication.contents.borrow_and_update().clone();
            let wait = match self.publish_all(&contents).await {
                Ok(()) => {
                    backoff.succeeded();
                    self.until_due()
                }
                Err(error) => {
                    let error = Some(Arc::new(error));
                    self.tell.send_modify(|status| status.failed = error);
                    Instant::now() + backoff.failed(&mut self.inner.shared().fork_rng())
                }
            };
            tokio::select! {
                biased;
                Ok(()) = self.publication.contents.changed() => {
                    sleep(self.jitter(PUBLISH_JITTER)).await;
                    self.hurry();
                }
                () = sleep_until(wait) => (),
            }
        }
    }

    /// Publishes what is due, today's first.
    async fn publish_all(&mut self, contents: &Introset) -> Result<(), PublishError> {
        let beacons = self.inner.beacons.beacons().ok_or(PublishError::NoPlace)?;
        let places: Vec<_> = beacons.places(self.inner.now()).to_publish().collect();
        self.shown
            .retain(|epoch, _| places.iter().any(|place| place.epoch == *epoch));
        if places.is_empty() {
            return Err(PublishError::NoPlace);
        }
        let mut failed = None;
        for (n, place) in places.into_iter().enumerate() {
            let due = match self.shown.get(&place.epoch) {
                Some(shown) => shown.beacon != place.beacon || shown.again <= Instant::now(),
                None if n == 0 => true,
                None => {
                    self.put_off(place);
                    false
                }
            };
            if due {
                // What fails for one day may still do for the other.
                failed = self.publish_at(place, contents).await.err().or(failed);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// What has changed is published soon for the first epoch, and for the other a while after: two
    /// changes at one time, each time, would link them.
    fn hurry(&mut self) {
        let now = Instant::now();
        let later = now + self.jitter(PUBLISH_APART);
        let mut soon = now;
        for shown in self.shown.values_mut() {
            shown.again = shown.again.min(soon);
            soon = later;
        }
    }

    /// Tomorrow's introset comes a while after today's: storers of both could tell by the time that
    /// they are of one identity.
    fn put_off(&mut self, place: Place) {
        let left = place.epoch.start().saturating_sub(self.inner.now());
        let most = PUBLISH_APART.min(Duration::from_secs(left / 4));
        let shown = Shown {
            publisher: self.publisher(place.epoch),
            beacon: place.beacon,
            again: Instant::now() + self.jitter(most),
            copies: 0,
        };
        self.shown.insert(place.epoch, shown);
    }

    /// Publishes for one epoch, and looks whether it is there.
    async fn publish_at(&mut self, place: Place, contents: &Introset) -> Result<(), PublishError> {
        let mut publisher = match self.shown.remove(&place.epoch) {
            Some(shown) => shown.publisher,
            None => self.publisher(place.epoch),
        };
        let stored = self.store(place, &mut publisher, contents).await;
        let stored = match stored {
            Ok((record, copies)) => {
                let proven = timeout(FIND_TIME, self.prove(place, record.sequence())).await;
                let proven = proven.unwrap_or(Err(PublishError::NotFound(FindError::TimedOut)));
                proven.map(|()| (record, copies))
            }
            Err(error) => Err(error),
        };
        let (again, copies) = match &stored {
            Ok((record, copies)) => (self.refresh_at(record), *copies),
            Err(_) => (Instant::now(), 0),
        };
        let shown = Shown {
            publisher,
            beacon: place.beacon,
            again,
            copies,
        };
        self.shown.insert(place.epoch, shown);
        stored?;
        let epochs = self.shown.iter();
        let epochs = epochs.map(|(epoch, shown)| (*epoch, shown.copies));
        let status = PublishStatus {
            epochs: epochs.filter(|(_, copies)| *copies > 0).collect(),
            proven: true,
            failed: None,
        };
        self.tell.send_replace(status);
        Ok(())
    }

    fn publisher(&self, epoch: Epoch) -> Publisher {
        let shared = self.inner.shared();
        let Publication { identity, slot, .. } = &self.publication;
        Publisher::new(
            identity,
            shared.network,
            epoch,
            *slot,
            &mut shared.fork_rng(),
        )
    }

    /// Has a terminal store it; another one, with what was learned, if that fails.
    async fn store(
        &self,
        place: Place,
        publisher: &mut Publisher,
        contents: &Introset,
    ) -> Result<(Record, u8), PublishError> {
        let mut effort = self.publication.effort;
        let mut failed = PublishError::Invalid;
        for _ in 0..PUBLISH_TRIES {
            let record = self.record(publisher, contents, effort).await?;
            let at = publisher.location(&place.beacon);
            match self
                .ask(Request::Publish {
                    at,
                    record: record.clone(),
                })
                .await
            {
                Ok(Answer::Stored { copies }) if copies > 0 => return Ok((record, copies)),
                Ok(Answer::Stale(newer)) => {
                    // A terminal that shows what is not ours lies; another one is asked.
                    let _ = publisher.observe(&newer);
                    failed = PublishError::Outdone;
                }
                Ok(Answer::Refused(Reason::Effort { least })) => {
                    let least_tries = least.get();
                    failed = PublishError::Effort { least: least_tries };
                    if least_tries <= PUBLISH_EFFORT_MAX {
                        effort = effort.max(least);
                    }
                }
                Ok(Answer::Refused(Reason::Invalid)) => failed = PublishError::Invalid,
                Ok(Answer::Refused(Reason::Full)) => failed = PublishError::Full,
                Ok(Answer::Refused(Reason::Busy { seconds })) => {
                    failed = TerminalFailed::Busy { seconds }.into();
                }
                Ok(_) => failed = TerminalFailed::OtherAnswer.into(),
                Err(error) => failed = error.into(),
            }
        }
        Err(failed)
    }

    async fn ask(&self, request: Request) -> Result<Answer, TerminalFailed> {
        let terminal = self.inner.terminal(None).await?;
        terminal.ask(&request).await
    }

    async fn record(
        &self,
        publisher: &mut Publisher,
        contents: &Introset,
        effort: Effort,
    ) -> Result<Record, PublishError> {
        let draft = publisher.draft(self.inner.now());
        let mut rng = self.inner.shared().fork_rng();
        let proof = solve(draft.puzzle(), effort, rng.next_u64()).await;
        let readers = match &self.publication.readers {
            None => Readers::Everyone,
            Some(clients) => Readers::Only(clients),
        };
        let now = self.inner.now();
        Ok(publisher.seal(&draft, proof, contents, readers, now, &mut rng)?)
    }

    /// Fetches it over other paths, as a caller would who knows the address; whether he may open it
    /// is not asked, since an owner need not name itself.
    async fn prove(&self, place: Place, sequence: u64) -> Result<(), PublishError> {
        let wanted = Wanted {
            address: self.publication.identity.address(),
            client: None,
        };
        let found = self.inner.find_at(&wanted, place).await;
        match found {
            // An older one may be there from before: then nothing was stored.
            Ok(found)
                if found
                    .get(&self.publication.slot)
                    .is_some_and(|opened| opened.sequence >= sequence) =>
            {
                Ok(())
            }
            Ok(_) => Err(PublishError::NotFound(FindError::Nothing)),
            Err(FindError::Useless(crate::introset::OpenError::NotAuthorized))
                if self.publication.readers.is_some() =>
            {
                Ok(())
            }
            Err(error) => Err(PublishError::NotFound(error)),
        }
    }

    /// Half-way to its end, give or take a tenth: nobody sees by the time when it was published.
    fn refresh_at(&self, record: &Record) -> Instant {
        let half = record.until().saturating_sub(self.inner.now()) / 2;
        let tenth = Duration::from_secs(half / 10);
        Instant::now() + Duration::from_secs(half) - tenth + self.jitter(tenth * 2)
    }

    /// When to look again: when the next refresh is due, or beacons may have changed.
    fn until_due(&self) -> Instant {
        let due = self.shown.values().map(|shown| shown.again).min();
        let look = Instant::now() + PUBLISH_LOOK;
        due.map_or(look, |due| due.min(look))
    }

    /// A while between nothing and `most`.
    fn jitter(&self, most: Duration) -> Duration {
        let part = self.inner.shared().fork_rng().next_u32();
        most.mul_f64(f64::from(part) / f64::from(u32::MAX))
    }
}

/// Works in portions, between which others on this thread have their turn.
async fn solve(puzzle: &Puzzle, effort: Effort, start: u64) -> Proof {
    let mut nonce = start;
    loop {
        match puzzle.search(effort, nonce, WORK_PORTION) {
            Search::Found(proof) => return proof,
            Search::Next(next) => nonce = next,
        }
        yield_now().await;
    }
}

impl fmt::Debug for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication").finish_non_exhaustive()
    }
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published").finish_non_exhaustive()
    }
}
