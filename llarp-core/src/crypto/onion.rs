//! HCTR2 with AES-256: the length-preserving wide-block cipher of the onion layers.
//!
//! A bit changed anywhere in the ciphertext changes every bit of the plaintext, so that a cell
//! cannot be tagged. Published as IACR ePrint 2021/1441; composed here from the `aes` and
//! `polyval` crates in whole batches, checked against the official vectors and against `hctr2-rs`.
//! The key schedule, the POLYVAL powers and the hash state behind the tweak are computed once a
//! key. Specification: `docs/spec/01-crypto.md` §6.
//!
//! *Not* here: authentication. What a plaintext must look like is the business of `cell`.

use core::hint::black_box;

use aes::cipher::{
    Block, BlockCipherDecrypt, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt,
    BlockSizeUser, KeyInit, ParBlocks, array::Array, consts::U16, typenum::Unsigned,
};
use aes::{Aes256Dec, Aes256Enc};
use polyval::{Polyval, universal_hash::UniversalHash};
use zeroize::Zeroize;

use super::secret::secret_type;

/// Bytes of an AES block, and the fewest that HCTR2 can encipher.
pub const BLOCK_LEN: usize = 16;

secret_type! {
    /// Key of one hop and direction of the onion layers.
    LayerKey(32);
}

/// Enciphers under one key and tweak. Can not decipher.
pub struct Encipher {
    aes: Aes256Enc,
    hash: TweakedHash,
    mask: u128,
}

/// Deciphers under one key and tweak. Can not encipher.
pub struct Decipher {
    aes: Aes256Enc,
    inverse: Aes256Dec,
    hash: TweakedHash,
    mask: u128,
}

impl Encipher {
    /// Schedules `key` for `tweak`, which takes about as long as one cell.
    #[must_use]
    pub fn new(key: &LayerKey, tweak: &[u8]) -> Self {
        let (aes, hash, mask) = schedule(key, tweak);
        Self { aes, hash, mask }
    }

    /// Enciphers `text` in place.
    ///
    /// # Errors
    /// [`TooShort`] if `text` is shorter than one block; it is then unchanged.
    pub fn apply(&self, text: &mut [u8]) -> Result<(), TooShort> {
        let (head, tail) = text.split_first_chunk_mut().ok_or(TooShort)?;
        let folded = u128::from_le_bytes(*head) ^ self.hash.of(tail);
        let mut block = Array::from(folded.to_le_bytes());
        self.aes.encrypt_block(&mut block);
        let enciphered = u128::from_le_bytes(block.into());
        xctr(&self.aes, folded ^ enciphered ^ self.mask, tail);
        *head = (enciphered ^ self.hash.of(tail)).to_le_bytes();
        Ok(())
    }
}

impl Decipher {
    /// Schedules `key` for `tweak`, which takes about as long as one cell.
    #[must_use]
    pub fn new(key: &LayerKey, tweak: &[u8]) -> Self {
        let (aes, hash, mask) = schedule(key, tweak);
        let inverse = Aes256Dec::from(aes.clone());
        Self {
            aes,
            inverse,
            hash,
            mask,
        }
    }

    /// Deciphers `text` in place.
    ///
    /// # Errors
    /// [`TooShort`] if `text` is shorter than one block; it is then unchanged.
    pub fn apply(&self, text: &mut [u8]) -> Result<(), TooShort> {
        let (head, tail) = text.split_first_chunk_mut().ok_or(TooShort)?;
        let enciphered = u128::from_le_bytes(*head) ^ self.hash.of(tail);
        let mut block = Array::from(enciphered.to_le_bytes());
        self.inverse.decrypt_block(&mut block);
        let folded = u128::from_le_bytes(block.into());
        xctr(&self.aes, folded ^ enciphered ^ self.mask, tail);
        *head = (folded ^ self.hash.of(tail)).to_le_bytes();
        Ok(())
    }
}

