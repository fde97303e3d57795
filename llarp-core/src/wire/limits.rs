//! Every limit and size of the wire, in one place, each with its reason.
//!
//! Whoever wants to know how much a stranger can make us hold or do reads this file and the
//! parser that cites the constant. What concerns introsets has a file of its own.

mod introsets;

use core::time::Duration;

pub use introsets::*;

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

/// How long a relay keeps a path that has carried nothing from its client, in milliseconds: a client
/// asks each path within 75 s of its build, and again within 4 s if it hears nothing. What nobody
/// asks is of a build that nobody waited for.
pub const PATH_UNUSED_MILLIS: u64 = 90 * 1000;

/// Cells of a path and direction behind which a copy is still stopped, at least
/// (`docs/spec/04-hop.md` §3).
pub const FILTER_CELLS: usize = 65_536;

/// Bytes that the duplicate filters of all paths of a relay may hold: 128 paths at full rate both
/// ways, each with 4 MiB. Above it filters stop growing and remember fewer cells.
pub const FILTER_BYTES_MAX: usize = 512 << 20;

/// Bytes that the duplicate filters of the paths over one link may hold: an eighth of
/// [`FILTER_BYTES_MAX`], 16 paths at full rate both ways.
pub const LINK_FILTER_BYTES_MAX: usize = FILTER_BYTES_MAX / 8;

/// Paths of a relay: 64 MiB of keys and windows at 4 KiB each.
pub const RELAY_PATHS_MAX: usize = 16_384;

/// Paths over one link of a relay: a quarter of [`RELAY_PATHS_MAX`], since a relay's neighbours carry
/// many clients. What is bounded for a link a key has two times, and once more over the link that we
/// dialled ([`LINKS_PER_RELAY`]): three quarters of all paths.
pub const LINK_PATHS_MAX: usize = 4096;

/// Builds under way at a relay: each holds a message of 6.6 KiB and waits for others, 6.6 MiB.
pub const PENDING_BUILDS_MAX: usize = 1024;

/// Builds under way over one link of a relay.
pub const LINK_PENDING_BUILDS_MAX: usize = 256;

/// Builds of all clients and relays that wait for one next hop: an eighth of
/// [`PENDING_BUILDS_MAX`], so that a relay that never answers cannot take all of a relay's places.
/// At 100 builds a second and 0.3 s each 30 are under way.
pub const NEXT_PENDING_BUILDS_MAX: usize = 128;

/// How long a build waits for the dial to its next hop: below [`BUILD_TIME`] by what the word
/// *unreachable* takes to its client. The dial itself goes on.
pub const NEXT_DIAL_TIME: Duration = Duration::from_secs(5);

/// Builds a second that a relay starts in all: about a tenth of a core, and below what the replay
/// cache holds ([`REPLAY_CACHE_MAX`]).
pub const BUILDS_PER_SECOND: u64 = 1000;

/// Builds a second that one link of a relay may ask for: a tenth of [`BUILDS_PER_SECOND`], and three
/// tenths over all links that one key can have ([`LINKS_PER_RELAY`]).
pub const LINK_BUILDS_PER_SECOND: u64 = 100;

/// Paths over one link of a client: many times what one needs, and a 64th of
/// [`RELAY_PATHS_MAX`].
pub const CLIENT_PATHS_MAX: usize = 256;

/// Builds under way over one link of a client: as many as it may have open ([`REQUESTS_OPEN`]).
pub const CLIENT_PENDING_BUILDS_MAX: usize = 16;

/// Builds a second that one link of a client may ask for. Ten such links use up a fifth of
/// [`BUILDS_PER_SECOND`].
pub const CLIENT_BUILDS_PER_SECOND: u64 = 20;

/// Builds that a client may ask for at once: two seconds' worth, for one that begins.
pub const CLIENT_BUILDS_AT_ONCE: u64 = 40;

/// Paths of all clients together: three quarters of [`RELAY_PATHS_MAX`]. The rest is for builds
/// that come from relays, which no number of strangers' links can stop.
pub const CLIENTS_PATHS_MAX: usize = 12_288;

/// Builds under way of all clients together: three quarters of [`PENDING_BUILDS_MAX`].
pub const CLIENTS_PENDING_BUILDS_MAX: usize = 768;

/// Builds a second of all clients together: three quarters of [`BUILDS_PER_SECOND`].
pub const CLIENTS_BUILDS_PER_SECOND: u64 = 750;

