//! The ledger and the directory of one node, behind one lock.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::allowance::Allowance;
use super::fork::Fork;
use super::memory::{self, Unwritten};
use super::news::News;
use crate::clock::Clock;
use crate::crypto::hash::NetworkId;
use crate::crypto::identity::RelayId;
use crate::link::KnownRelays;
use crate::registry::directory::{
    Directory, Learned, Member, Members, Offered, Refused, SnapshotHead, Trust,
};
use crate::registry::message::{Reply, Request, SnapshotAsk, SnapshotPart};
use crate::registry::sync::{Outcome, SourceId, Sync};
use crate::registry::{
    self, Changed, CharterError, Delta, Document, Ledger, LedgerError, RelayList, Root, Unfit,
    VerifiedSnapshot,
};
use crate::store::{ReadError, Store};
use crate::wire::limits::SNAPSHOT_VALIDITY_MAX;

/// A relay that is known before anything else is: whom to ask first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// Its name, which it proves.
    pub relay: RelayId,
    /// Where it is.
    pub address: SocketAddr,
}

impl fmt::Debug for Bootstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bootstrap({:?})", self.relay)
    }
}

/// Where signatures of what others say are verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// On tokio's threads for blocking work, so that cells need not wait for them.
    #[default]
    OtherThreads,
    /// Where it is handled. For tests that must repeat.
    Inline,
}

/// What a view is made of.
#[derive(Debug)]
pub struct ViewConfig {
    /// The network.
    pub network: NetworkId,
    /// Whom to trust.
    pub root: Root,
    /// Whom to ask first.
    pub bootstrap: Vec<Bootstrap>,
    /// The wall clock.
    pub clock: Clock,
    /// Where it is kept.
    pub store: Store,
    /// Where signatures are verified.
    pub verify: Verify,
}

/// Why a view cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store.
    #[error("what is known of the network cannot be read: {0}")]
    Store(#[from] ReadError),
    /// The charter is none to begin with.
    #[error("the network's charter is not usable: {0}")]
    Charter(#[from] CharterError),
    /// What is kept belongs to another network, or was changed.
    #[error(
        "what is kept of the registry is not usable: {0}; remove it to begin anew, without its protection against being rolled back"
    )]
    Ledger(#[from] LedgerError),
}

/// What this node knows of its network. Clones share it.
#[derive(Clone)]
pub struct NetworkView(pub(super) Arc<Shared>);

pub(super) struct Shared {
    network: NetworkId,
    bootstrap: Vec<Bootstrap>,
    clock: Clock,
    verify: Verify,
    state: Mutex<State>,
    /// Counts changes, for whoever waits for one.
    version: watch::Sender<u64>,
    news: News,
    strangers: Allowance,
    /// The number of the newest snapshot.
    snapshot: watch::Sender<Option<u64>>,
    /// Bytes that own questions took.
    traffic: AtomicU64,
}

pub(super) struct State {
    pub(super) ledger: Ledger,
    pub(super) directory: Directory,
    pub(super) unwritten: Unwritten,
    /// Evidence against authorities.
    pub(super) fork: Option<Arc<Fork>>,
    /// Why the last snapshot was not taken.
    pub(super) refused: Option<registry::Refused>,
    /// What the operator was warned of.
    pub(super) alarms: BTreeSet<&'static str>,
    /// Relays of the snapshot before that this one does not name any more, and where they are. Others
    /// may be one snapshot behind, and clients of theirs still choose them.
    departed: BTreeMap<RelayId, Option<SocketAddr>>,
    /// What others are given, made once a snapshot.
    whole: Arc<[u8]>,
    delta: Option<Arc<[u8]>>,
}

/// How a whole snapshot begins on its way to others.
const WHOLE: u8 = 1;
/// How a delta does.
const DELTA: u8 = 2;

