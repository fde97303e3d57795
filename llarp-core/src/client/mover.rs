//! Keeps a tunnel on a path that carries: builds the next path in time, and moves the tunnel.
//!
//! ```text
//!  carries ── suspect, near its end ─▶ build beside it ─┬─ still so ─▶ move
//!     ▲ ╲── ended ────────────────────▶ build ──────────┼────────────▶ move
//!     └──── it answers again: what was built is spare ◀─┘
//! ```

use core::time::Duration;
use std::sync::Weak;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::Shared;
use super::builder::PathError;
use super::path::{Path, PathEnd};
use crate::cell::CloseReason;
use crate::crypto::identity::RelayId;
use crate::path::life::{PathLife, Stage};
use crate::path::{ChooseError, Want};
use crate::tunnel::{PathNumber, Tunnel};
use crate::wire::limits::BUILD_HEDGE;

/// What moves one tunnel.
pub(super) struct Mover {
    pub(super) shared: Weak<Shared>,
    pub(super) relay: RelayId,
    pub(super) tunnel: Tunnel,
    pub(super) moves: watch::Sender<Path>,
}

/// A path that the tunnel takes or may take, and for how long.
struct Held {
    path: Path,
    life: PathLife,
}

/// How long a path that a tunnel has left still takes what is under way on it.
const AFTERGLOW: Duration = Duration::from_secs(2);

/// How often a path's cells are counted: at 60,000 a second a path has carried all after 17 s.
const LOOK: Duration = Duration::from_secs(1);

/// How long to wait when no path can be had, as while the client is suspended.
const NO_PATH_WAIT: Duration = Duration::from_secs(1);

/// How often a suspicion is enough to build another path: a network that holds its breath now and then
/// must not use up the builds that a target may have in an hour. In between only a death is.
const DOUBT_EACH: Duration = Duration::from_secs(300);

impl Mover {
    pub(super) async fn run(self) {
        let path = self.moves.borrow().clone();
        let Some(mut held) = self.hold(path) else {
            return;
        };
        let mut spare = None;
        let mut trusted_until = Instant::now();
        while self.stays(&held, trusted_until).await {
            if held.path.end().is_none() && held.path.is_suspect() {
                trusted_until = Instant::now() + DOUBT_EACH;
            }
            let Some(next) = self.next(&held, spare.take()).await else {
                return;
            };
            if self.carries(&held) {
                // It was only slow. The next time there is a path at once.
                spare = Some(next);
                continue;
            }
            let number = PathNumber(next.path.number().into());
            if self.tunnel.move_to(number).is_err() {
                return;
            }
            self.moves.send_replace(next.path.clone());
            let left = core::mem::replace(&mut held, next);
            tokio::spawn(async move {
                sleep(AFTERGLOW).await;
                drop(left);
            });
        }
    }

    fn hold(&self, path: Path) -> Option<Held> {
        let shared = self.shared.upgrade()?;
        let life = PathLife::plan(shared.now(), &mut shared.fork_rng());
        Some(Held { path, life })
    }

    /// Waits while a path carries, and is above suspicion or trusted; `false` if the tunnel or the
    /// client is gone.
    async fn stays(&self, held: &Held, trusted_until: Instant) -> bool {
        while self.is_fresh(held) {
            tokio::select! {
                biased;
                _ = self.tunnel.closed() => return false,
                _ = held.path.ended() => return true,
                () = held.path.suspected(), if Instant::now() >= trusted_until => return true,
                () = sleep(LOOK) => (),
            }
        }
        self.shared.strong_count() > 0
    }

    fn carries(&self, held: &Held) -> bool {
        self.is_fresh(held) && held.path.end().is_none() && !held.path.is_suspect()
    }

    fn is_fresh(&self, held: &Held) -> bool {
        let Some(shared) = self.shared.upgrade() else {
            return false;
        };
        let carried = shared.table().carried(held.path.number());
        held.life.stage(shared.now(), carried) == Stage::Fresh
    }

    /// The spare path if it answers, or another that is built; `None` if the tunnel, the client or
    /// the relay is gone.
    async fn next(&self, held: &Held, spare: Option<Held>) -> Option<Held> {
        if let Some(spare) = spare
            && self.is_fresh(&spare)
        {
            let terminal = spare.path.route().hops().len().saturating_sub(1);
            if let Ok(Ok(_)) = timeout(BUILD_HEDGE, spare.path.probe(terminal)).await {
                return Some(spare);
            }
        }
        loop {
            let shared = self.shared.upgrade()?;
            let avoid = held.path.is_suspect() || held.path.end().is_some_and(is_leaving);
            let silent = Some(held.path.route().clone()).filter(|_| avoid);
            let mut wait = NO_PATH_WAIT;
            tokio::select! {
                biased;
                _ = self.tunnel.closed() => return None,
                built = shared.build_beside(Want::Terminal(self.relay), silent) => match built {
                    Ok(path) => return self.hold(path),
                    Err(PathError::Choose(ChooseError::WantedUnknown)) => return None,
                    Err(PathError::TooOften { retry_after }) => wait = retry_after,
                    Err(_) => (),
                }
            }
            drop(shared);
            sleep(wait).await;
        }
    }
}

/// Whether a path has ended because a relay of it leaves, which had better not be on the next one.
const fn is_leaving(end: PathEnd) -> bool {
    matches!(
        end,
        PathEnd::Closed {
            reason: CloseReason::Draining,
            ..
        }
    )
}