/// Paths of all clients of one network (an IPv4 /24, an IPv6 /48): an eighth of
/// [`CLIENTS_PATHS_MAX`], and ten each for 150 clients of one network at one relay.
pub const NETWORK_PATHS_MAX: usize = CLIENTS_PATHS_MAX / 8;

/// Builds under way of all clients of one network: an eighth of [`CLIENTS_PENDING_BUILDS_MAX`].
pub const NETWORK_PENDING_BUILDS_MAX: usize = CLIENTS_PENDING_BUILDS_MAX / 8;

/// Builds a second of all clients of one network: an eighth of [`CLIENTS_BUILDS_PER_SECOND`].
pub const NETWORK_BUILDS_PER_SECOND: u64 = CLIENTS_BUILDS_PER_SECOND / 8;

/// Cells of unknown paths that a client's link may bring at once, before it is closed: what a client has
/// under way when a path ends of which it is not told is ten thousand at most, the windows of its
/// tunnels and its own buffers ([`TUNNEL_WINDOW`], [`CLIENT_CELL_BUFFER`]).
pub const UNKNOWN_CELLS_AT_ONCE: u64 = 65_536;

/// Cells of unknown paths that a client's link may bring a second, for ever: 1.3 MB/s of noise.
pub const UNKNOWN_CELLS_PER_SECOND: u64 = 1000;

/// Datagrams of another length than a cell's that a link may bring at once; one a second for ever. No
/// honest machine sends one.
pub const WRONG_LENGTHS_AT_ONCE: u64 = 64;

/// Cells waiting at a relay, for links that take cells, above which it sheds builds: half of what it
/// holds at all, which is four times what the clients of one network can make it hold.
pub const SHED_QUEUED_CELLS: usize = QUEUED_CELLS_MAX / 2;

/// Cells that wait for a link in the order of their arrival before fairness sets in: 4 ms at
/// 2.5 MB/s, which a bulk path costs all others.
pub const QUEUE_FIFO_CELLS: usize = 8;

/// Cells of one path that wait for a link: 0.7 MB, the window of a tunnel at 100 Mbit/s and 50 ms.
pub const QUEUE_PATH_CELLS: usize = 512;

/// Cells of all paths that wait for a link: 10.7 MB.
pub const QUEUE_LINK_CELLS: usize = 8192;

/// Cells waiting at a relay for all links together: 123 MiB, twelve links whose queues are full.
/// Above it the fullest links lose cells.
pub const QUEUED_CELLS_MAX: usize = 98_304;

/// Cells waiting for all clients of one network (an IPv4 /24, an IPv6 /48): an eighth of
/// [`QUEUED_CELLS_MAX`], and one and a half queues of one link.
pub const NETWORK_QUEUED_CELLS_MAX: usize = QUEUED_CELLS_MAX / 8;

/// Cells that the fullest link loses at once when too many wait, at most: it is searched for among
/// thousands, so that each search must make room for many.
pub const QUEUE_CUT_CELLS: usize = 256;

/// Cells a second below which a link on which cells wait does not move: 5 KB/s.
pub const QUEUE_CELLS_PER_SECOND_MIN: usize = 4;

/// How long a link on which cells wait may stand still, in milliseconds: longer than it takes a
/// client to find its path dead. Then a client's link is closed, and a relay's loses what waits.
pub const QUEUE_STILL_MILLIS: u64 = 5_000;

/// Path ids in one message that closes paths: 4 KiB.
pub const CLOSE_IDS_MAX: usize = 512;

/// Closed paths of which a neighbour is still to be told: as many as a link has paths, 32 KiB.
/// Above it the oldest are not told: they end when their time is over.
pub const CLOSES_WAITING_MAX: usize = LINK_PATHS_MAX;

/// How long a relay waits until its neighbour has heard which paths are closed.
pub const CLOSE_TIME: Duration = Duration::from_secs(5);

/// Cells of a link that are handled before those of others: what QUIC holds at most at a relay,
/// so that one wake-up drains it.
pub const RELAY_BATCH_CELLS: usize = RELAY_RECV_CELLS;

/// Cells of one terminal's own that wait for a link above which its tunnels are told to wait: half
/// of what the queue takes ([`QUEUE_PATH_CELLS`]).
pub const TERMINAL_WAITING_CELLS: usize = QUEUE_PATH_CELLS / 2;

/// Cells that leave a link between two looks at the tunnels that wait for room on it: a look costs
/// a search for each of them.
pub const TERMINAL_WAKE_CELLS: usize = 32;

