//! Builds one path: chooses relays, asks, tries again with others, remembers who failed.

use core::time::Duration;
use std::sync::Arc;

use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::guards::GuardLink;
use super::keeper;
use super::path::Path;
use super::table::NewPath;
use super::Shared;
use crate::build::{BuildFailed, BuildHop, BuildReply, ExpectReply, StartError, start_build};
use crate::cell::{HopKeys, PathId};
use crate::crypto::identity::RelayId;
use crate::link::{Backoff, DialError, RequestError};
use crate::path::{ChooseError, Route, Want};
use crate::registry::RelayContact;
use crate::relay_messages::{KIND_BUILD, KIND_CLOSE, encode_close};
use crate::wire::limits::{
    BUILD_DEADLINE, BUILD_REPLY_LEN, BUILD_RETRY_BASE, BUILD_RETRY_CAP, BUILD_TIME,
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
    /// The registry names an onion key that is none.
    #[error("the registry is wrong: {0}")]
    Registry(StartError),
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
    rtt: Duration,
}

impl Shared {
    /// A path as `want` says; tries until [`BUILD_DEADLINE`].
    pub(super) async fn build(self: &Arc<Self>, want: &Want) -> Result<Path, PathError> {
        let deadline = Instant::now() + BUILD_DEADLINE;
        let mut backoff = Backoff::new(BUILD_RETRY_BASE, BUILD_RETRY_CAP);
        let mut tries = 0;
        loop {
            if self.is_suspended() {
                return Err(PathError::Suspended);
            }
            let route = self.choose(want)?;
            tries += 1;
            let tried = timeout_at(deadline, self.try_route(&route)).await;
            let last = match tried.unwrap_or(Err(TryFailed::TimedOut)) {
                Ok(path) => return Ok(path),
                Err(failed) => failed,
            };
            self.charge(&route, &last);
            // Another guard is tried at once: the first one's link told us to.
            let wait = match last {
                TryFailed::Guard(_) if tries < GUARD_TRIES => Duration::ZERO,
                _ => backoff.failed(&mut self.state().rng),
            };
            if Instant::now() + wait >= deadline {
                return Err(PathError::GaveUp { tries, last });
            }
            sleep(wait).await;
        }
    }

    async fn try_route(self: &Arc<Self>, route: &Route) -> Result<Path, TryFailed> {
        let contacts = self.contacts(route);
        let guard = contacts.first().ok_or(TryFailed::TimedOut)?;
        let guard = self.guard_link(guard).await.map_err(TryFailed::Guard)?;
        let started = self.start(&contacts).map_err(TryFailed::Registry)?;
        let made = match timeout(BUILD_TIME, self.ask(&guard, started)).await {
            Ok(made) => made?,
            Err(_) => return Err(TryFailed::TimedOut),
        };
        let (number, events) = keeper::channel(self);
        self.table().open(&NewPath {
            number,
            guard: guard.id,
            ours: made.ours,
            theirs: made.theirs,
            keys: &made.keys,
            events: events.sender(),
        });
        self.state().profile.built(route);
        Ok(keeper::start(self, events, route.clone(), made.rtt))
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
        let rtt = asked.elapsed();
        let reply = BuildReply::decode(&reply).map_err(|_| RequestError::Malformed);
        let reply = reply.map_err(TryFailed::Asked)?;
        let theirs = reply.path_id;
        match started.expect.handle_reply(reply) {
            Ok(keys) => Ok(Made {
                ours: started.ours,
                theirs,
                keys,
                rtt,
            }),
            Err(failed) => {
                if !failed.accepted.is_empty() {
                    tell_closed(guard.link.clone(), theirs);
                }
                Err(TryFailed::Failed(failed))
            }
        }
    }

    fn choose(&self, want: &Want) -> Result<Route, ChooseError> {
        let state = &mut *self.state();
        let now = self.now();
        crate::path::choose(
            &state.relays,
            &mut state.profile,
            want,
            self.diversity,
            now,
            &mut state.rng,
        )
    }

    fn charge(&self, route: &Route, failed: &TryFailed) {
        let now = self.now();
        let profile = &mut self.state().profile;
        match failed {
            TryFailed::Guard(_) => profile.link_failed(route, now),
            TryFailed::Asked(_) => profile.build_failed(route, crate::build::Charge::First, now),
            TryFailed::TimedOut => profile.build_timed_out(route, now),
            TryFailed::Failed(failed) => profile.build_failed(route, failed.charge(), now),
            TryFailed::Registry(_) => (),
        }
    }

    fn contacts(&self, route: &Route) -> Vec<RelayContact> {
        let state = self.state();
        let of = |id: &RelayId| state.relays.get(id).cloned();
        route.hops().iter().filter_map(of).collect()
    }
}

/// Tells a guard that a path is over; it tells the next hop, and so on.
pub(super) fn tell_closed(link: crate::link::Link, path: PathId) {
    tokio::spawn(async move {
        let _ = link.request(KIND_CLOSE, &encode_close(&[path]), 0).await;
    });
}

/// Guards that are tried without a wait between them.
const GUARD_TRIES: u32 = 4;
