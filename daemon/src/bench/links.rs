//! `llarpd bench links`: what a handshake costs a relay, and what a flood of them can take.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::RelayId;
use llarp_core::link::{Endpoint, EndpointConfig, Role};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::path::BenchError;
use super::{Report, process};
use crate::devnet::Devnet;
use crate::relay::fresh;

/// Relays of the network, of which one is dialled: a registry has three at least.
const RELAYS: usize = 3;
/// Handshakes that are measured, far below what a relay takes.
const CALM_DIALS: u32 = 500;
const CALM_PACE: Duration = Duration::from_millis(10);
/// Machines that flood, each at an address of its own, and for how long.
const FLOODERS: u8 = 64;
const FLOOD_TIME: Duration = Duration::from_secs(10);

/// What the repetitions measure.
#[derive(Default)]
struct Taken {
    handshake_us: Vec<f64>,
    dials: Vec<f64>,
    handshakes: Vec<f64>,
    share: Vec<f64>,
}

/// The relay that is dialled.
#[derive(Clone, Copy)]
struct Target {
    network: NetworkId,
    relay: RelayId,
    address: SocketAddr,
    pid: u32,
}

/// Measures, and says on `progress` what it does.
///
/// # Errors
/// [`BenchError`].
pub fn run(reps: usize, progress: &mut dyn Write) -> Result<Report, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(reps, progress))
}

async fn measure(reps: usize, progress: &mut dyn Write) -> Result<Report, BenchError> {
    let mut taken = Taken::default();
    for rep in 1..=reps {
        writeln!(progress, "repetition {rep} of {reps}")?;
        let mut devnet = Devnet::start(RELAYS)?;
        devnet.settle().await?;
        let first = devnet.network.bootstrap().first();
        let first = first.ok_or(BenchError::NoProcess)?;
        let target = Target {
            network: devnet.network.network(),
            relay: first.relay,
            address: first.address,
            pid: devnet.pid(&first.relay).ok_or(BenchError::NoProcess)?,
        };
        calm(target, &mut taken).await?;
        flood(target, &mut devnet, &mut taken).await?;
    }
    let mut report = Report::default();
    report.add("handshake_cpu_us", &taken.handshake_us);
    report.add("flood_dials_per_s", &taken.dials);
    report.add("flood_handshakes_per_s", &taken.handshakes);
    report.add("flood_cpu_share", &taken.share);
    Ok(report)
}

/// One handshake after the other, none of which is refused.
async fn calm(target: Target, taken: &mut Taken) -> Result<(), BenchError> {
    let endpoint = target.endpoint(1)?;
    let before = process::cpu_seconds(target.pid)?;
    for _ in 0..CALM_DIALS {
        drop(endpoint.dial(&target.relay, target.address).await?);
        sleep(CALM_PACE).await;
    }
    let used = process::cpu_seconds(target.pid)? - before;
    taken.handshake_us.push(used / f64::from(CALM_DIALS) * 1e6);
    Ok(())
}

/// As many dials as this process can make.
async fn flood(target: Target, devnet: &mut Devnet, taken: &mut Taken) -> Result<(), BenchError> {
    let mut floods = JoinSet::new();
    let before = process::cpu_seconds(target.pid)?;
    let welcomed = devnet.stat(&target.relay, "handshakes")?;
    let began = Instant::now();
    for last in 2..FLOODERS + 2 {
        let endpoint = target.endpoint(last)?;
        floods.spawn(async move {
            let mut dials = 0_u32;
            while began.elapsed() < FLOOD_TIME {
                // Refused or not: the next one.
                drop(endpoint.dial(&target.relay, target.address).await);
                dials += 1;
            }
            dials
        });
    }
    let dials: u32 = floods.join_all().await.into_iter().sum();
    let took = began.elapsed().as_secs_f64();
    let used = process::cpu_seconds(target.pid)? - before;
    let welcomed = devnet.stat(&target.relay, "handshakes")? - welcomed;
    taken.dials.push(f64::from(dials) / took);
    #[expect(clippy::cast_precision_loss, reason = "a count of handshakes")]
    taken.handshakes.push(welcomed as f64 / took);
    taken.share.push(used / took);
    Ok(())
}

impl Target {
    /// A client of its own address on loopback.
    fn endpoint(&self, last: u8) -> Result<Endpoint, BenchError> {
        let config = EndpointConfig::new(Role::Client, self.network, fresh()?);
        let from = Ipv4Addr::new(127, 0, 2, last);
        Ok(Endpoint::bind(config, SocketAddr::from((from, 0)))?)
    }
}
