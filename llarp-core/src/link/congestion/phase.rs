//! What the controller is about: finding the pipe's rate, staying at it, asking for more.
//!
//! ```text
//!   Startup ──▶ Drain ──▶ Cruise, 4 to 7 rounds ──▶ Up ──▶ Down ─┐
//!                           ▲    └─ 10 s ─▶ Empty ─┐   └ more ─┘  │
//!                           └──────────────────────┴──────────────┘
//! ```

/// A phase, and rounds of it that are left or were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The window doubles a round trip, until the rate no longer grows.
    Startup,
    /// What startup left in the pipe's queue drains, for so many rounds at most.
    Drain(u32),
    /// One pipe full, for so many rounds.
    Cruise(u32),
    /// A quarter more, to see whether more comes through. Its first round sends, the next ones see.
    Up(u32),
    /// A quarter less, for what did not come through.
    Down,
    /// Half a pipe, for so many rounds: how short is the round trip without our queue?
    Empty(u32),
}

impl Phase {
    /// Percent of a pipe that may be under way.
    pub(super) const fn gain(self) -> u64 {
        match self {
            Self::Startup => 250,
            Self::Drain(_) | Self::Down => 75,
            Self::Cruise(_) => 100,
            Self::Up(_) => 125,
            Self::Empty(_) => 50,
        }
    }
}

/// What a round told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    /// The rate grew by a quarter (startup) or a tenth (later).
    pub(super) grew: bool,
    /// No packet of the round found the pipe's queue empty.
    pub(super) queued: bool,
    /// More was lost than chance loses.
    pub(super) heavy_loss: bool,
    /// The shortest round trip was not seen for long.
    pub(super) stale: bool,
    /// Three rounds in a row did not grow.
    pub(super) flat: bool,
    /// Rounds to cruise next: drawn, so that links through one pipe do not ask together.
    pub(super) drawn: u32,
}

impl Phase {
    /// The phase after a round.
    pub(super) const fn next(self, told: Told) -> Self {
        match self {
            Self::Startup if told.flat || told.queued || told.heavy_loss => Self::Drain(3),
            Self::Startup => Self::Startup,
            Self::Drain(0) | Self::Down | Self::Empty(0) => Self::Cruise(told.drawn),
            Self::Drain(left) if told.queued => Self::Drain(left - 1),
            Self::Drain(_) => Self::Cruise(told.drawn),
            Self::Cruise(_) if told.stale => Self::Empty(1),
            Self::Cruise(0) => Self::Up(0),
            Self::Cruise(left) => Self::Cruise(left - 1),
            Self::Up(_) if told.heavy_loss => Self::Down,
            Self::Up(0) => Self::Up(1),
            Self::Up(round) if told.grew && !told.queued => Self::Up(round),
            Self::Up(_) => Self::Down,
            Self::Empty(left) => Self::Empty(left - 1),
        }
    }
}
