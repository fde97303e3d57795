//! What a relay counts. Sums only: nothing of one client, path or neighbour.

/// Counts since the relay started, and what it holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Cells sent on, either way.
    pub forwarded: u64,
    /// Probes answered.
    pub answered: u64,
    /// Packets for this relay's own tunnels.
    pub delivered: u64,
    /// Packets of its own tunnels.
    pub sealed: u64,
    /// Cells that died here: unknown, copies, garbled, late.
    pub dropped: u64,
    /// Cells that a full queue lost.
    pub overflowed: u64,
    /// Paths closed, for whatever reason.
    pub closed: u64,
    /// Builds that made a path.
    pub built: u64,
    /// Builds not started, for load.
    pub shed: u64,
    /// Builds that did not open, or were declined here or behind.
    pub refused: u64,
    /// Those of them that did not open: to other keys, of another time, seen before.
    pub unopened: u64,
    /// Links now.
    pub links: usize,
    /// Links for which builds and paths are counted now, some of which may have ended.
    pub accounts: usize,
    /// Paths now.
    pub paths: usize,
    /// Cells that wait for links now.
    pub queued: usize,
}
