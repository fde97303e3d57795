//! A relay's onion keys over time: drawn when a key epoch opens, erased when it has closed.
//!
//! In: what time it is, a place where seeds outlive a restart. Out: the keys that builds are opened
//! with. Erased means erased: from the ring, and from the place. Specification:
//! `docs/spec/08-relay.md` §7.

use ::core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use chacha20::ChaCha20Rng;
use rand_core::{CryptoRng, SeedableRng};

use super::lock;
use crate::build::{Minute, ReplayCache};
use crate::crypto::hash::NetworkId;
use crate::crypto::identity::RelayId;
use crate::crypto::onion_key::{OnionPublic, OnionSecret};
use crate::crypto::secret::Secret;
use crate::registry::KeyEpoch;

/// Where the seeds of a relay's onion keys outlive a restart.
pub trait KeyStore: Send + Sync {
    /// The key epochs of which there is a seed.
    ///
    /// # Errors
    /// The place's own.
    fn epochs(&self) -> io::Result<Vec<KeyEpoch>>;

    /// The newest key epoch of which there ever was one, erased or not.
    ///
    /// # Errors
    /// The place's own.
    fn newest(&self) -> io::Result<Option<KeyEpoch>>;

    /// The seed of a key epoch.
    ///
    /// # Errors
    /// The place's own, also if there is none.
    fn load(&self, epoch: KeyEpoch) -> io::Result<Secret<32>>;

    /// Keeps a seed; it is durable when this returns.
    ///
    /// # Errors
    /// The place's own; then nothing is kept.
    fn save(&self, epoch: KeyEpoch, seed: &Secret<32>) -> io::Result<()>;

    /// Destroys a seed, as well as the place can.
    ///
    /// # Errors
    /// The place's own.
    fn erase(&self, epoch: KeyEpoch) -> io::Result<()>;
}

/// The onion keys of a relay, of all key epochs that are open.
pub struct KeyRing {
    network: NetworkId,
    relay: RelayId,
    store: Arc<dyn KeyStore>,
    seeds: BTreeMap<KeyEpoch, Secret<32>>,
    /// Erased here, and not yet in the store.
    to_erase: BTreeSet<KeyEpoch>,
    newest: Option<KeyEpoch>,
    found: bool,
}

impl KeyRing {
    /// The ring of `relay` at the time `unix`: what its store has of open key epochs, and fresh keys
    /// where that has none. Where the time is in doubt
    /// ([`NetworkView::sure_time`](crate::directory::NetworkView::sure_time)), all that the store has,
    /// and nothing else: what a wrong clock erases is gone, and what it draws for keeps the relay from
    /// drawing until then.
    ///
    /// # Errors
    /// The store's. A relay whose keys would not outlive it must not announce them: another start
    /// would announce others, and that is a proof of misbehaviour.
    pub fn open(
        network: NetworkId,
        relay: RelayId,
        store: Arc<dyn KeyStore>,
        unix: Option<u64>,
        rng: &mut impl CryptoRng,
    ) -> io::Result<Self> {
        let mut ring = Self {
            network,
            relay,
            newest: store.newest()?,
            store,
            seeds: BTreeMap::new(),
            to_erase: BTreeSet::new(),
            found: false,
        };
        for epoch in ring.store.epochs()? {
            ring.seeds.insert(epoch, ring.store.load(epoch)?);
            // It may have been kept a moment before the store noted that it exists.
            ring.newest = ring.newest.max(Some(epoch));
        }
        let stored: Vec<_> = ring.seeds.keys().copied().collect();
        if let Some(unix) = unix {
            ring.turn(unix, rng)?;
        }
        // Also of epochs that are not open by a clock that is behind: it may be set at any moment.
        ring.found = stored.iter().any(|epoch| ring.seeds.contains_key(epoch));
        Ok(ring)
    }

