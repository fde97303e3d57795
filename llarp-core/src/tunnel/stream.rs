//! Streams: a head that names a service, a status byte in return, then bytes both ways.
//!
//! ```text
//! head    0        1                status   0
//!        ┌────────┬──────┐                  ┌────────┐
//!        │ length │ name │                  │ status │
//!        └────────┴──────┘                  └────────┘
//! ```
//!
//! The caller need not wait for the status: it may write at once, and learns of a refusal when it
//! reads. Specification: §4.

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use std::io;

use quinn::{RecvStream, SendStream, VarInt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Holds;
use super::error::StreamError;
use crate::wire::limits::SERVICE_NAME_MAX;
use crate::wire::{Fault, Reader, WireError};

/// The name of a service: 1 to 32 printable ASCII characters without spaces, such as `echo/1`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceName(String);

impl ServiceName {
    /// Checks `name`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(name: &str) -> Result<Self, WireError> {
        Self::from_bytes(name.as_bytes())
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        let fault = |fault| WireError::new("service name", fault);
        if bytes.len() > SERVICE_NAME_MAX {
            let (max, got) = (SERVICE_NAME_MAX as u64, bytes.len() as u64);
            return Err(fault(Fault::TooLarge { max, got }));
        }
        let text = core::str::from_utf8(bytes).map_err(|_| fault(Fault::Invalid))?;
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(fault(Fault::Invalid));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Appends length and name.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        // At most SERVICE_NAME_MAX, which the constructor has checked.
        bytes.push(u8::try_from(self.0.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(self.0.as_bytes());
    }

    /// Reads length and name.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let len = usize::from(reader.u8("service name")?);
        Self::from_bytes(reader.bytes("service name", len)?)
    }
}

impl fmt::Debug for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The callee's answer to a stream's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The service has the stream.
    Ok,
    /// There is no such service.
    NoSuchService,
    /// Too many streams of this tunnel are being served.
    Busy,
    /// A status of another version.
    Other(u8),
}

impl Status {
    /// The byte.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::NoSuchService => 1,
            Self::Busy => 2,
            Self::Other(code) => code,
        }
    }

    /// The meaning of the byte.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Ok,
            1 => Self::NoSuchService,
            2 => Self::Busy,
            other => Self::Other(other),
        }
    }
}

/// A bidirectional stream. Dropped, its writing half is finished and its reading half given up.
/// Holds its tunnel open.
pub struct BiStream {
    send: SendStream,
    recv: RecvStream,
    status: Expected,
    _holds: Holds,
}

/// What a reader finds in front of the bytes.
#[derive(Debug, Clone, Copy)]
enum Expected {
    Status,
    Bytes,
    Refused(StreamError),
}

/// QUIC's code for a stream that is given up.
pub(super) const GIVEN_UP: VarInt = VarInt::from_u32(1);

impl BiStream {
    /// A stream whose head the caller has written.
    pub(super) const fn opened(holds: Holds, send: SendStream, recv: RecvStream) -> Self {
        Self {
            send,
            recv,
            status: Expected::Status,
            _holds: holds,
        }
    }

    /// Waits until the callee's service has the stream. Cancel-safe; reading does it too.
    ///
    /// # Errors
    /// [`StreamError::NoSuchService`], [`StreamError::Busy`], or how the stream ended.
    pub async fn admitted(&mut self) -> Result<(), StreamError> {
        poll_fn(|cx| self.poll_status(cx)).await
    }

    /// Reads some bytes; `None` at the end. Cancel-safe.
    ///
    /// # Errors
    /// How the stream ended, if not with its end.
    pub async fn read(&mut self, buf: &mut [u8]) -> Result<Option<usize>, StreamError> {
        self.admitted().await?;
        Ok(self.recv.read(buf).await?)
    }

    /// Reads to the end, at most `max` bytes. Not cancel-safe.
    ///
    /// # Errors
    /// [`StreamError::TooLong`], or how the stream ended.
    pub async fn read_to_end(&mut self, max: usize) -> Result<Vec<u8>, StreamError> {
        self.admitted().await?;
        let read = self.recv.read_to_end(max).await;
        read.map_err(|error| match error {
            quinn::ReadToEndError::Read(error) => error.into(),
            quinn::ReadToEndError::TooLong => StreamError::TooLong { max },
        })
    }

