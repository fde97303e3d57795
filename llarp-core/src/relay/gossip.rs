//! A relay among the relays: tells of itself, passes news on, compares what it knows with others.
//!
//! In: the network's view, the relay's key ring, offers of neighbours. Out: its own descriptor and
//! key sets in everybody's directory. *Not* here: what makes a document good. Specification:
//! `docs/spec/08-relay.md` §7.
//!
//! ```text
//!   own key sets, descriptor ─┐
//!   offers that were news ────┴─▶ News ─ 0.2 s ─▶ offer to four relays by chance
//!   one relay by chance ◀── compare, each minute or so ──▶ what we lack, a newer snapshot
//! ```

use ::core::sync::atomic::{AtomicBool, Ordering};
use ::core::time::Duration;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};

use rand_core::Rng;
use tokio::time::{Instant, sleep, timeout};
use tracing::{error, warn};

use tokio::sync::Notify;

use super::Shared;
use super::keys::KeyRing;
use super::lock;
use crate::crypto::identity::{RelayId, SecretKey};
use crate::directory::{NetworkView, Way, catch_up, compare, look, taken};
use crate::link::{CloseCode, IncomingRequest, Link, Peer};
use crate::registry::directory::What;
use crate::registry::message::Request;
use crate::registry::{Addresses, Descriptor, Document, Family, KeySet, Presence};
use crate::wire::limits::{
    DESCRIPTOR_INTERVAL, DIRECTORY_AHEAD, GOSSIP_DELAY, GOSSIP_RELAYS, KEY_OVERLAP_SECONDS,
};

/// A relay's place in a registry.
#[derive(Debug)]
pub struct Registered {
    /// What it knows of the network. Others ask it for that.
    pub view: NetworkView,
    /// Where it is reached.
    pub addresses: Addresses,
    /// Whose it is, if the operator says so.
    pub family: Option<Family>,
    /// Cells a second that it can carry.
    pub capacity: u32,
    /// Its onion keys.
    pub ring: KeyRing,
}

/// What a relay does for the directory.
pub(super) struct Gossip {
    pub(super) view: NetworkView,
    key: Arc<SecretKey>,
    addresses: Addresses,
    family: Option<Family>,
    capacity: u32,
    ring: Arc<Mutex<KeyRing>>,
    /// Whether the operator was told so.
    is_excluded: AtomicBool,
    /// Whether enough others have been heard since the start, or need not be: they may know key sets of
    /// this relay that it has lost itself, and a second set would be a proof against it.
    has_heard: AtomicBool,
    /// Who has been heard until then.
    listened: Mutex<Listened>,
    heard: Arc<Notify>,
    /// Whether the operator was told that others have other keys.
    has_lost_keys: AtomicBool,
    /// Since when the time is in doubt.
    in_doubt: Mutex<Option<Instant>>,
}

/// Others that a relay has heard since its start, and since when it hears any.
#[derive(Debug, Default)]
struct Listened {
    to: BTreeSet<RelayId>,
    since: Option<Instant>,
}

/// Relays that one without keys of its own hears before it announces any: one alone may have just
/// started, or keep back what it knows.
const HEARD_ENOUGH: usize = 3;

/// How long it looks for so many, from the first on: where fewer run, there is no network without it.
const HEARD_TIME: Duration = Duration::from_secs(600);

/// How often keys and own documents are looked at.
const LOOK: Duration = Duration::from_secs(30);

/// How long the registry and the clock may disagree before the clock is believed. One that is wrong at
/// the start is set meanwhile; and half of the overlap of key epochs, so that a relay without
/// authorities still has its keys in time.
const DOUBT: Duration = Duration::from_secs(KEY_OVERLAP_SECONDS / 2);

/// The first comparison comes so soon, and each waits twice as long, up to [`COMPARE_LAST`].
const COMPARE_FIRST: Duration = Duration::from_millis(250);
const COMPARE_LAST: Duration = Duration::from_secs(64);

/// An own descriptor is signed anew when it is so old, so that it is seen that the relay lives.
const DESCRIPTOR_AGE: u64 = 24 * 3600;

