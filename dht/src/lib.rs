//! Where introsets are kept: a Kademlia table among the relays, over llarp's own links.
//!
//! Empty so far. What will live here: a transport that carries `libp2p-kad` over the relay's one
//! endpoint, and a record store that admits a record only after checking it. The crate will
//! implement a trait that `llarp-core` declares; nothing in `llarp-core` names this crate, and
//! clients never speak to it: they ask a terminal.