/// Free buffers of cells that a relay keeps: 5.4 MB.
pub const POOL_CELLS: usize = 4096;

/// Cells that one allocation for sending holds: a batch of a socket.
pub const CARRIAGE_CELLS: usize = 32;

/// How long a relay keeps a link that it dialled and that no path uses, in milliseconds.
pub const LINK_UNUSED_MILLIS: u64 = 300 * 1000;

/// Bytes of UDP payload on a link: the smallest that carries a cell in one QUIC datagram. Fixed:
/// discovery with a floor of 1200 takes bursts of loss for black holes (`docs/spec/05-link.md` §4).
pub const LINK_UDP_PAYLOAD: u16 = 1350;

/// Bytes of UDP payload on a narrow link: the least that QUIC allows.
pub const NARROW_UDP_PAYLOAD: u16 = 1200;

/// How long a dial waits for an answer to 1350-byte packets before it tries narrow ones: two
/// probe timeouts of QUIC at its initial round trip of 333 ms (1 s, then 2 s).
pub const WIDE_HANDSHAKE: Duration = Duration::from_secs(3);

/// How long a handshake may take. Bounds what a silent stranger holds, and how long a dial waits.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(8);

/// Silence after which a link is dead: three keep-alives.
pub const LINK_IDLE: Duration = Duration::from_secs(45);

/// How often the dialling side breaks silence: half of the 30 s after which common NATs forget a
/// UDP flow. One packet each way, and none from the side that was dialled.
pub const LINK_KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Cells that QUIC holds for sending at a relay: 20, which quinn sends in two calls of ten when it
/// is woken, and the overhead of QUIC's own count. More is standing delay, 10 ms at 2.5 MB/s;
/// waiting cells belong into the relay's own fair queues.
pub const RELAY_SEND_CELLS: usize = 21;

/// Cells that QUIC holds for a relay that is not reading: four batches, 328 KiB a link. The oldest
/// are dropped first.
pub const RELAY_RECV_CELLS: usize = 256;

/// Bytes of cells that QUIC holds at a client, each way. A tunnel's window must stay within it,
/// since QUIC drops the oldest silently.
pub const CLIENT_CELL_BUFFER: usize = 4 << 20;

/// Bytes of the kernel's buffers of a socket, each way: 100 ms at 40 MB/s.
pub const SOCKET_BUFFER: usize = 4 << 20;

/// Cells that wait for a narrow link's stream; what exceeds them is refused to the caller.
pub const NARROW_QUEUE_CELLS: usize = 64;

/// Requests that a peer may have open on a link at a time, unless it is known to be a relay.
pub const REQUESTS_OPEN: u32 = 16;

/// Requests that a relay may have open on a link at a time: the builds that it may have under way
/// there ([`LINK_PENDING_BUILDS_MAX`]), since those of many clients share the link. What they make
/// QUIC hold does not grow with them: the link's window is the same.
pub const RELAY_REQUESTS_OPEN: u32 = 256;

/// Bytes of a request's or a reply's body, at most. A build message has 6.7 KiB; the receiver
/// names its own, smaller bound.
pub const REQUEST_MAX: usize = 64 << 10;

/// How long a peer may take to write one request; meanwhile its others wait.
pub const REQUEST_BODY_TIME: Duration = Duration::from_secs(10);

/// How long a request waits for its reply, writing included, unless its asker says otherwise.
pub const REQUEST_TIME: Duration = Duration::from_secs(30);

/// How long a peer may take to take a reply: a second's round trip, with losses. One that gives a
/// reply no room would hold it forever.
pub const RESPONSE_TIME: Duration = Duration::from_secs(5);

/// Links that a relay accepts at a time: about 200 MiB at 47 KiB each. Above, the one least
/// recently used goes.
pub const LINKS_MAX: usize = 4096;

/// Anonymous links from one source (an IPv4 address, an IPv6 /64): a large household or a small
/// NAT, and a 64th of [`LINKS_MAX`].
pub const LINKS_PER_SOURCE: usize = 64;

/// Anonymous links from one network (an IPv4 /24, an IPv6 /48): an eighth of [`LINKS_MAX`], so that
/// the addresses of one do not push out the links of all others.
pub const LINKS_PER_NETWORK: usize = LINKS_MAX / 8;

