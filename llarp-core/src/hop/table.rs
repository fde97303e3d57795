//! The table of paths: from (link, id) to the path; insertion, expiry, teardown.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use rand_core::CryptoRng;

use super::filter::{Budget, PlaceKey};
use super::path::{Effect, Path, Shared, address, parts};
use super::verdict::{CloseNext, Closing, Counts, DropReason, LinkId, NewPath, PathRef, Verdict};
use super::{Cell, Millis};
use crate::cell::{CloseReason, Command, PathId, SealError};
use crate::wire::limits::{FILTER_BYTES_MAX, LINK_FILTER_BYTES_MAX};

/// A relay's paths. Caps on their number are [`BuildAdmission`](super::BuildAdmission)'s.
pub struct PathTable {
    shared: Shared,
    ids: HashMap<PathId, Entry, BuildHasherDefault<IdHasher>>,
    slab: Vec<Option<Box<Path>>>,
    free: Vec<u32>,
    serial: u64,
    by_due: BTreeSet<(Millis, u32)>,
    by_link: BTreeSet<(LinkId, u32)>,
}

/// Where cells with an id belong.
#[derive(Clone, Copy)]
struct Entry {
    link: LinkId,
    index: u32,
    direction: Direction,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// Why a path is not taken into the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    /// Another path has the id: two builds under way drew the same 64 bits, or an id was used
    /// twice.
    #[error("another path has this id")]
    IdTaken,
    /// The slab's index is at its end; caps keep it far from there.
    #[error("the table is full")]
    Full,
}

