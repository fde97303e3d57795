use core::net::Ipv4Addr;

use super::super::origin::source;
use super::*;

fn limits() -> Limits {
    Limits {
        links: 3,
        links_per_source: 2,
        links_per_network: 3,
        links_per_relay: 2,
        ..Limits::default()
    }
}

fn from(last: u8) -> Source {
    source(Ipv4Addr::new(192, 0, 2, last).into())
}

/// A relay by the letter of its key.
const fn relay(key: u8) -> Rank {
    Rank::Relay(RelayId([key; 32]), Protocol::CELLS)
}

struct House {
    table: Table<char>,
    clock: Arc<AtomicU64>,
}

impl House {
    fn new() -> Self {
        let (table, clock) = (Table::new(limits()), Arc::default());
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

    fn here(&self) -> String {
        self.table.handles().collect()
    }
}

#[test]
fn the_least_recently_used_anonymous_link_goes_first() {
    let mut house = House::new();
    assert_eq!(house.admit(relay(b'r'), from(1), 'r'), Some(None));
    let (_, a) = house.admit_with(Rank::Anonymous, from(2), 'a').unwrap();
    assert_eq!(house.admit(Rank::Anonymous, from(3), 'b'), Some(None));
    a.touch();
    assert_eq!(house.admit(Rank::Anonymous, from(4), 'c'), Some(Some('b')));
    assert_eq!(house.admit(relay(b's'), from(5), 's'), Some(Some('a')));
    assert_eq!(house.admit(relay(b't'), from(6), 't'), Some(Some('c')));
    assert_eq!(house.admit(Rank::Anonymous, from(7), 'd'), None);
}

#[test]
fn a_relay_has_two_links_and_a_third_costs_its_own_oldest() {
    let mut house = House::new();
    house.table.limits.links = 100;
    let (_, first) = house.admit_with(relay(b'r'), from(1), '1').unwrap();
    assert_eq!(house.admit(relay(b's'), from(1), 's'), Some(None));
    assert_eq!(house.admit(relay(b'r'), from(2), '2'), Some(None));
    // What is sent to a link whose peer has restarted does not make it young.
    first.touch();
    assert_eq!(house.admit(relay(b'r'), from(3), '3'), Some(Some('1')));
    assert_eq!(house.admit(relay(b'r'), from(4), '4'), Some(Some('2')));
    assert_eq!(house.here(), "s34");
}

#[test]
fn links_of_another_protocol_cost_a_relay_no_link_of_cells() {
    let mut house = House::new();
    house.table.limits.links = 9;
    let other = Rank::Relay(RelayId([b'r'; 32]), Protocol::DHT);
    assert_eq!(house.admit(relay(b'r'), from(1), 'c'), Some(None));
    assert_eq!(house.admit(other, from(1), '1'), Some(None));
    assert_eq!(house.admit(other, from(1), '2'), Some(None));
    assert_eq!(house.admit(other, from(1), '3'), Some(Some('1')));
    assert_eq!(house.here(), "c23");
}

#[test]
fn one_key_takes_no_more_than_its_two_links_of_a_full_relay() {
    let mut house = House::new();
    house.table.limits.links = 5;
    for name in ['a', 'b', 'c'] {
        assert_eq!(house.admit(relay(name as u8), from(1), name), Some(None));
    }
    assert_eq!(house.admit(Rank::Anonymous, from(2), 'x'), Some(None));
    assert_eq!(house.admit(Rank::Anonymous, from(2), 'y'), Some(None));
    for name in '0'..='9' {
        assert!(house.admit(relay(b'm'), from(3), name).is_some());
    }
    assert_eq!(house.here(), "abc89");
}

#[test]
fn the_last_link_of_another_relay_is_never_taken() {
    let mut house = House::new();
    for name in ['a', 'b', 'c'] {
        assert_eq!(house.admit(relay(name as u8), from(1), name), Some(None));
    }
    assert_eq!(house.admit(relay(b'm'), from(2), 'm'), None);
    // One's own makes room for oneself.
    assert_eq!(house.admit(relay(b'b'), from(1), 'B'), Some(Some('b')));
    assert_eq!(house.here(), "acB");
}

#[test]
fn the_second_link_of_a_relay_makes_room_for_one_without() {
    let mut house = House::new();
    house.table.limits.links = 4;
    let (_, a) = house.admit_with(relay(b'a'), from(1), 'a').unwrap();
    for (key, name) in [(b'b', 'b'), (b'b', 'B'), (b'a', 'A')] {
        assert_eq!(house.admit(relay(key), from(1), name), Some(None));
    }
    a.touch();
    assert_eq!(house.admit(relay(b'm'), from(2), 'm'), Some(Some('b')));
    assert_eq!(house.admit(relay(b'n'), from(2), 'n'), Some(Some('a')));
    assert_eq!(house.admit(relay(b'o'), from(2), 'o'), None);
}

#[test]
fn own_links_take_no_room_and_are_never_evicted() {
    let mut house = House::new();
    for name in ['1', '2', '3', '4', '5'] {
        assert_eq!(house.admit(Rank::Own, from(1), name), Some(None));
    }
    for name in ['a', 'b', 'c'] {
        assert_eq!(house.admit(relay(name as u8), from(1), name), Some(None));
    }
    assert_eq!(house.admit(relay(b'd'), from(1), 'd'), None);
    assert_eq!(house.here(), "12345abc");
}

#[test]
fn one_source_cannot_take_all_the_room() {
    let mut house = House::new();
    assert!(house.admit(Rank::Anonymous, from(1), 'a').is_some());
    assert!(house.admit(Rank::Anonymous, from(1), 'b').is_some());
    assert_eq!(house.admit(Rank::Anonymous, from(1), 'c'), None);
    assert_eq!(house.table.remove(1), Some('a'));
    assert!(house.admit(Rank::Anonymous, from(1), 'c').is_some());
}

#[test]
fn one_network_cannot_take_all_the_room() {
    let mut house = House::new();
    house.table.limits.links = 10;
    for last in 1..=3 {
        assert_eq!(house.admit(Rank::Anonymous, from(last), 'a'), Some(None));
    }
    assert_eq!(house.admit(Rank::Anonymous, from(4), 'b'), None);
    let elsewhere = source(Ipv4Addr::new(192, 0, 3, 4).into());
    assert_eq!(house.admit(Rank::Anonymous, elsewhere, 'c'), Some(None));
    assert_eq!(house.admit(relay(b'r'), from(4), 'r'), Some(None));
    assert_eq!(house.table.remove(1), Some('a'));
    assert_eq!(house.admit(Rank::Anonymous, from(4), 'b'), Some(None));
}

#[test]
fn nothing_is_kept_of_those_who_left() {
    let mut house = House::new();
    for rank in [Rank::Anonymous, relay(b'r'), Rank::Own] {
        assert!(house.admit(rank, from(1), 'a').is_some());
    }
    assert!((1..=3).all(|id| house.table.remove(id).is_some()));
    let table = &house.table;
    assert!(table.is_empty() && table.sources.is_empty() && table.networks.is_empty());
    assert!(table.relays.is_empty() && table.accepted == 0);
}
