//! A relay's name in libp2p, and where it lies in the space of keys. Pure.
//!
//! ```text
//! peer id   00 24 ‖ 08 01 12 20 ‖ key (32)      identity multihash of libp2p's form of the key
//! address   /p2p/<peer id>                      the only one: where a relay is, its registry says
//! place     SHA-256(peer id), SHA-256(key of a value)
//! ```

use core::fmt;

use libp2p_core::Multiaddr;
use libp2p_core::multiaddr::Protocol;
use libp2p_identity::PeerId;
use libp2p_kad::{KBucketKey, RecordKey};
use llarp_core::crypto::identity::RelayId;

/// The key of a value. What it is made of is the affair of [`Rules`](crate::Rules).
pub type Key = [u8; 32];

/// libp2p's form of an Ed25519 key, before the key.
const ED25519: [u8; 4] = [0x08, 0x01, 0x12, 0x20];
/// The multihash that is its own content, of 36 bytes, before that.
const IDENTITY: [u8; 2] = [0x00, 0x24];

/// A relay's name in libp2p. `None` for none: every key has one.
pub(crate) fn peer_of(relay: &RelayId) -> Option<PeerId> {
    PeerId::from_bytes(&[&IDENTITY[..], &ED25519, &relay.0].concat()).ok()
}

/// The relay of that name; `None` for the many peer ids that are no Ed25519 key.
pub(crate) fn relay_of(peer: &PeerId) -> Option<RelayId> {
    let bytes = peer.to_bytes();
    let key = bytes.strip_prefix(&IDENTITY)?.strip_prefix(&ED25519)?;
    Some(RelayId(key.try_into().ok()?))
}

/// The address of a peer, which says no more than its name.
pub(crate) fn address_of(peer: PeerId) -> Multiaddr {
    Multiaddr::empty().with(Protocol::P2p(peer))
}

/// The relay that an address names; `None` if it says anything else.
pub(crate) fn relay_in(address: &Multiaddr) -> Option<RelayId> {
    let mut parts = address.iter();
    match (parts.next(), parts.next()) {
        (Some(Protocol::P2p(peer)), None) => relay_of(&peer),
        _ => None,
    }
}

/// A point of the space in which values lie near relays.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place([u8; 32]);

/// How far two places are apart: their exclusive or, as a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Distance([u8; 32]);

impl Place {
    /// Where a value lies.
    pub(crate) fn of_key(key: &Key) -> Self {
        Self::of(key)
    }

    /// Where a relay lies.
    pub(crate) fn of_relay(relay: &RelayId) -> Self {
        Self::of(&[&IDENTITY[..], &ED25519, &relay.0].concat())
    }

    /// As libp2p hashes both: its own type does it.
    fn of(bytes: &[u8]) -> Self {
        let key = KBucketKey::from(RecordKey::new(&bytes));
        Self(key.hashed_bytes().try_into().unwrap_or_default())
    }

    /// How far it is from here to there.
    pub(crate) fn distance(&self, there: &Self) -> Distance {
        let mut between = self.0;
        between.iter_mut().zip(there.0).for_each(|(a, b)| *a ^= b);
        Distance(between)
    }
}

/// Where somebody's value lies is nobody's business.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

impl fmt::Debug for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Distance")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_named_there_and_back() {
        let relay = RelayId([7; 32]);
        let peer = peer_of(&relay).unwrap();
        assert_eq!(relay_of(&peer), Some(relay));
        assert_eq!(relay_in(&address_of(peer)), Some(relay));
    }

    #[test]
    fn other_names_and_longer_addresses_are_nobody() {
        let hashed: Vec<u8> = [&[0x12, 0x20][..], &[5; 32]].concat();
        let hashed = PeerId::from_bytes(&hashed).unwrap();
        assert_eq!(relay_of(&hashed), None);
        let peer = peer_of(&RelayId([7; 32])).unwrap();
        let longer: Multiaddr = Multiaddr::from(core::net::Ipv4Addr::LOCALHOST)
            .with(Protocol::Udp(1))
            .with(Protocol::P2p(peer));
        assert_eq!(relay_in(&longer), None);
        assert_eq!(relay_in(&address_of(peer).with(Protocol::Udp(1))), None);
        assert_eq!(relay_in(&Multiaddr::empty()), None);
    }

    #[test]
    fn places_are_those_of_libp2p() {
        let (relay, key) = (RelayId([7; 32]), [9; 32]);
        let peer = KBucketKey::from(peer_of(&relay).unwrap());
        assert_eq!(Place::of_relay(&relay).0, peer.hashed_bytes());
        let record = KBucketKey::from(RecordKey::new(&key));
        assert_eq!(Place::of_key(&key).0, record.hashed_bytes());
    }
}
