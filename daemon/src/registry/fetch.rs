//! A node's ledger brought up to date, as a node itself does it.

use std::io::Write;

use llarp_core::registry::{Changed, Ledger};

use super::args::Fetch;
use super::folder::{read_ledger, write};
use super::text::span;
use super::{NetworkFile, RegistryError, wait_for};
use crate::sources::{Source, SourceError, refresh};

pub(super) fn fetch(args: &Fetch, out: &mut dyn Write) -> Result<(), RegistryError> {
    let network = NetworkFile::read(&args.known.network)?;
    let mut ledger = read_ledger(&args.known.ledger, &network)?;
    let source = Source::parse(&args.from).map_err(SourceError::from)?;
    let now = args.known.time.now();
    let refreshed = wait_for(refresh(&mut ledger, &source, now))?;
    let refreshed = refreshed.map_err(|error| {
        let kept = kept(&ledger);
        RegistryError::Fetch { error, kept }
    })?;
    let Changed::Advanced { from, to } = refreshed.changed else {
        return Ok(said_known(&ledger, now, out)?);
    };
    write(&args.known.ledger, &ledger.encode())?;
    let form = if refreshed.by_delta {
        "delta"
    } else {
        "whole snapshot"
    };
    let before = from.map_or("none".to_owned(), |from| format!("snapshot {from}"));
    writeln!(
        out,
        "Snapshot {to} of {:?} is the newest now (before: {before}), by a {form} of {} bytes.",
        network.name(),
        refreshed.bytes
    )?;
    Ok(())
}

fn said_known(ledger: &Ledger, now: u64, out: &mut dyn Write) -> std::io::Result<()> {
    let Some(newest) = ledger.current() else {
        return Ok(());
    };
    let (number, until) = (newest.number(), newest.terms().valid_until);
    match until.checked_sub(now) {
        Some(left) => {
            let left = span(left);
            writeln!(
                out,
                "Snapshot {number} is the newest already, and valid for {left}."
            )
        }
        None => writeln!(
            out,
            "Snapshot {number} is the newest already, and has expired: ask for a newer one."
        ),
    }
}

fn kept(ledger: &Ledger) -> String {
    match ledger.head() {
        Some(head) => format!("snapshot {} stays in use", head.number),
        None => "there is no snapshot yet".to_owned(),
    }
}
