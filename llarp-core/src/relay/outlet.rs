//! What waits for each link, and how it gets out.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use quinn::Side;
use tokio::sync::Notify;

use crate::cell::PathId;
use crate::crypto::identity::RelayId;
use crate::hop::{Cell, CellPool, FairLimits, FairQueue, LinkId, Millis};
use crate::link::{CloseCode, Link, Peer};
use crate::wire::limits::{CARRIAGE_CELLS, CELL_LEN, LINK_UNUSED_MILLIS};

/// One link, the cells that wait for it, and the paths of which its peer is to be told.
pub(super) struct Outlet {
    pub(super) link: Link,
    pub(super) queue: FairQueue,
    /// Paths that are closed here and not yet there.
    pub(super) closes: Vec<PathId>,
    pub(super) wake: Arc<Wake>,
    pub(super) dirty: bool,
    /// Since when no path goes over a link that was dialled here.
    unused_since: Option<Millis>,
}

/// What a link's two tasks wait for.
#[derive(Default)]
pub(super) struct Wake {
    /// Cells wait, and QUIC has no room.
    pub(super) room: Notify,
    /// Paths are to be closed.
    pub(super) closes: Notify,
}

impl Outlet {
    /// Closes the link if it was dialled here and nobody has used it for long.
    pub(super) fn close_if_unused(&mut self, now: Millis, used: bool) {
        if used || self.link.quic().side() == Side::Server {
            self.unused_since = None;
        } else if now.since(*self.unused_since.get_or_insert(now)) >= LINK_UNUSED_MILLIS {
            self.link.close(CloseCode::Done);
        }
    }

    /// Gives QUIC as many cells as it has room for; how many.
    pub(super) fn flush(&mut self, carriage: &mut Carriage, pool: &mut CellPool) -> usize {
        self.dirty = false;
        let room = self.link.cell_room();
        let mut sent = 0;
        while sent < room {
            let Some(cell) = self.queue.pop() else {
                return sent;
            };
            // A link that is closed takes nothing more: its own task finds out.
            let _ = self.link.send_cell(carriage.load(&cell));
            pool.give(cell);
            sent += 1;
        }
        if !self.queue.is_empty() {
            self.wake.room.notify_one();
        }
        sent
    }
}

/// Cells on their way out: one allocation for many, used again when QUIC has sent them all.
#[derive(Default)]
pub(super) struct Carriage(BytesMut);

impl Carriage {
    pub(super) fn load(&mut self, cell: &Cell) -> Bytes {
        if self.0.capacity() < CELL_LEN {
            self.0.reserve(CARRIAGE_CELLS * CELL_LEN);
        }
        self.0.extend_from_slice(cell);
        self.0.split().freeze()
    }
}

/// All links of a relay. A link's number leads to its place, and is not used again.
#[derive(Default)]
pub(super) struct Outlets {
    places: Vec<Option<(LinkId, Outlet)>>,
    free: Vec<usize>,
    serial: u64,
    by_relay: BTreeMap<RelayId, LinkId>,
    by_quic: BTreeMap<usize, LinkId>,
}

/// Bits of a link's number that are its place.
const PLACE_BITS: u32 = 24;

impl Outlets {
    /// Takes a link in; `None` if it is there already. From now on it is the way to its peer.
    pub(super) fn insert(&mut self, link: Link) -> Option<(LinkId, Arc<Wake>)> {
        let quic = link.quic().stable_id();
        if self.by_quic.contains_key(&quic) {
            return None;
        }
        let place = self.free.pop().unwrap_or(self.places.len());
        self.serial += 1;
        let id = LinkId(self.serial << PLACE_BITS | place as u64);
        if let Peer::Relay(relay) = link.peer() {
            self.by_relay.insert(relay, id);
        }
        self.by_quic.insert(quic, id);
        let wake = Arc::default();
        let outlet = Outlet {
            link,
            queue: FairQueue::new(FairLimits::default()),
            closes: Vec::new(),
            wake: Arc::clone(&wake),
            dirty: false,
            unused_since: None,
        };
        match self.places.get_mut(place) {
            Some(free) => *free = Some((id, outlet)),
            None => self.places.push(Some((id, outlet))),
        }
        Some((id, wake))
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Outlet> {
        match self.places.get_mut(place(id)) {
            Some(Some((held, outlet))) if *held == id => Some(outlet),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, id: LinkId) -> Option<Outlet> {
        self.get_mut(id)?;
        let (_, outlet) = self.places.get_mut(place(id))?.take()?;
        self.free.push(place(id));
        self.by_quic.remove(&outlet.link.quic().stable_id());
        if let Peer::Relay(relay) = outlet.link.peer()
            && self.by_relay.get(&relay) == Some(&id)
        {
            self.by_relay.remove(&relay);
        }
        Some(outlet)
    }

    /// The number of a link that is here.
    pub(super) fn id_of(&self, link: &Link) -> Option<LinkId> {
        self.by_quic.get(&link.quic().stable_id()).copied()
    }

    /// The open link to a relay whose peer stays.
    pub(super) fn to_relay(&mut self, relay: &RelayId) -> Option<(LinkId, Link)> {
        let id = *self.by_relay.get(relay)?;
        let link = self.get_mut(id)?.link.clone();
        (link.close_reason().is_none() && !link.peer_drains()).then_some((id, link))
    }

    /// Links that there are.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// All links.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (LinkId, &mut Outlet)> {
        let held = self.places.iter_mut().flatten();
        held.map(|(id, outlet)| (*id, outlet))
    }
}

fn place(id: LinkId) -> usize {
    usize::try_from(id.0 & ((1 << PLACE_BITS) - 1)).unwrap_or(usize::MAX)
}
