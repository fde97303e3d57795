//! Who is linked, from where, and who goes when room is needed. Pure: no clock, no socket.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::Limits;
use crate::wire::Sensitive;

/// Where a packet comes from, as far as counting goes: an IPv4 address, or an IPv6 /64.
pub(super) type Source = Sensitive<IpAddr>;

/// The source that `ip` counts for.
pub(super) fn source(ip: IpAddr) -> Source {
    Sensitive::new(match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
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

/// When a link was last used, in an order of its own: no clock is read per cell, and a link that
/// is used alone pays one load.
#[derive(Debug)]
pub(super) struct Activity {
    clock: Arc<AtomicU64>,
    last: AtomicU64,
}

impl Activity {
    pub(super) fn new(clock: Arc<AtomicU64>) -> Self {
        let last = AtomicU64::new(clock.fetch_add(1, Ordering::Relaxed) + 1);
        Self { clock, last }
    }

    /// Notes that the link is used now.
    pub(super) fn touch(&self) {
        if self.last.load(Ordering::Relaxed) != self.clock.load(Ordering::Relaxed) {
            let now = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
            self.last.store(now, Ordering::Relaxed);
        }
    }

    fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }
}

/// Who a link is with. The lower goes first when room is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Somebody without a name.
    Anonymous,
    /// A known relay that dialled us.
    Relay,
    /// A relay that we dialled: never counted, never evicted.
    Own,
}

/// What becomes of somebody who knocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The handshake goes on; [`Table::end_handshake`] must follow.
    Welcome,
    /// The address must be proven first.
    Prove,
    /// Not now.
    Refuse,
}

/// The links of an endpoint and its handshakes. `H` is what closes a link.
#[derive(Debug)]
pub(super) struct Table<H> {
    limits: Limits,
    next: u64,
    handshakes: usize,
    sources: BTreeMap<Source, Count>,
    /// Anonymous links by network.
    networks: BTreeMap<Source, usize>,
    links: BTreeMap<u64, Entry<H>>,
}

#[derive(Debug, Default)]
struct Count {
    handshakes: usize,
    links: usize,
}

#[derive(Debug)]
struct Entry<H> {
    rank: Rank,
    source: Source,
    activity: Arc<Activity>,
    handle: H,
}

impl<H> Table<H> {
    pub(super) const fn new(limits: Limits) -> Self {
        Self {
            limits,
            next: 0,
            handshakes: 0,
            sources: BTreeMap::new(),
            networks: BTreeMap::new(),
            links: BTreeMap::new(),
        }
    }

    /// Somebody at `source` knocks.
    pub(super) fn begin_handshake(&mut self, source: Source, proven: bool) -> Verdict {
        let from_there = self
            .sources
            .get(&source)
            .map_or(0, |count| count.handshakes);
        if self.handshakes >= self.limits.handshakes {
            return Verdict::Refuse;
        }
        // Counts per source would be forgeable, and a forger could lock others out.
        if !proven
            && (self.handshakes >= self.limits.handshakes_unproven
                || from_there >= self.limits.handshakes_per_source)
        {
            return Verdict::Prove;
        }
        if from_there >= self.limits.handshakes_per_source {
            return Verdict::Refuse;
        }
        self.handshakes += 1;
        self.sources.entry(source).or_default().handshakes += 1;
        Verdict::Welcome
    }

    /// A handshake from `source` is over, however it ended.
    pub(super) fn end_handshake(&mut self, source: Source) {
        self.handshakes = self.handshakes.saturating_sub(1);
        self.uncount(source, |count| &mut count.handshakes);
    }

