//! Which builds a relay starts: the first thing to give way under load (`docs/spec/04-hop.md` §5).

use core::net::IpAddr;
use std::collections::BTreeMap;

use super::{LinkId, Millis};
use crate::wire::Sensitive;
use crate::wire::limits::{
    BUILDS_PER_SECOND, CLIENT_BUILDS_AT_ONCE, CLIENT_BUILDS_PER_SECOND, CLIENT_PATHS_MAX,
    CLIENT_PENDING_BUILDS_MAX, CLIENTS_BUILDS_PER_SECOND, CLIENTS_PATHS_MAX,
    CLIENTS_PENDING_BUILDS_MAX, LINK_BUILDS_PER_SECOND, LINK_PATHS_MAX, LINK_PENDING_BUILDS_MAX,
    NETWORK_BUILDS_PER_SECOND, NETWORK_PATHS_MAX, NETWORK_PENDING_BUILDS_MAX, PENDING_BUILDS_MAX,
    RELAY_PATHS_MAX, SHED_QUEUED_CELLS,
};

/// Who asks for a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// A relay, for many clients.
    Relay,
    /// Somebody who did not say: one client, or a stranger. In which network, unless that is the
    /// relay's own machine.
    Anonymous(Option<Network>),
}

/// A network of strangers, by its first address: what one of them takes, the others do not get.
pub type Network = Sensitive<IpAddr>;

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
    #[error("too many builds a second over this link")]
    LinkRate,
    /// Too many builds a second.
    #[error("too many builds a second")]
    Rate,
    /// The link has its share of paths.
    #[error("the link has its share of paths")]
    LinkPaths,
    /// The relay has all the paths that it may, or that it may for clients.
    #[error("the relay has all the paths that it may")]
    Paths,
    /// The network has its share of paths.
    #[error("the network has its share of paths")]
    NetworkPaths,
    /// Too many builds under way of this network.
    #[error("too many builds are under way of this network")]
    NetworkPending,
    /// Too many builds a second of this network.
    #[error("too many builds a second of this network")]
    NetworkRate,
    /// Too many builds under way over this link.
    #[error("too many builds are under way over this link")]
    LinkPending,
    /// Too many builds under way.
    #[error("too many builds are under way")]
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

/// Counts builds and paths: in all, of all clients, of each network of clients, and for each link
/// that they came over.
#[derive(Debug)]
pub struct BuildAdmission {
    all: Account,
    clients: Account,
    networks: BTreeMap<Network, NetworkOf>,
    links: BTreeMap<LinkId, Link>,
}

/// A network, for as long as one of its links has an account.
#[derive(Debug)]
struct NetworkOf {
    links: usize,
    account: Account,
}

#[derive(Debug)]
struct Link {
    asker: Asker,
    gone: bool,
    account: Account,
}

impl BuildAdmission {
    /// No builds yet.
    #[must_use]
    pub const fn new(now: Millis) -> Self {
        Self {
            all: Account::new(now, ALL),
            clients: Account::new(now, CLIENTS),
            networks: BTreeMap::new(),
            links: BTreeMap::new(),
        }
    }

    /// Admits a build that came over `link`, while `queued` cells wait for links that take cells.
    ///
    /// # Errors
    /// [`Shed`]; nothing is then counted.
    pub fn admit(
        &mut self,
        now: Millis,
        link: LinkId,
        asker: Asker,
        queued: usize,
    ) -> Result<Ticket, Shed> {
        if queued >= SHED_QUEUED_CELLS {
            return Err(Shed::CellsWait { queued });
        }
        let Self {
            all,
            clients,
            networks,
            links,
        } = self;
        let own = links.entry(link).or_insert_with(|| {
            if let Some(network) = asker.network() {
                networks
                    .entry(network)
                    .or_insert_with(|| NetworkOf::new(now))
                    .links += 1;
            }
            Link::new(now, asker)
        });
        let network = own.asker.network();
        let mut network = network.and_then(|network| networks.get_mut(&network));
        let mut shared = [Some(all), own.asker.is_client().then_some(clients)];
        let own = &mut own.account;
        own.refill(now);
        own.admits(Shed::LinkPaths, Shed::LinkPending, Shed::LinkRate)?;
        if let Some(NetworkOf { account, .. }) = &mut network {
            account.refill(now);
            account.admits(Shed::NetworkPaths, Shed::NetworkPending, Shed::NetworkRate)?;
        }
        for account in shared.iter_mut().flatten() {
            account.refill(now);
            account.admits(Shed::Paths, Shed::Pending, Shed::Rate)?;
        }
        own.start();
        if let Some(NetworkOf { account, .. }) = network {
            account.start();
        }
        shared.into_iter().flatten().for_each(Account::start);
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
        if let Some(own) = self.links.get_mut(&link) {
            own.gone = true;
        }
        self.each(link, |_| ());
    }

