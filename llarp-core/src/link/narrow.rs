//! Cells over a stream, where packets of 1350 bytes do not pass.
//!
//! ```text
//!  one unidirectional stream each way:  ┌───────────┬───────────┬───────────┬──
//!                                       │ cell 1312 │ cell 1312 │ cell 1312 │ …
//!                                       └───────────┴───────────┴───────────┴──
//! ```

use bytes::{Bytes, BytesMut};
use quinn::{ReadError, RecvStream};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Mutex, mpsc};

use super::error::{LinkClosed, RecvError, SendError};
use crate::wire::limits::{CELL_LEN, NARROW_QUEUE_CELLS};

/// Both ways of a narrow link's cells.
pub(super) struct Narrow {
    queue: mpsc::Sender<Bytes>,
    reader: Mutex<Reader>,
}

impl Narrow {
    /// Starts the task that writes. It ends with the link.
    pub(super) fn open(quic: quinn::Connection) -> Self {
        let (queue, cells) = mpsc::channel(NARROW_QUEUE_CELLS);
        tokio::spawn(write(quic, cells));
        let reader = Mutex::new(Reader::ExpectStream);
        Self { queue, reader }
    }

    /// Queues a cell; `ended` says why the link is gone, if it is.
    pub(super) fn send(
        &self,
        cell: Bytes,
        ended: impl FnOnce() -> LinkClosed,
    ) -> Result<(), SendError> {
        self.queue.try_send(cell).map_err(|error| match error {
            TrySendError::Full(_) => SendError::Full,
            TrySendError::Closed(_) => ended().into(),
        })
    }

    /// Queues a cell when there is room; `None` if the link is gone.
    pub(super) async fn send_wait(&self, cell: Bytes) -> Option<()> {
        self.queue.send(cell).await.ok()
    }

    pub(super) fn room(&self) -> usize {
        self.queue.capacity()
    }

    /// The next record. Cancel-safe: a record that is half read stays.
    pub(super) async fn recv(&self, quic: &quinn::Connection) -> Result<Bytes, RecvError> {
        let mut reader = self.reader.lock().await;
        loop {
            match &mut *reader {
                Reader::ExpectStream => {
                    let stream = quic.accept_uni().await.map_err(LinkClosed::from)?;
                    *reader = Reader::Reading(stream, BytesMut::new());
                }
                Reader::Reading(stream, record) => match fill(stream, record).await? {
                    Fill::Record => return Ok(record.split().freeze()),
                    Fill::End => {
                        let got = record.len();
                        *reader = Reader::ExpectStream;
                        return Err(RecvError::WrongLength { got });
                    }
                },
            }
        }
    }
}

enum Reader {
    ExpectStream,
    Reading(RecvStream, BytesMut),
}

enum Fill {
    Record,
    End,
}

/// Reads until `record` is one cell, or the stream ends.
async fn fill(stream: &mut RecvStream, record: &mut BytesMut) -> Result<Fill, RecvError> {
    while record.len() < CELL_LEN {
        match stream.read_chunk(CELL_LEN - record.len(), true).await {
            Ok(Some(chunk)) => record.extend_from_slice(&chunk.bytes),
            Ok(None) => return Ok(Fill::End),
            Err(ReadError::ConnectionLost(error)) => {
                return Err(RecvError::Closed(error.into()));
            }
            Err(_) => return Ok(Fill::End),
        }
    }
    Ok(Fill::Record)
}

async fn write(quic: quinn::Connection, mut cells: mpsc::Receiver<Bytes>) {
    let Ok(mut stream) = quic.open_uni().await else {
        return;
    };
    while let Some(cell) = cells.recv().await {
        if stream.write_chunk(cell).await.is_err() {
            return;
        }
    }
}