    /// Whether keys of it were there before: then builds to them may have been opened that nobody
    /// remembers ([`ReplayCache::after_restart`](crate::build::ReplayCache::after_restart)).
    #[must_use]
    pub const fn found(&self) -> bool {
        self.found
    }

    /// What the relay must remember of builds to these keys when it starts at `start`: the latest of the
    /// clock and the registry's time.
    #[must_use]
    pub fn replays(&self, start: Minute, rng: &mut impl CryptoRng) -> ReplayCache {
        match self.found {
            true => ReplayCache::after_restart(start, rng),
            // No build to them can have been recorded.
            false => ReplayCache::for_fresh_keys(rng),
        }
    }

    /// Draws the keys of epochs that have opened, and erases those of epochs that have closed.
    /// Whether anything has changed.
    ///
    /// Never two sets for one epoch: a relay whose clock was far ahead for a while, and has erased
    /// keys that it needs now, has none until the epoch is over for which it drew last.
    ///
    /// # Errors
    /// The store's. What could not be kept or erased is tried again with the next turn; keys of the
    /// ring itself are erased in any case, and none are used that are not kept.
    pub fn turn(&mut self, unix: u64, rng: &mut impl CryptoRng) -> io::Result<bool> {
        let before = self.seeds.len();
        let open = |epoch: &KeyEpoch| unix < epoch.erased();
        let closed = self.seeds.keys().copied().filter(|epoch| !open(epoch));
        self.to_erase.extend(closed);
        self.seeds.retain(|epoch, _| open(epoch));
        let erased = self.seeds.len() < before;
        let drawn = self.draw_missing(unix, rng);
        self.erase_stored()?;
        Ok(drawn? || erased)
    }

    fn draw_missing(&mut self, unix: u64, rng: &mut impl CryptoRng) -> io::Result<bool> {
        let now = KeyEpoch::at(unix);
        let mut drawn = false;
        for epoch in [now, now.next()] {
            if !epoch.is_open(unix) || self.newest >= Some(epoch) {
                continue;
            }
            let seed = Secret::random(rng);
            self.store.save(epoch, &seed)?;
            self.seeds.insert(epoch, seed);
            self.newest = Some(epoch);
            drawn = true;
        }
        Ok(drawn)
    }

    fn erase_stored(&mut self) -> io::Result<()> {
        while let Some(epoch) = self.to_erase.first() {
            self.store.erase(*epoch)?;
            self.to_erase.pop_first();
        }
        Ok(())
    }

    /// The keys that builds are opened with.
    #[must_use]
    pub fn secrets(&self) -> Vec<OnionSecret> {
        self.seeds.values().map(|seed| self.draw(seed)).collect()
    }

    /// The public halves, by key epoch.
    #[must_use]
    pub fn publics(&self) -> Vec<(KeyEpoch, OnionPublic)> {
        let public = |(epoch, seed): (&KeyEpoch, _)| (*epoch, self.draw(seed).public());
        self.seeds.iter().map(public).collect()
    }

    fn draw(&self, seed: &Secret<32>) -> OnionSecret {
        let mut rng = ChaCha20Rng::from_seed(*seed.expose());
        OnionSecret::generate(&self.network, &self.relay, &mut rng)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("epochs", &self.seeds.keys())
            .finish_non_exhaustive()
    }
}

/// Keeps seeds for as long as somebody holds it: for tests, and for relays that never restart.
#[derive(Default)]
pub struct KeysInMemory(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    seeds: BTreeMap<KeyEpoch, Secret<32>>,
    newest: Option<KeyEpoch>,
}

impl KeysInMemory {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        lock(&self.0)
    }
}

impl KeyStore for KeysInMemory {
    fn epochs(&self) -> io::Result<Vec<KeyEpoch>> {
        Ok(self.kept().seeds.keys().copied().collect())
    }

    fn newest(&self) -> io::Result<Option<KeyEpoch>> {
        Ok(self.kept().newest)
    }

