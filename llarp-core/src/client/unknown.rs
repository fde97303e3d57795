//! Why a client does not know the network, in words for its user.

use crate::registry::{Refused, Unfit};

/// Why the network is not known, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unknown {
    /// Nothing has gone wrong yet: it is being learned.
    #[error("it is still being learned; try again")]
    Learning,
    /// No bootstrap relay could be linked.
    #[error(
        "none of the bootstrap relays could be reached; is this machine off the network, or the network \
         file old?"
    )]
    NobodyReached,
    /// Relays were reached, and too few of them said the same.
    #[error(
        "fewer than three sources agree on enough relays; it is tried again, and if it stays like this \
         the network file may be old"
    )]
    TooFewAgree,
    /// What relays gave of the registry was not taken.
    #[error("{0}{advice}", advice = advice(.0))]
    Refused(Refused),
    /// What is there of the registry is not to be relied on.
    #[error("{0}")]
    Unfit(Unfit),
}

/// A clock that is ahead sees everything expire.
const fn advice(refused: &Refused) -> &'static str {
    match refused {
        Refused::Expired { .. } => "; if that is not the time, set the clock",
        _ => "",
    }
}
