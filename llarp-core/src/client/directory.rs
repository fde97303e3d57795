//! A client learns the network: from bootstrap relays first, then through paths, now and then.
//!
//! In: a [`NetworkView`]. Out: the relays that paths are chosen from, of which each key set is
//! accepted by the rule of `docs/spec/10-directory.md` §8. Specification: §10 there.
//!
//! ```text
//!  nothing accepted yet: bootstrap relays ─ snapshot, comparison ─▶ provisional list, for paths of
//!                                                                    this task alone
//!  paths to relays by chance ─ tunnels ─ comparison ─▶ accepted list ─▶ everybody's paths
//! ```

use core::pin::pin;
use core::time::Duration;
use std::sync::{Arc, Weak};

use rand_core::Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{info, warn};

use super::builder::Chosen;
use super::path::Path;
use super::unknown::Unknown;
use super::{Shared, memory};
use crate::crypto::identity::RelayId;
use crate::directory::{Bootstrap, NetworkView, Way, catch_up, compare, look};
use crate::link::Backoff;
use crate::path::{Profile, Want};
use crate::registry::directory::Trust;
use crate::registry::message::Request;
use crate::registry::{Document, KeyEpoch, RelayContact, RelayList, Unfit, VerifiedEquivocation};
use crate::store::Store;
use crate::tunnel::TunnelCode;
use crate::wire::limits::{
    DIRECTORY_COMPARE_SECONDS, DIRECTORY_LEAST_RELAYS, DIRECTORY_RETRY_BASE, DIRECTORY_RETRY_CAP,
    DIRECTORY_SOURCES, DIRECTORY_SOURCES_LEAST, KEY_MARGIN_SECONDS,
};

/// How long a bootstrap relay may take to be linked.
const LINK_TIME: Duration = Duration::from_secs(8);

/// From one comparison to the next.
const COMPARE: Duration = Duration::from_secs(DIRECTORY_COMPARE_SECONDS);

/// How soon it is tried again.
struct Pace {
    /// After a comparison that told too little.
    failed: Backoff,
    /// While fewer than three quarters of the relays that count are known.
    sparse: Backoff,
}

/// Proofs that are shown to others after a comparison.
const PROOFS_OFFERED: usize = 4;

/// How often it is looked whether the wall clock has gone on while this machine slept: timers stand
/// still meanwhile.
const WALL: Duration = Duration::from_secs(60);

/// By how much the wall clock has gone on in a sleep that matters.
const SLEPT: u64 = 300;

/// How much later than the last of enough sources another one may come.
const GRACE: Duration = Duration::from_secs(2);

/// A way, and what keeps it open.
struct Source {
    way: Way,
    _path: Option<Path>,
}

impl Source {
    /// Says that it is over. A link closes by itself when nobody else needs it.
    fn close(self) {
        if let Way::Tunnel(tunnel) = self.way {
            tunnel.close(TunnelCode::Done);
        }
    }
}

/// Keeps a client's relays up to date, until the client is gone.
pub(super) async fn keep(shared: Weak<Shared>, view: NetworkView, store: Store) {
    let mut pace = Pace {
        failed: Backoff::new(DIRECTORY_RETRY_BASE, DIRECTORY_RETRY_CAP),
        sparse: Backoff::new(DIRECTORY_RETRY_BASE, COMPARE),
    };
    let mut next = Instant::now();
    let changes = view.changes();
    let mut taken = None;
    let mut asleep = Asleep::default();
    loop {
        let Some(strong) = shared.upgrade() else {
            return;
        };
        let seen = (*changes.borrow(), strong.key_phase());
        if taken.replace(seen) != Some(seen) {
            strong.take_relays(&view, &store);
        }
        if asleep.noticed(&strong) {
            next = Instant::now();
        }
        let moved = Arc::clone(&strong.moved);
        let moved = moved.notified();
        let learns = Instant::now() >= next && !strong.is_suspended();
        if learns {
            let mut moved = pin!(moved);
            let learned = tokio::select! {
                biased;
                // The client has left, or is somewhere else: what is under way leads nowhere.
                () = &mut moved => None,
                wait = strong.learn(&view, &store, &mut pace) => Some(wait),
            };
            match learned {
                Some(wait) => next = Instant::now() + wait,
                None => pace.failed.succeeded(),
            }
            continue;
        }
        let turn = strong.until_next_keys();
        // Whoever is suspended asks nobody, however long ago it was due.
        let wake = match strong.is_suspended() {
            true => turn,
            false => next.min(turn),
        };
        drop(strong);
        let wake = wake.min(Instant::now() + WALL);
        let has_moved = tokio::select! {
            biased;
            () = sleep_until(wake) => false,
            () = moved => true,
        };
        if has_moved && !shared.upgrade().is_some_and(|shared| shared.knows_relays()) {
            // What failed there may go well here.
            pace.failed.succeeded();
            next = Instant::now();
        }
    }
}

