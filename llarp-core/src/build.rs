//! The path-build message: one round trip, forward secret, hybrid, in Sphinx's structure.
//!
//! In: relays and their onion keys at the client; requests and replies at a relay. Out: the keys of
//! every hop's onion layers, or the hop that failed, which the client alone learns. State machines
//! without time, tasks or sockets; a transition consumes the state. *Not* here: links, timeouts,
//! rate limits, the choice of relays. Specification: `docs/spec/03-build.md`.
//!
//! ```text
//! request  ┌ version ┬ path id ┬ slot 0 ┬ slot 1 ┬ slot 2 ┬ slot 3 ┬ slot 4 ┐  6,729 bytes
//! reply    ┌ version ┬ path id ┬ answer ┬ answer ┬ answer ┬ answer ┬ answer ┐    809 bytes
//!
//! each hop   opens slot 0, drops it, appends a zero slot, XORs all five with its stream
//!            drops the last answer, shifts, enciphers the four, puts its own in front
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

mod answer;
mod client;
mod message;
mod relay;
mod replay;
mod slot;

pub use answer::{Decline, Status};
pub use client::{BuildFailed, BuildHop, Cause, Charge, ExpectReply, StartError, start_build};
pub use message::{BuildReply, BuildRequest};
pub use relay::{
    AuthenticBuild, AwaitNext, ForwardBuild, FreshBuild, OnionKeys, OpenedBuild, Refusal,
    RefusalCause, RelayContext, TerminalBuild, open_build, screen_build,
};
pub use replay::ReplayCache;
pub use slot::{EXTENSION_MAX, Minute};
