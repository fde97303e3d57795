//! Relays that tell some of what they know otherwise than it is, with no hook in production.
//!
//! In: an honest view, relays of which a second key set is signed, since a test has everybody's key.
//! Out: a view that a node could have, and two ways to serve it: through tunnels to whoever comes, and by
//! a tap over links to whoever does not say who it is.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use llarp_core::directory::{DirectoryService, NetworkView};
use llarp_core::hop::message::KIND_DIRECTORY;
use llarp_core::link::Peer;
use llarp_core::registry::message::{Reply, Request};
use llarp_core::tunnel::{BiStream, Caller, Serving, TerminalService};

use crate::net::tap::{Direction, Passing, Policy, RequestFate};

/// A view to lie with, and whether it is done now. Clones share it.
#[derive(Debug, Clone)]
pub struct Lie {
    view: NetworkView,
    told: Arc<AtomicBool>,
}

impl Lie {
    /// Told from the beginning.
    #[must_use]
    pub fn new(view: NetworkView) -> Self {
        let told = Arc::new(AtomicBool::new(true));
        Self { view, told }
    }

    /// What is told.
    #[must_use]
    pub const fn view(&self) -> &NetworkView {
        &self.view
    }

    /// Whether it is told from now on.
    pub fn tell(&self, told: bool) {
        self.told.store(told, Ordering::Relaxed);
    }

    fn is_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }
}

/// Over links: those who do not say who they are hear the lie, relays hear the truth.
impl Policy for Lie {
    fn request(&mut self, passing: &Passing, kind: u8, body: &mut Vec<u8>) -> RequestFate {
        let asks = kind == KIND_DIRECTORY && passing.direction == Direction::ToRelay;
        if !asks || passing.peer != Peer::Anonymous || !self.is_told() {
            return RequestFate::Pass;
        }
        let reply = match Request::decode(body) {
            // What would give it away goes no further.
            Ok(Request::Offer(_)) | Err(_) => Reply::Taken { news: 0 },
            Ok(request) => self.view.answer(&request),
        };
        RequestFate::Answer(reply.encode())
    }
}

/// `directory/1` at the end of paths: everybody hears the lie while it is told.
pub(super) struct LyingService {
    pub(super) truth: DirectoryService,
    pub(super) lie: Lie,
}

impl TerminalService for LyingService {
    fn name(&self) -> &'static str {
        self.truth.name()
    }

    fn serve(&self, stream: BiStream, from: Caller) -> Serving {
        match self.lie.is_told() {
            true => DirectoryService::new(self.lie.view.clone()).serve(stream, from),
            false => self.truth.serve(stream, from),
        }
    }
}

impl fmt::Debug for LyingService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LyingService")
    }
}
