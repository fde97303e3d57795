//! Bytes ↔ values, and nothing else: a [`Reader`] that names the field it failed on, a [`Writer`]
//! into a caller's buffer, and every limit of the wire in [`limits`].
//!
//! In: untrusted bytes. Out: values, or a [`WireError`] that names the field. *Not* here: what the
//! values mean. Two words that all layers share are here, too: [`Sensitive`] and [`Millis`]. Integers are big-endian. Specification: `docs/spec/00-wire.md`.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod error;
pub mod limits;
mod reader;
mod sensitive;
mod time;
mod writer;

pub use error::{Fault, WireError};
pub use reader::Reader;
pub use sensitive::Sensitive;
pub use time::Millis;
pub use writer::Writer;
