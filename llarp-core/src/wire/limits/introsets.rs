//! Limits of introsets, of those who store them and of those who ask for them.

use core::time::Duration;

/// Requests about introsets that strangers may make at one terminal at once, all together.
pub const INTROSET_ASKS: u32 = 256;

/// Requests about introsets that strangers may make at one terminal in a second: each asks eight
/// storers, so that one terminal brings a network of 1,000 relays no more than two each.
pub const INTROSET_ASKS_A_SECOND: u32 = 200;

/// What storing an introset counts for among them: it costs a verification at each storer.
pub const PUBLISH_ASKS: u32 = 4;

/// How long a terminal's store may take.
pub const STORE_TIME: Duration = Duration::from_secs(8);

/// How long a client waits for a terminal's answer on introsets: longer than its store takes.
pub const INTROSET_ASK_TIME: Duration = Duration::from_secs(10);

/// Introsets that a store in memory holds: 60 MB.
pub const RECORDS_HELD_MAX: usize = 10_000;

/// Work that an introset costs its owner unless storers want more: 5 ms of one core.
pub const PUBLISH_EFFORT: u32 = 1 << 16;

/// Work that a device does at most for an introset: some seconds of one core.
pub const PUBLISH_EFFORT_MAX: u32 = 1 << 25;

/// Nonces that are tried before others on a thread have their turn: 0.3 ms.
pub const WORK_PORTION: u64 = 4096;

/// How long an owner waits at most before it publishes what has changed.
pub const PUBLISH_JITTER: Duration = Duration::from_secs(2);

/// How long after today's introset tomorrow's is published at most, when there is time.
pub const PUBLISH_APART: Duration = Duration::from_secs(900);

/// How often an owner looks at least whether there is a new beacon.
pub const PUBLISH_LOOK: Duration = Duration::from_secs(60);

/// Terminals that are asked to store one introset before the owner waits.
pub const PUBLISH_TRIES: usize = 4;

/// How long an owner waits when it could not publish, at first.
pub const PUBLISH_RETRY_BASE: Duration = Duration::from_secs(2);

/// How long at most.
pub const PUBLISH_RETRY_CAP: Duration = Duration::from_secs(300);

/// How long somebody is looked for, with all paths that it takes.
pub const FIND_TIME: Duration = Duration::from_secs(30);

/// How long a second terminal may take after the first has found something: it may have a newer one.
pub const FIND_GRACE: Duration = Duration::from_secs(1);

/// Pairs of terminals that are asked for one place before the look-up fails.
pub const FIND_ROUNDS: usize = 3;

/// Device slots that are tried when the first is empty.
pub const SLOTS_TRIED: usize = 4;

/// How long an address under which nothing was found is not looked for again.
pub const MISSING_TIME: Duration = Duration::from_secs(30);

/// Such addresses that are remembered.
pub const MISSING_HELD_MAX: usize = 256;
/// Bytes of a proof of work: version 1, effort 4, nonce 8.
pub const PROOF_LEN: usize = 1 + 4 + 8;

/// Device slots of an identity: a caller tries those in use, each of which is a look-up.
pub const DEVICE_SLOTS: u8 = 16;

/// Introducers of an introset. A device has two or three paths to them, and a few old ones while it
/// moves.
pub const INTRODUCERS_MAX: usize = 8;

/// Bytes of an introset's extension: room for a key or two of later versions.
pub const INTROSET_EXTENSION_MAX: u16 = 256;

/// Bytes of an introset's contents at most: slots 2, keys' end 8, X25519 32, ML-KEM 1184, effort 4,
/// seed 32, count 1, introducers 72 each, extension 2 and up to 256.
pub const INTROSET_CONTENTS_MAX: usize =
    2 + 8 + 32 + 1184 + 4 + 32 + 1 + INTRODUCERS_MAX * 72 + 2 + INTROSET_EXTENSION_MAX as usize;

/// Bytes of an introset's record: two, three or five cells of a tunnel. The smallest holds every
/// introset, the second one and 16 clients, the largest one and 64.
pub const RECORD_SIZES: [usize; 3] = [2400, 3600, 6000];

/// Bytes of the longest record.
pub const RECORD_MAX: usize = 6000;

/// Clients that an introset may name come in groups, filled up with noise, so that their number
/// does not show.
pub const CLIENT_GROUP: usize = 16;

/// Groups of clients of an introset: 64 clients cost its owner 4 ms, and a reader 0.2 ms.
pub const CLIENT_GROUPS_MAX: u8 = 4;

/// Hours for which a record is valid at most: its epoch, and the overlap behind it. Bounds how long
/// storers keep what nobody renews.
pub const RECORD_LIFE_HOURS: u32 = 24 + RECORD_OVERLAP_HOURS;

