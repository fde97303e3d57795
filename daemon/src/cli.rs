//! The command line.

use std::fmt::Display;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::bench::directory::{self, DirectoryBenchError, network};
use crate::bench::path::{self, BenchError};
use crate::bench::{Report, links};
use crate::place::FamilyName;
use crate::sources::Source;
use crate::{demo, registry, relay};

/// The llarp daemon: onion-routed paths that people can trust with who talks to whom.
///
/// This is an early version: relays and paths run, sessions between people do not yet.
/// `llarpd demo` shows what there is.
#[derive(Debug, Parser)]
#[command(name = "llarpd", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start twelve relays on this machine, build a path, kill a relay of it, and go on.
    ///
    /// Exits with 0 only if every scene went as it should.
    Demo,
    /// Make a relay's key in a folder, and print the relay's name.
    ///
    /// The name is what the network's authorities add to the registry.
    Keygen {
        /// The folder, which is made if it is missing.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
    /// Run a relay.
    ///
    /// Its folder holds `relay.key`; onion keys and what it learns of the network are kept there, too.
    /// The relay serves UDP at its address, says so in one line, and runs until SIGTERM or SIGINT,
    /// after which it tells its peers and leaves. Other relays let it in once the network's
    /// authorities have added it to the registry.
    Relay(RelayArgs),
    /// Measure what things cost, on relays of its own over loopback.
    ///
    /// Figures depend on the machine and on what else it does: compare only what was measured in
    /// the same hour. docs/benchmarks.md says what each figure means.
    #[command(subcommand)]
    Bench(Bench),
    /// Who decides which relays count: make a network's registry, sign it, publish it, look at it.
    #[command(subcommand)]
    Registry(registry::args::RegistryCommand),
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Three-hop paths: builds, round trips, throughput, CPU and memory of relays.
    ///
    /// Exits with an error, after it has printed all figures, if an idle path costs a relay more than
    /// 4096 bytes (`idle_path_bytes`). The goal's other bars are relative to tor: see
    /// docs/benchmarks.md.
    Path {
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
        /// Repetitions; a figure is their median.
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
        reps: u16,
        /// Size of a transfer; one path carries no more than 1.2 GiB each way.
        #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1000))]
        mib: u64,
        /// Idle paths whose memory is measured. Of few, pages and buffers weigh more than the paths.
        #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u16).range(100..=2500))]
        paths: u16,
    },
    /// Handshakes of links: what one costs a relay, and what a flood of them takes.
    Links {
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
        /// Repetitions; a figure is their median.
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
        reps: u16,
    },
    /// The directory: bytes, CPU and times of clients and relays, by the size of the network.
    ///
    /// Exits with an error, after it has printed all figures, if a network of at most 1,000 relays misses
    /// a bar: a cold start in 2.5 MB (`cold_bytes`), a warm one in 100 KB (`warm_bytes`), and 300 ms to
    /// its first path (`warm_path_ms`).
    Directory {
        /// Print one JSON object instead of a table.
        #[arg(long)]
        json: bool,
        /// Repetitions; a figure is their median.
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
        reps: u16,
        /// Sizes of the networks. Each relay has a socket: 10,000 need `ulimit -n 12000`.
        #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = directory::SIZES, value_parser = clap::value_parser!(u16).range(100..=15_000))]
        relays: Vec<u16>,
    },
    /// The network that `directory` measures, until standard input ends.
    #[command(hide = true)]
    DirectoryNetwork {
        /// Relays.
        #[arg(long)]
        relays: u16,
        /// The UDP port of all of them, each at an address of its own.
        #[arg(long)]
        port: u16,
    },
}