/// Notices that the machine slept: its wall clock has gone on, its timers have not.
#[derive(Default)]
struct Asleep(Option<(Instant, u64)>);

impl Asleep {
    fn noticed(&mut self, shared: &Shared) -> bool {
        let (now, wall) = (Instant::now(), shared.seconds().0);
        let Some((before, then)) = self.0.replace((now, wall)) else {
            return false;
        };
        wall.saturating_sub(then) > (now - before).as_secs().saturating_add(SLEPT)
    }
}

impl Shared {
    /// Which keys are in use by the wall clock: those of which epoch, and whether those of the one
    /// before still serve.
    fn key_phase(&self) -> (KeyEpoch, bool) {
        let now = self.seconds().0;
        let present = KeyEpoch::at(now);
        (
            present,
            now < present.previous().erased() - KEY_MARGIN_SECONDS,
        )
    }

    /// One round; how long to wait for the next.
    async fn learn(
        self: &Arc<Self>,
        view: &NetworkView,
        store: &Store,
        pace: &mut Pace,
    ) -> Duration {
        let learned = self.learn_once(view).await;
        self.tell_why(view, &learned);
        let learned = learned.is_ok();
        view.expire();
        self.take_relays(view, store);
        let rng = &mut self.fork_rng();
        if !learned || !self.knows_relays() {
            return pace.failed.failed(rng);
        }
        pace.failed.succeeded();
        if view.relays(Trust::Accepted).len() * 4 < view.members().len() * 3 {
            // The network is young, or its relays have just come back.
            return pace.sparse.failed(rng);
        }
        pace.sparse.succeeded();
        // 0.75 to 1.25 of it, so that nobody can tell when it comes.
        COMPARE * (750 + rng.next_u32() % 500) / 1000
    }

    /// Remembers why the network is not known, or not to be relied on, for whoever wants a path; says
    /// so once when the registry or the clock is the reason, which lasts until somebody does something.
    fn tell_why(&self, view: &NetworkView, learned: &Result<(), Unknown>) {
        let unfit = view.fit().err().filter(|unfit| *unfit != Unfit::Empty);
        let refused = view.refused().filter(|_| learned.is_err());
        let lasting = refused.map(Unknown::Refused).or(unfit.map(Unknown::Unfit));
        let why = lasting.or(learned.err()).unwrap_or(Unknown::Learning);
        let before = core::mem::replace(&mut self.state().unknown, why);
        if core::mem::discriminant(&before) != core::mem::discriminant(&why) && lasting.is_some() {
            warn!("the network cannot be relied on: {why}");
        }
    }

    /// Whether enough sources have told something.
    async fn learn_once(self: &Arc<Self>, view: &NetworkView) -> Result<(), Unknown> {
        if !self.knows_relays() {
            self.learn_directly(view).await?;
        }
        let sources = self.sources_by_path().await;
        let learned = learn_from(view, &sources).await;
        sources.into_iter().for_each(Source::close);
        learned.then_some(()).ok_or(Unknown::TooFewAgree)
    }

