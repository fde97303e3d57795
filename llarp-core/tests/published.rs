//! Known answers of others for every primitive, and what our own face over them promises.
//!
//! Each file beside this one, `published/*.json`, says where its vectors come from.

mod blind;
mod ed25519;
mod hctr2;
mod identity;
mod kem;
mod key_file;
mod names;
mod noise;
mod symmetric;
mod x25519;

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::CompressedEdwardsY;
use data_encoding::HEXLOWER;
use llarp_core::crypto::identity::{PublicKey, SecretKey, Seed};
use llarp_core::crypto::secret::Secret;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Bytes in hex, of any length.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Bytes(Vec<u8>);

impl TryFrom<String> for Bytes {
    type Error = data_encoding::DecodeError;

    fn try_from(hex: String) -> Result<Self, Self::Error> {
        HEXLOWER.decode(hex.as_bytes()).map(Self)
    }
}

/// `N` bytes in hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Bytes")]
struct Hex<const N: usize>([u8; N]);

impl<const N: usize> TryFrom<Bytes> for Hex<N> {
    type Error = String;

    fn try_from(Bytes(bytes): Bytes) -> Result<Self, String> {
        let found = bytes.len();
        let array = bytes.try_into().map(Self);
        array.map_err(|_| format!("{N} bytes expected, {found} found"))
    }
}

/// What Wycheproof says of a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Valid,
    Invalid,
    Acceptable,
}

/// The `count` vectors in `json`. A file that lost some of them fails here.
fn vectors<T: DeserializeOwned>(json: &str, count: usize) -> Vec<T> {
    #[derive(Deserialize)]
    struct File<T> {
        vectors: Vec<T>,
    }
    let File { vectors } = serde_json::from_str(json).unwrap();
    assert_eq!(vectors.len(), count);
    vectors
}

fn secret_key(seed: [u8; 32]) -> SecretKey {
    SecretKey::from_seed(Seed::new(secret(seed)))
}

fn secret<const N: usize>(mut bytes: [u8; N]) -> Secret<N> {
    Secret::take(&mut bytes)
}

/// An honest key with another torsion component in each of the seven.
fn torsioned(key: &PublicKey) -> impl Iterator<Item = [u8; 32]> {
    let honest = CompressedEdwardsY(*key.as_bytes()).decompress().unwrap();
    let torsion = EIGHT_TORSION.into_iter().skip(1);
    torsion.map(move |torsion| (honest + torsion).compress().to_bytes())
}
