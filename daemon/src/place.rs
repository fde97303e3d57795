//! Where a relay is reached, where it listens, and whose it is, as its operator says it.
//!
//! In: addresses and names from the command line. Out: what is announced, what is bound.

use core::net::Ipv6Addr;
use core::str::FromStr;
use std::net::SocketAddr;

use data_encoding::HEXLOWER;
use llarp_core::crypto::hash::{NetworkId, hash, label};
use llarp_core::registry::{AddressError, Addresses, Family};

/// Letters of a family's name.
const NAME_MAX: usize = 63;

/// What a relay announces, and the socket that it serves.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Where others reach it.
    pub addresses: Addresses,
    /// Where it listens.
    pub bind: SocketAddr,
}

/// Why a relay cannot be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// An address that nobody can reach.
    #[error("{address} cannot be a relay's address: {error}")]
    Address {
        /// As given.
        address: SocketAddr,
        /// Why.
        error: AddressError,
    },
    /// Two of one kind.
    #[error(
        "{address} is a second address of its kind: a relay has one IPv4 and one IPv6 address at most"
    )]
    Twice {
        /// The second one.
        address: SocketAddr,
    },
    /// None given.
    #[error("a relay needs an address at which others reach it: name it with --address")]
    None,
    /// Two ports, and one socket.
    #[error("the two addresses have different ports: say with --bind where the relay listens")]
    Ports,
}

impl Place {
    /// The place of a relay that is reached at these addresses, of which there is one of a kind. Unless
    /// told otherwise it listens there; for two kinds, at all addresses of the machine.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn new(announced: &[SocketAddr], bind: Option<SocketAddr>) -> Result<Self, PlaceError> {
        let (mut v4, mut v6) = (None, None);
        for address in announced.iter().copied() {
            let (before, checked) = match address {
                SocketAddr::V4(one) => (v4.replace(one).is_some(), Addresses::new(Some(one), None)),
                SocketAddr::V6(one) => (v6.replace(one).is_some(), Addresses::new(None, Some(one))),
            };
            checked.map_err(|error| PlaceError::Address { address, error })?;
            if before {
                return Err(PlaceError::Twice { address });
            }
        }
        let addresses = Addresses::new(v4, v6).map_err(|_| PlaceError::None)?;
        let own = match (v4, v6) {
            (Some(v4), Some(v6)) if v4.port() == v6.port() => {
                Some((Ipv6Addr::UNSPECIFIED, v6.port()).into())
            }
            (Some(_), Some(_)) => None,
            _ => Some(addresses.preferred()),
        };
        let bind = bind.or(own).ok_or(PlaceError::Ports)?;
        Ok(Self { addresses, bind })
    }
}

/// What relays of one operator have in common: a hash, or a name that stands for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FamilyName {
    /// The hash itself.
    Hash([u8; 32]),
    /// A word.
    Name(String),
}

impl FamilyName {
    /// The family of this name in `network`.
    #[must_use]
    pub fn family(&self, network: &NetworkId) -> Family {
        match self {
            Self::Hash(hash) => Family(*hash),
            Self::Name(name) => Family(hash(label::REGISTRY_FAMILY, network, &[name.as_bytes()])),
        }
    }
}

impl FromStr for FamilyName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok();
        if let Some(hash) = bytes.and_then(|bytes| bytes.try_into().ok()) {
            return Ok(Self::Hash(hash));
        }
        let plain = |char: char| matches!(char, 'a'..='z' | '0'..='9' | '.' | '-');
        match (1..=NAME_MAX).contains(&text.len()) && text.chars().all(plain) {
            true => Ok(Self::Name(text.to_owned())),
            false => Err(format!(
                "64 hex digits, or a name of 1 to {NAME_MAX} characters of a-z, 0-9, '.' and '-' expected"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(announced: &[&str], bind: Option<&str>) -> Result<Place, PlaceError> {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let announced: Vec<_> = announced.iter().copied().map(parse).collect();
        Place::new(&announced, bind.map(parse))
    }

    #[test]
    fn a_relay_listens_where_it_is_reached_unless_told_otherwise() {
        let bound = |announced: &[&str], bind| place(announced, bind).unwrap().bind.to_string();
        let (v4, v6) = ("192.0.2.1:1090", "[2001:db8::1]:1090");
        assert_eq!(bound(&[v4], None), v4);
        assert_eq!(bound(&[v6], None), v6);
        assert_eq!(bound(&[v6, v4], None), "[::]:1090");
        assert_eq!(bound(&[v4], Some("0.0.0.0:7")), "0.0.0.0:7");
        let both = place(&[v4, v6], Some("[::]:7")).unwrap();
        assert_eq!(
            both.addresses.v4().map(|v4| v4.to_string()).as_deref(),
            Some(v4)
        );
        assert_eq!(
            both.addresses.v6().map(|v6| v6.to_string()).as_deref(),
            Some(v6)
        );
    }

    #[test]
    fn places_that_cannot_be_say_why() {
        let wrong = |announced: &[&str]| place(announced, None).unwrap_err();
        assert_eq!(wrong(&[]), PlaceError::None);
        assert_eq!(
            wrong(&["192.0.2.1:1", "[2001:db8::1]:2"]),
            PlaceError::Ports
        );
        let twice = wrong(&["192.0.2.1:1", "192.0.2.2:1"]);
        assert!(matches!(twice, PlaceError::Twice { .. }), "{twice}");
        for address in ["0.0.0.0:1", "192.0.2.1:0", "[::ffff:192.0.2.1]:1"] {
            let error = wrong(&[address]);
            assert!(matches!(error, PlaceError::Address { .. }), "{error}");
        }
    }

    #[test]
    fn a_family_is_a_hash_or_a_name_of_one_network() {
        let (one, other) = ["one", "other"].map(NetworkId::from_name).into();
        let hex = "ab".repeat(32);
        let named = |text: &str, network| text.parse::<FamilyName>().unwrap().family(network);
        assert_eq!(named(&hex, &one), Family([0xab; 32]));
        assert_eq!(named("mine", &one), named("mine", &one));
        assert_ne!(named("mine", &one), named("mine", &other));
        assert_ne!(named("mine", &one), named("yours", &one));
        for text in ["", "Mine", "a b", &hex[1..].repeat(2)] {
            assert!(text.parse::<FamilyName>().is_err(), "{text}");
        }
    }
}
