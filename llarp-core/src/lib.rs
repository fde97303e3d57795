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
//! | [`registry`] | the relays that count, how to reach them, agreeing on their keys | `docs/spec/09-registry.md`, `docs/spec/10-directory.md`, `docs/spec/11-swarms.md` |
//! | [`introset`] | where an identity can be met, sealed for whoever knows its address | `docs/spec/12-introsets.md` |
//! | [`build`] | the one-round-trip path-build message, both sides | `docs/spec/03-build.md` |
//! | [`hop`] | a relay's table of paths, fairness, admission | `docs/spec/04-hop.md` |
//! | [`path`] | a client's choices: relays, guards, the life of a path | `docs/spec/07-path.md` |
//! | `clock` | the wall clock, real or virtual (feature `net`) | |
//! | `store` | durable tables with group commit (`net`) | |
//! | `link` | QUIC between two machines: cells and requests (`net`) | `docs/spec/05-link.md` |
//! | `tunnel` | encrypted QUIC connections over paths (`net`) | `docs/spec/06-tunnel.md` |
//! | `directory` | what a node knows of its network, shared, kept and compared (`net`) | `docs/spec/10-directory.md` |
//! | `storer` | introsets at the end of a path, and the trait of who stores them (`net`) | `docs/spec/12-introsets.md` |
//! | `relay` | a relay's driver (`net`) | `docs/spec/08-relay.md` |
//! | `client` | a client's driver: paths, pools, tunnels that last (`net`) | `docs/spec/08-relay.md` |
//!
//! All above `clock` are **pure**: no socket, task, clock, disk or global random generator. Callers
//! pass the time and a random generator in; the same inputs give the same bytes. Without the
//! feature `net`, the pure layers are all there is.

pub mod wire;

pub mod crypto;

pub mod cell;

pub mod registry;

pub mod introset;

pub mod build;

pub mod hop;

pub mod path;

#[cfg(feature = "net")]
pub mod client;
#[cfg(feature = "net")]
pub mod clock;
#[cfg(feature = "net")]
pub mod directory;
#[cfg(feature = "net")]
pub mod link;
#[cfg(feature = "net")]
pub mod relay;
#[cfg(feature = "net")]
pub mod store;
#[cfg(feature = "net")]
pub mod storer;
#[cfg(feature = "net")]
pub mod tunnel;
