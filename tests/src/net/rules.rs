//! Who reaches whom, and in what weather.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::weather::Weather;

/// All that a test has said about the network.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) everywhere: Weather,
    pub(super) own: BTreeMap<(SocketAddr, SocketAddr), Weather>,
    pub(super) cut: BTreeSet<SocketAddr>,
    pub(super) cut_pairs: BTreeSet<(SocketAddr, SocketAddr)>,
    islands: BTreeMap<SocketAddr, usize>,
}

impl Rules {
    pub(super) const fn new(everywhere: Weather) -> Self {
        Self {
            everywhere,
            own: BTreeMap::new(),
            cut: BTreeSet::new(),
            cut_pairs: BTreeSet::new(),
            islands: BTreeMap::new(),
        }
    }

    pub(super) fn weather(&self, from: SocketAddr, to: SocketAddr) -> Weather {
        *self.own.get(&(from, to)).unwrap_or(&self.everywhere)
    }

    pub(super) fn reaches(&self, from: SocketAddr, to: SocketAddr) -> bool {
        !self.cut.contains(&from)
            && !self.cut.contains(&to)
            && !self.cut_pairs.contains(&(from, to))
            && self.islands.get(&from) == self.islands.get(&to)
    }

    pub(super) fn divide(&mut self, islands: &[&[SocketAddr]]) {
        let numbered = islands.iter().enumerate();
        self.islands = numbered
            .flat_map(|(number, island)| island.iter().map(move |address| (*address, number)))
            .collect();
    }

    pub(super) fn heal(&mut self) {
        self.cut.clear();
        self.cut_pairs.clear();
        self.islands.clear();
    }
}
