//! `registry_snapshot`, `registry_delta` and `registry_ledger`: whom the network's authorities name.
//!
//! Holds: only what authorities signed is taken, whoever delivers it, and to the byte; a ledger never
//! goes back nor sideways, also over restarts. The ledger's model knows numbers and times.

use std::sync::LazyLock;

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::SecretKey;
use llarp_core::registry::swarm::{Seat, SwarmId};
use llarp_core::registry::{
    Changed, Changes, Charter, CharterChain, Delta, DeltaError, Epoch, Ledger, Parameters, Refused,
    Registration, SignedCharter, SignedSnapshot, Snapshot, Terms, VerifiedSnapshot,
};

use crate::Seed;
use crate::fixture::{NETWORK, rng};
use crate::input::{Input, mutate};

const START: u64 = 20_000 * DAY;
const DAY: u64 = 86_400;
const HOUR: u64 = 3600;
/// Seconds by which a clock may be behind a snapshot's begin.
const SKEW: u64 = 300;
/// Ops of one run.
const OPS_MAX: usize = 24;
/// Snapshots 0 to 3, one after the other.
const DAYS: usize = 4;
/// Another snapshot 2, and another network's 0.
const FORK: usize = 4;
const FOREIGN: usize = 5;
const ALL: usize = 6;

/// What authorities have signed, here and elsewhere.
struct World {
    root: Charter,
    signed: [SignedSnapshot; ALL],
    verified: [VerifiedSnapshot; DAYS],
}

static WORLD: LazyLock<World> = LazyLock::new(World::new);

fn assign(seats: &[Seat], beacon: &[u8; 32], _: &NetworkId, _: &Parameters) -> Vec<SwarmId> {
    let moves = |seat: &Seat| seat.relay.0[1] % 4 == beacon[0] % 4;
    let swarm = |seat: &Seat| match seat.previous {
        Some(swarm) if !moves(seat) => swarm,
        _ => SwarmId(u64::from(seat.block[0] ^ beacon[0])),
    };
    seats.iter().map(swarm).collect()
}

fn keys(count: usize, seed: u64) -> Vec<SecretKey> {
    let mut rng = rng(seed);
    (0..count).map(|_| SecretKey::generate(&mut rng)).collect()
}

fn relays(count: usize, seed: u64) -> Vec<Registration> {
    let relay = |key: SecretKey| Registration {
        relay: key.relay_id(),
        height: seed,
        block: key.relay_id().0,
        family: None,
    };
    keys(count, seed).into_iter().map(relay).collect()
}

fn beacon(day: usize) -> [u8; 32] {
    [day.to_le_bytes()[0]; 32]
}

fn terms(day: usize, charter: u32) -> Terms {
    let begin = START + day as u64 * DAY;
    Terms {
        epoch: Epoch::at(begin),
        valid_from: begin,
        valid_until: begin + 3 * DAY,
        beacon: beacon(day),
        beacon_before: beacon(day.wrapping_sub(1)),
        charter,
        minimum_version: 1,
        parameters: Parameters::new(9, 5).expect("within bounds"),
    }
}

fn sign(chain: &CharterChain, draft: &Snapshot, keys: &[SecretKey]) -> SignedSnapshot {
    let sign = |key| draft.sign(chain.network(), chain.newest(), key);
    let signatures = keys
        .iter()
        .map(sign)
        .map(|made| made.expect("an authority"));
    SignedSnapshot::collect(chain, draft.clone(), signatures).expect("enough of them")
}

