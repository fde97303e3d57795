//! A relay's part in keeping introsets: its table, and the service at its terminal.

use std::sync::Arc;

use llarp_core::clock::Clock;
use llarp_core::crypto::identity::RelayId;
use llarp_core::crypto::pow::Effort;
use llarp_core::crypto::secret::Secret;
use llarp_core::directory::NetworkView;
use llarp_core::link::{Endpoint, Handlers, Protocol};
use llarp_core::store::Store;
use llarp_core::storer::{IntrosetService, KnowsBeacons, ServiceConfig};
use llarp_core::wire::limits::PUBLISH_EFFORT;
use llarp_dht::{Dht, DhtConfig, IntrosetRules, IntrosetTable, StartError, storers};

/// The table that runs beside a relay, and what the relay serves for it.
pub struct Storer {
    /// The table.
    pub table: Dht,
    /// The service for clients.
    pub service: IntrosetService,
    /// What other relays' links go to.
    pub handlers: Handlers,
}

impl Storer {
    /// Runs the table of `relay` on its endpoint. In the relay's tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(
        relay: RelayId,
        endpoint: &Endpoint,
        view: &NetworkView,
        store: Store,
        seed: Secret<32>,
    ) -> Result<Self, StartError> {
        let (network, clock) = (view.network(), Clock::system());
        let beacons: Arc<dyn KnowsBeacons> = Arc::new(view.clone());
        let least = Effort::new(PUBLISH_EFFORT).unwrap_or(Effort::LEAST);
        let table = Dht::start(DhtConfig {
            endpoint: endpoint.clone(),
            relay,
            directory: Arc::new(view.clone()),
            members: storers(view),
            rules: Arc::new(IntrosetRules {
                network,
                beacons: Arc::clone(&beacons),
                least,
            }),
            store,
            clock,
            seed,
        })?;
        let service = IntrosetService::new(ServiceConfig {
            network,
            clock,
            beacons,
            store: Arc::new(IntrosetTable::new(table.clone())),
            least,
        });
        let handlers = Handlers::new().with(Protocol::DHT, table.handler());
        Ok(Self {
            table,
            service,
            handlers,
        })
    }
}

impl std::fmt::Debug for Storer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Storer").finish_non_exhaustive()
    }
}
