//! A relay's side: open one's slot, forward or end the path, answer.
//!
//! ```text
//! open_build ─┬─ Forward ── into_next ──▶ AwaitNext ── accept(reply) ──▶ keys, reply
//!             │                               └─────── fail(status) ───▶ reply
//!             ├─ Terminal ── accept ─────────────────────────────────────▶ keys, reply
//!             └─ Refusal (with the reply to send)
//! ```

use rand_core::CryptoRng;

use super::answer::{Answer, Decline, Status, digests};
use super::message::{BuildReply, BuildRequest, Slots, random_slots, xor_stream};
use super::replay::{BuildTag, NotAdmitted, ReplayCache};
use super::slot::{Minute, RECORD_LEN, Record, SlotView};
use crate::cell::{HopKeys, PathId};
use crate::crypto::hash::{NetworkId, derive, label};
use crate::crypto::identity::RelayId;
use crate::crypto::noise::{HandshakeFailed, Responder};
use crate::crypto::onion_key::{OnionKeyId, OnionSecret, handshake_psk};
use crate::crypto::secret::Secret;
use crate::wire::limits::{REPLY_SLOT_LEN, SLOT_LEN, SLOTS};
use crate::wire::{Fault, WireError};

/// Where a relay keeps its onion keys: those of this key epoch and, while they overlap, the last.
pub trait OnionKeys {
    /// The keys of that id, if they exist and are not erased.
    fn find(&self, id: &OnionKeyId) -> Option<&OnionSecret>;
}

impl OnionKeys for [OnionSecret] {
    fn find(&self, id: &OnionKeyId) -> Option<&OnionSecret> {
        self.iter().find(|keys| keys.id() == *id)
    }
}

/// Who and when a relay is, for the time of one call.
#[derive(Debug, Clone, Copy)]
pub struct RelayContext<'a> {
    /// The network.
    pub network: &'a NetworkId,
    /// This relay.
    pub relay: &'a RelayId,
    /// The wall clock.
    pub now: Minute,
}

/// A request that opened, by what it asks for.
#[derive(Debug)]
pub enum OpenedBuild {
    /// To forward it.
    Forward(ForwardBuild),
    /// To be the path's terminal.
    Terminal(TerminalBuild),
}

/// A request that is not carried out, and the reply to send.
#[derive(Debug)]
pub struct Refusal {
    /// Why. For this relay only: the reply tells a prober nothing.
    pub cause: RefusalCause,
    /// The reply: random, or an authenticated status where the request opened.
    pub reply: BuildReply,
}

/// Why a request is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusalCause {
    /// The build was opened before. Found before any Diffie-Hellman or decapsulation.
    #[error("replay of a build that was opened before")]
    Replayed,
    /// Made to onion keys that this relay does not have, or no longer.
    #[error("made to onion keys that this relay does not have")]
    UnknownOnionKey,
    /// Not made for this relay, or changed under way.
    #[error("the slot does not open: made for another relay, or changed under way")]
    DoesNotOpen,
    /// It opened, but its record is wrong.
    #[error("record: {0}")]
    Malformed(WireError),
    /// Its stamp is too far from this relay's clock.
    #[error("stamp {stamp} is too far from this relay's {now}")]
    ClockSkew {
        /// When the client says that it made the request.
        stamp: Minute,
        /// This relay's clock.
        now: Minute,
    },
    /// Its stamp is from a time of which this relay has forgotten the builds: before a restart, or
    /// before a jump of its clock.
    #[error("stamp {stamp} is from before a restart or a jump of this relay's clock")]
    Forgotten {
        /// When the client says that it made the request.
        stamp: Minute,
    },
    /// The replay cache is full.
    #[error("too many builds within the time that each is remembered")]
    CacheFull,
}

/// Opens slot 0 of `request`; cheapest checks first: [`screen_build`], [`FreshBuild::open`] and
/// [`AuthenticBuild::admit`] in one, for a relay that does all of it on one thread.
///
/// # Errors
/// [`Refusal`], with the reply to send.
pub fn open_build(
    context: RelayContext<'_>,
    keys: &(impl OnionKeys + ?Sized),
    replays: &mut ReplayCache,
    request: BuildRequest,
    rng: &mut impl CryptoRng,
) -> Result<OpenedBuild, Refusal> {
    screen_build(context, replays, request, rng)?
        .open(context, keys, rng)?
        .admit(context, replays, rng)
}

/// Refuses a build that was opened before, for the price of a hash and a few look-ups.
///
/// # Errors
/// [`Refusal`], with the reply to send.
pub fn screen_build(
    context: RelayContext<'_>,
    replays: &ReplayCache,
    request: BuildRequest,
    rng: &mut impl CryptoRng,
) -> Result<FreshBuild, Refusal> {
    let [slot, ..] = &*request.slots;
    let tag = SlotView::read(slot)
        .map(|slot| replays.tag(context.network, slot.ephemeral()))
        .map_err(|error| Refusal::unopened(RefusalCause::Malformed(error), rng))?;
    if replays.contains(&tag) {
        return Err(Refusal::unopened(RefusalCause::Replayed, rng));
    }
    Ok(FreshBuild { request, tag })
}

