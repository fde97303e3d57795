//! A path of a client's own: its handle, and the task that keeps watch over it.

use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::Shared;
use super::table::Event;
use crate::build::Charge;
use crate::cell::CloseReason;
use crate::crypto::identity::RelayId;
use crate::link::CloseCode;
use crate::path::{PathState, Route};
use crate::wire::Sensitive;
use crate::wire::limits::PROBE_TIME;

/// How a path has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathEnd {
    /// Nobody here wanted it any more.
    #[error("the path was closed here")]
    Done,
    /// Its time is over, or it has carried all that one path may.
    #[error("the path's time is over")]
    Retired,
    /// A hop has closed it.
    #[error("hop {hop} closed the path: {reason:?}")]
    Closed {
        /// Which, counted from 0.
        hop: usize,
        /// Why.
        reason: CloseReason,
    },
    /// A hop no longer answers.
    #[error("hop {hop} of the path no longer answers")]
    Dead {
        /// The first that does not, counted from 0.
        hop: usize,
    },
    /// Cells are lost that nothing explains.
    #[error("the path loses cells")]
    Lossy,
    /// Cells came garbled.
    #[error("the path garbles cells")]
    Garbled,
    /// The link to the guard is gone.
    #[error("the link to the guard is gone")]
    GuardLost,
    /// The client is suspended, or changes networks.
    #[error("the client left the network")]
    Left,
}

/// Why a probe has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// None came in time.
    #[error("no answer in {} s", PROBE_TIME.as_secs())]
    TimedOut,
    /// The path has fewer hops.
    #[error("the path has no hop {hop}")]
    NoSuchHop {
        /// The hop, counted from 0.
        hop: usize,
    },
    /// The path has ended.
    #[error(transparent)]
    Ended(#[from] PathEnd),
}

/// A path. Clones share it; when the last is dropped, it is closed.
#[derive(Clone)]
pub struct Path {
    inner: Arc<Inner>,
}

struct Inner {
    number: u64,
    route: Route,
    built_in: Duration,
    asks: mpsc::Sender<Ask>,
    suspect: watch::Receiver<bool>,
    end: watch::Receiver<Option<PathEnd>>,
}

/// A probe that somebody wants to see answered.
struct Ask {
    hop: usize,
    answered: oneshot::Sender<Duration>,
}

