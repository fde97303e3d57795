//! Which builds a relay starts: the first thing to give way under load (`docs/spec/04-hop.md` §5).

use std::collections::BTreeMap;

use super::{LinkId, Millis};
use crate::wire::limits::{
    BUILDS_PER_SECOND, LINK_BUILDS_PER_SECOND, LINK_PATHS_MAX, LINK_PENDING_BUILDS_MAX,
    PENDING_BUILDS_MAX, RELAY_PATHS_MAX, SHED_QUEUED_CELLS,
};

/// Why a build is not started. For this relay only: on its link it is refused without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Shed {
    /// Cells come first.
    #[error("{queued} cells wait; builds start again below {SHED_QUEUED_CELLS}")]
    CellsWait {
        /// Cells that wait for their links.
        queued: usize,
    },
    /// Too many builds a second over this link.
    #[error("more than {LINK_BUILDS_PER_SECOND} builds a second over this link")]
    LinkRate,
    /// Too many builds a second.
    #[error("more than {BUILDS_PER_SECOND} builds a second")]
    Rate,
    /// The link has its share of paths.
    #[error("the link has {LINK_PATHS_MAX} paths")]
    LinkPaths,
    /// The relay has all the paths that it may.
    #[error("the relay has {RELAY_PATHS_MAX} paths")]
    Paths,
    /// Too many builds under way over this link.
    #[error("{LINK_PENDING_BUILDS_MAX} builds are under way over this link")]
    LinkPending,
    /// Too many builds under way.
    #[error("{PENDING_BUILDS_MAX} builds are under way")]
    Pending,
}

/// The right to carry out one build. Give it back with [`BuildAdmission::built`] or
/// [`BuildAdmission::failed`], or its place stays taken.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Ticket {
    link: LinkId,
}

impl Ticket {
    /// The link that the build came over.
    #[must_use]
    pub const fn link(&self) -> LinkId {
        self.link
    }
}

/// Counts builds and paths, in all and for each link that they came over.
#[derive(Debug)]
pub struct BuildAdmission {
    all: Account,
    links: BTreeMap<LinkId, Account>,
}

impl BuildAdmission {
    /// No builds yet.
    #[must_use]
    pub const fn new(now: Millis) -> Self {
        Self {
            all: Account::new(now, BUILDS_PER_SECOND),
            links: BTreeMap::new(),
        }
    }

    /// Admits a build that came over `link`, while `queued` cells wait for all links together.
    ///
    /// # Errors
    /// [`Shed`]; nothing is then counted.
    pub fn admit(&mut self, now: Millis, link: LinkId, queued: usize) -> Result<Ticket, Shed> {
        if queued >= SHED_QUEUED_CELLS {
            return Err(Shed::CellsWait { queued });
        }
        let Self { all, links } = self;
        if all.taken() >= RELAY_PATHS_MAX {
            return Err(Shed::Paths);
        }
        if all.pending >= PENDING_BUILDS_MAX {
            return Err(Shed::Pending);
        }
        let new = || Account::new(now, LINK_BUILDS_PER_SECOND);
        let own = links.entry(link).or_insert_with(new);
        if own.taken() >= LINK_PATHS_MAX {
            return Err(Shed::LinkPaths);
        }
        if own.pending >= LINK_PENDING_BUILDS_MAX {
            return Err(Shed::LinkPending);
        }
        all.refill(now);
        own.refill(now);
        if !own.has_token() {
            return Err(Shed::LinkRate);
        }
        if !all.has_token() {
            return Err(Shed::Rate);
        }
        all.start();
        own.start();
        Ok(Ticket { link })
    }

    /// The build made a path: its place is taken until [`BuildAdmission::closed`].
    pub fn built(&mut self, ticket: Ticket) {
        self.each(ticket.link, |account| {
            account.pending = account.pending.saturating_sub(1);
            account.paths += 1;
        });
    }

    /// The build came to nothing.
    pub fn failed(&mut self, ticket: Ticket) {
        self.each(ticket.link, |account| {
            account.pending = account.pending.saturating_sub(1);
        });
    }

    /// A path that was built over `prev` is closed.
    pub fn closed(&mut self, prev: LinkId) {
        self.each(prev, |account| {
            account.paths = account.paths.saturating_sub(1);
        });
    }

    /// The link is gone. Its account goes with its last path and build.
    pub fn link_gone(&mut self, link: LinkId) {
        if let Some(account) = self.links.get_mut(&link) {
            account.gone = true;
        }
        self.each(link, |_| ());
    }

    /// Links that have an account.
    #[must_use]
    pub fn links(&self) -> usize {
        self.links.len()
    }

    fn each(&mut self, link: LinkId, change: impl Fn(&mut Account)) {
        change(&mut self.all);
        if let Some(account) = self.links.get_mut(&link) {
            change(account);
            if account.gone && account.taken() == 0 {
                self.links.remove(&link);
            }
        }
    }
}

/// A thousandth of a build: what a rate of one a second adds in a millisecond.
const BUILD: u64 = 1000;

#[derive(Debug)]
struct Account {
    pending: usize,
    paths: usize,
    gone: bool,
    rate: u64,
    /// Thousandths of builds; one second's worth at most.
    tokens: u64,
    refilled: Millis,
}

impl Account {
    const fn new(now: Millis, rate: u64) -> Self {
        Self {
            pending: 0,
            paths: 0,
            gone: false,
            rate,
            tokens: rate * BUILD,
            refilled: now,
        }
    }

    const fn taken(&self) -> usize {
        self.pending + self.paths
    }

    fn refill(&mut self, now: Millis) {
        let added = now.since(self.refilled).saturating_mul(self.rate);
        self.tokens = self.tokens.saturating_add(added).min(self.rate * BUILD);
        self.refilled = self.refilled.max(now);
    }

    const fn has_token(&self) -> bool {
        self.tokens >= BUILD
    }

    const fn start(&mut self) {
        self.tokens = self.tokens.saturating_sub(BUILD);
        self.pending += 1;
    }
}
