//! Our own test vectors: `docs/spec/vectors/*.json`, for whoever writes another implementation.
//!
//! One generator makes them and a test compares bit for bit; other tests read the files and use
//! nothing but what stands in them. After a deliberate change of the wire, rewrite them with
//! `LLARP_WRITE_VECTORS=1 cargo test -p llarp-core --test core vectors`.

mod build;
mod cell;
mod crypto;
mod directory;
mod introset;
mod registry;
mod swarm;

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Infallible, Rng, TryCryptoRng, TryRng};
use serde_json::Value;

/// A generator that remembers what it gave, so that a vector can state its randomness.
struct Recorder {
    rng: ChaCha20Rng,
    drawn: Vec<u8>,
}

impl Recorder {
    fn new(seed: u64) -> Self {
        let rng = crate::support::rng(seed);
        let drawn = Vec::new();
        Self { rng, drawn }
    }

    fn take(&mut self) -> String {
        hex(&std::mem::take(&mut self.drawn))
    }
}

impl TryRng for Recorder {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        self.rng.fill_bytes(dst);
        self.drawn.extend_from_slice(dst);
        Ok(())
    }
}

impl TryCryptoRng for Recorder {}

/// Gives back what a [`Recorder`] drew.
struct Playback(Vec<u8>);

impl TryRng for Playback {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("vectors draw whole byte strings")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("vectors draw whole byte strings")
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(dst.len());
        dst.copy_from_slice(&self.0);
        self.0 = rest;
        Ok(())
    }
}

impl TryCryptoRng for Playback {}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

/// The bytes of a hex field.
fn bytes(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn path(name: &str) -> PathBuf {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/spec/vectors");
    PathBuf::from(root).join(format!("{name}.json"))
}

fn read(name: &str) -> Value {
    let text = std::fs::read_to_string(path(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn generator_reproduces_the_committed_vectors_bit_for_bit() {
    for (name, made) in [
        ("crypto", crypto::make()),
        ("cell", cell::make()),
        ("build", build::make()),
        ("swarm", swarm::make()),
        ("registry", registry::make()),
        ("directory", directory::make()),
        ("introset", introset::make()),
    ] {
        let made = serde_json::to_string_pretty(&made).unwrap() + "\n";
        if std::env::var_os("LLARP_WRITE_VECTORS").is_some() {
            std::fs::write(path(name), &made).unwrap();
        }
        let committed = std::fs::read_to_string(path(name)).unwrap();
        assert!(
            made == committed,
            "{name}.json differs from what the code makes"
        );
    }
}
