//! Paths that stand ready: what [`Pool`] plans is built, kept and closed here.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::builder::PathError;
use super::path::Path;
use super::{Shared, until};
use crate::path::Want;
use crate::path::pool::{Action, Isolation, PathNumber, Pool};

/// How often a pool is looked at at least: cells that paths carry are counted then.
const LOOK: Duration = Duration::from_secs(5);

/// The pool, and the paths that stand in it.
#[derive(Default)]
pub(super) struct Driver {
    planned: Mutex<Planned>,
    /// The plan has changed.
    changed: Notify,
    /// A path stands, or a build failed.
    stands: Notify,
}

#[derive(Default)]
struct Planned {
    pool: Pool,
    standing: BTreeMap<PathNumber, Path>,
    /// Builds under way.
    building: BTreeMap<PathNumber, AbortHandle>,
    /// Builds that failed, by key: how many, and why the last.
    failed: BTreeMap<Isolation, (u64, Arc<PathError>)>,
}

impl Driver {
    /// Changes the plan.
    pub(super) fn plan(&self, change: impl FnOnce(&mut Pool)) {
        change(&mut self.planned().pool);
        self.wake();
    }

    pub(super) fn wake(&self) {
        self.changed.notify_one();
        self.stands.notify_waiters();
    }

    fn planned(&self) -> MutexGuard<'_, Planned> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self, key: Isolation) -> Option<(u64, Arc<PathError>)> {
        self.planned().failed.get(&key).cloned()
    }

    /// Paths of `key` that stand, the best first.
    fn open(&self, key: Isolation) -> Vec<Path> {
        let planned = self.planned();
        let standing = planned.pool.standing(key);
        let paths = standing.iter().map(|path| planned.standing.get(path));
        let open = paths.flatten().filter(|path| path.end().is_none());
        open.cloned().collect()
    }
}

impl Shared {
    pub(super) async fn kept_path(&self, key: Isolation) -> Result<Path, PathError> {
        let failures = self.pool.failures(key).map_or(0, |(count, _)| count);
        loop {
            let stands = self.pool.stands.notified();
            if self.is_suspended() {
                return Err(PathError::Suspended);
            }
            if let Some(path) = self.best_path(key) {
                return Ok(path);
            }
            if !self.pool.planned().pool.is_kept(key) {
                return Err(PathError::NotKept);
            }
            if let Some((count, why)) = self.pool.failures(key)
                && count > failures
            {
                return Err(PathError::Kept(why));
            }
            stands.await;
        }
    }

    /// The path of `key` that lasts longest, of those that are not silent if there are any; `None` if
    /// none stands.
    fn best_path(&self, key: Isolation) -> Option<Path> {
        let now = self.now();
        let open = self.pool.open(key);
        let table = self.table();
        let silent = |path: &&Path| table.is_silent(path.number(), now);
        open.iter().min_by_key(silent).cloned()
    }

    /// Builds a path of the pool, keeps it until it ends, and tells the pool.
    async fn stand(self: Arc<Self>, number: PathNumber, key: Isolation, want: Want) {
        // Over other relays than the path that stands, as far as there are any: what ends one of the two
        // leaves the other.
        let stands = self.pool.open(key);
        let beside = stands.first().map(|path| path.route().clone());
        drop(stands);
        let path = match self.build_beside(want, beside).await {
            Ok(path) => path,
            Err(why) => {
                let mut planned = self.pool.planned();
                let count = planned.failed.get(&key).map_or(0, |(count, _)| *count);
                planned.failed.insert(key, (count + 1, Arc::new(why)));
                drop(planned);
                return self.lost(number);
            }
        };
        {
            let mut planned = self.pool.planned();
            planned.building.remove(&number);
            if !planned.pool.built(number) {
                return;
            }
            planned.standing.insert(number, path.clone());
        }
        self.pool.stands.notify_waiters();
        let weak = Arc::downgrade(&self);
        drop(self);
        let ended = path.watch_end();
        drop(path);
        ended.await;
        if let Some(shared) = weak.upgrade() {
            shared.lost(number);
        }
    }

    fn lost(&self, number: PathNumber) {
        let now = self.now();
        let mut rng = self.fork_rng();
        let mut planned = self.pool.planned();
        planned.standing.remove(&number);
        planned.building.remove(&number);
        planned.pool.lost(number, now, &mut rng);
        drop(planned);
        self.pool.wake();
    }

    /// Tells the pool what its paths have carried, and does what it wants; when to look again.
    fn look_at_pool(self: &Arc<Self>) -> Instant {
        let now = self.now();
        let mut rng = self.fork_rng();
        let mut planned = self.pool.planned();
        let planned = &mut *planned;
        for (number, path) in &planned.standing {
            let carried = self.table().carried(path.number());
            planned.pool.carried(*number, carried);
        }
        for action in planned.pool.poll(now, &mut rng) {
            match action {
                Action::Start { path, key, want } => {
                    let build = tokio::spawn(Arc::clone(self).stand(path, key, want));
                    planned.building.insert(path, build.abort_handle());
                }
                Action::Retire(path) => {
                    planned.standing.remove(&path);
                    if let Some(build) = planned.building.remove(&path) {
                        build.abort();
                    }
                }
            }
        }
        let next = planned.pool.wakes_at(now).map(|then| until(now, then));
        let look = Instant::now() + LOOK;
        match (next, planned.standing.is_empty()) {
            (Some(next), false) => next.min(look),
            (Some(next), true) => next,
            (None, _) => look,
        }
    }
}

/// Looks at the pool whenever there is a reason, until the client is gone.
pub(super) async fn run(shared: Weak<Shared>) {
    loop {
        let Some(strong) = shared.upgrade() else {
            return;
        };
        let next = if strong.is_suspended() {
            Instant::now() + LOOK
        } else {
            strong.look_at_pool()
        };
        let changed = Arc::clone(&strong);
        drop(strong);
        tokio::select! {
            biased;
            () = changed.pool.changed.notified() => (),
            () = sleep_until(next) => (),
        }
    }
}
