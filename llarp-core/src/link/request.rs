//! Requests: one bidirectional stream each, bounded both ways.
//!
//! ```text
//!  request   0      1        5             reply   0        4
//!           ┌──────┬────────┬──────┐              ┌────────┬──────┐
//!           │ kind │ length │ body │              │ length │ body │
//!           └──────┴────────┴──────┘              └────────┴──────┘
//! ```
//!
//! The stream's end does not say that a body is whole: a writer that is dropped ends its stream,
//! too. Hence the lengths.

use core::time::Duration;

use quinn::{ReadError, ReadToEndError, RecvStream, SendStream, StoppedError, VarInt, WriteError};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use super::connection::Link;
use super::error::{LinkClosed, RequestError};
use crate::wire::limits::{REQUEST_BODY_TIME, REQUEST_MAX, REQUEST_TIME, RESPONSE_TIME};
use crate::wire::{Reader, WireError};

/// Kind of the link's own notices; the only one says "I am draining", and has no body or reply.
const KIND_DRAINING: u8 = 0;
const REQUEST_HEAD: usize = 5;
const REPLY_HEAD: usize = 4;
/// Code on a stream that is given up. There is one only: it tells a prober nothing.
const REFUSED: VarInt = VarInt::from_u32(1);

/// A request that is still being read, kept here so that [`Link::next_request`] is cancel-safe.
pub(super) type Inbox = Mutex<Option<Pending>>;

pub(super) struct Pending {
    send: SendStream,
    recv: RecvStream,
    bytes: Vec<u8>,
    deadline: Instant,
}

/// A request as it came in. Dropped without an answer, it is refused.
pub struct IncomingRequest {
    /// What is asked; never 0.
    pub kind: u8,
    /// The question.
    pub body: Vec<u8>,
    send: SendStream,
    answered: bool,
}

impl Link {
    /// Sends a request and waits for the reply, of at most `reply_max` bytes. Dropped, it takes
    /// the request back.
    ///
    /// # Errors
    /// [`RequestError`]; after any but `Closed` the link lives.
    pub async fn request(
        &self,
        kind: u8,
        body: &[u8],
        reply_max: usize,
    ) -> Result<Vec<u8>, RequestError> {
        self.request_within(REQUEST_TIME, kind, body, reply_max)
            .await
    }

    /// The same, for who waits no longer than `patience`.
    ///
    /// # Errors
    /// As [`Link::request`].
    pub async fn request_within(
        &self,
        patience: Duration,
        kind: u8,
        body: &[u8],
        reply_max: usize,
    ) -> Result<Vec<u8>, RequestError> {
        if kind == KIND_DRAINING {
            return Err(RequestError::ReservedKind);
        }
        if body.len() > REQUEST_MAX {
            let (max, got) = (REQUEST_MAX, body.len());
            return Err(RequestError::TooLarge { max, got });
        }
        self.shared.activity.touch();
        timeout(patience, self.exchange(kind, body, reply_max))
            .await
            .map_err(|_| RequestError::TimedOut)?
    }

    /// The next request of the peer. One whose body is above `max`, malformed or slower than
    /// [`REQUEST_BODY_TIME`] is refused here. Cancel-safe.
    ///
    /// # Errors
    /// How the link ended.
    pub async fn next_request(&self, max: usize) -> Result<IncomingRequest, LinkClosed> {
        let mut slot = self.shared.inbox.lock().await;
        loop {
            let pending = match &mut *slot {
                Some(pending) => pending,
                empty => {
                    let (send, recv) = self.shared.quic.accept_bi().await?;
                    empty.insert(Pending::new(send, recv))
                }
            };
            let whole = pending.read(max).await;
            let Some(pending) = slot.take() else { continue };
            self.shared.activity.touch();
            let parsed = whole.and_then(|()| parse_request(&pending.bytes).ok());
            match parsed.map(|(kind, body)| (kind, body.len())) {
                Some((KIND_DRAINING, _)) => {
                    self.shared.peer_drains.send_replace(true);
                }
                Some((kind, len)) => return Ok(pending.into_request(kind, len)),
                None => pending.refuse(),
            }
        }
    }

    /// Lets the peer have so many requests open at a time from now on.
    pub fn allow_requests(&self, open: u32) {
        let quic = &self.shared.quic;
        quic.set_max_concurrent_bi_streams(VarInt::from_u32(open));
    }

    /// Tells the peer that this machine is leaving.
    pub(super) async fn tell_draining(&self) {
        let _ = self.exchange(KIND_DRAINING, &[], 0).await;
    }

    async fn exchange(
        &self,
        kind: u8,
        body: &[u8],
        reply_max: usize,
    ) -> Result<Vec<u8>, RequestError> {
        let (mut send, mut recv) = self.shared.quic.open_bi().await.map_err(LinkClosed::from)?;
        let [a, b, c, d] = length(body);
        write(&mut send, &[kind, a, b, c, d], body).await?;
        let reply = recv.read_to_end(REPLY_HEAD.saturating_add(reply_max)).await;
        let mut reply = reply.map_err(|error| match error {
            ReadToEndError::TooLong => RequestError::ReplyTooLarge { max: reply_max },
            ReadToEndError::Read(ReadError::ConnectionLost(error)) => {
                RequestError::Closed(error.into())
            }
            ReadToEndError::Read(_) => RequestError::Refused,
        })?;
        self.shared.activity.touch();
        let body_len = match parse_reply(&reply) {
            Ok(body) => body.len(),
            Err(_) => return Err(RequestError::Malformed),
        };
        Ok(reply.split_off(reply.len() - body_len))
    }
}

