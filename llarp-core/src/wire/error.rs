//! What is wrong with bytes, and in which field.

use core::fmt;

/// Bytes that do not follow the specification: which field, and what is wrong with it.
///
/// The one error of every parser in this crate. It is for the side that parses: what goes back on
/// the wire tells a prober nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {fault}")]
pub struct WireError {
    /// The field's name as the specification writes it.
    pub field: &'static str,
    /// What is wrong with it.
    pub fault: Fault,
}

impl WireError {
    /// An error about `field`.
    #[must_use]
    pub const fn new(field: &'static str, fault: Fault) -> Self {
        Self { field, fault }
    }
}

/// What can be wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The bytes end inside the field.
    Truncated {
        /// Bytes the field needs.
        need: usize,
        /// Bytes that were left.
        have: usize,
    },
    /// Bytes are left behind the last field.
    LeftOver {
        /// How many.
        bytes: usize,
    },
    /// The whole has another length than its format gives it.
    WrongLength {
        /// Bytes that the format prescribes.
        expected: usize,
        /// Bytes found.
        got: usize,
    },
    /// A length or count is above its limit.
    TooLarge {
        /// The limit.
        max: u64,
        /// The value found.
        got: u64,
    },
    /// A code, version or magic number that this field does not admit.
    NotAdmitted {
        /// The value found; for a multi-byte magic its first eight bytes.
        got: u64,
    },
    /// The value contradicts another field.
    Mismatch,
    /// Not the one canonical encoding of its value, or no value at all.
    Invalid,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { need, have } => {
                write!(f, "truncated: {need} bytes needed, {have} left")
            }
            Self::LeftOver { bytes } => write!(f, "{bytes} bytes left over"),
            Self::WrongLength { expected, got } => {
                write!(f, "wrong length: {expected} bytes expected, {got} found")
            }
            Self::TooLarge { max, got } => write!(f, "too large: at most {max}, {got} found"),
            Self::NotAdmitted { got } => write!(f, "value {got:#x} is not admitted here"),
            Self::Mismatch => f.write_str("contradicts another field"),
            Self::Invalid => f.write_str("not a valid encoding"),
        }
    }
}
