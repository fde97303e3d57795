//! A client's choices: which relays its paths run over, and how long a path lives.
//!
//! In: the list of relays, the client's [`Profile`], what became of builds, links and probes, the
//! time, a random generator. Out: a [`Route`]; what to ask, start or retire now. *Not* here: links,
//! builds and their keys, tunnels, the disk that a profile is kept on.
//! Specification: `docs/spec/07-path.md`.
//!
//! ```text
//!  RelayList ─┐                                   ┌▶ guard        one of the first two reachable
//!  Profile  ──┼─▶ choose(want, now, rng) ─▶ Route ┼▶ second hop   one of a sticky four
//!   ▲         │                                   ├▶ third hop    fresh, or the wanted terminal
//!   │                                             └▶ wanted       of an aligned path
//!   └── update, link_up, link_failed, built, failed, …
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

mod attempts;
mod choose;
mod draw;
mod guards;
mod health;
pub mod life;
pub mod pool;
mod probing;
mod profile;
mod route;
mod time;

pub use attempts::{Attempts, WaitFor};
pub use choose::{ChooseError, choose};
pub use probing::{Answered, Ask, Loss, PathState, Probing};
pub use profile::Profile;
pub use route::{Diversity, Route, Want};
pub use time::Seconds;

pub use crate::wire::Millis;
