//! What was sent: a running hash, and counts.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use blake2::digest::Digest;
use blake2::digest::consts::U32;

/// A datagram, as somebody at the wire sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram {
    /// When it was sent, counted from the network's beginning.
    pub at: Duration,
    /// Its source.
    pub from: SocketAddr,
    /// Its destination.
    pub to: SocketAddr,
    /// Bytes of UDP payload.
    pub len: usize,
}

/// What went from one address to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Datagrams sent, lost ones included.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many of them the network lost.
    pub lost: u64,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    hash: blake2::Blake2b<U32>,
    counts: BTreeMap<(SocketAddr, SocketAddr), Count>,
}

impl Ledger {
    pub(super) fn enter(&mut self, datagram: &Datagram, lost: bool) {
        let micros = u64::try_from(datagram.at.as_micros()).unwrap_or(u64::MAX);
        self.hash.update(micros.to_be_bytes());
        self.hash.update(flat(datagram.from));
        self.hash.update(flat(datagram.to));
        self.hash.update((datagram.len as u64).to_be_bytes());
        let count = self.counts.entry((datagram.from, datagram.to)).or_default();
        count.datagrams += 1;
        count.bytes += datagram.len as u64;
        count.lost += u64::from(lost);
    }

    pub(super) fn transcript(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    pub(super) const fn counts(&self) -> &BTreeMap<(SocketAddr, SocketAddr), Count> {
        &self.counts
    }
}

/// An address in 18 bytes, one form for both families.
fn flat(address: SocketAddr) -> [u8; 18] {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let mut bytes = [0; 18];
    bytes[..16].copy_from_slice(&ip.octets());
    bytes[16..].copy_from_slice(&address.port().to_be_bytes());
    bytes
}
