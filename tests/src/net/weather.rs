//! What may befall a datagram on its way.

use core::time::Duration;

/// How datagrams fare between two addresses, each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weather {
    /// From sending to arrival, at least.
    pub latency: Duration,
    /// Up to as much again, evenly. Datagrams sent within it of each other overtake each other.
    pub jitter: Duration,
    /// How many of a thousand are lost.
    pub lost_per_mille: u32,
    /// How many of a thousand arrive twice, each copy with a jitter of its own.
    pub doubled_per_mille: u32,
    /// Datagrams (UDP payloads) of more bytes are lost.
    pub largest: usize,
    /// How much fits through. `None`: everything.
    pub bandwidth: Option<Bandwidth>,
}

/// A wire that takes time for each byte, with a queue before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bandwidth {
    /// Bytes of UDP payload a second.
    pub bytes_per_second: u64,
    /// Bytes that wait at most, the datagram on the wire included; what does not fit is lost.
    pub queue: u64,
}

impl Weather {
    /// 20 ms each way, and nothing is lost but what does not fit into an Ethernet frame.
    pub const FAIR: Self = Self {
        latency: Duration::from_millis(20),
        jitter: Duration::ZERO,
        lost_per_mille: 0,
        doubled_per_mille: 0,
        largest: 1472,
        bandwidth: None,
    };

    /// 20 to 30 ms each way, out of order, 2 % lost, 1 % doubled.
    pub const ROUGH: Self = Self {
        jitter: Duration::from_millis(10),
        lost_per_mille: 20,
        doubled_per_mille: 10,
        ..Self::FAIR
    };
}

impl Default for Weather {
    fn default() -> Self {
        Self::FAIR
    }
}

impl Bandwidth {
    /// How long the wire is busy with `bytes`.
    pub(super) fn time(&self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