/// Links that a relay accepts from one registered relay for one protocol at a time: two, since one that has restarted
/// dials again before its old link is seen to be dead. With the link that we dialled, a key has at most
/// three times what is bounded for a link.
pub const LINKS_PER_RELAY: usize = 2;

/// Handshakes under way at a relay. How many may begin in a second is bounded below.
pub const HANDSHAKES_MAX: usize = 256;

/// Handshakes under way above which a stranger must show first that its address is its own.
pub const HANDSHAKES_UNPROVEN: usize = 32;

/// Handshakes under way from one source.
pub const HANDSHAKES_PER_SOURCE: usize = 16;

/// Handshakes a second with strangers whose addresses are proven. One takes 0.4 to 0.6 ms of the thread
/// that moves cells (`bench links`): with the unproven 200 + 40 a second are 10 to 14 % of it, and with
/// the relays' 60 at most 17 %. The owners of a relay's 4096 links are back 21 s after its restart.
pub const HANDSHAKES_A_SECOND: u32 = 200;

/// The same at once: 26 to 38 ms, for which cells wait.
pub const HANDSHAKES_AT_ONCE: u32 = 64;

/// Handshakes a second for which no address is proven, of all together: more come to no relay in quiet
/// times. Above it a proof costs a round trip, and no stranger's share.
pub const HANDSHAKES_UNPROVEN_A_SECOND: u32 = 40;

/// The same at once: those that may be under way ([`HANDSHAKES_UNPROVEN`]).
pub const HANDSHAKES_UNPROVEN_AT_ONCE: u32 = 32;

/// Handshakes a second from where relays have proven their keys, which no stranger can use up. What is
/// above it counts as strangers'. Relays dial each other once, and keep the link.
pub const RELAY_HANDSHAKES_A_SECOND: u32 = 60;

/// The same at once: half of the strangers'.
pub const RELAY_HANDSHAKES_AT_ONCE: u32 = 32;

/// Handshakes a second from one source: its [`LINKS_PER_SOURCE`] come back within half a minute.
pub const SOURCE_HANDSHAKES_A_SECOND: u32 = 2;

/// The same at once: those that may be under way ([`HANDSHAKES_PER_SOURCE`]).
pub const SOURCE_HANDSHAKES_AT_ONCE: u32 = 16;

/// Handshakes a second from one network: a 20th of [`HANDSHAKES_A_SECOND`]. Its [`LINKS_PER_NETWORK`]
/// come back within a minute.
pub const NETWORK_HANDSHAKES_A_SECOND: u32 = 10;

/// The same at once: half of [`HANDSHAKES_AT_ONCE`].
pub const NETWORK_HANDSHAKES_AT_ONCE: u32 = 32;

/// Sources, and networks, whose handshakes are remembered, before those are forgotten at once that have
/// all of their share back: in the 8 s that a source needs for it, strangers and relays begin 2200.
pub const KNOCKERS_SWEPT: usize = 4096;

/// Bytes that QUIC buffers for a handshake before we look at it: the rest of a hybrid ClientHello.
pub const INCOMING_BUFFER: u64 = 16 << 10;

/// The longest first wait after a failed dial.
pub const BACKOFF_BASE: Duration = Duration::from_millis(500);

/// The longest wait between dials to one relay. Above it, a relay that is back would be missed.
pub const BACKOFF_CAP: Duration = Duration::from_secs(300);

/// Relays that a redialler remembers; above, it forgets those without link and without wait.
pub const REDIAL_SLOTS: usize = 4096;

/// Relays of a list: four times what the largest network of this kind has had, 11 MB encoded.
pub const RELAYS_MAX: usize = 16_384;

/// Bytes of a list entry at most: id 32, flags 1, IPv4 6, IPv6 18, family 32, onion keys 32 + 1184.
pub const RELAY_ENTRY_MAX: usize = 32 + 1 + 6 + 18 + 32 + 32 + 1184;

/// Guards that a client samples: as many as somebody who blocks its links can walk it through.
pub const GUARDS_SAMPLED: usize = 20;

/// Second hops that a client keeps: four in use, and three spares. A guard shares its family, /16
/// and /32 with one each at most, so that four are left for it.
pub const SECOND_HOPS_KEPT: usize = 7;

/// Relays with a charge that a client remembers: an eighth of the largest list.
pub const HEALTH_RELAYS_MAX: usize = 1024;

/// Pairs of neighbours with a charge that a client remembers.
pub const HEALTH_PAIRS_MAX: usize = 4096;

