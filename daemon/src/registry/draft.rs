//! Drafts: of the next snapshot, and of the next charter.

use std::io::Write;
use std::path::Path;

use llarp_core::registry::swarm::SwarmParams;
use llarp_core::registry::{
    Changes, Charter, Epoch, Parameters, ParametersError, Snapshot, Terms, assign_swarms,
};
use llarp_core::wire::limits::{EPOCH_SECONDS, VERSION};

use super::args::{Draft, Replace};
use super::draft_file::{DraftFile, Subject};
use super::error::misuse;
use super::folder::{Folder, write};
use super::text::count;
use super::{RegistryError, words};
use crate::relay::fresh;

pub(super) fn draft(args: &Draft, out: &mut dyn Write) -> Result<(), RegistryError> {
    let folder = Folder::open(&args.dir.dir)?;
    let now = args.dir.time.now();
    let network = folder.network.network();
    let mut changes = folder.pending.changes(folder.newest());
    let late = hold_back(&mut changes, folder.newest(), Epoch::at(now));
    let terms = terms(args, &folder, &changes, now)?;
    let snapshot = match folder.newest() {
        Some(newest) => newest.succeed(&network, terms, changes, assign_swarms)?,
        None => Snapshot::first(&network, terms, changes.add, assign_swarms)?,
    };
    // Nobody should be asked to sign what no ledger takes.
    folder.ledger.examine(&snapshot, now)?;
    let charter = folder.chain.newest();
    let number = snapshot.number();
    writeln!(
        out,
        "Draft of snapshot {number} of {:?}:\n",
        folder.network.name()
    )?;
    words::lines(out, &words::heading(&snapshot, &network, charter, now))?;
    match folder.newest() {
        Some(newest) => words::changes(out, newest, &snapshot)?,
        None => words::all_join(out, &snapshot)?,
    }
    if late > 0 {
        writeln!(
            out,
            "  {} not joining before tomorrow's snapshot: today's beacon is public, and keys can be chosen for it",
            count(late, "relay")
        )?;
    }
    save(&folder, Subject::Snapshot(snapshot), charter, out)
}

/// Leaves to tomorrow who joins or registers anew, if there is a snapshot of the day; how many.
fn hold_back(changes: &mut Changes, newest: Option<&Snapshot>, epoch: Epoch) -> usize {
    let Some(newest) = newest.filter(|newest| newest.terms().epoch == epoch) else {
        return 0;
    };
    let before = changes.add.len() + changes.change.len();
    changes.add.clear();
    changes.change.retain(|change| {
        let entry = newest.get(&change.relay);
        entry.is_some_and(|entry| (entry.height, entry.block) == (change.height, change.block))
    });
    before - changes.change.len()
}

/// Writes the draft, and says who is asked.
fn save(
    folder: &Folder,
    subject: Subject,
    asked: &Charter,
    out: &mut dyn Write,
) -> Result<(), RegistryError> {
    let path = folder.draft();
    let charters = folder.chain.signed().to_vec();
    let draft = DraftFile { charters, subject };
    write(&path, &draft.encode())?;
    writeln!(
        out,
        "\nNext: {} of the {} authorities of charter {} sign {}.",
        asked.threshold(),
        asked.keys().len(),
        asked.number(),
        path.display()
    )?;
    Ok(())
}

fn terms(
    args: &Draft,
    folder: &Folder,
    changes: &Changes,
    now: u64,
) -> Result<Terms, RegistryError> {
    let before = folder.newest().map(Snapshot::terms);
    let epoch = Epoch::at(now);
    let same_day = before.filter(|before| before.epoch == epoch);
    let beacon = match (args.beacon, same_day) {
        (Some(beacon), _) => beacon,
        (None, Some(before)) => before.beacon,
        (None, None) => *fresh()?.expose(),
    };
    let beacon_before = match before.and_then(|before| before.beacon_for(epoch)) {
        Some(beacon) => beacon,
        // Of the first epoch: also unknown to those who chose their keys.
        None => *fresh()?.expose(),
    };
    let mut parameters = parameters(args, before.map(|before| &before.parameters))?;
    if let Some(height) = storers(folder, changes, epoch) {
        parameters = parameters.with(Parameters::STORERS_HEIGHT, height)?;
    }
    Ok(Terms {
        epoch,
        valid_from: now,
        valid_until: now + args.valid * EPOCH_SECONDS,
        beacon,
        beacon_before,
        charter: folder.chain.newest().number(),
        minimum_version: before.map_or(VERSION, |before| before.minimum_version),
        parameters,
    })
}

/// The storers' height of a snapshot of `epoch`: that of two epochs ago, but never less than before. In
/// the first snapshot all are old enough: nobody knew a beacon when they chose their keys.
fn storers(folder: &Folder, changes: &Changes, epoch: Epoch) -> Option<u64> {
    match folder.newest() {
        Some(newest) => {
            let before = newest.terms().parameters.storers_height();
            before.max(folder.heights.storers(epoch))
        }
        None => changes.add.iter().map(|new| new.height).max(),
    }
}

/// Those of before, with other sizes of swarms if the user says so.
fn parameters(args: &Draft, before: Option<&Parameters>) -> Result<Parameters, ParametersError> {
    let sizes = before.map_or(SwarmParams::DEFAULT, Parameters::swarms);
    let target = args.target.unwrap_or(sizes.target());
    let least = args.least.unwrap_or(sizes.least());
    let made = Parameters::new(target, least)?;
    let others = before.into_iter().flat_map(Parameters::iter);
    let others = others.filter(|(code, _)| made.get(*code).is_none());
    let others: Vec<_> = others.collect();
    others
        .into_iter()
        .try_fold(made, |made, (code, value)| made.with(code, value))
}

pub(super) fn replace(args: &Replace, out: &mut dyn Write) -> Result<(), RegistryError> {
    let folder = Folder::open(&args.dir.dir)?;
    let current = folder.chain.newest();
    if folder.ledger.charters().newest().number() != current.number() {
        let number = current.number();
        return misuse(format!(
            "charter {number} is signed, but no snapshot brings it into force yet: draft and publish one first"
        ));
    }
    let network = folder.network.network();
    let keys = args.charter.authority.iter().copied();
    let charter = current.succeed(&network, args.charter.threshold, keys)?;
    let (number, name) = (charter.number(), folder.network.name());
    writeln!(out, "Draft of charter {number} of {name:?}:\n")?;
    words::charter(out, current, &charter)?;
    save(&folder, Subject::Charter(charter), current, out)
}

/// The draft at `path`.
pub(super) fn read_draft(path: &Path) -> Result<DraftFile, RegistryError> {
    use super::draft_file::DRAFT_MAX;
    use crate::files::{self, FileError};

    let bytes = files::read(path, DRAFT_MAX)?;
    let draft = DraftFile::decode(&bytes);
    Ok(draft.map_err(|error| {
        FileError::malformed(path, &format!("no whole draft ({error}); copy it again"))
    })?)
}
