//! Looks at what sources have before anything is compared: a newer snapshot first, since documents
//! of relays that it names are of no use before it is there; what there is instead of ours; and nothing
//! else, if all is the same.

use core::cmp::Reverse;
use core::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

use super::compare::{FetchFailed, WHOLE_TIME, fetch_snapshot, fetch_whole};
use super::view::NetworkView;
use super::way::Way;
use crate::registry::Changed;
use crate::registry::directory::{Digest, SnapshotHead};
use crate::registry::message::{Head, Reply, Request};
use crate::registry::sync::Sync;
use crate::wire::limits::{DIRECTORY_SOURCES_LEAST, SNAPSHOT_PATIENCE};

/// How much later than the last of enough sources another one may say what it has.
const LATER: Duration = Duration::from_secs(2);

/// A source that answers, and what it has.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The way to it.
    pub way: Way,
    /// What it has, by its own word.
    pub head: Head,
}

impl Seen {
    /// Whether it has a newer snapshot than `view`.
    #[must_use]
    pub fn is_newer(&self, view: &NetworkView) -> bool {
        let have = *view.members().head();
        let head = self.head.snapshot;
        let later = head.number > have.number || have == SnapshotHead::default() && head != have;
        later && !view.is_forked(&head)
    }

    /// Whether it has another snapshot of the same number, of which nothing is known yet.
    fn is_fork(&self, view: &NetworkView) -> bool {
        let have = *view.members().head();
        let head = self.head.snapshot;
        let other = head.number == have.number && head.hash != have.hash;
        other && have != SnapshotHead::default() && !view.knows_fork(head.number)
    }

    /// Whether it has the same documents as `view`: then a comparison with it alone would tell
    /// nothing. `ahead`: also the keys of the next key epoch.
    #[must_use]
    pub fn is_same(&self, view: &NetworkView, ahead: bool) -> bool {
        let own = view.read(crate::registry::Directory::head);
        let whats = Sync::needed(view.time(), ahead);
        let root = |head: &Head, what| {
            let tree = head.trees.iter().find(|tree| tree.what == what);
            tree.map_or(Digest::EMPTY, |tree| tree.root)
        };
        let mut whats = whats.into_iter();
        whats.all(|what| root(&self.head, what) == root(&own, what))
    }
}

/// Asks all sources at once what they have. Who does not answer is left out, and once there are enough,
/// whoever has not in two seconds.
pub async fn look(view: &NetworkView, sources: &[Way]) -> Vec<Seen> {
    let mut asked = JoinSet::new();
    for (at, way) in sources.iter().cloned().enumerate() {
        asked.spawn(async move { (at, way.ask(&Request::Head).await, way) });
    }
    let mut seen = Vec::new();
    let mut patience = None;
    loop {
        if seen.len() >= DIRECTORY_SOURCES_LEAST {
            patience.get_or_insert_with(|| Instant::now() + LATER);
        }
        let answered = match patience {
            None => asked.join_next().await,
            Some(until) => timeout_at(until, asked.join_next()).await.ok().flatten(),
        };
        let Some(answered) = answered else {
            break;
        };
        let Ok((at, Ok(reply), way)) = answered else {
            continue;
        };
        view.count_traffic((Request::Head.encode().len() + reply.len()) as u64);
        if let Ok(Reply::Head(head)) = Reply::decode(&reply) {
            seen.push((at, Seen { way, head }));
        }
    }
    // Not in the order in which they answer, so that virtual time repeats.
    seen.sort_by_key(|(at, _)| *at);
    seen.into_iter().map(|(_, seen)| seen).collect()
}

/// Fetches the newest snapshot that any of them has, as long as one says that it has a newer one; then
/// what some have instead of ours under the same number, which is evidence if it is signed
/// ([`NetworkView::fork`]).
pub async fn catch_up(view: &NetworkView, seen: &[Seen]) {
    fetch_newer(view, seen).await;
    fetch_forks(view, seen).await;
}

/// Whoever boasts of the highest number is asked first, and alone only for [`SNAPSHOT_PATIENCE`]: then
/// the next one is asked beside it.
async fn fetch_newer(view: &NetworkView, seen: &[Seen]) {
    let mut newer: Vec<_> = seen.iter().filter(|seen| seen.is_newer(view)).collect();
    newer.sort_by_key(|seen| Reverse(seen.head.snapshot.number));
    let deadline = Instant::now() + WHOLE_TIME;
    let mut fetches = JoinSet::new();
    let mut taken = false;
    for seen in newer {
        // Whoever boasts of a high number and gives an old one ends nothing: the next is asked.
        if !seen.is_newer(view) {
            continue;
        }
        let (view, way) = (view.clone(), seen.way.clone());
        fetches.spawn(async move { fetch_snapshot(&view, &way).await });
        let ended = timeout(SNAPSHOT_PATIENCE, fetches.join_next()).await;
        taken |= ended.ok().flatten().is_some_and(was_taken);
    }
    // One that boasts and drips does not hold up a comparison with those who have no more than we.
    let others = seen.iter().filter(|seen| !seen.is_newer(view)).count();
    while !taken && others < DIRECTORY_SOURCES_LEAST {
        let ended = timeout_at(deadline, fetches.join_next()).await;
        match ended.ok().flatten() {
            Some(ended) => taken = was_taken(ended),
            None => return,
        }
    }
}

fn was_taken(ended: Result<Result<(Changed, u64), FetchFailed>, JoinError>) -> bool {
    match ended {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => {
            debug!(%error, "a source's snapshot was not taken");
            false
        }
        Err(_) => false,
    }
}

/// Fetches from all at once who have another snapshot of our number. What is no lie is kept, and told of.
async fn fetch_forks(view: &NetworkView, seen: &[Seen]) {
    let mut fetches = JoinSet::new();
    for seen in seen.iter().filter(|seen| seen.is_fork(view)) {
        let (view, way) = (view.clone(), seen.way.clone());
        fetches.spawn(async move {
            let fetched = timeout(SNAPSHOT_PATIENCE, fetch_whole(&view, &way)).await;
            if let Ok(Err(error)) = fetched {
                debug!(%error, "a source's snapshot was not taken");
            }
        });
    }
    // One that is true is enough.
    let number = view.members().head().number;
    while !view.knows_fork(number) && fetches.join_next().await.is_some() {}
}