impl Drop for Encipher {
    fn drop(&mut self) {
        self.mask.zeroize();
    }
}

impl Drop for Decipher {
    fn drop(&mut self) {
        self.mask.zeroize();
    }
}

/// A text shorter than one block of 16 bytes, which HCTR2 does not encipher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("text is shorter than one block of {BLOCK_LEN} bytes")]
pub struct TooShort;

/// The paper's key schedule: hash key E(0), mask E(1).
fn schedule(key: &LayerKey, tweak: &[u8]) -> (Aes256Enc, TweakedHash, u128) {
    let aes = Aes256Enc::new(key.expose().into());
    let mut hash_key = Array::from(0u128.to_le_bytes());
    let mut mask = Array::from(1u128.to_le_bytes());
    aes.encrypt_block(&mut hash_key);
    aes.encrypt_block(&mut mask);
    let hash = TweakedHash::new(&hash_key, tweak);
    let scheduled = (aes, hash, u128::from_le_bytes(mask.into()));
    hash_key.zeroize();
    mask.zeroize();
    scheduled
}

/// POLYVAL with the tweak's blocks already absorbed, for texts of whole blocks and for others:
/// the paper puts that difference into the first block.
struct TweakedHash {
    whole: Polyval,
    ragged: Polyval,
}

impl TweakedHash {
    fn new(hash_key: &Block<Aes256Enc>, tweak: &[u8]) -> Self {
        let after_tweak = |ragged: u128| {
            let mut state = Polyval::new(hash_key);
            let bits = tweak.len() as u128 * 8;
            state.update(&[(2 * bits + 2 + ragged).to_le_bytes().into()]);
            state.update_padded(tweak);
            state
        };
        Self {
            whole: after_tweak(0),
            ragged: after_tweak(1),
        }
    }

    fn of(&self, text: &[u8]) -> u128 {
        let (blocks, rest) = Array::<u8, U16>::slice_as_chunks(text);
        let mut state;
        if rest.is_empty() {
            state = self.whole.clone();
            state.update(blocks);
        } else {
            state = self.ragged.clone();
            state.update(blocks);
            let mut last = [0; BLOCK_LEN];
            for (to, from) in last.iter_mut().zip(rest.iter().chain(&[1])) {
                *to = *from;
            }
            state.update(&[last.into()]);
        }
        u128::from_le_bytes(state.finalize().into())
    }
}

impl Drop for TweakedHash {
    /// Overwrites the key's powers. The crate's own zeroizing also wipes every per-cell copy byte
    /// by byte, which costs a fifth of a cell; overwriting here, once a key, leaves only stack
    /// copies that the next cells overwrite.
    fn drop(&mut self) {
        let blank = Polyval::new(&Array::default());
        self.whole.clone_from(&blank);
        self.ragged.clone_from(&blank);
        black_box(self);
    }
}

/// XCTR: XORs `text` with E(seed ^ 1), E(seed ^ 2), …, block numbers little-endian.
fn xctr(aes: &Aes256Enc, seed: u128, text: &mut [u8]) {
    aes.encrypt_with_backend(Xctr { seed, text });
}

struct Xctr<'a> {
    seed: u128,
    text: &'a mut [u8],
}

impl BlockSizeUser for Xctr<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Xctr<'_> {
    /// Always whole batches of the backend's own width: its single-block path is several times
    /// slower a block than the blocks that a batch computes in vain.
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let mut number: u128 = 0;
        for chunk in self.text.chunks_mut(B::ParBlocksSize::USIZE * BLOCK_LEN) {
            let mut stream = ParBlocks::<B>::default();
            for block in &mut stream {
                number += 1;
                *block = (self.seed ^ number).to_le_bytes().into();
            }
            backend.encrypt_par_blocks((&mut stream).into());
            for (byte, key) in chunk.iter_mut().zip(stream.as_flattened()) {
                *byte ^= key;
            }
        }
    }
}
