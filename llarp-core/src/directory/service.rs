//! `directory/1`: answers about the network, to whoever comes through a path.

use core::fmt;

use tokio::time::timeout;

use super::NetworkView;
use super::way::NAME;
use crate::tunnel::{BiStream, Caller, Serving, TerminalService};
use crate::wire::limits::{DIRECTORY_ASK_MAX, STREAM_HEAD_TIME};

/// The directory, as a service at the end of paths. A stream is a request and its reply.
pub struct DirectoryService(NetworkView);

impl DirectoryService {
    /// The service of a node that knows this.
    #[must_use]
    pub const fn new(view: NetworkView) -> Self {
        Self(view)
    }
}

impl TerminalService for DirectoryService {
    fn name(&self) -> &'static str {
        NAME
    }

    fn serve(&self, stream: BiStream, _from: Caller) -> Serving {
        let view = self.0.clone();
        Box::pin(async move {
            // Whoever is slow to ask, asks nothing or hangs up gets no answer, which is one.
            let _ = timeout(STREAM_HEAD_TIME, serve(view, stream)).await;
        })
    }
}

async fn serve(view: NetworkView, mut stream: BiStream) {
    // Whoever comes through a tunnel is a stranger: long offers are for relays.
    let Ok(request) = stream.read_to_end(DIRECTORY_ASK_MAX).await else {
        return;
    };
    let Some(reply) = view.answer_stranger(&request).await else {
        return stream.give_up();
    };
    if stream.write_all(&reply.encode()).await.is_ok() {
        stream.finish();
        let _ = stream.delivered().await;
    }
}

impl fmt::Debug for DirectoryService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectoryService")
    }
}