/// Hours behind the end of its epoch in which a record may still be valid, for readers whose clock or
/// snapshot is behind.
pub const RECORD_OVERLAP_HOURS: u32 = 6;

/// Seconds by which the clock of a record's owner may be ahead of ours, as in builds
/// ([`BUILD_SKEW_MINUTES`](super::BUILD_SKEW_MINUTES)).
pub const RECORD_AHEAD: u64 = 300;

/// Seconds for which session keys of an introset may be in use: what a stolen device opens of
/// sessions that were recorded.
pub const SESSION_KEYS_SECONDS: u64 = 24 * 3600;

/// Records in one answer: a terminal has one that it thinks newest, and gives a few if its storers
/// do not agree.
pub const FETCH_RECORDS_MAX: usize = 4;

/// Bytes of a request to `introset/1`: version 1, kind 1, a record.
pub const INTROSET_REQUEST_MAX: usize = 2 + 32 + RECORD_MAX;

/// Bytes of an answer of `introset/1`: version 1, kind 1, count 1, and each record behind its length.
pub const INTROSET_ANSWER_MAX: usize = 3 + FETCH_RECORDS_MAX * (2 + RECORD_MAX);
/// Relays that hold a value of the table of introsets: five of them may be gone or lie together
/// before it is lost.
pub const DHT_COPIES: usize = 8;

/// Relays whose valid values end a search: of eight, any five and any other five share two, so that
/// who has heard five has heard one that took part in the newest publishing with five copies.
pub const DHT_ENOUGH: usize = 5;

/// The closest relays to a key that take its value: twice [`DHT_COPIES`], since the publisher may
/// know of relays that have come or gone, and its view is a snapshot older or newer.
pub const DHT_TAKERS: usize = 16;

/// Bytes of a value of the table: the largest introset, with room to spare.
pub const DHT_VALUE_MAX: usize = 16 << 10;

/// Bytes of a message between the tables of two relays: a value, its key twice, and framing.
pub const DHT_MESSAGE_MAX: usize = DHT_VALUE_MAX + (1 << 10);

/// Values that a relay holds: some 10 MB of index.
pub const DHT_RECORDS_MAX: usize = 32_768;

/// Bytes of values that a relay holds, on its disk.
pub const DHT_BYTES_MAX: usize = 128 << 20;

/// The part of either that values brought by one relay may take: an eighth.
pub const DHT_PEER_SHARE: usize = 8;

/// Values of one owner, that is of one blinded key: its device slots, for one epoch.
pub const DHT_OWNER_RECORDS: usize = 32;

/// Bytes of values that the disk has not taken yet; above it no new one is taken.
pub const DHT_UNWRITTEN_MAX: usize = 4 << 20;

/// Searches and publishings under way at a relay, and as many that wait for their turn.
pub const DHT_QUERIES_MAX: usize = 64;

/// Values that a relay hands on at a time, so that others' copies do not all come at once.
pub const DHT_REPUBLISH_AT_ONCE: usize = 4;

/// Seconds between two times that a value is handed on, about: the half-life of what is lost with
/// relays that go.
pub const DHT_REPUBLISH_SECONDS: u64 = 3600;

/// How long a search takes at most: who has not answered in it is dead, far, or silent on purpose.
pub const DHT_SEARCH_TIME: Duration = Duration::from_secs(2);

/// How long a publishing takes at most: a narrow dial (3 s) and a disk that is busy.
pub const DHT_PUT_TIME: Duration = Duration::from_secs(8);

/// How long a request between two tables may take before its asker gives up.
pub const DHT_ASK_TIME: Duration = Duration::from_secs(3);

/// How long a stream between two tables lives at most, whatever its peer does.
pub const DHT_STREAM_TIME: Duration = Duration::from_secs(5);

/// How long a link of the table is kept without a question: a dial costs less than its keep-alives.
pub const DHT_LINK_IDLE: Duration = Duration::from_secs(60);

/// Requests that a relay may have open at another: as many as libp2p's handler opens.
pub const DHT_STREAMS_OPEN: u32 = 32;

/// Links of the table that have been accepted and wait to be looked at.
pub const DHT_ARRIVALS: usize = 64;

/// Questions that one relay may ask another at once. A value to be kept counts as four, a forged one
/// as [`DHT_FORGED_COST`].
pub const DHT_ASKS: u32 = 2048;

/// And in a second: each costs up to 0.2 ms, so that one relay takes a tenth of another's core.
pub const DHT_ASKS_A_SECOND: u32 = 512;

/// What a value counts whose signature is wrong: after eight a relay is not listened to for seconds.
pub const DHT_FORGED_COST: u32 = 256;
