//! What a node's tunnels are told: network, seed, bounds.

use core::time::Duration;

use crate::crypto::hash::NetworkId;
use crate::crypto::secret::Secret;
use crate::wire::limits;

/// Everything that a node's tunnels are told.
#[derive(Debug, Clone)]
pub struct TunnelConfig {
    /// The network; no tunnel leads into another.
    pub network: NetworkId,
    /// 32 fresh random bytes, never used twice: ephemeral keys come from them.
    pub seed: Secret<32>,
    /// How often a tunnel that we called breaks silence; `None` never. Each costs two cells.
    pub keep_alive: Option<Duration>,
    /// Bounds on callers.
    pub limits: TunnelLimits,
}

impl TunnelConfig {
    /// The safe configuration in `network`.
    #[must_use]
    pub fn new(network: NetworkId, seed: Secret<32>) -> Self {
        Self {
            network,
            seed,
            keep_alive: Some(limits::TUNNEL_KEEP_ALIVE),
            limits: TunnelLimits::default(),
        }
    }
}

/// How many tunnels and handshakes callers may have. The defaults are in [`limits`], with reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TunnelLimits {
    /// Tunnels at a time.
    pub tunnels: usize,
    /// Tunnels over one path at a time.
    pub tunnels_per_path: usize,
    /// Tunnels over one link at a time.
    pub tunnels_per_link: usize,
    /// Tunnels of the strangers of one network at a time, over links of their own.
    pub tunnels_per_network: usize,
    /// Handshakes at a time.
    pub handshakes: usize,
    /// Handshakes over one path at a time.
    pub handshakes_per_path: usize,
    /// Handshakes over one link at a time.
    pub handshakes_per_link: usize,
    /// Handshakes of the strangers of one network at a time, over links of their own.
    pub handshakes_per_network: usize,
    /// Bytes held for an application that does not read, a tunnel.
    pub window: u32,
}

impl Default for TunnelLimits {
    fn default() -> Self {
        Self {
            tunnels: limits::TUNNELS_MAX,
            tunnels_per_path: limits::TUNNELS_PER_PATH,
            tunnels_per_link: limits::TUNNELS_PER_LINK,
            tunnels_per_network: limits::TUNNELS_PER_NETWORK,
            handshakes: limits::TUNNEL_HANDSHAKES_MAX,
            handshakes_per_path: limits::TUNNEL_HANDSHAKES_PER_PATH,
            handshakes_per_link: limits::TUNNEL_HANDSHAKES_PER_LINK,
            handshakes_per_network: limits::TUNNEL_HANDSHAKES_PER_NETWORK,
            window: limits::TUNNEL_ACCEPT_WINDOW,
        }
    }
}
