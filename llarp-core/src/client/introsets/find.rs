//! Looking for an identity: two terminals over disjoint paths are asked, and the newest valid answer
//! counts.

use core::pin::pin;
use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use tokio::time::{Instant, sleep_until, timeout};

use super::missing::Missing;
use super::{Inner, Introsets, Terminal, TerminalFailed};
use crate::crypto::identity::{Address, X25519Secret};
use crate::introset::message::{Answer, Reason, Request};
use crate::introset::{DeviceSlot, DeviceSlots, Lookup, OpenError, Opened, Place};
use crate::path::Want;
use crate::wire::limits::{FIND_GRACE, FIND_ROUNDS, FIND_TIME, SLOTS_TRIED};

/// Who is looked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The identity.
    pub address: Address,
    /// Our key, if the owner may have named us.
    pub client: Option<Arc<X25519Secret>>,
}

/// The newest introsets of an identity's devices, by slot; never empty.
pub type Found = BTreeMap<DeviceSlot, Opened>;

/// Why nothing was found. `Debug` and text say nothing of whom.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// Terminals say that nothing is there.
    #[error(
        "nothing is published under this address: its owner is offline, or the address is wrong"
    )]
    Nothing,
    /// Something is there that cannot be used.
    #[error(transparent)]
    Useless(OpenError),
    /// No terminal answered.
    #[error("no answer on where the identity is; the last failure: {0}")]
    NoAnswer(TerminalFailed),
    /// It took too long.
    #[error("no answer on where the identity is in {} s", FIND_TIME.as_secs())]
    TimedOut,
    /// The registry is not known, or so old or so new that no place follows from it.
    #[error(
        "no snapshot of the registry says where introsets are today; is this machine's clock right?"
    )]
    NoPlace,
}

/// What one terminal had.
#[derive(Default)]
struct Had {
    found: Found,
    /// The best reason why something that was there is of no use.
    useless: Option<OpenError>,
}

impl Introsets {
    /// Where the devices of an identity can be met now. Takes two round trips over paths that are
    /// built meanwhile; what was not found is not looked for again for half a minute. Cancel-safe.
    ///
    /// # Errors
    /// [`FindError`].
    pub async fn find(&self, wanted: &Wanted) -> Result<Found, FindError> {
        if self.0.missing().since(&wanted.address).is_some() {
            return Err(FindError::Nothing);
        }
        let found = timeout(FIND_TIME, self.0.find(wanted)).await;
        let found = found.unwrap_or(Err(FindError::TimedOut));
        match &found {
            Ok(_) => self.0.missing().forget(&wanted.address),
            Err(FindError::Nothing) => self.0.missing().note(wanted.address),
            Err(_) => (),
        }
        found
    }
}

impl Inner {
    fn missing(&self) -> MutexGuard<'_, Missing> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn find(&self, wanted: &Wanted) -> Result<Found, FindError> {
        let beacons = self.beacons.beacons().ok_or(FindError::NoPlace)?;
        let mut failed = None;
        for place in beacons.places(self.now()).to_read() {
            match self.find_at(wanted, place).await {
                Ok(found) => return Ok(found),
                // What is there and of no use says more than that nothing is where else we look.
                Err(FindError::Nothing) if failed.is_some() => (),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.unwrap_or(FindError::NoPlace))
    }

    /// Looks in one epoch's place, over two paths; over others if they fail.
    pub(super) async fn find_at(&self, wanted: &Wanted, place: Place) -> Result<Found, FindError> {
        let mut failed = None;
        for _ in 0..FIND_ROUNDS {
            let mut said_nothing = 0;
            let mut all = Had::default();
            for had in self.ask_two(wanted, place).await {
                match had {
                    Ok(had) => {
                        said_nothing += usize::from(had.found.is_empty());
                        all.merge(had);
                    }
                    Err(error) => failed = Some(error),
                }
            }
            if !all.found.is_empty() {
                return Ok(all.found);
            }
            if let Some(why) = all.useless {
                return Err(FindError::Useless(why));
            }
            if said_nothing == 2 {
                return Err(FindError::Nothing);
            }
        }
        Err(failed.map_or(FindError::Nothing, FindError::NoAnswer))
    }