impl World {
    fn new() -> Self {
        let (old, new) = (keys(2, 20), keys(3, 21));
        let root = Charter::root(2, old.iter().map(SecretKey::public)).expect("two of two");
        let chain = |network| CharterChain::new(network, root.clone()).expect("the root");
        let mut own = chain(*NETWORK);
        let first = |network: &NetworkId| {
            Snapshot::first(network, terms(0, 0), relays(4, 22), assign).expect("a draft")
        };
        let next = |last: &Snapshot, terms, changes| {
            last.succeed(&NETWORK, terms, changes, assign)
                .expect("a draft")
        };
        let zero = first(&NETWORK);
        let one = next(
            &zero,
            terms(1, 0),
            Changes {
                add: relays(2, 23),
                ..Changes::default()
            },
        );
        let until = terms(2, 0).valid_until + 1;
        let fork = next(
            &one,
            Terms {
                valid_until: until,
                ..terms(2, 0)
            },
            Changes::default(),
        );
        let [zero_signed, one_signed, fork_signed] =
            [&zero, &one, &fork].map(|draft| sign(&own, draft, &old));
        let other = NetworkId::from_name("elsewhere");
        let foreign = sign(&chain(other), &first(&other), &old);

        let charter = root.succeed(&NETWORK, 2, new.iter().map(SecretKey::public));
        let charter = charter.expect("two of three");
        let signatures = old
            .iter()
            .map(|key| root.sign_successor(&NETWORK, &charter, key));
        let signatures: Vec<_> = signatures.map(|made| made.expect("an authority")).collect();
        let charter = SignedCharter::collect(&NETWORK, &root, charter, signatures);
        own.extend(&charter.expect("enough of them"))
            .expect("it follows");
        let remove = vec![one.entries()[1].relay];
        let two = next(
            &one,
            terms(2, 1),
            Changes {
                remove,
                ..Changes::default()
            },
        );
        let three = next(
            &two,
            terms(3, 1),
            Changes {
                add: relays(1, 24),
                ..Changes::default()
            },
        );
        let [two, three] = [&two, &three].map(|draft| sign(&own, draft, &new[1..]));
        let signed = [zero_signed, one_signed, two, three, fork_signed, foreign];
        let verified = std::array::from_fn(|day| {
            let mut ledger = ledger(&root);
            let taken = ledger.offer_snapshot(&signed[day].encode(), begin(day));
            assert!(taken.is_ok(), "{taken:?}");
            ledger.current().expect("taken").clone()
        });
        Self {
            root,
            signed,
            verified,
        }
    }

    fn bytes(&self, which: usize) -> Vec<u8> {
        self.signed[which].encode()
    }

    /// The delta of a pair of days, and the two.
    fn delta(&self, input: &mut Input<'_>) -> (usize, usize, Vec<u8>) {
        let from = input.below(DAYS - 1);
        let to = from + 1 + input.below(DAYS - 1 - from);
        let delta = Delta::between(&self.verified[from], &self.verified[to]);
        (from, to, delta.expect("a later one").encode())
    }
}

fn ledger(root: &Charter) -> Ledger {
    Ledger::new(*NETWORK, root.clone(), assign).expect("the root")
}

const fn begin(day: usize) -> u64 {
    START + day as u64 * DAY
}

/// One of the world's snapshots: the third is of other authorities.
pub(crate) fn published(which: usize) -> &'static SignedSnapshot {
    &WORLD.signed[which]
}

/// The input is a signed snapshot; then a number of one and changes to it. What decodes encodes to the
/// same bytes; just what authorities signed is taken.
pub(crate) fn snapshot(bytes: &[u8]) {
    let world = &*WORLD;
    offer(world, bytes);
    let mut input = Input::new(bytes);
    let mut changed = world.bytes(input.below(ALL));
    mutate(&mut changed, &mut input, 4);
    offer(world, &changed);
}

fn offer(world: &World, bytes: &[u8]) {
    if let Ok(signed) = SignedSnapshot::decode(bytes) {
        assert_eq!(signed.encode(), bytes);
    }
    let own = (0..FOREIGN).find(|which| world.bytes(*which) == bytes);
    let now = own.map_or(START, |which| {
        world.signed[which].claimed().terms().valid_from
    });
    let mut ledger = ledger(&world.root);
    let taken = ledger.offer_snapshot(bytes, now);
    assert_eq!(taken.is_ok(), own.is_some(), "{taken:?}");
    assert_eq!(ledger.current().is_some(), own.is_some());
}

pub(crate) fn snapshot_seeds() -> Vec<Seed> {
    let world = &*WORLD;
    let whole = world.bytes(2);
    vec![
        ("first", world.bytes(0)),
        ("other_authorities", whole.clone()),
        ("other_network", world.bytes(FOREIGN)),
        ("cut", whole[..whole.len() - 1].to_vec()),
        ("claims_more", [&world.bytes(0)[..2], &[1; 40]].concat()),
    ]
}

