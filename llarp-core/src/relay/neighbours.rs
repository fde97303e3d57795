//! A relay's links, each with what waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use quinn::Side;
use tokio::sync::Notify;

use super::load::{Excess, Share};
use super::room::Room;
use super::useless::Useless;
use crate::crypto::identity::RelayId;
use crate::hop::{Asker, Closes, LinkId, Millis};
use crate::link::{CloseCode, Link, Outlet, Peer, Waiting, network};
use crate::wire::limits::{
    LINK_UNUSED_MILLIS, NEXT_PENDING_BUILDS_MAX, QUEUE_CELLS_PER_SECOND_MIN, QUEUE_STILL_MILLIS,
};

/// One link, the cells that wait for it, and the paths of which its peer is to be told.
pub(super) struct Neighbour {
    pub(super) outlet: Outlet,
    /// Among whose cells those are counted that wait for it, if it is a client's.
    pub(super) share: Option<Share>,
    /// Cells that have left since the queue was last looked at.
    pub(super) left: usize,
    /// Since when cells wait that do not leave.
    still_since: Option<Millis>,
    /// Whether cells were pushed since the last flush.
    pub(super) dirty: bool,
    /// Tunnels that wait until cells have left.
    pub(super) room: Room,
    /// Paths that are closed here and not yet there.
    pub(super) closes: Closes,
    pub(super) closes_wait: Arc<Notify>,
    /// What it brought that is of no use.
    pub(super) useless: Useless,
    /// Since when no path goes over a link that was dialled here.
    unused_since: Option<Millis>,
}

impl Neighbour {
    /// The link brought a cell of no path of its own.
    pub(super) fn handle_unknown_cell(&mut self, now: Millis) {
        let link = self.outlet.link();
        if link.peer() == Peer::Anonymous && self.useless.unknown_cell(now) {
            link.close(CloseCode::Useless);
        }
    }

    /// The link brought something that is no cell by its length.
    pub(super) fn handle_wrong_length(&mut self, now: Millis) {
        if self.useless.wrong_length(now) {
            self.outlet.link().close(CloseCode::Useless);
        }
    }

    /// How the queue has moved in the second since the last look.
    pub(super) fn look(&mut self, now: Millis) -> Queue {
        let left = core::mem::take(&mut self.left);
        if left >= QUEUE_CELLS_PER_SECOND_MIN || self.outlet.is_empty() {
            self.still_since = None;
            return Queue::Moves;
        }
        let since = *self.still_since.get_or_insert(now);
        if now.since(since) < QUEUE_STILL_MILLIS {
            return Queue::Still;
        }
        Queue::Stuck
    }

    /// Closes the link if it was dialled here and nobody has used it for long.
    fn close_if_unused(&mut self, now: Millis, used: bool) {
        let link = self.outlet.link();
        if used || link.quic().side() == Side::Server {
            self.unused_since = None;
        } else if now.since(*self.unused_since.get_or_insert(now)) >= LINK_UNUSED_MILLIS {
            link.close(CloseCode::Done);
        }
    }
}

/// How a link takes the cells that wait for it.
pub(super) enum Queue {
    /// It takes them, or none waits.
    Moves,
    /// It has taken none to speak of for a while.
    Still,
    /// For so long that nobody needs them any more.
    Stuck,
}

/// All links of a relay. A link's number leads to its place, and is not used again.
#[derive(Default)]
pub(super) struct Neighbours {
    places: Vec<Option<(LinkId, Neighbour)>>,
    free: Vec<usize>,
    serial: u64,
    by_relay: BTreeMap<RelayId, LinkId>,
    by_quic: BTreeMap<usize, LinkId>,
    /// Builds that wait for a relay.
    asking: BTreeMap<RelayId, usize>,
}

/// Bits of a link's number that are its place.
const PLACE_BITS: u32 = 24;

/// What the tasks of a link that was taken in need.
pub(super) struct TakenIn {
    pub(super) id: LinkId,
    pub(super) waiting: Waiting,
    pub(super) closes_wait: Arc<Notify>,
}

