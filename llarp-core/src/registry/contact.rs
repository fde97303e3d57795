//! One relay: its name, addresses, family and onion keys.
//!
//! ```text
//! ┌────────┬─────────┬────────────┬──────────────┬──────────────┬────────────┬──────────────┐
//! │ id 32  │ flags 1 │ IPv4 4 + 2 │ IPv6 16 + 2  │ family 32    │ X25519 32  │ ML-KEM 1184  │
//! └────────┴─────────┴────────────┴──────────────┴──────────────┴────────────┴──────────────┘
//!            1 IPv4   if flag 1    if flag 2      if flag 4
//!            2 IPv6
//!            4 family
//! ```

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::crypto::identity::RelayId;
use crate::crypto::kem::KemPublic;
use crate::crypto::onion_key::OnionPublic;
use crate::wire::{Fault, Reader, WireError, Writer};

const HAS_IPV4: u8 = 1;
const HAS_IPV6: u8 = 2;
const HAS_FAMILY: u8 = 4;

/// The relays of one operator: a hash that they have in common. They never share a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Family(pub [u8; 32]);

/// Why addresses are none at which a relay can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither IPv4 nor IPv6.
    #[error("a relay needs an IPv4 or an IPv6 address")]
    Missing,
    /// Nobody listens at port 0.
    #[error("port 0 is no port to reach a relay at")]
    Port,
    /// Unspecified, multicast or broadcast.
    #[error("the address names no single machine")]
    NotOneMachine,
    /// An IPv4 address in the clothes of IPv6, which would hide its /16.
    #[error("an IPv4 address must be given as IPv4, not as IPv6")]
    Mapped,
}

/// Where a relay is reached: IPv4, IPv6 or both. Not shown by `Debug`: which relay is near is
/// no secret, but a line about a contact tends to be a line about a choice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    v4: Option<SocketAddrV4>,
    v6: Option<SocketAddrV6>,
}

impl Addresses {
    /// Checks the addresses. Flow label and scope of an IPv6 address mean nothing elsewhere, and
    /// are dropped.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn new(v4: Option<SocketAddrV4>, v6: Option<SocketAddrV6>) -> Result<Self, AddressError> {
        let v6 = v6.map(|v6| SocketAddrV6::new(*v6.ip(), v6.port(), 0, 0));
        let ips = [
            v4.map(|v4| (IpAddr::V4(*v4.ip()), v4.port())),
            v6.map(|v6| (IpAddr::V6(*v6.ip()), v6.port())),
        ];
        for (ip, port) in ips.iter().flatten() {
            check(*ip, *port)?;
        }
        if ips.iter().all(Option::is_none) {
            return Err(AddressError::Missing);
        }
        Ok(Self { v4, v6 })
    }

    /// The IPv4 address.
    #[must_use]
    pub const fn v4(&self) -> Option<SocketAddrV4> {
        self.v4
    }

    /// The IPv6 address.
    #[must_use]
    pub const fn v6(&self) -> Option<SocketAddrV6> {
        self.v6
    }

    /// The one to dial: IPv4 where there is one, since more machines have it.
    #[must_use]
    pub fn preferred(&self) -> SocketAddr {
        let v6 = self.v6.map(SocketAddr::from);
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        // `new` lets no contact in that has neither.
        self.v4.map(SocketAddr::from).or(v6).unwrap_or(nowhere)
    }

    /// Whether both have an IPv4 address in one /16, or both an IPv6 address in one /32.
    #[must_use]
    pub fn share_subnet(&self, other: &Self) -> bool {
        let v4 = |addresses: &Self| {
            let [a, b, ..] = addresses.v4?.ip().octets();
            Some([a, b])
        };
        let v6 = |addresses: &Self| {
            let [a, b, ..] = addresses.v6?.ip().segments();
            Some([a, b])
        };
        v4(self).is_some_and(|net| v4(other) == Some(net))
            || v6(self).is_some_and(|net| v6(other) == Some(net))
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Addresses(redacted)")
    }
}

fn check(ip: IpAddr, port: u16) -> Result<(), AddressError> {
    let mapped = matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
    let broadcast = ip == IpAddr::V4(Ipv4Addr::BROADCAST);
    if mapped {
        Err(AddressError::Mapped)
    } else if ip.is_unspecified() || ip.is_multicast() || broadcast {
        Err(AddressError::NotOneMachine)
    } else if port == 0 {
        Err(AddressError::Port)
    } else {
        Ok(())
    }
}

