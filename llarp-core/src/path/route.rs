//! What a client wants of a path, what it gets, and the rule that no two relays of a path are alike.

use core::fmt;

use crate::crypto::identity::RelayId;
use crate::registry::RelayContact;

/// What a path is to lead to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Three hops, whichever they are.
    Any,
    /// Three hops, of which this relay is the terminal.
    Terminal(RelayId),
    /// Three hops, then this relay as a fourth.
    Aligned(RelayId),
}

impl Want {
    /// The wanted relay.
    #[must_use]
    pub const fn relay(&self) -> Option<&RelayId> {
        match self {
            Self::Any => None,
            Self::Terminal(relay) | Self::Aligned(relay) => Some(relay),
        }
    }
}

impl fmt::Debug for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "Any",
            Self::Terminal(_) => "Terminal(redacted)",
            Self::Aligned(_) => "Aligned(redacted)",
        })
    }
}

/// The relays of a path that was chosen, guard first. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Route {
    hops: Vec<RelayId>,
    wanted: bool,
}

impl Route {
    pub(super) const fn new(hops: Vec<RelayId>, wanted: bool) -> Self {
        Self { hops, wanted }
    }

    /// Whether somebody else may have had a say in where it leads.
    pub(super) const fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// The hops, guard first, wanted relay last. Tell no log.
    #[must_use]
    pub fn hops(&self) -> &[RelayId] {
        &self.hops
    }

    /// The hop of this number, counted from 0.
    pub(super) fn hop(&self, at: usize) -> Option<RelayId> {
        self.hops.get(at).copied()
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({} hops, redacted)", self.hops.len())
    }
}

/// Which relays may not share a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Diversity {
    /// Those that share id, family, IPv4 /16 or IPv6 /32.
    #[default]
    Strict,
    /// Those that share id or family; see [`Diversity::dangerous_same_subnet`].
    DangerousSameSubnet,
}

impl Diversity {
    /// For test networks on one machine: relays of one subnet may share a path. Ids and families
    /// still may not. On a real network one data centre could then watch a whole path.
    #[must_use]
    pub const fn dangerous_same_subnet() -> Self {
        Self::DangerousSameSubnet
    }

    /// Whether the two may share a path.
    #[must_use]
    pub fn admits(self, one: &RelayContact, other: &RelayContact) -> bool {
        one.id != other.id
            && (one.family.is_none() || one.family != other.family)
            && (self == Self::DangerousSameSubnet || !one.addresses.share_subnet(&other.addresses))
    }
}
