//! A relay's side of the layers: one hop of a path, with its role in the type.

use super::client::{decipher, encipher};
use super::command::Command;
use super::layout::{Body, SealError, WrapError, is_ours, read_plain, write_plain};
use super::window::{Discarded, Reason, Strikes, Window};
use super::{HopKeys, label};
use crate::crypto::onion::{Decipher, Encipher};
use crate::wire::limits::PATH_CELLS_MAX;

/// A hop that forwards: what is not its own goes on.
pub struct MiddleHop(Layers);

/// A path's last relay: what is not its own was garbled.
pub struct TerminalHop(Layers);

struct Layers {
    up: Decipher,
    window: Window,
    strikes: Strikes,
    down: Encipher,
    next_counter: u64,
    /// Cells that these keys have deciphered and enciphered, whoever they were from.
    carried_up: u64,
    carried_down: u64,
}

/// What a middle hop finds under its layer.
#[derive(Debug, PartialEq, Eq)]
pub enum Peeled<'a> {
    /// The body, one layer less, belongs to a later hop: forward it.
    Onward,
    /// The client sealed it for this hop.
    Ours {
        /// What it says.
        command: Command,
        /// With which data.
        data: &'a [u8],
    },
}

impl MiddleHop {
    /// The layers of a hop with these keys.
    #[must_use]
    pub fn new(keys: &HopKeys) -> Self {
        Self(Layers::new(keys))
    }

    /// Takes this hop's layer off a cell from the client's side, in place.
    ///
    /// # Errors
    /// [`Discarded`] if it was sealed for this hop but is a duplicate, too old or malformed, or if
    /// the path is spent. A garbled cell is not recognised here: it goes on and dies at the end.
    pub fn peel<'b>(&mut self, body: &'b mut Body) -> Result<Peeled<'b>, Discarded> {
        if self.0.peel(body)? {
            let (command, data) = self.0.read(body)?;
            return Ok(Peeled::Ours { command, data });
        }
        Ok(Peeled::Onward)
    }

    /// Puts this hop's layer around a cell from the terminal's side, in place.
    ///
    /// # Errors
    /// [`WrapError`]; `body` is then unchanged and must not be sent.
    pub fn wrap(&mut self, body: &mut Body) -> Result<(), WrapError> {
        // Under this hop's layer the client takes zeros for this hop's own words.
        if is_ours(body) {
            return Err(WrapError::Forged);
        }
        self.0.wrap(body)
    }

    /// Writes over all of `body` a cell from this hop to the client.
    ///
    /// # Errors
    /// [`SealError`]; no counter is then used up, and `body` must not be sent.
    pub fn seal(
        &mut self,
        command: Command,
        data: &[u8],
        body: &mut Body,
    ) -> Result<(), SealError> {
        self.0.seal(command, data, body)
    }
}

impl TerminalHop {
    /// The layers of a terminal with these keys.
    #[must_use]
    pub fn new(keys: &HopKeys) -> Self {
        Self(Layers::new(keys))
    }

    /// Takes the last layer off a cell, in place, and reads it.
    ///
    /// # Errors
    /// [`Discarded`] if it was garbled on its way, or is a duplicate, too old or malformed; the
    /// caller closes the path when it says so.
    pub fn open<'b>(&mut self, body: &'b mut Body) -> Result<(Command, &'b [u8]), Discarded> {
        if self.0.peel(body)? {
            return self.0.read(body);
        }
        Err(self.0.strikes.discard(Reason::Garbled))
    }

    /// Writes over all of `body` a cell from the terminal to the client.
    ///
    /// # Errors
    /// [`SealError`]; no counter is then used up, and `body` must not be sent.
    pub fn seal(
        &mut self,
        command: Command,
        data: &[u8],
        body: &mut Body,
    ) -> Result<(), SealError> {
        self.0.seal(command, data, body)
    }
}

impl Layers {
    fn new(keys: &HopKeys) -> Self {
        Self {
            up: Decipher::new(keys.up(), label::CELL_UP.as_str().as_bytes()),
            window: Window::default(),
            strikes: Strikes::default(),
            down: Encipher::new(keys.down(), label::CELL_DOWN.as_str().as_bytes()),
            next_counter: 0,
            carried_up: 0,
            carried_down: 0,
        }
    }

    /// Whether the cell, one layer less, is ours.
    fn peel(&mut self, body: &mut Body) -> Result<bool, Discarded> {
        let counter = self.carried_up;
        if counter >= PATH_CELLS_MAX {
            return Err(self.strikes.discard(Reason::Spent { counter }));
        }
        self.carried_up += 1;
        decipher(&self.up, body);
        Ok(is_ours(body))
    }

    fn wrap(&mut self, body: &mut Body) -> Result<(), WrapError> {
        if self.carried_down >= PATH_CELLS_MAX {
            return Err(WrapError::PathSpent);
        }
        self.carried_down += 1;
        encipher(&self.down, body);
        Ok(())
    }

    fn read<'b>(&mut self, body: &'b Body) -> Result<(Command, &'b [u8]), Discarded> {
        read_plain(body)
            .and_then(|plain| self.window.accept(plain.counter).map(|()| plain))
            .map(|plain| (plain.command, plain.data))
            .map_err(|reason| self.strikes.discard(reason))
    }

    fn seal(&mut self, command: Command, data: &[u8], body: &mut Body) -> Result<(), SealError> {
        write_plain(body, self.next_counter, command, data)?;
        self.wrap(body).map_err(|_| SealError::PathSpent)?;
        self.next_counter += 1;
        Ok(())
    }
}
