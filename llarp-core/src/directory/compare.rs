//! Carries a comparison out: asks all sources at once, one request each at a time.

use core::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::view::NetworkView;
use super::way::{AskError, Way};
use crate::registry::sync::{FetchError, Outcome, SnapshotFetch, Sync};
use crate::registry::{Changed, Refused};

/// How long a comparison may take in all. Who has not told by then does not count.
const WHOLE_TIME: Duration = Duration::from_secs(120);

/// What a comparison came to.
#[derive(Debug)]
pub struct Comparison {
    /// What was accepted, disputed, found wrong.
    pub outcome: Outcome,
    /// Bytes of requests and replies.
    pub bytes: u64,
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
    let now = view.now();
    let reaches: Vec<_> = sources.iter().map(Way::reach).collect();
    let mut sync = view.read(|directory| Sync::new(directory, Sync::needed(now, ahead), &reaches));
    let mut asked = JoinSet::new();
    let deadline = Instant::now() + WHOLE_TIME;
    let mut bytes = 0;
    loop {
        while let Some((source, request)) = view.read(|directory| sync.next(directory)) {
            let Some(way) = sources.get(source.0).cloned() else {
                sync.failed(source);
                continue;
            };
            bytes += request.encode().len() as u64;
            asked.spawn(async move { (source, way.ask(&request).await) });
        }
        if sync.finished() {
            break;
        }
        let answered = tokio::select! {
            biased;
            answered = asked.join_next() => answered,
            () = sleep_until(deadline) => None,
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
    Comparison {
        outcome: view.finish(sync),
        bytes,
    }
}

/// Fetches the newest snapshot of a source, or the delta to it, and takes it if it is good. Also how
/// many bytes that were.
///
/// # Errors
/// [`FetchFailed`]; the last good snapshot stays.
pub async fn fetch_snapshot(view: &NetworkView, way: &Way) -> Result<(Changed, u64), FetchFailed> {
    let fetched = timeout(WHOLE_TIME, fetch(view, way)).await;
    fetched.map_err(|_| AskError::TimedOut)?
}

async fn fetch(view: &NetworkView, way: &Way) -> Result<(Changed, u64), FetchFailed> {
    let mut fetch = SnapshotFetch::new(view.members().head());
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
