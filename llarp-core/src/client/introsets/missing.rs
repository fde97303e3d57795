//! Who was not there a moment ago.

use core::time::Duration;
use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::crypto::identity::Address;
use crate::wire::limits::{MISSING_HELD_MAX, MISSING_TIME};

/// Addresses under which nothing was found, for a little while: an app that asks again and again does
/// not make the network look each time.
#[derive(Debug, Default)]
pub(super) struct Missing(BTreeMap<Address, Instant>);

impl Missing {
    /// How long ago nothing was found.
    pub(super) fn since(&self, address: &Address) -> Option<Duration> {
        let ago = self.0.get(address)?.elapsed();
        (ago < MISSING_TIME).then_some(ago)
    }

    /// Nothing was found.
    pub(super) fn note(&mut self, address: Address) {
        if self.0.len() >= MISSING_HELD_MAX {
            self.0.retain(|_, at| at.elapsed() < MISSING_TIME);
        }
        if self.0.len() < MISSING_HELD_MAX {
            self.0.insert(address, Instant::now());
        }
    }

    /// Something was.
    pub(super) fn forget(&mut self, address: &Address) {
        self.0.remove(address);
    }
}
