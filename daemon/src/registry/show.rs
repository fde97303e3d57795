//! Tables and JSON of snapshots, drafts and ledgers.

use std::io::Write;

use llarp_core::crypto::hash::NetworkId;
use llarp_core::registry::{
    Charter, Entry, Family, Ledger, Registration, SignedSnapshot, Snapshot, assign_swarms,
};
use llarp_core::wire::limits::LEDGER_MAX;
use serde_json::{Value, json};

use super::args::{Relays, Show};
use super::draft_file::{DraftFile, Subject};
use super::folder::{Folder, read_ledger};
use super::text::{count, day, hex, short};
use super::{NetworkFile, RegistryError, words};
use crate::files::{self, FileError};

/// The heads of the columns of relays.
const HEADS: &str = "RELAY                                                          HEIGHT  BLOCK             FAMILY";

/// A snapshot, and what is known of its signatures.
struct Shown {
    kind: &'static str,
    snapshot: Snapshot,
    charter: Charter,
    /// Places of those who signed, all verified.
    signers: Vec<u8>,
}

pub(super) fn show(args: &Show, out: &mut dyn Write) -> Result<(), RegistryError> {
    let network = NetworkFile::read(&args.network)?;
    let bytes = files::read(&args.file, LEDGER_MAX)?;
    let (now, id) = (args.time.now(), network.network());
    if DraftFile::is_meant(&bytes) {
        let draft = super::draft::read_draft(&args.file)?;
        let chain = draft.chain(id, network.trust())?;
        let charter = chain.newest().clone();
        return match draft.subject {
            Subject::Charter(next) => show_charter(&network, &charter, &next, args.json, out),
            Subject::Snapshot(snapshot) => {
                let shown = Shown {
                    kind: "draft",
                    snapshot,
                    charter,
                    signers: Vec::new(),
                };
                shown.write(&network, now, args.json, out)
            }
        };
    }
    let shown = match SignedSnapshot::decode(&bytes) {
        Ok(signed) => {
            let mut ledger = Ledger::new(id, network.trust(), assign_swarms)?;
            // Its own time: what is expired can be looked at.
            ledger.offer_snapshot(&bytes, signed.claimed().terms().valid_from)?;
            Shown::of(&ledger, "snapshot")
        }
        Err(error) => match read_ledger(&args.file, &network) {
            Ok(ledger) => Shown::of(&ledger, "ledger"),
            Err(_) => {
                let what = format!(
                    "no whole snapshot, draft or ledger of this network ({error}); \
                     get it again, or give another file"
                );
                return Err(FileError::malformed(&args.file, &what).into());
            }
        },
    };
    match shown {
        Some(shown) => shown.write(&network, now, args.json, out),
        None if args.json => Ok(writeln!(
            out,
            "{}",
            json!({ "kind": "ledger", "network": network.name() })
        )?),
        None => Ok(writeln!(
            out,
            "The ledger of {:?} has no snapshot yet: `fetch` one.",
            network.name()
        )?),
    }
}

