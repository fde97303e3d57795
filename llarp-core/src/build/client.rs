//! A client's side: make the request, read the reply, know which hop failed.

use rand_core::CryptoRng;

use super::answer::{ANSWER_LEN, Answer, Status, digest_of};
use super::message::{BuildReply, BuildRequest, Slots, random_slots, xor_stream, zero_slots};
use super::relay::{advance, forward_stream};
use super::slot::{Minute, RECORD_LEN, Record, SEALED_LEN, SlotView};
use crate::cell::{HopKeys, PathId};
use crate::crypto::hash::{NetworkId, derive, label};
use crate::crypto::identity::RelayId;
use crate::crypto::noise::{Initiator, Split};
use crate::crypto::onion_key::{OnionPublic, handshake_psk};
use crate::crypto::secret::Secret;
use crate::wire::WireError;
use crate::wire::limits::{BUILD_SKEW_MINUTES, HOPS_MAX, REPLY_SLOT_LEN, SLOT_LEN, SLOTS};

/// A relay that is to be a hop.
#[derive(Debug, Clone, Copy)]
pub struct BuildHop<'a> {
    /// The relay.
    pub relay: &'a RelayId,
    /// Its onion keys of this key epoch.
    pub onion: &'a OnionPublic,
}

/// Why a request cannot be made. The caller's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// No hop, or more than [`HOPS_MAX`].
    #[error("a path has 1 to {HOPS_MAX} hops, {got} given")]
    Hops {
        /// Hops given.
        got: usize,
    },
    /// A hop's onion key is no key.
    #[error("hop {hop}: the onion key is of small order")]
    OnionKey {
        /// The hop, counted from 0.
        hop: usize,
    },
    /// A record that cannot be encoded.
    #[error("record: {0}")]
    Record(WireError),
}

/// A request that was made; expects the reply.
#[derive(Debug)]
pub struct ExpectReply {
    network: NetworkId,
    stamp: Minute,
    initiators: Vec<Initiator>,
}

/// A build that failed, and where. Only the client can tell.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("hop {hop}: {cause}")]
pub struct BuildFailed {
    /// The first hop whose answer is missing, wrong or a refusal, counted from 0.
    pub hop: usize,
    /// What is wrong with it.
    pub cause: Cause,
    /// The keys of the hops before it, which hold their part of the path: tell them `CLOSED`.
    pub accepted: Vec<HopKeys>,
}

/// What is wrong with a hop's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// It does not open.
    #[error("its answer does not open")]
    NoAnswer,
    /// It opens, but is not in form.
    #[error("its answer opens, but {0}")]
    Malformed(WireError),
    /// It says what the client knows to be false: that a hop behind the last is missing, or that
    /// clocks differ which do not.
    #[error("it answers {status:?}, which cannot be")]
    Contradiction {
        /// Its status.
        status: Status,
    },
    /// It opens, but not before answers that the hop received.
    #[error("the answers behind it were changed")]
    Changed,
    /// The hop itself says no.
    #[error("it answers {status:?}")]
    Refused {
        /// Its status.
        status: Status,
        /// Its clock.
        minute: Minute,
    },
}

/// Whom a failed build is charged to. Never a hop that had no part in it: a lie is charged to a
/// pair of neighbours, since the client cannot tell which of them lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// The client's own link to the first hop, and that hop.
    First,
    /// These two neighbours; the second is a hop of the path.
    Pair(usize, usize),
    /// This hop, lightly: it says of itself, authenticated, that it is overloaded or that the
    /// clocks differ. Not free, since a hop knows its successor before it says so, and could
    /// refuse all but those it is in league with.
    Hop(usize),
}

impl BuildFailed {
    /// Whom to charge.
    #[must_use]
    pub const fn charge(&self) -> Charge {
        let hop = self.hop;
        if let Cause::Refused { status, .. } = self.cause {
            match status {
                Status::Overloaded | Status::ClockSkew => return Charge::Hop(hop),
                Status::NextUnreachable | Status::NextRefused => {
                    return Charge::Pair(hop, hop + 1);
                }
                Status::Accepted | Status::Unknown(_) => (),
            }
        }
        match hop {
            0 => Charge::First,
            hop => Charge::Pair(hop - 1, hop),
        }
    }
}

