//! The command line.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::demo;

/// The llarp daemon: onion-routed paths that people can trust with who talks to whom.
///
/// This is an early version: the data plane's formats and cryptography are there, links over real
/// sockets are not. `llarpd demo` shows what there is.
#[derive(Debug, Parser)]
#[command(name = "llarpd", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build a path over three relays, send a cell each way, and try to cheat; all in memory.
    ///
    /// Exits with 0 only if every scene went as it should.
    Demo,
}

/// Runs what the command line asks for, with its text to `out`.
pub fn run(cli: &Cli, out: &mut dyn Write) -> ExitCode {
    let Command::Demo = cli.command;
    match demo::run(out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do if even this cannot be written.
            let _ = writeln!(out, "\nThe demo failed: {error}");
            ExitCode::FAILURE
        }
    }
}
