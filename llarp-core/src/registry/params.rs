//! The network's parameters, as its authorities set them.
//!
//! ```text
//! ┌─────────┬──────────────────────────────────────┐
//! │ count 1 │ code 2 ‖ value 8 each, by ascending code │
//! └─────────┴──────────────────────────────────────┘
//!   1  relays that a swarm aims at      2  relays below which a swarm is refilled
//!   3  pairs of old members that change places for each newcomer; 3 if it is not there
//!   4  storers' height: relays registered later store no introsets; all do if it is not there
//! ```

use super::bytes::{count_u8, mismatch, write_u8, write_u64};
use super::swarm::{SwarmParams, SwarmParamsError};
use crate::wire::limits::PARAMETERS_MAX;
use crate::wire::{Reader, WireError, Writer};

const SWARM_TARGET: u16 = 1;
const SWARM_MINIMUM: u16 = 2;
const SWARM_STIRS: u16 = 3;

/// Why values are no parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    /// No swarms can be made with them.
    #[error(transparent)]
    Swarms(#[from] SwarmParamsError),
    /// More than a snapshot has room for.
    #[error("a snapshot has at most {PARAMETERS_MAX} parameters")]
    TooMany,
}

/// Parameters by code. Those that this version does not know survive as values: what a node *must*
/// understand comes with a new minimum version instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters(Vec<(u16, u64)>);

impl Parameters {
    /// The code of the storers' height: relays registered at a greater height are too young to store
    /// introsets, since they could have chosen their keys for a beacon that was public already.
    pub const STORERS_HEIGHT: u16 = 4;

    /// Parameters of swarms of `target` relays, refilled below `minimum`, which is less.
    ///
    /// # Errors
    /// [`ParametersError::Swarms`].
    pub fn new(target: u8, minimum: u8) -> Result<Self, ParametersError> {
        Self::checked(vec![
            (SWARM_TARGET, target.into()),
            (SWARM_MINIMUM, minimum.into()),
        ])
    }

    /// The same with `code` set to `value`.
    ///
    /// # Errors
    /// [`ParametersError`].
    pub fn with(mut self, code: u16, value: u64) -> Result<Self, ParametersError> {
        match self.0.binary_search_by_key(&code, |(code, _)| *code) {
            Ok(at) => self
                .0
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|old| old.1 = value),
            Err(at) => self.0.insert(at, (code, value)),
        }
        Self::checked(self.0)
    }

    /// What the machine of swarms is told.
    #[must_use]
    pub fn swarms(&self) -> SwarmParams {
        // `checked` has looked at them.
        self.checked_swarms().unwrap_or_default()
    }

    /// The greatest height at which a relay was registered that stores introsets; none if all do.
    #[must_use]
    pub fn storers_height(&self) -> Option<u64> {
        self.get(Self::STORERS_HEIGHT)
    }

    /// The value under `code`, known or not.
    #[must_use]
    pub fn get(&self, code: u16) -> Option<u64> {
        let at = self.0.binary_search_by_key(&code, |(code, _)| *code).ok()?;
        self.0.get(at).map(|(_, value)| *value)
    }

    /// All of them, by ascending code.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u16, u64)> + Clone {
        self.0.iter().copied()
    }

    fn checked_swarms(&self) -> Result<SwarmParams, SwarmParamsError> {
        let small = |code| {
            let value = self.get(code)?;
            // What does not fit is refused as too large.
            Some(u8::try_from(value).unwrap_or(u8::MAX))
        };
        let stirs = small(SWARM_STIRS).unwrap_or(SwarmParams::DEFAULT.stirs());
        let [target, least] = [SWARM_TARGET, SWARM_MINIMUM].map(small);
        SwarmParams::new(target.unwrap_or_default(), least.unwrap_or_default(), stirs)
    }

    fn checked(values: Vec<(u16, u64)>) -> Result<Self, ParametersError> {
        if values.len() > PARAMETERS_MAX {
            return Err(ParametersError::TooMany);
        }
        let these = Self(values);
        these.checked_swarms()?;
        Ok(these)
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        write_u8(writer, "parameter count", self.0.len())?;
        for (code, value) in &self.0 {
            writer.bytes("parameter code", &code.to_be_bytes())?;
            write_u64(writer, "parameter value", *value)?;
        }
        Ok(())
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let count = count_u8(reader, "parameter count", PARAMETERS_MAX)?;
        let mut values: Vec<(u16, u64)> = Vec::with_capacity(count);
        for _ in 0..count {
            let code = reader.u16("parameter code")?;
            if values.last().is_some_and(|(last, _)| *last >= code) {
                return Err(mismatch("parameter code"));
            }
            values.push((code, reader.u64("parameter value")?));
        }
        Self::checked(values).map_err(|_| mismatch("swarm parameters"))
    }
}
