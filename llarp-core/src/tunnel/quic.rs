//! QUIC's settings: packet sizes, windows, timers.

use std::sync::Arc;

use quinn::congestion::BbrConfig;
use quinn::{AckFrequencyConfig, IdleTimeout, NoneTokenStore, TransportConfig, VarInt};

use super::cids::Cids;
use super::config::TunnelConfig;
use super::handshake::{Draws, FarEnd, TunnelKeys};
use super::session::{Callee, Caller, QUIC_VERSION};
use crate::crypto::hash::{derive, label};
use crate::wire::limits;

/// QUIC's settings for all tunnels of a node.
pub(super) fn endpoint(config: &TunnelConfig) -> quinn::EndpointConfig {
    let of = |label| derive(&config.seed, label, &config.network, &[]);
    let reset = of(label::TUNNEL_RESET_KEY);
    let reset = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, reset.expose());
    let mut endpoint = quinn::EndpointConfig::new(Arc::new(reset));
    let seed = of(label::TUNNEL_QUIC_SEED);
    let cids = Cids::new(&config.seed, config.network);
    endpoint
        .cid_generator(move || Box::new(cids.clone()))
        .rng_seed(Some(*seed.expose()))
        .supported_versions(vec![QUIC_VERSION]);
    endpoint
}

/// How a node calls `far`.
pub(super) fn caller(config: &TunnelConfig, draws: &Draws, far: FarEnd) -> quinn::ClientConfig {
    let caller = Caller {
        network: config.network,
        far,
        draws: draws.clone(),
    };
    let mut client = quinn::ClientConfig::new(Arc::new(caller));
    let mut transport = transport(limits::TUNNEL_WINDOW);
    transport
        .keep_alive_interval(config.keep_alive)
        .max_concurrent_bidi_streams(VarInt::from_u32(0));
    client
        .version(QUIC_VERSION)
        .token_store(Arc::new(NoneTokenStore))
        .transport_config(Arc::new(transport));
    client
}

/// How a node answers callers.
pub(super) fn callee(
    config: &TunnelConfig,
    draws: &Draws,
    keys: Arc<dyn TunnelKeys>,
) -> quinn::ServerConfig {
    let callee = Callee {
        network: config.network,
        keys,
        draws: draws.clone(),
    };
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(callee));
    // No NEW_TOKEN: a token would link the caller's later tunnels to this one.
    server.validation_token.sent(0);
    let handshakes = config.limits.handshakes;
    let mut transport = transport(config.limits.window);
    // Anybody may call: what is held for one is far less than what we hold for our own calls.
    transport
        .send_window(u64::from(limits::TUNNEL_ACCEPT_SEND))
        .datagram_send_buffer_size(limits::TUNNEL_ACCEPT_DATAGRAMS)
        .datagram_receive_buffer_size(Some(limits::TUNNEL_ACCEPT_DATAGRAMS));
    server
        .transport_config(Arc::new(transport))
        .max_incoming(handshakes)
        .incoming_buffer_size(limits::TUNNEL_INCOMING_BUFFER)
        .incoming_buffer_size_total(limits::TUNNEL_INCOMING_BUFFER * handshakes as u64);
    server
}

/// `window`: bytes that we hold for an application that does not read.
fn transport(window: u32) -> TransportConfig {
    let mut transport = TransportConfig::default();
    let idle = u32::try_from(limits::TUNNEL_IDLE.as_millis()).unwrap_or(u32::MAX);
    let packet = u16::try_from(limits::TUNNEL_PACKET_MAX).unwrap_or(u16::MAX);
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(limits::TUNNEL_ACK_EVERY));
    transport
        .initial_mtu(packet)
        .min_mtu(packet)
        .mtu_discovery_config(None)
        .allow_spin(false)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(idle))))
        .congestion_controller_factory(Arc::new(BbrConfig::default()))
        .ack_frequency_config(Some(acks))
        .max_concurrent_bidi_streams(VarInt::from_u32(limits::TUNNEL_STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(window))
        .receive_window(VarInt::from_u32(window))
        .send_window(u64::from(limits::TUNNEL_WINDOW))
        .crypto_buffer_size(limits::TUNNEL_HANDSHAKE_MAX * 2)
        .datagram_send_buffer_size(limits::TUNNEL_DATAGRAM_BUFFER)
        .datagram_receive_buffer_size(Some(limits::TUNNEL_DATAGRAM_BUFFER));
    transport
}