/// The input is a delta; then a pair of days and changes to theirs. What decodes encodes to the same
/// bytes; what is taken leads to the byte to what authorities signed, and only from its base.
pub(crate) fn delta(bytes: &[u8]) {
    let world = &*WORLD;
    apply(world, bytes);
    let mut input = Input::new(bytes);
    let (_, _, mut changed) = world.delta(&mut input);
    mutate(&mut changed, &mut input, 4);
    apply(world, &changed);
}

fn apply(world: &World, bytes: &[u8]) {
    let delta = Delta::decode(bytes).ok();
    if let Some(delta) = &delta {
        assert_eq!(delta.encode(), bytes);
    }
    for (from, base) in world.verified.iter().enumerate() {
        let mut ledger = ledger(&world.root);
        let now = begin(from);
        ledger
            .offer_snapshot(&world.bytes(from), now)
            .expect("signed");
        let taken = ledger.offer_delta(bytes, now + DAY);
        let newest = ledger.current().expect("at least the base");
        let signed = world.signed.iter().any(|signed| signed == newest.signed());
        assert!(signed, "only what is signed");
        if matches!(taken, Ok(Changed::Advanced { .. })) {
            let from_base = delta
                .as_ref()
                .is_some_and(|delta| delta.base() == base.hash());
            assert!(from_base && newest.number() > base.number());
        } else {
            assert_eq!(newest, base);
        }
    }
}

pub(crate) fn delta_seeds() -> Vec<Seed> {
    let world = &*WORLD;
    let [one_day, all_days] = [[0, 0], [0, 2]].map(|pair| world.delta(&mut Input::new(&pair)).2);
    vec![
        ("cut", one_day[..one_day.len() - 1].to_vec()),
        ("one_day", one_day),
        ("all_days", all_days),
        ("twice_removed", vec![1, 0, 3, 1, 64, 1]),
    ]
}

/// The input is a script of ops, see [`Run::step`].
pub(crate) fn ledger_run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut run = Run {
        world: &WORLD,
        ledger: ledger(&WORLD.root),
        now: START,
        newest: None,
        previous: None,
    };
    for _ in 0..OPS_MAX {
        if input.is_empty() {
            break;
        }
        run.step(&mut input);
        run.compare();
    }
}

struct Run {
    world: &'static World,
    ledger: Ledger,
    now: u64,
    /// Which of the world's snapshots it should have.
    newest: Option<usize>,
    previous: Option<usize>,
}

/// What comes of an offer, in brief.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Known,
    Advanced,
    RolledBack,
    Forged,
    Fork,
    Predecessor,
    Expired,
    ClockSkew,
    NoBase,
    OtherBase,
    Else,
}

impl Outcome {
    const fn of(taken: &Result<Changed, Refused>) -> Self {
        match taken {
            Ok(Changed::Known) => Self::Known,
            Ok(Changed::Advanced { .. }) => Self::Advanced,
            Err(Refused::RolledBack { .. }) => Self::RolledBack,
            Err(Refused::Forged(_)) => Self::Forged,
            Err(Refused::Fork { .. }) => Self::Fork,
            Err(Refused::Predecessor { .. }) => Self::Predecessor,
            Err(Refused::Expired { .. }) => Self::Expired,
            Err(Refused::ClockSkew { .. }) => Self::ClockSkew,
            Err(Refused::NoBase) => Self::NoBase,
            Err(Refused::Delta(DeltaError::OtherBase)) => Self::OtherBase,
            Err(_) => Self::Else,
        }
    }
}

impl Run {
    fn step(&mut self, input: &mut Input<'_>) {
        match input.u8() % 6 {
            0 => self.offer_snapshot(input.below(ALL)),
            1 => self.offer_delta(input),
            2 => self.now = START - DAY + u64::from(input.u8()) * HOUR + u64::from(input.u8()),
            3 => self.restart(),
            4 => self.damage(input),
            _ => self.offer_changed(input),
        }
    }

    fn offer_snapshot(&mut self, which: usize) {
        let taken = self
            .ledger
            .offer_snapshot(&self.world.bytes(which), self.now);
        assert_eq!(Outcome::of(&taken), self.expect(which), "{taken:?}");
    }