    fn load(&self, epoch: KeyEpoch) -> io::Result<Secret<32>> {
        let seed = self.kept().seeds.get(&epoch).cloned();
        seed.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn save(&self, epoch: KeyEpoch, seed: &Secret<32>) -> io::Result<()> {
        let kept = &mut *self.kept();
        kept.seeds.insert(epoch, seed.clone());
        kept.newest = kept.newest.max(Some(epoch));
        Ok(())
    }

    fn erase(&self, epoch: KeyEpoch) -> io::Result<()> {
        self.kept().seeds.remove(&epoch);
        Ok(())
    }
}

impl fmt::Debug for KeysInMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeysInMemory")
            .field(&self.kept().seeds.keys())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::crypto::identity::SecretKey;

    const HOUR: u64 = 3600;

    fn rng(seed: u8) -> ChaCha20Rng {
        ChaCha20Rng::from_seed([seed; 32])
    }

    fn ring(store: &Arc<impl KeyStore + 'static>, unix: u64, seed: u8) -> io::Result<KeyRing> {
        open(store, Some(unix), seed)
    }

    fn open(
        store: &Arc<impl KeyStore + 'static>,
        unix: Option<u64>,
        seed: u8,
    ) -> io::Result<KeyRing> {
        let network = NetworkId::from_name("test");
        let relay = SecretKey::generate(&mut rng(0)).relay_id();
        let store = Arc::clone(store) as Arc<dyn KeyStore>;
        KeyRing::open(network, relay, store, unix, &mut rng(seed))
    }

    fn epochs(ring: &KeyRing) -> Vec<KeyEpoch> {
        ring.publics().iter().map(|(epoch, _)| *epoch).collect()
    }

    #[test]
    fn keys_are_drawn_six_hours_ahead_and_erased_six_hours_behind() {
        let epoch = KeyEpoch(10_000);
        let store = Arc::new(KeysInMemory::default());
        let mut ring = ring(&store, epoch.start(), 1).unwrap();
        assert_eq!(epochs(&ring), [epoch]);
        let mut now = epoch.start();
        let mut seen = Vec::new();
        while now < epoch.next().next().start() {
            now += HOUR;
            if ring.turn(now, &mut rng(2)).unwrap() {
                seen.push(((now - epoch.start()) / HOUR, epochs(&ring)));
            }
        }
        let (one, two, three) = (epoch, epoch.next(), epoch.next().next());
        let expected = [
            (42, vec![one, two]),
            (54, vec![two]),
            (90, vec![two, three]),
        ];
        assert_eq!(seen, expected);
        assert_eq!(store.epochs().unwrap(), [two, three]);
    }

    #[test]
    fn a_restart_finds_the_same_keys_and_says_so() {
        let (epoch, store) = (KeyEpoch(10_000), Arc::new(KeysInMemory::default()));
        let first = ring(&store, epoch.start(), 1).unwrap();
        let second = ring(&store, epoch.start() + HOUR, 2).unwrap();
        assert!(!first.found() && second.found());
        assert_eq!(first.publics(), second.publics());
    }

    #[test]
    fn keys_that_closed_while_the_relay_was_away_are_erased_when_it_starts() {
        let (epoch, store) = (KeyEpoch(10_000), Arc::new(KeysInMemory::default()));
        let _ = ring(&store, epoch.start(), 1).unwrap();
        let later = KeyEpoch(10_003);
        let ring = ring(&store, later.start(), 2).unwrap();
        assert_eq!(epochs(&ring), [later]);
        assert_eq!(store.epochs().unwrap(), [later]);
        assert!(!ring.found());
    }

