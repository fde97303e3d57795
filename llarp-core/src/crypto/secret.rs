//! Secret bytes: boxed so that moves leave no copies, zeroized on drop, never shown, compared in
//! constant time. A type per key, so that no key is taken for another.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// `N` secret bytes. The named key types wrap it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Takes over `bytes` and zeroizes the caller's copy.
    #[must_use]
    pub fn take(bytes: &mut [u8; N]) -> Self {
        let mut boxed = Box::new([0; N]);
        boxed.copy_from_slice(bytes);
        bytes.zeroize();
        Self(boxed)
    }

    /// Draws the bytes from `rng`.
    #[must_use]
    pub fn random(rng: &mut impl rand_core::CryptoRng) -> Self {
        let mut boxed = Box::new([0; N]);
        rng.fill_bytes(&mut *boxed);
        Self(boxed)
    }

    /// The bytes, for the one computation that needs them.
    #[must_use]
    pub const fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret<{N}>(redacted)")
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

/// Declares key types over [`Secret`], each with its own name and document.
macro_rules! secret_type {
    ($($(#[$doc:meta])* $name:ident($len:literal);)+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name($crate::crypto::secret::Secret<$len>);

        impl $name {
            /// Names these secret bytes.
            #[must_use]
            pub const fn new(bytes: $crate::crypto::secret::Secret<$len>) -> Self {
                Self(bytes)
            }

            /// The bytes, for the one computation that needs them.
            #[must_use]
            pub const fn expose(&self) -> &[u8; $len] {
                self.0.expose()
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    )+};
}
pub(crate) use secret_type;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_byte_and_the_source_is_zeroized() {
        let mut bytes = [0xab; 32];
        let secret = Secret::take(&mut bytes);
        assert_eq!(bytes, [0; 32]);
        assert_eq!(format!("{secret:?}"), "Secret<32>(redacted)");
        assert_eq!(secret.expose(), &[0xab; 32]);
    }
}
