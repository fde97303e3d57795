//! Builds at a relay: admitted, screened, opened, carried out, answered.
//!
//! The lock is held for look-ups only; handshakes run where [`Handshakes`] says.

use core::pin::pin;
use std::sync::Arc;

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::Shared;
use super::asking::Asking;
use super::config::Handshakes;
use crate::build::{
    AuthenticBuild, AwaitNext, BuildReply, BuildRequest, Decline, ForwardBuild, FreshBuild,
    OpenedBuild, Refusal, RelayContext, TerminalBuild, screen_build,
};
use crate::cell::{HopKeys, MiddleHop, PathId, TerminalHop};
use crate::crypto::noise::HandshakeFailed;
use crate::hop::{LinkId, NewPath, PathRef, Side, Ticket};
use crate::link::IncomingRequest;

/// What a build comes to at this relay.
#[expect(
    clippy::large_enum_variant,
    reason = "one a build, taken apart at once; most are paths"
)]
enum Outcome {
    /// A path, and the reply that says so.
    Path(NewPath, BuildReply),
    /// A reply that says no.
    No(BuildReply),
    /// No word: what came back came too late, or nobody wants it any more.
    Silence,
}

/// A build's right to be carried out, which goes back wherever it ends.
struct Place {
    shared: Arc<Shared>,
    ticket: Option<Ticket>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let mut core = self.shared.core();
            core.stats.refused += 1;
            core.admission.failed(ticket);
        }
    }
}

/// Carries out the build that `asked` is. Dropped without an answer, it is refused.
pub(super) async fn carry_out(shared: Arc<Shared>, from: LinkId, asked: IncomingRequest) {
    let Ok(request) = BuildRequest::decode(&asked.body) else {
        return;
    };
    let Some(mut place) = admit(&shared, from) else {
        return;
    };
    let theirs = request.path_id;
    let outcome = match open(&shared, request).await {
        Ok(OpenedBuild::Terminal(build)) => end_here(&shared, build, from, theirs).await,
        Ok(OpenedBuild::Forward(build)) => {
            forward(&shared, build, from, theirs, asked.withdrawn()).await
        }
        Err(refusal) => {
            shared.core().stats.unopened += 1;
            Outcome::No(refusal.reply)
        }
    };
    match outcome {
        Outcome::Path(path, reply) => {
            let Some(path) = take_in(&shared, &mut place, path) else {
                return;
            };
            if asked.respond(&reply.encode()).await.is_err() {
                shared.core().close(path);
            }
        }
        Outcome::No(reply) => {
            // Whoever asked must not hold a place by taking its time with the reply.
            drop(place);
            let _ = asked.respond(&reply.encode()).await;
        }
        Outcome::Silence => (),
    }
}

fn admit(shared: &Arc<Shared>, from: LinkId) -> Option<Place> {
    let mut core = shared.core();
    let (now, pressing) = (core.now(), core.pressing());
    if core.is_draining() {
        core.stats.shed += 1;
        return None;
    }
    // A link that has gone meanwhile would get an account that nobody closes.
    let asker = core.neighbours.asker(from)?;
    match core.admission.admit(now, from, asker, pressing) {
        Ok(ticket) => Some(Place {
            shared: Arc::clone(shared),
            ticket: Some(ticket),
        }),
        Err(_) => {
            core.stats.shed += 1;
            None
        }
    }
}

fn take_in(shared: &Shared, place: &mut Place, path: NewPath) -> Option<PathRef> {
    let mut core = shared.core();
    // A link may have gone while the build was under way, or the relay be about to go: whoever is
    // left is to be told.
    let whole = core.has_links_of(&path) && !core.is_draining();
    let path = core.open(path)?;
    if let Some(ticket) = place.ticket.take() {
        core.admission.built(ticket);
    }
    if !whole {
        core.close(path);
        return None;
    }
    core.stats.built += 1;
    Some(path)
}

async fn open(shared: &Arc<Shared>, request: BuildRequest) -> Result<OpenedBuild, Refusal> {
    let fresh = {
        let mut core = shared.core();
        let core = &mut *core;
        screen_build(shared.context(), &core.replays, request, &mut core.rng)?
    };
    let authentic = open_slot(shared, fresh).await?;
    let mut core = shared.core();
    let core = &mut *core;
    authentic.admit(shared.context(), &mut core.replays, &mut core.rng)
}

