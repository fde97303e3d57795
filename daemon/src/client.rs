//! A client of a devnet in this process.

use std::net::{Ipv4Addr, SocketAddr};

use llarp_core::client::{Client, ClientConfig, Relays};
use llarp_core::clock::Clock;
use llarp_core::directory::{NetworkView, OpenError};
use llarp_core::link::{Endpoint, EndpointConfig, Role, StartError};
use llarp_core::path::Diversity;
use llarp_core::store::Store;

use crate::registry::{BOOTSTRAPS_LEAST, NetworkFile};
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
    /// Too few to begin with.
    #[error(
        "no client: the network's file names {got} bootstrap relays, and {BOOTSTRAPS_LEAST} must agree; get a newer file, or add lines \"bootstrap RELAY.snode@ADDRESS:PORT\""
    )]
    Bootstraps {
        /// How many it names.
        got: usize,
    },
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
    if network.lacking() > 0 {
        let got = network.bootstrap().len();
        return Err(ClientError::Bootstraps { got });
    }
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

#[cfg(test)]
mod tests {
    use llarp_core::crypto::identity::{SecretKey, Seed};
    use llarp_core::crypto::secret::Secret;
    use llarp_core::registry::Charter;

    use super::*;
    use crate::registry::Bootstrap;

    #[tokio::test]
    async fn a_file_with_two_bootstrap_relays_is_refused_at_the_start() {
        let key = |number| SecretKey::from_seed(Seed::new(Secret::take(&mut [number; 32])));
        let root = Charter::root(1, [key(0).public()]).unwrap();
        let one = |number| Bootstrap {
            relay: key(number).relay_id(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, number.into())),
        };
        let bootstrap = |count: u8| (1..=count).map(one).collect();
        let start = |count| {
            let file = NetworkFile::new("test", root.clone(), bootstrap(count)).unwrap();
            on_loopback(&file)
                .map(|_| ())
                .map_err(|error| error.to_string())
        };
        let error = start(2).unwrap_err();
        assert!(
            error.contains("names 2 bootstrap relays, and 3 must agree; get a newer file"),
            "{error}"
        );
        assert_eq!(start(3), Ok(()));
    }
}
