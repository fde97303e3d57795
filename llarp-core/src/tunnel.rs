//! Tunnels: encrypted QUIC connections with a far end, over whatever carries packets.
//!
//! In: a [`Carrier`] that takes packets for paths, packets that come over paths, keys or whom to
//! call. Out: [`Tunnel`]s with streams and datagrams, and the services of a terminal. *Not* here:
//! paths, cells, choosing relays, when to change a path. Specification: `docs/spec/06-tunnel.md`.
//!
//! ```text
//!   connect(path, far end) ─▶ Tunnel ─┬ open_bi("echo/1") ─▶ BiStream      serve(keys)
//!                                     ├ send_datagram                      accept() ─▶ Tunnel
//!                                     └ move_to(other path)                serve_tunnel(services)
//!  ┌───────────────────────────────────────────────────────────────────────────────────────────┐
//!  │ Tunnels: quinn, with Noise in place of TLS; a path's number in place of an address        │
//!  └──────┬───────────────────────────────────────────────────────────────────────▲────────────┘
//!         ▼ Carrier::send(path, packet ≤ 1277 bytes)                              │ deliver(path, packet)
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

mod carrier;
mod cids;
mod config;
mod connection;
mod describe;
mod endpoint;
mod error;
mod gate;
pub mod handshake;
mod keys;
mod quic;
mod route;
mod services;
mod session;
mod socket;
mod stream;

pub use carrier::{Carrier, Full, PathNumber};
pub use config::{TunnelConfig, TunnelLimits};
pub use connection::{Traffic, Tunnel};
pub use describe::{DescribeError, Description, describe};
pub use endpoint::Tunnels;
pub use error::{ConnectError, DatagramError, NoRuntime, StreamError, TunnelClosed, TunnelCode};
pub use handshake::{FarEnd, HandshakeError, TunnelKeys};
pub use route::PathTaken;
pub use services::{Caller, Describe, Echo, Services, Serving, TerminalService, serve_tunnel};
pub use stream::{BiStream, IncomingStream, ServiceName, Status};