/// Makes the request for a path over `hops`, first hop first; `path_id` is the id under which the
/// client wants to receive the path's cells.
///
/// # Errors
/// [`StartError`].
pub fn start_build(
    network: &NetworkId,
    hops: &[BuildHop<'_>],
    path_id: PathId,
    now: Minute,
    rng: &mut impl CryptoRng,
) -> Result<(BuildRequest, ExpectReply), StartError> {
    let got = hops.len();
    if !(1..=HOPS_MAX).contains(&got) {
        return Err(StartError::Hops { got });
    }
    let records = records(hops, now, rng);
    let mut slots = filler(network, &records, rng);
    let mut initiators = Vec::with_capacity(got);
    for (index, (hop, record)) in hops.iter().zip(&records).enumerate().rev() {
        if index + 1 < got {
            retreat(network, &record.seed, &mut slots);
        }
        let started = seal_slot(network, hop, record, &mut slots, rng);
        initiators.push(started.map_err(|error| error.at(index))?);
    }
    initiators.reverse();
    let network = *network;
    Ok((
        BuildRequest { path_id, slots },
        ExpectReply {
            network,
            stamp: now,
            initiators,
        },
    ))
}

impl ExpectReply {
    /// Reads the reply: the keys of every hop, first hop first.
    ///
    /// # Errors
    /// [`BuildFailed`] names the first hop that failed; [`BuildFailed::charge`] whom to charge.
    pub fn handle_reply(self, reply: BuildReply) -> Result<Vec<HopKeys>, BuildFailed> {
        let mut slots = reply.slots;
        let hops = self.initiators.len();
        let mut accepted = Vec::with_capacity(hops);
        for (hop, initiator) in self.initiators.into_iter().enumerate() {
            let opened = open_answer(&self.network, initiator, &mut slots, SLOTS - 1 - hop)
                .and_then(|(split, answer)| {
                    judge(&answer, self.stamp, hop + 1 == hops)?;
                    Ok(HopKeys::of_split(&self.network, &split))
                });
            match opened {
                Ok(keys) => accepted.push(keys),
                Err(cause) => {
                    return Err(BuildFailed {
                        hop,
                        cause,
                        accepted,
                    });
                }
            }
        }
        Ok(accepted)
    }
}

fn records(hops: &[BuildHop<'_>], minute: Minute, rng: &mut impl CryptoRng) -> Vec<Record> {
    let next = hops.iter().skip(1).map(|hop| Some(*hop.relay));
    next.chain([None])
        .map(|next| Record {
            next,
            seed: Secret::random(rng),
            minute,
            extension: Vec::new(),
        })
        .collect()
}

/// The message as the terminal receives it, but for its own slot: behind that slot random ones,
/// then what the hops' streams make of the zero slots that they append.
fn filler(
    network: &NetworkId,
    records: &[Record],
    rng: &mut impl CryptoRng,
) -> Box<Slots<SLOT_LEN>> {
    let mut slots = zero_slots();
    let forwarding = records.len().saturating_sub(1);
    for record in records.iter().take(forwarding) {
        advance(network, &record.seed, &mut slots);
    }
    let random: Box<Slots<SLOT_LEN>> = random_slots(rng);
    for (slot, random) in slots.iter_mut().zip(&*random).take(SLOTS - forwarding) {
        *slot = *random;
    }
    slots
}

/// Undoes [`advance`], but for the slot that it dropped.
fn retreat(network: &NetworkId, seed: &Secret<32>, slots: &mut Slots<SLOT_LEN>) {
    xor_stream(&forward_stream(network, seed), slots.as_flattened_mut());
    debug_assert_eq!(slots.last(), Some(&[0; SLOT_LEN]), "the filler fits");
    slots.rotate_right(1);
}

/// A slot that could not be sealed, before its hop is known.
enum SealFailed {
    OnionKey,
    Record(WireError),
}

impl SealFailed {
    const fn at(self, hop: usize) -> StartError {
        match self {
            Self::OnionKey => StartError::OnionKey { hop },
            Self::Record(error) => StartError::Record(error),
        }
    }
}

/// Seals `record` for `hop` into slot 0, bound to the slots behind it.
fn seal_slot(
    network: &NetworkId,
    hop: &BuildHop<'_>,
    record: &Record,
    slots: &mut Slots<SLOT_LEN>,
    rng: &mut impl CryptoRng,
) -> Result<Initiator, SealFailed> {
    let key_id = hop.onion.id(network, hop.relay);
    let (shared, ciphertext) = hop.onion.kem.encapsulate(rng);
    let psk = handshake_psk(network, shared, &key_id, &ciphertext);
    let record: Secret<RECORD_LEN> = record.encode().map_err(SealFailed::Record)?;
    let mut sealed = [0; SEALED_LEN];
    let view = SlotView {
        key_id,
        ciphertext: &ciphertext,
        sealed: &[0; SEALED_LEN],
    };
    let prologue = view.prologue(network, hop.relay, slots);
    let initiator = Initiator::start(
        &hop.onion.x25519,
        &psk,
        &prologue,
        record.expose(),
        &mut sealed,
        rng,
    )
    .map_err(|_| SealFailed::OnionKey)?;
    let [slot, ..] = slots;
    let view = SlotView {
        sealed: &sealed,
        ..view
    };
    view.write(slot).map_err(SealFailed::Record)?;
    Ok(initiator)
}

/// Opens the answer in front, then brings the next one to the front. `left` answers behind it are
/// as the hop received them; the rest was dropped on the way.
fn open_answer(
    network: &NetworkId,
    initiator: Initiator,
    slots: &mut Slots<REPLY_SLOT_LEN>,
    left: usize,
) -> Result<(Split, Answer), Cause> {
    let mut body = [0; ANSWER_LEN];
    let [own, others @ ..] = slots;
    let split = initiator
        .finish(own, &mut body)
        .map_err(|_| Cause::NoAnswer)?;
    let answer = Answer::decode(&body).map_err(Cause::Malformed)?;
    let stream = derive(&split.to_initiator, label::BUILD_BACK, network, &[]);
    xor_stream(&stream, others.as_flattened_mut());
    slots.rotate_left(1);
    let expected = answer.digests.get(left.wrapping_sub(1));
    if expected.is_none_or(|digest| *digest != digest_of(network, slots, left)) {
        return Err(Cause::Changed);
    }
    Ok((split, answer))
}

/// What a hop's own words are worth.
fn judge(answer: &Answer, stamp: Minute, last: bool) -> Result<(), Cause> {
    let Answer { status, minute, .. } = *answer;
    let cannot_be = match status {
        Status::Accepted => return Ok(()),
        Status::NextUnreachable | Status::NextRefused => last,
        Status::ClockSkew => minute.0.abs_diff(stamp.0) <= BUILD_SKEW_MINUTES,
        Status::Overloaded | Status::Unknown(_) => false,
    };
    if cannot_be {
        return Err(Cause::Contradiction { status });
    }
    Err(Cause::Refused { status, minute })
}
