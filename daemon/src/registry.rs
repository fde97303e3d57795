//! `llarpd registry`: what the authorities of a network do, and what everybody can look at.
//!
//! In: commands, and files that people carry between machines. Out: files, and text for people. *Not*
//! here: what a snapshot is and who believes it, which is `llarp_core::registry`; where nodes fetch it
//! from, which is [`crate::sources`]. Specification: `docs/spec/09-registry.md` §10.
//!
//! ```text
//! machine A (folder)                 machine B (key)          any web server
//! create ─▶ add, remove, import
//!           draft ── draft file ──▶  sign ── signature ─┐
//!           publish ◀───────────────────────────────────┘
//!              └───────── snapshot, delta ──────────────────▶ folder ──▶ fetch
//! ```

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod args;
mod change;
mod create;
mod draft;
pub mod draft_file;
mod error;
mod fetch;
mod folder;
mod heights;
mod network_file;
pub mod pending;
mod publish;
mod show;
mod sign;
mod text;
mod words;

pub use error::RegistryError;
pub use network_file::{
    BOOTSTRAPS_LEAST, BOOTSTRAPS_MAX, Bootstrap, NETWORK_FILE_MAX, NetworkFile, NetworkFileError,
};

use core::future::Future;
use std::io::{self, Write};

use args::RegistryCommand;

/// Carries out a command, with its text to `out`.
///
/// # Errors
/// [`RegistryError`]: one line that says what to do.
pub fn run(command: RegistryCommand, out: &mut dyn Write) -> Result<(), RegistryError> {
    match command {
        RegistryCommand::Keygen(args) => create::keygen(&args, out),
        RegistryCommand::Create(args) => create::create(&args, out),
        RegistryCommand::Add(args) => change::add(&args, out),
        RegistryCommand::Remove(args) => change::remove(&args, out),
        RegistryCommand::Import(args) => change::import(&args, out),
        RegistryCommand::Relays(args) => show::relays(&args, out),
        RegistryCommand::Draft(args) => draft::draft(&args, out),
        RegistryCommand::Replace(args) => draft::replace(&args, out),
        RegistryCommand::Sign(args) => sign::sign(&args, out),
        RegistryCommand::Publish(args) => publish::publish(&args, out),
        RegistryCommand::Fetch(args) => fetch::fetch(&args, out),
        RegistryCommand::Show(args) => show::show(&args, out),
    }
}

/// Waits for what is fetched, but for no lookup that was given up.
fn wait_for<T>(fetched: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let got = runtime.block_on(fetched);
    runtime.shutdown_background();
    Ok(got)
}