impl Path {
    /// Watches over a path that was just built.
    pub(super) fn start(
        shared: &Arc<Shared>,
        number: u64,
        route: Route,
        built_in: Duration,
        events: mpsc::Receiver<Event>,
    ) -> Self {
        let (asks, asked) = mpsc::channel(8);
        let (ending, end) = watch::channel(None);
        let (suspecting, suspect) = watch::channel(false);
        let keeper = Keeper {
            number,
            route: route.clone(),
            suspecting,
            asked: VecDeque::new(),
        };
        tokio::spawn(keeper.run(Arc::downgrade(shared), events, asked, ending));
        let inner = Inner {
            number,
            route,
            built_in,
            asks,
            suspect,
            end,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The path's number at this client.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.inner.number
    }

    /// Its relays, guard first. For the user's own eyes: no log, no peer.
    #[must_use]
    pub fn hops(&self) -> Sensitive<&[RelayId]> {
        Sensitive::new(self.inner.route.hops())
    }

    /// How long the build took, from the request to the reply.
    #[must_use]
    pub fn built_in(&self) -> Duration {
        self.inner.built_in
    }

    /// How it has ended, if it has.
    #[must_use]
    pub fn end(&self) -> Option<PathEnd> {
        *self.inner.end.borrow()
    }

    /// Resolves when the path has ended. Cancel-safe.
    pub async fn ended(&self) -> PathEnd {
        let mut end = self.inner.end.clone();
        match end.wait_for(Option::is_some).await {
            Ok(end) => end.unwrap_or(PathEnd::Done),
            // Its keeper went with the client.
            Err(_) => PathEnd::Left,
        }
    }

    /// Whether it is silent, though something was sent; it may yet recover.
    pub(super) fn is_suspect(&self) -> bool {
        *self.inner.suspect.borrow()
    }

    /// Resolves when the path is suspect, or has ended. Cancel-safe.
    pub(super) async fn suspected(&self) {
        let mut suspect = self.inner.suspect.clone();
        // Its keeper goes with the path.
        let _ = suspect.wait_for(|suspect| *suspect).await;
    }

    pub(super) fn route(&self) -> &Route {
        &self.inner.route
    }

    /// As [`Path::ended`], without holding the path open.
    pub(super) fn watch_end(&self) -> impl Future<Output = ()> + use<> {
        let mut end = self.inner.end.clone();
        async move {
            let _ = end.wait_for(Option::is_some).await;
        }
    }

    /// Asks a hop, counted from 0, whether it is there; how long the answer took. Cancel-safe.
    ///
    /// # Errors
    /// [`ProbeError`]. A lost cell is not asked for again.
    pub async fn probe(&self, hop: usize) -> Result<Duration, ProbeError> {
        if hop >= self.inner.route.hops().len() {
            return Err(ProbeError::NoSuchHop { hop });
        }
        let (answered, answer) = oneshot::channel();
        let asking = async {
            self.inner.asks.send(Ask { hop, answered }).await.ok()?;
            answer.await.ok()
        };
        match timeout(PROBE_TIME, asking).await {
            Ok(Some(rtt)) => Ok(rtt),
            // Too many were asked at once, or the path has just ended.
            Ok(None) => Err(self.end().map_or(ProbeError::TimedOut, Into::into)),
            Err(_) => Err(ProbeError::TimedOut),
        }
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Path")
            .field("number", &self.inner.number)
            .field("end", &self.end())
            .finish_non_exhaustive()
    }
}

/// Watches over one path until it ends.
struct Keeper {
    number: u64,
    route: Route,
    suspecting: watch::Sender<bool>,
    /// Probes that somebody waits for, oldest first, by their nonces.
    asked: VecDeque<([u8; 8], Instant, oneshot::Sender<Duration>)>,
}

/// Probes that are waited for at a time; the oldest gives way, and its asker hears that time is over.
const ASKED_MAX: usize = 16;

/// A guard's link over which other paths were heard this lately is not dead: only one path is.
const SILENT_GUARD_MILLIS: u64 = 2_000;

impl Keeper {
    async fn run(
        mut self,
        shared: Weak<Shared>,
        mut events: mpsc::Receiver<Event>,
        mut asks: mpsc::Receiver<Ask>,
        ending: watch::Sender<Option<PathEnd>>,
    ) {
        let mut wake = Instant::now();
        let end = loop {
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => if let Some(end) = self.handle(event) { break end },
                    None => break PathEnd::Left,
                },
                ask = asks.recv() => match (ask, shared.upgrade()) {
                    (Some(ask), Some(shared)) => self.ask(&shared, ask),
                    (None, _) => break PathEnd::Done,
                    (_, None) => break PathEnd::Left,
                },
                () = sleep_until(wake) => (),
            }
            let Some(shared) = shared.upgrade() else {
                break PathEnd::Left;
            };
            match shared.look_after(self.number) {
                Watch::Until(next, suspect) => {
                    wake = next;
                    let changes = |held: &mut bool| core::mem::replace(held, suspect) != suspect;
                    self.suspecting.send_if_modified(changes);
                }
                Watch::Over(end, charge) => {
                    if let Some(charge) = charge {
                        shared.charge_path(&self.route, charge);
                    }
                    break end;
                }
            }
        };
        if let Some(shared) = shared.upgrade() {
            if matches!(end, PathEnd::Done | PathEnd::Retired) {
                shared.served(&self.route);
            }
            match end {
                PathEnd::GuardLost => shared.charge_guard(&self.route),
                PathEnd::Dead { hop: 0 } if shared.guard_is_silent(self.number) => {
                    shared.give_up_guard(self.number, &self.route);
                }
                _ => shared.close_path(self.number),
            }
        }
        ending.send_replace(Some(end));
    }

    fn handle(&mut self, event: Event) -> Option<PathEnd> {
        match event {
            Event::Answered { nonce } => {
                let at = self.asked.iter().position(|(asked, ..)| *asked == nonce);
                if let Some((_, at, answered)) = at.and_then(|at| self.asked.remove(at)) {
                    let _ = answered.send(at.elapsed());
                }
                None
            }
            Event::Look => None,
            Event::Closed { hop, reason } => Some(PathEnd::Closed { hop, reason }),
            Event::Garbled => Some(PathEnd::Garbled),
            Event::LinkLost => Some(PathEnd::GuardLost),
            Event::Spent => Some(PathEnd::Retired),
            Event::Left => Some(PathEnd::Left),
        }
    }

    fn ask(&mut self, shared: &Shared, ask: Ask) {
        if let Some(nonce) = shared.probe(self.number, ask.hop) {
            if self.asked.len() >= ASKED_MAX {
                self.asked.pop_front();
            }
            self.asked.push_back((nonce, Instant::now(), ask.answered));
        }
    }
}

