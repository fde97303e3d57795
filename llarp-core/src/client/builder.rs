//! Builds one path: chooses relays, asks, tries again with others, remembers who failed.

use core::time::Duration;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::Shared;
use super::guards::GuardLink;
use super::path::Path;
use super::table::NewPath;
use super::tries::{TRIES_AT_ONCE, Tries};
use super::unknown::Unknown;
use crate::build::{
    BuildFailed, BuildHop, BuildReply, Charge, ExpectReply, StartError, start_build,
};
use crate::cell::{HopKeys, PathId};
use crate::crypto::identity::RelayId;
use crate::hop::message::KIND_BUILD;
use crate::link::{Backoff, CloseCode, DialError, LinkClosed, RequestError};
use crate::path::{ChooseError, Probing, Route, WaitFor, Want, choose};
use crate::registry::RelayContact;
use crate::wire::limits::{
    BUILD_DEADLINE, BUILD_HEDGE, BUILD_REPLY_LEN, BUILD_RETRY_BASE, BUILD_RETRY_CAP, BUILD_TIME,
};

/// Why there is no path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// No relays to choose from.
    #[error("no path can be chosen: {0}")]
    Choose(#[from] ChooseError),
    /// Every try failed until the time was over.
    #[error("no path in {} s and {tries} tries; the last: {last}", BUILD_DEADLINE.as_secs())]
    GaveUp {
        /// How many.
        tries: u32,
        /// What became of the last.
        last: TryFailed,
    },
    /// No guard could be linked until the time was over.
    #[error(
        "none of the guards could be reached in {} s and {tries} tries: is the network down? The last: {last}",
        BUILD_DEADLINE.as_secs()
    )]
    NoGuard {
        /// How many.
        tries: u32,
        /// What became of the last dial.
        last: DialError,
    },
    /// More than one guard says so, and none that it is not so.
    #[error(
        "this machine's clock is {} minutes {}: set it",
        minutes.unsigned_abs(),
        if *minutes < 0 { "slow" } else { "fast" }
    )]
    ClockSkew {
        /// Minutes that it is ahead of the guards' clocks.
        minutes: i64,
    },
    /// So many paths towards one relay were tried of late that somebody may want to learn from them.
    #[error("too many builds towards this relay; again in {} s", retry_after.as_secs())]
    TooOften {
        /// When to come again.
        retry_after: Duration,
    },
    /// The path that was to be kept could not be built.
    #[error(transparent)]
    Kept(Arc<PathError>),
    /// Nobody asked for paths of this identity and purpose to be kept.
    #[error("no paths are kept for this identity and purpose")]
    NotKept,
    /// Too few relays are known for sure.
    #[error("the network is not known after {} s: {why}", BUILD_DEADLINE.as_secs())]
    NetworkUnknown {
        /// Why not, and what to do.
        why: Unknown,
    },
    /// The client is suspended, or gone.
    #[error("the client is suspended; resume it first")]
    Suspended,
}

/// Why one try failed. Names hops by number, never a relay.
#[derive(Debug, thiserror::Error)]
pub enum TryFailed {
    /// There is no link to the guard.
    #[error("the guard cannot be reached: {0}")]
    Guard(DialError),
    /// The guard refused the request, or its link broke.
    #[error("the guard did not carry the build: {0}")]
    Asked(RequestError),
    /// No reply in time.
    #[error("no reply in {} s", BUILD_TIME.as_secs())]
    TimedOut,
    /// A hop said no, lied, or was lied about.
    #[error(transparent)]
    Failed(BuildFailed),
    /// A relay of the route has left the list meanwhile.
    #[error("a relay of the route is no longer listed")]
    Unlisted,
    /// The client has left the network meanwhile, or closed the link itself.
    #[error("the client left the network")]
    Left,
    /// The registry names an onion key that is none.
    #[error("the registry is wrong: {0}")]
    Registry(StartError),
}

/// Who chose the relay that a path is wanted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chosen {
    /// Somebody else, who may want to see many builds: they are paced.
    ByOthers,
    /// This client, by chance.
    ByUs,
}

impl Chosen {
    /// The relay towards which builds are paced.
    fn target(self, want: &Want) -> Option<RelayId> {
        want.relay().filter(|_| self == Self::ByOthers).copied()
    }
}

/// A request under way, and what its reply is read with.
struct Started {
    request: Vec<u8>,
    ours: PathId,
    expect: ExpectReply,
}

/// A path as its build left it.
struct Made {
    ours: PathId,
    theirs: PathId,
    keys: Vec<HopKeys>,
    took: Duration,
}

impl Shared {
    /// A path as `want` says, once the network is known.
    pub(super) async fn build(self: &Arc<Self>, want: Want) -> Result<Path, PathError> {
        self.build_beside(want, None).await
    }

