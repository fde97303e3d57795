//! **llarp**, an onion-routed overlay transport.
//!
//! The layers, in the order of the packet's way. Each names only layers above it in this list; a
//! test in the `tests` package holds the house to that.
//!
//! | layer | what it is | specification |
//! |---|---|---|
//! | [`wire`] | bytes ↔ values, and every limit | `docs/spec/00-wire.md` |
//! | [`crypto`] | identities, blinding, KEM, Noise, HCTR2, key schedule | `docs/spec/01-crypto.md` |
//! | [`cell`] | the constant-size unit of the data plane and its onion layers | `docs/spec/02-cell.md` |
//! | [`build`] | the one-round-trip path-build message, both sides | `docs/spec/03-build.md` |
//! | [`hop`] | a relay's table of paths, fairness, admission | `docs/spec/04-hop.md` |
//! | `store` | durable tables with group commit (feature `net`) | `docs/decisions.md` |
//! | `link` | QUIC between two machines: cells and requests (feature `net`) | `docs/spec/05-link.md` |
//!
//! All but `store` and `link` are **pure**: no socket, task, clock, disk or global random generator. Callers
//! pass the time and a random generator in; the same inputs give the same bytes. Without the
//! feature `net`, the pure layers are all there is.

pub mod wire;

pub mod crypto;

pub mod cell;

pub mod build;

pub mod hop;
#[cfg(feature = "net")]
pub mod link;
#[cfg(feature = "net")]
pub mod store;
