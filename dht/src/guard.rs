//! What stands between libp2p's Kademlia and the peers: registered relays only, nobody's word for
//! who else there is, and nobody's questions without end.
//!
//! Kademlia's own routing is not used. The table that it asks is empty but for the moment in which a
//! search begins: then the closest relays by the registry are in it, and no others. What peers say of
//! closer ones is dropped, and so is what they want to provide. So a search asks exactly the relays
//! that the registry gives it, and no liar leads it elsewhere.

use core::num::NonZeroUsize;
use core::task::{Context, Poll};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use libp2p_core::transport::PortUse;
use libp2p_core::{Endpoint, Multiaddr};
use libp2p_identity::PeerId;
use libp2p_kad::{self as kad, QueryId, Record, RecordKey};
use libp2p_swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, StreamProtocol,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use llarp_core::crypto::identity::RelayId;
use llarp_core::relay::Directory;
use llarp_core::wire::limits::{
    DHT_ASK_TIME, DHT_COPIES, DHT_FORGED_COST, DHT_MESSAGE_MAX, DHT_PUT_TIME,
};
use tokio::time::Instant;

use crate::bucket::Bucket;
use crate::counters::Counters;
use crate::names::{Key, address_of, peer_of, relay_of};
use crate::shelf::{Offered, Shelf};

type Kad = kad::Behaviour<Shelf>;
/// What a peer has said; its own module in libp2p has no name for us.
type Heard = THandlerOutEvent<Kad>;

/// What the answer to a value says instead of the whole value: it is kept.
const KEPT: &[u8] = &[1];

/// What a value counts that somebody brings: a signature to verify, a row to write.
const PUT_COST: u32 = 4;

/// Kademlia, guarded.
pub(crate) struct Guard {
    kad: Kad,
    directory: Arc<dyn Directory>,
    counters: Arc<Counters>,
    buckets: BTreeMap<RelayId, Bucket>,
    /// The link that each peer has dialled last.
    inbound: BTreeMap<RelayId, ConnectionId>,
    closing: VecDeque<(PeerId, CloseConnection)>,
    /// Who has said that it does not keep what a query brings.
    refused: Vec<(QueryId, PeerId)>,
}

impl Guard {
    /// For the relay `own`.
    pub(crate) fn new(
        own: PeerId,
        shelf: Shelf,
        directory: Arc<dyn Directory>,
        counters: Arc<Counters>,
    ) -> Self {
        let mut kad = Kad::with_config(own, shelf, config());
        // As a client it would refuse every question.
        kad.set_mode(Some(kad::Mode::Server));
        Self {
            kad,
            directory,
            counters,
            buckets: BTreeMap::new(),
            inbound: BTreeMap::new(),
            closing: VecDeque::new(),
            refused: Vec::new(),
        }
    }

    /// The values of this relay.
    pub(crate) fn shelf(&mut self) -> &mut Shelf {
        self.kad.store_mut()
    }

    /// Asks those relays, all at once, for the value of `key`.
    pub(crate) fn get(&mut self, key: &Key, relays: &[RelayId]) -> QueryId {
        let peers: Vec<_> = relays.iter().filter_map(peer_of).collect();
        // An insertion sets a bootstrap going, half a second later: it finds nobody to ask.
        for peer in &peers {
            self.kad.add_address(peer, Multiaddr::empty());
        }
        let query = self.kad.get_record(RecordKey::new(key));
        for peer in &peers {
            self.kad.remove_peer(peer);
        }
        query
    }

    /// Brings a value to those relays, all at once.
    pub(crate) fn put(&mut self, key: &Key, value: &[u8], relays: &[RelayId]) -> QueryId {
        let record = Record::new(RecordKey::new(key), value.to_vec());
        let peers: Vec<_> = relays.iter().filter_map(peer_of).collect();
        // A smaller quorum would drop what still waits for a dial.
        let quorum = kad::Quorum::All;
        self.kad.put_record_to(record, peers.into_iter(), quorum)
    }

    /// Ends a query; its last event comes still.
    pub(crate) fn finish(&mut self, query: &QueryId) {
        if let Some(mut query) = self.kad.query_mut(query) {
            query.finish();
        }
    }

    /// How many relays do not keep what a query brought, which is over.
    pub(crate) fn take_refused(&mut self, query: &QueryId) -> usize {
        let before = self.refused.len();
        self.refused.retain(|(of, _)| of != query);
        before - self.refused.len()
    }

    /// Forgets what it needs not know.
    pub(crate) fn sweep(&mut self) {
        let now = Instant::now();
        self.buckets.retain(|_, bucket| !bucket.is_full(now));
    }

    fn admit(&self, peer: &PeerId) -> Result<RelayId, ConnectionDenied> {
        relay_of(peer)
            .filter(|relay| self.directory.is_known(relay))
            .ok_or_else(|| ConnectionDenied::new("no registered relay"))
    }

    fn bucket(&mut self, relay: RelayId, now: Instant) -> &mut Bucket {
        self.buckets
            .entry(relay)
            .or_insert_with(|| Bucket::full(now))
    }

