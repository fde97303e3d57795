//! Looks at what sources have before anything is compared: a newer snapshot first, since documents
//! of relays that it names are of no use before it is there; and nothing, if all is the same.

use core::cmp::Reverse;

use tokio::task::JoinSet;
use tracing::debug;

use super::compare::fetch_snapshot;
use super::view::NetworkView;
use super::way::Way;
use crate::registry::directory::{Digest, SnapshotHead};
use crate::registry::message::{Head, Reply, Request};
use crate::registry::sync::Sync;

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
        head.number > have.number || have == SnapshotHead::default() && head != have
    }

    /// Whether it has the same documents as `view`: then a comparison with it alone would tell
    /// nothing. `ahead`: also the keys of the next key epoch.
    #[must_use]
    pub fn is_same(&self, view: &NetworkView, ahead: bool) -> bool {
        let own = view.read(crate::registry::Directory::head);
        let whats = Sync::needed(view.now(), ahead);
        let root = |head: &Head, what| {
            let tree = head.trees.iter().find(|tree| tree.what == what);
            tree.map_or(Digest::EMPTY, |tree| tree.root)
        };
        let mut whats = whats.into_iter();
        whats.all(|what| root(&self.head, what) == root(&own, what))
    }
}

/// Asks all sources at once what they have. Who does not answer is left out.
pub async fn look(view: &NetworkView, sources: &[Way]) -> Vec<Seen> {
    let mut asked = JoinSet::new();
    for (at, way) in sources.iter().cloned().enumerate() {
        asked.spawn(async move { (at, way.ask(&Request::Head).await, way) });
    }
    let mut seen = Vec::new();
    while let Some(answered) = asked.join_next().await {
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

/// Fetches the newest snapshot that any of them has, as long as one says that it has a newer one.
pub async fn catch_up(view: &NetworkView, seen: &[Seen]) {
    let mut newer: Vec<_> = seen.iter().filter(|seen| seen.is_newer(view)).collect();
    newer.sort_by_key(|seen| Reverse(seen.head.snapshot.number));
    for seen in newer {
        // Whoever boasts of a high number and gives an old one ends nothing: the next is asked.
        if !seen.is_newer(view) {
            continue;
        }
        if let Err(error) = fetch_snapshot(view, &seen.way).await {
            debug!(%error, "a source's snapshot was not taken");
        }
    }
}