impl Gossip {
    pub(super) fn new(key: Arc<SecretKey>, registered: Registered) -> Self {
        Self {
            view: registered.view,
            key,
            addresses: registered.addresses,
            family: registered.family,
            capacity: registered.capacity,
            has_heard: AtomicBool::new(registered.ring.found()),
            listened: Mutex::default(),
            heard: Arc::default(),
            has_lost_keys: AtomicBool::new(false),
            in_doubt: Mutex::default(),
            ring: Arc::new(Mutex::new(registered.ring)),
            is_excluded: AtomicBool::new(false),
        }
    }

    /// The time by which keys are drawn and erased and documents dated; none while it is in doubt. When a
    /// snapshot's time is over, authorities may sleep, and relays must go on without them; but who is
    /// far ahead is more likely wrong than they are asleep.
    fn settled_time(&self) -> Option<u64> {
        let mut in_doubt = lock(&self.in_doubt);
        let sure = self.view.sure_time();
        if sure.is_some() {
            *in_doubt = None;
            return sure;
        }
        let since = *in_doubt.get_or_insert_with(Instant::now);
        let patient = since.elapsed() >= DOUBT;
        let asleep = !self.view.members().is_empty() && !self.view.is_far_ahead();
        (patient && asleep).then(|| self.view.time())
    }

    /// Another relay has said what it knows.
    fn heard(&self, relay: RelayId) {
        if self.has_heard() {
            return;
        }
        let members = self.view.members();
        // What others say teaches nothing to who does not know the time or the members: it is refused.
        if self.settled_time().is_none() || members.get(&self.key.relay_id()).is_none() {
            *lock(&self.listened) = Listened::default();
            return;
        }
        let others = members.len().saturating_sub(1);
        let enough = {
            let listened = &mut *lock(&self.listened);
            listened.to.insert(relay);
            listened.since.get_or_insert_with(Instant::now);
            listened.to.len() >= others || listened.to.len() >= HEARD_ENOUGH
        };
        if enough {
            self.has_heard.store(true, Ordering::Relaxed);
            self.heard.notify_one();
        }
    }

    /// Whether it may announce keys of its own.
    fn has_heard(&self) -> bool {
        let listens_long = || {
            let since = lock(&self.listened).since;
            since.is_some_and(|since| since + HEARD_TIME <= Instant::now())
        };
        self.has_heard.load(Ordering::Relaxed) || listens_long()
    }

    /// Puts own documents that the directory lacks into it, and tells of them. Nothing while no
    /// snapshot names this relay.
    fn announce(&self, me: RelayId, now: u64) {
        let (counts, excluded, descriptor) = self.view.read(|directory| {
            let counts = directory.members().get(&me).is_some();
            let held = directory.descriptor(&me).map(|held| *held.presence());
            (counts, directory.is_excluded(&me), held)
        });
        if excluded && !self.is_excluded.swap(true, Ordering::Relaxed) {
            error!(
                "this relay's key has signed two sets of onion keys for one key epoch: it is \
                 excluded for thirty days; was its key copied, or its data directory set back?"
            );
        }
        if !excluded {
            self.is_excluded.store(false, Ordering::Relaxed);
        }
        if !counts || excluded {
            return;
        }
        let mut own = Vec::new();
        own.extend(self.own_descriptor(descriptor, now));
        own.extend(self.own_key_sets(me));
        let news: Vec<_> = own
            .into_iter()
            .filter(|document| match self.view.learn(document.clone()) {
                Ok(_) => true,
                Err(error) => {
                    warn!(%error, "this relay's own directory does not take what it says of itself");
                    false
                }
            })
            .collect();
        self.view.tell(news);
    }

