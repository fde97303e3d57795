//! Builds that wait for their next hop: how many, how long, and for whose sake.
//!
//! A relay that never answers holds a build no longer than its client can care, and only so many
//! of them.

use std::sync::Arc;

use tokio::time::{Instant, timeout};

use super::Shared;
use crate::build::{BuildReply, BuildRequest, Decline};
use crate::crypto::identity::RelayId;
use crate::hop::LinkId;
use crate::hop::message::KIND_BUILD;
use crate::link::{Link, RequestError};
use crate::wire::limits::{BUILD_REPLY_LEN, BUILD_TIME, NEXT_DIAL_TIME};

/// One build's place among those that wait for a relay; dropped, it is free.
pub(super) struct Asking {
    shared: Arc<Shared>,
    next: RelayId,
    deadline: Instant,
}

impl Asking {
    /// A place among those that wait for `next`. The error is what to tell whoever asked.
    pub(super) fn begin(shared: &Arc<Shared>, next: RelayId) -> Result<Arc<Self>, Decline> {
        let mut core = shared.core();
        // It may be the previous hop: the relay that a path is to end at may be its guard
        // (`docs/spec/07-path.md` §3).
        if !core.neighbours.begin_asking(next) {
            return Err(Decline::Overloaded);
        }
        Ok(Arc::new(Self {
            shared: Arc::clone(shared),
            next,
            // The client began to wait before.
            deadline: Instant::now() + BUILD_TIME,
        }))
    }

    /// The link to the next hop. A dial that takes longer than a build waits goes on, so that its
    /// end is known to the builds that follow.
    pub(super) async fn way(self: &Arc<Self>) -> Option<(LinkId, Link)> {
        if let Some(way) = self.shared.core().neighbours.way_to(&self.next) {
            return Some(way);
        }
        let this = Arc::clone(self);
        let dial = tokio::spawn(async move { this.shared.link_to(&this.next).await });
        timeout(NEXT_DIAL_TIME, dial).await.ok()?.ok()?
    }

    /// Asks the next hop. The error is what to tell the previous one, if anything: a reply that is
    /// late was waited for until the previous hop gave up (`docs/spec/03-build.md` §6).
    pub(super) async fn ask(
        &self,
        link: &Link,
        request: &BuildRequest,
    ) -> Result<BuildReply, Option<Decline>> {
        let request = request.encode();
        let patience = self.deadline.saturating_duration_since(Instant::now());
        let reply = link.request_within(patience, KIND_BUILD, &request, BUILD_REPLY_LEN);
        match reply.await {
            Ok(reply) => BuildReply::decode(&reply).map_err(|_| Some(Decline::NextRefused)),
            Err(RequestError::TimedOut) => Err(None),
            Err(RequestError::Closed(_)) => Err(Some(Decline::NextUnreachable)),
            Err(_) => Err(Some(Decline::NextRefused)),
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.shared.core().neighbours.end_asking(&self.next);
    }
}