async fn open_slot(shared: &Arc<Shared>, fresh: FreshBuild) -> Result<AuthenticBuild, Refusal> {
    let keys = shared.onion_keys();
    let (context_of, mut rng) = (Arc::clone(shared), shared.fork_rng());
    shared
        .run(move || fresh.open(context_of.context(), &*keys, &mut rng))
        .await
}

async fn end_here(
    shared: &Arc<Shared>,
    build: TerminalBuild,
    from: LinkId,
    theirs: PathId,
) -> Outcome {
    let ours = shared.draw_id();
    let mut rng = shared.fork_rng();
    let answered = shared.run(move || build.accept(ours, &mut rng)).await;
    path_of(answered, |keys| NewPath::Terminal {
        hop: TerminalHop::new(keys),
        prev: Side {
            link: from,
            ours,
            theirs,
        },
    })
}

async fn forward(
    shared: &Arc<Shared>,
    build: ForwardBuild,
    from: LinkId,
    theirs: PathId,
    withdrawn: impl Future<Output = ()> + Send,
) -> Outcome {
    let mut withdrawn = pin!(withdrawn);
    let no = |build: ForwardBuild, why| Outcome::No(build.decline(why, &mut shared.fork_rng()));
    let asking = match Asking::begin(shared, *build.next()) {
        Ok(asking) => asking,
        Err(why) => return no(build, why),
    };
    let way = tokio::select! {
        biased;
        way = asking.way() => way,
        () = &mut withdrawn => return Outcome::Silence,
    };
    let Some((next, link)) = way else {
        return no(build, Decline::NextUnreachable);
    };
    let ours_down = shared.draw_id();
    let (request, wait) = build.into_next(ours_down);
    // A request that is dropped is taken back. A reply that is there goes first: the next hop would
    // hold a path that nobody knows.
    let reply = tokio::select! {
        biased;
        reply = asking.ask(&link, &request) => reply,
        () = &mut withdrawn => return Outcome::Silence,
    };
    let reply = match reply {
        Ok(reply) => reply,
        Err(Some(why)) => return Outcome::No(wait.fail(why, &mut shared.fork_rng())),
        Err(None) => return Outcome::Silence,
    };
    let (ours, theirs_down) = (shared.draw_id(), reply.path_id);
    let answered = shared
        .run(move || AwaitNext::accept(wait, reply, ours))
        .await;
    path_of(answered, |keys| NewPath::Middle {
        hop: MiddleHop::new(keys),
        prev: Side {
            link: from,
            ours,
            theirs,
        },
        next: Side {
            link: next,
            ours: ours_down,
            theirs: theirs_down,
        },
    })
}

fn path_of(
    answered: Result<(HopKeys, BuildReply), HandshakeFailed>,
    path: impl FnOnce(&HopKeys) -> NewPath,
) -> Outcome {
    match answered {
        Ok((keys, reply)) => Outcome::Path(path(&keys), reply),
        // No input brings this about.
        Err(HandshakeFailed) => Outcome::Silence,
    }
}

impl Shared {
    fn context(&self) -> RelayContext<'_> {
        RelayContext {
            network: &self.network,
            relay: &self.id,
            now: self.clock.minute(),
        }
    }

    fn draw_id(&self) -> PathId {
        let mut core = self.core();
        let core = &mut *core;
        core.table.draw_id(&mut core.rng)
    }

    /// A generator of its own for work that runs beside the lock.
    pub(super) fn fork_rng(&self) -> ChaCha20Rng {
        let mut seed = [0; 32];
        self.core().rng.fill_bytes(&mut seed);
        ChaCha20Rng::from_seed(seed)
    }

    /// Does a handshake's work here or on another thread.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        match self.handshakes {
            Handshakes::Inline => work(),
            Handshakes::OtherThreads => match tokio::task::spawn_blocking(work).await {
                Ok(done) => done,
                // A bug, to be seen here as it would be seen inline.
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The runtime is going away, and this task with it.
                Err(_) => core::future::pending().await,
            },
        }
    }
}
