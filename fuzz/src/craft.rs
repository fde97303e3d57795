//! The build message a second time, by the specification, for who has the keys and keeps no rule:
//! a client that seals any record, a relay that answers anything.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use llarp_core::build::{BuildReply, BuildRequest};
use llarp_core::crypto::hash::{derive, framed, hash, label};
use llarp_core::crypto::kem::KEM_CIPHERTEXT_LEN;
use llarp_core::crypto::noise::{Initiator, OVERHEAD, Responder, Split};
use llarp_core::crypto::onion_key::handshake_psk;
use llarp_core::crypto::secret::Secret;
use llarp_core::wire::limits::{
    BUILD_REPLY_LEN, BUILD_REQUEST_LEN, PATH_ID_LEN, REPLY_SLOT_LEN, SLOT_LEN, SLOTS, VERSION,
};
use rand_chacha::ChaCha20Rng;

use crate::fixture::{NETWORK, Relay};

const KEY_ID_LEN: usize = 16;
const CIPHERTEXT_END: usize = KEY_ID_LEN + KEM_CIPHERTEXT_LEN;
/// Where the slots of either message begin.
pub(crate) const SLOTS_AT: usize = 1 + PATH_ID_LEN;
pub(crate) const RECORD_LEN: usize = SLOT_LEN - CIPHERTEXT_END - OVERHEAD;
pub(crate) const ANSWER_LEN: usize = REPLY_SLOT_LEN - OVERHEAD;

/// What a reply's slots are behind the first.
pub(crate) type Behind = [[u8; REPLY_SLOT_LEN]; SLOTS - 1];

/// Seals `record` for `relay`, in front of slots filled with `fill`.
pub(crate) fn seal_record(
    relay: &Relay,
    record: &[u8; RECORD_LEN],
    fill: u8,
    rng: &mut ChaCha20Rng,
) -> (BuildRequest, Initiator) {
    let mut bytes = vec![fill; BUILD_REQUEST_LEN];
    bytes[0] = VERSION;
    let (slot, behind) = bytes[SLOTS_AT..].split_at_mut(SLOT_LEN);
    let key_id = relay.public.id(&NETWORK, &relay.id);
    let (shared, ciphertext) = relay.public.kem.encapsulate(rng);
    let psk = handshake_psk(&NETWORK, shared, &key_id, &ciphertext);
    slot[..KEY_ID_LEN].copy_from_slice(&key_id.0);
    slot[KEY_ID_LEN..CIPHERTEXT_END].copy_from_slice(&ciphertext);
    let prologue = prologue(relay, slot, behind);
    let (remote, sealed) = (&relay.public.x25519, &mut slot[CIPHERTEXT_END..]);
    let initiator = Initiator::start(remote, &psk, &prologue, record, sealed, rng);
    let request = BuildRequest::decode(&bytes).expect("a whole request");
    (request, initiator.expect("a good key"))
}

/// Opens the slot that is for `relay`.
pub(crate) fn open_record(
    relay: &Relay,
    request: &BuildRequest,
    rng: &mut ChaCha20Rng,
) -> (Responder, [u8; RECORD_LEN]) {
    let bytes = request.encode();
    let (slot, behind) = bytes[SLOTS_AT..].split_at(SLOT_LEN);
    let [keys] = &relay.onion;
    let ciphertext = slot[KEY_ID_LEN..CIPHERTEXT_END].try_into();
    let ciphertext = ciphertext.expect("the ciphertext's place");
    let psk = handshake_psk(
        &NETWORK,
        keys.decapsulate(ciphertext),
        &keys.id(),
        ciphertext,
    );
    let prologue = prologue(relay, slot, behind);
    let mut record = [0; RECORD_LEN];
    let sealed = &slot[CIPHERTEXT_END..];
    let responder = Responder::open(keys.x25519(), &psk, &prologue, sealed, &mut record, rng);
    (responder.expect("an honest request"), record)
}

fn prologue(relay: &Relay, slot: &[u8], behind: &[u8]) -> Vec<u8> {
    let (key_id, rest) = slot.split_at(KEY_ID_LEN);
    let behind = hash(label::BUILD_SLOTS, &NETWORK, &[behind]);
    let ciphertext = &rest[..KEM_CIPHERTEXT_LEN];
    let parts: [&[u8]; 5] = [&[VERSION], &relay.id.0, key_id, ciphertext, &behind];
    framed(label::BUILD_PROLOGUE, &NETWORK, &parts)
}

/// The digest over the first `count` answers `behind` a hop's own.
pub(crate) fn digest(behind: &Behind, count: usize) -> [u8; 16] {
    let mut parts: [&[u8]; SLOTS] = [&[]; SLOTS];
    for (part, slot) in parts.iter_mut().zip(&behind[..count]) {
        *part = slot;
    }
    let digest = hash(label::BUILD_REPLY_SLOTS, &NETWORK, &parts);
    std::array::from_fn(|place| digest[place])
}

/// Answers with any body, in front of any answers.
pub(crate) fn answer(
    responder: Responder,
    body: &[u8; ANSWER_LEN],
    behind: &Behind,
) -> (BuildReply, Split) {
    let mut bytes = vec![0; BUILD_REPLY_LEN];
    bytes[0] = VERSION;
    let (own, others) = bytes[SLOTS_AT..].split_at_mut(REPLY_SLOT_LEN);
    others.copy_from_slice(behind.as_flattened());
    let split = responder.answer(body, own).expect("a slot's length");
    stream(
        &derive(&split.to_initiator, label::BUILD_BACK, &NETWORK, &[]),
        others,
    );
    let reply = BuildReply::decode(&bytes).expect("a whole reply");
    (reply, split)
}

/// What `request` looks like when it leaves the hop whose record has this `seed`.
pub(crate) fn forwarded(request: &BuildRequest, seed: &[u8; 32]) -> Vec<u8> {
    let mut slots = request.encode()[SLOTS_AT + SLOT_LEN..].to_vec();
    slots.extend([0; SLOT_LEN]);
    let seed = Secret::take(&mut { *seed });
    stream(&derive(&seed, label::BUILD_FWD, &NETWORK, &[]), &mut slots);
    slots
}

fn stream(key: &Secret<32>, bytes: &mut [u8]) {
    ChaCha20::new(key.expose().into(), &[0; 12].into()).apply_keystream(bytes);
}
