//! The `llarpd` binary.

use std::process::ExitCode;

use clap::Parser;
use llarp_daemon::cli::{Cli, run};

fn main() -> ExitCode {
    run(Cli::parse(), &mut std::io::stdout())
}
