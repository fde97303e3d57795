//! Cells on a link: 1312 bytes each, unordered, lost when there is no room.

use core::pin::pin;
use core::task::{Context, Poll, Waker};

use bytes::Bytes;
use quinn::SendDatagramError;

use super::connection::Link;
use super::error::{LinkClosed, RecvError, SendError};
use super::narrow::Narrow;
use super::quic::Width;
use crate::wire::limits::CELL_LEN;

/// How a link carries cells.
pub(super) enum Lane {
    /// Each in a QUIC datagram.
    Wide,
    /// In a stream, for networks that carry no packets of 1350 bytes.
    Narrow(Narrow),
}

impl Lane {
    /// The lane of `width` on `quic`; `None` if a cell does not fit into the peer's datagrams.
    pub(super) fn open(quic: &quinn::Connection, width: Width) -> Option<Self> {
        match width {
            Width::Narrow => Some(Self::Narrow(Narrow::open(quic.clone()))),
            Width::Wide if quic.max_datagram_size() >= Some(CELL_LEN) => Some(Self::Wide),
            Width::Wide => None,
        }
    }
}

impl Link {
    /// Sends a cell, without waiting. On a wide link a full buffer drops its *oldest* cell
    /// silently: see [`Link::cell_room`].
    ///
    /// # Errors
    /// [`SendError`]; on a narrow link also [`SendError::Full`].
    pub fn send_cell(&self, cell: Bytes) -> Result<(), SendError> {
        self.check_cell(&cell)?;
        match &self.shared.lane {
            Lane::Wide => self.shared.quic.send_datagram(cell).map_err(refused),
            Lane::Narrow(narrow) => narrow.send(cell, || self.ended()),
        }
    }

    /// Sends a cell when there is room for it, so that none is dropped here. Cancel-safe: the cell
    /// is either queued or not.
    ///
    /// # Errors
    /// [`SendError`], never [`SendError::Full`].
    pub async fn send_cell_wait(&self, cell: Bytes) -> Result<(), SendError> {
        self.check_cell(&cell)?;
        match &self.shared.lane {
            Lane::Wide => self
                .shared
                .quic
                .send_datagram_wait(cell)
                .await
                .map_err(refused),
            Lane::Narrow(narrow) => {
                let sent = narrow.send_wait(cell).await;
                sent.ok_or_else(|| self.ended().into())
            }
        }
    }

    /// How many cells can be sent now without dropping any.
    #[must_use]
    pub fn cell_room(&self) -> usize {
        match &self.shared.lane {
            Lane::Wide => self.shared.quic.datagram_send_buffer_space() / CELL_LEN,
            Lane::Narrow(narrow) => narrow.room(),
        }
    }

    /// The next cell. Cancel-safe. Does not yield while cells are there: drain what a wake-up
    /// brings.
    ///
    /// # Errors
    /// [`RecvError::WrongLength`] for what is no cell, after which the link lives on;
    /// [`RecvError::Closed`].
    pub async fn recv_cell(&self) -> Result<Bytes, RecvError> {
        let cell = match &self.shared.lane {
            Lane::Wide => self
                .shared
                .quic
                .read_datagram()
                .await
                .map_err(LinkClosed::from)?,
            Lane::Narrow(narrow) => narrow.recv(&self.shared.quic).await?,
        };
        self.shared.activity.touch();
        if cell.len() == CELL_LEN {
            return Ok(cell);
        }
        Err(RecvError::WrongLength { got: cell.len() })
    }

    /// The next cell, if it is there already: the rest of what a wake-up brought.
    ///
    /// # Errors
    /// As [`Link::recv_cell`].
    pub fn try_recv_cell(&self) -> Option<Result<Bytes, RecvError>> {
        let mut context = Context::from_waker(Waker::noop());
        match pin!(self.recv_cell()).poll(&mut context) {
            Poll::Ready(cell) => Some(cell),
            Poll::Pending => None,
        }
    }

    fn check_cell(&self, cell: &Bytes) -> Result<(), SendError> {
        if cell.len() != CELL_LEN {
            return Err(SendError::WrongLength { got: cell.len() });
        }
        self.shared.activity.touch();
        Ok(())
    }

    fn ended(&self) -> LinkClosed {
        self.close_reason().unwrap_or(LinkClosed::Broken)
    }
}

fn refused(error: SendDatagramError) -> SendError {
    SendError::Closed(match error {
        SendDatagramError::ConnectionLost(error) => error.into(),
        // The lane was opened on a connection whose datagrams carry a cell, and sizes are fixed.
        SendDatagramError::UnsupportedByPeer
        | SendDatagramError::Disabled
        | SendDatagramError::TooLarge => LinkClosed::Broken,
    })
}
