//! What a terminal offers under names, and the two services that every relay has.

use core::fmt;
use core::pin::Pin;
use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::connection::Tunnel;
use super::describe::Description;
use super::error::{StreamError, TunnelClosed};
use super::stream::{BiStream, IncomingStream, ServiceName, Status};
use crate::crypto::identity::RelayId;
use crate::wire::limits::{SERVICES_MAX, TUNNEL_STREAMS};
use crate::wire::{Fault, WireError};

/// Who has opened a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Caller {
    /// Nobody knows.
    Anonymous,
}

/// A service at work on one stream.
pub type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a terminal offers under a name.
pub trait TerminalService: Send + Sync {
    /// The name: 1 to 32 printable ASCII characters without spaces.
    fn name(&self) -> &'static str;

    /// Serves one stream. Dropped with its tunnel.
    fn serve(&self, stream: BiStream, from: Caller) -> Serving;
}

/// The services of a node, by name.
#[derive(Clone, Default)]
pub struct Services(BTreeMap<ServiceName, Arc<dyn TerminalService>>);

impl Services {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Those that every relay offers: `echo/1` and `describe/1`.
    ///
    /// # Errors
    /// None.
    pub fn of_relay(relay: RelayId) -> Result<Self, WireError> {
        Self::new().with(Arc::new(Echo))?.described(relay)
    }

    /// These, and `service`; one of its name is replaced.
    ///
    /// # Errors
    /// Its name is none, or there are [`SERVICES_MAX`] already.
    pub fn with(mut self, service: Arc<dyn TerminalService>) -> Result<Self, WireError> {
        let name = ServiceName::new(service.name())?;
        if self.0.len() >= SERVICES_MAX && !self.0.contains_key(&name) {
            let (max, got) = (SERVICES_MAX as u64, self.0.len() as u64 + 1);
            return Err(WireError::new("services", Fault::TooLarge { max, got }));
        }
        self.0.insert(name, service);
        Ok(self)
    }

    /// These, and `describe/1`, which names them all: to be called last.
    ///
    /// # Errors
    /// As [`Services::with`].
    pub fn described(self, relay: RelayId) -> Result<Self, WireError> {
        let describe = ServiceName::new(Describe::NAME)?;
        let mut services: Vec<_> = self.0.keys().cloned().collect();
        if let Err(place) = services.binary_search(&describe) {
            services.insert(place, describe);
        }
        let description = Description { relay, services }.encode();
        self.with(Arc::new(Describe(description.into())))
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Hands the streams of `tunnel` to `services`, until its end. Dropped, it ends what it serves.
pub async fn serve_tunnel(tunnel: Tunnel, services: Arc<Services>) -> TunnelClosed {
    // QUIC's limit counts streams that are open; a service may go on after that.
    let places = Arc::new(Semaphore::new(TUNNEL_STREAMS as usize));
    let mut serving = JoinSet::new();
    loop {
        let stream = match tunnel.accept_bi().await {
            Ok(stream) => stream,
            Err(closed) => return closed,
        };
        while serving.try_join_next().is_some() {}
        let Some(service) = services.0.get(stream.name()).cloned() else {
            stream.refuse(Status::NoSuchService);
            continue;
        };
        match Arc::clone(&places).try_acquire_owned() {
            Err(_) => stream.refuse(Status::Busy),
            Ok(place) => {
                serving.spawn(async move {
                    serve_one(stream, service).await;
                    drop(place);
                });
            }
        }
    }
}

async fn serve_one(stream: IncomingStream, service: Arc<dyn TerminalService>) {
    if let Ok(stream) = stream.accept().await {
        service.serve(stream, Caller::Anonymous).await;
    }
}

/// `echo/1`: sends back what comes, and ends when the caller does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

/// Bytes that an echo holds besides QUIC's windows.
const ECHO_BUFFER: usize = 16 << 10;

impl TerminalService for Echo {
    fn name(&self) -> &'static str {
        "echo/1"
    }

    fn serve(&self, stream: BiStream, _from: Caller) -> Serving {
        Box::pin(async move {
            // Its caller has gone, or the tunnel: nobody is left to be told.
            let _ = echo(stream).await;
        })
    }
}

async fn echo(mut stream: BiStream) -> Result<(), StreamError> {
    let mut buffer = vec![0; ECHO_BUFFER];
    while let Some(len) = stream.read(&mut buffer).await? {
        stream
            .write_all(buffer.get(..len).unwrap_or_default())
            .await?;
    }
    stream.finish();
    Ok(())
}

/// `describe/1`: says which relay this is and what it offers, whatever comes.
#[derive(Debug, Clone)]
pub struct Describe(Arc<[u8]>);

impl Describe {
    /// Its name.
    pub const NAME: &str = "describe/1";
}

impl TerminalService for Describe {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn serve(&self, mut stream: BiStream, _from: Caller) -> Serving {
        let bytes = Arc::clone(&self.0);
        Box::pin(async move {
            // As in an echo: nobody is left to be told.
            let _ = stream.write_all(&bytes).await;
            stream.finish();
        })
    }
}
