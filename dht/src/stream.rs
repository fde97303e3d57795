//! One question and its answer: a stream of a link, for as long as it may take.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;

use futures::io::{AsyncRead, AsyncWrite};
use quinn::{RecvStream, SendStream};
use tokio::time::{Sleep, sleep};

use llarp_core::wire::limits::DHT_STREAM_TIME;

/// A stream that ends in time, whoever holds it. libp2p's handler itself would wait for ever for a
/// peer that falls silent within its question, and keep the link for it.
pub(crate) struct Substream<S> {
    stream: S,
    deadline: Pin<Box<Sleep>>,
}

impl<S> Substream<S> {
    /// In a tokio runtime.
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            deadline: Box::pin(sleep(DHT_STREAM_TIME)),
        }
    }

    fn in_time(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Substream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.in_time(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Substream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.in_time(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.in_time(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// Both directions of a stream of QUIC.
pub(crate) struct LinkStream {
    pub(crate) send: SendStream,
    pub(crate) recv: RecvStream,
}

impl AsyncRead for LinkStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        RecvStream::poll_read(&mut self.recv, cx, buf).map_err(Into::into)
    }
}

impl AsyncWrite for LinkStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        SendStream::poll_write(Pin::new(&mut self.send), cx, buf).map_err(Into::into)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // An error says that it was closed before, which is as good.
        let _ = self.send.finish();
        Poll::Ready(Ok(()))
    }
}
