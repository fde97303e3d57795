//! A link as libp2p wants it: streams in, streams out, an end.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::io::{AsyncRead, AsyncWrite};
use libp2p_core::StreamMuxer;
use libp2p_core::muxing::StreamMuxerEvent;
use tokio::time::Instant;

use llarp_core::link::{CloseCode, Link};
use llarp_core::wire::limits::DHT_STREAMS_OPEN;

use crate::bucket::Bucket;
use crate::stream::{LinkStream, Substream};

/// Where streams come from: a link, or a test's memory.
pub(crate) trait Streams: Send + Unpin + 'static {
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The next stream that the peer opens.
    fn accept(&self) -> Opening<Self::Stream>;
    /// A new stream to the peer.
    fn open(&self) -> Opening<Self::Stream>;
    /// Resolves with the reason when it is over.
    fn closed(&self) -> BoxFuture<'static, io::Error>;
    /// Ends it.
    fn close(&self);
}

type Opening<S> = BoxFuture<'static, io::Result<S>>;

impl Streams for Link {
    type Stream = LinkStream;

    fn accept(&self) -> Opening<LinkStream> {
        let link = self.clone();
        async move {
            let (send, recv) = link.quic().accept_bi().await.map_err(io::Error::from)?;
            link.touch();
            Ok(LinkStream { send, recv })
        }
        .boxed()
    }

    fn open(&self) -> Opening<LinkStream> {
        let link = self.clone();
        async move {
            let (send, recv) = link.quic().open_bi().await.map_err(io::Error::from)?;
            link.touch();
            Ok(LinkStream { send, recv })
        }
        .boxed()
    }

    fn closed(&self) -> BoxFuture<'static, io::Error> {
        let quic = self.quic().clone();
        async move { quic.closed().await.into() }.boxed()
    }

    fn close(&self) {
        Link::close(self, CloseCode::Done);
    }
}

/// The streams of one link. Nobody else may take streams of it.
pub(crate) struct Muxer<S: Streams> {
    streams: S,
    inbound: Opening<S::Stream>,
    outbound: Option<Opening<S::Stream>>,
    closed: BoxFuture<'static, io::Error>,
    /// What the peer may still open: each stream costs a negotiation before anybody knows more.
    allowance: Bucket,
}

impl Muxer<Link> {
    /// Of a link that was made for the table.
    pub(crate) fn of_link(link: Link) -> Self {
        link.allow_requests(DHT_STREAMS_OPEN);
        Self::new(link)
    }
}

impl<S: Streams> Muxer<S> {
    /// In a tokio runtime.
    pub(crate) fn new(streams: S) -> Self {
        Self {
            inbound: streams.accept(),
            outbound: None,
            closed: streams.closed(),
            allowance: Bucket::full(Instant::now()),
            streams,
        }
    }
}

impl<S: Streams> StreamMuxer for Muxer<S> {
    type Substream = Substream<S::Stream>;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        let stream = ready!(self.inbound.poll_unpin(cx));
        // Before `?`: a future that has ended must not be polled again.
        self.inbound = self.streams.accept();
        let stream = stream?;
        if !self.allowance.take(Instant::now(), 1) {
            return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
        }
        Poll::Ready(Ok(Substream::new(stream)))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        let mut opening = self.outbound.take().unwrap_or_else(|| self.streams.open());
        match opening.poll_unpin(cx) {
            Poll::Ready(stream) => Poll::Ready(stream.map(Substream::new)),
            Poll::Pending => {
                self.outbound = Some(opening);
                Poll::Pending
            }
        }
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.streams.close();
        Poll::Ready(Ok(()))
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        // The end is seen even while nobody asks for streams. It ends the connection's task, so that
        // this is not polled again.
        self.closed.poll_unpin(cx).map(Err)
    }
}
