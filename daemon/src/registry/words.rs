//! Snapshots and charters in words: what a person reads before signing, and in `show`.

use std::io::{self, Write};

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{PublicKey, RelayId};
use llarp_core::registry::swarm::Swarms;
use llarp_core::registry::{Charter, Entry, Snapshot};

use super::text::{count, date, day, hex, short, span};
use super::{BOOTSTRAPS_LEAST, NetworkFile};

/// Relays of one kind that are named before signing; `show` names all.
const NAMED_MAX: usize = 20;

/// Lines of a label and a text, under each other.
pub(super) fn lines(out: &mut dyn Write, lines: &[(&str, String)]) -> io::Result<()> {
    for (label, text) in lines {
        writeln!(out, "  {label:<10} {text}")?;
    }
    Ok(())
}

/// Warns of a network's file with which no client begins.
pub(super) fn few_bootstraps(out: &mut dyn Write, network: &NetworkFile) -> io::Result<()> {
    match network.lacking() {
        0 => Ok(()),
        lacking => writeln!(
            out,
            "WARNING: no client begins with this network's file: {BOOTSTRAPS_LEAST} bootstrap relays must agree, and it names {}. \
             Add {} to it: bootstrap RELAY.snode@ADDRESS:PORT",
            network.bootstrap().len(),
            count(lacking, "line")
        ),
    }
}

/// Everything in a snapshot but who signed it and its relays one by one.
pub(super) fn heading(
    snapshot: &Snapshot,
    network: &NetworkId,
    charter: &Charter,
    now: u64,
) -> Vec<(&'static str, String)> {
    let terms = snapshot.terms();
    let follows = match snapshot.number().checked_sub(1) {
        Some(number) => format!("snapshot {number}, {}", hex(&snapshot.predecessor().0)),
        None => "nothing: it is the first".to_owned(),
    };
    vec![
        ("hash", hex(&snapshot.hash(network).0)),
        ("follows", follows),
        (
            "day",
            format!("{}, epoch {}", day(terms.epoch.0), terms.epoch.0),
        ),
        ("valid", validity(terms.valid_from, terms.valid_until, now)),
        ("charter", signs(charter)),
        ("beacon", hex(&terms.beacon)),
        ("before", hex(&terms.beacon_before)),
        (
            "wire",
            format!("version {} or newer", terms.minimum_version),
        ),
        ("relays", relays(snapshot)),
        ("swarms", swarms(snapshot)),
        ("storers", storers(snapshot)),
    ]
}

fn validity(from: u64, until: u64, now: u64) -> String {
    let left = if now > until {
        format!("EXPIRED {} ago", span(now - until))
    } else if now < from {
        format!("begins in {}", span(from - now))
    } else {
        format!("{} left", span(until - now))
    };
    format!("{} to {}: {left}", date(from), date(until))
}

fn signs(charter: &Charter) -> String {
    let (number, threshold, keys) = (charter.number(), charter.threshold(), charter.keys().len());
    format!("{number}: {threshold} of {} must sign", authorities(keys))
}

fn authorities(keys: usize) -> String {
    match keys {
        1 => "1 authority".to_owned(),
        some => format!("{some} authorities"),
    }
}

fn relays(snapshot: &Snapshot) -> String {
    let all = snapshot.entries();
    let mut families: Vec<_> = all.iter().filter_map(|entry| entry.family).collect();
    let members = families.len();
    families.sort_unstable();
    families.dedup();
    match families.len() {
        0 => format!("{}, no families", all.len()),
        1 => format!("{}, of which {members} in 1 family", all.len()),
        some => format!("{}, of which {members} in {some} families", all.len()),
    }
}

/// The swarms of a snapshot.
pub(super) fn swarms_of(snapshot: &Snapshot) -> Swarms {
    Swarms::new((snapshot.entries().iter()).map(|entry| (entry.relay, entry.swarm)))
}

fn swarms(snapshot: &Snapshot) -> String {
    let swarms = swarms_of(snapshot);
    let sizes = || swarms.iter().map(|(_, members)| members.len());
    let params = snapshot.terms().parameters.swarms();
    let made = format!(
        "made for {}, refilled below {}, {} stirred by a newcomer",
        params.target(),
        params.least(),
        count(params.stirs().into(), "pair"),
    );
    match (sizes().min(), sizes().max()) {
        (Some(least), Some(most)) if least == most => {
            format!("{} of {}; {made}", swarms.len(), count(most, "relay"))
        }
        (Some(least), Some(most)) => {
            format!("{} of {least} to {most} relays; {made}", swarms.len())
        }
        _ => format!("none; {made}"),
    }
}