    /// Links that have an account.
    #[must_use]
    pub fn links(&self) -> usize {
        self.links.len()
    }

    /// Networks that have an account.
    #[must_use]
    pub fn networks(&self) -> usize {
        self.networks.len()
    }

    /// Whether builds that came over `link` are under way.
    #[must_use]
    pub fn has_pending(&self, link: LinkId) -> bool {
        let own = self.links.get(&link);
        own.is_some_and(|own| own.account.pending > 0)
    }

    fn each(&mut self, link: LinkId, change: impl Fn(&mut Account)) {
        change(&mut self.all);
        let Some(own) = self.links.get_mut(&link) else {
            return;
        };
        change(&mut own.account);
        if own.asker.is_client() {
            change(&mut self.clients);
        }
        let over = own.gone && own.account.taken() == 0;
        if let Some(name) = own.asker.network()
            && let Some(network) = self.networks.get_mut(&name)
        {
            change(&mut network.account);
            network.links -= usize::from(over);
            if network.links == 0 {
                self.networks.remove(&name);
            }
        }
        if over {
            self.links.remove(&link);
        }
    }
}

impl Asker {
    const fn is_client(self) -> bool {
        matches!(self, Self::Anonymous(_))
    }

    /// The network of strangers that it counts for.
    #[must_use]
    pub const fn network(self) -> Option<Network> {
        match self {
            Self::Relay => None,
            Self::Anonymous(network) => network,
        }
    }
}

impl NetworkOf {
    const fn new(now: Millis) -> Self {
        Self {
            links: 0,
            account: Account::new(now, NETWORK),
        }
    }
}

impl Link {
    const fn new(now: Millis, asker: Asker) -> Self {
        let share = match asker {
            Asker::Relay => RELAY,
            Asker::Anonymous(_) => CLIENT,
        };
        Self {
            asker,
            gone: false,
            account: Account::new(now, share),
        }
    }
}

/// A thousandth of a build: what a rate of one a second adds in a millisecond.
const BUILD: u64 = 1000;

/// What an account may have.
#[derive(Debug, Clone, Copy)]
struct Share {
    paths: usize,
    pending: usize,
    rate: u64,
    at_once: u64,
}

const ALL: Share = Share {
    paths: RELAY_PATHS_MAX,
    pending: PENDING_BUILDS_MAX,
    rate: BUILDS_PER_SECOND,
    at_once: BUILDS_PER_SECOND,
};
const CLIENTS: Share = Share {
    paths: CLIENTS_PATHS_MAX,
    pending: CLIENTS_PENDING_BUILDS_MAX,
    rate: CLIENTS_BUILDS_PER_SECOND,
    at_once: CLIENTS_BUILDS_PER_SECOND,
};
const NETWORK: Share = Share {
    paths: NETWORK_PATHS_MAX,
    pending: NETWORK_PENDING_BUILDS_MAX,
    rate: NETWORK_BUILDS_PER_SECOND,
    at_once: NETWORK_BUILDS_PER_SECOND,
};
const RELAY: Share = Share {
    paths: LINK_PATHS_MAX,
    pending: LINK_PENDING_BUILDS_MAX,
    rate: LINK_BUILDS_PER_SECOND,
    at_once: LINK_BUILDS_PER_SECOND,
};
const CLIENT: Share = Share {
    paths: CLIENT_PATHS_MAX,
    pending: CLIENT_PENDING_BUILDS_MAX,
    rate: CLIENT_BUILDS_PER_SECOND,
    at_once: CLIENT_BUILDS_AT_ONCE,
};

#[derive(Debug)]
struct Account {
    share: Share,
    pending: usize,
    paths: usize,
    /// Thousandths of builds; those that may come at once, at most.
    tokens: u64,
    refilled: Millis,
}

impl Account {
    const fn new(now: Millis, share: Share) -> Self {
        Self {
            share,
            pending: 0,
            paths: 0,
            tokens: share.at_once * BUILD,
            refilled: now,
        }
    }

    const fn taken(&self) -> usize {
        self.pending + self.paths
    }

    /// Whether one build more has room; which of the errors, if not.
    const fn admits(&self, paths: Shed, pending: Shed, rate: Shed) -> Result<(), Shed> {
        if self.taken() >= self.share.paths {
            return Err(paths);
        }
        if self.pending >= self.share.pending {
            return Err(pending);
        }
        if self.tokens < BUILD {
            return Err(rate);
        }
        Ok(())
    }

    fn refill(&mut self, now: Millis) {
        let added = now.since(self.refilled).saturating_mul(self.share.rate);
        let most = self.share.at_once * BUILD;
        self.tokens = self.tokens.saturating_add(added).min(most);
        self.refilled = self.refilled.max(now);
    }

    const fn start(&mut self) {
        self.tokens = self.tokens.saturating_sub(BUILD);
        self.pending += 1;
    }
}
