//! What a client remembers from one run to the next: its guards and second hops, on the disk.

use core::pin::pin;
use core::task::{Context, Waker};
use core::time::Duration;
use std::sync::{Arc, Weak};

use tokio::task::unconstrained;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::Shared;
use crate::path::{Diversity, Profile};
use crate::store::{Batch, ReadError, Store, TableId};

/// Where the profile is kept.
const CLIENT: TableId = TableId("client");
const PROFILE: &[u8] = b"profile";

/// How soon a change is written after the one before.
const PACE: Duration = Duration::from_secs(5);

/// How often the profile is looked at, should nobody say that it changed.
const LOOK: Duration = Duration::from_secs(60);

/// The profile as an earlier run left it, or a new one.
///
/// # Errors
/// [`ReadError`]: nothing is drawn anew only because a disk hiccups.
pub(super) fn load(store: &Store, diversity: Diversity) -> Result<Profile, ReadError> {
    let Some(bytes) = store.get(CLIENT, PROFILE)? else {
        return Ok(Profile::new(diversity));
    };
    Ok(Profile::decode(&bytes, diversity).unwrap_or_else(|error| {
        // The error names a field, never a relay.
        warn!(%error, "the kept profile is damaged: new guards are drawn");
        Profile::new(diversity)
    }))
}

/// Writes the profile whenever it has changed, until the client is gone. Holds the store only while it
/// writes, so that whoever dropped the client finds it free.
pub(super) async fn keep(shared: Weak<Shared>) {
    let mut kept = None;
    loop {
        let Some(strong) = shared.upgrade() else {
            return;
        };
        let known = *strong.relays_known.borrow();
        let bytes = strong.state().profile.encode();
        let changed = Arc::clone(&strong.profile_changed);
        let store = strong.store.clone();
        drop(strong);
        // Before the network is known there are guards for the time being only.
        if known && kept.as_ref() != Some(&bytes) {
            match store.commit(batch(bytes.clone())).await {
                Ok(()) => kept = Some(bytes),
                Err(error) => warn!(%error, "the profile was not written; it is tried again"),
            }
        }
        drop(store);
        sleep(PACE).await;
        // Whoever is not told looks after a while.
        let _ = timeout(LOOK, changed.notified()).await;
    }
}

/// Hands the profile to the store now: the client ends, or may never wake again.
pub(super) fn write_at_once(shared: &Shared) {
    if !*shared.relays_known.borrow() {
        return;
    }
    let bytes = shared.state().profile.encode();
    // The store has the batch from the first poll on, and makes it durable whoever waits for that. Nobody
    // does: this may be the runtime's last moment.
    let mut commit = pin!(unconstrained(shared.store.commit(batch(bytes))));
    let _ = commit
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
}

fn batch(profile: Vec<u8>) -> Batch {
    let mut batch = Batch::new();
    batch.put(CLIENT, PROFILE, profile);
    batch
}