impl NetworkView {
    /// What the store has, and nothing if that is empty. Keeps the store up to date from now on: in
    /// a tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(config: ViewConfig) -> Result<Self, OpenError> {
        let ViewConfig {
            network,
            root,
            bootstrap,
            clock,
            store,
            verify,
        } = config;
        let ledger = memory::load_ledger(&store, network, root)?;
        let members = members_of(&ledger);
        let mut directory = Directory::new(network, members);
        let now = ledger.time(clock.unix().as_secs());
        memory::load_rows(&store, &mut directory, now)?;
        let mut state = State {
            ledger,
            directory,
            unwritten: Unwritten::default(),
            fork: memory::load_fork(&store)?.map(Arc::new),
            refused: None,
            alarms: BTreeSet::new(),
            departed: BTreeMap::new(),
            whole: Arc::default(),
            delta: None,
        };
        state.pack();
        let head = state.ledger.head().map(|head| head.number);
        let shared = Shared {
            network,
            bootstrap,
            clock,
            verify,
            state: Mutex::new(state),
            version: watch::Sender::new(0),
            news: News::default(),
            strangers: Allowance::new(),
            snapshot: watch::Sender::new(head),
            traffic: AtomicU64::new(0),
        };
        let shared = Arc::new(shared);
        let changes = shared.version.subscribe();
        tokio::spawn(memory::keep(Arc::downgrade(&shared), store, changes));
        Ok(Self(shared))
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        self.0.network
    }

    /// Takes a snapshot, from wherever it comes. May take a second in the largest networks, during
    /// which nobody else waits.
    ///
    /// # Errors
    /// [`registry::Refused`]; the last good one stays.
    pub fn offer_snapshot(&self, bytes: &[u8]) -> Result<Changed, registry::Refused> {
        let taken = self.offer(|ledger, now| ledger.offer_snapshot(bytes, now));
        self.note(&taken, bytes);
        taken
    }

    /// Takes a delta to the newest snapshot.
    ///
    /// # Errors
    /// As [`Self::offer_snapshot`].
    pub fn offer_delta(&self, bytes: &[u8]) -> Result<Changed, registry::Refused> {
        let taken = self.offer(|ledger, now| ledger.offer_delta(bytes, now));
        self.note(&taken, &[]);
        taken
    }

    /// Takes what [`Request::Snapshot`] brought: whole or delta.
    pub(super) async fn offer_packed(&self, bytes: Vec<u8>) -> Result<Changed, registry::Refused> {
        let view = self.clone();
        self.run(move || match bytes.split_first() {
            Some((&DELTA, delta)) => view.offer_delta(delta),
            Some((&WHOLE, whole)) => view.offer_snapshot(whole),
            _ => view.offer_snapshot(&bytes),
        })
        .await
    }

    /// Signatures are verified on a copy, without the lock.
    fn offer(
        &self,
        take: impl Fn(&mut Ledger, u64) -> Result<Changed, registry::Refused>,
    ) -> Result<Changed, registry::Refused> {
        loop {
            let mut ledger = self.state().ledger.clone();
            let before = ledger.head();
            let changed = take(&mut ledger, self.clock())?;
            let taken = self.change(|state| {
                // Somebody else was faster: it is looked at again.
                if state.ledger.head() != before {
                    return Err(());
                }
                state.ledger = ledger;
                state.took(changed);
                Ok(())
            });
            if taken.is_ok() {
                return Ok(changed);
            }
        }
    }

    /// Takes a document.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn learn(&self, document: Document) -> Result<Learned, Refused> {
        let now = self.time();
        self.change(|state| {
            let relay = document.relay();
            let learned = state.directory.learn(document, now)?;
            if learned != Learned::Known {
                state.unwritten.relay(relay);
            }
            Ok(learned)
        })
    }

    /// Takes what another relay offers; what of it is news, which is to be told to others.
    pub async fn offered(&self, documents: Vec<Document>) -> Offered {
        let view = self.clone();
        let offered = self.run(move || view.take_offer(documents)).await;
        self.tell(offered.news.iter().cloned());
        offered
    }

    /// What this node answers somebody whom nobody knows; `None` when strangers have asked too much of
    /// late, whatever it is, or when it is no request.
    pub async fn answer_stranger(&self, request: &[u8]) -> Option<Reply> {
        if !self.0.strangers.take() {
            return None;
        }
        Some(match Request::decode(request).ok()? {
            Request::Offer(documents) => taken(&self.offered_by_stranger(documents).await),
            request => self.answer(&request),
        })
    }

    /// Takes what somebody offers whom nobody knows: proof of misbehaviour, one at a time. Nothing
    /// else of strangers counts.
    async fn offered_by_stranger(&self, documents: Vec<Document>) -> Offered {
        let is_proof = |document: &Document| matches!(document, Document::Equivocation(_));
        let proof = documents.into_iter().filter(is_proof).take(1);
        self.offered(proof.collect()).await
    }

    fn take_offer(&self, documents: Vec<Document>) -> Offered {
        let now = self.time();
        self.change(|state| {
            let offered = state.directory.offered(documents, now);
            for document in &offered.news {
                state.unwritten.relay(document.relay());
            }
            Ok::<_, core::convert::Infallible>(offered)
        })
        .unwrap_or_default()
    }

    /// What this node answers, but for [`Request::Offer`].
    #[must_use]
    pub fn answer(&self, request: &Request) -> Reply {
        let state = self.state();
        match request {
            Request::Snapshot(ask) => state.snapshot_part(ask),
            other => state.directory.answer(other),
        }
    }

    /// The relays of which paths can be built now, whose key sets are at least as sure as that.
    #[must_use]
    pub fn relays(&self, least: Trust) -> RelayList {
        let now = self.time();
        self.state().directory.relays(now, least)
    }

    /// The relays that count.
    #[must_use]
    pub fn members(&self) -> Members {
        self.state().directory.members().clone()
    }

    /// The newest snapshot, also one whose time is over.
    #[must_use]
    pub fn newest(&self) -> Option<VerifiedSnapshot> {
        self.state().ledger.current().cloned()
    }

    /// The newest snapshot, if it is to be relied on now.
    ///
    /// # Errors
    /// [`Unfit`], for the user: what is wrong with it.
    pub fn fit(&self) -> Result<VerifiedSnapshot, Unfit> {
        self.state().ledger.fit(self.clock()).cloned()
    }

    /// What is to be told to other relays.
    pub fn tell(&self, documents: impl IntoIterator<Item = Document>) {
        self.0.news.push(documents);
    }

    /// As many of the news as one offer holds; empty if there are none.
    #[must_use]
    pub fn next_offer(&self) -> Vec<Document> {
        self.0.news.next_offer()
    }

    /// Notified when there are news.
    #[must_use]
    pub fn news(&self) -> Arc<Notify> {
        Arc::clone(&self.0.news.there)
    }

    /// Whether the clock is so far behind the end of the newest snapshot's validity that it is more
    /// likely wrong than the registry asleep.
    #[must_use]
    pub fn is_far_ahead(&self) -> bool {
        let newest = self.state().ledger.current().cloned();
        newest.is_some_and(|newest| {
            let until = newest.terms().valid_until;
            self.clock() > until.saturating_add(SNAPSHOT_VALIDITY_MAX)
        })
    }

    /// The time that it is at least: the clock's, or the registry's if the clock is behind it. Not to be
    /// called under the lock.
    #[must_use]
    pub fn time(&self) -> u64 {
        let clock = self.clock();
        self.state().ledger.time(clock)
    }

    /// [`Self::time`], unless it is in doubt: without a snapshot, or when the newest one's validity is
    /// over. Then either the authorities sleep or this clock is ahead.
    #[must_use]
    pub fn sure_time(&self) -> Option<u64> {
        let clock = self.clock();
        let state = self.state();
        let until = state.ledger.current()?.terms().valid_until;
        (clock <= until).then(|| state.ledger.time(clock))
    }

    /// Where `relay` is: by its descriptor, or as a bootstrap.
    #[must_use]
    pub fn address_of(&self, relay: &RelayId) -> Option<SocketAddr> {
        let state = self.state();
        let departed = || state.departed.get(relay).copied().flatten();
        let known = state.described(relay).or_else(departed);
        known.or_else(|| {
            let mut bootstrap = self.0.bootstrap.iter();
            Some(bootstrap.find(|it| it.relay == *relay)?.address)
        })
    }

    /// Whom to ask first.
    #[must_use]
    pub fn bootstrap(&self) -> &[Bootstrap] {
        &self.0.bootstrap
    }

    /// Forgets what has had its time.
    pub fn expire(&self) {
        let now = self.time();
        self.state().directory.expire(now);
    }

    /// Changes whenever something of it does.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.version.subscribe()
    }

    /// Changes with the newest snapshot's number.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Option<u64>> {
        self.0.snapshot.subscribe()
    }

    /// Bytes of all requests that this node has made about the network, and of their replies: what a
    /// link or a tunnel carries, without its own framing.
    #[must_use]
    pub fn traffic(&self) -> u64 {
        self.0.traffic.load(Ordering::Relaxed)
    }

    pub(super) fn count_traffic(&self, bytes: u64) {
        self.0.traffic.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Runs `read` on the directory.
    pub fn read<T>(&self, read: impl FnOnce(&Directory) -> T) -> T {
        read(&self.state().directory)
    }

    /// Gives the directory the result of a comparison.
    pub(super) fn finish(&self, sync: Sync) -> Outcome {
        self.change(|state| {
            let outcome = sync.finish(&mut state.directory);
            for relay in &outcome.changed {
                state.unwritten.relay(*relay);
            }
            Ok::<_, core::convert::Infallible>(outcome)
        })
        .unwrap_or_else(|never| match never {})
    }

    /// Takes the reply of a source, and what documents it brings.
    pub(super) async fn handle(&self, mut sync: Sync, source: SourceId, reply: Vec<u8>) -> Sync {
        let view = self.clone();
        self.run(move || {
            // What is wrong with it is in the outcome.
            let now = view.time();
            let _ = sync.handle(source, &reply, &mut view.state().directory, now);
            sync
        })
        .await
    }

    /// Does work that may take milliseconds here or on another thread.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        match self.0.verify {
            Verify::Inline => work(),
            Verify::OtherThreads => match tokio::task::spawn_blocking(work).await {
                Ok(done) => done,
                // A bug, to be seen here as it would be seen inline.
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The runtime is going away, and this task with it.
                Err(_) => core::future::pending().await,
            },
        }
    }

    /// Keeps evidence against authorities, in place of older one.
    pub(super) fn keep_fork(&self, fork: Fork) {
        let kept: Result<(), core::convert::Infallible> = self.change(|state| {
            state.fork = Some(Arc::new(fork));
            state.unwritten.fork = true;
            Ok(())
        });
        kept.unwrap_or_else(|never| match never {});
    }

    /// What the clock says.
    fn clock(&self) -> u64 {
        self.0.clock.unix().as_secs()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }

    /// Changes something, and tells whoever waits unless that failed.
    fn change<T, E>(&self, change: impl FnOnce(&mut State) -> Result<T, E>) -> Result<T, E> {
        let (changed, head) = {
            let state = &mut *self.state();
            let changed = change(state)?;
            (changed, state.ledger.head().map(|head| head.number))
        };
        self.0.version.send_modify(|version| *version += 1);
        let other = |known: &mut Option<u64>| core::mem::replace(known, head) != head;
        self.0.snapshot.send_if_modified(other);
        Ok(changed)
    }
}

