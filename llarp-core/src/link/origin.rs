//! Where packets come from, as far as counting goes: sources and networks. Pure.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::wire::Sensitive;

/// An IPv4 address, or an IPv6 /64.
pub(super) type Source = Sensitive<IpAddr>;

/// The source that `ip` counts for.
pub(super) fn source(ip: IpAddr) -> Source {
    Sensitive::new(match ip.to_canonical() {
        IpAddr::V6(ip) if !ip.is_loopback() => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        whole => whole,
    })
}

/// The network that `ip` is in, by its first address: an IPv4 /24, an IPv6 /48. Who has one address
/// of it has, or can have, them all.
pub(crate) fn network(ip: IpAddr) -> Source {
    Sensitive::new(match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_subnet_is_one_source() {
        let ip = |text: &str| source(text.parse().unwrap());
        assert_eq!(ip("2001:db8::1"), ip("2001:db8::ffff:1:2:3"));
        assert_ne!(ip("2001:db8::1"), ip("2001:db8:0:1::1"));
        assert_eq!(ip("::ffff:192.0.2.1"), ip("192.0.2.1"));
        assert!(ip("::1").expose().is_loopback());
    }

    #[test]
    fn a_network_is_an_ipv4_24_or_an_ipv6_48() {
        let ip = |text: &str| network(text.parse().unwrap());
        assert_eq!(ip("192.0.2.1"), ip("192.0.2.255"));
        assert_ne!(ip("192.0.2.1"), ip("192.0.3.1"));
        assert_eq!(ip("2001:db8:1::1"), ip("2001:db8:1:ffff::1"));
        assert_ne!(ip("2001:db8:1::1"), ip("2001:db8:2::1"));
        assert_eq!(ip("::ffff:192.0.2.1"), ip("192.0.2.1"));
    }
}
