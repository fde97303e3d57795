//! Dialling: wide first, narrow when nothing of 1350 bytes comes through.

use std::net::SocketAddr;

use quinn::{ConnectError, Connecting};
use tokio::time::timeout;

use super::cells::Lane;
use super::config::{Protocol, Role};
use super::connection::{Link, Peer};
use super::endpoint::{Endpoint, Shared};
use super::error::{CloseCode, DialError};
use super::quic::{self, Cids, Width};
use super::table::Rank;
use crate::crypto::identity::RelayId;
use crate::wire::limits::{HANDSHAKE_TIME, WIDE_HANDSHAKE};

/// What every dial of an endpoint starts from.
pub(super) struct Dialler {
    tls: rustls::ClientConfig,
    cids: Cids,
}

impl Dialler {
    pub(super) const fn new(tls: rustls::ClientConfig, cids: Cids) -> Self {
        Self { tls, cids }
    }
}

impl Endpoint {
    /// Dials `relay` at `address` for [`Protocol::CELLS`].
    ///
    /// Takes one round trip; 3 s more where the network carries no packets of 1350 bytes. A relay
    /// whose own key the peer refuses learns it a moment later: its link closes with
    /// [`LinkClosed::NotAdmitted`](super::LinkClosed::NotAdmitted). Dropped, it gives up.
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn dial(&self, relay: &RelayId, address: SocketAddr) -> Result<Link, DialError> {
        self.dial_protocol(Protocol::CELLS, relay, address).await
    }

    /// Dials `relay` at `address` for `protocol`; otherwise as [`Endpoint::dial`].
    ///
    /// # Errors
    /// [`DialError`].
    pub async fn dial_protocol(
        &self,
        protocol: Protocol,
        relay: &RelayId,
        address: SocketAddr,
    ) -> Result<Link, DialError> {
        relay.key().map_err(|_| DialError::NotAKey)?;
        let connect = |width| self.shared.connect(protocol, width, relay, address);
        let (quic, width) = match timeout(WIDE_HANDSHAKE, connect(Width::Wide)?).await {
            Ok(Ok(quic)) => (quic, Width::Wide),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => match timeout(HANDSHAKE_TIME, connect(Width::Narrow)?).await {
                Ok(quic) => (quic?, Width::Narrow),
                Err(_) => return Err(DialError::NoAnswer),
            },
        };
        self.shared.dialled(&quic, width, protocol, relay)
    }
}

impl Shared {
    fn connect(
        &self,
        protocol: Protocol,
        width: Width,
        relay: &RelayId,
        address: SocketAddr,
    ) -> Result<Connecting, DialError> {
        if *self.draining.borrow() {
            return Err(DialError::Stopped);
        }
        let mut tls = self.dialler.tls.clone();
        tls.alpn_protocols = vec![protocol.alpn(&self.config.network)];
        let is_relay = matches!(self.config.role, Role::Relay { .. });
        let config = quic::client(tls, is_relay, width, &self.dialler.cids)
            .map_err(|_| DialError::Broken)?;
        self.quic
            .connect_with(config, address, &relay.to_string())
            .map_err(not_connected)
    }

    fn dialled(
        self: &std::sync::Arc<Self>,
        quic: &quinn::Connection,
        width: Width,
        protocol: Protocol,
        relay: &RelayId,
    ) -> Result<Link, DialError> {
        let lane = Lane::open(quic, width).ok_or(DialError::Broken)?;
        let peer = Peer::Relay(*relay);
        let link = self.admit(quic, Rank::Own, peer, protocol, lane);
        let link = link.ok_or(DialError::Stopped)?;
        if *self.draining.borrow() {
            link.close(CloseCode::Draining);
            return Err(DialError::Stopped);
        }
        Ok(link)
    }
}

fn not_connected(error: ConnectError) -> DialError {
    match error {
        ConnectError::EndpointStopping => DialError::Stopped,
        ConnectError::InvalidRemoteAddress(_) => DialError::BadAddress,
        _ => DialError::Broken,
    }
}
