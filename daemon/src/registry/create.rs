//! Keys, and the folder that an authority begins with.

use std::fs;
use std::io::Write;
use std::path::Path;

use llarp_core::crypto::identity::{KeyKind, SecretKey, Seed, decode_key_file, encode_key_file};
use llarp_core::registry::Charter;
use llarp_core::wire::limits::KEY_FILE_LEN;

use super::args::{Create, Keygen};
use super::folder::{read_ledger, write};
use super::text::{count, hex};
use super::{NetworkFile, RegistryError, words};
use crate::files::{self, FileError};
use crate::relay::fresh;

pub(super) fn keygen(args: &Keygen, out: &mut dyn Write) -> Result<(), RegistryError> {
    not_there(&args.key)?;
    let key = SecretKey::from_seed(Seed::new(fresh()?));
    let bytes = encode_key_file(&key, KeyKind::Authority);
    files::write_secret(&args.key, bytes.expose())?;
    let (public, path) = (hex(key.public().as_bytes()), args.key.display());
    // At once: `| head -1` must not make an error of it.
    write!(
        out,
        "{public}\n\
         This is the public half, for `create`. The key is in {path}: keep it on this machine, with a\n\
         copy where nobody else gets at it. Whoever has enough of them decides which relays count.\n"
    )?;
    Ok(())
}

/// An authority's key, from its file.
pub(super) fn read_key(path: &Path) -> Result<SecretKey, RegistryError> {
    let bytes = files::read(path, KEY_FILE_LEN)?;
    let key = decode_key_file(&bytes, KeyKind::Authority);
    Ok(key.map_err(|error| {
        FileError::malformed(
            path,
            &format!("no authority's key ({error}); give the file that keygen made"),
        )
    })?)
}

pub(super) fn create(args: &Create, out: &mut dyn Write) -> Result<(), RegistryError> {
    let dir = &args.dir.dir;
    let path = dir.join("network");
    not_there(&path)?;
    let authorities = args.charter.authority.iter().copied();
    let root = Charter::root(args.charter.threshold, authorities)?;
    let network = NetworkFile::new(&args.network, root, args.bootstrap.clone())?;
    fs::create_dir_all(dir).map_err(FileError::io(dir))?;
    write(&path, network.to_string().as_bytes())?;
    let ledger = dir.join("ledger");
    write(&ledger, &read_ledger(&ledger, &network)?.encode())?;
    writeln!(
        out,
        "The network {:?}: {} of {} sign, {} to begin with.",
        network.name(),
        network.root().threshold(),
        network.root().keys().len(),
        count(network.bootstrap().len(), "relay"),
    )?;
    writeln!(out, "Everybody gets a copy of {}.", path.display())?;
    words::few_bootstraps(out, &network)?;
    writeln!(
        out,
        "Next: registry add --dir {} RELAY.snode …, then draft.",
        dir.display()
    )?;
    Ok(())
}

fn not_there(path: &Path) -> Result<(), RegistryError> {
    match path.try_exists().map_err(FileError::io(path))? {
        true => Err(RegistryError::There {
            path: path.to_owned(),
        }),
        false => Ok(()),
    }
}
