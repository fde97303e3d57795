//! Links to guards: dialled when a path needs one, kept while a path uses it.

use core::time::Duration;
use std::sync::{Arc, Weak};

use tokio::sync::Notify;
use tokio::time::sleep;

use super::Shared;
use super::table::TakenIn;
use crate::hop::LinkId;
use crate::hop::message::{KIND_CLOSE, encode_close};
use crate::link::{CloseCode, DialError, Link, RecvError, until};
use crate::registry::RelayContact;
use crate::wire::limits::{CLOSE_TIME, RELAY_BATCH_CELLS, REQUEST_MAX};

/// A link to a guard, by its number here.
pub(super) struct GuardLink {
    pub(super) id: LinkId,
    pub(super) link: Link,
}

impl Shared {
    /// The link to a guard; dialled if there is none.
    pub(super) async fn guard_link(
        self: &Arc<Self>,
        guard: &RelayContact,
    ) -> Result<GuardLink, DialError> {
        let address = guard.addresses.preferred();
        let link = self.redialer.link(&guard.id, address).await?;
        let (id, taken_in) = self.table().add_guard(&link);
        if let Some(taken_in) = taken_in {
            // Guards before it may have failed with the network: they are tried again.
            self.state().profile.link_up(&guard.id);
            spawn(self, id, &link, taken_in);
        }
        Ok(GuardLink { id, link })
    }

    fn handle_batch(&self, id: LinkId, link: &Link, first: &[u8]) {
        let now = self.now();
        let mut table = self.table();
        table.handle_cell(now, id, first, self);
        for _ in 1..RELAY_BATCH_CELLS {
            match link.try_recv_cell() {
                Some(Ok(cell)) => table.handle_cell(now, id, &cell, self),
                Some(Err(RecvError::WrongLength { .. })) => (),
                Some(Err(RecvError::Closed(_))) | None => break,
            }
        }
    }
}

fn spawn(shared: &Arc<Shared>, id: LinkId, link: &Link, taken_in: TakenIn) {
    let TakenIn {
        waiting,
        closes_wait,
    } = taken_in;
    let weak = Arc::downgrade(shared);
    tokio::spawn(tell_closes(weak, id, link.clone(), closes_wait));
    let owner = Arc::downgrade(shared);
    let next = move || Some(owner.upgrade()?.table().next_cell(id));
    tokio::spawn(waiting.run(next));
    tokio::spawn(refuse_requests(link.clone()));
    tokio::spawn(move_cells(Arc::downgrade(shared), id, link.clone()));
}

/// A relay has nothing to ask a client, but may say that it leaves, which the link notes.
async fn refuse_requests(link: Link) {
    while let Ok(asked) = link.next_request(REQUEST_MAX).await {
        drop(asked);
    }
}

/// Tells a guard which paths are over, one message at a time: one that does not answer must not hold the
/// requests that builds need.
async fn tell_closes(shared: Weak<Shared>, id: LinkId, link: Link, wait: Arc<Notify>) {
    while until(&link, wait.notified()).await {
        loop {
            let ids = match shared.upgrade() {
                Some(shared) => shared.table().next_closes(id),
                None => return,
            };
            if ids.is_empty() {
                break;
            }
            // A guard that does not hear it forgets the paths when their time is over.
            let ids = encode_close(&ids);
            let _ = link.request_within(CLOSE_TIME, KIND_CLOSE, &ids, 0).await;
        }
    }
}

async fn move_cells(shared: Weak<Shared>, id: LinkId, link: Link) {
    loop {
        let first = match link.recv_cell().await {
            Ok(cell) => cell,
            Err(RecvError::WrongLength { .. }) => continue,
            Err(RecvError::Closed(_)) => break,
        };
        match shared.upgrade() {
            Some(shared) => shared.handle_batch(id, &link, &first),
            None => return link.close(CloseCode::Done),
        }
    }
    if let Some(shared) = shared.upgrade() {
        shared.table().lose_guard(id);
    }
}

/// Closes links that no path uses, and redraws guards and second hops whose time is over.
pub(super) async fn keep_house(shared: Weak<Shared>) {
    loop {
        sleep(LINK_UNUSED).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let unused = shared.table().unused_guards();
        for link in unused {
            link.close(CloseCode::Done);
        }
        let now = shared.seconds();
        let state = &mut *shared.state();
        state.profile.update(&state.relays, now, &mut state.rng);
        shared.profile_changed.notify_one();
    }
}

/// How often links are looked at.
const LINK_UNUSED: Duration = Duration::from_secs(60);
