//! The tasks of a relay: four a link, and one that keeps house.

use ::core::time::Duration;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use super::neighbours::TakenIn;
use super::{Shared, builds};
use crate::hop::LinkId;
use crate::hop::message::{KIND_BUILD, KIND_CLOSE, KIND_DIRECTORY, decode_close, encode_close};
use crate::link::{Link, Peer, RecvError, until};
use crate::wire::limits::{
    CLOSE_TIME, DIRECTORY_ASK_MAX, DIRECTORY_MESSAGE_MAX, RELAY_BATCH_CELLS,
};

/// How often expired paths are looked for, and queues that do not move.
const TICK: Duration = Duration::from_secs(1);

/// Starts the tasks of a link; they end with it.
pub(super) fn spawn(shared: &Arc<Shared>, link: Link, taken_in: TakenIn) {
    let weak = || Arc::downgrade(shared);
    let TakenIn {
        id,
        waiting,
        closes_wait,
    } = taken_in;
    let owner = weak();
    let next = move || Some(owner.upgrade()?.core().next_cell(id));
    tokio::spawn(waiting.run(next));
    tokio::spawn(tell_closes(weak(), id, link.clone(), closes_wait));
    tokio::spawn(answer_requests(weak(), id, link.clone()));
    tokio::spawn(move_cells(weak(), id, link));
}

/// Handles the cells of a link, a wake-up's at a time, until it ends.
async fn move_cells(shared: Weak<Shared>, id: LinkId, link: Link) {
    loop {
        let first = match link.recv_cell().await {
            Ok(cell) => cell,
            Err(RecvError::WrongLength { .. }) => {
                match shared.upgrade() {
                    Some(shared) => shared.core().handle_wrong_length(id),
                    None => return,
                }
                continue;
            }
            Err(RecvError::Closed(_)) => break,
        };
        match shared.upgrade() {
            Some(shared) => shared.handle_batch(id, &link, &first),
            None => return,
        }
    }
    if let Some(shared) = shared.upgrade() {
        shared.core().lose_link(id);
    }
}

impl Shared {
    fn handle_batch(&self, id: LinkId, link: &Link, first: &Bytes) {
        let mut core = self.core();
        let now = core.now();
        core.handle_cell(now, id, first, self);
        for _ in 1..RELAY_BATCH_CELLS {
            match link.try_recv_cell() {
                Some(Ok(cell)) => core.handle_cell(now, id, &cell, self),
                Some(Err(RecvError::WrongLength { .. })) => core.handle_wrong_length(id),
                Some(Err(RecvError::Closed(_))) | None => break,
            }
        }
        core.flush();
    }
}

/// Tells the peer which paths are closed.
async fn tell_closes(shared: Weak<Shared>, id: LinkId, link: Link, wait: Arc<Notify>) {
    while until(&link, wait.notified()).await {
        loop {
            let ids = match shared.upgrade() {
                Some(shared) => shared.core().next_closes(id),
                None => return,
            };
            if ids.is_empty() {
                break;
            }
            // A peer that does not hear it forgets the paths when their time is over.
            let ids = encode_close(&ids);
            let _ = link.request_within(CLOSE_TIME, KIND_CLOSE, &ids, 0).await;
        }
    }
}

/// Answers what the peer asks.
async fn answer_requests(shared: Weak<Shared>, id: LinkId, link: Link) {
    let max = match link.peer() {
        Peer::Relay(_) => DIRECTORY_MESSAGE_MAX,
        Peer::Anonymous => DIRECTORY_ASK_MAX,
    };
    while let Ok(asked) = link.next_request(max).await {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        match asked.kind {
            KIND_BUILD => {
                tokio::spawn(builds::carry_out(shared, id, asked));
            }
            KIND_CLOSE => {
                let Ok(ids) = decode_close(&asked.body) else {
                    continue;
                };
                shared.core().handle_closes(id, ids);
                // A peer that does not take the reply holds up nothing else.
                tokio::spawn(async move { asked.respond(&[]).await });
            }
            KIND_DIRECTORY => {
                tokio::spawn(shared.answer_directory(link.clone(), asked));
            }
            // Of another version; dropped, it is refused.
            _ => (),
        }
    }
}

/// Closes what has had its time.
pub(super) async fn keep_house(shared: Weak<Shared>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let mut core = shared.core();
        core.expire();
        core.look_at_queues();
        core.close_unused_links();
    }
}