    /// Writes some of `bytes`, and says how many. Cancel-safe.
    ///
    /// # Errors
    /// Why it takes no more.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<usize, StreamError> {
        Ok(self.send.write(bytes).await?)
    }

    /// Writes all of `bytes`. Not cancel-safe.
    ///
    /// # Errors
    /// Why it takes no more.
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        Ok(self.send.write_all(bytes).await?)
    }

    /// Says that no more will be written. The other direction goes on.
    pub fn finish(&mut self) {
        // An error says that it is finished, or given up by the far end: nothing is left to do.
        let _ = self.send.finish();
    }

    /// Waits until the far end has acknowledged all that was written and finished, or has given
    /// the stream up. Call it before the tunnel is closed, or what is under way is lost.
    ///
    /// # Errors
    /// [`StreamError::GivenUp`], [`StreamError::Closed`].
    pub async fn delivered(&mut self) -> Result<(), StreamError> {
        match self.send.stopped().await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(StreamError::GivenUp),
            Err(quinn::StoppedError::ConnectionLost(error)) => {
                Err(StreamError::Closed(error.into()))
            }
            Err(_) => Err(StreamError::Finished),
        }
    }

    /// Gives up both directions: what is under way is dropped.
    pub fn give_up(&mut self) {
        let _ = self.send.reset(GIVEN_UP);
        let _ = self.recv.stop(GIVEN_UP);
    }

    fn poll_status(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        if let Expected::Status = self.status {
            let mut byte = [0];
            let read = ready!(self.recv.poll_read(cx, &mut byte));
            self.status = match read {
                Err(error) => Expected::Refused(error.into()),
                Ok(0) => Expected::Refused(StreamError::GivenUp),
                Ok(_) => {
                    let [code] = byte;
                    StreamError::of_status(Status::from_code(code))
                        .map_or(Expected::Bytes, Expected::Refused)
                }
            };
        }
        Poll::Ready(match self.status {
            Expected::Refused(error) => Err(error),
            _ => Ok(()),
        })
    }
}

impl AsyncRead for BiStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_status(cx))?;
        Pin::new(&mut self.recv).poll_read(cx, buf)
    }
}

impl AsyncWrite for BiStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.send).poll_write(cx, buf));
        Poll::Ready(written.map_err(|error| StreamError::from(error).into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for BiStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BiStream").finish_non_exhaustive()
    }
}

/// A stream that a caller has opened, with the service that it names. It wants an answer; dropped,
/// it is refused as if there were no such service.
#[derive(Debug)]
pub struct IncomingStream {
    name: ServiceName,
    parts: Option<(Holds, SendStream, RecvStream)>,
}

impl IncomingStream {
    pub(super) const fn new(
        holds: Holds,
        name: ServiceName,
        send: SendStream,
        recv: RecvStream,
    ) -> Self {
        let parts = Some((holds, send, recv));
        Self { name, parts }
    }

    /// The service that the caller wants.
    #[must_use]
    pub const fn name(&self) -> &ServiceName {
        &self.name
    }

    /// Says that the service has the stream.
    ///
    /// # Errors
    /// The caller has given it up already.
    pub async fn accept(mut self) -> Result<BiStream, StreamError> {
        let (holds, mut send, recv) = self.parts.take().ok_or(StreamError::Finished)?;
        send.write_all(&[Status::Ok.code()]).await?;
        Ok(BiStream {
            send,
            recv,
            status: Expected::Bytes,
            _holds: holds,
        })
    }

    /// Says why the stream is not served.
    pub fn refuse(mut self, status: Status) {
        self.answer(status);
    }

    fn answer(&mut self, status: Status) {
        if let Some((holds, mut send, mut recv)) = self.parts.take() {
            let _ = recv.stop(GIVEN_UP);
            // One byte at the start of a stream waits for nothing, unless the caller gives no window
            // at all: then the stream is finished without a status, which is no better for it.
            let mut cx = Context::from_waker(Waker::noop());
            let _ = Pin::new(&mut send).poll_write(&mut cx, &[status.code()]);
            let _ = send.finish();
            drop(holds);
        }
    }
}

impl Drop for IncomingStream {
    fn drop(&mut self) {
        self.answer(Status::NoSuchService);
    }
}

/// Reads the head of a stream that a caller has opened.
pub(super) async fn read_head(recv: &mut RecvStream) -> Option<ServiceName> {
    let mut head = [0; 1 + SERVICE_NAME_MAX];
    let [len, ..] = &mut head;
    recv.read_exact(core::slice::from_mut(len)).await.ok()?;
    let end = 1 + usize::from(*len);
    recv.read_exact(head.get_mut(1..end)?).await.ok()?;
    ServiceName::read(&mut Reader::new(head.get(..end)?)).ok()
}
