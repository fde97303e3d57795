//! The cell, constant-size unit of the data plane, and its onion layers.
//!
//! In: commands and data, or the 1,312 bytes of a cell as a link delivers them. Out: the other.
//! Everything works in place, in the caller's buffer, and allocates nothing per cell. *Not* here:
//! tables of paths, duplicate filters, queues. Specification: `docs/spec/02-cell.md`.
//!
//! ```text
//!  0         8                                                              1312
//! ┌─────────┬────────────────────────────────────────────────────────────────┐
//! │ path id │ body, enciphered once for each hop that it still has to pass   │
//! └─────────┴────────────────────────────────────────────────────────────────┘
//!           │                      under its own hop's layer                  │
//!           ┌──────────┬───────────┬───────────┬──────────┬────────┬─────────┐
//!           │ zeros 16 │ counter 8 │ command 1 │ length 2 │ data   │ zeros   │
//!           └──────────┴───────────┴───────────┴──────────┴────────┴─────────┘
//! ```

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod client;
mod command;
mod layout;
mod relay;
mod window;

use crate::crypto::hash::{NetworkId, derive, label};
use crate::crypto::noise::Split;
use crate::crypto::onion::LayerKey;

pub use client::{Arrived, InboundLayers, OutboundLayers};
pub use command::{CloseReason, Command, Content, Probe};
pub use layout::{Body, PathId, SealError, WrapError, split_cell};
pub use relay::{MiddleHop, Peeled, TerminalHop};
pub use window::{Discarded, Reason, Window};

/// The keys of one hop's onion layers, one a direction. From the build's final split.
#[derive(Debug, PartialEq, Eq)]
pub struct HopKeys {
    up: LayerKey,
    down: LayerKey,
}

impl HopKeys {
    /// The keys of a hop whose handshake split so.
    #[must_use]
    pub fn of_split(network: &NetworkId, split: &Split) -> Self {
        Self {
            up: LayerKey::new(derive(
                &split.to_responder,
                label::CELL_KEY_UP,
                network,
                &[],
            )),
            down: LayerKey::new(derive(
                &split.to_initiator,
                label::CELL_KEY_DOWN,
                network,
                &[],
            )),
        }
    }

    /// The key of the layer from client to terminal.
    #[must_use]
    pub const fn up(&self) -> &LayerKey {
        &self.up
    }

    /// The key of the layer from terminal to client.
    #[must_use]
    pub const fn down(&self) -> &LayerKey {
        &self.down
    }
}
