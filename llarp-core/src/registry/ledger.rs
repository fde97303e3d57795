//! What a node knows of its network's registry, and how it learns more: never back, never sideways.
//!
//! ```text
//!                ┌─ malformed, forged, rolled back, expired … ─▶ Refused, all stays as it was
//! offer(bytes) ──┤
//!                └─ verified, later, follows ─▶ newest, the old one its predecessor
//!
//! on disk  ┌───────────┬─────────┬─────────┬───────────────────────────────────────────┐
//!          │ version 1 │ root 32 │ count 1 │ length 4 ‖ signed snapshot each, old first │
//!          └───────────┴─────────┴─────────┴───────────────────────────────────────────┘
//! ```

use super::bytes::{at_most, count_u8, mismatch, write_u8, written};
use super::charter::{CharterChain, CharterError, Root};
use super::succession::{AssignSwarms, in_order, next_in_order};
use super::{
    Changed, Delta, Head, LedgerError, Refused, SignedSnapshot, Snapshot, SnapshotHash, Unfit,
    VerifiedSnapshot,
};
use crate::crypto::hash::NetworkId;
use crate::wire::limits::{LEDGER_MAX, REGISTRY_SKEW_SECONDS, SIGNED_SNAPSHOT_MAX, VERSION};
use crate::wire::{Fault, Reader, WireError, Writer};

/// The registry as one node knows it. Clones share the snapshots.
#[derive(Debug, Clone)]
pub struct Ledger {
    chain: CharterChain,
    assign: AssignSwarms,
    newest: Option<VerifiedSnapshot>,
    previous: Option<VerifiedSnapshot>,
}

impl Ledger {
    /// A ledger that knows nothing but whom to trust.
    ///
    /// # Errors
    /// [`CharterError::NotRoot`].
    pub fn new(
        network: NetworkId,
        root: impl Into<Root>,
        assign: AssignSwarms,
    ) -> Result<Self, CharterError> {
        Ok(Self {
            chain: CharterChain::new(network, root)?,
            assign,
            newest: None,
            previous: None,
        })
    }

    /// Takes a [`SignedSnapshot`]'s bytes, at the time `now` in seconds since 1970.
    ///
    /// # Errors
    /// [`Refused`]; then nothing has changed.
    pub fn offer_snapshot(&mut self, bytes: &[u8], now: u64) -> Result<Changed, Refused> {
        let signed = SignedSnapshot::decode(bytes)?;
        self.take(signed, Some(now))
    }

    /// Takes a [`Delta`]'s bytes, at the time `now` in seconds since 1970.
    ///
    /// # Errors
    /// [`Refused`]; then nothing has changed.
    pub fn offer_delta(&mut self, bytes: &[u8], now: u64) -> Result<Changed, Refused> {
        let delta = Delta::decode(bytes)?;
        let base = self.newest.as_ref().ok_or(Refused::NoBase)?;
        if base.hash() == delta.target() {
            return Ok(Changed::Known);
        }
        let signed = delta.apply(self.chain.network(), base)?;
        self.take(signed, Some(now))
    }