    /// What two terminals on disjoint paths have. The second may take a while longer than one that
    /// has found something.
    async fn ask_two(&self, wanted: &Wanted, place: Place) -> Vec<Result<Had, TerminalFailed>> {
        let path = match self.shared().build(Want::Any).await {
            Ok(path) => path,
            Err(error) => return vec![Err(error.into())],
        };
        let beside = path.route().clone();
        let mut first = pin!(async {
            let terminal = self.terminal_of(path).await?;
            self.search(&terminal, wanted, place).await
        });
        let mut second = pin!(async {
            let terminal = self.terminal(Some(beside)).await?;
            self.search(&terminal, wanted, place).await
        });
        let (mut first_had, mut second_had) = (None, None);
        let mut patience = None;
        while first_had.is_none() || second_had.is_none() {
            let out_of = async {
                match patience {
                    Some(until) => sleep_until(until).await,
                    None => core::future::pending().await,
                }
            };
            let had = tokio::select! {
                biased;
                had = &mut first, if first_had.is_none() => first_had.insert(had),
                had = &mut second, if second_had.is_none() => second_had.insert(had),
                () = out_of => break,
            };
            if had.as_ref().is_ok_and(|had| !had.found.is_empty()) {
                patience.get_or_insert(Instant::now() + FIND_GRACE);
            }
        }
        [first_had, second_had].into_iter().flatten().collect()
    }

    /// Asks one terminal for all devices: the first slot's introset lists the others; if there is
    /// none, the next few slots are tried.
    async fn search(
        &self,
        terminal: &Terminal,
        wanted: &Wanted,
        place: Place,
    ) -> Result<Had, TerminalFailed> {
        let network = self.shared().network;
        let lookup = Lookup::new(network, wanted.address, place.epoch, DeviceSlot::FIRST);
        let mut had = Had::default();
        let mut to_ask = DeviceSlots::default().with(DeviceSlot::FIRST);
        let mut asked = DeviceSlots::default();
        while let Some(slot) = to_ask.iter().find(|slot| !asked.has(*slot)) {
            asked = asked.with(slot);
            let lookup = lookup.clone().with_slot(slot);
            let fetched = match self.fetch(terminal, &lookup, wanted, place).await {
                Err(_) if !had.found.is_empty() => break,
                fetched => fetched?,
            };
            match fetched {
                Ok(opened) => {
                    to_ask = opened.others().iter().fold(to_ask, DeviceSlots::with);
                    had.found.insert(slot, opened);
                }
                Err(why) => had.note(why),
            }
            if slot == DeviceSlot::FIRST && had.found.is_empty() {
                let next = DeviceSlot::all().take(SLOTS_TRIED);
                to_ask = next.fold(to_ask, DeviceSlots::with);
            }
        }
        Ok(had)
    }

    async fn fetch(
        &self,
        terminal: &Terminal,
        lookup: &Lookup,
        wanted: &Wanted,
        place: Place,
    ) -> Result<Result<Opened, OpenError>, TerminalFailed> {
        let request = Request::Fetch(lookup.location(&place.beacon));
        let records = match terminal.ask(&request).await? {
            Answer::Found(records) => records,
            Answer::Refused(Reason::Busy { seconds }) => {
                return Err(TerminalFailed::Busy { seconds });
            }
            _ => return Err(TerminalFailed::OtherAnswer),
        };
        Ok(lookup.open_newest(&records, self.now(), wanted.client.as_deref()))
    }
}

impl Had {
    fn note(&mut self, why: OpenError) {
        match why {
            // A terminal that gives another's record has nothing.
            OpenError::Nothing | OpenError::NotTheirs => (),
            why => self.useless = Some(why),
        }
    }

    /// Takes what another terminal had, as far as it is newer.
    fn merge(&mut self, other: Self) {
        self.useless = self.useless.take().or(other.useless);
        for (slot, opened) in other.found {
            let newer = self.found.get(&slot);
            if newer.is_none_or(|ours| ours.sequence < opened.sequence) {
                self.found.insert(slot, opened);
            }
        }
    }
}
