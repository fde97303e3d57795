//! QUIC's settings: packet sizes, buffers, timers, connection ids.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ConnectionId, ConnectionIdGenerator, IdleTimeout, NoneTokenStore, TransportConfig, VarInt,
};

use super::config::{EndpointConfig, Role};
use super::congestion::PipeModel;
use super::error::StartError;
use crate::crypto::hash::{NetworkId, derive, label};
use crate::crypto::secret::Secret;
use crate::wire::limits;

/// How a link carries cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// As QUIC datagrams in UDP payloads of 1350 bytes.
    Wide,
    /// As records of a stream in UDP payloads of 1200 bytes.
    Narrow,
}

impl Width {
    /// Length of the first destination connection id, which tells the server the width.
    const fn initial_cid_len(self) -> usize {
        match self {
            Self::Wide => 16,
            Self::Narrow => 20,
        }
    }

    /// What the first destination connection id of a handshake says. An unknown length is wide.
    pub(super) fn of_initial_cid(cid: &[u8]) -> Self {
        if cid.len() == Self::Narrow.initial_cid_len() {
            Self::Narrow
        } else {
            Self::Wide
        }
    }
}

/// Bytes of the connection ids that we choose. Longer ones would not leave room for a cell.
const CID_LEN: usize = 8;

/// QUIC's settings for one socket.
pub(super) fn endpoint(config: &EndpointConfig, cids: &Cids) -> quinn::EndpointConfig {
    let reset = match &config.role {
        Role::Relay { key, .. } => key.derive(label::LINK_RESET_KEY, &config.network),
        Role::Client => derive(&config.seed, label::LINK_RESET_KEY, &config.network, &[]),
    };
    let reset = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, reset.expose());
    let mut endpoint = quinn::EndpointConfig::new(Arc::new(reset));
    let seed = derive(&config.seed, label::LINK_QUIC_SEED, &config.network, &[]);
    endpoint.rng_seed(Some(*seed.expose()));
    let cids = cids.clone();
    endpoint.cid_generator(move || Box::new(cids.clone()));
    endpoint
}

/// How this machine accepts links of `width`.
pub(super) fn server(
    tls: Arc<rustls::ServerConfig>,
    width: Width,
) -> Result<quinn::ServerConfig, StartError> {
    let tls = QuicServerConfig::try_from(tls).map_err(|_| StartError::Tls)?;
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(tls));
    // No NEW_TOKEN: a token would link the client's later links to this one.
    server.validation_token.sent(0);
    server.transport_config(Arc::new(transport(true, width)));
    server.max_incoming(limits::HANDSHAKES_MAX);
    server.incoming_buffer_size(limits::INCOMING_BUFFER);
    server.incoming_buffer_size_total(limits::INCOMING_BUFFER * limits::HANDSHAKES_MAX as u64);
    Ok(server)
}

/// How this machine dials a link of `width`.
pub(super) fn client(
    tls: rustls::ClientConfig,
    relay: bool,
    width: Width,
    cids: &Cids,
) -> Result<quinn::ClientConfig, StartError> {
    let tls = QuicClientConfig::try_from(tls).map_err(|_| StartError::Tls)?;
    let mut client = quinn::ClientConfig::new(Arc::new(tls));
    client.token_store(Arc::new(NoneTokenStore));
    let cids = cids.clone();
    client.initial_dst_cid_provider(Arc::new(move || cids.next(width.initial_cid_len())));
    let mut transport = transport(relay, width);
    transport.keep_alive_interval(Some(limits::LINK_KEEP_ALIVE));
    client.transport_config(Arc::new(transport));
    Ok(client)
}

fn transport(relay: bool, width: Width) -> TransportConfig {
    let mut transport = TransportConfig::default();
    let idle = u32::try_from(limits::LINK_IDLE.as_millis()).unwrap_or(u32::MAX);
    transport
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(idle))))
        .mtu_discovery_config(None)
        .allow_spin(false)
        .congestion_controller_factory(Arc::new(PipeModel))
        .max_concurrent_bidi_streams(VarInt::from_u32(limits::REQUESTS_OPEN));
    match width {
        Width::Wide => wide(&mut transport, relay),
        Width::Narrow => narrow(&mut transport),
    }
    transport
}

fn wide(transport: &mut TransportConfig, relay: bool) {
    let (send, receive) = if relay {
        (
            limits::RELAY_SEND_CELLS * limits::CELL_LEN,
            limits::RELAY_RECV_CELLS * limits::CELL_LEN,
        )
    } else {
        (limits::CLIENT_CELL_BUFFER, limits::CLIENT_CELL_BUFFER)
    };
    // Windows of two of the largest requests a stream, eight a link.
    transport
        .initial_mtu(limits::LINK_UDP_PAYLOAD)
        .min_mtu(limits::LINK_UDP_PAYLOAD)
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(window(2 * limits::REQUEST_MAX))
        .receive_window(window(8 * limits::REQUEST_MAX))
        .send_window(8 * limits::REQUEST_MAX as u64)
        .datagram_send_buffer_size(send)
        .datagram_receive_buffer_size(Some(receive));
}

fn narrow(transport: &mut TransportConfig) {
    // Narrow links are slow or tunnelled: a window of 800 cells, and one stream a way for them.
    transport
        .initial_mtu(limits::NARROW_UDP_PAYLOAD)
        .min_mtu(limits::NARROW_UDP_PAYLOAD)
        .max_concurrent_uni_streams(VarInt::from_u32(1))
        .stream_receive_window(window(16 * limits::REQUEST_MAX))
        .receive_window(window(24 * limits::REQUEST_MAX))
        .send_window(16 * limits::REQUEST_MAX as u64)
        .datagram_receive_buffer_size(None);
}

fn window(bytes: usize) -> VarInt {
    VarInt::from_u32(u32::try_from(bytes).unwrap_or(u32::MAX))
}

/// Connection ids: a keyed hash of a counter. They do not repeat, and nobody else can predict one
/// or tell two of one machine.
///
/// Not quinn's default: that one marks its ids with a key that a restart loses, so that a restarted
/// relay would not even reset the links that it forgot.
#[derive(Clone)]
pub(super) struct Cids {
    key: Secret<32>,
    network: NetworkId,
    count: Arc<AtomicU64>,
}

impl Cids {
    pub(super) fn new(seed: &Secret<32>, network: NetworkId) -> Self {
        Self {
            key: derive(seed, label::LINK_CONNECTION_ID, &network, &[]),
            network,
            count: Arc::default(),
        }
    }

    fn next(&self, len: usize) -> ConnectionId {
        let count = self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let bytes = derive(
            &self.key,
            label::LINK_CONNECTION_ID,
            &self.network,
            &[&count],
        );
        ConnectionId::new(bytes.expose().get(..len).unwrap_or(bytes.expose()))
    }
}

impl ConnectionIdGenerator for Cids {
    fn generate_cid(&mut self) -> ConnectionId {
        self.next(CID_LEN)
    }

    fn cid_len(&self) -> usize {
        CID_LEN
    }

    fn cid_lifetime(&self) -> Option<core::time::Duration> {
        None
    }
}
