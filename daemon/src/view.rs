//! What a node of this program knows of its network, from the network's file and its store.

use llarp_core::clock::Clock;
use llarp_core::directory::{Bootstrap, NetworkView, OpenError, Verify, ViewConfig};
use llarp_core::store::Store;

use llarp_core::registry::Changed;

use crate::registry::NetworkFile;
use crate::sources::{RefreshError, Source};

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
        root: network.trust(),
        bootstrap: bootstrap.collect(),
        clock: Clock::system(),
        store,
        verify: Verify::OtherThreads,
    })
}

/// Brings `view` up to date from a source: by the delta if it fits, else by the whole snapshot.
///
/// # Errors
/// [`RefreshError`]; then the last good snapshot stays.
pub async fn refresh(view: &NetworkView, source: &Source) -> Result<Changed, RefreshError> {
    // Whatever is wrong with a delta, the whole snapshot may be right.
    if let Ok(Some(delta)) = source.delta().await {
        let (view, offered) = (view.clone(), delta);
        if let Ok(changed) = aside(move || view.offer_delta(&offered)).await {
            return Ok(changed);
        }
    }
    let snapshot = source.snapshot().await?;
    let view = view.clone();
    Ok(aside(move || view.offer_snapshot(&snapshot)).await?)
}

/// Does work that takes long on another thread, so that cells move meanwhile.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // A bug, to be seen here.
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is going away, and this task with it.
        Err(_) => std::future::pending().await,
    }
}
