//! `hop_table`: a relay's table of paths, under whatever comes over its links and from its driver.
//!
//! Holds: the verdict on each cell is the model's, which knows of each path its links, ids, time,
//! counts and the beginnings of its cells. A copy and a cell from a wrong link go nowhere; what goes on
//! opens at the next hop, what goes down at the client; a closed path stays closed; what is asked
//! about the table agrees with the model after each step.

use llarp_core::cell::{CloseReason, Command, PathId};
use llarp_core::hop::{
    Cell, Closing, DropReason, InsertError, LinkId, Millis, PathRef, PathTable, SendError, Side,
    Verdict,
};
use llarp_core::wire::limits::{CELL_DATA_MAX, CELL_LEN, PATH_ID_LEN, PATH_LIFE_MILLIS};
use rand_chacha::ChaCha20Rng;

use crate::Seed;
use crate::fixture::rng;
use crate::hop_model::{LINKS, PathModel, Way};
use crate::input::{Input, counting};

/// Paths and ops of one run.
const PATHS_MAX: usize = 12;
const OPS_MAX: usize = 96;

/// The input is a script of ops, see [`World::step`].
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut world = World::new();
    for _ in 0..OPS_MAX {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
        world.compare();
    }
}

struct World {
    table: PathTable,
    rng: ChaCha20Rng,
    now: Millis,
    paths: Vec<PathModel>,
    /// Cells so far, and the links that they came over.
    cells: Vec<(LinkId, Cell)>,
}

