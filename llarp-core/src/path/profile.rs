//! What a client remembers for its choices: guards and second hops, which are kept on disk, and
//! charges, which are not.
//!
//! ```text
//! ┌─────────┬─────────────────┬─────────────────────────────┬──────────────────────┬──────────┐
//! │ version │ guard count 1   │ guards 57 each              │ second-hop count 1   │ 48 each  │
//! └─────────┴─────────────────┴─────────────────────────────┴──────────────────────┴──────────┘
//! guard        relay id 32 ‖ until 8 ‖ absent since 8 ‖ failures 1 ‖ retry at 8
//! second hop   relay id 32 ‖ until 8 ‖ absent since 8          times in seconds since 1970
//! ```

use core::fmt;

use rand_core::Rng;

use super::guards::{Guard, Kept, refill_guards, refill_second_hops};
use super::health::Health;
use super::{Diversity, Route, Seconds};
use crate::build::Charge;
use crate::crypto::identity::RelayId;
use crate::registry::RelayList;
use crate::wire::limits::{GUARDS_SAMPLED, SECOND_HOPS_KEPT, VERSION};
use crate::wire::{Fault, Reader, WireError, Writer};

/// Guards that are used at a time: one more than needed, so that one may die unnoticed.
const GUARDS_USED: usize = 2;
/// Second hops that stand behind a guard at a time.
const SECOND_HOPS_USED: usize = 4;
const KEPT_LEN: usize = 32 + 8 + 8;
const GUARD_LEN: usize = KEPT_LEN + 1 + 8;

/// What a client remembers for its choices. Its relays are shown by neither `Debug` nor errors.
#[derive(Clone)]
pub struct Profile {
    diversity: Diversity,
    guards: Vec<Guard>,
    second_hops: Vec<Kept>,
    pub(super) health: Health,
}

impl Profile {
    /// A profile without relays; [`Profile::update`] draws them.
    #[must_use]
    pub const fn new(diversity: Diversity) -> Self {
        Self {
            diversity,
            guards: Vec::new(),
            second_hops: Vec::new(),
            health: Health::new(),
        }
    }

    /// Which relays may not share a path.
    #[must_use]
    pub const fn diversity(&self) -> Diversity {
        self.diversity
    }

    /// Draws guards and second hops in the place of those whose time is over or that left the list.
    /// To be called at the start, with each new list, and every hour or so.
    pub fn update(&mut self, list: &RelayList, now: Seconds, rng: &mut impl Rng) {
        refill_guards(&mut self.guards, GUARDS_SAMPLED, list, now, rng);
        let most = SECOND_HOPS_KEPT;
        refill_second_hops(&mut self.second_hops, most, self.diversity, list, now, rng);
    }

    /// The guards in use now, the first that are not known to be down: those to keep linked. Tell no
    /// log.
    #[must_use]
    pub fn guards_in_use(&self, list: &RelayList, now: Seconds) -> Vec<RelayId> {
        let usable = self
            .guards
            .iter()
            .filter(|guard| guard.is_usable(list, now));
        usable
            .take(GUARDS_USED)
            .map(|guard| guard.kept.relay)
            .collect()
    }

    /// The second hops that stand behind `guard`: the first four that may share a path with it, and of
    /// these first those that have not said of late that they cannot.
    pub(super) fn second_hops(
        &self,
        list: &RelayList,
        guard: &RelayId,
        now: Seconds,
    ) -> Vec<RelayId> {
        let Some(guard) = list.get(guard) else {
            return Vec::new();
        };
        let fits = |kept: &&Kept| {
            let relay = list.get(&kept.relay);
            kept.until > now && relay.is_some_and(|relay| self.diversity.admits(guard, relay))
        };
        let fitting = self.second_hops.iter().filter(fits);
        let mut fitting: Vec<_> = fitting.map(|kept| kept.relay).collect();
        fitting.sort_by_key(|relay| self.health.rests(relay, now));
        fitting.truncate(SECOND_HOPS_USED);
        fitting
    }

