//! Carries a comparison out: asks all sources at once, one request each at a time.

use core::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::pace::Pace;
use super::view::NetworkView;
use super::way::{AskError, Way};
use crate::registry::directory::SnapshotHead;
use crate::registry::sync::{FetchError, Outcome, SnapshotFetch, Sync};
use crate::registry::{Changed, Refused};
use crate::wire::limits::DIRECTORY_SOURCES_LEAST;

/// How long a comparison, or a snapshot, may take in all. What was learned until then counts.
pub(super) const WHOLE_TIME: Duration = Duration::from_secs(120);

/// What a comparison came to.
#[derive(Debug)]
pub struct Comparison {
    /// What was accepted, disputed, found wrong.
    pub outcome: Outcome,
    /// Whether all that sources told of was fetched, as far as somebody gave it in time.
    pub whole: bool,
    /// Bytes of requests and replies.
    pub bytes: u64,
}

impl Comparison {
    /// Whether enough sources answered, and something came of it. If not, it is to be tried again soon:
    /// sources may tell much and give nothing.
    #[must_use]
    pub const fn has_taught(&self) -> bool {
        let outcome = &self.outcome;
        self.whole
            && outcome.answered >= DIRECTORY_SOURCES_LEAST
            && outcome.accepted + outcome.provisional > 0
    }
}

/// Why no snapshot was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchFailed {
    /// The source did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// What it answered makes no snapshot.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The snapshot is not taken.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Compares what the sources know with what `view` knows, and takes what the rule accepts
/// (`docs/spec/10-directory.md` §8). `ahead`: also the keys of the next key epoch.
pub async fn compare(view: &NetworkView, sources: &[Way], ahead: bool) -> Comparison {
    let now = view.time();
    let reaches: Vec<_> = sources.iter().map(Way::reach).collect();
    let mut sync = view.read(|directory| Sync::new(directory, Sync::needed(now, ahead), &reaches));
    let mut asked = JoinSet::new();
    let mut pace = Pace::new();
    let deadline = Instant::now() + WHOLE_TIME;
    let mut bytes = 0;
    loop {
        while let Some((source, request)) = view.read(|directory| sync.next(directory)) {
            let Some(way) = sources.get(source.0).cloned() else {
                sync.failed(source);
                continue;
            };
            pace.asked(source, &request);
            bytes += request.encode().len() as u64;
            asked.spawn(async move { (source, way.ask(&request).await) });
        }
        if sync.finished() || Instant::now() >= deadline {
            break;
        }
        if pace.hurry(&mut sync) {
            continue;
        }
        let wake = pace.wake(&sync).map_or(deadline, |wake| wake.min(deadline));
        let answered = tokio::select! {
            biased;
            answered = asked.join_next() => answered,
            () = sleep_until(wake) => continue,
        };
        match answered {
            Some(Ok((source, Ok(reply)))) => {
                bytes += reply.len() as u64;
                sync = view.handle(sync, source, reply).await;
            }
            Some(Ok((source, Err(_)))) => sync.failed(source),
            Some(Err(_)) => (),
            None => break,
        }
    }
    view.count_traffic(bytes);
    let whole = sync.finished();
    Comparison {
        outcome: view.finish(sync),
        whole,
        bytes,
    }
}

/// Fetches the newest snapshot of a source, or the delta to it, and takes it if it is good. Also how
/// many bytes that were.
///
/// # Errors
/// [`FetchFailed`]; the last good snapshot stays.
pub async fn fetch_snapshot(view: &NetworkView, way: &Way) -> Result<(Changed, u64), FetchFailed> {
    let fetched = timeout(WHOLE_TIME, fetch(view, way, *view.members().head())).await;
    fetched.map_err(|_| AskError::TimedOut)?
}

/// The same for somebody who has nothing: the whole of it, whatever we have. Nor does it tell that we
/// have another one.
pub(super) async fn fetch_whole(
    view: &NetworkView,
    way: &Way,
) -> Result<(Changed, u64), FetchFailed> {
    fetch(view, way, SnapshotHead::default()).await
}

async fn fetch(
    view: &NetworkView,
    way: &Way,
    have: SnapshotHead,
) -> Result<(Changed, u64), FetchFailed> {
    let mut fetch = SnapshotFetch::new(&have);
    let mut bytes = 0;
    loop {
        let request = fetch.request();
        let reply = way.ask(&request).await?;
        let both = (request.encode().len() + reply.len()) as u64;
        view.count_traffic(both);
        bytes += both;
        if let Some(whole) = fetch.handle(&reply)? {
            return Ok((view.offer_packed(whole).await?, bytes));
        }
    }
}
