//! What is known of one source.

use std::sync::Arc;

use super::super::directory::{Digest, Item, SnapshotHead};

/// A source, by its place in the list given to [`super::Sync::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub usize);

/// How a source is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Over a link from here: it knows our address, and may answer us as nobody else.
    Direct,
    /// Over a tunnel to the end of a path: it cannot tell us from others.
    Path,
}

/// Whether a source is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is.
    Asked,
    /// Not any more: it is out of reach. What it told in full counts.
    Gone,
    /// Not any more, and nothing it told counts.
    Liar,
}

/// What a source says it has of one kind, as far as that is known.
#[derive(Debug, Clone)]
pub(super) enum Claim {
    /// Has not said.
    Untold,
    /// What is below this root.
    Root(Digest),
    /// What is in these buckets.
    Buckets(Arc<[Digest]>),
    /// The same, and what is in each of them is known.
    Told(Arc<[Digest]>),
}

/// The request that a source has open.
#[derive(Debug, Clone)]
pub(super) enum Asked {
    Head,
    Buckets {
        what: usize,
        root: Digest,
    },
    Hashes {
        what: usize,
        wanted: Vec<(u16, Digest)>,
        /// Of the pages so far.
        items: Vec<Item>,
    },
    Documents {
        what: usize,
        wanted: Vec<Item>,
    },
}

impl Asked {
    pub(super) fn is_about_root(&self, of: Digest) -> bool {
        matches!(self, Self::Buckets { root, .. } if *root == of)
    }

    /// The lists that it will give.
    pub(super) fn lists(&self) -> impl Iterator<Item = Digest> {
        let wanted = match self {
            Self::Hashes { wanted, .. } => wanted.as_slice(),
            _ => &[],
        };
        wanted.iter().map(|(_, digest)| *digest)
    }
}

/// What a head said of one kind, and how much of it has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct TreeSaid {
    pub(super) root: Digest,
    /// Documents that it says it has.
    pub(super) count: usize,
    /// Items that it has told.
    pub(super) items: usize,
}

#[derive(Debug)]
pub(super) struct Source {
    pub(super) reach: Reach,
    pub(super) standing: Standing,
    /// Its question has been open for so long that others may be asked the same.
    pub(super) slow: bool,
    pub(super) snapshot: Option<SnapshotHead>,
    /// What its head said of each kind.
    pub(super) heads: Vec<TreeSaid>,
    pub(super) claims: Vec<Claim>,
    pub(super) asked: Option<Asked>,
    /// A question whose answer has further pages.
    pub(super) unfinished: Option<Asked>,
    /// Documents that it claimed and did not have.
    pub(super) omitted: usize,
}

impl Source {
    pub(super) fn new(reach: Reach, whats: usize) -> Self {
        Self {
            reach,
            standing: Standing::Asked,
            slow: false,
            snapshot: None,
            heads: Vec::new(),
            claims: vec![Claim::Untold; whats],
            asked: None,
            unfinished: None,
            omitted: 0,
        }
    }

    /// Whether all that it has is known.
    pub(super) fn has_told(&self) -> bool {
        let told = |claim: &Claim| matches!(claim, Claim::Told(_));
        self.claims.iter().all(told)
    }

    /// Whether it counts in the rule.
    pub(super) fn has_answered(&self) -> bool {
        self.standing != Standing::Liar && self.has_told()
    }

    /// Whether it is asked, and nobody has lost patience with it.
    pub(super) fn is_prompt(&self) -> bool {
        self.standing == Standing::Asked && !self.slow
    }

    /// Its open questions.
    pub(super) fn open(&self) -> impl Iterator<Item = &Asked> {
        self.asked.iter().chain(&self.unfinished)
    }
}