/// A request that was not opened before, as far as its ephemeral key tells.
#[derive(Debug)]
pub struct FreshBuild {
    request: BuildRequest,
    tag: BuildTag,
}

impl FreshBuild {
    /// Opens the slot: a lookup for unknown keys, otherwise one decapsulation and two X25519. Needs
    /// no cache, so that handshakes can run on other threads.
    ///
    /// # Errors
    /// [`Refusal`], with the reply to send.
    pub fn open(
        self,
        context: RelayContext<'_>,
        keys: &(impl OnionKeys + ?Sized),
        rng: &mut impl CryptoRng,
    ) -> Result<AuthenticBuild, Refusal> {
        let opened = open_slot(context, keys, &self.request, rng);
        let (responder, record) = opened.map_err(|cause| Refusal::unopened(cause, rng))?;
        Ok(AuthenticBuild {
            request: self.request,
            tag: self.tag,
            record,
            pending: Pending {
                network: *context.network,
                now: context.now,
                responder,
            },
        })
    }
}

/// A request that opened: whoever made it knows this relay's onion keys and made it for this relay.
#[derive(Debug)]
pub struct AuthenticBuild {
    request: BuildRequest,
    tag: BuildTag,
    record: Record,
    pending: Pending,
}

impl AuthenticBuild {
    /// Gives it a place among those that are remembered, and the next step.
    ///
    /// # Errors
    /// [`Refusal`], with the reply to send: a replay that overtook it, a stamp too far off, or no
    /// room.
    pub fn admit(
        self,
        context: RelayContext<'_>,
        replays: &mut ReplayCache,
        rng: &mut impl CryptoRng,
    ) -> Result<OpenedBuild, Refusal> {
        let Self {
            request,
            tag,
            record,
            pending,
        } = self;
        if let Err(not_admitted) = replays.admit(tag, record.minute, context.now) {
            return Err(pending.refuse(not_admitted, record.minute, rng));
        }
        let Some(next) = record.next else {
            return Ok(OpenedBuild::Terminal(TerminalBuild { pending }));
        };
        let mut slots = request.slots;
        advance(context.network, &record.seed, &mut slots);
        Ok(OpenedBuild::Forward(ForwardBuild {
            next,
            slots,
            pending,
        }))
    }
}

impl Refusal {
    fn unopened(cause: RefusalCause, rng: &mut impl CryptoRng) -> Self {
        let reply = BuildReply::random(rng);
        Self { cause, reply }
    }
}

/// A request to forward.
#[derive(Debug)]
pub struct ForwardBuild {
    next: RelayId,
    slots: Box<Slots<SLOT_LEN>>,
    pending: Pending,
}

impl ForwardBuild {
    /// The relay to forward to.
    #[must_use]
    pub const fn next(&self) -> &RelayId {
        &self.next
    }

    /// The request to send on; `path_id` is the id under which this relay wants to receive the
    /// path's cells from the next one.
    #[must_use]
    pub fn into_next(self, path_id: PathId) -> (BuildRequest, AwaitNext) {
        let slots = self.slots;
        (
            BuildRequest { path_id, slots },
            AwaitNext {
                pending: self.pending,
            },
        )
    }

    /// Declines instead of forwarding.
    #[must_use]
    pub fn decline(self, why: Decline, rng: &mut impl CryptoRng) -> BuildReply {
        self.pending.fail(why.into(), rng)
    }
}

/// A request that was forwarded; expects the next hop's reply.
#[derive(Debug)]
pub struct AwaitNext {
    pending: Pending,
}

impl AwaitNext {
    /// Takes the next hop's reply and makes one's own; `path_id` is the id under which this relay
    /// wants to receive the path's cells from the previous hop.
    ///
    /// # Errors
    /// [`HandshakeFailed`] if no answer can be made, which no input brings about.
    pub fn accept(
        self,
        next: BuildReply,
        path_id: PathId,
    ) -> Result<(HopKeys, BuildReply), HandshakeFailed> {
        self.pending.answer(Status::Accepted, next.slots, path_id)
    }

    /// The link to the next hop is dead or refuses, or its reply is not in form. A reply that is
    /// merely late is waited for until the previous hop gives up (03-build §6).
    #[must_use]
    pub fn fail(self, why: Decline, rng: &mut impl CryptoRng) -> BuildReply {
        self.pending.fail(why.into(), rng)
    }
}

/// A request to be the terminal.
#[derive(Debug)]
pub struct TerminalBuild {
    pending: Pending,
}