    #[test]
    fn while_the_time_is_in_doubt_no_key_is_drawn_and_none_erased() {
        let (epoch, store) = (KeyEpoch(10_000), Arc::new(KeysInMemory::default()));
        let first = ring(&store, epoch.start(), 1).unwrap();
        let again = open(&store, None, 2).unwrap();
        assert_eq!(again.publics(), first.publics());
        assert_eq!(store.newest().unwrap(), Some(epoch));
        assert!(again.found());
        let empty = Arc::new(KeysInMemory::default());
        let none = open(&empty, None, 3).unwrap();
        assert!(epochs(&none).is_empty() && !none.found());
    }

    #[test]
    fn keys_that_are_kept_are_found_also_by_a_clock_that_is_behind() {
        let (epoch, store) = (KeyEpoch(10_000), Arc::new(KeysInMemory::default()));
        let _ = ring(&store, epoch.start(), 1).unwrap();
        // Without a battery it is 1970 at every start.
        let behind = ring(&store, 60, 2).unwrap();
        assert!(behind.found() && epochs(&behind).contains(&epoch));
    }

    /// Refuses while it is told to.
    #[derive(Default)]
    struct Full(KeysInMemory, AtomicBool);

    impl Full {
        fn check(&self) -> io::Result<()> {
            match self.1.load(Ordering::Relaxed) {
                true => Err(io::ErrorKind::StorageFull.into()),
                false => Ok(()),
            }
        }
    }

    impl KeyStore for Full {
        fn epochs(&self) -> io::Result<Vec<KeyEpoch>> {
            self.0.epochs()
        }
        fn newest(&self) -> io::Result<Option<KeyEpoch>> {
            self.0.newest()
        }
        fn load(&self, epoch: KeyEpoch) -> io::Result<Secret<32>> {
            self.0.load(epoch)
        }
        fn save(&self, epoch: KeyEpoch, seed: &Secret<32>) -> io::Result<()> {
            self.check()?;
            self.0.save(epoch, seed)
        }
        fn erase(&self, epoch: KeyEpoch) -> io::Result<()> {
            self.check()?;
            self.0.erase(epoch)
        }
    }

    #[test]
    fn keys_that_cannot_be_kept_are_not_used_and_drawn_once_there_is_room() {
        let (epoch, store) = (KeyEpoch(10_000), Arc::new(Full::default()));
        let mut ring = ring(&store, epoch.start(), 1).unwrap();
        store.1.store(true, Ordering::Relaxed);
        let opens = epoch.next().announced();
        assert!(ring.turn(opens, &mut rng(2)).is_err());
        assert_eq!(epochs(&ring), [epoch]);
        store.1.store(false, Ordering::Relaxed);
        assert!(ring.turn(opens + 1, &mut rng(2)).unwrap());
        assert_eq!(epochs(&ring), [epoch, epoch.next()]);
    }

    #[test]
    fn what_the_store_cannot_erase_leaves_the_ring_all_the_same() {
        let (epoch, store) = (KeyEpoch(10_000), Arc::new(Full::default()));
        let mut ring = ring(&store, epoch.start(), 1).unwrap();
        ring.turn(epoch.next().start(), &mut rng(2)).unwrap();
        store.1.store(true, Ordering::Relaxed);
        assert!(ring.turn(epoch.erased(), &mut rng(2)).is_err());
        assert_eq!(epochs(&ring), [epoch.next()]);
        store.1.store(false, Ordering::Relaxed);
        ring.turn(epoch.erased() + 1, &mut rng(2)).unwrap();
        assert_eq!(store.epochs().unwrap(), [epoch.next()]);
    }

    #[test]
    fn a_clock_that_was_ahead_makes_no_second_set_of_an_epoch() {
        let (epoch, store) = (KeyEpoch(10_000), Arc::new(KeysInMemory::default()));
        let mut ring = ring(&store, epoch.start(), 1).unwrap();
        ring.turn(KeyEpoch(10_100).start(), &mut rng(2)).unwrap();
        ring.turn(epoch.start() + HOUR, &mut rng(3)).unwrap();
        assert!(!epochs(&ring).contains(&epoch));
    }
}
