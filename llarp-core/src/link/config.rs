//! What an endpoint is told: its role, its network, its bounds.

use core::fmt;
use std::sync::Arc;

use super::pace::Pace;
use crate::crypto::hash::{NetworkId, hash, label};
use crate::crypto::identity::{RelayId, SecretKey};
use crate::crypto::secret::Secret;
use crate::registry::RelayList;
use crate::wire::limits;

/// Which relays count. Asked in each handshake of a peer that claims to be one.
pub trait KnownRelays: fmt::Debug + Send + Sync {
    /// Whether `id` is a registered relay, whose key was checked when the registry was read.
    fn is_known(&self, id: &RelayId) -> bool;
}

impl KnownRelays for RelayList {
    fn is_known(&self, id: &RelayId) -> bool {
        self.get(id).is_some()
    }
}

/// What the machine is on its links.
#[derive(Debug, Clone)]
pub enum Role {
    /// Dials, without a name of its own.
    Client,
    /// Dials and is dialled, and proves its key both ways.
    Relay {
        /// The relay's key; its public half is the relay's id.
        key: Arc<SecretKey>,
        /// The relays that it lets in by their names.
        known: Arc<dyn KnownRelays>,
    },
}

/// A protocol that runs on links: `llarp/1` and the like. Fewer than 200 bytes of ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Protocol(pub &'static str);

impl Protocol {
    /// Cells, builds and control between relays, and from clients to relays.
    pub const CELLS: Self = Self("llarp/1");

    /// The table of introsets, between relays.
    pub const DHT: Self = Self("llarp-dht/1");

    /// The name in the handshake (ALPN): `protocol "/" hex(8 bytes of a hash of the network id)`,
    /// so that two networks never link.
    #[must_use]
    pub fn alpn(self, network: &NetworkId) -> Vec<u8> {
        let mark = hash(label::LINK_NETWORK, network, &[]);
        let mark = data_encoding::HEXLOWER.encode(mark.first_chunk::<8>().unwrap_or(&[0; 8]));
        format!("{}/{mark}", self.0).into_bytes()
    }
}

/// Which key exchanges an endpoint takes part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyExchange {
    /// X25519MLKEM768 first, then X25519.
    #[default]
    HybridPreferred,
    /// X25519MLKEM768 alone: what is recorded today stays closed to quantum computers.
    HybridRequired,
}

/// How many links and handshakes, and from where. The defaults are in [`limits`], with reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Accepted links at a time.
    pub links: usize,
    /// Anonymous links from one source at a time.
    pub links_per_source: usize,
    /// Anonymous links from one network at a time.
    pub links_per_network: usize,
    /// Accepted links of one relay at a time.
    pub links_per_relay: usize,
    /// Handshakes at a time.
    pub handshakes: usize,
    /// Handshakes at a time above which an address must be proven first (QUIC Retry).
    pub handshakes_unproven: usize,
    /// Handshakes from one source at a time.
    pub handshakes_per_source: usize,
    /// Handshakes with addresses that are not proven.
    pub handshake_pace_unproven: Pace,
    /// Handshakes of all strangers with proven addresses.
    pub handshake_pace: Pace,
    /// Handshakes from sources where relays have proven their keys, before they count as strangers'.
    pub handshake_pace_relays: Pace,
    /// Handshakes from one source.
    pub handshake_pace_per_source: Pace,
    /// Handshakes from one network.
    pub handshake_pace_per_network: Pace,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            links: limits::LINKS_MAX,
            links_per_source: limits::LINKS_PER_SOURCE,
            links_per_network: limits::LINKS_PER_NETWORK,
            links_per_relay: limits::LINKS_PER_RELAY,
            handshakes: limits::HANDSHAKES_MAX,
            handshakes_unproven: limits::HANDSHAKES_UNPROVEN,
            handshakes_per_source: limits::HANDSHAKES_PER_SOURCE,
            handshake_pace_unproven: Pace {
                at_once: limits::HANDSHAKES_UNPROVEN_AT_ONCE,
                per_second: limits::HANDSHAKES_UNPROVEN_A_SECOND,
            },
            handshake_pace: Pace {
                at_once: limits::HANDSHAKES_AT_ONCE,
                per_second: limits::HANDSHAKES_A_SECOND,
            },
            handshake_pace_relays: Pace {
                at_once: limits::RELAY_HANDSHAKES_AT_ONCE,
                per_second: limits::RELAY_HANDSHAKES_A_SECOND,
            },
            handshake_pace_per_source: Pace {
                at_once: limits::SOURCE_HANDSHAKES_AT_ONCE,
                per_second: limits::SOURCE_HANDSHAKES_A_SECOND,
            },
            handshake_pace_per_network: Pace {
                at_once: limits::NETWORK_HANDSHAKES_AT_ONCE,
                per_second: limits::NETWORK_HANDSHAKES_A_SECOND,
            },
        }
    }
}

/// Everything an endpoint is told.
#[derive(Debug, Clone)]
pub struct EndpointConfig {
    /// What the machine is.
    pub role: Role,
    /// The network; no link leads into another.
    pub network: NetworkId,
    /// 32 fresh random bytes, never used twice: connection ids come from them.
    pub seed: Secret<32>,
    /// Bounds.
    pub limits: Limits,
    /// Key exchanges.
    pub key_exchange: KeyExchange,
}

impl EndpointConfig {
    /// The safe configuration of `role` in `network`.
    #[must_use]
    pub fn new(role: Role, network: NetworkId, seed: Secret<32>) -> Self {
        Self {
            role,
            network,
            seed,
            limits: Limits::default(),
            key_exchange: KeyExchange::default(),
        }
    }
}