/// Why nothing can be sent towards a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The path is gone.
    #[error("the path is closed")]
    Closed,
    /// The cell cannot be made.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl PathTable {
    /// An empty table.
    #[must_use]
    pub fn new(rng: &mut impl CryptoRng) -> Self {
        Self {
            shared: Shared {
                key: PlaceKey::random(rng),
                budget: Budget::new(FILTER_BYTES_MAX, LINK_FILTER_BYTES_MAX),
            },
            ids: HashMap::default(),
            slab: Vec::new(),
            free: Vec::new(),
            serial: 0,
            by_due: BTreeSet::new(),
            by_link: BTreeSet::new(),
        }
    }

    /// Draws an id that no path here has.
    #[must_use]
    pub fn draw_id(&self, rng: &mut impl CryptoRng) -> PathId {
        loop {
            let id = PathId::random(rng);
            if !self.ids.contains_key(&id) {
                return id;
            }
        }
    }

    /// Takes in a path that a build has made; it expires
    /// [`PATH_LIFE_MILLIS`](crate::wire::limits::PATH_LIFE_MILLIS) from `now`, and after
    /// [`PATH_UNUSED_MILLIS`](crate::wire::limits::PATH_UNUSED_MILLIS) if it carries nothing.
    ///
    /// # Errors
    /// [`InsertError`]; nothing is then changed.
    pub fn insert(&mut self, now: Millis, parts: NewPath) -> Result<PathRef, InsertError> {
        let up = parts.prev().ours;
        let down = parts.next().map(|side| side.ours);
        let taken = |id: &PathId| self.ids.contains_key(id);
        if taken(&up) || down.is_some_and(|id| id == up || taken(&id)) {
            return Err(InsertError::IdTaken);
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => u32::try_from(self.slab.len()).map_err(|_| InsertError::Full)?,
        };
        self.serial += 1;
        let path = Path::new(self.serial, now, parts);
        self.index_path(index, &path);
        let entry = Some(Box::new(path));
        match self.slab.get_mut(index as usize) {
            Some(slot) => *slot = entry,
            None => self.slab.push(entry),
        }
        Ok(PathRef {
            index,
            serial: self.serial,
        })
    }

    /// A cell that came over `link`. Whether it goes up or down its id tells: a link between
    /// relays carries both. Works in place, allocates nothing but what a filter grows by.
    pub fn handle_cell(&mut self, now: Millis, link: LinkId, cell: &mut Cell) -> Verdict {
        let Some((mut id, body)) = parts(cell) else {
            return Verdict::Drop(DropReason::UnknownPath);
        };
        let Some(entry) = self.ids.get(&id).copied() else {
            return Verdict::Drop(DropReason::UnknownPath);
        };
        if entry.link != link {
            return Verdict::Drop(DropReason::ForeignLink);
        }
        let Some(Some(path)) = self.slab.get_mut(entry.index as usize) else {
            return Verdict::Drop(DropReason::UnknownPath);
        };
        if now >= path.expires {
            return Verdict::Drop(DropReason::Expired);
        }
        let effect = match entry.direction {
            Direction::Up => path.handle_up(&mut self.shared, &mut id, body),
            Direction::Down => path.handle_down(&mut self.shared, &mut id, body),
        };
        let path = PathRef {
            index: entry.index,
            serial: path.serial,
        };
        address(cell, id);
        match effect {
            Effect::Forward(link) => Verdict::Forward { link, path },
            Effect::Deliver(data) => Verdict::Deliver { path, data },
            Effect::Answer(link) => Verdict::Answer { link, path },
            Effect::Absorbed => Verdict::Absorbed,
            Effect::Drop(reason) => Verdict::Drop(reason),
            Effect::Close { reason, tell } => {
                let closed = if tell {
                    self.close(path, reason, cell)
                } else {
                    self.close_silently(path, reason)
                };
                closed.map_or(Verdict::Absorbed, Verdict::Closed)
            }
        }
    }

    /// Writes over all of `cell` one with a packet from this relay to the path's client, and
    /// returns the link to send it over.
    ///
    /// # Errors
    /// [`SendError`]; `cell` must then not be sent.
    pub fn send_down(
        &mut self,
        path: PathRef,
        data: &[u8],
        cell: &mut Cell,
    ) -> Result<LinkId, SendError> {
        let (mut id, body) = parts(cell).ok_or(SendError::Closed)?;
        let open = self.get_mut(path).ok_or(SendError::Closed)?;
        let link = open.send_down(Command::Data, data, &mut id, body)?;
        address(cell, id);
        Ok(link)
    }

    /// Closes a path of this relay's own accord. `cell` is written over if the client can be told.
    pub fn close(
        &mut self,
        path: PathRef,
        reason: CloseReason,
        cell: &mut Cell,
    ) -> Option<Closing> {
        let mut closed = self.remove(path)?;
        let prev = *closed.parts.prev();
        let told = parts(cell).is_some_and(|(mut id, body)| {
            closed
                .send_down(Command::Closed, &[reason.code()], &mut id, body)
                .is_ok()
        });
        address(cell, prev.theirs);
        Some(Closing {
            cell: told,
            ..closing(path, reason, &closed)
        })
    }

    /// The previous hop has closed the path whose cells arrive here under `path_id`.
    pub fn handle_close_next(&mut self, link: LinkId, path_id: PathId) -> Option<Closing> {
        let entry = self.ids.get(&path_id).copied()?;
        if entry.link != link || entry.direction != Direction::Up {
            return None;
        }
        let path = self.path_ref(entry.index)?;
        self.close_silently(path, CloseReason::Done)
    }

    /// Closes one path whose time is over, or that nobody has used, if there is one; call until
    /// `None`.
    pub fn expire(&mut self, now: Millis, cell: &mut Cell) -> Option<Closing> {
        loop {
            let (due, index) = *self.by_due.first().filter(|(due, _)| *due <= now)?;
            let path = self.slab.get_mut(index as usize)?.as_deref_mut()?;
            if !path.is_used() || path.expires <= now {
                return self.close(self.path_ref(index)?, CloseReason::Expired, cell);
            }
            path.due = path.expires;
            self.by_due.insert((path.due, index));
            self.by_due.remove(&(due, index));
        }
    }

    /// When [`PathTable::expire`] is to be called next.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Millis> {
        self.by_due.first().map(|(due, _)| *due)
    }

    /// Closes one path over `link`, which is gone, if there is one; call until `None`.
    pub fn lose_link(&mut self, link: LinkId, cell: &mut Cell) -> Option<Closing> {
        let (_, index) = *self.by_link.range((link, 0)..=(link, u32::MAX)).next()?;
        let path = self.path_ref(index)?;
        let closing = self.close(path, CloseReason::LinkLost, cell)?;
        Some(Closing {
            cell: closing.cell && closing.prev != link,
            next: closing.next.filter(|next| next.link != link),
            ..closing
        })
    }

    /// All paths, each with whether it ends here.
    #[must_use]
    pub fn paths(&self) -> Vec<(PathRef, bool)> {
        let indexes = self.by_due.iter().map(|(_, index)| *index);
        let paths = indexes.filter_map(|index| self.path_ref(index));
        let ends_here = |path| {
            self.get(path)
                .is_some_and(|path| path.parts.next().is_none())
        };
        paths.map(|path| (path, ends_here(path))).collect()
    }

    /// The link over which a path's cells come up and go down.
    #[must_use]
    pub fn prev(&self, path: PathRef) -> Option<LinkId> {
        self.get(path).map(|path| path.parts.prev().link)
    }

    /// Whether a path goes over `link`.
    #[must_use]
    pub fn uses(&self, link: LinkId) -> bool {
        let mut paths = self.by_link.range((link, 0)..=(link, u32::MAX));
        paths.next().is_some()
    }

    /// A path's cells so far.
    #[must_use]
    pub fn counts(&self, path: PathRef) -> Option<Counts> {
        self.get(path).map(|path| path.counts)
    }

    /// Paths in the table.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_due.len()
    }

    /// Whether there is no path.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_due.is_empty()
    }

    /// Bytes that duplicate filters hold.
    #[must_use]
    pub const fn filter_bytes(&self) -> usize {
        self.shared.budget.used()
    }

    fn close_silently(&mut self, path: PathRef, reason: CloseReason) -> Option<Closing> {
        let closed = self.remove(path)?;
        Some(closing(path, reason, &closed))
    }

    fn index_path(&mut self, index: u32, path: &Path) {
        self.by_due.insert((path.due, index));
        let prev = (path.parts.prev(), Direction::Up);
        let next = path.parts.next().map(|side| (side, Direction::Down));
        for (side, direction) in [prev].into_iter().chain(next) {
            let link = side.link;
            self.by_link.insert((link, index));
            let entry = Entry {
                link,
                index,
                direction,
            };
            self.ids.insert(side.ours, entry);
        }
    }

    fn remove(&mut self, path: PathRef) -> Option<Box<Path>> {
        self.get(path)?;
        let removed = self.slab.get_mut(path.index as usize)?.take()?;
        self.by_due.remove(&(removed.due, path.index));
        for side in [removed.parts.prev()]
            .into_iter()
            .chain(removed.parts.next())
        {
            self.by_link.remove(&(side.link, path.index));
            self.ids.remove(&side.ours);
        }
        let prev = removed.parts.prev().link;
        self.shared.budget.give_back(prev, removed.filter_bytes());
        self.free.push(path.index);
        Some(removed)
    }

    fn get(&self, path: PathRef) -> Option<&Path> {
        let held = self.slab.get(path.index as usize)?.as_deref()?;
        (held.serial == path.serial).then_some(held)
    }

    fn get_mut(&mut self, path: PathRef) -> Option<&mut Path> {
        let held = self.slab.get_mut(path.index as usize)?.as_deref_mut()?;
        (held.serial == path.serial).then_some(held)
    }

    fn path_ref(&self, index: u32) -> Option<PathRef> {
        let held = self.slab.get(index as usize)?.as_deref()?;
        Some(PathRef {
            index,
            serial: held.serial,
        })
    }
}

/// A closed path that has told nobody yet.
fn closing(path: PathRef, reason: CloseReason, closed: &Path) -> Closing {
    Closing {
        path,
        reason,
        prev: closed.parts.prev().link,
        cell: false,
        next: closed.parts.next().map(|side| CloseNext {
            link: side.link,
            path_id: side.theirs,
        }),
        counts: closed.counts,
    }
}

/// Takes an id as it is. Ids in the table are random and drawn here, so that no stranger chooses
/// where they lie; ids looked up are a stranger's, and meet a table that it cannot see.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(head) = bytes.first_chunk() {
            self.0 ^= u64::from_le_bytes(*head);
        }
    }

    /// The length of an array, which is always the same.
    fn write_usize(&mut self, _: usize) {}
}
