//! A client of a devnet in this process.

use std::net::{Ipv4Addr, SocketAddr};

use llarp_core::client::{Client, ClientConfig, Relays};
use llarp_core::clock::Clock;
use llarp_core::directory::{NetworkView, OpenError};
use llarp_core::link::{Endpoint, EndpointConfig, Role, StartError};
use llarp_core::path::Diversity;
use llarp_core::store::Store;

use crate::registry::NetworkFile;
use crate::relay::fresh;
use crate::view;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The socket or TLS.
    #[error("no client: {0}")]
    Start(#[from] StartError),
    /// The client's driver.
    #[error("no client: {0}")]
    Client(#[from] llarp_core::client::StartError),
    /// What it knows of the network.
    #[error("no client: {0}")]
    View(#[from] OpenError),
    /// No randomness.
    #[error("no randomness from the operating system: {0}")]
    Randomness(#[from] getrandom::Error),
}

/// A client on loopback with a new profile, which lets relays of one machine share a path, and what it
/// knows of the network: to begin with, no more than `network` says. In a tokio runtime.
///
/// # Errors
/// [`ClientError`].
pub fn on_loopback(network: &NetworkFile) -> Result<(Client, NetworkView), ClientError> {
    // Its network lives no longer than it does.
    let store = Store::in_memory();
    let view = view::open(network, store.clone())?;
    let config = EndpointConfig::new(Role::Client, network.network(), fresh()?);
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let endpoint = Endpoint::bind(config, any_port)?;
    let config = ClientConfig {
        network: network.network(),
        relays: Relays::Learned(view.clone()),
        diversity: Diversity::dangerous_same_subnet(),
        store,
        clock: Clock::system(),
        seed: fresh()?,
    };
    Ok((Client::start(config, endpoint)?, view))
}
