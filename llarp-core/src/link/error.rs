//! What goes wrong on links, by operation, and who must act. No error holds an address.

use core::time::Duration;

use quinn::{ConnectionError, TransportErrorCode};

/// Who must act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The caller: it asked for what cannot be.
    FixCall,
    /// Nobody, but this peer is not what it should be: use another.
    DropPeer,
    /// Nobody: try again later.
    RetryLater,
}

/// Why a link was closed, as one byte for the other side. Unknown codes survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// No longer needed.
    Done,
    /// Room was needed for another link.
    Evicted,
    /// The machine is going away.
    Draining,
    /// No room, or not wanted.
    Refused,
    /// Too much of what the other side sent was no cell, or of no path; or it took none of the cells that
    /// waited for it.
    Useless,
    /// A code of another version.
    Other(u8),
}

impl CloseCode {
    /// The byte.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Evicted => 1,
            Self::Draining => 2,
            Self::Refused => 3,
            Self::Useless => 4,
            Self::Other(code) => code,
        }
    }

    /// The meaning of the byte.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Done,
            1 => Self::Evicted,
            2 => Self::Draining,
            3 => Self::Refused,
            4 => Self::Useless,
            other => Self::Other(other),
        }
    }
}

/// How a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkClosed {
    /// We closed it.
    #[error("the link was closed here")]
    Here,
    /// The peer closed it.
    #[error("the peer closed the link: {0:?}")]
    Peer(CloseCode),
    /// The peer does not know our relay key, or speaks for another network.
    #[error("the peer refused our key or network")]
    NotAdmitted,
    /// Nothing was heard for too long.
    #[error("the peer fell silent")]
    TimedOut,
    /// The peer has lost the link's state, most likely by a restart.
    #[error("the peer was restarted")]
    Reset,
    /// One side broke QUIC's rules.
    #[error("the link broke")]
    Broken,
}

impl From<ConnectionError> for LinkClosed {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::LocallyClosed => Self::Here,
            ConnectionError::TimedOut => Self::TimedOut,
            ConnectionError::Reset => Self::Reset,
            ConnectionError::ApplicationClosed(close) => {
                let code = u8::try_from(close.error_code.into_inner()).unwrap_or(u8::MAX);
                Self::Peer(CloseCode::from_code(code))
            }
            ConnectionError::ConnectionClosed(close) if is_tls_alert(close.error_code) => {
                Self::NotAdmitted
            }
            ConnectionError::ConnectionClosed(_)
            | ConnectionError::TransportError(_)
            | ConnectionError::VersionMismatch
            | ConnectionError::CidsExhausted => Self::Broken,
        }
    }
}

/// Why a cell was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Not the length of a cell.
    #[error("a cell has {expected} bytes, {got} given", expected = crate::wire::limits::CELL_LEN)]
    WrongLength {
        /// Bytes given.
        got: usize,
    },
    /// A narrow link's queue is full: this cell is dropped.
    #[error("the link's queue is full")]
    Full,
    /// There is no link any more.
    #[error(transparent)]
    Closed(#[from] LinkClosed),
}

/// Why no cell was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecvError {
    /// The peer sent what is no cell. It is dropped, and the link lives.
    #[error("a cell has {expected} bytes, {got} received", expected = crate::wire::limits::CELL_LEN)]
    WrongLength {
        /// Bytes received.
        got: usize,
    },
    /// There is no link any more.
    #[error(transparent)]
    Closed(#[from] LinkClosed),
}

/// Why a request has no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Kind 0 belongs to the link itself.
    #[error("kind 0 is the link's own")]
    ReservedKind,
    /// The request is above [`REQUEST_MAX`](crate::wire::limits::REQUEST_MAX).
    #[error("a request has at most {max} bytes, {got} given")]
    TooLarge {
        /// The bound.
        max: usize,
        /// Bytes given.
        got: usize,
    },
    /// The reply is above the caller's bound.
    #[error("the reply has more than the {max} bytes that were asked for")]
    ReplyTooLarge {
        /// The bound.
        max: usize,
    },
    /// The reply's bytes do not follow the specification.
    #[error("the reply is malformed")]
    Malformed,
    /// The peer dropped the request: too large for it, or not admitted.
    #[error("the peer refused the request")]
    Refused,
    /// No reply in time.
    #[error("no reply in time")]
    TimedOut,
    /// There is no link any more.
    #[error(transparent)]
    Closed(#[from] LinkClosed),
}

/// Why there is no link to a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The id is not a key.
    #[error("the relay id is not a key")]
    NotAKey,
    /// This socket cannot reach such an address (family, port 0).
    #[error("the address cannot be dialled from this socket")]
    BadAddress,
    /// The endpoint is closed or draining.
    #[error("the endpoint is closed")]
    Stopped,
    /// Whoever answers there does not hold the relay's key.
    #[error("another key than the relay's answered")]
    WrongKey,
    /// The peer serves another network, or not this protocol.
    #[error("the peer serves another network or protocol")]
    OtherNetwork,
    /// The peer is full or draining.
    #[error("the peer refused the link")]
    Refused,
    /// No answer, on a wide link or a narrow one.
    #[error("no answer")]
    NoAnswer,
    /// Earlier dials failed; the redialler waits.
    #[error("dialled too recently; again in {} ms", retry_after.as_millis())]
    BackingOff {
        /// When to come again.
        retry_after: Duration,
    },
    /// One side broke the rules of QUIC or TLS.
    #[error("the handshake broke")]
    Broken,
}

impl DialError {
    /// Who must act.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::NotAKey | Self::BadAddress | Self::Stopped => Remedy::FixCall,
            Self::WrongKey | Self::OtherNetwork | Self::Broken => Remedy::DropPeer,
            Self::Refused | Self::NoAnswer | Self::BackingOff { .. } => Remedy::RetryLater,
        }
    }

    /// When to try again, where that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::BackingOff { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}

impl From<ConnectionError> for DialError {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::TimedOut => Self::NoAnswer,
            ConnectionError::LocallyClosed => Self::Stopped,
            ConnectionError::TransportError(fault) if fault.code == alert(ACCESS_DENIED) => {
                Self::WrongKey
            }
            ConnectionError::ConnectionClosed(close) => match close.error_code {
                TransportErrorCode::CONNECTION_REFUSED => Self::Refused,
                code if code == alert(NO_APPLICATION_PROTOCOL) => Self::OtherNetwork,
                _ => Self::Broken,
            },
            ConnectionError::ApplicationClosed(_) => Self::Refused,
            _ => Self::Broken,
        }
    }
}

/// Why an endpoint does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The socket.
    #[error("the socket cannot be used: {}", .0.kind())]
    Socket(std::io::Error),
    /// The TLS library refused our key or suites.
    #[error("the TLS configuration is refused")]
    Tls,
    /// A client has no key to answer with, so it cannot serve.
    #[error("a client cannot serve")]
    NotARelay,
    /// Two handlers for one protocol, or none at all.
    #[error("each protocol has one handler, and there is at least one")]
    Handlers,
    /// `serve` was called before.
    #[error("the endpoint serves already")]
    Twice,
}

/// TLS alerts (RFC 8446 §6.2, RFC 7301 §3.2).
const ACCESS_DENIED: u8 = 49;
const NO_APPLICATION_PROTOCOL: u8 = 120;

fn alert(code: u8) -> TransportErrorCode {
    TransportErrorCode::crypto(code)
}

fn is_tls_alert(code: TransportErrorCode) -> bool {
    (0x100..0x200).contains(&u64::from(code))
}
