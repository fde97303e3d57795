//! The handshake as QUIC drives it. Specification: §2.
//!
//! ```text
//!  caller                                                callee
//!    │ Initial     version 1 ‖ length 2 ‖ message 1         │
//!    ├─────────────────────────────────────────────────────▶│
//!    │ Initial     version 1 ‖ length 2 ‖ message 2         │
//!    │ Handshake   0                                        │
//!    │◀─────────────────────────────────────────────────────┤
//!    │ Handshake   0    data                                │
//!    ├─────────────────────────────────────────────────────▶│ only now is there a tunnel
//! ```

use core::any::Any;
use core::mem;
use std::sync::Arc;

use quinn::crypto::{
    ClientConfig, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, ServerConfig,
    Session as QuicSession, UnsupportedVersion,
};
use quinn::{ConnectError, ConnectionId, TransportErrorCode};
use quinn_proto::TransportError;
use quinn_proto::transport_parameters::TransportParameters;

use super::handshake::{Draws, ExpectAnswer, FarEnd, HandshakeError, TunnelKeys, answer_to, call};
use super::keys::{Secrets, Side};
use crate::crypto::hash::{NetworkId, label};
use crate::crypto::noise::Split;
use crate::wire::limits::{TUNNEL_HANDSHAKE_MAX, VERSION};

/// The version in QUIC's long headers: `lla` and our version. Not 1, whose handshake is TLS.
pub(super) const QUIC_VERSION: u32 = 0x6c6c_6100 | VERSION as u32;

/// QUIC's error codes for failed handshakes.
pub(super) const UNKNOWN_KEY: u8 = 1;
pub(super) const DOES_NOT_OPEN: u8 = 2;
pub(super) const MALFORMED: u8 = 3;

/// Calls one far end.
pub(super) struct Caller {
    pub(super) network: NetworkId,
    pub(super) far: FarEnd,
    pub(super) draws: Draws,
}

/// Answers callers.
pub(super) struct Callee {
    pub(super) network: NetworkId,
    pub(super) keys: Arc<dyn TunnelKeys>,
    pub(super) draws: Draws,
}

impl ClientConfig for Caller {
    fn start_session(
        self: Arc<Self>,
        _version: u32,
        _server_name: &str,
        parameters: &TransportParameters,
    ) -> Result<Box<dyn QuicSession>, ConnectError> {
        let ours = encode(parameters);
        let called = call(&self.network, &self.far, &ours, &self.draws);
        // The far end's key is a point of small order: as bad as a name that is none.
        let (expect, message) =
            called.map_err(|_| ConnectError::InvalidServerName("the far end's key".into()))?;
        let state = State::Calling {
            expect: Box::new(expect),
            first: Some(message),
        };
        Ok(Box::new(Session::new(self.network, Side::Caller, state)))
    }
}

impl ServerConfig for Callee {
    fn initial_keys(&self, version: u32, cid: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        match version {
            QUIC_VERSION => Ok(Secrets::initial(self.network, cid, Side::Callee).keys()),
            _ => Err(UnsupportedVersion),
        }
    }

    /// Retries are neither sent nor believed: a path proves its caller by itself.
    fn retry_tag(&self, _version: u32, _cid: &ConnectionId, _packet: &[u8]) -> [u8; 16] {
        [0; 16]
    }

    fn start_session(
        self: Arc<Self>,
        _version: u32,
        parameters: &TransportParameters,
    ) -> Box<dyn QuicSession> {
        let (network, ours) = (self.network, encode(parameters));
        let callee = self;
        Box::new(Session::new(
            network,
            Side::Callee,
            State::Called { callee, ours },
        ))
    }
}

/// One side of one handshake, and the secrets afterwards.
struct Session {
    network: NetworkId,
    side: Side,
    state: State,
    /// Bytes of the far side's message that have come, up to its length.
    read: Vec<u8>,
    theirs: Option<TransportParameters>,
    data: Option<Secrets>,
}

enum State {
    Calling {
        expect: Box<ExpectAnswer>,
        first: Option<Vec<u8>>,
    },
    Called {
        callee: Arc<Callee>,
        ours: Vec<u8>,
    },
    /// The split is known. `answer` and the handshake's keys are still to be written.
    Split {
        answer: Vec<u8>,
        split: Split,
    },
    /// A caller that waits for the callee's confirmation before it gives its own: with that, the
    /// callee is done and sends nothing of the handshake again.
    ExpectAnswer(Split),
    /// The confirmation and the keys of data are still to be written.
    Confirm(Split),
    /// A callee that waits for the caller's confirmation.
    ExpectConfirmation,
    Established,
    Failed,
}

impl Session {
    const fn new(network: NetworkId, side: Side, state: State) -> Self {
        Self {
            network,
            side,
            state,
            read: Vec::new(),
            theirs: None,
            data: None,
        }
    }