    /// The same, over other relays than those of a path that is `silent`, or whose loss another is to
    /// outlive, as far as there are any.
    pub(super) async fn build_beside(
        self: &Arc<Self>,
        want: Want,
        silent: Option<Route>,
    ) -> Result<Path, PathError> {
        if self.is_suspended() {
            return Err(PathError::Suspended);
        }
        let mut known = self.relays_known.subscribe();
        let known = timeout(BUILD_DEADLINE, known.wait_for(|known| *known));
        if known.await.is_err() {
            let why = self.state().unknown;
            return Err(PathError::NetworkUnknown { why });
        }
        self.build_now(want, silent, Chosen::ByOthers).await
    }

    /// The same, over what relays there are now. Tries until [`BUILD_DEADLINE`]. A try without an
    /// answer for [`BUILD_HEDGE`] gets company: the first path wins, and the other is closed when it
    /// comes.
    pub(super) async fn build_now(
        self: &Arc<Self>,
        want: Want,
        silent: Option<Route>,
        chosen: Chosen,
    ) -> Result<Path, PathError> {
        let deadline = Instant::now() + BUILD_DEADLINE;
        let mut backoff = Backoff::new(BUILD_RETRY_BASE, BUILD_RETRY_CAP);
        let (done, mut ended) = mpsc::channel(TRIES_AT_ONCE);
        let mut tries = Tries::new(silent);
        let mut next = Instant::now();
        loop {
            if self.is_suspended() {
                return Err(PathError::Suspended);
            }
            tokio::select! {
                biased;
                Some((route, tried)) = ended.recv() => {
                    match tried {
                        Ok(path) => {
                            self.charge_false_clocks(tries);
                            self.note_success(&want, chosen);
                            return Ok(path);
                        }
                        Err(failed) => {
                            self.note_failure(&want, chosen);
                            tries.failed(&route, failed, self.clock.minute());
                        }
                    }
                    if let Some(error) = tries.clock_is_wrong() {
                        return Err(error);
                    }
                    // Another guard is tried at once: the first one's link told us to.
                    let wait = if tries.lacks_guard() && tries.started < GUARD_TRIES {
                        Duration::ZERO
                    } else {
                        backoff.failed(&mut self.state().rng)
                    };
                    next = Instant::now() + wait;
                }
                () = sleep_until(next), if tries.have_room() => {
                    let route = match self.choose_beside(&want, &tries) {
                        Ok(route) => route,
                        // A try that is under way may still make a path.
                        Err(_) if tries.any_under_way() => {
                            next = Instant::now() + BUILD_HEDGE;
                            continue;
                        }
                        Err(error) => return Err(error.into()),
                    };
                    if let Err(WaitFor { millis }) = self.may_try(&want, chosen) {
                        let retry_after = Duration::from_millis(millis);
                        next = Instant::now() + retry_after;
                        if next >= deadline && !tries.any_under_way() {
                            return Err(PathError::TooOften { retry_after });
                        }
                        continue;
                    }
                    tries.start(&route);
                    tokio::spawn(Arc::clone(self).tried(route, done.clone()));
                    next = Instant::now() + BUILD_HEDGE;
                }
                () = sleep_until(deadline) => return Err(tries.give_up()),
            }
        }
    }

    /// One try, to its end: whoever no longer waits for it still learns whom to charge.
    async fn tried(self: Arc<Self>, route: Route, done: mpsc::Sender<Tried>) {
        let tried = self.try_route(&route).await;
        if let Err(failed) = &tried {
            self.charge(&route, failed);
        }
        // A path that nobody wants any more is dropped here, which closes it.
        let _ = done.send((route, tried)).await;
    }

    async fn try_route(self: &Arc<Self>, route: &Route) -> Result<Path, TryFailed> {
        let left = self.times_left();
        let contacts = self.contacts(route).ok_or(TryFailed::Unlisted)?;
        let guard = contacts.first().ok_or(TryFailed::Unlisted)?;
        let guard = self.guard_link(guard).await.map_err(TryFailed::Guard)?;
        self.still_here(left, &guard)?;
        let started = self.start(&contacts).map_err(TryFailed::Registry)?;
        let made = match timeout(BUILD_TIME, self.ask(&guard, started)).await {
            Ok(made) => made?,
            Err(_) => return Err(TryFailed::TimedOut),
        };
        if let Err(error) = self.still_here(left, &guard) {
            self.table().tell_closed(guard.id, made.theirs);
            return Err(error);
        }
        let (events, heard) = mpsc::channel(EVENTS);
        let probing = Probing::new(contacts.len(), self.now(), &mut self.fork_rng());
        let number = self.table().open(NewPath {
            guard: guard.id,
            ours: made.ours,
            theirs: made.theirs,
            keys: &made.keys,
            probing,
            events,
        });
        self.state().profile.built(route);
        Ok(Path::start(self, number, route.clone(), made.took, heard))
    }

    fn start(&self, contacts: &[RelayContact]) -> Result<Started, StartError> {
        let hops: Vec<_> = contacts
            .iter()
            .map(|contact| BuildHop {
                relay: &contact.id,
                onion: &contact.onion,
            })
            .collect();
        let now = self.clock.minute();
        let mut rng = self.fork_rng();
        let ours = PathId::random(&mut rng);
        let (request, expect) = start_build(&self.network, &hops, ours, now, &mut rng)?;
        Ok(Started {
            request: request.encode(),
            ours,
            expect,
        })
    }

