//! What `llarpd registry` is told on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use llarp_core::clock::Clock;
use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{PublicKey, RelayId};
use llarp_core::registry::Registration;

use super::Bootstrap;
use super::text::{authority_key, hex32};
use crate::place::FamilyName;

/// Who decides which relays count: make a network's registry, sign it, publish it, look at it.
///
/// A registry is a chain of snapshots. Each names all relays, and counts once enough authorities have
/// signed it. Their keys lie on different machines; only drafts and signatures travel between these.
#[derive(Debug, Subcommand)]
#[command(after_help = WALK)]
pub enum RegistryCommand {
    /// Make an authority's key, and print its public half.
    Keygen(Keygen),
    /// Make an authority's folder and the network's file, which everybody gets.
    Create(Create),
    /// Register a relay, or register it anew, with the next snapshot.
    Add(Add),
    /// Take a relay out with the next snapshot.
    Remove(Remove),
    /// Propose the relays that an Oxen daemon of this machine counts.
    ///
    /// Service nodes that are funded, active and have an Ed25519 key are added; relays that are none of
    /// these (any longer) are removed. Nothing counts before it is drafted and signed.
    Import(Import),
    /// List the relays, and how the next snapshot changes them.
    Relays(Relays),
    /// Write the next snapshot for authorities to sign.
    Draft(Draft),
    /// Write a charter that puts other authorities in the place of the present ones.
    ///
    /// The present authorities sign it, `publish` notes it, and the next snapshot, signed by the new
    /// ones, brings it into force.
    Replace(Replace),
    /// Look at a draft, examine it, and sign it.
    Sign(Sign),
    /// Put signatures together, and write what any web server can serve.
    Publish(Publish),
    /// Bring a node's ledger up to date from a folder, a file or a web server.
    ///
    /// What is forged, expired, older than known or damaged is refused, and the last good snapshot stays.
    Fetch(Fetch),
    /// Print a snapshot, a draft or a ledger as a table.
    Show(Show),
}

const WALK: &str = "\
A network from nothing, with two of three authorities:

  llarpd registry keygen --key a.key                      on three machines
  llarpd registry create --dir net --network example --threshold 2 \\
      --authority KEY --authority KEY --authority KEY     on one of them
  llarpd registry add --dir net RELAY.snode --height 1200 --block HASH
  llarpd registry draft --dir net
  llarpd registry sign net/draft --key a.key --network net/network --ledger a.ledger
                                                          on two machines
  llarpd registry publish --dir net --out www net/draft.signed-*

Everybody else needs the file net/network and an address:

  llarpd registry fetch --network network --ledger ledger --from http://example.org/registry/
  llarpd registry show ledger --network network

When keys are lost or stolen: replace, sign, publish; then draft, sign, publish as every day, and hand out
the network's file with the line that this publish prints. Newcomers with the old file can still be
led elsewhere by whoever has the old keys.";

/// The folder of an authority.
#[derive(Debug, Args)]
pub struct Dir {
    /// The folder that `create` made.
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    #[command(flatten)]
    pub(super) time: Time,
}

/// The time.
#[derive(Debug, Args)]
pub(super) struct Time {
    /// Seconds since 1970 that count instead of the clock's.
    #[arg(long, value_name = "SECONDS", hide = true)]
    dangerous_now: Option<u64>,
}

impl Time {
    pub(super) fn now(&self) -> u64 {
        self.dangerous_now
            .unwrap_or_else(|| Clock::system().unix().as_secs())
    }
}

/// `keygen`.
#[derive(Debug, Args)]
pub struct Keygen {
    /// The file to write, for its owner only.
    #[arg(long, value_name = "FILE")]
    pub(super) key: PathBuf,
}

/// `create`.
#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    pub(super) dir: Dir,
    /// The network's name. Networks of different names never meet.
    #[arg(long, value_name = "NAME")]
    pub(super) network: String,
    #[command(flatten)]
    pub(super) charter: Authorities,
    /// A relay that newcomers may ask first; may be given often.
    #[arg(long, value_name = "RELAY@ADDRESS")]
    pub(super) bootstrap: Vec<Bootstrap>,
}

/// Who signs.
#[derive(Debug, Args)]
pub struct Authorities {
    /// How many authorities must sign.
    #[arg(long, value_name = "K")]
    pub(super) threshold: u8,
    /// The public half of an authority's key, as `keygen` prints it; once for each.
    #[arg(long, value_name = "KEY", required = true, value_parser = authority_key)]
    pub(super) authority: Vec<PublicKey>,
}

