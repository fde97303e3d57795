//! A relay's memory of the builds that it has opened, so that none is opened twice.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use rand_core::CryptoRng;

use super::slot::Minute;
use crate::crypto::hash::{NetworkId, label, tag};
use crate::crypto::secret::Secret;
use crate::wire::limits::{BUILD_SKEW_MINUTES, REPLAY_CACHE_MAX};

/// Remembers each opened build for as long as its time stamp would be accepted.
///
/// Bounded by [`REPLAY_CACHE_MAX`]: a full cache refuses new builds and forgets none. Names are
/// keyed with a secret of this cache, so that nobody can choose ones that collide.
#[derive(Debug)]
pub struct ReplayCache {
    secret: Secret<32>,
    /// Stamps below this minute are refused, whatever the clock says: builds with such stamps may
    /// have been opened and forgotten.
    floor: Minute,
    /// When this cache's life began, if opened builds were forgotten then.
    started: Option<Minute>,
    minutes: BTreeMap<Minute, HashSet<BuildTag, BuildHasherDefault<TagHasher>>>,
    len: usize,
    capacity: usize,
}

/// A build's name in one relay's cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BuildTag([u8; 16]);

/// Why the cache does not admit a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAdmitted {
    /// Opened before.
    Replayed,
    /// The stamp is too far from the clock.
    Skew,
    /// The stamp is from a time whose builds are forgotten.
    Forgotten,
    /// No room.
    Full,
}

impl ReplayCache {
    /// For onion keys that were made just now: nothing that was built to them exists.
    #[must_use]
    pub fn for_fresh_keys(rng: &mut impl CryptoRng) -> Self {
        Self {
            secret: Secret::random(rng),
            floor: Minute(0),
            started: None,
            minutes: BTreeMap::new(),
            len: 0,
            capacity: REPLAY_CACHE_MAX,
        }
    }

    /// For onion keys that lived before this start, whose opened builds are forgotten: refuses all
    /// stamps that could have been accepted before it, that is, older than `start` and the skew.
    /// `start` is the latest of the clock, of any time that was persisted before the restart and of
    /// the registry's: a clock that is still behind would let recorded builds in.
    #[must_use]
    pub fn after_restart(start: Minute, rng: &mut impl CryptoRng) -> Self {
        Self {
            floor: after(start),
            started: Some(start),
            ..Self::for_fresh_keys(rng)
        }
    }

    /// Says again when the start was, as the clock has it now: the time less what has passed since. A
    /// clock that was behind and has been set since then tells another start, before which builds
    /// were opened whose stamps count again. Means nothing [for fresh keys](Self::for_fresh_keys).
    pub fn restarted_at(&mut self, start: Minute) {
        if let Some(started) = &mut self.started {
            *started = start;
        }
    }

    /// The same cache with room for `capacity` builds.
    #[must_use]
    pub fn with_capacity(self, capacity: usize) -> Self {
        Self { capacity, ..self }
    }

    /// Builds remembered now.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether no build is remembered.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The name of the build with this ephemeral key.
    pub(super) fn tag(&self, network: &NetworkId, ephemeral: &[u8]) -> BuildTag {
        BuildTag(tag(
            &self.secret,
            label::BUILD_REPLAY,
            network,
            &[ephemeral],
        ))
    }

    /// Whether the build was opened before. Eleven look-ups, one a minute remembered; a few more
    /// after the clock was set back.
    pub(super) fn contains(&self, tag: &BuildTag) -> bool {
        self.minutes.values().any(|tags| tags.contains(tag))
    }

    /// Admits a build that was authenticated, once.
    pub(super) fn admit(
        &mut self,
        tag: BuildTag,
        stamp: Minute,
        now: Minute,
    ) -> Result<(), NotAdmitted> {
        let oldest = Minute(now.0.saturating_sub(BUILD_SKEW_MINUTES));
        self.forget_before(oldest);
        if stamp < oldest || stamp.0 > now.0.saturating_add(BUILD_SKEW_MINUTES) {
            return Err(NotAdmitted::Skew);
        }
        if stamp < self.floor || self.started.is_some_and(|start| stamp < after(start)) {
            return Err(NotAdmitted::Forgotten);
        }
        if self.contains(&tag) {
            return Err(NotAdmitted::Replayed);
        }
        if self.len >= self.capacity {
            return Err(NotAdmitted::Full);
        }
        self.minutes.entry(stamp).or_default().insert(tag);
        self.len += 1;
        Ok(())
    }

    /// Forgets the stamps that are too old by now, and refuses from here on whatever is not newer
    /// than they are, so that a clock set back does not let them in again. Only as far as builds
    /// were really forgotten: a clock that jumps ahead and back costs minutes, not the jump.
    fn forget_before(&mut self, oldest: Minute) {
        let kept = self.minutes.split_off(&oldest);
        let forgotten = std::mem::replace(&mut self.minutes, kept);
        if let Some((newest, _)) = forgotten.last_key_value() {
            self.floor = self.floor.max(Minute(newest.0.saturating_add(1)));
        }
        self.len -= forgotten.values().map(HashSet::len).sum::<usize>();
    }
}