    /// Admits a link. The first of the pair names it; the second is what had to go for it.
    /// `None`: there is no room, and nobody who would have to go.
    pub(super) fn admit(
        &mut self,
        rank: Rank,
        source: Source,
        activity: Arc<Activity>,
        handle: H,
    ) -> Option<(u64, Option<H>)> {
        if rank == Rank::Anonymous {
            let here = self.sources.get(&source).map_or(0, |count| count.links);
            let network = network(*source.expose());
            let around = self.networks.get(&network).copied().unwrap_or(0);
            if here >= self.limits.links_per_source || around >= self.limits.links_per_network {
                return None;
            }
        }
        let full = rank != Rank::Own && self.accepted() >= self.limits.links;
        let evicted = if full { Some(self.evict(rank)?) } else { None };
        if rank == Rank::Anonymous {
            self.sources.entry(source).or_default().links += 1;
            *self.networks.entry(network(*source.expose())).or_default() += 1;
        }
        self.next += 1;
        let entry = Entry {
            rank,
            source,
            activity,
            handle,
        };
        self.links.insert(self.next, entry);
        Some((self.next, evicted))
    }

    /// Forgets a link that has ended.
    pub(super) fn remove(&mut self, id: u64) -> Option<H> {
        let entry = self.links.remove(&id)?;
        if entry.rank == Rank::Anonymous {
            self.uncount(entry.source, |count| &mut count.links);
            self.leave_network(network(*entry.source.expose()));
        }
        Some(entry.handle)
    }

    /// What closes each of the links.
    pub(super) fn handles(&self) -> impl Iterator<Item = &H> {
        self.links.values().map(|entry| &entry.handle)
    }

    /// Whether no link is left.
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    fn accepted(&self) -> usize {
        let own = |entry: &&Entry<H>| entry.rank != Rank::Own;
        self.links.values().filter(own).count()
    }

    /// Takes out the least recently used of the lowest rank, if that is not above `newcomer`.
    fn evict(&mut self, newcomer: Rank) -> Option<H> {
        let (&id, _) = self
            .links
            .iter()
            .filter(|(_, entry)| entry.rank <= newcomer)
            .min_by_key(|(id, entry)| (entry.rank, entry.activity.last(), **id))?;
        self.remove(id)
    }

    fn leave_network(&mut self, network: Source) {
        match self.networks.get_mut(&network) {
            Some(links) if *links > 1 => *links -= 1,
            _ => {
                self.networks.remove(&network);
            }
        }
    }

