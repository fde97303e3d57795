//! Sealing under a key that is used once: ChaCha20-Poly1305 (RFC 8439) with a nonce of zeros.
//!
//! In: a key that nobody has sealed with, bytes, and the bytes in front of them that they are bound
//! to. Out: the bytes sealed, [`SEAL_LEN`] longer. A key that is derived from something random has
//! no need of a nonce; that it is used up by sealing keeps it from being used twice.
//! Specification: `docs/spec/01-crypto.md` §11.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::secret::secret_type;

/// Bytes that sealing adds: the tag.
pub const SEAL_LEN: usize = 16;

secret_type! {
    /// A key to seal with, once.
    SealKey(32);
}

/// Bytes that were not sealed under this key, or not behind this head. Says no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes do not open under this key")]
pub struct DoesNotOpen;

impl SealKey {
    /// Seals `plain`, bound to `head`, and uses the key up.
    ///
    /// # Panics
    /// If `plain` has 256 GiB or more.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "only a plaintext beyond RFC 8439's 256 GiB is refused"
    )]
    pub fn seal(self, head: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(plain.len() + SEAL_LEN);
        bytes.extend_from_slice(plain);
        self.key()
            .seal_in_place_append_tag(nonce(), Aad::from(head), &mut bytes)
            .expect("the plaintext is short");
        bytes
    }

    /// Opens `sealed`, which must have been sealed behind `head`.
    ///
    /// # Errors
    /// [`DoesNotOpen`], whatever is wrong.
    pub fn open(&self, head: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let len = self
            .key()
            .open_in_place(nonce(), Aad::from(head), &mut bytes)
            .map_err(|_| DoesNotOpen)?
            .len();
        bytes.truncate(len);
        Ok(bytes)
    }

    #[expect(
        clippy::expect_used,
        reason = "32 bytes are a key of ChaCha20-Poly1305"
    )]
    fn key(&self) -> LessSafeKey {
        let key = UnboundKey::new(&CHACHA20_POLY1305, self.expose()).expect("32 bytes are a key");
        LessSafeKey::new(key)
    }
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::aead::{AeadInOut, KeyInit};
    use chacha20poly1305::{ChaCha20Poly1305, Nonce};

    use super::*;
    use crate::crypto::secret::Secret;

    fn key() -> SealKey {
        SealKey::new(Secret::take(&mut [7; 32]))
    }

    #[test]
    fn seals_as_the_other_implementation_of_rfc_8439_does() {
        for len in [0, 1, 15, 16, 17, 64, 1000] {
            let plain = vec![0x5a; len];
            let mut expected = plain.clone();
            ChaCha20Poly1305::new(&[7; 32].into())
                .encrypt_in_place(&Nonce::default(), b"head", &mut expected)
                .unwrap();
            assert_eq!(key().seal(b"head", &plain), expected);
            assert_eq!(**key().open(b"head", &expected).unwrap(), plain);
        }
    }

    #[test]
    fn another_key_head_or_byte_does_not_open() {
        let sealed = key().seal(b"head", b"plain");
        let other = SealKey::new(Secret::take(&mut [8; 32]));
        assert_eq!(other.open(b"head", &sealed), Err(DoesNotOpen));
        assert_eq!(key().open(b"heae", &sealed), Err(DoesNotOpen));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(key().open(b"head", &changed), Err(DoesNotOpen));
            assert_eq!(key().open(b"head", &sealed[..at]), Err(DoesNotOpen));
        }
    }
}