/// Targets whose builds a client counts.
pub const TARGETS_MAX: usize = 1024;

/// Builds towards one target in an hour: each shows a fresh third hop to whoever chose the target.
pub const TARGET_BUILDS_PER_HOUR: usize = 30;

/// How long a client waits for the reply to a build: four hops of links that take 300 ms there and
/// back, a dial at each, and a handshake queue of a second.
pub const BUILD_TIME: Duration = Duration::from_secs(6);

/// How long a client tries to build one path before it says that it cannot.
pub const BUILD_DEADLINE: Duration = Duration::from_secs(60);

/// The longest first wait after a build that failed.
pub const BUILD_RETRY_BASE: Duration = Duration::from_millis(200);

/// The longest wait between two builds of one path.
pub const BUILD_RETRY_CAP: Duration = Duration::from_secs(10);

/// How long a client waits for the reply to a build before it starts another one beside it: three
/// hops of links that take 150 ms there and back, twice.
pub const BUILD_HEDGE: Duration = Duration::from_secs(1);

/// How long a client waits for the answer to a probe that somebody asked for.
pub const PROBE_TIME: Duration = Duration::from_secs(5);

/// Bytes of a tunnel's packet, at most: the data of one cell.
pub const TUNNEL_PACKET_MAX: usize = CELL_DATA_MAX;

/// Bytes of a tunnel's handshake message. An NK message with QUIC's parameters has about 170.
pub const TUNNEL_HANDSHAKE_MAX: usize = 1024;

/// Tunnels that a callee keeps at a time: about 8 MiB of state when idle. At the worst each holds
/// [`TUNNEL_ACCEPT_SEND`], [`TUNNEL_ACCEPT_WINDOW`] and twice [`TUNNEL_ACCEPT_DATAGRAMS`]: 1.1 GiB
/// for all of them, of callers that neither acknowledge nor let an application read.
pub const TUNNELS_MAX: usize = 512;

/// Tunnels that a callee keeps over one path: a client needs one, and two while it changes.
pub const TUNNELS_PER_PATH: usize = 4;

/// Tunnels that a callee keeps over one link: a quarter of [`TUNNELS_MAX`]. A relay's neighbour carries
/// many clients; over all links that one key can have ([`LINKS_PER_RELAY`]) it has three quarters.
pub const TUNNELS_PER_LINK: usize = TUNNELS_MAX / 4;

/// Tunnels that a callee keeps for clients of one network (an IPv4 /24, an IPv6 /48) that are linked
/// to it themselves: an eighth of [`TUNNELS_MAX`]. Whoever comes over three relays is none of these.
pub const TUNNELS_PER_NETWORK: usize = TUNNELS_MAX / 8;

/// How long a tunnel has no stream before it gives way to another when a callee has
/// [`TUNNELS_MAX`]: as long as its caller may take to name a service.
pub const TUNNEL_UNUSED_TIME: Duration = STREAM_HEAD_TIME;

/// Handshakes of tunnels under way for clients of one network that are linked to the callee: an
/// eighth of [`TUNNEL_HANDSHAKES_MAX`].
pub const TUNNEL_HANDSHAKES_PER_NETWORK: usize = TUNNEL_HANDSHAKES_MAX / 8;

/// Handshakes of tunnels under way over one link: a quarter of [`TUNNEL_HANDSHAKES_MAX`].
pub const TUNNEL_HANDSHAKES_PER_LINK: usize = TUNNEL_HANDSHAKES_MAX / 4;

/// Handshakes of tunnels under way at a callee: 4 MiB of buffers, 20 ms of one core.
pub const TUNNEL_HANDSHAKES_MAX: usize = 128;

/// Handshakes of tunnels under way over one path.
pub const TUNNEL_HANDSHAKES_PER_PATH: usize = 2;

/// Bytes that QUIC buffers for a tunnel before its first packet is looked at.
pub const TUNNEL_INCOMING_BUFFER: u64 = 16 << 10;

/// How long a tunnel's handshake may take: four round trips of a slow path, with losses.
pub const TUNNEL_HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// Silence after which a tunnel is dead: time to build another path and move to it.
pub const TUNNEL_IDLE: Duration = Duration::from_secs(60);

/// How often a caller breaks silence, unless told otherwise: a third of [`TUNNEL_IDLE`].
pub const TUNNEL_KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Packets that have arrived and wait for QUIC, of all tunnels of a node: 5.1 MiB, 100 ms at
/// 50 MB/s. What exceeds them is dropped, as a network would.
pub const TUNNEL_INBOX_PACKETS: usize = 4096;