impl Neighbours {
    /// Takes a link in; `None` if it is there already. From now on it is the way to its peer.
    pub(super) fn insert(&mut self, link: Link) -> Option<TakenIn> {
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
        let (outlet, waiting) = Outlet::new(link);
        let closes_wait = Arc::new(Notify::new());
        let neighbour = Neighbour {
            outlet,
            share: None,
            left: 0,
            still_since: None,
            dirty: false,
            room: Room::default(),
            closes: Closes::default(),
            closes_wait: Arc::clone(&closes_wait),
            useless: Useless::new(Millis(0)),
            unused_since: None,
        };
        match self.places.get_mut(place) {
            Some(free) => *free = Some((id, neighbour)),
            None => self.places.push(Some((id, neighbour))),
        }
        Some(TakenIn {
            id,
            waiting,
            closes_wait,
        })
    }

    pub(super) fn get_mut(&mut self, id: LinkId) -> Option<&mut Neighbour> {
        match self.places.get_mut(place(id)) {
            Some(Some((held, neighbour))) if *held == id => Some(neighbour),
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, id: LinkId) -> Option<Neighbour> {
        self.get_mut(id)?;
        let (_, neighbour) = self.places.get_mut(place(id))?.take()?;
        self.free.push(place(id));
        let link = neighbour.outlet.link();
        self.by_quic.remove(&link.quic().stable_id());
        if let Peer::Relay(relay) = link.peer()
            && self.by_relay.get(&relay) == Some(&id)
        {
            self.by_relay.remove(&relay);
        }
        Some(neighbour)
    }

    /// The number of a link that is here.
    pub(super) fn id_of(&self, link: &Link) -> Option<LinkId> {
        self.by_quic.get(&link.quic().stable_id()).copied()
    }

    /// The open link to a relay whose peer stays.
    pub(super) fn way_to(&mut self, relay: &RelayId) -> Option<(LinkId, Link)> {
        let id = *self.by_relay.get(relay)?;
        let link = self.get_mut(id)?.outlet.link().clone();
        (link.close_reason().is_none() && !link.peer_drains()).then_some((id, link))
    }

    /// All of them.
    pub(super) fn each_mut(&mut self) -> impl Iterator<Item = &mut Neighbour> {
        let places = self.places.iter_mut().flatten();
        places.map(|(_, neighbour)| neighbour)
    }

    /// Of those who have too much the one that can spare most.
    pub(super) fn fullest(&mut self, excess: Excess) -> Option<&mut Neighbour> {
        let among = self.each_mut().filter(|link| excess.is_of(link.share));
        among.max_by_key(|link| link.outlet.surplus())
    }

    /// Links that there are.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Who asks, if it is over a link that is here.
    pub(super) fn asker(&mut self, id: LinkId) -> Option<Asker> {
        let link = self.get_mut(id)?.outlet.link();
        let ip = link.remote().expose().ip();
        Some(match link.peer() {
            Peer::Relay(_) => Asker::Relay,
            Peer::Anonymous => Asker::Anonymous((!ip.is_loopback()).then(|| network(ip))),
        })
    }

    /// One build more waits for `relay`; `false` if too many do.
    pub(super) fn begin_asking(&mut self, relay: RelayId) -> bool {
        let count = self.asking.entry(relay).or_default();
        let room = *count < NEXT_PENDING_BUILDS_MAX;
        *count += usize::from(room);
        room
    }

    /// A build waits for `relay` no more.
    pub(super) fn end_asking(&mut self, relay: &RelayId) {
        match self.asking.get_mut(relay) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                self.asking.remove(relay);
            }
        }
    }

    /// Closes the links that were dialled here, over which no build waits, and that nobody has
    /// `used` for long.
    pub(super) fn close_unused(&mut self, now: Millis, used: impl Fn(LinkId) -> bool) {
        let asking = &self.asking;
        for (id, neighbour) in self.places.iter_mut().flatten() {
            let asked = match neighbour.outlet.link().peer() {
                Peer::Relay(relay) => asking.contains_key(&relay),
                Peer::Anonymous => false,
            };
            neighbour.close_if_unused(now, asked || used(*id));
        }
    }
}

fn place(id: LinkId) -> usize {
    usize::try_from(id.0 & ((1 << PLACE_BITS) - 1)).unwrap_or(usize::MAX)
}