impl Shared {
    /// Whoever panicked under the lock left a change half told at worst: ledger and directory
    /// change each as a whole.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Where a relay says that it is.
    fn described(&self, relay: &RelayId) -> Option<SocketAddr> {
        let known = self.directory.descriptor(relay)?;
        Some(known.presence().addresses.preferred())
    }

    fn took(&mut self, changed: Changed) {
        if matches!(changed, Changed::Advanced { .. }) {
            self.unwritten.ledger = true;
            let members = members_of(&self.ledger);
            let before = self.directory.members().clone();
            self.departed.clear();
            for gone in before.iter().filter(|it| members.get(&it.relay).is_none()) {
                // Its row goes, too.
                self.unwritten.relay(gone.relay);
                let at = self.described(&gone.relay);
                self.departed.insert(gone.relay, at);
            }
            self.directory.set_members(members);
            self.pack();
        }
    }

    /// Makes what others are given.
    fn pack(&mut self) {
        let Some(newest) = self.ledger.current() else {
            return;
        };
        self.whole = [&[WHOLE], &*newest.signed().encode()].concat().into();
        let delta = self.ledger.previous();
        let delta = delta.and_then(|base| Delta::between(base, newest).ok());
        self.delta = delta.map(|delta| [&[DELTA], &*delta.encode()].concat().into());
    }