    /// How many guards are sampled, and when the first of those that are down is tried again.
    pub(super) fn next_retry(&self) -> (usize, Option<Seconds>) {
        let next = self.guards.iter().map(|guard| guard.retry_at).min();
        (self.guards.len(), next)
    }

    /// A dial to `relay` made a link. Guards before it that could not be linked are tried again at
    /// once: the network may have been down when they failed.
    pub fn link_up(&mut self, relay: &RelayId) {
        let Some(at) = self
            .guards
            .iter()
            .position(|guard| guard.kept.relay == *relay)
        else {
            return;
        };
        let linked = self.guards.iter_mut().take(at + 1);
        for guard in linked.filter(|guard| !guard.is_struck_out()) {
            guard.retry_at = Seconds(0);
        }
        if let Some(guard) = self.guards.get_mut(at) {
            guard.failures = 0;
        }
    }

    /// A dial to `relay` failed, or its link was lost. It keeps its slot, and is tried again after
    /// 30 s, then after twice as long each time, up to an hour. Paths that end with one link are one
    /// failure.
    pub fn link_failed(&mut self, relay: &RelayId, now: Seconds, rng: &mut impl Rng) {
        if let Some(guard) = self.guard(relay).filter(|guard| guard.retry_at <= now) {
            guard.unreachable(now, rng);
        }
    }

    /// The network has changed: guards that could not be reached are tried again at once.
    pub fn forgive_guards(&mut self) {
        for guard in &mut self.guards {
            guard.retry_at = Seconds(0);
        }
    }

    /// A path over `route` was built. So much for the guard; whether the others are to be trusted, it
    /// must show.
    pub fn built(&mut self, route: &Route) {
        if let Some(guard) = route.hop(0).and_then(|relay| self.guard(&relay)) {
            guard.strikes = 0;
            guard.failures = 0;
        }
    }

    /// A path over `route` has ended, and nothing was wrong with it.
    pub fn served(&mut self, route: &Route, now: Seconds) {
        self.health.succeeded(route.hops(), now);
    }

    /// A build over `route` failed, or probes found the path broken. Only what is between us and
    /// the guard counts against the guard.
    pub fn failed(&mut self, route: &Route, charge: Charge, now: Seconds, rng: &mut impl Rng) {
        match charge {
            Charge::First | Charge::Hop(0) => self.strike(route, now, rng),
            Charge::Hop(hop) => {
                if let Some(relay) = route.hop(hop) {
                    self.health.declined(relay, now);
                }
            }
            Charge::Pair(one, other) => {
                if let (Some(one), Some(other)) = (route.hop(one), route.hop(other)) {
                    self.health.pair_failed(one, other, now);
                }
            }
        }
    }

    /// A build over `route` ran out of time; any hop may have held it. It counts against the guard
    /// only if nobody else had a say in the route, or whoever named its end could wear guards down.
    pub fn timed_out(&mut self, route: &Route, now: Seconds, rng: &mut impl Rng) {
        for relay in route.hops().iter().skip(1) {
            self.health.lightly(*relay, now);
        }
        if !route.is_wanted() {
            self.strike(route, now, rng);
        }
    }

    /// Relays that are charged at `now`, and with how many thousandths of a vote. Tell no log: they
    /// were on this client's paths.
    #[must_use]
    pub fn charged(&self, now: Seconds) -> Vec<(RelayId, u32)> {
        self.health.relays(now).collect()
    }

    /// Neighbours that are charged as a pair at `now`, as [`Profile::charged`]. Tell no log.
    #[must_use]
    pub fn charged_pairs(&self, now: Seconds) -> Vec<((RelayId, RelayId), u32)> {
        self.health.pairs(now).collect()
    }

    fn strike(&mut self, route: &Route, now: Seconds, rng: &mut impl Rng) {
        if let Some(guard) = route.hop(0).and_then(|relay| self.guard(&relay)) {
            guard.strike(now, rng);
        }
    }