fn storers(snapshot: &Snapshot) -> String {
    let Some(height) = snapshot.terms().parameters.storers_height() else {
        return "all relays store introsets".to_owned();
    };
    let entries = snapshot.entries();
    let old = entries
        .iter()
        .filter(|entry| snapshot.stores_introsets(entry));
    let (old, all) = (old.count(), count(entries.len(), "relay"));
    format!("{old} of {all}: those registered up to height {height}")
}

/// A key's place and enough of it to recognise it.
pub(super) fn authority(index: usize, key: &PublicKey) -> String {
    format!("{index} ({}…)", short(key.as_bytes()))
}

/// What a snapshot changes.
pub(super) fn changes(out: &mut dyn Write, before: &Snapshot, after: &Snapshot) -> io::Result<()> {
    let stake = |entry: &Entry| (entry.height, entry.block);
    let pairs = || {
        let pair = |new: &'_ Entry| before.get(&new.relay).map(|old| (*old, *new));
        after.entries().iter().filter_map(pair)
    };
    let gone = before
        .entries()
        .iter()
        .filter(|old| after.get(&old.relay).is_none());
    named(out, "leaving", '-', gone.map(|entry| entry.relay))?;
    let new = after
        .entries()
        .iter()
        .filter(|new| before.get(&new.relay).is_none());
    named(out, "joining", '+', new.map(|entry| entry.relay))?;
    let anew = pairs().filter(|(old, new)| stake(old) != stake(new));
    named(out, "registering anew", '~', anew.map(|(_, new)| new.relay))?;
    let family = pairs().filter(|(old, new)| stake(old) == stake(new) && old.family != new.family);
    named(
        out,
        "changing their family",
        '~',
        family.map(|(_, new)| new.relay),
    )?;
    let moved = pairs().filter(|(old, new)| stake(old) == stake(new) && old.swarm != new.swarm);
    let moved = moved.count();
    writeln!(
        out,
        "  {moved} of those that stay change{} swarms",
        if moved == 1 { "s" } else { "" }
    )?;
    let (old, new) = (before.terms(), after.terms());
    if old.charter != new.charter {
        writeln!(
            out,
            "  charter {} takes the place of charter {}",
            new.charter, old.charter
        )?;
    }
    if old.parameters != new.parameters || old.minimum_version != new.minimum_version {
        writeln!(out, "  the network's parameters change")?;
    }
    Ok(())
}

/// All relays of a network's first snapshot.
pub(super) fn all_join(out: &mut dyn Write, snapshot: &Snapshot) -> io::Result<()> {
    named(
        out,
        "joining",
        '+',
        snapshot.entries().iter().map(|entry| entry.relay),
    )
}

fn named(
    out: &mut dyn Write,
    what: &str,
    sign: char,
    relays: impl Iterator<Item = RelayId>,
) -> io::Result<()> {
    let relays: Vec<_> = relays.collect();
    if relays.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {} {what}:", relays.len())?;
    for relay in relays.iter().take(NAMED_MAX) {
        writeln!(out, "    {sign} {relay}")?;
    }
    match relays.len().saturating_sub(NAMED_MAX) {
        0 => Ok(()),
        more => writeln!(out, "    {sign} and {more} more, which `show` names"),
    }
}

/// A charter in words, against the one that it follows.
pub(super) fn charter(out: &mut dyn Write, before: &Charter, after: &Charter) -> io::Result<()> {
    let must = |charter: &Charter| {
        let (threshold, keys) = (charter.threshold(), charter.keys().len());
        format!("{threshold} of {} must sign", authorities(keys))
    };
    writeln!(out, "  before: {}; after: {}", must(before), must(after))?;
    for key in before.keys() {
        let stays = after.keys().contains(key);
        let (sign, what) = if stays {
            (' ', "stays")
        } else {
            ('-', "leaves")
        };
        writeln!(out, "    {sign} {} {what}", hex(key.as_bytes()))?;
    }
    for key in after
        .keys()
        .iter()
        .filter(|key| !before.keys().contains(key))
    {
        writeln!(out, "    + {} is new", hex(key.as_bytes()))?;
    }
    Ok(())
}