    fn offer_delta(&mut self, input: &mut Input<'_>) {
        let (from, to, delta) = self.world.delta(input);
        let taken = self.ledger.offer_delta(&delta, self.now);
        let expected = match self.newest {
            None => Outcome::NoBase,
            Some(newest) if newest == to => Outcome::Known,
            Some(newest) if newest != from => Outcome::OtherBase,
            Some(_) => self.expect(to),
        };
        assert_eq!(Outcome::of(&taken), expected, "{taken:?}");
    }

    /// The model.
    fn expect(&mut self, which: usize) -> Outcome {
        let snapshot = |which: usize| self.world.signed[which].claimed();
        let (next, terms) = (snapshot(which), snapshot(which).terms());
        let newest = self.newest.map(snapshot);
        let have = newest.map(Snapshot::number);
        let now = newest.map_or(self.now, |newest| self.now.max(newest.terms().valid_from));
        let follows = have.map(|have| have + 1) == Some(next.number());
        if have.is_some_and(|have| next.number() < have) {
            Outcome::RolledBack
        } else if which == FOREIGN {
            Outcome::Forged
        } else if self.newest == Some(which) {
            Outcome::Known
        } else if have == Some(next.number()) {
            Outcome::Fork
        } else if follows && self.newest == Some(FORK) {
            Outcome::Predecessor
        } else if now > terms.valid_until {
            Outcome::Expired
        } else if now + SKEW < terms.valid_from {
            Outcome::ClockSkew
        } else {
            self.previous = self.newest.filter(|_| follows);
            self.newest = Some(which);
            Outcome::Advanced
        }
    }

    fn restart(&mut self) {
        let root = self.world.root.clone();
        let again = Ledger::decode(&self.ledger.encode(), *NETWORK, root, assign);
        self.ledger = again.expect("what was written is read");
    }

    /// A cache that was changed is refused, unless the changes undo each other.
    fn damage(&self, input: &mut Input<'_>) {
        let whole = self.ledger.encode();
        let mut changed = whole.clone();
        let steps = input.below(4);
        mutate(&mut changed, input, steps);
        let root = self.world.root.clone();
        let read = Ledger::decode(&changed, *NETWORK, root, assign);
        assert_eq!(read.is_ok(), changed == whole, "{read:?}");
    }

    fn offer_changed(&mut self, input: &mut Input<'_>) {
        let mut bytes = self.world.bytes(input.below(ALL));
        let (place, change) = (usize::from(input.u16()) % bytes.len(), input.u8().max(1));
        bytes[place] ^= change;
        assert!(self.ledger.offer_snapshot(&bytes, self.now).is_err());
    }

    fn compare(&self) {
        let of = |snapshot: Option<&VerifiedSnapshot>| {
            snapshot.map(|snapshot| snapshot.signed().clone())
        };
        let model = |which: Option<usize>| which.map(|which| self.world.signed[which].clone());
        assert_eq!(of(self.ledger.current()), model(self.newest));
        assert_eq!(of(self.ledger.previous()), model(self.previous));
        assert!(self.ledger.time(self.now) >= self.now);
    }
}

pub(crate) fn ledger_seeds() -> Vec<Seed> {
    // Ops: 0 snapshot, 1 delta from and by how much, 2 hours and seconds, 3 restart, 4 damage,
    // 5 changed.
    vec![
        (
            "day_by_day",
            vec![
                2, 30, 0, 0, 0, 2, 50, 0, 0, 1, 3, 2, 74, 0, 1, 1, 0, 2, 98, 0, 0, 3,
            ],
        ),
        ("rolled_back", vec![2, 74, 0, 0, 2, 3, 0, 1, 0, 0, 0, 5]),
        ("fork", vec![2, 74, 0, 0, 1, 0, 4, 0, 2, 0, 3]),
        (
            "expired_and_future",
            vec![2, 255, 0, 0, 0, 2, 0, 0, 0, 0, 2, 24, 0, 0, 0],
        ),
        (
            "delta_over_days",
            vec![2, 40, 0, 0, 0, 2, 98, 0, 1, 0, 2, 1, 0, 2, 3],
        ),
        (
            "damaged",
            vec![2, 40, 0, 0, 0, 4, 1, 4, 0, 60, 1, 5, 0, 0, 80, 1, 3],
        ),
    ]
}
