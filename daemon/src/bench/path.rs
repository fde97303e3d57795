//! `llarpd bench path`: builds, round trips, throughput and memory of three-hop paths.

mod memory;

use std::io::{self, Write};
use std::time::Duration;

use llarp_core::client::{Client, Path, PathError, ProbeError, TunnelError};
use llarp_core::crypto::identity::RelayId;
use llarp_core::link::{DialError, StartError};
use llarp_core::path::Want;
use llarp_core::tunnel::{BiStream, ServiceName, StreamError, Tunnel};
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::time::Instant;

use super::measure::{quantile, sorted};
use super::{Bar, BarsMissed, Report, process, services};
use crate::client::{self, ClientError};
use crate::devnet::{Devnet, DevnetError};

/// Relays of the network that is measured: those that tor's has besides its authorities.
const RELAYS: usize = 6;
/// Builds of a repetition, one at a time.
const BUILDS: usize = 200;
/// Round trips of a repetition, of so many bytes.
const ROUND_TRIPS: usize = 500;
const ROUND_TRIP_BYTES: usize = 200;
/// A relay starts no more than 20 builds a second over a client's link.
const BUILD_PACE: Duration = Duration::from_millis(60);

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Repetitions.
    pub reps: usize,
    /// MiB of a transfer.
    pub mib: u64,
    /// Idle paths whose memory is measured.
    pub paths: usize,
}

