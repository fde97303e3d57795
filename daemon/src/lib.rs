//! `llarpd`: what node runners and newcomers run.
//!
//! In: the command line. Out: text for people, JSON for programs, and an exit code for scripts. *Not*
//! here: the transport, which is `llarp-core`.

pub mod bench;
pub mod cli;
pub mod client;
pub mod demo;
pub mod devnet;
pub mod files;
pub mod log;
pub mod onion;
pub mod place;
pub mod registry;
pub mod relay;
pub mod sources;
pub mod storer;
pub mod view;