    fn send_away(&mut self, peer: PeerId) {
        Counters::add(&self.counters.sent_away);
        self.closing.push_back((peer, CloseConnection::All));
    }

    /// What a peer brings, judged. libp2p gets to see what it is to answer, and no more.
    fn take_in(&mut self, peer: PeerId, relay: RelayId, record: &mut Record) {
        Counters::add(&self.counters.brought);
        // Both are the peer's word; a publisher of our own name would keep the record from us.
        (record.publisher, record.expires) = (None, None);
        let value = core::mem::take(&mut record.value);
        let offered = self.shelf().offer(record.key.as_ref(), &value, relay);
        match offered {
            Offered::Held => record.value = KEPT.to_vec(),
            Offered::Refused => Counters::add(&self.counters.refused),
            Offered::Forged => {
                Counters::add(&self.counters.forged);
                let now = Instant::now();
                let bucket = self.bucket(relay, now);
                bucket.charge(now, DHT_FORGED_COST);
                if bucket.is_empty(now) {
                    self.send_away(peer);
                }
            }
        }
    }
}

/// What a peer asks for, in questions; `None` if it answers.
fn cost(heard: &Heard) -> Option<u32> {
    match heard {
        Heard::FindNodeReq { .. }
        | Heard::GetProvidersReq { .. }
        | Heard::GetRecord { .. }
        | Heard::AddProvider { .. } => Some(1),
        Heard::PutRecord { .. } => Some(PUT_COST),
        _ => None,
    }
}

fn config() -> kad::Config {
    let copies = NonZeroUsize::MIN.saturating_add(DHT_COPIES - 1);
    let mut config = kad::Config::new(StreamProtocol::new("/llarp/kad/1"));
    config
        .set_query_timeout(DHT_PUT_TIME + DHT_ASK_TIME)
        .set_substreams_timeout(DHT_ASK_TIME)
        .set_replication_factor(copies)
        .set_parallelism(copies)
        .disjoint_query_paths(false)
        .set_max_packet_size(DHT_MESSAGE_MAX)
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_record_filtering(kad::StoreInserts::Unfiltered)
        .set_caching(kad::Caching::Disabled)
        .set_periodic_bootstrap_interval(None)
        .set_record_ttl(None)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_record_ttl(None)
        .set_provider_publication_interval(None);
    config
}

impl NetworkBehaviour for Guard {
    type ConnectionHandler = THandler<Kad>;
    type ToSwarm = kad::Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let relay = self.admit(&peer)?;
        let now = Instant::now();
        if self.bucket(relay, now).is_empty(now) {
            return Err(ConnectionDenied::new("asked too much"));
        }
        // One link each way: of two that it has dialled the newer counts, for it may have been
        // restarted.
        if let Some(older) = self.inbound.insert(relay, id) {
            let older = CloseConnection::One(older);
            self.closing.push_back((peer, older));
        }
        self.kad
            .handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let peer = peer.ok_or_else(|| ConnectionDenied::new("nobody"))?;
        self.admit(&peer)?;
        // Kademlia's own list is what peers have said.
        Ok(vec![address_of(peer)])
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit(&peer)?;
        self.kad
            .handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(closed) = &event
            && let Some(relay) = relay_of(&closed.peer_id)
            && self.inbound.get(&relay) == Some(&closed.connection_id)
        {
            self.inbound.remove(&relay);
        }
        self.kad.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, mut heard: Heard) {
        let Ok(relay) = self.admit(&peer) else {
            return self.closing.push_back((peer, CloseConnection::All));
        };
        if let Some(cost) = cost(&heard) {
            let now = Instant::now();
            if !self.bucket(relay, now).take(now, cost) {
                return self.send_away(peer);
            }
        }
        match &mut heard {
            Heard::AddProvider { .. } => return,
            Heard::FindNodeRes { closer_peers, .. } | Heard::GetRecordRes { closer_peers, .. } => {
                closer_peers.clear();
            }
            Heard::GetProvidersRes {
                closer_peers,
                provider_peers,
                ..
            } => {
                closer_peers.clear();
                provider_peers.clear();
            }
            Heard::GetRecord { .. } => Counters::add(&self.counters.asked),
            Heard::PutRecord { record, .. } => self.take_in(peer, relay, record),
            Heard::PutRecordRes {
                value, query_id, ..
            } if value.is_empty() && self.kad.query(query_id).is_some() => {
                self.refused.push((*query_id, peer));
            }
            _ => {}
        }
        self.kad.on_connection_handler_event(peer, id, heard);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<kad::Event, THandlerInEvent<Self>>> {
        if let Some((peer_id, connection)) = self.closing.pop_front() {
            return Poll::Ready(ToSwarm::CloseConnection {
                peer_id,
                connection,
            });
        }
        loop {
            match self.kad.poll(cx) {
                // Of what Kademlia tells only the queries matter.
                Poll::Ready(ToSwarm::GenerateEvent(event))
                    if !matches!(event, kad::Event::OutboundQueryProgressed { .. }) => {}
                other => return other,
            }
        }
    }
}
