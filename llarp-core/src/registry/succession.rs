//! From one snapshot to the next: what authorities make, and what everyone can check.

use std::collections::BTreeMap;

use super::swarm::{Seat, SwarmId};
use super::terms::Heading;
use super::{Entry, Parameters, Registration, Snapshot, SnapshotHash, Terms, TermsError};
use crate::crypto::hash::NetworkId;
use crate::crypto::identity::{KeyError, RelayId};
use crate::wire::limits::RELAYS_MAX;

/// The machine of swarms: for relays by ascending id, with beacon, network and parameters of their
/// snapshot, the swarm of each, in the same order. The same everywhere.
pub type AssignSwarms = fn(&[Seat], &[u8; 32], &NetworkId, &Parameters) -> Vec<SwarmId>;

/// The machine of `docs/spec/11-swarms.md`.
#[must_use]
pub fn assign_swarms(
    seats: &[Seat],
    beacon: &[u8; 32],
    network: &NetworkId,
    parameters: &Parameters,
) -> Vec<SwarmId> {
    super::swarm::assign(seats, beacon, network, &parameters.swarms())
}

/// What is other in the next snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Relays that were not there.
    pub add: Vec<Registration>,
    /// Relays that leave.
    pub remove: Vec<RelayId>,
    /// Relays of which something is said anew. Another height or block makes a newcomer of one.
    pub change: Vec<Registration>,
}

/// Why there is no such snapshot. For the authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// The terms cannot be.
    #[error("{0}")]
    Terms(#[from] TermsError),
    /// The terms do not follow the predecessor's.
    #[error("{0}")]
    Order(#[from] OrderError),
    /// A relay to be added is there already, or is named twice.
    #[error("{relay} is there already: change it instead, and name it once")]
    Twice {
        /// The relay.
        relay: RelayId,
    },
    /// A relay to be removed or changed is not there.
    #[error("{relay} is not in the snapshot: add it, or name another")]
    Unknown {
        /// The relay.
        relay: RelayId,
    },
    /// A relay joins or registers anew on a day that has a snapshot.
    #[error(
        "{relay} joins too late: today's beacon is public, and keys can be chosen for it; draft without it, and again tomorrow"
    )]
    Late {
        /// The relay.
        relay: RelayId,
    },
    /// A name that is no key.
    #[error("a relay's id is no key that can sign: {error}")]
    Key {
        /// What is wrong with it.
        error: KeyError,
    },
    /// More relays than a network has.
    #[error("a snapshot has at most {RELAYS_MAX} relays, {got} given")]
    TooMany {
        /// Relays given.
        got: usize,
    },
    /// The numbers are used up.
    #[error("there is no number behind the predecessor's")]
    Number,
    /// The machine of swarms gave another number of swarms than there are relays.
    #[error("the machine of swarms gave {got} swarms for {relays} relays")]
    Assignment {
        /// Relays.
        relays: usize,
        /// Swarms given.
        got: usize,
    },
}

/// What must hold between a snapshot and any later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Time runs backwards.
    #[error("valid from {got}, which is before its predecessor's {least}")]
    Time {
        /// The earlier snapshot's begin.
        least: u64,
        /// The later one's.
        got: u64,
    },
    /// Days run backwards.
    #[error("epoch {got} is before its predecessor's {least}")]
    Epoch {
        /// The earlier snapshot's epoch.
        least: u64,
        /// The later one's.
        got: u64,
    },
    /// Two beacons for one epoch: authorities could roll until they like one.
    #[error("epoch {epoch} has a beacon already, and this is another")]
    Beacon {
        /// The epoch.
        epoch: u64,
    },
    /// The beacon of the epoch before is another than that epoch had.
    #[error("epoch {epoch} says that the epoch before had another beacon than it had")]
    BeaconBefore {
        /// The epoch.
        epoch: u64,
    },
    /// A charter that was replaced: its keys may be stolen.
    #[error("charter {got} was replaced by charter {least}")]
    Charter {
        /// The charter that counts.
        least: u32,
        /// The one named.
        got: u32,
    },
}

impl Snapshot {
    /// The first snapshot of a network.
    ///
    /// # Errors
    /// [`DraftError`].
    pub fn first(
        network: &NetworkId,
        terms: Terms,
        relays: impl IntoIterator<Item = Registration>,
        assign: AssignSwarms,
    ) -> Result<Self, DraftError> {
        let mut all = BTreeMap::new();
        add(&mut all, relays)?;
        let heading = Heading {
            number: 0,
            predecessor: SnapshotHash([0; 32]),
            terms,
        };
        make(network, heading, &all, None, assign)
    }

    /// The next snapshot's draft, for the authorities of `terms.charter` to sign.
    ///
    /// # Errors
    /// [`DraftError`].
    pub fn succeed(
        &self,
        network: &NetworkId,
        terms: Terms,
        changes: Changes,
        assign: AssignSwarms,
    ) -> Result<Self, DraftError> {
        next_in_order(self.terms(), &terms)?;
        let number = self.number().checked_add(1).ok_or(DraftError::Number)?;
        let of = |entry: &Entry| (entry.relay, entry.registration());
        let mut all: BTreeMap<_, _> = self.entries().iter().map(of).collect();
        for relay in changes.remove {
            all.remove(&relay).ok_or(DraftError::Unknown { relay })?;
        }
        for changed in changes.change {
            let relay = changed.relay;
            let there = all.get_mut(&relay).ok_or(DraftError::Unknown { relay })?;
            *there = changed;
        }
        if let Some(back) = changes
            .add
            .iter()
            .find(|new| self.get(&new.relay).is_some())
        {
            let relay = back.relay;
            return Err(DraftError::Twice { relay });
        }
        add(&mut all, changes.add)?;
        if let Some(relay) = late_newcomer(&terms, self, all.values().copied()) {
            return Err(DraftError::Late { relay });
        }
        let heading = Heading {
            number,
            predecessor: self.hash(network),
            terms,
        };
        make(network, heading, &all, Some(self), assign)
    }

