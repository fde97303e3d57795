//! What every store of introsets keeps to, whoever the storers are.

use std::sync::Arc;

use llarp_core::crypto::identity::SecretKey;
use llarp_core::crypto::pow::{Effort, Search};
use llarp_core::introset::{
    DeviceSlot, DeviceSlots, Location, Publisher, Readers, Record, Rules, VerifiedRecord,
};
use llarp_core::storer::{IntrosetStore, Put};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::introsets::{BEACONS, introset};
use crate::testnet::network;

/// Whoever publishes in a contract, at a time `now` (seconds since 1970) of the beacons' own day.
struct Author {
    identity: SecretKey,
    now: u64,
    rng: ChaCha20Rng,
}

impl Author {
    fn new(seed: u64, now: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = SecretKey::generate(&mut rng);
        Self { identity, now, rng }
    }

    /// The `n`th record of a slot, and where it lies.
    fn record(&mut self, slot: u8, n: u8) -> (Location, VerifiedRecord) {
        let slot = DeviceSlot::new(slot).expect("a slot");
        let place = BEACONS.places(self.now).to_publish().next();
        let place = place.expect("a place of the day");
        let rng = &mut self.rng;
        let mut publisher = Publisher::new(&self.identity, network(), place.epoch, slot, rng);
        let now = self.now + u64::from(n);
        let draft = publisher.draft(now);
        let Search::Found(proof) = draft.puzzle().search(Effort::LEAST, 0, 1) else {
            unreachable!("one try is the least effort")
        };
        let contents = introset(DeviceSlots::default().with(slot), self.now, n);
        let record = publisher.seal(&draft, proof, &contents, Readers::Everyone, now, rng);
        let at = publisher.location(&place.beacon);
        let rules = Rules {
            network: &network(),
            now,
            beacons: &[place.beacon],
            least: Effort::LEAST,
        };
        let verified = record.expect("a record").verify(&at, &rules);
        (at, verified.expect("a good record"))
    }
}

/// Somebody's record, valid at the time `now`, and where it lies.
#[must_use]
pub fn a_record(seed: u64, now: u64) -> (Location, VerifiedRecord) {
    Author::new(seed, now).record(0, 1)
}

/// Holds `store` to its contract at the time `now`; `seed` makes identities of this run alone.
///
/// # Panics
/// If the store does not keep to it.
pub async fn keeps_to_its_contract(store: Arc<dyn IntrosetStore>, now: u64, seed: u64) {
    let mut author = Author::new(seed, now);
    let (at, first) = author.record(0, 1);
    assert_eq!(found(&store, at).await, [], "what nobody has put");
    stored(&store, at, &first).await;
    assert_eq!(newest(&store, at).await, *first.get(), "as it was put");
    stored(&store, at, &first).await;
    let (_, second) = author.record(0, 2);
    stored(&store, at, &second).await;
    assert_eq!(newest(&store, at).await, *second.get(), "the newer one");
    match store.put(at, first).await.expect("an answer") {
        Put::Stale(newer) => assert_eq!(newer, *second.get(), "what is newer is shown"),
        put @ Put::Stored { .. } => panic!("an older one in a newer one's place: {put:?}"),
    }
    assert_eq!(newest(&store, at).await, *second.get());
    let (elsewhere, other) = author.record(3, 1);
    assert_ne!(elsewhere, at, "devices have places of their own");
    stored(&store, elsewhere, &other).await;
    assert_eq!(newest(&store, elsewhere).await, *other.get());
    assert_eq!(newest(&store, at).await, *second.get());
}

async fn stored(store: &Arc<dyn IntrosetStore>, at: Location, record: &VerifiedRecord) {
    match store.put(at, record.clone()).await.expect("an answer") {
        Put::Stored { copies } => assert!(copies > 0),
        put @ Put::Stale(_) => panic!("nothing is newer: {put:?}"),
    }
}

async fn found(store: &Arc<dyn IntrosetStore>, at: Location) -> Vec<Record> {
    store.find(at).await.expect("an answer")
}

async fn newest(store: &Arc<dyn IntrosetStore>, at: Location) -> Record {
    found(store, at).await.swap_remove(0)
}