/// The first stamp that nobody could have used before `start`.
const fn after(start: Minute) -> Minute {
    Minute(start.0.saturating_add(BUILD_SKEW_MINUTES + 1))
}

/// Takes eight bytes of a tag as they are: tags are keyed hashes already.
#[derive(Debug, Default)]
struct TagHasher(u64);

impl Hasher for TagHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(head) = bytes.first_chunk() {
            self.0 ^= u64::from_le_bytes(*head);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn cache() -> ReplayCache {
        ReplayCache::for_fresh_keys(&mut ChaCha20Rng::from_seed([1; 32]))
    }

    #[test]
    fn a_build_is_admitted_once_and_remembered_while_its_stamp_counts() {
        let (mut cache, tag) = (cache(), BuildTag([1; 16]));
        assert_eq!(cache.admit(tag, Minute(105), Minute(100)), Ok(()));
        for now in 100..=110 {
            let again = cache.admit(tag, Minute(105), Minute(now));
            assert_eq!(again, Err(NotAdmitted::Replayed), "minute {now}");
        }
        let late = cache.admit(tag, Minute(105), Minute(111));
        assert_eq!(late, Err(NotAdmitted::Skew));
        assert!(cache.is_empty());
    }

    #[test]
    fn stamps_beyond_the_skew_are_refused_either_way() {
        let mut cache = cache();
        for (stamp, admitted) in [(94, false), (95, true), (105, true), (106, false)] {
            let tag = BuildTag([stamp; 16]);
            let result = cache.admit(tag, Minute(stamp.into()), Minute(100));
            assert_eq!(result.is_ok(), admitted, "stamp {stamp}");
        }
    }

    #[test]
    fn a_clock_set_back_lets_no_forgotten_build_in() {
        let (mut cache, tag) = (cache(), BuildTag([1; 16]));
        assert_eq!(cache.admit(tag, Minute(100), Minute(100)), Ok(()));
        let other = BuildTag([2; 16]);
        assert_eq!(cache.admit(other, Minute(200), Minute(200)), Ok(()));
        let replay = cache.admit(tag, Minute(100), Minute(100));
        assert_eq!(replay, Err(NotAdmitted::Forgotten));
    }

    #[test]
    fn a_clock_that_jumps_ahead_and_back_refuses_for_minutes_only() {
        let mut cache = cache();
        let tag = |byte| BuildTag([byte; 16]);
        assert_eq!(cache.admit(tag(1), Minute(100), Minute(100)), Ok(()));
        let ahead = cache.admit(tag(2), Minute(100), Minute(100_000));
        assert_eq!(ahead, Err(NotAdmitted::Skew));
        let back = cache.admit(tag(2), Minute(100), Minute(100));
        assert_eq!(back, Err(NotAdmitted::Forgotten));
        assert_eq!(cache.admit(tag(2), Minute(101), Minute(100)), Ok(()));
    }

    #[test]
    fn after_a_restart_whatever_could_have_been_opened_before_is_refused() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut cache = ReplayCache::after_restart(Minute(100), &mut rng);
        for stamp in 90..=105 {
            let result = cache.admit(BuildTag([1; 16]), Minute(stamp), Minute(101));
            let expected = match stamp {
                ..96 => NotAdmitted::Skew,
                _ => NotAdmitted::Forgotten,
            };
            assert_eq!(result, Err(expected), "stamp {stamp}");
        }
        assert_eq!(
            cache.admit(BuildTag([1; 16]), Minute(106), Minute(101)),
            Ok(())
        );
    }

    #[test]
    fn a_clock_that_is_set_after_a_restart_lets_no_build_from_before_it_in() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        // It says 1970, and the registry's last time is a day old.
        let mut cache = ReplayCache::after_restart(Minute(100), &mut rng);
        let (start, now) = (Minute(1_540), Minute(1_542));
        cache.restarted_at(start);
        let mut admit = |stamp| cache.admit(BuildTag([1; 16]), Minute(stamp), now);
        for stamp in 1_537..=1_545 {
            assert_eq!(admit(stamp), Err(NotAdmitted::Forgotten), "stamp {stamp}");
        }
        assert_eq!(admit(1_546), Ok(()));
        // Set ahead by mistake and back again, it costs no more than it did.
        cache.restarted_at(Minute(100_000));
        cache.restarted_at(start);
        let later = cache.admit(BuildTag([2; 16]), Minute(1_546), now);
        assert_eq!(later, Ok(()));
    }

    #[test]
    fn a_full_cache_refuses_and_forgets_nothing() {
        let mut cache = cache().with_capacity(1);
        assert_eq!(
            cache.admit(BuildTag([1; 16]), Minute(100), Minute(100)),
            Ok(())
        );
        let full = cache.admit(BuildTag([2; 16]), Minute(100), Minute(100));
        assert_eq!(full, Err(NotAdmitted::Full));
        let again = cache.admit(BuildTag([1; 16]), Minute(100), Minute(100));
        assert_eq!(again, Err(NotAdmitted::Replayed));
        // Its time over, it makes room.
        assert_eq!(
            cache.admit(BuildTag([2; 16]), Minute(106), Minute(106)),
            Ok(())
        );
    }
}
