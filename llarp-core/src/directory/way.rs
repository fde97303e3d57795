//! How a node's directory is asked: over a link of one's own, or through a tunnel.

use tokio::time::timeout;

use crate::hop::message::KIND_DIRECTORY;
use crate::link::{Link, RequestError};
use crate::registry::message::Request;
use crate::registry::sync::Reach;
use crate::tunnel::{ServiceName, StreamError, Tunnel};
use crate::wire::WireError;
use crate::wire::limits::{DIRECTORY_ASK_TIME, DIRECTORY_MESSAGE_MAX};

/// A way to a node's directory.
#[derive(Debug, Clone)]
pub enum Way {
    /// A link: the node sees our address.
    Link(Link),
    /// A tunnel to the end of a path.
    Tunnel(Tunnel),
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Over a link.
    #[error(transparent)]
    Link(#[from] RequestError),
    /// Through a tunnel.
    #[error(transparent)]
    Tunnel(#[from] StreamError),
    /// The service's name.
    #[error(transparent)]
    Name(#[from] WireError),
    /// It took too long.
    #[error("no reply in {} s", DIRECTORY_ASK_TIME.as_secs())]
    TimedOut,
}

/// The service's name in tunnels.
pub(super) const NAME: &str = "directory/1";

impl Way {
    /// Whether the node can tell us from others.
    #[must_use]
    pub const fn reach(&self) -> Reach {
        match self {
            Self::Link(_) => Reach::Direct,
            Self::Tunnel(_) => Reach::Path,
        }
    }

    /// Asks, and waits for the reply's bytes, at most [`DIRECTORY_MESSAGE_MAX`]. Cancel-safe.
    ///
    /// # Errors
    /// [`AskError`].
    pub async fn ask(&self, request: &Request) -> Result<Vec<u8>, AskError> {
        let body = request.encode();
        match self {
            Self::Link(link) => {
                let patience = DIRECTORY_ASK_TIME;
                let max = DIRECTORY_MESSAGE_MAX;
                let asked = link.request_within(patience, KIND_DIRECTORY, &body, max);
                Ok(asked.await?)
            }
            Self::Tunnel(tunnel) => {
                let asked = timeout(DIRECTORY_ASK_TIME, ask_tunnel(tunnel, &body)).await;
                asked.map_err(|_| AskError::TimedOut)?
            }
        }
    }
}

async fn ask_tunnel(tunnel: &Tunnel, body: &[u8]) -> Result<Vec<u8>, AskError> {
    let mut stream = tunnel.open_bi(&ServiceName::new(NAME)?).await?;
    stream.write_all(body).await?;
    stream.finish();
    Ok(stream.read_to_end(DIRECTORY_MESSAGE_MAX).await?)
}
