use core::net::{IpAddr, Ipv4Addr};

use super::super::origin::source;
use super::*;
use crate::wire::limits;

const NOW: Duration = Duration::from_secs(1000);
const SECOND: Duration = Duration::from_secs(1);

fn from(c: u8, d: u8) -> Source {
    source(Ipv4Addr::new(192, 0, c, d).into())
}

fn relay(n: u8) -> RelayId {
    RelayId([n; 32])
}

/// Takes whoever knocks in at once, so that only paces count.
struct Door(Knocks);

impl Door {
    fn new() -> Self {
        Self(Knocks::new(Limits::default()))
    }

    fn knock(&mut self, now: Duration, source: Source, proven: bool) -> Verdict {
        let verdict = self.0.begin(now, source, proven);
        if verdict == Verdict::Welcome {
            self.0.end(source);
        }
        verdict
    }

    /// How many of so many knocks of proven addresses are welcome.
    fn welcomed(&mut self, now: Duration, sources: impl Iterator<Item = Source>) -> u32 {
        let verdicts = sources.map(|source| self.knock(now, source, true));
        let welcomed = verdicts.filter(|verdict| *verdict == Verdict::Welcome);
        u32::try_from(welcomed.count()).unwrap()
    }
}

/// So many knocks of one source.
fn times(count: usize, source: Source) -> impl Iterator<Item = Source> {
    core::iter::repeat_n(source, count)
}

/// So many knocks of all addresses of `networks` networks in turn.
fn of_networks(count: usize, networks: usize) -> impl Iterator<Item = Source> {
    (0..count).map(move |n| {
        let network = u16::try_from(n % networks).unwrap().to_be_bytes();
        let last = u8::try_from((n / networks) % 256).unwrap();
        let [b, c] = network;
        source(Ipv4Addr::new(100, b, c, last).into())
    })
}

#[test]
fn under_load_an_address_must_be_proven_and_a_forged_one_locks_nobody_out() {
    let mut knocks = Knocks::new(Limits {
        handshakes: 3,
        handshakes_unproven: 1,
        handshakes_per_source: 2,
        ..Limits::default()
    });
    let (one, two, three) = (from(2, 1), from(2, 2), from(2, 3));
    assert_eq!(knocks.begin(NOW, one, false), Verdict::Welcome);
    assert_eq!(knocks.begin(NOW, one, false), Verdict::Prove);
    assert_eq!(knocks.begin(NOW, one, true), Verdict::Welcome);
    assert_eq!(knocks.begin(NOW, one, true), Verdict::Refuse);
    assert_eq!(knocks.begin(NOW, two, true), Verdict::Welcome);
    assert_eq!(knocks.begin(NOW, three, true), Verdict::Refuse);
    knocks.end(one);
    assert_eq!(knocks.begin(NOW, one, true), Verdict::Welcome);
    let counts = KnockCounts {
        welcomed: 4,
        to_prove: 1,
        refused: 2,
    };
    assert_eq!(knocks.counts(), counts);
}

#[test]
fn whoever_knocks_often_must_prove_its_address_and_then_gets_the_share_of_a_source() {
    let mut door = Door::new();
    let flood = from(2, 1);
    let unproven = (0..3000).map(|_| door.knock(NOW, flood, false));
    let welcome = unproven.take_while(|verdict| *verdict == Verdict::Welcome);
    assert_eq!(welcome.count(), limits::HANDSHAKES_UNPROVEN);
    let share = Limits::default().handshake_pace_per_source;
    assert_eq!(door.welcomed(NOW, times(3000, flood)), share.at_once);
    let later = NOW + SECOND;
    assert_eq!(door.welcomed(later, times(3000, flood)), share.per_second);
    // What was refused costs nobody else anything.
    assert_eq!(door.knock(later, from(2, 2), true), Verdict::Welcome);
}

#[test]
fn addresses_that_somebody_forges_use_up_nobodys_share() {
    let mut door = Door::new();
    let victim = from(2, 1);
    for _ in 0..10_000 {
        let _ = door.knock(NOW, victim, false);
    }
    let share = Limits::default().handshake_pace_per_source;
    assert_eq!(door.welcomed(NOW, times(100, victim)), share.at_once);
}