/// Bytes under way to a callee that a caller holds, and from it, a tunnel. The callee's own windows
/// are smaller.
pub const TUNNEL_WINDOW: u32 = 8 << 20;

/// Bytes that a callee holds for an application that does not read, a tunnel: 10 MB/s over 100 ms.
pub const TUNNEL_ACCEPT_WINDOW: u32 = 1 << 20;

/// Bytes that a callee holds until its caller has acknowledged them, a tunnel: 10 MB/s over
/// 100 ms, and half as much again as a path's queue at its terminal takes ([`QUEUE_PATH_CELLS`]).
/// More would let callers that never acknowledge fill a relay.
pub const TUNNEL_ACCEPT_SEND: u32 = 1 << 20;

/// Bytes of datagrams that a caller holds, each way, a tunnel. The oldest are dropped first.
pub const TUNNEL_DATAGRAM_BUFFER: usize = 1 << 20;

/// Bytes of datagrams that a callee holds, each way, a tunnel: 50 packets. No service of a relay
/// wants datagrams.
pub const TUNNEL_ACCEPT_DATAGRAMS: usize = 64 << 10;

/// Streams that a caller has open on a tunnel at a time.
pub const TUNNEL_STREAMS: u32 = 64;

/// Packets that need an acknowledgement before one is sent: each is a cell at three relays.
pub const TUNNEL_ACK_EVERY: u32 = 10;

/// Packets under one key of a tunnel; then the key is renewed. 1.3 GiB.
pub const TUNNEL_KEY_PACKETS: u64 = 1 << 20;

/// Characters of a service's name.
pub const SERVICE_NAME_MAX: usize = 32;

/// How long a caller may take to name the service that a stream is for.
pub const STREAM_HEAD_TIME: Duration = Duration::from_secs(10);

/// Names of services in a relay's description of itself.
pub const SERVICES_MAX: usize = 64;

/// Bytes of a relay's description of itself.
pub const DESCRIPTION_MAX: usize = 1 + 32 + 1 + SERVICES_MAX * (1 + SERVICE_NAME_MAX);

/// Bytes of a key in the store: an identity, a day, a hash, with room to spare.
pub const STORE_KEY_MAX: usize = 1 << 10;

/// Bytes of a value in the store: a whole snapshot of a registry in few rows.
pub const STORE_VALUE_MAX: usize = 1 << 20;

/// Bytes that a row counts beside its key and value, roughly what it takes in memory.
pub const STORE_ROW_COST: usize = 64;

/// Bytes of one batch, rows counted with [`STORE_ROW_COST`]: bounds for how long one commit holds
/// up all others.
pub const STORE_BATCH_MAX: usize = 4 << 20;

/// Bytes of batches that wait for the disk or are being written; above it, callers wait.
pub const STORE_QUEUE_BYTES: usize = 16 << 20;

/// Batches that one sync makes durable: 256 KiB of messages, so that the first in a group does not
/// wait long for the last.
pub const STORE_GROUP_MAX: usize = 256;

/// Seconds of a network-wide epoch: a day, in UTC.
pub const EPOCH_SECONDS: u64 = 24 * 3600;

/// Seconds for which a set of onion keys is in use.
pub const KEY_EPOCH_SECONDS: u64 = 48 * 3600;

/// Seconds before and behind its key epoch in which a relay holds a set of onion keys too: enough
/// for news to spread, for clocks that are wrong, and for clients that were away for a while.
pub const KEY_OVERLAP_SECONDS: u64 = 6 * 3600;

/// Members that a swarm may be made for: each message is copied to all of them.
pub const SWARM_TARGET_MAX: u8 = 64;

/// Pairs of relays that change places for one newcomer: each of them fetches a swarm's mailboxes.
pub const SWARM_STIRS_MAX: u8 = 16;
/// Authorities of a charter: 16 signatures are a millisecond to verify.
pub const AUTHORITIES_MAX: usize = 16;

/// Charters of a network, the root included: one a year for a working life. All of them, with 16 keys
/// and 16 signatures each, are 99 KB and some 50 ms to check.
pub const CHARTERS_MAX: usize = 64;

/// Bytes of a charter: version 1, number 4, predecessor 32, threshold 1, count 1, keys.
pub const CHARTER_MAX: usize = 1 + 4 + 32 + 1 + 1 + AUTHORITIES_MAX * 32;

