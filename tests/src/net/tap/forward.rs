//! The tasks of one link through a tap.

use std::sync::Arc;

use bytes::Bytes;
use llarp_core::link::{CloseCode, IncomingRequest, Link, LinkClosed, RecvError};
use llarp_core::wire::limits::REQUEST_MAX;
use tokio::time::sleep;

use super::Shared;
use super::policy::{Cell, CellFate, Passing, ReplyFate, RequestFate};

/// Forwards between `near` and `far` until either closes; then the other closes for that reason.
/// `passing` is the way from `near` to `far`.
pub(super) async fn both_ways(shared: &Arc<Shared>, passing: Passing, near: Link, far: Link) {
    let ways = [
        (passing, near.clone(), far.clone()),
        (passing.back(), far.clone(), near.clone()),
    ];
    for (passing, from, to) in ways {
        tokio::spawn(cells(Arc::clone(shared), passing, from.clone(), to.clone()));
        tokio::spawn(requests(Arc::clone(shared), passing, from, to));
    }
    let (other, first) = (far.clone(), near.clone());
    let back = tokio::spawn(async move { first.close(code(other.closed().await)) });
    far.close(code(near.closed().await));
    // Ends, since the far link has by now.
    let _ = back.await;
}

/// The code that passes the end of one link on to the other.
const fn code(closed: LinkClosed) -> CloseCode {
    match closed {
        LinkClosed::Peer(code) => code,
        LinkClosed::NotAdmitted => CloseCode::Refused,
        LinkClosed::Here | LinkClosed::TimedOut | LinkClosed::Reset | LinkClosed::Broken => {
            CloseCode::Done
        }
    }
}

async fn cells(shared: Arc<Shared>, passing: Passing, from: Link, to: Link) {
    loop {
        match from.recv_cell().await {
            Ok(bytes) => {
                if let Ok(mut cell) = Cell::try_from(bytes.as_ref()) {
                    let fate = shared.policy().cell(&passing, &mut cell);
                    follow(fate, Bytes::copy_from_slice(&cell), &to).await;
                }
            }
            // No link can send it on.
            Err(RecvError::WrongLength { .. }) => {}
            Err(RecvError::Closed(_)) => return,
        }
    }
}

async fn follow(fate: CellFate, cell: Bytes, to: &Link) {
    // A link that has closed ends all its tasks; nobody waits for the cell.
    let send = async |cell| {
        let _ = to.send_cell_wait(cell).await;
    };
    match fate {
        CellFate::Pass => send(cell).await,
        CellFate::Drop => {}
        CellFate::Twice => {
            send(cell.clone()).await;
            send(cell).await;
        }
        CellFate::Also(other) => {
            send(cell).await;
            send(Bytes::copy_from_slice(other.as_slice())).await;
        }
        CellFate::Hold(time) => {
            let to = to.clone();
            tokio::spawn(async move {
                sleep(time).await;
                let _ = to.send_cell_wait(cell).await;
            });
        }
    }
}

async fn requests(shared: Arc<Shared>, passing: Passing, from: Link, to: Link) {
    while let Ok(request) = from.next_request(REQUEST_MAX).await {
        tokio::spawn(answer(Arc::clone(&shared), passing, request, to.clone()));
    }
}

/// Passes one request on, and its reply back. A request that is dropped here is refused.
async fn answer(shared: Arc<Shared>, passing: Passing, mut request: IncomingRequest, to: Link) {
    let kind = request.kind;
    let mut body = core::mem::take(&mut request.body);
    let fate = shared.policy().request(&passing, kind, &mut body);
    match fate {
        RequestFate::Pass | RequestFate::Twice => {}
        RequestFate::Refuse => return,
        RequestFate::Hold(time) => sleep(time).await,
        RequestFate::Answer(reply) => {
            let _ = request.respond(&reply).await;
            return;
        }
    }
    let reply = to.request(kind, &body, REQUEST_MAX).await;
    if fate == RequestFate::Twice {
        let _ = to.request(kind, &body, REQUEST_MAX).await;
    }
    let Ok(mut reply) = reply else { return };
    let back = shared.policy().reply(&passing.back(), kind, &mut reply);
    match back {
        ReplyFate::Pass => {}
        ReplyFate::Refuse => return,
        ReplyFate::Hold(time) => sleep(time).await,
    }
    let _ = request.respond(&reply).await;
}