/// What a client needs to know of a relay. Equal contacts are equal in every byte.
#[derive(Clone, PartialEq, Eq)]
pub struct RelayContact {
    /// Its name.
    pub id: RelayId,
    /// Where it is reached.
    pub addresses: Addresses,
    /// Whose it is, if the operator says so.
    pub family: Option<Family>,
    /// Its onion keys of this key epoch.
    pub onion: OnionPublic,
}

impl fmt::Debug for RelayContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelayContact({:?})", self.id)
    }
}

impl RelayContact {
    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        writer.bytes("relay id", &self.id.0)?;
        write_place(writer, &self.addresses, self.family)?;
        writer.bytes("X25519 key", &self.onion.x25519)?;
        writer.bytes("KEM key", self.onion.kem.as_bytes())
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let id = RelayId(*reader.array("relay id")?);
        let (addresses, family) = read_place(reader)?;
        let onion = read_onion(reader)?;
        Ok(Self {
            id,
            addresses,
            family,
            onion,
        })
    }
}

/// Writes flags, addresses and family, as they stand in a contact and in a descriptor.
pub(super) fn write_place(
    writer: &mut Writer<'_>,
    addresses: &Addresses,
    family: Option<Family>,
) -> Result<(), WireError> {
    let Addresses { v4, v6 } = addresses;
    let flag = |there, flag| if there { flag } else { 0 };
    writer.u8(
        "flags",
        flag(v4.is_some(), HAS_IPV4)
            | flag(v6.is_some(), HAS_IPV6)
            | flag(family.is_some(), HAS_FAMILY),
    )?;
    if let Some(v4) = v4 {
        writer.bytes("IPv4", &v4.ip().octets())?;
        writer.bytes("IPv4", &v4.port().to_be_bytes())?;
    }
    if let Some(v6) = v6 {
        writer.bytes("IPv6", &v6.ip().octets())?;
        writer.bytes("IPv6", &v6.port().to_be_bytes())?;
    }
    match family {
        Some(family) => writer.bytes("family", &family.0),
        None => Ok(()),
    }
}

/// Reads what [`write_place`] writes.
pub(super) fn read_place(
    reader: &mut Reader<'_>,
) -> Result<(Addresses, Option<Family>), WireError> {
    let flags = reader.u8("flags")?;
    if flags & !(HAS_IPV4 | HAS_IPV6 | HAS_FAMILY) != 0 {
        let got = flags.into();
        return Err(WireError::new("flags", Fault::NotAdmitted { got }));
    }
    let has = |flag| flags & flag != 0;
    let v4 = has(HAS_IPV4).then(|| read_v4(reader)).transpose()?;
    let v6 = has(HAS_IPV6).then(|| read_v6(reader)).transpose()?;
    let addresses =
        Addresses::new(v4, v6).map_err(|_| WireError::new("addresses", Fault::Invalid))?;
    let family = match has(HAS_FAMILY) {
        true => Some(Family(*reader.array("family")?)),
        false => None,
    };
    Ok((addresses, family))
}

/// Reads onion keys, and checks the KEM key.
pub(super) fn read_onion(reader: &mut Reader<'_>) -> Result<OnionPublic, WireError> {
    let x25519 = *reader.array("X25519 key")?;
    let kem = KemPublic::check(reader.array("KEM key")?)
        .map_err(|_| WireError::new("KEM key", Fault::Invalid))?;
    Ok(OnionPublic { x25519, kem })
}

fn read_v4(reader: &mut Reader<'_>) -> Result<SocketAddrV4, WireError> {
    let ip = Ipv4Addr::from(*reader.array::<4>("IPv4")?);
    Ok(SocketAddrV4::new(ip, reader.u16("IPv4")?))
}

fn read_v6(reader: &mut Reader<'_>) -> Result<SocketAddrV6, WireError> {
    let ip = Ipv6Addr::from(*reader.array::<16>("IPv6")?);
    Ok(SocketAddrV6::new(ip, reader.u16("IPv6")?, 0, 0))
}