impl TerminalBuild {
    /// Ends the path here; `path_id` is the id under which this relay wants to receive its cells.
    ///
    /// # Errors
    /// [`HandshakeFailed`] if no answer can be made, which no input brings about.
    pub fn accept(
        self,
        path_id: PathId,
        rng: &mut impl CryptoRng,
    ) -> Result<(HopKeys, BuildReply), HandshakeFailed> {
        self.pending
            .answer(Status::Accepted, random_slots(rng), path_id)
    }

    /// Declines to be the terminal.
    #[must_use]
    pub fn decline(self, why: Decline, rng: &mut impl CryptoRng) -> BuildReply {
        self.pending.fail(why.into(), rng)
    }
}

/// An opened request that is owed an answer.
#[derive(Debug)]
struct Pending {
    network: NetworkId,
    now: Minute,
    responder: Responder,
}

impl Pending {
    /// The hop's own answer in front of those `behind`, which it enciphers.
    fn answer(
        self,
        status: Status,
        behind: Box<Slots<REPLY_SLOT_LEN>>,
        path_id: PathId,
    ) -> Result<(HopKeys, BuildReply), HandshakeFailed> {
        let answer = Answer {
            status,
            minute: self.now,
            digests: digests(&self.network, &behind),
        };
        let body = answer.encode().map_err(|_| HandshakeFailed)?;
        let mut slots = behind;
        slots.rotate_right(1);
        let [own, others @ ..] = &mut *slots;
        let split = self.responder.answer(&body, own)?;
        let stream = derive(&split.to_initiator, label::BUILD_BACK, &self.network, &[]);
        xor_stream(&stream, others.as_flattened_mut());
        let keys = HopKeys::of_split(&self.network, &split);
        Ok((keys, BuildReply { path_id, slots }))
    }

    /// An authenticated status, with random answers behind it.
    fn fail(self, status: Status, rng: &mut impl CryptoRng) -> BuildReply {
        let path_id = PathId::random(rng);
        self.answer(status, random_slots(rng), path_id)
            .map_or_else(|_| BuildReply::random(rng), |(_, reply)| reply)
    }

    fn refuse(self, cause: NotAdmitted, stamp: Minute, rng: &mut impl CryptoRng) -> Refusal {
        let now = self.now;
        let (cause, reply) = match cause {
            NotAdmitted::Replayed => (RefusalCause::Replayed, BuildReply::random(rng)),
            NotAdmitted::Skew => (
                RefusalCause::ClockSkew { stamp, now },
                self.fail(Status::ClockSkew, rng),
            ),
            NotAdmitted::Forgotten => (
                RefusalCause::Forgotten { stamp },
                self.fail(Status::Overloaded, rng),
            ),
            NotAdmitted::Full => (RefusalCause::CacheFull, self.fail(Status::Overloaded, rng)),
        };
        Refusal { cause, reply }
    }
}

fn open_slot(
    context: RelayContext<'_>,
    keys: &(impl OnionKeys + ?Sized),
    request: &BuildRequest,
    rng: &mut impl CryptoRng,
) -> Result<(Responder, Record), RefusalCause> {
    let RelayContext { network, relay, .. } = context;
    let [slot, ..] = &*request.slots;
    let slot = SlotView::read(slot).map_err(RefusalCause::Malformed)?;
    let keys = keys
        .find(&slot.key_id)
        .ok_or(RefusalCause::UnknownOnionKey)?;
    let shared = keys.decapsulate(slot.ciphertext);
    let psk = handshake_psk(network, shared, &slot.key_id, slot.ciphertext);
    let prologue = slot.prologue(network, relay, &request.slots);
    let mut record = [0; RECORD_LEN];
    let opened = Responder::open(
        keys.x25519(),
        &psk,
        &prologue,
        slot.sealed,
        &mut record,
        rng,
    );
    let record = Secret::take(&mut record);
    let responder = opened.map_err(|_| RefusalCause::DoesNotOpen)?;
    let record = Record::decode(record.expose()).map_err(RefusalCause::Malformed)?;
    if record.next == Some(*relay) {
        let error = WireError::new("next hop", Fault::Mismatch);
        return Err(RefusalCause::Malformed(error));
    }
    Ok((responder, record))
}

/// The message as it leaves a hop: slot 0 dropped, a zero slot appended, all under the stream.
pub(super) fn advance(network: &NetworkId, seed: &Secret<32>, slots: &mut Slots<SLOT_LEN>) {
    slots.rotate_left(1);
    let [.., last] = slots;
    *last = [0; SLOT_LEN];
    xor_stream(&forward_stream(network, seed), slots.as_flattened_mut());
}

pub(super) fn forward_stream(network: &NetworkId, seed: &Secret<32>) -> Secret<32> {
    derive(seed, label::BUILD_FWD, network, &[])
}

const _: () = assert!(
    SLOTS > crate::wire::limits::HOPS_MAX,
    "one slot is to spare"
);