/// Bytes of a set of signatures: count 1, then key index 1 and signature 64 each.
pub const SIGNATURES_MAX: usize = 1 + AUTHORITIES_MAX * (1 + 64);

/// Parameters of a network in a snapshot.
pub const PARAMETERS_MAX: usize = 32;

/// Bytes of a snapshot's entry: id 32, flags 1, height 8, block 32, swarm 8, family 32.
pub const SNAPSHOT_ENTRY_MAX: usize = 32 + 1 + 8 + 32 + 8 + 32;

/// Bytes of a snapshot in front of its entries.
pub const SNAPSHOT_HEAD_MAX: usize =
    1 + 8 + 32 + 8 + 8 + 8 + 32 + 32 + 4 + 1 + 1 + PARAMETERS_MAX * (2 + 8);

/// Bytes of a snapshot: 1.9 MB at [`RELAYS_MAX`]; 1.1 MB at 10,000 relays.
pub const SNAPSHOT_MAX: usize = SNAPSHOT_HEAD_MAX + 2 + RELAYS_MAX * SNAPSHOT_ENTRY_MAX;

/// Bytes of a signed snapshot: charters and signatures come with it.
pub const SIGNED_SNAPSHOT_MAX: usize =
    2 + (CHARTERS_MAX - 1) * (CHARTER_MAX + SIGNATURES_MAX) + SNAPSHOT_MAX + SIGNATURES_MAX;

/// Bytes of a delta: a whole snapshot in the worst case, two hashes, and each relay of the base
/// both removed (2) and moved (10).
pub const DELTA_MAX: usize = SIGNED_SNAPSHOT_MAX + 2 * 32 + 2 * 2 + RELAYS_MAX * (2 + 2 + 8);

/// Bytes of a ledger on disk: version 1, root 32, count 1, two signed snapshots with their lengths.
pub const LEDGER_MAX: usize = 1 + 32 + 1 + 2 * (4 + SIGNED_SNAPSHOT_MAX);

/// Seconds for which a snapshot may be valid at most: what a network survives without its
/// authorities, and what an attacker can hold a client back.
pub const SNAPSHOT_VALIDITY_MAX: u64 = 30 * EPOCH_SECONDS;

/// Seconds by which a clock may be behind the registry's, as for builds: clocks of phones.
pub const REGISTRY_SKEW_SECONDS: u64 = 300;
/// Bytes of a relay's descriptor at most: version 1, kind 1, id 32, issued 8, capacity 4, flags 1,
/// IPv4 6, IPv6 18, family 32, signature 64.
pub const DESCRIPTOR_MAX: usize = 2 + 32 + 8 + 4 + 1 + 6 + 18 + 32 + 64;

/// Bytes of a relay's onion keys of one key epoch: version 1, kind 1, id 32, key epoch 4, X25519 32,
/// ML-KEM 1184, signature 64.
pub const KEY_SET_LEN: usize = 2 + 32 + 4 + 32 + 1184 + 64;

/// Bytes of the proof that a relay signed two key sets for one key epoch.
pub const EQUIVOCATION_LEN: usize = 2 + 32 + 4 + 2 * (32 + 1184 + 64);

/// Seconds between two descriptors of a relay: one that signs more often makes nobody work for it.
pub const DESCRIPTOR_INTERVAL: u64 = 60;

/// Seconds by which a relay's clock may be ahead of ours in what it signs, as in builds
/// ([`BUILD_SKEW_MINUTES`]).
pub const DIRECTORY_AHEAD: u64 = 300;

/// Seconds before a key set's erasure in which no path is begun with it any more: a list is used
/// for a while after it was made, and clocks differ.
pub const KEY_MARGIN_SECONDS: u64 = 1800;

/// Seconds for which the proof that a relay signed two key sets excludes it, from the start of the
/// key epoch on: 30 days, so that a relay that is caught loses more than it can have won.
pub const PROOF_SECONDS: u64 = 30 * 24 * 3600;

/// Key sets of one relay that are held: two epochs are open at most, and one is spare while clocks
/// differ.
pub const KEY_SETS_MAX: usize = 3;

/// Bytes of a request or reply of the directory: below [`REQUEST_MAX`] with room for what carries
/// it.
pub const DIRECTORY_MESSAGE_MAX: usize = 60 << 10;

/// Levels of a tree of digests below its root: 1,024 leaves, 16 relays each in the largest network.
/// Its 2,047 nodes take 64 KiB.
pub const TREE_LEVELS: u8 = 10;

