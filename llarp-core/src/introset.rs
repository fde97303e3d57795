//! Introsets: where an identity can be met, so that only those who know its address can read it.
//!
//! In: an identity's key, what it publishes, the registry's beacons, and records of strangers. Out:
//! a [`Publisher`] with its [`Record`]s; for storers a [`VerifiedRecord`], which shows neither address nor
//! contents; for callers a [`Lookup`] that opens what it finds; the messages of `introset/1`. *Not*
//! here: who stores records and asks for them, clocks, when to publish; how a caller meets an
//! introducer. Specification: `docs/spec/12-introsets.md`.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod bytes;
mod clients;
mod contents;
mod layers;
mod lookup;
pub mod message;
mod place;
mod places;
mod publisher;
mod record;
mod slots;
mod verify;

pub use clients::{ClientKey, Readers};
pub use contents::{Cookie, CookieSecret, Introducer, IntroductionWork, Introset, SessionKeys};
pub use lookup::{Lookup, OpenError, Opened};
pub use place::Location;
pub use places::{Place, Places};
pub use publisher::{Draft, Publisher, SealError};
pub use record::{Record, Standing};
pub use slots::{DeviceSlot, DeviceSlots};
pub use verify::{Refused, Rules, VerifiedRecord};