    fn own_descriptor(&self, held: Option<Presence>, now: u64) -> Option<Document> {
        let presence = |issued| Presence {
            issued,
            addresses: self.addresses,
            family: self.family,
            capacity: self.capacity,
        };
        let issued = match held {
            // Signed while the clock was ahead: nobody else has it, and what follows it would be as far.
            Some(held) if held.issued > now + DIRECTORY_AHEAD => now,
            Some(held) if held == presence(held.issued) && now < held.issued + DESCRIPTOR_AGE => {
                return None;
            }
            Some(held) => now.max(held.issued + DESCRIPTOR_INTERVAL),
            None => now,
        };
        let signed = Descriptor::sign(&self.view.network(), &self.key, presence(issued));
        Some(Document::Descriptor(signed.get().clone()))
    }

    /// Own key sets that the directory lacks, once enough others had a chance to show older ones.
    fn own_key_sets(&self, me: RelayId) -> Vec<Document> {
        if !self.has_heard() {
            return Vec::new();
        }
        let network = self.view.network();
        let publics = lock(&self.ring).publics();
        let mut lacking = Vec::new();
        for (epoch, onion) in publics {
            let signed = KeySet::sign(&network, &self.key, epoch, onion);
            let own = Document::KeySet(signed.get().clone());
            let what = What::KeySets(epoch);
            match self.view.read(|directory| directory.name(what, &me)) {
                None => lacking.push(own),
                Some(known) if known == own.name(&network) => (),
                Some(_) if self.has_lost_keys.swap(true, Ordering::Relaxed) => (),
                Some(_) => error!(
                    "others know onion keys of this relay that it does not have: was its folder of \
                     onion keys lost? It carries no new paths until the next key epoch"
                ),
            }
        }
        lacking
    }
}

/// Turns the key ring and announces what is new, until the relay is gone.
pub(super) async fn keep_keys(shared: Weak<Shared>) {
    loop {
        let (mut changes, heard) = {
            let Some(shared) = shared.upgrade() else {
                return;
            };
            let Some(gossip) = &shared.gossip else {
                return;
            };
            // What a wrong clock erases is gone, and what it dates is believed by nobody.
            if let Some(now) = gossip.settled_time() {
                shared.turn_keys(gossip, now).await;
                gossip.announce(shared.id, now);
                gossip.view.expire();
            }
            (gossip.view.snapshots(), Arc::clone(&gossip.heard))
        };
        tokio::select! {
            biased;
            () = sleep(LOOK) => (),
            () = heard.notified() => (),
            // A new snapshot may name this relay for the first time.
            _ = changes.changed() => (),
        }
    }
}

/// Offers news to some relays, until this one is gone.
pub(super) async fn spread(shared: Weak<Shared>) {
    loop {
        let Some(strong) = shared.upgrade() else {
            return;
        };
        let Some(gossip) = &strong.gossip else {
            return;
        };
        let offer = gossip.view.next_offer();
        if offer.is_empty() {
            let told = gossip.view.news();
            drop(strong);
            // Looks up now and then whether the relay is gone.
            let _ = timeout(LOOK, told.notified()).await;
            // More may come with it.
            sleep(GOSSIP_DELAY).await;
            continue;
        }
        let request = Request::Offer(offer);
        for relay in strong.draw_others(GOSSIP_RELAYS) {
            let (shared, request) = (Arc::clone(&strong), request.clone());
            tokio::spawn(async move {
                if let Some((_, link)) = shared.link_to(&relay).await {
                    // Whoever does not hear it compares.
                    let _ = Way::Link(link).ask(&request).await;
                }
            });
        }
    }
}

/// Compares with one relay after the other, until this one is gone.
pub(super) async fn compare_now_and_then(shared: Weak<Shared>) {
    let mut wait = COMPARE_FIRST;
    loop {
        let jitter = match shared.upgrade() {
            Some(shared) => shared.fork_rng().next_u32() % 500,
            None => return,
        };
        // 0.75 to 1.25 of it, so that relays that start together do not stay together.
        sleep(wait * (750 + jitter) / 1000).await;
        wait = (wait * 2).min(COMPARE_LAST);
        let Some(shared) = shared.upgrade() else {
            return;
        };
        shared.compare_with_some().await;
    }
}