    async fn ask(&self, guard: &GuardLink, started: Started) -> Result<Made, TryFailed> {
        let asked = Instant::now();
        let reply = guard
            .link
            .request(KIND_BUILD, &started.request, BUILD_REPLY_LEN)
            .await
            .map_err(TryFailed::Asked)?;
        let took = asked.elapsed();
        let reply = BuildReply::decode(&reply).map_err(|_| RequestError::Malformed);
        let reply = reply.map_err(TryFailed::Asked)?;
        let theirs = reply.path_id;
        match started.expect.handle_reply(reply) {
            Ok(keys) => Ok(Made {
                ours: started.ours,
                theirs,
                keys,
                took,
            }),
            Err(failed) => {
                if !failed.accepted.is_empty() {
                    self.table().tell_closed(guard.id, theirs);
                }
                Err(TryFailed::Failed(failed))
            }
        }
    }

    fn choose(&self, want: &Want) -> Result<Route, ChooseError> {
        let state = &mut *self.state();
        choose(
            &state.relays,
            &state.profile,
            want,
            self.seconds(),
            &mut state.rng,
        )
    }

    /// Of some routes the one of which the tries so far make us doubt least: a relay that is dead
    /// holds up one try, not all.
    fn choose_beside(&self, want: &Want, tries: &Tries) -> Result<Route, ChooseError> {
        let mut best = self.choose(want)?;
        let mut doubts = tries.doubts(&best);
        for _ in 0..DRAWS {
            if doubts == 0 {
                break;
            }
            let other = self.choose(want)?;
            if tries.doubts(&other) < doubts {
                doubts = tries.doubts(&other);
                best = other;
            }
        }
        Ok(best)
    }

    /// Whether another build towards what is wanted may start now.
    fn may_try(&self, want: &Want, chosen: Chosen) -> Result<(), WaitFor> {
        let now = self.now();
        let attempts = &mut self.state().attempts;
        let target = chosen.target(want);
        target.map_or(Ok(()), |target| attempts.start(target.0, now))
    }

    fn note_success(&self, want: &Want, chosen: Chosen) {
        if let Some(relay) = chosen.target(want) {
            self.state().attempts.succeeded(&relay.0);
        }
    }

    fn note_failure(&self, want: &Want, chosen: Chosen) {
        let now = self.now();
        let state = &mut *self.state();
        if let Some(relay) = chosen.target(want) {
            state.attempts.failed(&relay.0, now, &mut state.rng);
        }
    }

    /// Guards that blamed a clock which another guard found right.
    fn charge_false_clocks(&self, tries: Tries) {
        let now = self.seconds();
        let state = &mut *self.state();
        for route in tries.false_clocks() {
            let charge = Charge::Hop(0);
            state.profile.failed(&route, charge, now, &mut state.rng);
        }
    }

    fn charge(&self, route: &Route, failed: &TryFailed) {
        if failed.clock_of_guard().is_some() {
            // Whose clock is wrong, another guard tells: else a client would wear out its guards.
            return;
        }
        let now = self.seconds();
        let state = &mut *self.state();
        let (profile, rng) = (&mut state.profile, &mut state.rng);
        match failed {
            // No dial was made, or nobody else has done anything.
            TryFailed::Guard(DialError::BackingOff { .. } | DialError::Stopped)
            | TryFailed::Asked(RequestError::Closed(LinkClosed::Here))
            | TryFailed::Left
            | TryFailed::Unlisted => (),
            TryFailed::Guard(_) => {
                if let Some(guard) = route.hops().first() {
                    profile.link_failed(guard, now, rng);
                }
            }
            TryFailed::Asked(_) => profile.failed(route, Charge::First, now, rng),
            TryFailed::TimedOut => profile.timed_out(route, now, rng),
            TryFailed::Failed(failed) => profile.failed(route, failed.charge(), now, rng),
            TryFailed::Registry(_) => (),
        }
    }

    /// All relays of a route, or none: a route without one of them would be another route.
    fn contacts(&self, route: &Route) -> Option<Vec<RelayContact>> {
        let state = self.state();
        let of = |id: &RelayId| state.relays.get(id).cloned();
        route.hops().iter().map(of).collect()
    }

    /// Whether the client has stayed since `left` was taken. If not, a link that was dialled
    /// meanwhile is closed: nobody else knows of it.
    fn still_here(&self, left: u64, guard: &GuardLink) -> Result<(), TryFailed> {
        if self.times_left() == left {
            return Ok(());
        }
        if self.is_suspended() {
            guard.link.close(CloseCode::Done);
        }
        Err(TryFailed::Left)
    }
}

/// Events that wait for a path's keeper; more are dropped, and probed for again.
const EVENTS: usize = 32;

/// Draws of a route until one has another guard: of two guards, one in 256 has not. Another guard
/// and another second hop of four one in 43 has not, and then mostly another second hop.
const DRAWS: usize = 8;

/// What one try has come to.
type Tried = (Route, Result<Path, TryFailed>);

/// Guards that are tried without a wait between them.
const GUARD_TRIES: u32 = 4;