    fn uncount(&mut self, source: Source, field: impl Fn(&mut Count) -> &mut usize) {
        let Some(count) = self.sources.get_mut(&source) else {
            return;
        };
        let field = field(count);
        *field = field.saturating_sub(1);
        if count.handshakes == 0 && count.links == 0 {
            self.sources.remove(&source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        links: 3,
        links_per_source: 2,
        links_per_network: 3,
        handshakes: 3,
        handshakes_unproven: 1,
        handshakes_per_source: 2,
    };

    fn from(last: u8) -> Source {
        source(Ipv4Addr::new(192, 0, 2, last).into())
    }

    struct Room {
        table: Table<char>,
        clock: Arc<AtomicU64>,
    }

    impl Room {
        fn new() -> Self {
            let (table, clock) = (Table::new(LIMITS), Arc::default());
            Self { table, clock }
        }

        fn admit(&mut self, rank: Rank, from: Source, name: char) -> Option<Option<char>> {
            self.admit_with(rank, from, name)
                .map(|(evicted, _)| evicted)
        }

        fn admit_with(
            &mut self,
            rank: Rank,
            from: Source,
            name: char,
        ) -> Option<(Option<char>, Arc<Activity>)> {
            let activity = Arc::new(Activity::new(Arc::clone(&self.clock)));
            let admitted = self.table.admit(rank, from, Arc::clone(&activity), name);
            admitted.map(|(_, evicted)| (evicted, activity))
        }
    }

    #[test]
    fn the_least_recently_used_anonymous_link_goes_first() {
        let mut room = Room::new();
        assert_eq!(room.admit(Rank::Relay, from(1), 'r'), Some(None));
        let (_, a) = room.admit_with(Rank::Anonymous, from(2), 'a').unwrap();
        assert_eq!(room.admit(Rank::Anonymous, from(3), 'b'), Some(None));
        a.touch();
        assert_eq!(room.admit(Rank::Anonymous, from(4), 'c'), Some(Some('b')));
        assert_eq!(room.admit(Rank::Relay, from(5), 's'), Some(Some('a')));
        assert_eq!(room.admit(Rank::Relay, from(6), 't'), Some(Some('c')));
        assert_eq!(room.admit(Rank::Anonymous, from(7), 'd'), None);
        assert_eq!(room.admit(Rank::Relay, from(8), 'u'), Some(Some('r')));
    }

    #[test]
    fn own_links_take_no_room_and_are_never_evicted() {
        let mut room = Room::new();
        for name in ['1', '2', '3', '4', '5'] {
            assert_eq!(room.admit(Rank::Own, from(1), name), Some(None));
        }
        for name in ['a', 'b', 'c'] {
            assert_eq!(room.admit(Rank::Relay, from(1), name), Some(None));
        }
        assert_eq!(room.admit(Rank::Relay, from(1), 'd'), Some(Some('a')));
    }

    #[test]
    fn one_source_cannot_take_all_the_room() {
        let mut room = Room::new();
        assert!(room.admit(Rank::Anonymous, from(1), 'a').is_some());
        assert!(room.admit(Rank::Anonymous, from(1), 'b').is_some());
        assert_eq!(room.admit(Rank::Anonymous, from(1), 'c'), None);
        assert_eq!(room.table.remove(1), Some('a'));
        assert!(room.admit(Rank::Anonymous, from(1), 'c').is_some());
    }

    #[test]
    fn under_load_an_address_must_be_proven_and_a_forged_one_locks_nobody_out() {
        let mut table = Table::<()>::new(LIMITS);
        assert_eq!(table.begin_handshake(from(1), false), Verdict::Welcome);
        assert_eq!(table.begin_handshake(from(1), false), Verdict::Prove);
        assert_eq!(table.begin_handshake(from(1), true), Verdict::Welcome);
        assert_eq!(table.begin_handshake(from(1), true), Verdict::Refuse);
        assert_eq!(table.begin_handshake(from(2), true), Verdict::Welcome);
        assert_eq!(table.begin_handshake(from(3), true), Verdict::Refuse);
        table.end_handshake(from(1));
        assert_eq!(table.begin_handshake(from(1), true), Verdict::Welcome);
    }

    #[test]
    fn an_ipv6_subnet_is_one_source() {
        let ip = |text: &str| source(text.parse().unwrap());
        assert_eq!(ip("2001:db8::1"), ip("2001:db8::ffff:1:2:3"));
        assert_ne!(ip("2001:db8::1"), ip("2001:db8:0:1::1"));
        assert_eq!(ip("::ffff:192.0.2.1"), ip("192.0.2.1"));
    }

    #[test]
    fn one_network_cannot_take_all_the_room() {
        let mut room = Room::new();
        room.table.limits.links = 10;
        for last in 1..=3 {
            assert_eq!(room.admit(Rank::Anonymous, from(last), 'a'), Some(None));
        }
        assert_eq!(room.admit(Rank::Anonymous, from(4), 'b'), None);
        let elsewhere = source(Ipv4Addr::new(192, 0, 3, 4).into());
        assert_eq!(room.admit(Rank::Anonymous, elsewhere, 'c'), Some(None));
        assert_eq!(room.admit(Rank::Relay, from(4), 'r'), Some(None));
        assert_eq!(room.table.remove(1), Some('a'));
        assert_eq!(room.admit(Rank::Anonymous, from(4), 'b'), Some(None));
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

    #[test]
    fn nothing_is_kept_of_those_who_left() {
        let mut room = Room::new();
        assert_eq!(room.table.begin_handshake(from(1), true), Verdict::Welcome);
        assert!(room.admit(Rank::Anonymous, from(1), 'a').is_some());
        room.table.end_handshake(from(1));
        room.table.remove(1);
        assert!(room.table.is_empty() && room.table.sources.is_empty());
        assert!(room.table.networks.is_empty());
    }
}
