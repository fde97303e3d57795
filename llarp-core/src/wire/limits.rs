//! Every limit and size of the wire, in one place, each with its reason.
//!
//! Whoever wants to know how much a stranger can make us hold or do reads this file and the
//! parser that cites the constant.

/// Version byte of every format in this crate.
pub const VERSION: u8 = 1;

/// Bytes of a cell on a link: the largest that one QUIC datagram carries at an outer UDP payload
/// of 1350 bytes (`docs/spec/02-cell.md` §1).
pub const CELL_LEN: usize = 1312;

/// Bytes of a path id, the only header of a cell.
pub const PATH_ID_LEN: usize = 8;

/// Bytes of a cell under the onion layers.
pub const BODY_LEN: usize = CELL_LEN - PATH_ID_LEN;

/// Bytes of the zeros that a hop checks: 128 bits, so that a forgery passes with 2⁻¹²⁸.
pub const ZEROS_LEN: usize = 16;

/// Bytes in front of a cell's data: zeros 16, counter 8, command 1, length 2.
pub const CELL_HEADER_LEN: usize = ZEROS_LEN + 8 + 1 + 2;

/// The most data that one cell carries, in bytes.
pub const CELL_DATA_MAX: usize = BODY_LEN - CELL_HEADER_LEN;

/// A path retires at this many cells in one direction; no counter reaches it. Keeps HCTR2 far
/// below its birthday bound (2²⁰ cells × 82 blocks ≈ 2²⁶·⁴ blocks, bound 2⁶⁴) and bounds what one
/// set of hop keys protects to 1.3 GiB.
pub const PATH_CELLS_MAX: u64 = 1 << 20;

/// Cells behind the newest that an end still accepts, in counter steps: 40 ms of reordering at
/// 100,000 cells/s, in 512 bytes.
pub const WINDOW_CELLS: u64 = 4096;

/// Failed or too-old cells after which an honest end closes the path. More would be a covert
/// channel for whoever garbles cells on purpose.
pub const STRIKES_MAX: u8 = 3;

/// Most hops of a path: three, and a wanted relay behind them (an aligned path).
pub const HOPS_MAX: usize = 4;

/// Slots of a build message: one a hop, and a spare so that its use never shows.
pub const SLOTS: usize = 5;

/// Bytes of a build message's slot (`docs/spec/03-build.md` §2).
pub const SLOT_LEN: usize = 1344;

/// Bytes of a build message: version 1, path id 8, five slots.
pub const BUILD_REQUEST_LEN: usize = 1 + PATH_ID_LEN + SLOTS * SLOT_LEN;

/// Bytes of a build reply's slot.
pub const REPLY_SLOT_LEN: usize = 160;

/// Bytes of a build reply: version 1, path id 8, five slots.
pub const BUILD_REPLY_LEN: usize = 1 + PATH_ID_LEN + SLOTS * REPLY_SLOT_LEN;

/// How far a build's time stamp may lie from the relay's clock, in minutes, either way.
pub const BUILD_SKEW_MINUTES: u32 = 5;

/// Builds that a relay remembers against replays, at most: 40 MiB at up to 40 bytes each. Eleven
/// minutes of stamps are remembered at a time, so a relay admits 1,588 builds a second before it
/// sheds; one core opens about 10,000. A full cache refuses builds, it never forgets one.
pub const REPLAY_CACHE_MAX: usize = 1 << 20;

/// Bytes of an identity or relay key file (`docs/spec/01-crypto.md` §7).
pub const KEY_FILE_LEN: usize = 8 + 1 + 1 + 32 + 32;

/// Characters of an address in front of its suffix.
pub const ADDRESS_CHARS: usize = 52;

/// How long a relay keeps a path, in milliseconds: ten minutes, the same everywhere, so that no
/// lifetime is on the wire. Clients close earlier.
pub const PATH_LIFE_MILLIS: u64 = 10 * 60 * 1000;

/// Cells of a path and direction behind which a copy is still stopped, at least
/// (`docs/spec/04-hop.md` §3).
pub const FILTER_CELLS: usize = 65_536;

/// Bytes that the duplicate filters of all paths of a relay may hold: 128 paths at full rate both
/// ways, each with 4 MiB. Above it filters stop growing and remember fewer cells.
pub const FILTER_BYTES_MAX: usize = 512 << 20;

/// Paths of a relay: 64 MiB of keys and windows at 4 KiB each.
pub const RELAY_PATHS_MAX: usize = 16_384;

/// Paths over one link: a relay's neighbours carry many clients, no neighbour carries all.
pub const LINK_PATHS_MAX: usize = 4096;

/// Builds under way at a relay: each holds a message of 6.6 KiB and waits for others, 6.6 MiB.
pub const PENDING_BUILDS_MAX: usize = 1024;

/// Builds under way over one link.
pub const LINK_PENDING_BUILDS_MAX: usize = 256;

/// Builds a second that a relay starts in all: about a tenth of a core, and below what the replay
/// cache holds ([`REPLAY_CACHE_MAX`]).
pub const BUILDS_PER_SECOND: u64 = 1000;

/// Builds a second that one link may ask for.
pub const LINK_BUILDS_PER_SECOND: u64 = 100;

/// Cells waiting at a relay above which it sheds builds: half of one link's queue.
pub const SHED_QUEUED_CELLS: usize = QUEUE_LINK_CELLS / 2;

/// Cells that wait for a link in the order of their arrival before fairness sets in: one batch of
/// a socket.
pub const QUEUE_FIFO_CELLS: usize = 32;

/// Cells of one path that wait for a link: 0.7 MB, the window of a tunnel at 100 Mbit/s and 50 ms.
pub const QUEUE_PATH_CELLS: usize = 512;

/// Cells of all paths that wait for a link: 10.7 MB.
pub const QUEUE_LINK_CELLS: usize = 8192;
