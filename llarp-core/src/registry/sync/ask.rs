//! What a source is asked next.

use std::collections::BTreeSet;

use super::super::directory::{Digest, What};
use super::super::message::Request;
use super::Sync;
use super::source::{Asked, Claim, Source};
use crate::crypto::identity::RelayId;

/// Buckets that one request asks for: at eight relays each, half of what a reply takes.
const BUCKETS_ASKED: usize = 64;

impl Sync {
    /// What the source has yet to tell, and nobody else is being asked for.
    pub(super) fn question(&self, at: usize) -> Option<Asked> {
        let source = self.sources.get(at)?;
        if source.snapshot.is_none() {
            return Some(Asked::Head);
        }
        if let Some(asked) = &source.unfinished {
            return Some(asked.clone());
        }
        let asked = || self.prompt().flat_map(Source::open);
        source
            .claims
            .iter()
            .enumerate()
            .find_map(|(what, claim)| match claim {
                Claim::Root(root) => {
                    let other = asked().any(|other| other.is_about_root(*root));
                    let waits = other || self.may_be_named(root);
                    (!waits).then_some(Asked::Buckets { what, root: *root })
                }
                Claim::Buckets(buckets) => self.lists_of(what, buckets),
                Claim::Untold | Claim::Told(_) => None,
            })
    }

    /// Asks for the buckets that nobody has told, nor is being asked for.
    fn lists_of(&self, what: usize, buckets: &[Digest]) -> Option<Asked> {
        let open = self.prompt().flat_map(Source::open);
        let open: BTreeSet<_> = open.flat_map(Asked::lists).collect();
        let lacks = |bucket: u16, digest: &Digest| {
            !self.knows(what, bucket.into(), digest)
                && !open.contains(digest)
                && !self.may_hold(what, digest)
        };
        let wanted: Vec<_> = (0..)
            .zip(buckets.iter().copied())
            .filter(|(bucket, digest)| lacks(*bucket, digest))
            .take(BUCKETS_ASKED)
            .collect();
        let items = Vec::new();
        (!wanted.is_empty()).then_some(Asked::Hashes {
            what,
            wanted,
            items,
        })
    }

    /// Sources whose answers are worth waiting for.
    fn prompt(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|source| !source.slow)
    }

    pub(super) fn words(&self, asked: &Asked) -> Request {
        let what = |what: usize| self.whats.get(what).copied().unwrap_or(What::Proofs);
        let level = self.level;
        match asked {
            Asked::Head => Request::Head,
            Asked::Buckets { what: of, .. } => Request::Buckets {
                what: what(*of),
                level,
            },
            Asked::Hashes {
                what: of,
                wanted,
                items,
            } => Request::Hashes {
                what: what(*of),
                level,
                after: items.last().map_or(RelayId([0; 32]), |item| item.relay),
                buckets: wanted.iter().map(|(bucket, _)| *bucket).collect(),
            },
            Asked::Documents { what: of, wanted } => Request::Documents {
                what: what(*of),
                relays: wanted.iter().map(|item| item.relay).collect(),
            },
        }
    }
}