#[derive(Debug, Args)]
struct RelayArgs {
    /// The folder with the relay's keys.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The network's file, as its authorities hand it out (`llarpd registry create`).
    #[arg(long, value_name = "FILE")]
    network: PathBuf,
    /// Where the relay is reached, from outside: an IPv4 address, an IPv6 address in brackets or, given
    /// twice, one of each. It serves UDP there.
    #[arg(long, value_name = "IP:PORT", required = true)]
    address: Vec<SocketAddr>,
    /// Where the relay listens, if not at its address: 0.0.0.0:1090 behind a router that passes packets
    /// on. With two addresses it listens at all of this machine's, if both have one port.
    #[arg(long, value_name = "IP:PORT")]
    bind: Option<SocketAddr>,
    /// What your relays have in common, if you run several: one name, or 64 hex digits, for all. No
    /// path has two relays of a family. What the registry says of a relay's family counts first.
    #[arg(long, value_name = "NAME|HASH")]
    family: Option<FamilyName>,
    /// Where snapshots of the registry are published: a file, a folder, or http://…; looked at now and
    /// then. Without one, other relays are asked.
    #[arg(long, value_name = "PATH|URL", value_parser = Source::parse)]
    registry: Option<Source>,
    /// Also stop when standard input ends.
    #[arg(long)]
    until_stdin_ends: bool,
    /// Offer what `bench` needs. Anybody could use it to load the relay.
    #[arg(long, hide = true)]
    dangerous_bench_services: bool,
}

/// Runs what the command line asks for, with its text to `out`.
pub fn run(cli: Cli, out: &mut dyn Write) -> ExitCode {
    let (what, ran) = match cli.command {
        Command::Registry(command) => return exit(registry::run(command, out)),
        Command::Demo => ("demo", demo::run(out).map_err(|error| error.to_string())),
        Command::Keygen { dir } => {
            let ran = relay::keygen(&dir, out);
            ("key", ran.map_err(|error| error.to_string()))
        }
        Command::Relay(args) => {
            let ran = relay::run(&args.into(), out);
            ("relay", ran.map_err(|error| error.to_string()))
        }
        Command::Bench(Bench::Path {
            json,
            reps,
            mib,
            paths,
        }) => {
            let options = path::Options {
                reps: reps.into(),
                mib,
                paths: paths.into(),
            };
            return exit(bench_path(json, options, out));
        }
        Command::Bench(Bench::Links { json, reps }) => {
            return exit(bench_links(json, reps.into(), out));
        }
        Command::Bench(Bench::Directory { json, reps, relays }) => {
            return exit(bench_directory(json, reps.into(), &relays, out));
        }
        Command::Bench(Bench::DirectoryNetwork { relays, port }) => {
            let ran = network::run(relays, port, out);
            ("bench's network", ran.map_err(|error| error.to_string()))
        }
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do if even this cannot be written.
            let _ = writeln!(out, "\nThe {what} failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Errors go to standard error in one line: what scripts read from standard output is whole or empty.
fn exit<E: Display>(ran: Result<(), E>) -> ExitCode {
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench_path(json: bool, options: path::Options, out: &mut dyn Write) -> Result<(), BenchError> {
    let report = path::run(options, &mut std::io::stderr())?;
    print(&report, json, out)?;
    Ok(report.hold(&path::bars())?)
}

fn bench_links(json: bool, reps: usize, out: &mut dyn Write) -> Result<(), BenchError> {
    let report = links::run(reps, &mut std::io::stderr())?;
    Ok(print(&report, json, out)?)
}

fn bench_directory(
    json: bool,
    reps: usize,
    relays: &[u16],
    out: &mut dyn Write,
) -> Result<(), DirectoryBenchError> {
    let report = directory::run(reps, relays, &mut std::io::stderr())?;
    print(&report, json, out)?;
    Ok(report.hold(&directory::bars(relays))?)
}

fn print(report: &Report, json: bool, out: &mut dyn Write) -> std::io::Result<()> {
    if json {
        report.write_json(out)
    } else {
        report.write_table(out)
    }
}

impl From<RelayArgs> for relay::RelayFiles {
    fn from(args: RelayArgs) -> Self {
        Self {
            dir: args.dir,
            network: args.network,
            addresses: args.address,
            bind: args.bind,
            family: args.family,
            registry: args.registry,
            until_stdin_ends: args.until_stdin_ends,
            bench_services: args.dangerous_bench_services,
        }
    }
}