fn show_charter(
    network: &NetworkFile,
    before: &Charter,
    after: &Charter,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<(), RegistryError> {
    if as_json {
        let value = json!({
            "kind": "charter draft",
            "network": network.name(),
            "before": charter_json(before),
            "after": charter_json(after),
        });
        writeln!(out, "{value}")?;
        return Ok(());
    }
    writeln!(
        out,
        "Draft of charter {} of {:?}\n",
        after.number(),
        network.name()
    )?;
    Ok(words::charter(out, before, after)?)
}

impl Shown {
    fn of(ledger: &Ledger, kind: &'static str) -> Option<Self> {
        let newest = ledger.current()?;
        let charter = ledger.charters().get(newest.terms().charter)?;
        Some(Self {
            kind,
            snapshot: Snapshot::clone(newest),
            charter: charter.clone(),
            signers: newest.signed().signers().collect(),
        })
    }

    fn write(
        &self,
        network: &NetworkFile,
        now: u64,
        as_json: bool,
        out: &mut dyn Write,
    ) -> Result<(), RegistryError> {
        if as_json {
            writeln!(out, "{}", self.json(network))?;
            return Ok(());
        }
        let (number, name) = (self.snapshot.number(), network.name());
        match self.kind {
            "draft" => writeln!(out, "Draft of snapshot {number} of {name:?}\n")?,
            "ledger" => writeln!(
                out,
                "Snapshot {number} of {name:?}, the newest in the ledger\n"
            )?,
            _ => writeln!(out, "Snapshot {number} of {name:?}\n")?,
        }
        let mut lines = words::heading(&self.snapshot, &network.network(), &self.charter, now);
        lines.insert(5, ("signed by", self.signed_by()));
        words::lines(out, &lines)?;
        if self.kind != "draft" {
            say_pin(network, &self.charter, out)?;
        }
        self.write_swarms(out)
    }

    fn signed_by(&self) -> String {
        let keys = self.charter.keys();
        let named = |index: &u8| {
            let index = usize::from(*index);
            keys.get(index).map(|key| words::authority(index, key))
        };
        let named: Vec<_> = self.signers.iter().filter_map(named).collect();
        match named.len() {
            0 => "nobody yet".to_owned(),
            _ => format!("authority {}: enough, and verified", named.join(", ")),
        }
    }

    fn write_swarms(&self, out: &mut dyn Write) -> Result<(), RegistryError> {
        writeln!(out, "\n    {HEADS}")?;
        for (swarm, members) in words::swarms_of(&self.snapshot).iter() {
            writeln!(
                out,
                "\n  swarm {:016x}, {}",
                swarm.0,
                count(members.len(), "relay")
            )?;
            for relay in members {
                if let Some(entry) = self.snapshot.get(relay) {
                    writeln!(out, "    {}", row(&entry.registration()))?;
                }
            }
        }
        Ok(())
    }

    fn json(&self, network: &NetworkFile) -> Value {
        let (snapshot, id) = (&self.snapshot, network.network());
        let terms = snapshot.terms();
        let swarms = words::swarms_of(snapshot);
        let swarm = |(id, members): (llarp_core::registry::swarm::SwarmId, &[_])| json!({ "id": format!("{:016x}", id.0), "relays": members.len() });
        json!({
            "kind": self.kind,
            "network": network.name(),
            "number": snapshot.number(),
            "hash": hash(snapshot, &id),
            "predecessor": hex(&snapshot.predecessor().0),
            "epoch": terms.epoch.0,
            "day": day(terms.epoch.0),
            "valid_from": terms.valid_from,
            "valid_until": terms.valid_until,
            "beacon": hex(&terms.beacon),
            "beacon_before": hex(&terms.beacon_before),
            "storers_height": terms.parameters.storers_height(),
            "minimum_version": terms.minimum_version,
            "parameters": terms.parameters.iter().collect::<Vec<_>>(),
            "charter": charter_json(&self.charter),
            "charter_hash": hex(&self.charter.hash(&id).0),
            "signers": self.signers,
            "swarms": swarms.iter().map(swarm).collect::<Vec<_>>(),
            "relays": snapshot.entries().iter().map(entry_json).collect::<Vec<_>>(),
        })
    }
}

/// Says what the network's file should name, if authorities were replaced and it does not.
pub(super) fn say_pin(
    network: &NetworkFile,
    charter: &Charter,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let (number, hash) = (charter.number(), charter.hash(&network.network()));
    if number == 0 || network.pin() == Some((number, hash)) {
        return Ok(());
    }
    writeln!(
        out,
        "\nKeys that were replaced still lead newcomers. Hand out the network's file with this line instead:\n\
         \n  charter {number} {}",
        hex(&hash.0)
    )
}

fn hash(snapshot: &Snapshot, network: &NetworkId) -> String {
    hex(&snapshot.hash(network).0)
}

fn charter_json(charter: &Charter) -> Value {
    let keys = charter.keys().iter().map(|key| hex(key.as_bytes()));
    json!({
        "number": charter.number(),
        "threshold": charter.threshold(),
        "keys": keys.collect::<Vec<_>>(),
    })
}

fn entry_json(entry: &Entry) -> Value {
    let swarm = format!("{:016x}", entry.swarm.0);
    registration_json(&entry.registration(), "swarm", &swarm)
}

fn registration_json(registration: &Registration, more: &str, value: &str) -> Value {
    json!({
        "id": registration.relay.to_string(),
        "height": registration.height,
        "block": hex(&registration.block),
        "family": registration.family.map(|Family(family)| hex(&family)),
        more: value,
    })
}

/// A relay under [`HEADS`].
fn row(registration: &Registration) -> String {
    let Registration {
        relay,
        height,
        block,
        family,
    } = registration;
    let family = family.map_or("-".to_owned(), |Family(family)| short(&family));
    // A name's own width does not apply to what is formatted piece by piece.
    format!("{relay}  {height:>9}  {}  {family}", short(block))
}

/// The relays of an authority's folder, and how the next snapshot changes them.
pub(super) fn relays(args: &Relays, out: &mut dyn Write) -> Result<(), RegistryError> {
    let folder = Folder::open(&args.dir.dir)?;
    let empty: &[Entry] = &[];
    let entries = folder.newest().map_or(empty, Snapshot::entries);
    let mut rows: Vec<(&str, Registration)> = Vec::new();
    for entry in entries {
        let relay = &entry.relay;
        let leaves = folder.pending.leaving().contains(relay);
        let wanted = folder.pending.wanted().get(relay);
        rows.push(match (leaves, wanted) {
            (true, _) => ("leaves", entry.registration()),
            (false, Some(wanted)) => ("changes", *wanted),
            (false, None) => ("", entry.registration()),
        });
    }
    let known = |relay| {
        folder
            .newest()
            .is_some_and(|newest| newest.get(relay).is_some())
    };
    let joins = folder.pending.wanted().values();
    rows.extend(
        joins
            .filter(|new| !known(&new.relay))
            .map(|new| ("joins", *new)),
    );
    if args.json {
        let row = |(next, registration): &(&str, Registration)| {
            registration_json(registration, "next", next)
        };
        let relays: Vec<_> = rows.iter().map(row).collect();
        writeln!(
            out,
            "{}",
            json!({ "network": folder.network.name(), "relays": relays })
        )?;
        return Ok(());
    }
    write_rows(&folder, &rows, out)
}

fn write_rows(
    folder: &Folder,
    rows: &[(&str, Registration)],
    out: &mut dyn Write,
) -> Result<(), RegistryError> {
    let newest = folder
        .newest()
        .map_or("none yet".to_owned(), |newest| newest.number().to_string());
    writeln!(
        out,
        "{:?}, newest snapshot {newest}\n",
        folder.network.name()
    )?;
    writeln!(out, "  NEXT     {HEADS}")?;
    for (next, registration) in rows {
        writeln!(out, "  {next:<7}  {}", row(registration))?;
    }
    let of = |kind: &str| rows.iter().filter(|(next, _)| *next == kind).count();
    let (joins, changes, leaves) = (of("joins"), of("changes"), of("leaves"));
    writeln!(
        out,
        "\n{}; with the next snapshot {joins} joining, {changes} changing, {leaves} leaving.",
        count(rows.len() - joins, "relay")
    )?;
    Ok(())
}