    /// A message is here whole: the next state.
    fn advance(&mut self) -> Result<(), HandshakeError> {
        let message = mem::take(&mut self.read);
        let message = message.get(HEADER_LEN..).unwrap_or_default();
        self.state = match mem::replace(&mut self.state, State::Failed) {
            State::Calling { expect, .. } => {
                let (theirs, split) = expect.finish(message)?;
                self.theirs = Some(decode(self.side, &theirs)?);
                let answer = Vec::new();
                State::Split { answer, split }
            }
            State::Called { callee, ours } => {
                let (theirs, owes) =
                    answer_to(&callee.network, &*callee.keys, message, &callee.draws)?;
                self.theirs = Some(decode(self.side, &theirs)?);
                let (answer, split) = owes.answer(&ours)?;
                State::Split { answer, split }
            }
            other => other,
        };
        Ok(())
    }

    /// Takes bytes of the message that the state waits for.
    fn read_message(&mut self, bytes: &[u8]) -> Result<(), HandshakeError> {
        self.read.extend_from_slice(bytes);
        let Some(wanted) = wanted(&self.read)? else {
            return Ok(());
        };
        match self.read.len() {
            len if len < wanted => Ok(()),
            len if len == wanted => self.advance(),
            _ => Err(malformed("left-over bytes")),
        }
    }
}

/// Version 1, length 2.
const HEADER_LEN: usize = 3;

/// The length of the message that begins with `read`, header included, once it is known.
fn wanted(read: &[u8]) -> Result<Option<usize>, HandshakeError> {
    let [version, high, low, ..] = read else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    if *version != VERSION || len > TUNNEL_HANDSHAKE_MAX {
        return Err(malformed("version or length"));
    }
    Ok(Some(HEADER_LEN + len))
}

fn write_message(message: &[u8], buf: &mut Vec<u8>) {
    // No message of ours is longer than TUNNEL_HANDSHAKE_MAX.
    let len = u16::try_from(message.len()).unwrap_or(u16::MAX);
    buf.push(VERSION);
    buf.extend_from_slice(&len.to_be_bytes());
    buf.extend_from_slice(message);
}

fn malformed(field: &'static str) -> HandshakeError {
    HandshakeError::Malformed(crate::wire::WireError::new(
        field,
        crate::wire::Fault::Invalid,
    ))
}

impl QuicSession for Session {
    fn initial_keys(&self, cid: &ConnectionId, _side: quinn::Side) -> Keys {
        Secrets::initial(self.network, cid, self.side).keys()
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        !matches!(self.state, State::Established)
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        let read = match mem::replace(&mut self.state, State::Failed) {
            state @ (State::Calling { .. } | State::Called { .. }) => {
                self.state = state;
                self.read_message(buf)
            }
            State::ExpectAnswer(split) if buf == CONFIRMATION => {
                self.state = State::Confirm(split);
                Ok(())
            }
            State::ExpectConfirmation if buf == CONFIRMATION => {
                self.state = State::Established;
                Ok(())
            }
            _ => Err(malformed("message")),
        };
        read.map(|()| false).map_err(fault)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        Ok(self.theirs)
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        match mem::replace(&mut self.state, State::Failed) {
            State::Calling { expect, first } => {
                if let Some(message) = &first {
                    write_message(message, buf);
                }
                let first = None;
                self.state = State::Calling { expect, first };
                None
            }
            State::Split { answer, split } => {
                if self.side == Side::Callee {
                    write_message(&answer, buf);
                }
                let keys = Secrets::after(&split, label::TUNNEL_HANDSHAKE, self.network, self.side);
                self.state = match self.side {
                    Side::Caller => State::ExpectAnswer(split),
                    Side::Callee => State::Confirm(split),
                };
                Some(keys.keys())
            }
            State::Confirm(split) => {
                buf.extend_from_slice(CONFIRMATION);
                let data = Secrets::after(&split, label::TUNNEL_DATA, self.network, self.side);
                let keys = data.keys();
                self.data = Some(data);
                self.state = match self.side {
                    Side::Caller => State::Established,
                    Side::Callee => State::ExpectConfirmation,
                };
                Some(keys)
            }
            other => {
                self.state = other;
                None
            }
        }
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.data.as_mut().map(Secrets::advance)
    }

    fn is_valid_retry(&self, _cid: &ConnectionId, _header: &[u8], _payload: &[u8]) -> bool {
        false
    }

    fn export_keying_material(
        &self,
        _output: &mut [u8],
        _label: &[u8],
        _context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        Err(ExportKeyingMaterialError)
    }
}

/// What shows, under the handshake's keys, that its sender has them.
const CONFIRMATION: &[u8] = &[0];

fn encode(parameters: &TransportParameters) -> Vec<u8> {
    let mut bytes = Vec::new();
    parameters.write(&mut bytes);
    bytes
}

/// The parameters of the side that we are not.
fn decode(side: Side, bytes: &[u8]) -> Result<TransportParameters, HandshakeError> {
    let side = match side {
        Side::Caller => quinn::Side::Client,
        Side::Callee => quinn::Side::Server,
    };
    let read = TransportParameters::read(side, &mut &*bytes);
    read.map_err(|_| malformed("QUIC parameters"))
}

fn fault(error: HandshakeError) -> TransportError {
    let code = match error {
        HandshakeError::UnknownKey => UNKNOWN_KEY,
        HandshakeError::DoesNotOpen(_) => DOES_NOT_OPEN,
        HandshakeError::Malformed(_) => MALFORMED,
    };
    TransportError {
        code: TransportErrorCode::crypto(code),
        frame: None,
        reason: String::new(),
    }
}
