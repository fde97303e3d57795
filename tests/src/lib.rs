//! What the scenarios under `scenarios/` share. Sizes and evidence: `docs/testing.md`.

mod evidence;
pub mod forwarder;
mod heavy;
pub mod net;
pub mod testnet;

pub use heavy::{Heavy, is_full};
