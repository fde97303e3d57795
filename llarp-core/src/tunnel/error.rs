//! What goes wrong on tunnels, by operation, and who must act. No error holds a path.

use quinn::{ConnectionError, ReadError, TransportErrorCode, WriteError};

use super::route::PathTaken;
use super::session::{DOES_NOT_OPEN, UNKNOWN_KEY};
use super::stream::Status;

/// Why there are no tunnels at this node: something of the same name runs outside tokio.
#[derive(Debug, thiserror::Error)]
#[error("tunnels need a tokio runtime")]
pub struct NoRuntime(#[source] pub(super) std::io::Error);

/// Why there is no tunnel to a far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The caller must use another path.
    #[error(transparent)]
    PathTaken(#[from] PathTaken),
    /// The caller has given a key that is none.
    #[error("the far end's key is not a key")]
    NotAKey,
    /// The node's tunnels are closed.
    #[error("the node's tunnels are closed")]
    Stopped,
    /// The far end does not hold the onion keys: they have changed, or are another relay's or
    /// another network's. The caller needs a newer contact.
    #[error("the far end does not hold these onion keys")]
    UnknownKey,
    /// The far end, or somebody in its place, does not know the key's secret.
    #[error("the far end's handshake does not open")]
    DoesNotOpen,
    /// The far end is full: try again later, or elsewhere.
    #[error("the far end refused the tunnel")]
    Refused,
    /// The path is dead, or the far end serves no tunnels.
    #[error("no answer")]
    NoAnswer,
    /// One side broke QUIC's rules.
    #[error("the handshake broke")]
    Broken,
}

impl From<ConnectionError> for ConnectError {
    fn from(error: ConnectionError) -> Self {
        let of = |code: TransportErrorCode| match code {
            code if code == TransportErrorCode::crypto(UNKNOWN_KEY) => Self::UnknownKey,
            code if code == TransportErrorCode::crypto(DOES_NOT_OPEN) => Self::DoesNotOpen,
            TransportErrorCode::CONNECTION_REFUSED => Self::Refused,
            _ => Self::Broken,
        };
        match error {
            ConnectionError::TimedOut => Self::NoAnswer,
            ConnectionError::LocallyClosed => Self::Stopped,
            ConnectionError::ApplicationClosed(_) => Self::Refused,
            ConnectionError::TransportError(fault) => of(fault.code),
            ConnectionError::ConnectionClosed(close) => of(close.error_code),
            _ => Self::Broken,
        }
    }
}

/// Why a tunnel was closed, as one number for the other side. Unknown codes survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TunnelCode {
    /// No longer needed.
    Done,
    /// The node is going away.
    Stopping,
    /// No room.
    Refused,
    /// A code of another version.
    Other(u8),
}

impl TunnelCode {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Stopping => 1,
            Self::Refused => 2,
            Self::Other(code) => code,
        }
    }

    /// The meaning of the number.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Done,
            1 => Self::Stopping,
            2 => Self::Refused,
            other => Self::Other(other),
        }
    }
}

/// How a tunnel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TunnelClosed {
    /// We closed it.
    #[error("the tunnel was closed here")]
    Here,
    /// The far end closed it.
    #[error("the far end closed the tunnel: {0:?}")]
    Far(TunnelCode),
    /// Nothing was heard for too long.
    #[error("the far end fell silent")]
    TimedOut,
    /// The far end has lost the tunnel's state, most likely by a restart.
    #[error("the far end was restarted")]
    Reset,
    /// One side broke QUIC's rules.
    #[error("the tunnel broke")]
    Broken,
}

impl From<ConnectionError> for TunnelClosed {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::LocallyClosed => Self::Here,
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::Reset => Self::Reset,
            ConnectionError::ApplicationClosed(close) => {
                let code = u8::try_from(close.error_code.into_inner()).unwrap_or(u8::MAX);
                Self::Far(TunnelCode::from_code(code))
            }
            _ => Self::Broken,
        }
    }
}

/// Why a stream gives or takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The callee has no such service.
    #[error("the far end has no such service")]
    NoSuchService,
    /// The callee serves too many streams of this tunnel: try again later.
    #[error("the far end is busy")]
    Busy,
    /// The far end has given up the stream.
    #[error("the far end gave up the stream")]
    GivenUp,
    /// This direction was finished here.
    #[error("the stream was finished here")]
    Finished,
    /// The far end does not keep to the protocol.
    #[error("the stream's status is not one")]
    Malformed,
    /// More came than the caller would take.
    #[error("more than {max} bytes came")]
    TooLong {
        /// The bound.
        max: usize,
    },
    /// There is no tunnel any more.
    #[error(transparent)]
    Closed(#[from] TunnelClosed),
}

impl StreamError {
    pub(super) const fn of_status(status: Status) -> Option<Self> {
        match status {
            Status::Ok => None,
            Status::NoSuchService => Some(Self::NoSuchService),
            Status::Busy => Some(Self::Busy),
            Status::Other(_) => Some(Self::Malformed),
        }
    }
}

impl From<ReadError> for StreamError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::ConnectionLost(error) => Self::Closed(error.into()),
            ReadError::Reset(_) => Self::GivenUp,
            _ => Self::Finished,
        }
    }
}

impl From<WriteError> for StreamError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::ConnectionLost(error) => Self::Closed(error.into()),
            WriteError::Stopped(_) => Self::GivenUp,
            _ => Self::Finished,
        }
    }
}

impl From<StreamError> for std::io::Error {
    fn from(error: StreamError) -> Self {
        Self::other(error)
    }
}

/// Why a datagram was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DatagramError {
    /// Empty, or more than [`max_datagram_size`](super::Tunnel::max_datagram_size).
    #[error("a datagram has 1 to {max} bytes, {got} given")]
    WrongLength {
        /// The bound now.
        max: usize,
        /// Bytes given.
        got: usize,
    },
    /// There is no tunnel any more.
    #[error(transparent)]
    Closed(#[from] TunnelClosed),
}
