//! Keys, and what is done with them: identities and addresses, blinding, hybrid hop handshakes,
//! the onion cipher, and the one table of labels that keeps them apart.
//!
//! In: keys, seeds and bytes; randomness from the caller's generator. Out: values that only a check
//! can make. *Not* here: what the keys are for. Only published constructions over reviewed crates;
//! which ones, and the table of labels, is in `docs/spec/01-crypto.md`.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

pub mod secret;

pub mod hash;

pub mod epoch;

pub mod identity;

pub mod blind;

pub mod kem;

pub mod noise;

pub mod onion;

pub mod onion_key;

pub mod seal;

pub mod pow;