    fn snapshot_part(&self, ask: &SnapshotAsk) -> Reply {
        let newest = self.ledger.current();
        if newest.is_none_or(|newest| newest.number() <= ask.number && ask.hash != [0; 32]) {
            return Reply::Nothing;
        }
        let base = self.ledger.previous().map(|base| base.hash().0);
        let delta = self.delta.as_ref().filter(|_| base == Some(ask.hash));
        let packed = delta.unwrap_or(&self.whole);
        Reply::Snapshot(SnapshotPart::of(packed, ask.offset))
    }
}

/// What whoever offered is told.
#[must_use]
pub fn taken(offered: &Offered) -> Reply {
    let news = u16::try_from(offered.news.len()).unwrap_or(u16::MAX);
    Reply::Taken { news }
}

/// The relays of the newest snapshot, by ascending id.
fn members_of(ledger: &Ledger) -> Members {
    let Some(newest) = ledger.current() else {
        return Members::none();
    };
    let head = SnapshotHead {
        number: newest.number(),
        hash: newest.hash().0,
        charter: ledger.charters().newest().number().into(),
    };
    let members = newest.entries().iter().map(|entry| Member {
        relay: entry.relay,
        family: entry.family,
    });
    // A snapshot's entries ascend, and are not more than a network has.
    Members::new(head, members).unwrap_or_else(|_| Members::none())
}

impl KnownRelays for NetworkView {
    fn is_known(&self, id: &RelayId) -> bool {
        let state = self.state();
        state.directory.members().get(id).is_some() || state.departed.contains_key(id)
    }
}

impl fmt::Debug for NetworkView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("NetworkView")
            .field("snapshot", &state.ledger.head().map(|head| head.number))
            .field("members", &state.directory.members().len())
            .finish_non_exhaustive()
    }
}