/// `add`.
#[derive(Debug, Args)]
pub struct Add {
    #[command(flatten)]
    pub(super) dir: Dir,
    /// The relay's name.
    relay: RelayId,
    /// The height at which it was registered.
    #[arg(long)]
    height: u64,
    /// The hash of the block in which its stake first appeared: 64 hex digits.
    #[arg(long, value_name = "HASH", value_parser = hex32)]
    block: Bytes32,
    /// What it has in common with its operator's other relays: a name, or 64 hex digits.
    #[arg(long, value_name = "NAME|HASH")]
    family: Option<FamilyName>,
}

/// 32 bytes of an argument.
pub(super) type Bytes32 = [u8; 32];

impl Add {
    pub(super) fn registration(&self, network: &NetworkId) -> Registration {
        Registration {
            relay: self.relay,
            height: self.height,
            block: self.block,
            family: self.family.as_ref().map(|name| name.family(network)),
        }
    }
}

/// `remove`.
#[derive(Debug, Args)]
pub struct Remove {
    #[command(flatten)]
    pub(super) dir: Dir,
    /// The relay's name.
    pub(super) relay: RelayId,
}

/// `import`.
#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    pub(super) dir: Dir,
    /// The daemon's RPC: http://127.0.0.1:22023.
    #[arg(long, value_name = "URL")]
    pub(super) oxen: String,
    /// Believe a daemon of another machine, and everybody on the way to it.
    #[arg(long)]
    pub(super) dangerous_remote_oxen: bool,
    /// Also take out more than a third of all relays at once.
    #[arg(long)]
    pub(super) dangerous_remove_many: bool,
}

/// `relays`.
#[derive(Debug, Args)]
pub struct Relays {
    #[command(flatten)]
    pub(super) dir: Dir,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(super) json: bool,
}

/// `draft`.
#[derive(Debug, Args)]
pub struct Draft {
    #[command(flatten)]
    pub(super) dir: Dir,
    /// For how many days the snapshot is valid: what the network survives without its authorities.
    #[arg(long, value_name = "DAYS", default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=30))]
    pub(super) valid: u64,
    /// Randomness of the day that nobody knew before, 64 hex digits; drawn here if not given.
    #[arg(long, value_name = "HASH", value_parser = hex32)]
    pub(super) beacon: Option<Bytes32>,
    /// Relays that a swarm is made for [default: as before, at first 9].
    #[arg(long, value_name = "RELAYS")]
    pub(super) target: Option<u8>,
    /// Relays below which a swarm is refilled [default: as before, at first 7].
    #[arg(long, value_name = "RELAYS")]
    pub(super) least: Option<u8>,
}

/// `replace`.
#[derive(Debug, Args)]
pub struct Replace {
    #[command(flatten)]
    pub(super) dir: Dir,
    #[command(flatten)]
    pub(super) charter: Authorities,
}

/// What everybody has: the network's file and a ledger.
#[derive(Debug, Args)]
pub struct Known {
    /// The network's file.
    #[arg(long, value_name = "FILE")]
    pub(super) network: PathBuf,
    /// What this machine knows of the registry; begins empty.
    #[arg(long, value_name = "FILE")]
    pub(super) ledger: PathBuf,
    #[command(flatten)]
    pub(super) time: Time,
}

/// `sign`.
#[derive(Debug, Args)]
pub struct Sign {
    /// The draft.
    pub(super) draft: PathBuf,
    /// The authority's key.
    #[arg(long, value_name = "FILE")]
    pub(super) key: PathBuf,
    #[command(flatten)]
    pub(super) known: Known,
    /// The signature's file [default: the draft's name and whose it is].
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    pub(super) yes: bool,
    /// Sign although another draft of this number was signed with this key. If both gather enough
    /// signatures, the network splits.
    #[arg(long)]
    pub(super) dangerous_second_draft: bool,
}

/// `publish`.
#[derive(Debug, Args)]
pub struct Publish {
    #[command(flatten)]
    pub(super) dir: Dir,
    /// The folder to be served; not needed for a charter.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// The signatures.
    #[arg(required = true)]
    pub(super) signatures: Vec<PathBuf>,
}

/// `fetch`.
#[derive(Debug, Args)]
pub struct Fetch {
    #[command(flatten)]
    pub(super) known: Known,
    /// A published folder (http://…/ or a path), or one snapshot.
    #[arg(long, value_name = "SOURCE")]
    pub(super) from: String,
}

/// `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// A snapshot, a draft or a ledger.
    pub(super) file: PathBuf,
    /// The network's file, with which signatures are verified.
    #[arg(long, value_name = "FILE")]
    pub(super) network: PathBuf,
    #[command(flatten)]
    pub(super) time: Time,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub(super) json: bool,
}