    /// Whether `draft` would be taken, were it signed: what an authority asks before it signs.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn examine(&self, draft: &Snapshot, now: u64) -> Result<(), Refused> {
        let hash = draft.hash(self.chain.network());
        self.follows(draft, hash)?;
        self.in_time(draft, now)?;
        self.is_sound(draft)
    }

    /// The newest snapshot, fit or not: the last good one. [`Self::fit`] says what is wrong with it.
    #[must_use]
    pub const fn current(&self) -> Option<&VerifiedSnapshot> {
        self.newest.as_ref()
    }

    /// The newest snapshot's predecessor, if this ledger saw it. It is that of nodes one behind.
    #[must_use]
    pub const fn previous(&self) -> Option<&VerifiedSnapshot> {
        self.previous.as_ref()
    }

    /// The newest snapshot in brief.
    #[must_use]
    pub fn head(&self) -> Option<Head> {
        self.newest.as_ref().map(|newest| Head {
            number: newest.number(),
            hash: newest.hash(),
        })
    }

    /// The charters up to that of the newest snapshot.
    #[must_use]
    pub const fn charters(&self) -> &CharterChain {
        &self.chain
    }

    /// The time that it is at least: the clock's, or that of the newest snapshot if the clock is
    /// behind it.
    #[must_use]
    pub fn time(&self, now: u64) -> u64 {
        let made = self.newest.as_ref().map(|newest| newest.terms().valid_from);
        made.map_or(now, |made| made.max(now))
    }

    /// The newest snapshot, if it is to be relied on at the time `now`.
    ///
    /// # Errors
    /// [`Unfit`], for the user. [`Self::current`] still has the last good one.
    pub fn fit(&self, now: u64) -> Result<&VerifiedSnapshot, Unfit> {
        let newest = self.newest.as_ref().ok_or(Unfit::Empty)?;
        let (number, terms) = (newest.number(), newest.terms());
        let (from, until) = (terms.valid_from, terms.valid_until);
        if now.saturating_add(REGISTRY_SKEW_SECONDS) < from {
            Err(Unfit::ClockSkew { number, from, now })
        } else if now > until {
            Err(Unfit::Expired { number, until, now })
        } else {
            Ok(newest)
        }
    }

    /// Cheapest first; what tells of wrong authorities or of a wrong clock only after signatures
    /// have shown that authorities speak. Without `now` for what was taken before.
    fn take(&mut self, signed: SignedSnapshot, now: Option<u64>) -> Result<Changed, Refused> {
        let (from, to) = (
            self.head().map(|head| head.number),
            signed.claimed().number(),
        );
        if let Some(have) = from.filter(|have| to < *have) {
            return Err(Refused::RolledBack { have, got: to });
        }
        let mut chain = self.chain.clone();
        let verified = signed.verify(&mut chain)?;
        if self.head().is_some_and(|head| head.hash == verified.hash()) {
            return Ok(Changed::Known);
        }
        self.follows(&verified, verified.hash())?;
        if let Some(now) = now {
            self.in_time(&verified, now)?;
            self.is_sound(&verified)?;
        }
        self.chain = chain;
        let old = self.newest.replace(verified);
        self.previous = old.filter(|old| old.number().checked_add(1) == Some(to));
        Ok(Changed::Advanced { from, to })
    }

    /// Whether it comes after the newest snapshot.
    fn follows(&self, next: &Snapshot, hash: SnapshotHash) -> Result<(), Refused> {
        let Some(newest) = &self.newest else {
            return Ok(());
        };
        let (have, number) = (newest.number(), next.number());
        if number < have {
            let got = number;
            return Err(Refused::RolledBack { have, got });
        }
        if number == have {
            let same = newest.hash() == hash;
            return same.then_some(()).ok_or(Refused::Fork { number });
        }
        let is_next = number == have + 1;
        if is_next && next.predecessor() != newest.hash() {
            return Err(Refused::Predecessor { number });
        }
        let order = match is_next {
            true => next_in_order(newest.terms(), next.terms()),
            false => in_order(newest.terms(), next.terms()),
        };
        order.map_err(|error| Refused::Order { number, error })
    }

    /// Whether its time is now, and this program one for it.
    fn in_time(&self, next: &Snapshot, clock: u64) -> Result<(), Refused> {
        let (number, terms) = (next.number(), next.terms());
        if terms.minimum_version > VERSION {
            let minimum = terms.minimum_version;
            return Err(Refused::Outdated { minimum });
        }
        let (from, until, now) = (terms.valid_from, terms.valid_until, self.time(clock));
        if now > until {
            return Err(Refused::Expired { number, until, now });
        }
        if now.saturating_add(REGISTRY_SKEW_SECONDS) < from {
            let now = clock;
            return Err(Refused::ClockSkew { number, from, now });
        }
        Ok(())
    }

    /// Whether relays' ids are keys, those that the newest snapshot does not vouch for; whether none
    /// came in after the day's beacon was known; and whether swarms follow from the rules, where all that they follow from is known.
    fn is_sound(&self, next: &Snapshot) -> Result<(), Refused> {
        let number = next.number();
        let newest = self.newest.as_deref();
        for entry in next.entries() {
            if newest.is_none_or(|newest| newest.get(&entry.relay).is_none()) {
                let key = entry.relay.key();
                key.map_err(|error| Refused::RelayKey { number, error })?;
            }
        }
        if let Some(relay) = newest.and_then(|newest| next.late_newcomer(newest)) {
            return Err(Refused::Late { number, relay });
        }
        let before = newest.filter(|newest| newest.number().checked_add(1) == Some(number));
        if before.is_none() && number > 0 {
            return Ok(());
        }
        match next.wrong_swarm(self.chain.network(), before, self.assign) {
            Some(relay) => Err(Refused::Swarm { number, relay }),
            None => Ok(()),
        }
    }

    /// The bytes that [`Ledger::decode`] reads, for the disk. To be written atomically.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        written(LEDGER_MAX, |writer| self.write(writer))
    }

    /// Reads a ledger, and verifies signatures, charters and order anew. Neither times nor keys and
    /// swarms: they were right when the snapshots were taken, and what is signed has not changed. A
    /// snapshot from before the charter with which `root` begins stays in use until there is another;
    /// a chain that does not lead there is refused.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn decode(
        bytes: &[u8],
        network: NetworkId,
        root: impl Into<Root>,
        assign: AssignSwarms,
    ) -> Result<Self, LedgerError> {
        at_most(bytes, LEDGER_MAX, "ledger")?;
        let mut reader = Reader::new(bytes);
        reader.version()?;
        let root = root.into();
        if *reader.array("root")? != root.charter().hash(&network).0 {
            return Err(LedgerError::OtherRoot);
        }
        let known = root.charter().clone();
        let mut ledger = Self::new(network, known, assign).map_err(|_| LedgerError::OtherRoot)?;
        let count = count_u8(&mut reader, "snapshot count", 2)?;
        for _ in 0..count {
            let signed = SignedSnapshot::decode(read_snapshot(&mut reader)?)?;
            ledger.take(signed, None)?;
        }
        reader.finish("ledger")?;
        // Two that do not follow each other would not be written.
        if ledger.kept() != count {
            return Err(mismatch("snapshot count").into());
        }
        let mut chain = CharterChain::new(network, root).map_err(|_| LedgerError::OtherRoot)?;
        let led = chain.take_over(&ledger.chain);
        led.map_err(LedgerError::OtherAuthorities)?;
        ledger.chain = chain;
        Ok(ledger)
    }

    fn kept(&self) -> usize {
        self.previous.iter().chain(&self.newest).count()
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        let root = self.chain.root().hash(self.chain.network());
        writer.u8("version", VERSION)?;
        writer.bytes("root", &root.0)?;
        write_u8(writer, "snapshot count", self.kept())?;
        for snapshot in self.previous.iter().chain(&self.newest) {
            let bytes = snapshot.signed().encode();
            // SIGNED_SNAPSHOT_MAX is far below 4 GiB.
            let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            writer.u32("snapshot length", len)?;
            writer.bytes("snapshot", &bytes)?;
        }
        Ok(())
    }
}

fn read_snapshot<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], WireError> {
    let got = reader.u32("snapshot length")?;
    let len = usize::try_from(got)
        .ok()
        .filter(|len| *len <= SIGNED_SNAPSHOT_MAX);
    let Some(len) = len else {
        let (max, got) = (SIGNED_SNAPSHOT_MAX as u64, got.into());
        return Err(WireError::new(
            "snapshot length",
            Fault::TooLarge { max, got },
        ));
    };
    reader.bytes("snapshot", len)
}