impl Shared {
    /// Turns the ring where handshakes run: it waits for the disk, and draws keys. Cells do not wait for
    /// it.
    async fn turn_keys(&self, gossip: &Gossip, now: u64) {
        let (ring, mut rng) = (Arc::clone(&gossip.ring), self.fork_rng());
        let turn = move || {
            let mut ring = lock(&ring);
            match ring.turn(now, &mut rng) {
                Ok(false) => (None, None),
                Ok(true) => (Some(ring.secrets()), None),
                Err(error) => (Some(ring.secrets()), Some(error)),
            }
        };
        let (secrets, error) = self.run(turn).await;
        if let Some(secrets) = secrets {
            *lock(&self.onion) = secrets.into();
        }
        if let Some(error) = error {
            warn!(%error, "onion keys cannot be kept or erased; it is tried again");
        }
    }

    /// Some other relays that can be reached, by chance.
    fn draw_others(&self, count: usize) -> Vec<RelayId> {
        let Some(gossip) = &self.gossip else {
            return Vec::new();
        };
        let members = gossip.view.members();
        let bootstrap = gossip.view.bootstrap().iter().map(|it| it.relay);
        let mut others: Vec<_> = match members.is_empty() {
            true => bootstrap.collect(),
            false => members.iter().map(|member| member.relay).collect(),
        };
        others.retain(|relay| *relay != self.id && gossip.view.address_of(relay).is_some());
        let mut rng = self.fork_rng();
        let mut drawn = Vec::new();
        while drawn.len() < count && !others.is_empty() {
            let at = rng.next_u64() % others.len() as u64;
            drawn.push(others.swap_remove(usize::try_from(at).unwrap_or_default()));
        }
        drawn
    }

    /// Compares with one relay by chance; as long as it listens, with as many as it has yet to hear.
    async fn compare_with_some(self: &Arc<Self>) {
        let Some(gossip) = &self.gossip else {
            return;
        };
        if gossip.has_heard() {
            for relay in self.draw_others(1) {
                self.compare_with(gossip, relay).await;
            }
            return;
        }
        let heard = lock(&gossip.listened).to.clone();
        let mut others = self.draw_others(usize::MAX);
        others.retain(|relay| !heard.contains(relay));
        for relay in others.into_iter().take(HEARD_ENOUGH) {
            self.compare_with(gossip, relay).await;
        }
    }

    async fn compare_with(self: &Arc<Self>, gossip: &Gossip, relay: RelayId) {
        let Some((_, link)) = self.link_to(&relay).await else {
            return;
        };
        let seen = look(&gossip.view, &[Way::Link(link)]).await;
        catch_up(&gossip.view, &seen).await;
        let Some(seen) = seen.into_iter().next() else {
            return;
        };
        if seen.is_same(&gossip.view, true) {
            return gossip.heard(relay);
        }
        let way = seen.way;
        let compared = compare(&gossip.view, ::core::slice::from_ref(&way), true).await;
        let proofs = compared.outcome.proofs.into_iter();
        gossip
            .view
            .tell(proofs.map(|proof| Document::Equivocation(proof.get().clone())));
        if compared.outcome.answered > 0 {
            gossip.heard(relay);
        }
    }

    /// Answers a request about the network.
    pub(super) async fn answer_directory(self: Arc<Self>, link: Link, asked: IncomingRequest) {
        let Some(gossip) = &self.gossip else {
            return;
        };
        let reply = match link.peer() {
            Peer::Anonymous => match gossip.view.answer_stranger(&asked.body).await {
                Some(reply) => reply,
                // Dropped, it is refused: others can be asked.
                None => return,
            },
            Peer::Relay(_) => match Request::decode(&asked.body) {
                Ok(Request::Offer(documents)) => {
                    let offered = gossip.view.offered(documents).await;
                    if offered.forged {
                        // A registered relay that passes forgeries on does not verify what it says.
                        return link.close(CloseCode::Useless);
                    }
                    taken(&offered)
                }
                Ok(request) => gossip.view.answer(&request),
                Err(_) => return,
            },
        };
        let _ = asked.respond(&reply.encode()).await;
    }
}
