//! A client of a devnet in this process.

use std::net::{Ipv4Addr, SocketAddr};

use llarp_core::client::{Client, ClientConfig};
use llarp_core::clock::Clock;
use llarp_core::crypto::hash::NetworkId;
use llarp_core::link::{Endpoint, EndpointConfig, Role, StartError};
use llarp_core::path::Diversity;
use llarp_core::registry::RelayList;
use llarp_core::store::Store;

use crate::relay::fresh;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The socket or TLS.
    #[error("no client: {0}")]
    Start(#[from] StartError),
    /// The client's driver.
    #[error("no client: {0}")]
    Client(#[from] llarp_core::client::StartError),
    /// No randomness.
    #[error("no randomness from the operating system: {0}")]
    Randomness(#[from] getrandom::Error),
}

/// A client on loopback with a new profile, which lets relays of one machine share a path. In a
/// tokio runtime.
///
/// # Errors
/// [`ClientError`].
pub fn on_loopback(network: &str, relays: RelayList) -> Result<Client, ClientError> {
    let network = NetworkId::from_name(network);
    let config = EndpointConfig::new(Role::Client, network, fresh()?);
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let endpoint = Endpoint::bind(config, any_port)?;
    let config = ClientConfig {
        network,
        relays: relays.into(),
        diversity: Diversity::dangerous_same_subnet(),
        // Its network lives no longer than it does.
        store: Store::in_memory(),
        clock: Clock::system(),
        seed: fresh()?,
    };
    Ok(Client::start(config, endpoint)?)
}
