//! What the next snapshot changes: one relay at a time, or all that an Oxen daemon counts.

use std::io::Write;

use llarp_core::crypto::identity::RelayId;
use llarp_core::registry::Registration;

use super::args::{Add, Import, Remove};
use super::error::misuse;
use super::folder::Folder;
use super::pending::Noted;
use super::{RegistryError, pending::Pending, wait_for};
use crate::sources::http::{HttpUrl, Reach};
use crate::sources::{SourceError, oxen};

pub(super) fn add(args: &Add, out: &mut dyn Write) -> Result<(), RegistryError> {
    let mut folder = Folder::open(&args.dir.dir)?;
    let registration = args.registration(&folder.network.network());
    let newest = folder.ledger.current().cloned();
    let noted = folder.pending.set(newest.as_deref(), registration);
    done(&folder, registration.relay, noted, out)
}

pub(super) fn remove(args: &Remove, out: &mut dyn Write) -> Result<(), RegistryError> {
    let mut folder = Folder::open(&args.dir.dir)?;
    let newest = folder.ledger.current().cloned();
    let noted = folder.pending.remove(newest.as_deref(), args.relay);
    if noted == Noted::Nothing && !folder.pending.leaving().contains(&args.relay) {
        let relay = args.relay;
        return misuse(format!(
            "{relay} is not registered; `relays` lists those that are"
        ));
    }
    done(&folder, args.relay, noted, out)
}

fn done(
    folder: &Folder,
    relay: RelayId,
    noted: Noted,
    out: &mut dyn Write,
) -> Result<(), RegistryError> {
    let what = match noted {
        Noted::New => "joins with the next snapshot",
        Noted::Anew => "has registered anew: with the next snapshot it is a newcomer",
        Noted::Family => "is of another family from the next snapshot on",
        Noted::Leaves => "leaves with the next snapshot",
        Noted::TakenBack => "stays as it is: an earlier change is taken back",
        Noted::Nothing => "is so already",
    };
    folder.save_pending()?;
    writeln!(out, "{relay} {what}.")?;
    Ok(())
}

pub(super) fn import(args: &Import, out: &mut dyn Write) -> Result<(), RegistryError> {
    let mut folder = Folder::open(&args.dir.dir)?;
    let url = HttpUrl::parse(&args.oxen).map_err(SourceError::from)?;
    let reach = match args.dangerous_remote_oxen {
        true => Reach::Anywhere,
        false => Reach::Loopback,
    };
    let imported = wait_for(oxen::registrations(url, reach))??;
    let tally = merge(&mut folder, &imported.relays);
    let had = folder.newest().map_or(0, |newest| newest.entries().len());
    if tally.leave > had / 3 && !args.dangerous_remove_many {
        let leave = tally.leave;
        return misuse(format!(
            "nothing imported: {leave} of {had} relays would leave at once; see that the daemon is well, \
             or say --dangerous-remove-many"
        ));
    }
    folder.save_pending()?;
    writeln!(out, "The daemon counts {} relays.", imported.relays.len())?;
    writeln!(
        out,
        "Left out: {} not funded or decommissioned, {} without a key of their own.",
        imported.inactive, imported.without_key
    )?;
    let Tally { join, anew, leave } = tally;
    writeln!(
        out,
        "With the next snapshot {join} joining, {anew} registering anew, {leave} leaving."
    )?;
    Ok(())
}

struct Tally {
    join: usize,
    anew: usize,
    leave: usize,
}

/// Replaces all changes by those that lead to `relays`. Families, of which a daemon knows nothing,
/// stay as they are.
fn merge(folder: &mut Folder, relays: &[Registration]) -> Tally {
    let newest = folder.ledger.current().cloned();
    let newest = newest.as_deref();
    let mut pending = Pending::default();
    let (mut join, mut anew, mut leave) = (0, 0, 0);
    for found in relays {
        let mut found = *found;
        let said = folder.pending.wanted().get(&found.relay);
        let known = newest.and_then(|newest| newest.get(&found.relay));
        let known = known.map(|entry| entry.registration());
        found.family = said.or(known.as_ref()).and_then(|before| before.family);
        match pending.set(newest, found) {
            Noted::New => join += 1,
            Noted::Anew => anew += 1,
            _ => (),
        }
    }
    let counted = |relay: &RelayId| {
        relays
            .binary_search_by_key(relay, |known| known.relay)
            .is_ok()
    };
    for entry in newest.map_or(&[][..], |newest| newest.entries()) {
        if !counted(&entry.relay) {
            pending.remove(newest, entry.relay);
            leave += 1;
        }
    }
    folder.pending = pending;
    Tally { join, anew, leave }
}
