//! The task that owns the swarm, on a thread of its own: questions in, values out.
//!
//! Nothing in it waits but for all its events at once. The swarm is polled whenever anything
//! happens, since nothing of libp2p moves otherwise.

use core::future::pending;
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use libp2p_kad::{Event, GetRecordOk, PeerRecord, PutRecordError, QueryId, QueryResult};
use libp2p_swarm::{Swarm, SwarmEvent};
use llarp_core::crypto::identity::RelayId;
use llarp_core::relay::Directory;
use llarp_core::store::CommitError;
use llarp_core::wire::limits::{
    DHT_COPIES, DHT_PUT_TIME, DHT_QUERIES_MAX, DHT_REPUBLISH_AT_ONCE, DHT_SEARCH_TIME,
};
use tokio::select;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::warn;

use crate::counters::Counters;
use crate::error::DhtError;
use crate::guard::Guard;
use crate::lookup::Lookup;
use crate::members::Members;
use crate::names::{Key, relay_of};
use crate::rules::Invalid;
use crate::shelf::Offered;

/// How often the house is kept.
const TICK: Duration = Duration::from_secs(1);

/// What is asked of the table.
pub(crate) enum Command {
    /// The newest value of a key; each that is newer than the last, as it comes.
    Search {
        key: Key,
        found: mpsc::Sender<Bytes>,
    },
    /// A value for a key; how many relays keep it.
    Put {
        key: Key,
        value: Bytes,
        copies: oneshot::Sender<Result<usize, DhtError>>,
    },
}

/// The task.
pub(crate) struct Actor {
    pub(crate) own: RelayId,
    pub(crate) swarm: Swarm<Guard>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) members: watch::Receiver<Members>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) stop: Arc<Notify>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) queries: Vec<Query>,
    pub(crate) writing: Option<Writing>,
    /// The disk has failed; it is tried again at the next tick.
    pub(crate) disk_rests: bool,
}

/// A query of Kademlia, and what for.
pub(crate) struct Query {
    id: QueryId,
    work: Work,
    /// `None`: it is finished, and its last event is on its way.
    deadline: Option<Instant>,
}

enum Work {
    Search(Lookup, mpsc::Sender<Bytes>),
    Put {
        asked: usize,
        own: usize,
        copies: oneshot::Sender<Result<usize, DhtError>>,
    },
    HandOn,
}

/// Rows on their way to the disk.
pub(crate) struct Writing {
    commit: BoxFuture<'static, Result<(), CommitError>>,
    changes: Vec<(Key, u64)>,
}