/// Relays of one bucket, about: a changed document costs a list of them.
pub const BUCKET_RELAYS: usize = 8;

/// Trees that a head tells of: descriptors, proofs, and as many key epochs as a relay may hold.
pub const TREES_MAX: usize = 2 + KEY_SETS_MAX;

/// Documents that one request names: 16 KiB of ids, and more than one reply holds.
pub const DOCUMENTS_ASKED_MAX: usize = 512;

/// Items of a list of hashes that one reply holds, 64 bytes each, beside its head.
pub const HASHES_MAX: usize = (DIRECTORY_MESSAGE_MAX - 8) / 64;

/// Bytes of a snapshot or delta in one reply.
pub const SNAPSHOT_PART_MAX: usize = DIRECTORY_MESSAGE_MAX - 16;

/// Bytes of a snapshot or delta that a client puts together from parts, and of the mark before it.
pub const SNAPSHOT_WHOLE_MAX: usize = 1 + DELTA_MAX;

/// Sources that are compared at a time: each costs a client up to 4 MiB of lists.
pub const SYNC_SOURCES_MAX: usize = 16;

/// Documents that a source may claim and then not have, before it is a liar: its own directory
/// changes meanwhile.
pub const SYNC_OMITTED_MAX: usize = 16;

/// How long a node waits for the reply of a directory: 60 KiB over a slow path.
pub const DIRECTORY_ASK_TIME: Duration = Duration::from_secs(10);

/// Bytes of a request about the directory that anybody may send: the ids of [`DOCUMENTS_ASKED_MAX`]
/// relays, and what is before them. Offers, which are longer, come from relays only.
pub const DIRECTORY_ASK_MAX: usize = 16 + DOCUMENTS_ASKED_MAX * 32;

/// Relays to which a relay offers what is news to it: with four each, two rounds of a hundred relays
/// leave two without, which compare.
pub const GOSSIP_RELAYS: usize = 4;

/// How long news wait for more of them.
pub const GOSSIP_DELAY: Duration = Duration::from_millis(200);

/// Documents that wait to be told to others: 5 MB of key sets. Above it they are dropped here, and
/// others hear of them when they compare.
pub const GOSSIP_NEWS_MAX: usize = 4096;

/// Sources that a client asks about the network at a time: one more than the rule needs, since one
/// may fail.
pub const DIRECTORY_SOURCES: usize = 4;

/// Seconds between two comparisons of a client: two or three in the six hours in which the keys of the
/// next key epoch are announced.
pub const DIRECTORY_COMPARE_SECONDS: u64 = 2 * 3600;

/// Relays below which nothing is known of a network: no path of three could be chosen.
pub const DIRECTORY_LEAST_RELAYS: usize = 3;

/// How long a client waits when nobody told it of the network, at first.
pub const DIRECTORY_RETRY_BASE: Duration = Duration::from_secs(1);

/// How long at most.
pub const DIRECTORY_RETRY_CAP: Duration = Duration::from_secs(300);

/// Sources of which the rule for onion keys needs answers at least.
pub const DIRECTORY_SOURCES_LEAST: usize = 3;

/// Sources of one comparison that must name a document before a client holds a descriptor for it, or
/// lets one of them see that it has it already: what one alone names may be made for this client.
pub const SYNC_NAMED_BY: usize = 2;

/// How long a question about the network may be open before another source is asked the same: half of
/// what a reply may take.
pub const DIRECTORY_SLOW: Duration = Duration::from_secs(5);

/// How long a comparison waits for the others once enough sources have told what they have, or for
/// documents that only slow ones give: as long as one reply may take.
pub const DIRECTORY_GRACE: Duration = DIRECTORY_ASK_TIME;

/// How long sources may take to tell what they have, if they are too few: half of a comparison.
pub const DIRECTORY_TELLING: Duration = Duration::from_secs(60);

/// How long one source may take to give a snapshot before another is asked beside it.
pub const SNAPSHOT_PATIENCE: Duration = Duration::from_secs(15);

/// Requests about the network that strangers may make at once, all together: ten cold starts in a
/// network of 1,000 relays.
pub const STRANGER_ASKS: u32 = 512;

/// Requests about the network that strangers may make in a second, all together: each costs up to
/// 0.1 ms and 60 KiB, so that they take a twentieth of a core at most.
pub const STRANGER_ASKS_A_SECOND: u32 = 500;