    /// Asks the bootstrap relays: then there are relays to reach others with.
    async fn learn_directly(self: &Arc<Self>, view: &NetworkView) -> Result<(), Unknown> {
        let mut dials = JoinSet::new();
        for bootstrap in draw(view.bootstrap().to_vec(), &mut self.fork_rng()) {
            let shared = Arc::clone(self);
            dials.spawn(async move {
                let Bootstrap { relay, address } = bootstrap;
                let link = timeout(LINK_TIME, shared.redialer.link(&relay, address)).await;
                Some(Source {
                    way: Way::Link(link.ok()?.ok()?),
                    _path: None,
                })
            });
        }
        let sources = gather(dials).await;
        if sources.is_empty() {
            warn!("none of the bootstrap relays can be reached; is the network down?");
            return Err(Unknown::NobodyReached);
        }
        learn_from(view, &sources).await;
        let list = view.relays(Trust::Provisional);
        if !is_enough(view, &list) {
            warn!(
                relays = list.len(),
                asked = sources.len(),
                "too few relays on which three bootstrap relays agree"
            );
            return Err(Unknown::TooFewAgree);
        }
        self.take_provisional(list);
        Ok(())
    }

    /// Tunnels to relays by chance, each over a path of its own.
    async fn sources_by_path(self: &Arc<Self>) -> Vec<Source> {
        let mut builds = JoinSet::new();
        for relay in self.draw_terminals() {
            let shared = Arc::clone(self);
            builds.spawn(async move {
                let want = Want::Terminal(relay);
                let path = shared.build_now(want, None, Chosen::ByUs).await.ok()?;
                let tunnel = shared.tunnel(&path).await.ok()?;
                Some(Source {
                    way: Way::Tunnel(tunnel),
                    _path: Some(path),
                })
            });
        }
        gather(builds).await
    }

    fn draw_terminals(&self) -> Vec<RelayId> {
        let relays = self.state().relays.clone();
        let contacts: Vec<_> = relays.iter().collect();
        let order = shuffle(contacts, &mut self.fork_rng());
        let drawn = apart(order);
        drawn.into_iter().map(|contact| contact.id).collect()
    }

    /// Whether paths may be built for everybody.
    fn knows_relays(&self) -> bool {
        *self.relays_known.borrow()
    }

    /// For the paths of this task: nobody else gets any yet, and no guard of these is kept.
    fn take_provisional(&self, list: RelayList) {
        let now = self.seconds();
        let state = &mut *self.state();
        state.relays = list;
        // Those that are kept wait on the disk until there are accepted relays.
        state.profile = Profile::new(state.profile.diversity());
        state.profile.update(&state.relays, now, &mut state.rng);
    }

    /// Takes the accepted relays as they are now.
    fn take_relays(&self, view: &NetworkView, store: &Store) {
        let list = view.relays(Trust::Accepted);
        let first = !self.knows_relays();
        if list.len() < DIRECTORY_LEAST_RELAYS || (first && !is_enough(view, &list)) {
            if self.relays_known.send_replace(false) {
                // As after days without a network: nothing that is built to these keys opens, and
                // whoever is asked for it would be charged.
                warn!("what is known of the network is too old; it is learned anew");
            }
            return;
        }
        let now = self.seconds();
        let state = &mut *self.state();
        if first {
            let diversity = state.profile.diversity();
            match memory::load(store, diversity) {
                Ok(profile) => state.profile = profile,
                Err(error) => {
                    warn!(%error, "guards cannot be read; paths wait until they can");
                    return;
                }
            }
            info!(relays = list.len(), "the network is known");
        }
        state.relays = list;
        state.profile.update(&state.relays, now, &mut state.rng);
        self.profile_changed.notify_one();
        self.relays_known.send_replace(true);
    }

    /// When the keys of another key epoch are to be used, or those of the one before no longer: a
    /// little later than everybody's clock says.
    fn until_next_keys(&self) -> Instant {
        let now = self.seconds().0;
        let present = KeyEpoch::at(now);
        let closes = present.previous().erased() - KEY_MARGIN_SECONDS;
        let next = if now < closes {
            closes
        } else {
            present.next().start()
        };
        let late = self.fork_rng().next_u64() % 300;
        Instant::now() + Duration::from_secs((next - now) + late)
    }
}

/// Whether a list is one to begin with: two thirds of the relays whose signed documents anybody has
/// shown. Two sources of four can veto what the others tell, but not make up what relays sign: then
/// nothing is believed, rather than a list of their friends.
fn is_enough(view: &NetworkView, list: &RelayList) -> bool {
    list.len() >= DIRECTORY_LEAST_RELAYS && list.len() * 3 >= view.relays(Trust::Held).len() * 2
}

