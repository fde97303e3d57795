//! What the scenarios under `scenarios/` share. Sizes and evidence: `docs/testing.md`.

mod evidence;
pub mod forwarder;
mod heavy;
pub mod introsets;
pub mod net;
pub mod registered;
pub mod store_contract;
pub mod testnet;

pub use heavy::{Heavy, Single};

/// Prints what a scenario has measured; `--nocapture` shows it.
#[expect(
    clippy::print_stdout,
    reason = "figures of a test are for whoever runs it"
)]
pub fn figure(said: &str) {
    println!("{said}");
}
