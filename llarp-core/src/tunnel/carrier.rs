//! What tunnels need of paths: packets out, and word that there is room.

use core::fmt;
use core::task::{Context, Poll};

use crate::hop::{LinkId, Network};

/// A path as tunnels know it: a number that its driver gives it; below 2⁹⁶, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathNumber(pub u128);

/// There is no room for a packet now: [`Carrier::poll_room`] says when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the path takes no packet now")]
pub struct Full;

/// Where packets go: the driver of paths. Called from the tasks of tunnels; must not block.
pub trait Carrier: fmt::Debug + Send + Sync + 'static {
    /// Takes one packet of at most [`TUNNEL_PACKET_MAX`](crate::wire::limits::TUNNEL_PACKET_MAX)
    /// bytes. A packet for a path that is gone is taken and dropped.
    ///
    /// # Errors
    /// [`Full`]: the packet was not taken.
    fn send(&self, path: PathNumber, packet: &[u8]) -> Result<(), Full>;

    /// Ready when [`Carrier::send`] is worth another try after [`Full`]. Several tasks may wait at
    /// once, and all are woken. A wake-up in vain is harmless, but a carrier that is always
    /// ready and always full makes its callers spin.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// The link over which a path comes, if its tunnels are to be counted by it.
    fn link_of(&self, path: PathNumber) -> Option<LinkId> {
        let _ = path;
        None
    }

    /// The network of the stranger that a path comes from, if its tunnels are to be counted by it.
    fn network_of(&self, path: PathNumber) -> Option<Network> {
        let _ = path;
        None
    }
}