impl Pending {
    fn new(send: SendStream, recv: RecvStream) -> Self {
        Self {
            send,
            recv,
            bytes: Vec::new(),
            deadline: Instant::now() + REQUEST_BODY_TIME,
        }
    }

    /// Reads to the end; `None` if the request is too long, too slow, or taken back.
    async fn read(&mut self, max: usize) -> Option<()> {
        let bound = REQUEST_HEAD + max.min(REQUEST_MAX);
        loop {
            // One byte more than allowed shows that there is more.
            let want = bound + 1 - self.bytes.len();
            let chunk = timeout_at(self.deadline, self.recv.read_chunk(want, true));
            match chunk.await.ok()?.ok()? {
                None => return Some(()),
                Some(chunk) => self.bytes.extend_from_slice(&chunk.bytes),
            }
            if self.bytes.len() > bound {
                return None;
            }
        }
    }

    fn into_request(mut self, kind: u8, body_len: usize) -> IncomingRequest {
        let body = self.bytes.split_off(self.bytes.len() - body_len);
        IncomingRequest {
            kind,
            body,
            send: self.send,
            answered: false,
        }
    }

    fn refuse(mut self) {
        let _ = self.recv.stop(REFUSED);
        let _ = self.send.reset(REFUSED);
    }
}

impl IncomingRequest {
    /// Answers, and waits until the peer's QUIC has all of it. A future dropped half-way refuses.
    ///
    /// # Errors
    /// [`RequestError::TooLarge`], [`RequestError::Refused`] if the peer no longer wants it,
    /// [`RequestError::TimedOut`] if it does not take it within [`RESPONSE_TIME`], or how the
    /// link ended.
    pub async fn respond(mut self, body: &[u8]) -> Result<(), RequestError> {
        if body.len() > REQUEST_MAX {
            let (max, got) = (REQUEST_MAX, body.len());
            return Err(RequestError::TooLarge { max, got });
        }
        let answer = async {
            write(&mut self.send, &length(body), body).await?;
            // An answer that the peer took back while it was on its way is none.
            match self.send.stopped().await {
                Ok(None) => Ok(()),
                Ok(Some(_)) | Err(StoppedError::ZeroRttRejected) => Err(RequestError::Refused),
                Err(StoppedError::ConnectionLost(error)) => Err(RequestError::Closed(error.into())),
            }
        };
        let answered = timeout(RESPONSE_TIME, answer).await;
        answered.map_err(|_| RequestError::TimedOut)??;
        self.answered = true;
        Ok(())
    }

    /// Resolves when the peer no longer wants an answer, or the link has ended.
    pub fn withdrawn(&self) -> impl Future<Output = ()> + Send + 'static {
        let stopped = self.send.stopped();
        async move {
            let _ = stopped.await;
        }
    }
}

impl Drop for IncomingRequest {
    fn drop(&mut self) {
        if !self.answered {
            let _ = self.send.reset(REFUSED);
        }
    }
}

impl core::fmt::Debug for IncomingRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("IncomingRequest")
            .field("kind", &self.kind)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

fn length(body: &[u8]) -> [u8; 4] {
    // Callers have checked the body against REQUEST_MAX.
    u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes()
}

async fn write(send: &mut SendStream, head: &[u8], body: &[u8]) -> Result<(), RequestError> {
    send.write_all(head).await.map_err(unwritten)?;
    send.write_all(body).await.map_err(unwritten)?;
    // Fails only on a stream that was finished or reset, which this one was not.
    let _ = send.finish();
    Ok(())
}

fn unwritten(error: WriteError) -> RequestError {
    match error {
        WriteError::ConnectionLost(error) => RequestError::Closed(error.into()),
        _ => RequestError::Refused,
    }
}

/// Kind and body of a whole request, as a stream carries it.
///
/// # Errors
/// What is wrong with it. How long it may be is for who reads the stream to bound.
pub fn parse_request(bytes: &[u8]) -> Result<(u8, &[u8]), WireError> {
    let mut reader = Reader::new(bytes);
    let kind = reader.u8("kind")?;
    Ok((kind, sized(reader)?))
}

/// Body of a whole reply, as a stream carries it.
///
/// # Errors
/// As of [`parse_request`].
pub fn parse_reply(bytes: &[u8]) -> Result<&[u8], WireError> {
    sized(Reader::new(bytes))
}

/// A length and as many bytes, with nothing behind them.
fn sized(mut reader: Reader<'_>) -> Result<&[u8], WireError> {
    let length = usize::try_from(reader.u32("length")?).unwrap_or(usize::MAX);
    let body = reader.bytes("body", length)?;
    reader.finish("body").map(|()| body)
}
