//! What a running node says on standard error: warnings and errors of our own code. Nobody else's:
//! libraries know addresses, and what they log is not ours to answer for.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// From now on warnings and errors are written, a line each. Once a process; later calls change
/// nothing.
pub fn to_stderr() {
    let ours = ["llarp_core", "llarp_daemon", "llarp_dht"];
    let ours = ours.map(|target| (target, LevelFilter::WARN));
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false);
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(Targets::new().with_targets(ours))
        .try_init();
}
