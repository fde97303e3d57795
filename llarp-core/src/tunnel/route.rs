//! The addresses that QUIC sees, and which paths stand behind them.
//!
//! QUIC wants an address for the other side. At a callee it is made of the path that a packet came
//! over, so that a caller that changes its path is, to the callee, one that migrates. At a caller it
//! is made of the tunnel's number and never changes: to a caller, the far end stays where it is.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::carrier::PathNumber;

/// The paths of our own tunnels.
#[derive(Debug, Default)]
pub(super) struct Routes {
    next: u64,
    /// The tunnel that packets over a path belong to.
    tunnels: BTreeMap<PathNumber, u64>,
    /// The path that a tunnel's packets take now.
    paths: BTreeMap<u64, PathNumber>,
    /// Tunnels that are over, oldest first, whose last packets may still go out.
    over: VecDeque<u64>,
}

/// Tunnels that are over and still known: each has a packet or two to send, within milliseconds.
const OVER: usize = 64;

/// The path carries a tunnel of ours already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another tunnel holds the path")]
pub struct PathTaken;

impl Routes {
    /// A new tunnel of ours over `path`.
    pub(super) fn open(&mut self, path: PathNumber) -> Result<u64, PathTaken> {
        if self.tunnels.contains_key(&path) {
            return Err(PathTaken);
        }
        self.next += 1;
        self.tunnels.insert(path, self.next);
        self.paths.insert(self.next, path);
        Ok(self.next)
    }

    /// From now on the tunnel's packets take `path`; what still comes over earlier ones is its own.
    pub(super) fn turn(&mut self, tunnel: u64, path: PathNumber) -> Result<(), PathTaken> {
        match self.tunnels.get(&path) {
            Some(other) if *other != tunnel => return Err(PathTaken),
            _ => {}
        }
        self.tunnels.insert(path, tunnel);
        self.paths.insert(tunnel, path);
        Ok(())
    }

    /// The tunnel is over: its paths are free. What QUIC still has to say goes out.
    pub(super) fn close(&mut self, tunnel: u64) {
        self.tunnels.retain(|_, other| *other != tunnel);
        self.over.push_back(tunnel);
        if self.over.len() > OVER
            && let Some(oldest) = self.over.pop_front()
        {
            self.paths.remove(&oldest);
        }
    }

    /// Where a packet over `path` comes from, in QUIC's eyes.
    pub(super) fn source(&self, path: PathNumber) -> SocketAddr {
        match self.tunnels.get(&path) {
            Some(tunnel) => address(Side::Caller, u128::from(*tunnel)),
            None => address(Side::Callee, path.0),
        }
    }

    /// The path that a packet to `address` takes. `None`: the tunnel is gone.
    pub(super) fn path(&self, address: SocketAddr) -> Option<PathNumber> {
        let (side, number) = parse(address)?;
        match side {
            Side::Callee => Some(PathNumber(number)),
            Side::Caller => self.paths.get(&u64::try_from(number).ok()?).copied(),
        }
    }
}

/// The address of a tunnel that we called, in QUIC's eyes.
pub(super) fn caller_address(tunnel: u64) -> SocketAddr {
    address(Side::Caller, u128::from(tunnel))
}

/// The path that an address of a callee stands for.
pub(super) fn callee_path(address: SocketAddr) -> Option<PathNumber> {
    let (side, number) = parse(address)?;
    (side == Side::Callee).then_some(PathNumber(number))
}

/// Which side of its tunnels a node is, seen from an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Caller,
    Callee,
}

/// Unique local addresses: `fd` in front, then the side; nothing here ever leaves the process.
const CALLER: u128 = 0xfd00_0001 << 96;
const CALLEE: u128 = 0xfd00_0002 << 96;
const NUMBER: u128 = (1 << 96) - 1;
/// QUIC refuses port 0; any other does.
const PORT: u16 = 1;

fn address(side: Side, number: u128) -> SocketAddr {
    let side = match side {
        Side::Caller => CALLER,
        Side::Callee => CALLEE,
    };
    let ip = Ipv6Addr::from_bits(side | (number & NUMBER));
    SocketAddr::new(ip.into(), PORT)
}

fn parse(address: SocketAddr) -> Option<(Side, u128)> {
    let IpAddr::V6(ip) = address.ip() else {
        return None;
    };
    let bits = ip.to_bits();
    let side = match bits & !NUMBER {
        CALLER => Side::Caller,
        CALLEE => Side::Callee,
        _ => return None,
    };
    Some((side, bits & NUMBER))
}
