//! `llarpd`: what node runners and newcomers run.
//!
//! In: the command line. Out: text for people, and an exit code for scripts. *Not* here: the
//! transport, which is `llarp-core`. So far there is one command, [`demo`], and it runs in memory:
//! links over real sockets are the next stage.

pub mod bench;
pub mod cli;
pub mod client;
pub mod demo;
pub mod devnet;
pub mod files;
pub mod registry;
pub mod relay;
pub mod sources;
