//! What a value must be to be kept, and to be believed: told by whoever knows what values are.

use core::fmt;

use crate::names::Key;

/// What is asked of each value, at its storers and at whoever finds it. Called on the table's own
/// thread; what it does should take a fraction of a millisecond.
pub trait Rules: Send + Sync + 'static {
    /// What `value` is, if it may lie under `key` at that time (seconds since 1970).
    ///
    /// # Errors
    /// [`Invalid`].
    fn judge(&self, key: &Key, value: &[u8], unix: u64) -> Result<Judged, Invalid>;
}

/// What a valid value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// Where it stands among the values of its key: the highest counts.
    pub order: Order,
    /// When it must be forgotten, in seconds since 1970.
    pub expires: u64,
    /// Whose it is, for limits: a blinded key.
    pub owner: [u8; 32],
}

/// Where a value stands among those of its key. No two differ only in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    /// Counted up by the owner.
    pub sequence: u64,
    /// A hash of the value: of two with one sequence all relays keep the same.
    pub tie: [u8; 32],
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Order").field(&self.sequence).finish()
    }
}

/// Why a value is not to be kept or believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Nobody honest hands it on: its bytes, its signature, or its key is wrong.
    #[error("the value is forged or garbled")]
    Forged,
    /// Its time is over or has not come, by this clock.
    #[error("the value is not for this time")]
    NotNow,
}
