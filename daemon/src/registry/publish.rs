//! Signatures put together, and a folder that any web server can serve.
//!
//! ```text
//! OUT/snapshot     the newest snapshot
//! OUT/delta        from its predecessor to it
//! OUT/snapshot-7   each snapshot, under its number
//! ```

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use llarp_core::registry::{Charter, Delta, Signature, SignedCharter, SignedSnapshot, Snapshot};

use super::RegistryError;
use super::args::Publish;
use super::draft::read_draft;
use super::draft_file::Subject;
use super::error::misuse;
use super::folder::{Folder, write};
use super::show::say_pin;
use super::sign::describe;
use super::text::count;
use crate::files::{self, FileError};
use crate::sources::{DELTA_NAME, SNAPSHOT_NAME};

/// Bytes of a signature's file, with room for a better error than "too long".
const SIGNATURE_FILE_MAX: usize = 1 << 10;

pub(super) fn publish(args: &Publish, out: &mut dyn Write) -> Result<(), RegistryError> {
    let folder = Folder::open(&args.dir.dir)?;
    let draft = read_draft(&folder.draft())?;
    let mut signatures = Vec::new();
    for path in &args.signatures {
        let signature = read_signature(path)?;
        writeln!(out, "{}: {}", path.display(), describe(&signature))?;
        signatures.push(signature);
    }
    match draft.subject {
        Subject::Snapshot(snapshot) => publish_snapshot(args, folder, snapshot, signatures, out),
        Subject::Charter(charter) => note_charter(&folder, charter, signatures, out),
    }
}

fn read_signature(path: &Path) -> Result<Signature, RegistryError> {
    let bytes = files::read(path, SIGNATURE_FILE_MAX)?;
    let signature = Signature::decode(&bytes);
    Ok(signature.map_err(|error| {
        FileError::malformed(
            path,
            &format!("no whole signature ({error}); copy it again"),
        )
    })?)
}

fn note_charter(
    folder: &Folder,
    charter: Charter,
    signatures: Vec<Signature>,
    out: &mut dyn Write,
) -> Result<(), RegistryError> {
    let network = folder.network.network();
    let number = charter.number();
    let signed = SignedCharter::collect(&network, folder.chain.newest(), charter, signatures)?;
    let mut chain = folder.chain.clone();
    chain.extend(&signed)?;
    folder.save_charter(&signed)?;
    writeln!(
        out,
        "Charter {number} is signed. It is in force with the next snapshot:"
    )?;
    writeln!(
        out,
        "Next: draft, which the authorities of charter {number} sign, and publish."
    )?;
    Ok(())
}

fn publish_snapshot(
    args: &Publish,
    mut folder: Folder,
    snapshot: Snapshot,
    signatures: Vec<Signature>,
    out: &mut dyn Write,
) -> Result<(), RegistryError> {
    let Some(dir) = &args.out else {
        return misuse("a snapshot is published into a folder: name it with --out");
    };
    let signed = SignedSnapshot::collect(&folder.chain, snapshot, signatures)?;
    folder
        .ledger
        .offer_snapshot(&signed.encode(), args.dir.time.now())?;
    let files = files_of(&folder)?;
    fs::create_dir_all(dir).map_err(FileError::io(dir))?;
    let number = signed.claimed().number();
    writeln!(
        out,
        "Snapshot {number} of {:?} is published:",
        folder.network.name()
    )?;
    for (name, bytes) in &files {
        let path: PathBuf = dir.join(name);
        write(&path, bytes)?;
        writeln!(out, "  {:>9} bytes  {}", bytes.len(), path.display())?;
    }
    folder.save_published()?;
    let relays = count(signed.claimed().entries().len(), "relay");
    writeln!(out, "It names {relays}. Next: serve {}.", dir.display())?;
    if let Some(charter) = folder.chain.get(signed.claimed().terms().charter) {
        say_pin(&folder.network, charter, out)?;
    }
    Ok(())
}

/// What is published of the newest snapshot, the newest last: a reader in between finds the old one.
fn files_of(folder: &Folder) -> Result<Vec<(String, Vec<u8>)>, RegistryError> {
    let mut files = Vec::new();
    let Some(newest) = folder.ledger.current() else {
        return Ok(files);
    };
    let whole = newest.signed().encode();
    files.push((
        format!("{SNAPSHOT_NAME}-{}", newest.number()),
        whole.clone(),
    ));
    if let Some(before) = folder.ledger.previous() {
        let delta = Delta::between(before, newest)?.encode();
        files.push((DELTA_NAME.to_owned(), delta));
    }
    files.push((SNAPSHOT_NAME.to_owned(), whole));
    Ok(files)
}