/// What the goal bounds wherever it is measured; its other bars compare with tor.
#[must_use]
pub fn bars() -> Vec<Bar> {
    // Key schedules included.
    vec![Bar::new("idle_path_bytes", 4096.0)]
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The operating system.
    #[error("the operating system refuses: {0}")]
    System(#[from] io::Error),
    /// The relays.
    #[error(transparent)]
    Devnet(#[from] DevnetError),
    /// The client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// No tunnel.
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    /// A stream broke.
    #[error("a stream broke: {0}")]
    Stream(#[from] StreamError),
    /// No socket.
    #[error(transparent)]
    Start(#[from] StartError),
    /// No link.
    #[error("no link: {0}")]
    Dial(#[from] DialError),
    /// No randomness.
    #[error("no randomness from the operating system: {0}")]
    Randomness(#[from] getrandom::Error),
    /// Bytes are missing.
    #[error("{got} bytes came of {expected}")]
    Short {
        /// Bytes that were to come.
        expected: u64,
        /// Bytes that came.
        got: u64,
    },
    /// Paths that were built are not at the relays.
    #[error("relays hold {held} hops of {built} paths of three")]
    NotHeld {
        /// Paths that were built.
        built: usize,
        /// What relays count.
        held: u64,
    },
    /// A bar of the goal, after all is printed.
    #[error(transparent)]
    Bars(#[from] BarsMissed),
    /// No answer from an idle path.
    #[error("an idle path does not answer: {0}")]
    Probe(#[from] ProbeError),
    /// The relay of a path is not of this network.
    #[error("a relay's process is missing")]
    NoProcess,
}

type Result<T, E = BenchError> = std::result::Result<T, E>;

/// Measures, and says on `progress` what it does.
///
/// # Errors
/// [`BenchError`].
pub fn run(options: Options, progress: &mut dyn Write) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(options, progress))
}

/// What one repetition measures.
#[derive(Default)]
struct Taken {
    build_p50: Vec<f64>,
    build_p99: Vec<f64>,
    rtt_p50: Vec<f64>,
    down: Vec<f64>,
    up: Vec<f64>,
    relay_cpu: Vec<f64>,
    middle_cells: Vec<f64>,
    client_cpu: Vec<f64>,
    path_bytes: Vec<f64>,
    link_bytes: Vec<f64>,
}

async fn measure(options: Options, progress: &mut dyn Write) -> Result<Report> {
    let mut taken = Taken::default();
    for rep in 1..=options.reps {
        writeln!(progress, "repetition {rep} of {}", options.reps)?;
        let idle = memory::measure(options.paths).await?;
        taken.path_bytes.push(idle.path);
        taken.link_bytes.push(idle.link);
        let mut devnet = Devnet::start_for_bench(RELAYS)?;
        devnet.settle().await?;
        let (client, _) = client::on_loopback(&devnet.network)?;
        client.ready().await;
        builds(&client, &mut taken).await?;
        round_trips(&client, &mut taken).await?;
        transfer(&client, &mut devnet, options.mib, &mut taken).await?;
    }
    let mut report = Report::default();
    for (name, values) in [
        ("build_ms_p50", &taken.build_p50),
        ("build_ms_p99", &taken.build_p99),
        ("rtt_ms_p50", &taken.rtt_p50),
        ("goodput_mib_s", &taken.down),
        ("goodput_up_mib_s", &taken.up),
        ("relay_cpu_s_per_gib", &taken.relay_cpu),
        ("relay_cells_per_s_core", &taken.middle_cells),
        ("client_cpu_s_per_gib", &taken.client_cpu),
        ("idle_path_bytes", &taken.path_bytes),
        ("idle_link_bytes", &taken.link_bytes),
    ] {
        report.add(name, values);
    }
    Ok(report)
}

/// One build at a time, over links that stand.
async fn builds(client: &Client, taken: &mut Taken) -> Result<()> {
    for _ in 0..20 {
        drop(client.build(Want::Any).await?);
    }
    let mut took = Vec::with_capacity(BUILDS);
    for _ in 0..BUILDS {
        let started = Instant::now();
        let path = client.build(Want::Any).await?;
        took.push(millis(started.elapsed()));
        drop(path);
        tokio::time::sleep(BUILD_PACE).await;
    }
    let took = sorted(&took);
    taken.build_p50.extend(quantile(&took, 0.5));
    taken.build_p99.extend(quantile(&took, 0.99));
    Ok(())
}

/// 200 bytes there and back on an open stream.
async fn round_trips(client: &Client, taken: &mut Taken) -> Result<()> {
    let (_path, tunnel) = tunnel(client).await?;
    let (mut receive, mut send) = split(open(&tunnel, "echo/1").await?);
    let bytes = [7; ROUND_TRIP_BYTES];
    let mut took = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS + 20 {
        let started = Instant::now();
        send.write_all(&bytes).await?;
        receive.read_exact(&mut [0; ROUND_TRIP_BYTES]).await?;
        took.push(millis(started.elapsed()));
    }
    // The first ones warm up.
    let took = sorted(took.get(20..).unwrap_or_default());
    taken.rtt_p50.extend(quantile(&took, 0.5));
    Ok(())
}

/// One stream, down and then up, and what it costs.
async fn transfer(client: &Client, devnet: &mut Devnet, mib: u64, taken: &mut Taken) -> Result<()> {
    let (path, tunnel) = tunnel(client).await?;
    let hops = path.hops().expose().to_vec();
    let middle = *hops.get(1).ok_or(BenchError::NoProcess)?;
    download(&tunnel, 4 << 20).await?;
    let bytes = mib << 20;
    let before = Counted::take(devnet, &hops, &middle)?;
    let started = Instant::now();
    download(&tunnel, bytes).await?;
    let took = started.elapsed().as_secs_f64();
    let after = Counted::take(devnet, &hops, &middle)?;
    #[expect(clippy::cast_precision_loss, reason = "a size of a transfer")]
    let (mib, hops) = (mib as f64, hops.len() as f64);
    let gib = mib / 1024.0;
    taken.down.push(mib / took);
    let relays = after.relays - before.relays;
    taken.relay_cpu.push(relays / hops / gib);
    taken.client_cpu.push((after.client - before.client) / gib);
    let cells = after.middle_cells - before.middle_cells;
    taken
        .middle_cells
        .push(cells / (after.middle - before.middle));
    let started = Instant::now();
    upload(&tunnel, bytes).await?;
    taken.up.push(mib / started.elapsed().as_secs_f64());
    Ok(())
}

/// CPU seconds and cells so far.
struct Counted {
    relays: f64,
    middle: f64,
    client: f64,
    middle_cells: f64,
}

impl Counted {
    fn take(devnet: &mut Devnet, hops: &[RelayId], middle: &RelayId) -> Result<Self> {
        let cpu = |relay: &RelayId| -> Result<f64> {
            let pid = devnet.pid(relay).ok_or(BenchError::NoProcess)?;
            Ok(process::cpu_seconds(pid)?)
        };
        let relays = hops.iter().map(cpu).sum::<Result<f64>>()?;
        let middle_cpu = cpu(middle)?;
        let cells = devnet.stat(middle, "forwarded")?;
        #[expect(clippy::cast_precision_loss, reason = "a count of cells")]
        Ok(Self {
            relays,
            middle: middle_cpu,
            client: process::cpu_seconds(std::process::id())?,
            middle_cells: cells as f64,
        })
    }
}

async fn tunnel(client: &Client) -> Result<(Path, Tunnel)> {
    let path = client.build(Want::Any).await?;
    let tunnel = client.tunnel(&path).await?;
    Ok((path, tunnel))
}

async fn open(tunnel: &Tunnel, name: &str) -> Result<BiStream> {
    let name = ServiceName::new(name).map_err(io::Error::other)?;
    Ok(tunnel.open_bi(&name).await?)
}

async fn download(tunnel: &Tunnel, bytes: u64) -> Result<()> {
    let mut stream = open(tunnel, services::SOURCE).await?;
    stream.write_all(&bytes.to_be_bytes()).await?;
    stream.finish();
    let mut buffer = vec![0; 64 << 10];
    let mut got = 0;
    while let Some(len) = stream.read(&mut buffer).await? {
        got += len as u64;
    }
    whole(bytes, got)
}

async fn upload(tunnel: &Tunnel, bytes: u64) -> Result<()> {
    let mut stream = open(tunnel, services::SINK).await?;
    let buffer = vec![0x5a; 64 << 10];
    let mut left = bytes;
    while left > 0 {
        let now = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        stream.write_all(&buffer[..now]).await?;
        left -= now as u64;
    }
    stream.finish();
    let said = stream.read_to_end(8).await?;
    whole(
        bytes,
        said.first_chunk()
            .map_or(0, |said| u64::from_be_bytes(*said)),
    )
}

fn whole(expected: u64, got: u64) -> Result<()> {
    (expected == got)
        .then_some(())
        .ok_or(BenchError::Short { expected, got })
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
