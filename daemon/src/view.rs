//! What a node of this program knows of its network, from the network's file and its store.

use llarp_core::clock::Clock;
use llarp_core::directory::{Bootstrap, NetworkView, OpenError, Verify, ViewConfig};
use llarp_core::store::Store;

use crate::registry::NetworkFile;

/// The view of a node of `network` that keeps it in `store`. In a tokio runtime.
///
/// # Errors
/// [`OpenError`].
pub fn open(network: &NetworkFile, store: Store) -> Result<NetworkView, OpenError> {
    let bootstrap = network.bootstrap().iter().map(|it| Bootstrap {
        relay: it.relay,
        address: it.address,
    });
    NetworkView::open(ViewConfig {
        network: network.network(),
        root: network.root().clone(),
        bootstrap: bootstrap.collect(),
        clock: Clock::system(),
        store,
        verify: Verify::OtherThreads,
    })
}
