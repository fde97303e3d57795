//! A client's side of the layers: seal for any hop, open from any hop.

use super::command::Command;
use super::layout::{Body, SealError, is_ours, read_plain, write_plain};
use super::window::{Discarded, Reason, Strikes, Window};
use super::{HopKeys, label};
use crate::crypto::onion::{Decipher, Encipher};
use crate::wire::limits::PATH_CELLS_MAX;

/// The layers that a client puts around what it sends, first hop first.
pub struct OutboundLayers {
    hops: Vec<OutboundHop>,
    sent: u64,
}

struct OutboundHop {
    layer: Encipher,
    next_counter: u64,
}

impl OutboundLayers {
    /// The layers of a path whose hops have these keys, first hop first.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a HopKeys>) -> Self {
        let tweak = label::CELL_UP.as_str().as_bytes();
        let hop = |keys: &HopKeys| OutboundHop {
            layer: Encipher::new(keys.up(), tweak),
            next_counter: 0,
        };
        Self {
            hops: keys.into_iter().map(hop).collect(),
            sent: 0,
        }
    }

    /// Writes over all of `body` a cell that `hop` (counted from 0) will open and act on.
    ///
    /// # Errors
    /// [`SealError`]; no counter is then used up, and `body` must not be sent.
    pub fn seal(
        &mut self,
        hop: usize,
        command: Command,
        data: &[u8],
        body: &mut Body,
    ) -> Result<(), SealError> {
        let hops = self.hops.len();
        let target = self
            .hops
            .get_mut(hop)
            .ok_or(SealError::NoSuchHop { hop, hops })?;
        if self.sent >= PATH_CELLS_MAX {
            return Err(SealError::PathSpent);
        }
        write_plain(body, target.next_counter, command, data)?;
        target.next_counter += 1;
        self.sent += 1;
        for passed in self.hops.iter().take(hop + 1).rev() {
            encipher(&passed.layer, body);
        }
        Ok(())
    }

    /// Cells sealed so far, for all hops together.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent
    }
}

/// The layers that a client takes off what it receives, first hop first.
pub struct InboundLayers {
    hops: Vec<InboundHop>,
    strikes: Strikes,
}

struct InboundHop {
    layer: Decipher,
    window: Window,
}

/// A cell that arrived whole.
#[derive(Debug, PartialEq, Eq)]
pub struct Arrived<'a> {
    /// The hop that sealed it, counted from 0.
    pub hop: usize,
    /// What it says.
    pub command: Command,
    /// With which data.
    pub data: &'a [u8],
}

impl InboundLayers {
    /// The layers of a path whose hops have these keys, first hop first.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a HopKeys>) -> Self {
        let tweak = label::CELL_DOWN.as_str().as_bytes();
        let hop = |keys: &HopKeys| InboundHop {
            layer: Decipher::new(keys.down(), tweak),
            window: Window::default(),
        };
        Self {
            hops: keys.into_iter().map(hop).collect(),
            strikes: Strikes::default(),
        }
    }

    /// Takes layers off `body`, in place, until one shows that its hop sealed the cell.
    ///
    /// # Errors
    /// [`Discarded`] if none does, or if the cell is a duplicate, too old or malformed; the caller
    /// closes the path when it says so.
    pub fn open<'b>(&mut self, body: &'b mut Body) -> Result<Arrived<'b>, Discarded> {
        let Self { hops, strikes } = self;
        let sealer = hops.iter_mut().enumerate().find_map(|(index, hop)| {
            decipher(&hop.layer, body);
            is_ours(body).then_some((index, hop))
        });
        let (hop, sender) = sealer.ok_or_else(|| strikes.discard(Reason::Garbled))?;
        let plain = read_plain(body)
            .and_then(|plain| sender.window.accept(plain.counter).map(|()| plain))
            .map_err(|reason| strikes.discard(reason))?;
        Ok(Arrived {
            hop,
            command: plain.command,
            data: plain.data,
        })
    }
}

pub(super) fn encipher(layer: &Encipher, body: &mut Body) {
    let done = layer.apply(body);
    debug_assert_eq!(done, Ok(()), "a body is longer than a block");
}

pub(super) fn decipher(layer: &Decipher, body: &mut Body) {
    let done = layer.apply(body);
    debug_assert_eq!(done, Ok(()), "a body is longer than a block");
}