/// What a look at a path says.
pub(super) enum Watch {
    /// It stands; look again then. Whether it is suspect.
    Until(Instant, bool),
    /// It has ended, and whom to charge.
    Over(PathEnd, Option<Charge>),
}

impl Shared {
    /// Sends the probes that are due, and says how a path is.
    fn look_after(&self, number: u64) -> Watch {
        let now = self.now();
        let mut rng = self.fork_rng();
        let mut table = self.table();
        match table.look_after(number, now, &mut rng) {
            // Only a lost link takes paths away behind their keepers' backs.
            None => Watch::Over(PathEnd::GuardLost, None),
            Some((PathState::Dead { charge, .. }, _)) => {
                let hop = match charge {
                    Charge::First => 0,
                    Charge::Pair(_, hop) | Charge::Hop(hop) => hop,
                };
                Watch::Over(PathEnd::Dead { hop }, Some(charge))
            }
            // What is lost before the guard may be our own network's doing.
            Some((PathState::Lossy { charge }, _)) => {
                let charge = Some(charge).filter(|charge| *charge != Charge::First);
                Watch::Over(PathEnd::Lossy, charge)
            }
            Some((state, wake)) => {
                let wait = Duration::from_millis(wake.since(now));
                Watch::Until(Instant::now() + wait, state == PathState::Suspect)
            }
        }
    }

    /// Probes a hop for somebody; the nonce by which its answer is known.
    fn probe(&self, number: u64, hop: usize) -> Option<[u8; 8]> {
        let now = self.now();
        let mut rng = self.fork_rng();
        self.table().ask(number, hop, now, &mut rng)
    }

    /// Forgets a path here and at its relays.
    fn close_path(&self, number: u64) {
        self.table().close(number);
    }

    /// Whether nothing came over the guard's link for as long as it takes a path to die.
    fn guard_is_silent(&self, number: u64) -> bool {
        let now = self.now();
        let heard = self.table().heard_of_guard(number);
        heard.is_none_or(|heard| now.since(heard) >= SILENT_GUARD_MILLIS)
    }

    /// A guard that carries nothing is as good as a lost link: it is dialled anew, later. QUIC would
    /// find out after [`LINK_IDLE`](crate::wire::limits::LINK_IDLE).
    fn give_up_guard(&self, number: u64, route: &Route) {
        let closed = self.table().close(number);
        if let Some(link) = closed {
            link.close(CloseCode::Done);
        }
        self.charge_guard(route);
    }

    fn served(&self, route: &Route) {
        let now = self.seconds();
        self.state().profile.served(route, now);
    }

    fn charge_path(&self, route: &Route, charge: Charge) {
        let now = self.seconds();
        let state = &mut *self.state();
        state.profile.failed(route, charge, now, &mut state.rng);
    }

    fn charge_guard(&self, route: &Route) {
        let now = self.seconds();
        let state = &mut *self.state();
        if let Some(guard) = route.hops().first() {
            state.profile.link_failed(guard, now, &mut state.rng);
        }
    }
}