impl Actor {
    /// Runs until it is told to stop, or nobody can ask it any more.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.take_members();
        loop {
            let deadline = self.queries.iter().filter_map(|it| it.deadline).min();
            select! {
                biased;
                () = self.stop.notified() => break,
                () = until(deadline) => self.give_up(),
                command = self.commands.recv(), if self.has_room() => match command {
                    Some(command) => self.handle(command),
                    None => break,
                },
                done = written(&mut self.writing) => self.handle_written(done),
                Ok(()) = self.members.changed() => self.take_members(),
                _ = ticks.tick() => self.keep_house(),
                event = self.swarm.select_next_some() => self.handle_event(event),
            }
            self.write();
        }
        self.write_the_rest().await;
    }

    fn has_room(&self) -> bool {
        let asked = |query: &&Query| !matches!(query.work, Work::HandOn);
        self.queries.iter().filter(asked).count() < DHT_QUERIES_MAX
    }

    fn guard(&mut self) -> &mut Guard {
        self.swarm.behaviour_mut()
    }

    fn handle(&mut self, command: Command) {
        // Whoever asks after a change of members asks these.
        if self.members.has_changed().unwrap_or(false) {
            self.take_members();
        }
        match command {
            Command::Search { key, found } => self.search(key, found),
            Command::Put { key, value, copies } => self.put(key, &value, copies),
        }
    }

    fn search(&mut self, key: Key, found: mpsc::Sender<Bytes>) {
        let closest = self.closest(&key);
        let id = self.guard().get(&key, &closest);
        let work = Work::Search(Lookup::new(key), found);
        self.begin(id, work, DHT_SEARCH_TIME);
    }

    fn put(&mut self, key: Key, value: &[u8], copies: oneshot::Sender<Result<usize, DhtError>>) {
        let relay = self.own;
        let shelf = self.guard().shelf();
        let unix = shelf.unix();
        if let Err(invalid) = shelf.rules().judge(&key, value, unix) {
            let _ = copies.send(Err(invalid.into()));
            return;
        }
        let mut closest = self.closest(&key);
        let others = closest.len();
        closest.retain(|close| *close != relay);
        let mut own = 0;
        if closest.len() < others {
            let offered = self.guard().shelf().offer(&key, value, relay);
            own = usize::from(offered == Offered::Held);
        }
        if closest.is_empty() {
            let _ = copies.send(Ok(own));
            return;
        }
        let id = self.guard().put(&key, value, &closest);
        let asked = closest.len();
        let work = Work::Put { asked, own, copies };
        self.begin(id, work, DHT_PUT_TIME);
    }

    fn closest(&mut self, key: &Key) -> Vec<RelayId> {
        self.guard().shelf().members().closest(key, DHT_COPIES)
    }

    fn begin(&mut self, id: QueryId, work: Work, time: Duration) {
        let deadline = Some(Instant::now() + time);
        self.queries.push(Query { id, work, deadline });
        Counters::set(&self.counters.queries, self.queries.len());
    }

    /// Takes a query out, which is over for us.
    fn end(&mut self, id: &QueryId) -> Option<Work> {
        // A liar may have answered a search as if it were a publishing.
        self.guard().take_refused(id);
        let at = self.queries.iter().position(|query| query.id == *id)?;
        let query = self.queries.swap_remove(at);
        Counters::set(&self.counters.queries, self.queries.len());
        Some(query.work)
    }

    fn handle_event(&mut self, event: SwarmEvent<Event>) {
        let SwarmEvent::Behaviour(Event::OutboundQueryProgressed {
            id, result, step, ..
        }) = event
        else {
            return;
        };
        match result {
            QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(found))) => {
                self.handle_found(&id, found);
            }
            QueryResult::PutRecord(result) => {
                let said = match result {
                    Ok(_) => None,
                    Err(
                        PutRecordError::QuorumFailed { success, .. }
                        | PutRecordError::Timeout { success, .. },
                    ) => Some(success.len()),
                };
                self.end_put(&id, said);
            }
            _ => {}
        }
        if step.last {
            // Dropped with it is the sender of what was found: the search is over.
            self.end(&id);
        }
    }

    fn handle_found(&mut self, id: &QueryId, found: PeerRecord) {
        let Some(query) = self.queries.iter_mut().find(|query| query.id == *id) else {
            return;
        };
        let Work::Search(lookup, to) = &mut query.work else {
            return;
        };
        // libp2p does not compare.
        if found.record.key.as_ref() != lookup.key() {
            return;
        }
        let shelf = self.swarm.behaviour_mut().shelf();
        let (rules, unix) = (Arc::clone(shelf.rules()), shelf.unix());
        match lookup.handle(&*rules, found.record.value, unix) {
            // Its room is that of all values that one search can bring.
            Ok(Some(newer)) => drop(to.try_send(newer)),
            Ok(None) | Err(Invalid::NotNow) => {}
            Err(Invalid::Forged) => Counters::add(&self.counters.forged),
        }
        if lookup.is_enough() {
            self.guard().finish(id);
            self.end(id);
        }
    }

    /// `said`: how many relays have answered, if not all.
    fn end_put(&mut self, id: &QueryId, said: Option<usize>) {
        let refused = self.guard().take_refused(id);
        if let Some(Work::Put { asked, own, copies }) = self.end(id) {
            let kept = said.unwrap_or(asked).saturating_sub(refused);
            let _ = copies.send(Ok(own + kept));
        }
    }

    /// Ends what has had its time.
    fn give_up(&mut self) {
        let now = Instant::now();
        let late = |query: &Query| query.deadline.is_some_and(|deadline| deadline <= now);
        self.finish_those(late);
    }

    fn finish_those(&mut self, which: impl Fn(&Query) -> bool) {
        let guard = self.swarm.behaviour_mut();
        let mut searches = Vec::new();
        for query in self.queries.iter_mut().filter(|query| which(query)) {
            guard.finish(&query.id);
            match query.work {
                // Who has answered is in the last event.
                Work::Put { .. } | Work::HandOn => query.deadline = None,
                Work::Search(..) => searches.push(query.id),
            }
        }
        for id in searches {
            self.end(&id);
        }
    }

    fn take_members(&mut self) {
        let members = self.members.borrow_and_update().clone();
        self.guard().shelf().set_members(members);
        self.leave_strangers();
    }

    /// Closes the links of relays that are registered no more.
    fn leave_strangers(&mut self) {
        let known = |relay: RelayId| self.directory.is_known(&relay);
        let strange = |peer: &&_| !relay_of(peer).is_some_and(known);
        let strangers: Vec<_> = self
            .swarm
            .connected_peers()
            .filter(strange)
            .copied()
            .collect();
        for peer in strangers {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    fn keep_house(&mut self) {
        self.disk_rests = false;
        self.guard().sweep();
        self.guard().shelf().expire();
        self.finish_those(|query| match &query.work {
            Work::Search(_, found) => found.is_closed(),
            Work::Put { .. } | Work::HandOn => false,
        });
        self.hand_on();
        let links = self.swarm.connected_peers().count();
        Counters::set(&self.counters.links, links);
    }

    /// Brings values, whose time has come, to whoever is closest to them now.
    fn hand_on(&mut self) {
        let handing = |query: &&Query| matches!(query.work, Work::HandOn);
        let under_way = self.queries.iter().filter(handing).count();
        for _ in under_way..DHT_REPUBLISH_AT_ONCE {
            let Some((key, value)) = self.guard().shelf().next_due() else {
                return;
            };
            let own = self.own;
            let mut closest = self.closest(&key);
            closest.retain(|close| *close != own);
            if !closest.is_empty() {
                let id = self.guard().put(&key, &value, &closest);
                self.begin(id, Work::HandOn, DHT_PUT_TIME);
            }
        }
    }

    /// Gives the disk what it has not, a batch at a time: each second at the latest, since what peers
    /// bring is no event here.
    fn write(&mut self) {
        let shelf = self.swarm.behaviour_mut().shelf();
        Counters::set(&self.counters.records, shelf.records().len());
        Counters::set(&self.counters.bytes, shelf.records().bytes());
        if self.writing.is_some() || self.disk_rests {
            return;
        }
        if let Some((batch, changes)) = shelf.batch() {
            let store = shelf.store().clone();
            let commit = async move { store.commit(batch).await }.boxed();
            self.writing = Some(Writing { commit, changes });
        }
    }

    fn handle_written(&mut self, done: Result<(), CommitError>) {
        let Some(writing) = self.writing.take() else {
            return;
        };
        match done {
            Ok(()) => self.guard().shelf().written(&writing.changes),
            Err(error) => {
                warn!("values of the table were not written, and will be again: {error}");
                Counters::add(&self.counters.unwritten);
                self.disk_rests = true;
            }
        }
    }

    /// Before the end: what the disk has not taken by now it gets one chance to take.
    async fn write_the_rest(&mut self) {
        while !self.disk_rests {
            self.write();
            if self.writing.is_none() {
                return;
            }
            let done = written(&mut self.writing).await;
            self.handle_written(done);
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

async fn written(writing: &mut Option<Writing>) -> Result<(), CommitError> {
    match writing {
        Some(writing) => (&mut writing.commit).await,
        None => pending().await,
    }
}