/// Sources as they are reached. Once there are enough, the others have [`GRACE`] left: one that is
/// dead would hold up all for as long as a path may take.
async fn gather(mut reached: JoinSet<Option<Source>>) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut patience = None;
    loop {
        if sources.len() >= DIRECTORY_SOURCES_LEAST {
            patience.get_or_insert_with(|| Instant::now() + GRACE);
        }
        let next = match patience {
            None => reached.join_next().await,
            Some(until) => timeout_at(until, reached.join_next()).await.ok().flatten(),
        };
        match next {
            Some(reached) => sources.extend(reached.ok().flatten()),
            None => return sources,
        }
    }
}

/// Some of them by chance: as many as are asked.
fn draw<T>(left: Vec<T>, rng: &mut impl Rng) -> Vec<T> {
    let mut drawn = shuffle(left, rng);
    drawn.truncate(DIRECTORY_SOURCES);
    drawn
}

/// All of them in an order by chance.
fn shuffle<T>(mut left: Vec<T>, rng: &mut impl Rng) -> Vec<T> {
    let mut drawn = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let at = rng.next_u64() % left.len() as u64;
        drawn.push(left.swap_remove(usize::try_from(at).unwrap_or_default()));
    }
    drawn
}

/// The first of them that are nobody's twins: one operator with many relays is one source. Where there
/// are too few such, others fill up.
fn apart(order: Vec<&RelayContact>) -> Vec<&RelayContact> {
    let mut drawn: Vec<&RelayContact> = Vec::new();
    let mut left = Vec::new();
    for contact in order {
        let twins = |other: &&RelayContact| {
            let family = contact.family.is_some() && contact.family == other.family;
            family || contact.addresses.share_subnet(&other.addresses)
        };
        if drawn.len() >= DIRECTORY_SOURCES {
            break;
        }
        match drawn.iter().any(twins) {
            true => left.push(contact),
            false => drawn.push(contact),
        }
    }
    let lack = DIRECTORY_SOURCES.saturating_sub(drawn.len());
    drawn.extend(left.into_iter().take(lack));
    drawn
}

/// Fetches a newer snapshot if somebody has one, and compares. Whether that was of use: three or more
/// sources told what they have, and it came to something. Fewer are not compared, since nothing that
/// they say would count, and one alone would see what we have already.
async fn learn_from(view: &NetworkView, sources: &[Source]) -> bool {
    let ways: Vec<_> = sources.iter().map(|source| source.way.clone()).collect();
    let seen = look(view, &ways).await;
    catch_up(view, &seen).await;
    if seen.len() < DIRECTORY_SOURCES_LEAST {
        return false;
    }
    let ways: Vec<_> = seen.into_iter().map(|seen| seen.way).collect();
    let comparison = compare(view, &ways, true).await;
    let (taught, outcome) = (comparison.has_taught(), comparison.outcome);
    if !outcome.disputes.is_empty() {
        let proven = outcome.disputes.iter().filter(|it| it.proven).count();
        warn!(
            disputes = outcome.disputes.len(),
            proven, "onion keys of relays are not the same everywhere; such keys are not used"
        );
    }
    offer(&outcome.proofs, &ways).await;
    taught
}

/// Shows proofs to all sources at once. Few: who could be made to show many would be kept busy.
async fn offer(proofs: &[VerifiedEquivocation], ways: &[Way]) {
    let mut offers = JoinSet::new();
    for proof in proofs.iter().take(PROOFS_OFFERED) {
        let proof = Request::Offer(vec![Document::Equivocation(proof.get().clone())]);
        for way in ways {
            let (way, proof) = (way.clone(), proof.clone());
            offers.spawn(async move { way.ask(&proof).await.is_ok() });
        }
    }
    while offers.join_next().await.is_some() {}
}

/// Whom a client chooses from.
#[derive(Debug, Clone)]
pub enum Relays {
    /// A list that somebody else keeps up to date.
    Fixed(RelayList),
    /// What this client learns by itself.
    Learned(NetworkView),
}

impl From<RelayList> for Relays {
    fn from(list: RelayList) -> Self {
        Self::Fixed(list)
    }
}

impl Relays {
    /// The relays to begin with; none if nothing is accepted yet.
    pub(super) fn first(&self) -> RelayList {
        match self {
            Self::Fixed(list) => list.clone(),
            Self::Learned(_) => RelayList::none(),
        }
    }
}
