//! A registry on paper: authorities that sign snapshots of relays made from their numbers.
//!
//! In: numbers. Out: keys, addresses, documents, snapshots, the same in every process. *Not* here:
//! relays that run. Nothing of this is secret, nor random: it is for loopback only.

use std::error::Error;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::SecretKey;
use llarp_core::crypto::onion_key::OnionSecret;
use llarp_core::directory::Bootstrap;
use llarp_core::registry::{
    Addresses, Changes, Charter, CharterChain, Descriptor, Document, Epoch, KeyEpoch, KeySet,
    Ledger, Parameters, Presence, Registration, SignedSnapshot, Snapshot, Terms, VerifiedSnapshot,
    assign_swarms,
};
use llarp_core::wire::limits::VERSION;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// When it all happens: in the middle of a key epoch, so that only its own keys are open.
pub(super) const START: u64 = 10_000 * 48 * HOUR + 24 * HOUR;
pub(super) const HOUR: u64 = 3600;

/// Relays that everybody knows from the beginning.
pub(super) const BOOTSTRAP: u16 = 3;

const DAY: u64 = 24 * HOUR;
const NETWORK: &str = "bench-directory";
/// Numbers of authorities begin behind those of relays.
const AUTHORITIES: u64 = 1 << 32;

pub(super) fn network() -> NetworkId {
    NetworkId::from_name(NETWORK)
}

/// A relay of the bench. Its keys are made from its number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Synthetic {
    pub(super) number: u16,
    pub(super) port: u16,
}

impl Synthetic {
    pub(super) fn key(self) -> SecretKey {
        SecretKey::generate(&mut generator(self.number.into()))
    }

    pub(super) fn onion(self) -> OnionSecret {
        let relay = self.key().relay_id();
        OnionSecret::generate(&network(), &relay, &mut generator(self.number.into()))
    }

    /// An address of its own, since a relay lets no address have many links.
    pub(super) fn at(self) -> SocketAddrV4 {
        let [high, low] = self.number.to_be_bytes();
        SocketAddrV4::new(Ipv4Addr::new(127, 1, high, low), self.port)
    }

    pub(super) fn addresses(self) -> io::Result<Addresses> {
        Addresses::new(Some(self.at()), None).map_err(io::Error::other)
    }

    pub(super) fn descriptor(self, issued: u64) -> io::Result<Document> {
        let presence = Presence {
            issued,
            addresses: self.addresses()?,
            family: None,
            capacity: 10_000,
        };
        let signed = Descriptor::sign(&network(), &self.key(), presence);
        Ok(Document::Descriptor(signed.get().clone()))
    }

    pub(super) fn key_set(self) -> Document {
        let (epoch, onion) = (KeyEpoch::at(START), self.onion().public());
        let signed = KeySet::sign(&network(), &self.key(), epoch, onion);
        Document::KeySet(signed.get().clone())
    }

    pub(super) fn registration(self) -> Registration {
        let relay = self.key().relay_id();
        Registration {
            relay,
            height: 1,
            block: relay.0,
            family: None,
        }
    }
}

pub(super) fn relays(numbers: std::ops::Range<u16>, port: u16) -> impl Iterator<Item = Synthetic> {
    numbers.map(move |number| Synthetic { number, port })
}

/// The relays that clients begin with.
pub(super) fn bootstrap(port: u16) -> Vec<Bootstrap> {
    let of = |relay: Synthetic| Bootstrap {
        relay: relay.key().relay_id(),
        address: SocketAddr::V4(relay.at()),
    };
    relays(0..BOOTSTRAP, port).map(of).collect()
}

/// Three authorities, of whom two sign.
pub(super) struct Authorities {
    keys: Vec<SecretKey>,
    chain: CharterChain,
    ledger: Ledger,
}

/// What of the bench cannot fail unless it is wrong itself.
pub(super) type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Whom everybody trusts.
pub(super) fn root() -> Result<Charter> {
    Ok(Charter::root(2, keys().iter().map(SecretKey::public))?)
}

fn keys() -> Vec<SecretKey> {
    let one = |number| SecretKey::generate(&mut generator(AUTHORITIES + number));
    (0..3).map(one).collect()
}

impl Authorities {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            keys: keys(),
            chain: CharterChain::new(network(), root()?)?,
            ledger: Ledger::new(network(), root()?, assign_swarms)?,
        })
    }

    /// The first snapshot, of these relays.
    pub(super) fn first(&mut self, relays: Vec<Registration>) -> Result<Vec<u8>> {
        let terms = self.terms(START)?;
        self.publish(Snapshot::first(&network(), terms, relays, assign_swarms)?)
    }

    /// The next, a second later, for the next day: with today's beacon nobody joins any more.
    pub(super) fn next(&mut self, changes: Changes) -> Result<Vec<u8>> {
        let newest = self.newest()?;
        let mut terms = self.terms(START + 1)?;
        terms.epoch = newest.terms().epoch.next();
        terms.beacon_before = newest.terms().beacon;
        self.publish(newest.succeed(&network(), terms, changes, assign_swarms)?)
    }

    pub(super) fn newest(&self) -> Result<VerifiedSnapshot> {
        let newest = self.ledger.current().cloned();
        newest.ok_or_else(|| "no snapshot was made".into())
    }

    fn terms(&self, now: u64) -> Result<Terms> {
        let epoch = Epoch::at(now);
        let newest = self.ledger.current();
        let before = newest.and_then(|newest| newest.beacon_for(epoch));
        Ok(Terms {
            epoch,
            valid_from: now,
            valid_until: now + 7 * DAY,
            beacon: [9; 32],
            beacon_before: before.unwrap_or([8; 32]),
            charter: self.chain.newest().number(),
            minimum_version: VERSION,
            parameters: Parameters::new(9, 7)?,
        })
    }

    fn publish(&mut self, draft: Snapshot) -> Result<Vec<u8>> {
        let charter = self.chain.newest();
        let two = self.keys.iter().take(2);
        let signatures: std::result::Result<Vec<_>, _> = two
            .map(|key| draft.sign(&network(), charter, key))
            .collect();
        let bytes = SignedSnapshot::collect(&self.chain, draft, signatures?)?.encode();
        self.ledger.offer_snapshot(&bytes, START + 1)?;
        Ok(bytes)
    }
}

fn generator(number: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(number)
}
