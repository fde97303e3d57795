//! Request and reply as a whole: constant sizes, slots, and the streams that run over them.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use rand_core::CryptoRng;

use crate::cell::PathId;
use crate::crypto::secret::Secret;
use crate::wire::limits::{
    BUILD_REPLY_LEN, BUILD_REQUEST_LEN, REPLY_SLOT_LEN, SLOT_LEN, SLOTS, VERSION,
};
use crate::wire::{Reader, WireError, Writer};

/// Five slots of `LEN` bytes.
pub(super) type Slots<const LEN: usize> = [[u8; LEN]; SLOTS];

/// A path-build request, client to terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRequest {
    /// The id that the sender of this message wants to receive the path's cells under.
    pub path_id: PathId,
    pub(super) slots: Box<Slots<SLOT_LEN>>,
}

impl BuildRequest {
    /// The [`BUILD_REQUEST_LEN`] bytes on the link.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode::<BUILD_REQUEST_LEN>(self.path_id, self.slots.as_flattened())
    }

    /// Reads the bytes on the link.
    ///
    /// # Errors
    /// [`WireError`] names `build request` (length) or `version`.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::exact(bytes, BUILD_REQUEST_LEN, "build request")?;
        reader.version()?;
        Ok(Self {
            path_id: PathId(*reader.array("path id")?),
            slots: read_slots(reader)?,
        })
    }
}

/// The reply to a path-build request, terminal to client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildReply {
    /// The id that the sender of this message wants to receive the path's cells under.
    pub path_id: PathId,
    pub(super) slots: Box<Slots<REPLY_SLOT_LEN>>,
}

impl BuildReply {
    /// A reply that opens for nobody: the answer to a request that did not open.
    #[must_use]
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let path_id = PathId::random(rng);
        let mut slots = random_slots(rng);
        // The neighbour sees the first answer, which begins with an X25519 key: its top bit is 0.
        let [first, ..] = &mut *slots;
        if let Some(top) = first.get_mut(31) {
            *top &= 0x7f;
        }
        Self { path_id, slots }
    }

    /// The [`BUILD_REPLY_LEN`] bytes on the link.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode::<BUILD_REPLY_LEN>(self.path_id, self.slots.as_flattened())
    }

    /// Reads the bytes on the link.
    ///
    /// # Errors
    /// [`WireError`] names `build reply` (length) or `version`.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::exact(bytes, BUILD_REPLY_LEN, "build reply")?;
        reader.version()?;
        Ok(Self {
            path_id: PathId(*reader.array("path id")?),
            slots: read_slots(reader)?,
        })
    }
}

pub(super) fn zero_slots<const LEN: usize>() -> Box<Slots<LEN>> {
    Box::new([[0; LEN]; SLOTS])
}

pub(super) fn random_slots<const LEN: usize>(rng: &mut impl CryptoRng) -> Box<Slots<LEN>> {
    let mut slots = zero_slots();
    rng.fill_bytes(slots.as_flattened_mut());
    slots
}

/// XORs `bytes` with ChaCha20 under `key`, which serves once: nonce zero, counter zero.
pub(super) fn xor_stream(key: &Secret<32>, bytes: &mut [u8]) {
    ChaCha20::new(key.expose().into(), &[0; 12].into()).apply_keystream(bytes);
}

fn encode<const LEN: usize>(path_id: PathId, slots: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; LEN];
    let mut writer = Writer::new(&mut bytes);
    let written = writer
        .u8("version", VERSION)
        .and_then(|()| writer.bytes("path id", &path_id.0))
        .and_then(|()| writer.bytes("slots", slots));
    debug_assert_eq!(written, Ok(()), "the fields add up to the message");
    bytes
}

fn read_slots<const LEN: usize>(mut reader: Reader<'_>) -> Result<Box<Slots<LEN>>, WireError> {
    let mut slots = zero_slots();
    for slot in slots.iter_mut() {
        *slot = *reader.array("slot")?;
    }
    reader.finish("slots").map(|()| slots)
}
