//! How many paths stand for each identity and purpose, and which to start or retire now.
//!
//! Pure bookkeeping: the driver builds, and tells what became of it. A path belongs to one identity
//! and one purpose; none is ever handed to another.

use std::collections::BTreeMap;

use rand_core::Rng;

use super::life::{PathLife, Stage};
use super::{Millis, Want, draw};

/// The wait after a failed build for a key, at most; doubles with each.
const WAIT_MILLIS: u64 = 500;
const WAIT_MAX_MILLIS: u64 = 60_000;
/// Paths of one key at most: what a session uses at once, and successors of all.
const PATHS_MAX: usize = 8;

/// What a path is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Sessions with other identities.
    Session,
    /// Look-ups in the directory.
    Lookup,
    /// Mailboxes.
    Mailbox,
}

/// What a path belongs to. Paths of two keys are never exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Isolation {
    /// The driver's number for the identity.
    pub identity: u64,
    /// What for.
    pub purpose: Purpose,
}

/// The pool's number for a path, from its start on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathNumber(pub u64);

/// What the driver has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Choose a route and build; then [`Pool::built`] or [`Pool::lost`].
    Start {
        /// The path's number.
        path: PathNumber,
        /// Whose it is.
        key: Isolation,
        /// Where to.
        want: Want,
    },
    /// Close the path, or give up its build; the pool has forgotten it.
    Retire(PathNumber),
}

#[derive(Debug)]
struct Group {
    want: Want,
    wanted: usize,
    paths: BTreeMap<PathNumber, Member>,
    failures: u32,
    not_before: Millis,
}

#[derive(Debug)]
struct Member {
    want: Want,
    life: PathLife,
    built: bool,
    cells: u64,
}

/// The paths of a client, planned.
#[derive(Debug, Default)]
pub struct Pool {
    groups: BTreeMap<Isolation, Group>,
    next: u64,
}

impl Pool {
    /// No paths wanted.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on `count` paths to `want` shall stand for `key`. With 0 its paths are retired. If
    /// `want` is another than before, so are those that lead elsewhere: at once if they do not stand
    /// yet, else when others stand in their place or need it.
    pub fn set(&mut self, key: Isolation, want: Want, count: usize) {
        let group = self.groups.entry(key).or_insert_with(|| Group {
            want,
            wanted: 0,
            paths: BTreeMap::new(),
            failures: 0,
            not_before: Millis::default(),
        });
        group.want = want;
        group.wanted = count.min(PATHS_MAX / 2);
    }

    /// The path stands. `false`: it was retired meanwhile.
    pub fn built(&mut self, path: PathNumber) -> bool {
        let Some((group, _)) = self.find(path) else {
            return false;
        };
        group.failures = 0;
        let member = group.paths.get_mut(&path);
        member.map(|member| member.built = true).is_some()
    }

    /// Whether paths shall stand for `key`.
    #[must_use]
    pub fn is_kept(&self, key: Isolation) -> bool {
        let group = self.groups.get(&key);
        group.is_some_and(|group| group.wanted > 0)
    }

    /// The build failed, or the path died or loses too much: it is forgotten. Another is started, after a
    /// failed build not at once.
    pub fn lost(&mut self, path: PathNumber, now: Millis, rng: &mut impl Rng) {
        let Some((group, built)) = self.find(path) else {
            return;
        };
        group.paths.remove(&path);
        if !built {
            let most = 1_u64
                .checked_shl(group.failures)
                .and_then(|factor| WAIT_MILLIS.checked_mul(factor))
                .map_or(WAIT_MAX_MILLIS, |wait| wait.min(WAIT_MAX_MILLIS));
            group.failures = group.failures.saturating_add(1).min(32);
            group.not_before = now.plus(draw::between(most / 2, most, rng));
        }
    }

    /// Cells that the path has carried, in the direction that has more.
    pub fn carried(&mut self, path: PathNumber, cells: u64) {
        if let Some((group, _)) = self.find(path)
            && let Some(member) = group.paths.get_mut(&path)
        {
            member.cells = member.cells.max(cells);
        }
    }

