//! Where introsets are kept: a Kademlia table among the relays, over llarp's own links.
//!
//! In: a relay's endpoint, who is registered, what a value must be ([`Rules`]). Out: values kept for
//! others, [`Dht::put`], [`Dht::find`]. *Not* here: what a value means, who may publish what, and
//! clients: they ask a terminal, and never speak to the table. Specification: `docs/spec/13-dht.md`.
//!
//! ```text
//!  put, search ─▶ Actor ─▶ Guard ─▶ libp2p's Kademlia ─▶ Muxer ─ streams ─▶ Link (llarp-dht/1)
//!    (a thread)     │        │ judges, counts, drops                          over the relay's
//!                   │        ▼                                                one endpoint
//!                   └───▶ Shelf: Records ─ behind ─▶ Store
//! ```
//!
//! libp2p brings the messages, the queries and their time limits. What it does not bring here: its
//! transports, its routing (every relay knows all relays from the registry), its expiry (by its own
//! clock, which a restart loses), its republishing, and its providers.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod actor;
mod bucket;
mod counters;
mod error;
mod guard;
mod hear;
mod introsets;
mod lookup;
mod members;
mod muxer;
mod names;
mod records;
mod rules;
mod shelf;
mod stream;
mod table;
mod transport;

pub use counters::Stats;
pub use error::{DhtError, StartError};
pub use hear::{Heard, hear};
pub use introsets::{IntrosetRules, IntrosetTable, storers};
pub use members::{Member, Members};
pub use names::Key;
pub use records::{Bounds, Records, Verdict};
pub use rules::{Invalid, Judged, Order, Rules};
pub use table::{Dht, DhtConfig, Search};