#[test]
fn a_flood_from_one_network_leaves_room_for_another() {
    let mut door = Door::new();
    let share = Limits::default().handshake_pace_per_network;
    let flood = || (0..3000).map(|n| from(2, u8::try_from(n % 256).unwrap()));
    assert_eq!(door.welcomed(NOW, flood()), share.at_once);
    for second in 1..=60 {
        let now = NOW + second * SECOND;
        assert_eq!(door.welcomed(now, flood()), share.per_second);
        assert_eq!(door.knock(now, from(3, 1), true), Verdict::Welcome);
    }
}

#[test]
fn all_strangers_together_have_a_pace_and_relays_that_were_here_have_their_own() {
    let mut door = Door::new();
    let (all, relays) = {
        let limits = Limits::default();
        (limits.handshake_pace, limits.handshake_pace_relays)
    };
    let homes = |n: u8| from(n, 1);
    for n in 0..200 {
        door.0.note_home(relay(n), homes(n));
    }
    let flood = || of_networks(3000, 500);
    assert_eq!(door.welcomed(NOW, flood()), all.at_once);
    assert_eq!(door.welcomed(NOW, (0..200).map(homes)), relays.at_once);
    let mut welcomed = 0;
    for tenth in 1..=600 {
        let now = NOW + tenth * SECOND / 10;
        welcomed += door.welcomed(now, flood());
        assert_eq!(door.knock(now, from(250, 9), true), Verdict::Refuse);
        if tenth % 10 == 0 {
            assert_eq!(door.knock(now, homes(7), true), Verdict::Welcome);
        }
    }
    assert_eq!(welcomed, 60 * all.per_second);
}

#[test]
fn a_relays_key_makes_one_source_a_relays_and_no_more() {
    let mut door = Door::new();
    for n in 0..=255 {
        door.0.note_home(relay(1), from(7, n));
    }
    assert!(door.welcomed(NOW, of_networks(3000, 500)) > 0);
    let homes = (0..=255).filter(|n| door.knock(NOW, from(7, *n), true) == Verdict::Welcome);
    assert_eq!(homes.collect::<Vec<_>>(), [255]);
    // A second relay there does not take it away from the first when it leaves.
    door.0.note_home(relay(2), from(7, 255));
    door.0.note_home(relay(2), from(8, 1));
    door.0.note_home(relay(1), from(7, 255));
    assert!(door.0.homes.has(from(7, 255)) && door.0.homes.has(from(8, 1)));
}

#[test]
fn our_own_machine_has_no_share_but_that_of_all() {
    let mut door = Door::new();
    let here = source(IpAddr::from(Ipv4Addr::LOCALHOST));
    let all = Limits::default().handshake_pace;
    assert_eq!(door.welcomed(NOW, times(3000, here)), all.at_once);
}

#[test]
fn what_is_remembered_of_those_who_knocked_is_bounded_and_passes() {
    let mut door = Door::new();
    for second in 0..600 {
        for n in 1000 * second..1000 * (second + 1) {
            let network = Ipv4Addr::from_bits(0x6400_0000 + (n << 8));
            let _ = door.knock(NOW + second * SECOND, source(network.into()), true);
        }
        let held = door.0.sources.taken.len().max(door.0.networks.taken.len());
        assert!(held <= KNOCKERS_SWEPT, "{held}");
    }
    let (later, last) = (NOW + 700 * SECOND, from(2, 1));
    assert_eq!(door.knock(later, last, true), Verdict::Welcome);
    assert!(door.0.sources.taken.keys().eq([&last]));
    assert!(door.0.under_way_from.is_empty());
}

#[test]
fn strangers_who_take_their_time_leave_room_for_relays_and_for_other_networks() {
    let mut knocks = Knocks::new(Limits::default());
    let most = limits::HANDSHAKES_MAX;
    let home = source(Ipv4Addr::new(203, 0, 113, 7).into());
    knocks.note_home(relay(1), home);
    let mut now = NOW;
    let mut of = |knocks: &mut Knocks, network: u8| {
        let mut welcomed = 0;
        for n in 0..400_u16 {
            now += Duration::from_millis(100);
            let [_, last] = (n % 250).to_be_bytes();
            let from = source(Ipv4Addr::new(100, 0, network, last).into());
            welcomed += usize::from(knocks.begin(now, from, true) == Verdict::Welcome);
        }
        welcomed
    };
    // Nobody's handshake ends.
    assert_eq!(of(&mut knocks, 0), most / 8);
    let others: usize = (1..20).map(|network| of(&mut knocks, network)).sum();
    assert_eq!(others, most - most / 4 - most / 8);
    assert_eq!(knocks.begin(now + SECOND, home, true), Verdict::Welcome);
}