    /// Paths that stand for `key` and lead where it wants, those that last longest first.
    #[must_use]
    pub fn standing(&self, key: Isolation) -> Vec<PathNumber> {
        let Some(group) = self.groups.get(&key) else {
            return Vec::new();
        };
        let standing = group
            .paths
            .iter()
            .filter(|(_, member)| member.built && member.want == group.want);
        let mut standing: Vec<_> = standing
            .map(|(path, member)| (member.life, *path))
            .collect();
        standing.sort_by_key(|(life, _)| core::cmp::Reverse(life.retire_at()));
        standing.into_iter().map(|(_, path)| path).collect()
    }

    /// What to start and retire now.
    pub fn poll(&mut self, now: Millis, rng: &mut impl Rng) -> Vec<Action> {
        let mut actions = Vec::new();
        for (key, group) in &mut self.groups {
            group.retire(now, &mut actions);
            group.start(*key, now, &mut self.next, &mut actions, rng);
        }
        self.groups
            .retain(|_, group| group.wanted > 0 || !group.paths.is_empty());
        actions
    }

    /// When to poll again, if nothing happens before; `None` if nothing is planned.
    #[must_use]
    pub fn wakes_at(&self, now: Millis) -> Option<Millis> {
        let groups = self.groups.values();
        groups.filter_map(|group| group.wakes_at(now)).min()
    }

    fn find(&mut self, path: PathNumber) -> Option<(&mut Group, bool)> {
        self.groups.values_mut().find_map(|group| {
            let built = group.paths.get(&path)?.built;
            Some((group, built))
        })
    }
}

impl Group {
    /// Retires whose time is over, and, once enough others stand, whose successor has come.
    fn retire(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let wanted = self.wanted;
        let want = self.want;
        let fresh = |member: &&Member| member.built && member.stage(want, now) == Stage::Fresh;
        let spare = wanted == 0 || self.paths.values().filter(fresh).count() >= wanted;
        self.paths.retain(|path, member| {
            let over = match member.stage(want, now) {
                Stage::Fresh => wanted == 0,
                // A build to somewhere else carries nothing, and takes the place of one that will.
                Stage::Replace => spare || !(member.built || member.want == want),
                Stage::Retire => true,
            };
            if over {
                actions.push(Action::Retire(*path));
            }
            !over
        });
    }

    fn start(
        &mut self,
        key: Isolation,
        now: Millis,
        next: &mut u64,
        actions: &mut Vec<Action>,
        rng: &mut impl Rng,
    ) {
        if self.not_before > now {
            return;
        }
        let fresh = |member: &&Member| member.stage(self.want, now) == Stage::Fresh;
        let missing = self
            .wanted
            .saturating_sub(self.paths.values().filter(fresh).count());
        for _ in 0..self.make_room(missing, actions) {
            let others: Vec<_> = self.paths.values().map(|member| member.life).collect();
            let path = PathNumber(*next);
            *next = next.saturating_add(1);
            let want = self.want;
            let member = Member {
                want,
                life: PathLife::plan_apart(now, &others, rng),
                built: false,
                cells: 0,
            };
            self.paths.insert(path, member);
            actions.push(Action::Start { path, key, want });
        }
    }

    /// Retires what leads elsewhere as far as `missing` paths need its places, the oldest first; how
    /// many have a place then.
    fn make_room(&mut self, missing: usize, actions: &mut Vec<Action>) -> usize {
        let room = PATHS_MAX.saturating_sub(self.paths.len());
        let want = self.want;
        let before = actions.len();
        let elsewhere = self
            .paths
            .extract_if(.., |_, member| member.want != want)
            .take(missing.saturating_sub(room));
        actions.extend(elsewhere.map(|(path, _)| Action::Retire(path)));
        missing.min(room + actions.len() - before)
    }

    fn wakes_at(&self, now: Millis) -> Option<Millis> {
        let lives = self.paths.values().map(|member| member.life.wakes_at(now));
        let waits = (self.not_before > now).then_some(self.not_before);
        lives.chain(waits).min()
    }
}

impl Member {
    /// A path that leads elsewhere than wanted now carries until another stands.
    fn stage(&self, want: Want, now: Millis) -> Stage {
        let stage = self.life.stage(now, self.cells);
        if self.want == want {
            stage
        } else {
            stage.max(Stage::Replace)
        }
    }
}
