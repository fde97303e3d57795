//! A network's authorities and relays on paper, and a machine of swarms that is a line long.

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::SecretKey;
use llarp_core::registry::swarm::{Seat, SwarmId};
use llarp_core::registry::{
    Changes, Charter, CharterChain, Epoch, Family, Ledger, Parameters, Registration, SignedCharter,
    SignedSnapshot, Snapshot, Terms,
};
use llarp_core::wire::limits::VERSION;
use rand_chacha::rand_core::Rng;

use crate::support::{network, rng};

/// Midnight of some day.
pub(crate) const START: u64 = 20_000 * DAY;
pub(crate) const DAY: u64 = 86_400;

/// Newcomers go where their block says; each day moves an eighth of the relays.
pub(crate) fn assign(
    seats: &[Seat],
    beacon: &[u8; 32],
    _: &NetworkId,
    parameters: &Parameters,
) -> Vec<SwarmId> {
    let fresh = |seat: &Seat| u64::from(seat.block[0] ^ beacon[0]) * 1000;
    let swarm = |seat: &Seat| match seat.previous {
        Some(swarm) if seat.relay.0[1] % 8 != beacon[0] % 8 => swarm,
        _ => SwarmId(fresh(seat) + u64::from(parameters.swarms().target())),
    };
    seats.iter().map(swarm).collect()
}

pub(crate) fn keys(count: usize, seed: u64) -> Vec<SecretKey> {
    let mut rng = rng(seed);
    (0..count).map(|_| SecretKey::generate(&mut rng)).collect()
}

pub(crate) fn relays(count: usize, seed: u64) -> Vec<Registration> {
    let mut rng = rng(seed ^ 0x5eed);
    (0..count)
        .map(|number| {
            let mut block = [0; 32];
            rng.fill_bytes(&mut block);
            Registration {
                relay: SecretKey::generate(&mut rng).relay_id(),
                height: number as u64,
                block,
                family: (number % 3 == 0).then_some(Family([block[0]; 32])),
            }
        })
        .collect()
}

/// The terms of a day, made an hour before its begin and valid for a week.
pub(crate) fn terms(day: u64) -> Terms {
    let begin = START + day * DAY;
    let beacon_of = |day: u64| {
        let mut beacon = [7; 32];
        beacon[..8].copy_from_slice(&day.to_le_bytes());
        beacon
    };
    Terms {
        epoch: Epoch::at(begin),
        valid_from: begin - 3600,
        valid_until: begin + 7 * DAY,
        beacon: beacon_of(day),
        // Of the first day a beacon of its own.
        beacon_before: beacon_of(day.wrapping_sub(1)),
        charter: 0,
        minimum_version: VERSION,
        parameters: Parameters::new(9, 5).unwrap(),
    }
}

/// Noon of a day.
pub(crate) fn noon(day: u64) -> u64 {
    START + day * DAY + DAY / 2
}

/// Authorities, what they have published, and the charters that they know.
pub(crate) struct Authorities {
    pub(crate) network: NetworkId,
    pub(crate) keys: Vec<SecretKey>,
    pub(crate) root: Charter,
    pub(crate) chain: CharterChain,
    pub(crate) published: Vec<SignedSnapshot>,
}

impl Authorities {
    /// Two of three, and a first snapshot of `count` relays.
    pub(crate) fn new(count: usize) -> Self {
        Self::of(network(), count)
    }

    pub(crate) fn of(network: NetworkId, count: usize) -> Self {
        let keys = keys(3, 1);
        let root = Charter::root(2, keys.iter().map(SecretKey::public)).unwrap();
        let chain = CharterChain::new(network, root.clone()).unwrap();
        let mut these = Self {
            network,
            keys,
            root,
            chain,
            published: Vec::new(),
        };
        let first = Snapshot::first(&network, terms(0), relays(count, 2), assign).unwrap();
        these.publish(first);
        these
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::new(self.network, self.root.clone(), assign).unwrap()
    }

    pub(crate) fn newest(&self) -> &Snapshot {
        self.published.last().unwrap().claimed()
    }

    pub(crate) fn bytes(&self, number: usize) -> Vec<u8> {
        self.published[number].encode()
    }

    /// Signs with as many keys as the charter asks for.
    pub(crate) fn sign(&self, draft: &Snapshot) -> SignedSnapshot {
        let charter = self.chain.get(draft.terms().charter).unwrap();
        let of_charter = |key: &&SecretKey| charter.keys().contains(&key.public());
        let keys = self.keys.iter().filter(of_charter);
        let signatures = keys
            .take(charter.threshold().into())
            .map(|key| draft.sign(&self.network, charter, key).unwrap());
        SignedSnapshot::collect(&self.chain, draft.clone(), signatures).unwrap()
    }

    pub(crate) fn publish(&mut self, draft: Snapshot) {
        self.published.push(self.sign(&draft));
    }

    /// The next day's draft.
    pub(crate) fn draft(&self, changes: Changes) -> Snapshot {
        let day = self.newest().number() + 1;
        let terms = Terms {
            charter: self.chain.newest().number(),
            ..terms(day)
        };
        self.newest()
            .succeed(&self.network, terms, changes, assign)
            .unwrap()
    }

    pub(crate) fn next(&mut self, changes: Changes) {
        self.publish(self.draft(changes));
    }

    /// Puts other authorities in the place of these; two of the old ones sign.
    pub(crate) fn replace(&mut self, keys: Vec<SecretKey>, threshold: u8) -> SignedCharter {
        let old = self.chain.newest();
        let charter = old
            .succeed(&self.network, threshold, keys.iter().map(SecretKey::public))
            .unwrap();
        let signatures = self.keys[..2]
            .iter()
            .map(|key| old.sign_successor(&self.network, &charter, key).unwrap());
        let signed =
            SignedCharter::collect(&self.network, old, charter.clone(), signatures).unwrap();
        self.chain.extend(&signed).unwrap();
        self.keys = keys;
        signed
    }
}