    fn guard(&mut self, relay: &RelayId) -> Option<&mut Guard> {
        self.guards
            .iter_mut()
            .find(|guard| guard.kept.relay == *relay)
    }

    /// The bytes that [`Profile::decode`] reads. Secret: they tell a client's guards.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let guards = self.guards.len() * GUARD_LEN;
        let mut bytes = vec![0; 3 + guards + self.second_hops.len() * KEPT_LEN];
        let written = self.write(&mut Writer::new(&mut bytes));
        debug_assert_eq!(written, Ok(()), "the fields add up");
        bytes
    }

    /// Reads a profile. Relays that have left the list since then are no error:
    /// [`Profile::update`] sees to them.
    ///
    /// # Errors
    /// [`WireError`] names the field; then start with [`Profile::new`], and tell the user, since new
    /// guards are drawn.
    pub fn decode(bytes: &[u8], diversity: Diversity) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version()?;
        let mut guards: Vec<Guard> = Vec::new();
        for _ in 0..count(&mut reader, "guard count", GUARDS_SAMPLED)? {
            let guard = read_guard(&mut reader)?;
            if guards
                .iter()
                .any(|other| other.kept.relay == guard.kept.relay)
            {
                return Err(WireError::new("guard", Fault::Mismatch));
            }
            guards.push(guard);
        }
        let mut second_hops: Vec<Kept> = Vec::new();
        for _ in 0..count(&mut reader, "second-hop count", SECOND_HOPS_KEPT)? {
            let kept = read_kept(&mut reader, "second hop")?;
            if second_hops.iter().any(|other| other.relay == kept.relay) {
                return Err(WireError::new("second hop", Fault::Mismatch));
            }
            second_hops.push(kept);
        }
        reader.finish("profile")?;
        Ok(Self {
            diversity,
            guards,
            second_hops,
            health: Health::new(),
        })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        // Slots beyond the limits are never drawn nor decoded.
        let len = |slots: usize| u8::try_from(slots).unwrap_or(u8::MAX);
        writer.u8("version", VERSION)?;
        writer.u8("guard count", len(self.guards.len()))?;
        for guard in &self.guards {
            write_kept(writer, &guard.kept, "guard")?;
            writer.u8("failures", guard.failures)?;
            writer.bytes("retry at", &guard.retry_at.0.to_be_bytes())?;
        }
        writer.u8("second-hop count", len(self.second_hops.len()))?;
        let mut kept = self.second_hops.iter();
        kept.try_for_each(|kept| write_kept(writer, kept, "second hop"))
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (guards, second) = (self.guards.len(), self.second_hops.len());
        write!(
            f,
            "Profile({guards} guards, {second} second hops, redacted)"
        )
    }
}

fn count(reader: &mut Reader<'_>, field: &'static str, most: usize) -> Result<u8, WireError> {
    let got = reader.u8(field)?;
    if usize::from(got) > most {
        let (max, got) = (most as u64, got.into());
        return Err(WireError::new(field, Fault::TooLarge { max, got }));
    }
    Ok(got)
}

fn read_guard(reader: &mut Reader<'_>) -> Result<Guard, WireError> {
    Ok(Guard {
        kept: read_kept(reader, "guard")?,
        failures: reader.u8("failures")?,
        retry_at: Seconds(reader.u64("retry at")?),
        strikes: 0,
    })
}

fn read_kept(reader: &mut Reader<'_>, field: &'static str) -> Result<Kept, WireError> {
    Ok(Kept {
        relay: RelayId(*reader.array(field)?),
        until: Seconds(reader.u64("until")?),
        absent_since: Seconds(reader.u64("absent since")?),
    })
}

fn write_kept(writer: &mut Writer<'_>, kept: &Kept, field: &'static str) -> Result<(), WireError> {
    writer.bytes(field, &kept.relay.0)?;
    writer.bytes("until", &kept.until.0.to_be_bytes())?;
    writer.bytes("absent since", &kept.absent_since.0.to_be_bytes())
}
