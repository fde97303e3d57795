//! One link a relay, dialled when it is needed, never too often.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_core::Rng;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::config::Protocol;
use super::connection::{Ended, Link, WeakLink};
use super::endpoint::Endpoint;
use super::error::{CloseCode, DialError, LinkClosed};
use crate::crypto::identity::RelayId;
use crate::wire::limits::REDIAL_SLOTS;

/// Dials relays over one endpoint: those who want the same relay at the same time share one
/// handshake and one link, and a relay that fails is left alone for a while.
///
/// A link lives as long as somebody holds it; the redialler itself does not keep it open. A peer that
/// refuses says so after its handshake, when the dial has succeeded here: that is a failure, too.
pub struct Redialer<R> {
    endpoint: Endpoint,
    protocol: Protocol,
    rng: Mutex<R>,
    slots: Mutex<BTreeMap<RelayId, Arc<Slot>>>,
}

/// What is known of one relay. Its lock is held through a dial: the others wait for it.
type Slot = tokio::sync::Mutex<State>;

#[derive(Default)]
struct State {
    link: WeakLink,
    ended: Ended,
    backoff: Backoff,
    not_before: Option<Instant>,
}

impl<R: Rng + Send> Redialer<R> {
    /// A redialler for `protocol`. `rng` draws the waits.
    #[must_use]
    pub const fn new(endpoint: Endpoint, protocol: Protocol, rng: R) -> Self {
        Self {
            endpoint,
            protocol,
            rng: Mutex::new(rng),
            slots: Mutex::new(BTreeMap::new()),
        }
    }

    /// The link to `relay`; dials `address` if there is none, or only one whose peer is leaving.
    ///
    /// Cancel-safe: whoever waits for a dial that is given up dials instead.
    ///
    /// # Errors
    /// [`DialError::BackingOff`] while an earlier failure is recent; otherwise the dial's own.
    pub async fn link(&self, relay: &RelayId, address: SocketAddr) -> Result<Link, DialError> {
        let slot = self.slot(relay);
        let mut state = slot.lock().await;
        if let Some(link) = state.link.usable() {
            return Ok(link);
        }
        state.settle(&mut *self.rng());
        if let Some(retry_after) = state.wait() {
            return Err(DialError::BackingOff { retry_after });
        }
        let dialled = self
            .endpoint
            .dial_protocol(self.protocol, relay, address)
            .await;
        match &dialled {
            Ok(link) => state.succeeded(link),
            Err(_) => state.failed(&mut *self.rng()),
        }
        dialled
    }

    /// Forgets the failures of `relay`: its address is new, or the network came back.
    pub async fn forgive(&self, relay: &RelayId) {
        let slot = self.slot(relay);
        let mut state = slot.lock().await;
        state.backoff.succeeded();
        state.not_before = None;
    }

    fn rng(&self) -> MutexGuard<'_, R> {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, relay: &RelayId) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= REDIAL_SLOTS && !slots.contains_key(relay) {
            slots.retain(|_, slot| slot.try_lock().map_or(true, |state| state.matters()));
        }
        Arc::clone(slots.entry(*relay).or_default())
    }
}

impl State {
    fn wait(&self) -> Option<Duration> {
        let wait = self.not_before?.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }

    /// The handshake is over. Whether the peer wants the link is not known yet.
    fn succeeded(&mut self, link: &Link) {
        self.not_before = None;
        self.link = link.downgrade();
        self.ended = Arc::clone(&link.shared.ended);
    }

    /// Counts how the last link ended, once.
    fn settle(&mut self, rng: &mut impl Rng) {
        let link = core::mem::take(&mut self.link).upgrade();
        let held = link.and_then(|link| link.close_reason());
        let ended = held.or_else(|| core::mem::take(&mut self.ended).get().copied());
        match ended {
            Some(LinkClosed::NotAdmitted | LinkClosed::Peer(CloseCode::Refused)) => {
                self.failed(rng);
            }
            Some(_) => self.backoff.succeeded(),
            None => (),
        }
    }

    fn failed(&mut self, rng: &mut impl Rng) {
        self.not_before = Some(Instant::now() + self.backoff.failed(rng));
    }

    fn matters(&self) -> bool {
        self.link.usable().is_some() || self.wait().is_some()
    }
}

impl<R> core::fmt::Debug for Redialer<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Redialer")
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}
