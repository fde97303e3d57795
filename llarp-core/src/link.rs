//! QUIC between two machines: who the other one is, cells, and requests.
//!
//! In: a UDP socket, the relay's key, whom to dial. Out: [`Link`]s, dialled with [`Endpoint::dial`]
//! or handed to the [`Handler`] of their protocol. *Not* here: what a cell or a request means,
//! paths, queues between links, choosing whom to dial. Specification: `docs/spec/05-link.md`.
//!
//! ```text
//!            one UDP socket
//!  ┌────────────┴────────────┐
//!  │ Endpoint                │ dial(relay id, address) ──▶ Link ─┐
//!  │ TLS: raw key = relay id │                                  │ cells     1312 bytes, unordered
//!  │ Knocks: who may come in │ serve(handlers) ──▶ Link ─────────┤ requests  kind ‖ body → reply
//!  │ Table: who has to go    │  by protocol (ALPN)               ┘ close(code), closed()
//!  └─────────────────────────┘
//! ```
//!
//! Everything runs in a tokio runtime and takes the time from it, so that tests can pause it.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod accept;
mod backoff;
mod cells;
mod config;
mod congestion;
mod connection;
mod dial;
mod endpoint;
mod error;
mod knocks;
mod narrow;
mod origin;
mod outlet;
mod pace;
mod quic;
mod redial;
mod request;
mod socket;
mod table;
mod tls;

pub use accept::{Handler, Handlers};
pub use backoff::Backoff;
pub use config::{EndpointConfig, KeyExchange, KnownRelays, Limits, Protocol, Role};
pub use connection::{Link, Peer};
pub use endpoint::Endpoint;
pub use error::{
    CloseCode, DialError, LinkClosed, RecvError, Remedy, RequestError, SendError, StartError,
};
pub use knocks::KnockCounts;
pub(crate) use origin::network;
pub(crate) use outlet::until;
pub use outlet::{Carriage, Outlet, Waiting};
pub use pace::Pace;
pub use redial::Redialer;
pub use request::{IncomingRequest, parse_reply, parse_request};
