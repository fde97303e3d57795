//! How many cells wait at a relay: in all, and for the clients of each network.
//!
//! In: each cell that begins or ceases to wait, and for whom. Out: whether too many do, and of whom.
//! *Not* here: which of them are given up ([`Core`](super::core::Core)).

use std::collections::BTreeMap;

use crate::hop::Network;
use crate::wire::limits::{NETWORK_QUEUED_CELLS_MAX, QUEUED_CELLS_MAX};

/// How many cells may wait.
#[derive(Debug, Clone, Copy)]
struct Most {
    all: usize,
    network: usize,
}

/// The counts. Two additions a cell.
#[derive(Debug)]
pub(super) struct Load {
    most: Most,
    all: usize,
    places: BTreeMap<Network, Share>,
    networks: Vec<NetworkOf>,
    free: Vec<Share>,
}

/// The place of a network among the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share(usize);

/// A network, for as long as one of its links is here.
#[derive(Debug)]
struct NetworkOf {
    name: Network,
    links: usize,
    cells: usize,
}

/// Whose links have too many cells waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    /// All together.
    All,
    /// The clients of one network.
    Network(Share),
}

impl Default for Load {
    fn default() -> Self {
        Self::new(Most {
            all: QUEUED_CELLS_MAX,
            network: NETWORK_QUEUED_CELLS_MAX,
        })
    }
}

impl Load {
    const fn new(most: Most) -> Self {
        Self {
            most,
            all: 0,
            places: BTreeMap::new(),
            networks: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Cells that wait.
    pub(super) const fn all(&self) -> usize {
        self.all
    }

    /// A client's link in `network` is here; [`Load::leave`] must follow.
    pub(super) fn enter(&mut self, network: Network) -> Share {
        let place = self.places.get(&network).copied();
        let share = place.or_else(|| self.free.pop());
        let share = share.unwrap_or(Share(self.networks.len()));
        let fresh = NetworkOf {
            name: network,
            links: 0,
            cells: 0,
        };
        match self.networks.get_mut(share.0) {
            Some(held) if place.is_none() => *held = fresh,
            Some(_) => (),
            None => self.networks.push(fresh),
        }
        self.places.insert(network, share);
        if let Some(held) = self.networks.get_mut(share.0) {
            held.links += 1;
        }
        share
    }

    /// One link of a network is gone, and with it all that waited for it.
    pub(super) fn leave(&mut self, share: Share) {
        let Some(held) = self.networks.get_mut(share.0) else {
            return;
        };
        held.links = held.links.saturating_sub(1);
        if held.links == 0 {
            self.places.remove(&held.name);
            self.free.push(share);
        }
    }

    /// A cell more waits; whether that is too many.
    pub(super) fn add(&mut self, share: Option<Share>) -> Option<Excess> {
        self.all += 1;
        if let Some(share) = share
            && let Some(network) = self.networks.get_mut(share.0)
        {
            network.cells += 1;
            if network.cells > self.most.network {
                return Some(Excess::Network(share));
            }
        }
        (self.all > self.most.all).then_some(Excess::All)
    }

    /// So many cells wait no more.
    pub(super) fn take(&mut self, share: Option<Share>, cells: usize) {
        self.all = self.all.saturating_sub(cells);
        let network = share.and_then(|share| self.networks.get_mut(share.0));
        if let Some(network) = network {
            network.cells = network.cells.saturating_sub(cells);
        }
    }
}

impl Excess {
    /// Whether a link with this share is among those that have too many.
    pub(super) fn is_of(self, share: Option<Share>) -> bool {
        match self {
            Self::All => true,
            Self::Network(network) => share == Some(network),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;
    use crate::wire::Sensitive;

    const MOST: Most = Most {
        all: 10,
        network: 4,
    };

    fn network(n: u8) -> Network {
        Sensitive::new(Ipv4Addr::new(198, 51, n, 0).into())
    }

    #[test]
    fn a_network_has_its_share_and_others_the_rest() {
        let mut load = Load::new(MOST);
        let one = Some(load.enter(network(1)));
        let again = Some(load.enter(network(1)));
        let other = Some(load.enter(network(2)));
        assert_eq!(one, again);
        for _ in 0..2 {
            assert_eq!((load.add(one), load.add(again)), (None, None));
        }
        let excess = load.add(again);
        assert_eq!(excess, one.map(Excess::Network));
        assert!(excess.unwrap().is_of(one) && !excess.unwrap().is_of(other));
        assert!(!excess.unwrap().is_of(None), "a relay's link");
        load.take(again, 1);
        for _ in 0..4 {
            assert_eq!(load.add(other), None);
        }
        assert_eq!((load.add(None), load.add(None)), (None, None));
        assert_eq!(load.add(None), Some(Excess::All));
        assert!(Excess::All.is_of(one) && Excess::All.is_of(None));
        load.take(None, 3);
        load.take(other, 4);
        assert_eq!((load.all(), load.add(one)), (4, one.map(Excess::Network)));
    }

    #[test]
    fn nothing_is_kept_of_networks_that_left() {
        let mut load = Load::new(MOST);
        for n in 0..100 {
            let (one, again) = (load.enter(network(n)), load.enter(network(n)));
            load.add(Some(one));
            load.take(Some(one), 1);
            load.leave(one);
            assert_eq!(load.enter(network(n)), again, "a link is left");
            load.leave(again);
            load.leave(again);
        }
        assert!(load.places.is_empty() && load.networks.len() == 1);
    }
}
