//! Which tunnels wait for room on which link.
//!
//! ```text
//!  send ─ full ─▶ Refusals.note ─▶ poll_room ─▶ Refusals.take ─▶ Room.wait ─ cells leave ─▶ wake
//! ```
//!
//! QUIC asks for room without saying for which tunnel, but in the very call whose packet was
//! refused; so the task tells.

use core::task::Waker;
use std::collections::VecDeque;

use tokio::task::{Id, try_id};

use crate::hop::{LinkId, PathRef};
use crate::link::Outlet;
use crate::wire::limits::{TERMINAL_WAITING_CELLS, TERMINAL_WAKE_CELLS};

/// What waits for a link.
pub(super) trait Waits {
    fn is_empty(&self) -> bool;
    fn waiting_of(&self, path: PathRef) -> usize;
}

impl Waits for Outlet {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }

    fn waiting_of(&self, path: PathRef) -> usize {
        Self::waiting_of(self, path)
    }
}

/// Tunnels that wait until cells of theirs have left one link.
#[derive(Default)]
pub(super) struct Room {
    waiting: Vec<(PathRef, Waker)>,
    /// Cells that have left since the last look.
    left: usize,
}

impl Room {
    /// Lets a tunnel wait; once, however often it asks.
    pub(super) fn wait(&mut self, path: PathRef, waker: &Waker) {
        match self
            .waiting
            .iter_mut()
            .find(|(_, held)| held.will_wake(waker))
        {
            Some((held, _)) => *held = path,
            None => self.waiting.push((path, waker.clone())),
        }
    }

    /// Cells have left: wakes the tunnels that have half of their share free.
    pub(super) fn cells_left(&mut self, count: usize, queue: &impl Waits) {
        self.left += count;
        // What waits now is looked at again when more has left, at the latest with the last cell.
        if self.waiting.is_empty() || (self.left < TERMINAL_WAKE_CELLS && !queue.is_empty()) {
            return;
        }
        self.left = 0;
        self.waiting.retain(|(path, waker)| {
            let waits = queue.waiting_of(*path) >= TERMINAL_WAITING_CELLS / 2;
            if !waits {
                waker.wake_by_ref();
            }
            waits
        });
    }

    /// The link is gone.
    pub(super) fn wake_all(self) {
        let waiting = self.waiting.into_iter();
        waiting.for_each(|(_, waker)| waker.wake());
    }
}

/// Packets that were refused, by the task that brought them.
#[derive(Default)]
pub(super) struct Refusals(VecDeque<(Option<Id>, LinkId, PathRef)>);

/// Refusals that are remembered. QUIC asks for room before anything else happens on its thread,
/// except after a word to nobody's tunnel, for which it does not ask at all.
const REFUSALS: usize = 64;

impl Refusals {
    /// This task's packet for `path` found no room on `link`.
    pub(super) fn note(&mut self, link: LinkId, path: PathRef) {
        self.take();
        if self.0.len() >= REFUSALS {
            self.0.pop_front();
        }
        self.0.push_back((try_id(), link, path));
    }

    /// Where this task's last packet found no room, once.
    pub(super) fn take(&mut self) -> Option<(LinkId, PathRef)> {
        let task = try_id();
        let index = self.0.iter().position(|(held, ..)| *held == task)?;
        let (_, link, path) = self.0.remove(index)?;
        Some((link, path))
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn tunnel() -> (Arc<Count>, Waker) {
        let count = Arc::<Count>::default();
        (Arc::clone(&count), Arc::clone(&count).into())
    }

    fn woken(count: &Count) -> usize {
        count.0.load(Ordering::Relaxed)
    }

    struct Queue(BTreeMap<PathRef, usize>);

    impl Waits for Queue {
        fn is_empty(&self) -> bool {
            self.0.values().sum::<usize>() == 0
        }

        fn waiting_of(&self, path: PathRef) -> usize {
            self.0.get(&path).copied().unwrap_or(0)
        }
    }

    const ONE: PathRef = PathRef::from_number(1);
    const OTHER: PathRef = PathRef::from_number(2);

    #[test]
    fn a_tunnel_is_woken_once_and_only_when_half_of_its_own_cells_have_left() {
        let (mut room, mut queue) = (Room::default(), Queue(BTreeMap::new()));
        let ((one, one_waker), (other, other_waker)) = (tunnel(), tunnel());
        queue.0 = [(ONE, TERMINAL_WAITING_CELLS), (OTHER, 10_000)].into();
        for _ in 0..3 {
            room.wait(ONE, &one_waker);
            room.wait(OTHER, &other_waker);
        }
        room.cells_left(TERMINAL_WAKE_CELLS, &queue);
        assert_eq!((woken(&one), woken(&other)), (0, 0));
        queue.0.insert(ONE, TERMINAL_WAITING_CELLS / 2 - 1);
        room.cells_left(TERMINAL_WAKE_CELLS, &queue);
        room.cells_left(TERMINAL_WAKE_CELLS, &queue);
        assert_eq!((woken(&one), woken(&other)), (1, 0));
    }

    #[test]
    fn the_last_cell_and_the_end_of_a_link_wake_everybody() {
        let (mut room, mut queue) = (Room::default(), Queue(BTreeMap::new()));
        let ((one, one_waker), (other, other_waker)) = (tunnel(), tunnel());
        queue.0.insert(ONE, 1);
        room.wait(ONE, &one_waker);
        room.cells_left(1, &queue);
        assert_eq!(woken(&one), 0, "too few have left for a look");
        queue.0.clear();
        room.cells_left(1, &queue);
        assert_eq!(woken(&one), 1);
        room.wait(OTHER, &other_waker);
        room.wake_all();
        assert_eq!((woken(&one), woken(&other)), (1, 1));
    }

    #[tokio::test]
    async fn a_refusal_is_of_the_task_that_was_refused() {
        let mut refusals = Refusals::default();
        refusals.note(LinkId(1), ONE);
        refusals.note(LinkId(2), OTHER);
        let elsewhere = tokio::spawn(async move {
            let nothing = refusals.take();
            for n in 0..2 * REFUSALS as u64 {
                refusals.note(LinkId(n), ONE);
            }
            (nothing, refusals)
        });
        let (nothing, mut refusals) = elsewhere.await.unwrap();
        assert_eq!(nothing, None);
        assert_eq!(refusals.take(), Some((LinkId(2), OTHER)));
        assert_eq!(refusals.take(), None);
    }
}
