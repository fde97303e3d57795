//! Who is linked, from where, and who goes when room is needed. Pure: no clock, no socket.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::{Limits, Protocol};
use super::origin::{Source, network};
use crate::crypto::identity::RelayId;

/// When a link was last used, in an order of its own: no clock is read per cell, and a link that
/// is used alone pays one load.
#[derive(Debug)]
pub(super) struct Activity {
    clock: Arc<AtomicU64>,
    last: AtomicU64,
}

impl Activity {
    pub(super) fn new(clock: Arc<AtomicU64>) -> Self {
        let last = AtomicU64::new(clock.fetch_add(1, Ordering::Relaxed) + 1);
        Self { clock, last }
    }

    /// Notes that the link is used now.
    pub(super) fn touch(&self) {
        if self.last.load(Ordering::Relaxed) != self.clock.load(Ordering::Relaxed) {
            let now = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
            self.last.store(now, Ordering::Relaxed);
        }
    }

    fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }
}

/// Who a link is with, as far as room is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// Somebody without a name: goes first when room is needed.
    Anonymous,
    /// A known relay that dialled us, for a protocol: gives way to itself, and a second link of it to
    /// relays without.
    Relay(RelayId, Protocol),
    /// A relay that we dialled: never counted, never evicted.
    Own,
}

/// The links of an endpoint. `H` is what closes a link.
#[derive(Debug)]
pub(super) struct Table<H> {
    limits: Limits,
    next: u64,
    accepted: usize,
    /// Anonymous links by source, and by network.
    sources: BTreeMap<Source, usize>,
    networks: BTreeMap<Source, usize>,
    /// Accepted links by relay and protocol, the oldest first: what comes and goes with one protocol
    /// ends no link of another.
    relays: BTreeMap<(RelayId, Protocol), Vec<u64>>,
    links: BTreeMap<u64, Entry<H>>,
}

#[derive(Debug)]
struct Entry<H> {
    rank: Rank,
    source: Source,
    activity: Arc<Activity>,
    handle: H,
}

/// Where a link finds room.
enum Room {
    Free,
    /// Instead of this link.
    Of(u64),
    None,
}

impl<H> Table<H> {
    pub(super) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            next: 0,
            accepted: 0,
            sources: BTreeMap::new(),
            networks: BTreeMap::new(),
            relays: BTreeMap::new(),
            links: BTreeMap::new(),
        }
    }

    /// Admits a link. The first of the pair names it; the second is what had to go for it.
    /// `None`: there is no room, and nobody who would have to go.
    pub(super) fn admit(
        &mut self,
        rank: Rank,
        source: Source,
        activity: Arc<Activity>,
        handle: H,
    ) -> Option<(u64, Option<H>)> {
        let room = match rank {
            Rank::Own => Room::Free,
            Rank::Anonymous => self.room_for_anonymous(source),
            Rank::Relay(relay, protocol) => self.room_for_relay((relay, protocol)),
        };
        let evicted = match room {
            Room::Free => None,
            Room::Of(id) => self.remove(id),
            Room::None => return None,
        };
        self.next += 1;
        self.count(rank, source);
        let entry = Entry {
            rank,
            source,
            activity,
            handle,
        };
        self.links.insert(self.next, entry);
        Some((self.next, evicted))
    }

    /// Forgets a link that has ended.
    pub(super) fn remove(&mut self, id: u64) -> Option<H> {
        let entry = self.links.remove(&id)?;
        if entry.rank != Rank::Own {
            self.accepted = self.accepted.saturating_sub(1);
        }
        match entry.rank {
            Rank::Own => (),
            Rank::Anonymous => {
                one_less(&mut self.sources, entry.source);
                one_less(&mut self.networks, network(*entry.source.expose()));
            }
            Rank::Relay(relay, protocol) => {
                let key = (relay, protocol);
                if let Some(links) = self.relays.get_mut(&key) {
                    links.retain(|link| *link != id);
                    if links.is_empty() {
                        self.relays.remove(&key);
                    }
                }
            }
        }
        Some(entry.handle)
    }

    /// What closes each of the links.
    pub(super) fn handles(&self) -> impl Iterator<Item = &H> {
        self.links.values().map(|entry| &entry.handle)
    }

    /// Whether no link is left.
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Notes a link that [`Table::next`] names.
    fn count(&mut self, rank: Rank, source: Source) {
        match rank {
            Rank::Own => return,
            Rank::Anonymous => {
                *self.sources.entry(source).or_default() += 1;
                *self.networks.entry(network(*source.expose())).or_default() += 1;
            }
            Rank::Relay(relay, protocol) => {
                let links = self.relays.entry((relay, protocol)).or_default();
                links.push(self.next);
            }
        }
        self.accepted += 1;
    }

    fn room_for_anonymous(&self, source: Source) -> Room {
        let of = |counts: &BTreeMap<_, usize>, whose| counts.get(&whose).copied().unwrap_or(0);
        let around = of(&self.networks, network(*source.expose()));
        if of(&self.sources, source) >= self.limits.links_per_source
            || around >= self.limits.links_per_network
        {
            return Room::None;
        }
        self.free_or(|| self.stalest_stranger())
    }

    fn room_for_relay(&self, whose: (RelayId, Protocol)) -> Room {
        let own = self.relays.get(&whose).map_or(&[][..], Vec::as_slice);
        if own.len() >= self.limits.links_per_relay {
            return own.first().map_or(Room::None, |oldest| Room::Of(*oldest));
        }
        // The last link of another relay is never taken: whoever has a key would cut all others off.
        self.free_or(|| {
            let own = || own.first().copied();
            let stranger = self.stalest_stranger();
            stranger.or_else(own).or_else(|| self.stalest_to_spare())
        })
    }

    fn free_or(&self, evicted: impl FnOnce() -> Option<u64>) -> Room {
        if self.accepted < self.limits.links {
            return Room::Free;
        }
        evicted().map_or(Room::None, Room::Of)
    }

    /// The anonymous link that was least recently used.
    fn stalest_stranger(&self) -> Option<u64> {
        let links = self.links.iter();
        links
            .filter(|(_, entry)| entry.rank == Rank::Anonymous)
            .min_by_key(|(id, entry)| (entry.activity.last(), **id))
            .map(|(id, _)| *id)
    }

    /// Of the older links of relays that have several, the one that was least recently used.
    fn stalest_to_spare(&self) -> Option<u64> {
        let several = self.relays.values().filter(|links| links.len() > 1);
        several
            .filter_map(|links| links.first())
            .min_by_key(|id| (self.links.get(id).map(|link| link.activity.last()), **id))
            .copied()
    }
}

fn one_less(counts: &mut BTreeMap<Source, usize>, whose: Source) {
    match counts.get_mut(&whose) {
        Some(count) if *count > 1 => *count -= 1,
        _ => {
            counts.remove(&whose);
        }
    }
}

#[cfg(test)]
mod tests;