impl World {
    fn new() -> Self {
        let mut rng = rng(8);
        Self {
            table: PathTable::new(&mut rng),
            rng,
            now: Millis(1000),
            paths: Vec::new(),
            cells: Vec::new(),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.u8() % 12 {
            0 => self.insert(input),
            1 | 2 => self.up(input),
            3 => self.down(input),
            4 => self.again(input),
            5 => self.send_down(input),
            6 => self.close(input),
            7 => self.close_next(input),
            8 => {
                self.now = self.now.plus(input.u64() % (PATH_LIFE_MILLIS + 2));
                self.expire();
            }
            // The driver is late: paths whose time is over are still in the table.
            9 => self.now = self.now.plus(input.u16().into()),
            10 => self.lose_link(LinkId(input.u8() as u64 % LINKS)),
            _ => {
                let link = LinkId(input.u8() as u64 % LINKS);
                let len = input.below(64);
                let mut cell = [0; CELL_LEN];
                let head = input.up_to(len);
                cell[..head.len()].copy_from_slice(head);
                self.deliver(link, cell);
            }
        }
    }

    fn insert(&mut self, input: &mut Input<'_>) {
        if self.paths.len() >= PATHS_MAX {
            return;
        }
        let shape = input.u8();
        let [prev, next] = [(); 2].map(|()| LinkId(input.u8() as u64 % LINKS));
        let mut ours = [(); 2].map(|()| self.table.draw_id(&mut self.rng));
        let other = input.below(PATHS_MAX);
        match (shape & 0x0e, self.paths.get(other)) {
            (2, _) => ours[1] = ours[0],
            (4, Some(path)) => ours[0] = path.prev.ours,
            (6, Some(path)) => ours[1] = path.prev.ours,
            _ => (),
        }
        let [prev, next] = [(prev, ours[0]), (next, ours[1])].map(|(link, ours)| Side {
            link,
            ours,
            theirs: PathId::random(&mut self.rng),
        });
        let next = (shape & 1 == 0).then_some(next);
        let taken = self.find(prev.ours).is_some()
            || next.is_some_and(|next| next.ours == prev.ours || self.find(next.ours).is_some());
        let (parts, mut model) = PathModel::new(prev, next, self.now, &mut self.rng);
        match self.table.insert(self.now, parts) {
            Ok(path) => {
                assert!(!taken, "an id twice");
                let known = |other: &PathModel| other.path == Some(path);
                assert!(!self.paths.iter().any(known), "a reference twice");
                model.path = Some(path);
                self.paths.push(model);
            }
            Err(error) => assert!(taken && error == InsertError::IdTaken),
        }
    }

    /// A cell of a path's client: as it is, changed, or over another link.
    fn up(&mut self, input: &mut Input<'_>) {
        let Some(path) = self.pick(input) else { return };
        let (hop, command) = (input.below(2), Command::from(input.u8() % 5));
        let (len, how) = (input.u16(), input.u8());
        let len = match command {
            Command::Probe if len & 1 == 0 => 24,
            Command::Closed if len & 1 == 0 => 1,
            _ => usize::from(len) % (CELL_DATA_MAX + 1),
        };
        let data = counting(how, len);
        let model = &mut self.paths[path];
        let mut cell = model.seal(hop, command, data);
        let mut link = model.prev.link;
        match how % 8 {
            0 => link = LinkId(input.u8() as u64 % LINKS),
            1 => {
                let place = usize::from(input.u16()) % CELL_LEN;
                cell[place] ^= input.u8();
            }
            _ => (),
        }
        self.deliver(link, cell);
    }

    /// A cell from behind.
    fn down(&mut self, input: &mut Input<'_>) {
        let Some(path) = self.pick(input) else { return };
        let (fill, zeros, wrong) = (input.u16(), input.u8(), input.u8());
        let Some(next) = self.paths[path].next else {
            return;
        };
        let mut cell = [0; CELL_LEN];
        cell[..PATH_ID_LEN].copy_from_slice(&next.ours.0);
        if !zeros.is_multiple_of(8) {
            cell[PATH_ID_LEN..][..2].copy_from_slice(&fill.to_be_bytes());
            cell[PATH_ID_LEN + 15] = 1;
        }
        let other = LinkId(u64::from(wrong) / 8 % LINKS);
        let link = if wrong % 8 == 0 { other } else { next.link };
        self.deliver(link, cell);
    }

    /// An earlier cell, as it was or over another link.
    fn again(&mut self, input: &mut Input<'_>) {
        let (which, other) = (input.below(OPS_MAX), input.u8());
        let Some(which) = which.checked_rem(self.cells.len()) else {
            return;
        };
        let (mut link, cell) = self.cells[which];
        if other % 4 == 0 {
            link = LinkId(u64::from(other) / 4 % LINKS);
        }
        self.deliver(link, cell);
    }

    fn deliver(&mut self, link: LinkId, cell: Cell) {
        self.cells.push((link, cell));
        let mut left = cell;
        let verdict = self.table.handle_cell(self.now, link, &mut left);
        let Some((index, way)) = self.find(id_of(&cell)) else {
            return assert_eq!(verdict, Verdict::Drop(DropReason::UnknownPath));
        };
        let path = &mut self.paths[index];
        let side = match (way, path.next) {
            (Way::Down, Some(next)) => next,
            _ => path.prev,
        };
        if side.link != link {
            return assert_eq!(verdict, Verdict::Drop(DropReason::ForeignLink));
        }
        if self.now >= path.expires {
            return assert_eq!(verdict, Verdict::Drop(DropReason::Expired));
        }
        if !path.is_new(way, &cell) {
            return assert_eq!(verdict, Verdict::Drop(DropReason::Copy));
        }
        match (way, path.genuine(&cell)) {
            (Way::Down, _) => path.handle_down(verdict, &cell, &mut left),
            (Way::Up, Some(genuine)) => path.handle_up(verdict, &genuine, &mut left),
            (Way::Up, None) => path.handle_garbled(verdict, &mut left),
        }
    }

    fn send_down(&mut self, input: &mut Input<'_>) {
        let Some(index) = self.pick(input) else {
            return;
        };
        let len = usize::from(input.u16()) % (CELL_DATA_MAX + 3);
        let data = counting(1, len);
        let path = &mut self.paths[index];
        let mut cell = [0xee; CELL_LEN];
        let sent = self.table.send_down(path.reference(), &data, &mut cell);
        match sent {
            Ok(link) => {
                assert!(path.open && len <= CELL_DATA_MAX);
                assert_eq!(link, path.prev.link);
                path.arrives(&mut cell, Command::Data, &data);
            }
            Err(SendError::Closed) => assert!(!path.open),
            Err(SendError::Seal(_)) => assert!(path.open && len > CELL_DATA_MAX),
        }
    }

    fn close(&mut self, input: &mut Input<'_>) {
        let Some(index) = self.pick(input) else {
            return;
        };
        let reason = CloseReason::from(input.u8());
        let mut cell = [0; CELL_LEN];
        let path = &mut self.paths[index];
        match self.table.close(path.reference(), reason, &mut cell) {
            Some(closing) => path.closed(closing, reason, Some(&mut cell)),
            None => assert!(!path.open),
        }
    }

    fn close_next(&mut self, input: &mut Input<'_>) {
        let Some(index) = self.pick(input) else {
            return;
        };
        let (which, link) = (input.u8(), input.u8());
        let path = &self.paths[index];
        let id = match (which % 4, path.next) {
            (0, Some(next)) => next.ours,
            (1, _) => path.prev.theirs,
            _ => path.prev.ours,
        };
        let link = match link % 4 {
            0 => LinkId(u64::from(link) / 4 % LINKS),
            _ => path.prev.link,
        };
        let expected = self
            .find(id)
            .filter(|(index, way)| *way == Way::Up && self.paths[*index].prev.link == link);
        match (self.table.handle_close_next(link, id), expected) {
            (None, None) => (),
            (Some(closing), Some((index, _))) => {
                self.paths[index].closed(closing, CloseReason::Done, None);
            }
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    fn expire(&mut self) {
        let mut cell = [0; CELL_LEN];
        while let Some(closing) = self.table.expire(self.now, &mut cell) {
            let path = self.of(&closing);
            assert!(path.open);
            let (due, expires, unused) = (path.due, path.expires, path.counts.up_in == 0);
            path.closed(closing, CloseReason::Expired, Some(&mut cell));
            assert!(expires <= self.now || (unused && due <= self.now));
        }
        let now = self.now;
        let used = |path: &&mut PathModel| path.due <= now && path.counts.up_in > 0;
        for path in self.paths.iter_mut().filter(used) {
            path.due = path.expires;
        }
        let over = |path: &PathModel| path.open && path.due <= self.now;
        assert!(!self.paths.iter().any(over), "a path outlives its time");
    }

    fn lose_link(&mut self, link: LinkId) {
        let mut cell = [0; CELL_LEN];
        while let Some(found) = self.table.lose_link(link, &mut cell) {
            let path = self.of(&found);
            let next = path.next_to_tell();
            assert!(path.prev.link == link || next.is_some_and(|next| next.link == link));
            // Nobody is told over a link that is gone.
            assert_eq!(found.cell, path.prev.link != link);
            assert_eq!(found.next, next.filter(|next| next.link != link));
            let whole = Closing {
                cell: true,
                next,
                ..found
            };
            path.closed(whole, CloseReason::LinkLost, Some(&mut cell));
        }
        assert!(!self.table.uses(link));
    }

    fn of(&mut self, closing: &Closing) -> &mut PathModel {
        let mut paths = self.paths.iter_mut();
        let found = paths.find(|path| path.path == Some(closing.path));
        found.expect("a path that was inserted")
    }

    fn pick(&self, input: &mut Input<'_>) -> Option<usize> {
        input.below(PATHS_MAX).checked_rem(self.paths.len())
    }

    /// The open path that expects cells with this id, and which way they go.
    fn find(&self, id: PathId) -> Option<(usize, Way)> {
        let open = self.paths.iter().enumerate().filter(|(_, path)| path.open);
        open.filter_map(|(index, path)| Some((index, path.way(id)?)))
            .next()
    }

    fn compare(&self) {
        let open: Vec<_> = self.paths.iter().filter(|path| path.open).collect();
        assert_eq!(self.table.len(), open.len());
        assert_eq!(self.table.is_empty(), open.is_empty());
        let next = open.iter().map(|path| path.due).min();
        assert_eq!(self.table.next_expiry(), next);
        assert!(!open.is_empty() || self.table.filter_bytes() == 0);
        for link in (0..LINKS).map(LinkId) {
            let uses = open.iter().any(|path| path.uses(link));
            assert_eq!(self.table.uses(link), uses);
        }
        for path in &self.paths {
            let reference = path.reference();
            assert_eq!(PathRef::from_number(reference.to_number()), reference);
            assert_eq!(
                self.table.counts(reference),
                path.open.then_some(path.counts)
            );
            let prev = path.open.then_some(path.prev.link);
            assert_eq!(self.table.prev(reference), prev);
        }
    }
}

fn id_of(cell: &Cell) -> PathId {
    PathId(std::array::from_fn(|place| cell[place]))
}

pub(crate) fn seeds() -> Vec<Seed> {
    let terminal = |prev: u8| vec![0, 1, prev, 0, 0];
    let middle = |prev: u8, next: u8| vec![0, 0, prev, next, 0];
    let up = |path: u8, hop: u8, command: u8, len: u16| {
        let [high, low] = len.to_be_bytes();
        vec![1, path, hop, command, high, low, 2]
    };
    let garbled = |path: u8, place: u16| {
        let [high, low] = place.to_be_bytes();
        vec![1, path, 0, 1, 0, 9, 1, high, low, 4]
    };
    let strayed = |path: u8, link: u8| vec![1, path, 0, 1, 0, 9, 0, link];
    let down = |path: u8, fill: u8| vec![3, path, fill, 1, 1, 1];
    let again = |cell: u8| vec![4, cell, 1];
    let send = |path: u8| vec![5, path, 0, 40];
    let close = |path: u8| vec![6, path, 3];
    let close_next = |path: u8, which: u8, link: u8| vec![7, path, which, link];
    let wait = |millis: u64| [vec![8], millis.to_be_bytes().to_vec()].concat();
    let late = |millis: u16| [vec![9], millis.to_be_bytes().to_vec()].concat();
    let lose = |link: u8| vec![10, link];
    let both = [middle(0, 1), terminal(1)].concat();
    let all: Vec<u8> = (0..5).flat_map(|code| up(0, 0, code, 24)).collect();
    vec![
        (
            "every_command",
            [both.clone(), all, up(1, 0, 1, 1277), up(0, 1, 1, 7)].concat(),
        ),
        (
            "both_ways",
            [
                both.clone(),
                down(0, 1),
                down(0, 2),
                send(1),
                send(0),
                up(1, 0, 2, 0),
            ]
            .concat(),
        ),
        (
            "copies",
            [
                both.clone(),
                up(0, 1, 1, 3),
                up(1, 0, 1, 3),
                again(0),
                again(1),
                again(0),
            ]
            .concat(),
        ),
        (
            "three_strikes",
            [
                both.clone(),
                garbled(1, 700),
                garbled(1, 9),
                garbled(1, 1311),
                garbled(1, 9),
            ]
            .concat(),
        ),
        (
            "garbled_passes_the_middle",
            [both.clone(), garbled(0, 700)].concat(),
        ),
        (
            "foreign_link",
            [both.clone(), strayed(0, 3), strayed(1, 0), again(0)].concat(),
        ),
        (
            "forged_from_behind",
            [both.clone(), vec![3, 0, 0, 0, 0, 1]].concat(),
        ),
        (
            "closed_by_client",
            [both.clone(), up(0, 0, 3, 0), up(1, 0, 3, 0), send(0)].concat(),
        ),
        (
            "closed_here",
            [both.clone(), close(0), send(0), close(0), up(0, 0, 1, 1)].concat(),
        ),
        (
            "zero_begins_like_one",
            [both.clone(), vec![3, 0, 0, 0, 1, 1], vec![3, 0, 1, 0, 1, 1]].concat(),
        ),
        (
            "closed_by_previous",
            [
                both.clone(),
                close_next(0, 0, 1),
                close_next(0, 2, 8),
                close_next(0, 2, 1),
                close_next(1, 2, 1),
            ]
            .concat(),
        ),
        (
            "expiry",
            [
                both.clone(),
                wait(300_000),
                terminal(2),
                late(60_000),
                wait(240_000),
                up(2, 0, 1, 1),
                wait(300_000),
            ]
            .concat(),
        ),
        (
            "late_driver",
            [
                both.clone(),
                wait(599_999),
                late(9),
                up(0, 0, 1, 1),
                down(0, 1),
                send(1),
            ]
            .concat(),
        ),
        (
            "links_lost",
            [both.clone(), middle(1, 1), lose(1), lose(0), send(2)].concat(),
        ),
        (
            "ids_twice",
            [
                both,
                vec![0, 2, 0, 1, 0],
                vec![0, 4, 0, 1, 0],
                vec![0, 6, 0, 1, 0],
            ]
            .concat(),
        ),
    ]
}
