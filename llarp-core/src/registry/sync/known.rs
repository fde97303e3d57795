//! What is known below a digest, and whether the source that names it may see that.
//!
//! What our own directory knows below a digest is not asked for if enough sources of this comparison
//! name that digest. If one alone names it, that one is asked all the same: it would learn
//! from our silence that we have what it has, and one who gave a client something that nobody else has
//! would know that client again at the end of any path.

use std::sync::Arc;

use super::super::directory::Digest;
use super::Sync;
use super::source::{Claim, Source, Standing};

impl Sync {
    /// Turns roots into buckets, and buckets into lists, as far as somebody has told.
    pub(super) fn resolve(&mut self) {
        for what in 0..self.whats.len() {
            // All roots first: how many sources name a bucket depends on them.
            self.replace(what, Self::below_root);
            self.replace(what, Self::below_buckets);
        }
    }

    fn replace(&mut self, what: usize, by: impl Fn(&Self, usize, &Claim) -> Option<Claim>) {
        let claims = self.sources.iter().map(|source| source.claims.get(what));
        let news = claims.map(|claim| by(self, what, claim?));
        let news: Vec<_> = news.collect();
        for (source, new) in self.sources.iter_mut().zip(news) {
            if let (Some(new), Some(claim)) = (new, source.claims.get_mut(what)) {
                *claim = new;
            }
        }
    }

    fn below_root(&self, what: usize, claim: &Claim) -> Option<Claim> {
        let Claim::Root(root) = claim else {
            return None;
        };
        if *root == Digest::EMPTY || self.level == 0 {
            return Some(Claim::Buckets(vec![*root; 1 << self.level].into()));
        }
        let buckets = self.roots.get(root)?;
        let may = !self.own.contains(root) || self.name_root(what, *root) >= self.enough;
        may.then(|| Claim::Buckets(Arc::clone(buckets)))
    }

    fn below_buckets(&self, what: usize, claim: &Claim) -> Option<Claim> {
        let Claim::Buckets(buckets) = claim else {
            return None;
        };
        let mut all = buckets.iter().enumerate();
        let told = all.all(|(bucket, digest)| self.knows(what, bucket, digest));
        told.then(|| Claim::Told(Arc::clone(buckets)))
    }

    /// Whether it is known what is in this bucket, so that nobody need be asked.
    pub(super) fn knows(&self, what: usize, bucket: usize, digest: &Digest) -> bool {
        *digest == Digest::EMPTY
            || self.lists.contains_key(digest)
                && (!self.own.contains(digest)
                    || self.name_bucket(what, bucket, digest) >= self.enough)
    }

    /// Whether others may yet name this root, so that its source is not asked below it.
    pub(super) fn may_be_named(&self, root: &Digest) -> bool {
        let silent = |source: &Source| source.is_prompt() && source.snapshot.is_none();
        self.own.contains(root) && self.sources.iter().any(silent)
    }

    /// The same of a bucket.
    pub(super) fn may_hold(&self, what: usize, digest: &Digest) -> bool {
        let silent = |source: &Source| {
            let claim = source.claims.get(what);
            source.is_prompt() && matches!(claim, Some(Claim::Untold | Claim::Root(_)))
        };
        self.own.contains(digest) && self.sources.iter().any(silent)
    }

    /// How many sources name this root.
    fn name_root(&self, what: usize, root: Digest) -> usize {
        let names = |source: &&Source| {
            let said = source.heads.get(what);
            source.standing != Standing::Liar && said.is_some_and(|said| said.root == root)
        };
        self.sources.iter().filter(names).count()
    }

    /// How many sources name this digest of a bucket.
    fn name_bucket(&self, what: usize, bucket: usize, digest: &Digest) -> usize {
        let names = |source: &&Source| {
            let claim = source.claims.get(what);
            let Some(Claim::Buckets(buckets) | Claim::Told(buckets)) = claim else {
                return false;
            };
            source.standing != Standing::Liar && buckets.get(bucket) == Some(digest)
        };
        self.sources.iter().filter(names).count()
    }
}