    /// The first relay that is not in `earlier`, or was registered otherwise, although the two are of one
    /// epoch: it could have been chosen for the beacon.
    pub(super) fn late_newcomer(&self, earlier: &Self) -> Option<RelayId> {
        let relays = self.entries().iter().map(Entry::registration);
        late_newcomer(self.terms(), earlier, relays)
    }

    /// The first relay whose swarm is not what the machine gives, with `before` as predecessor.
    pub(super) fn wrong_swarm(
        &self,
        network: &NetworkId,
        before: Option<&Self>,
        assign: AssignSwarms,
    ) -> Option<RelayId> {
        let seats = seats(self.entries().iter().map(Entry::registration), before);
        let terms = self.terms();
        let swarms = assign(&seats, &terms.beacon, network, &terms.parameters);
        // A machine that gives too few agrees with nothing.
        let swarms = swarms.into_iter().map(Some).chain(core::iter::repeat(None));
        let mut pairs = self.entries().iter().zip(swarms);
        let wrong = pairs.find(|(entry, swarm)| *swarm != Some(entry.swarm));
        wrong.map(|(entry, _)| entry.relay)
    }
}

/// What must hold between terms and any later ones.
pub(super) fn in_order(earlier: &Terms, later: &Terms) -> Result<(), OrderError> {
    if later.valid_from < earlier.valid_from {
        let (least, got) = (earlier.valid_from, later.valid_from);
        return Err(OrderError::Time { least, got });
    }
    if later.epoch < earlier.epoch {
        let (least, got) = (earlier.epoch.0, later.epoch.0);
        return Err(OrderError::Epoch { least, got });
    }
    if later.epoch == earlier.epoch && later.beacon != earlier.beacon {
        let epoch = later.epoch.0;
        return Err(OrderError::Beacon { epoch });
    }
    // No epoch lies between: what was the last before the later one is known.
    if later.epoch <= earlier.epoch.next() {
        remembers(earlier, later)?;
    }
    if later.charter < earlier.charter {
        let (least, got) = (earlier.charter, later.charter);
        return Err(OrderError::Charter { least, got });
    }
    Ok(())
}

/// The same for terms and those of the very next snapshot: no epoch between had a beacon.
pub(super) fn next_in_order(earlier: &Terms, later: &Terms) -> Result<(), OrderError> {
    in_order(earlier, later)?;
    remembers(earlier, later)
}

/// Whether the later terms name the beacon before theirs as the earlier ones know it.
fn remembers(earlier: &Terms, later: &Terms) -> Result<(), OrderError> {
    let epoch = later.epoch.0;
    match earlier.beacon_for(later.epoch) {
        Some(beacon) if beacon == later.beacon_before => Ok(()),
        _ => Err(OrderError::BeaconBefore { epoch }),
    }
}

fn late_newcomer(
    terms: &Terms,
    earlier: &Snapshot,
    mut relays: impl Iterator<Item = Registration>,
) -> Option<RelayId> {
    if terms.epoch != earlier.terms().epoch {
        return None;
    }
    let is_new = |relay: &Registration| relay.seat(earlier.get(&relay.relay)).previous.is_none();
    relays.find(is_new).map(|relay| relay.relay)
}

fn add(
    all: &mut BTreeMap<RelayId, Registration>,
    relays: impl IntoIterator<Item = Registration>,
) -> Result<(), DraftError> {
    for registration in relays {
        let relay = registration.relay;
        relay.key().map_err(|error| DraftError::Key { error })?;
        if all.insert(relay, registration).is_some() {
            return Err(DraftError::Twice { relay });
        }
        if all.len() > RELAYS_MAX {
            let got = all.len();
            return Err(DraftError::TooMany { got });
        }
    }
    Ok(())
}

fn make(
    network: &NetworkId,
    heading: Heading,
    relays: &BTreeMap<RelayId, Registration>,
    before: Option<&Snapshot>,
    assign: AssignSwarms,
) -> Result<Snapshot, DraftError> {
    heading.terms.check()?;
    let terms = &heading.terms;
    let seats = seats(relays.values().copied(), before);
    let swarms = assign(&seats, &terms.beacon, network, &terms.parameters);
    if swarms.len() != seats.len() {
        let (relays, got) = (seats.len(), swarms.len());
        return Err(DraftError::Assignment { relays, got });
    }
    let with_swarm = |(relay, swarm): (&Registration, SwarmId)| relay.with_swarm(swarm);
    let entries = relays.values().zip(swarms).map(with_swarm).collect();
    Ok(Snapshot { heading, entries })
}

fn seats(relays: impl Iterator<Item = Registration>, before: Option<&Snapshot>) -> Vec<Seat> {
    relays
        .map(|relay| relay.seat(before.and_then(|before| before.get(&relay.relay))))
        .collect()
}
