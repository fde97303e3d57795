//! What relays keep for paths and links that nobody uses.
//!
//! In a network of its own, in which nothing else ran: what a transfer or closed paths have freed would
//! serve new ones, which would then seem to cost less than they do. Paths are asked once, as clients ask
//! idle ones within 75 s: a relay's filters begin with the first cell.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use llarp_core::client::{Client, Path};
use llarp_core::link::{Endpoint, EndpointConfig, Link, Role};
use llarp_core::path::Want;
use tokio::time::sleep;

use super::super::process;
use super::{BUILD_PACE, BenchError, RELAYS, Result};
use crate::client;
use crate::devnet::Devnet;
use crate::relay::fresh;

/// Clients that hold the paths: a relay lets none have more than 256 over a link.
const CLIENTS: usize = 12;

/// Paths of each client before anything is counted: they take up what the start has freed, and make
/// clients and relays set up their links.
const WARM_UP: usize = 20;

/// How long what builds have stirred up may take to settle.
const REST: Duration = Duration::from_secs(2);

/// Links whose memory is measured, and how many come from one loopback address: a relay lets no source
/// have many.
const LINKS: usize = 200;
const LINKS_FROM_ONE: usize = 50;

/// Time from one dial to the next: a relay need not take many handshakes at once.
const LINK_PACE: Duration = Duration::from_millis(10);

/// Bytes that a relay grows by.
pub(super) struct Idle {
    /// For a path.
    pub(super) path: f64,
    /// For a client's link.
    pub(super) link: f64,
}

/// Of `paths` paths, and of some links.
pub(super) async fn measure(paths: usize) -> Result<Idle> {
    let mut devnet = Devnet::start_for_bench(RELAYS)?;
    devnet.settle().await?;
    let clients = clients(&devnet).await?;
    let mut held = Vec::with_capacity(paths);
    hold(&clients, WARM_UP * CLIENTS, &mut held).await?;
    let before = Kept::take(&mut devnet)?;
    hold(&clients, paths, &mut held).await?;
    let after = Kept::take(&mut devnet)?;
    let hops = after.hops.saturating_sub(before.hops);
    // Paths to the directory that clients close meanwhile are missing among them.
    if hops * 20 < 3 * 19 * paths as u64 {
        let (built, held) = (paths, hops);
        return Err(BenchError::NotHeld { built, held });
    }
    let path = per(before.bytes, after.bytes, hops);
    // The paths stay, so that links do not live on what they leave.
    let link = links(&devnet).await?;
    drop(held);
    Ok(Idle { path, link })
}

async fn clients(devnet: &Devnet) -> Result<Vec<Client>> {
    let mut clients = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        let (client, _) = client::on_loopback(&devnet.network)?;
        client.ready().await;
        clients.push(client);
    }
    Ok(clients)
}

/// Builds `count` more paths, by clients in turn, asks each once, and lets all come to rest.
async fn hold(clients: &[Client], count: usize, held: &mut Vec<Path>) -> Result<()> {
    let first = held.len();
    let mut turn = clients.iter().cycle();
    let clients = u32::try_from(clients.len()).unwrap_or(u32::MAX);
    for client in turn.by_ref().take(count) {
        held.push(client.build(Want::Any).await?);
        sleep(BUILD_PACE / clients).await;
    }
    for path in held.iter().skip(first) {
        let terminal = path.hops().expose().len().saturating_sub(1);
        path.probe(terminal).await?;
    }
    sleep(REST).await;
    Ok(())
}

/// What all relays have.
struct Kept {
    /// In memory, of their own.
    bytes: u64,
    /// Paths, each counted by each of its relays.
    hops: u64,
}

impl Kept {
    fn take(devnet: &mut Devnet) -> Result<Self> {
        let relays: Vec<_> = devnet.ids().collect();
        let (mut bytes, mut hops) = (0, 0);
        for relay in relays {
            let pid = devnet.pid(&relay).ok_or(BenchError::NoProcess)?;
            bytes += process::private_bytes(pid)?;
            hops += devnet.stat(&relay, "paths")?;
        }
        Ok(Self { bytes, hops })
    }
}

/// What one relay keeps for a link.
async fn links(devnet: &Devnet) -> Result<f64> {
    let relay = *devnet
        .network
        .bootstrap()
        .first()
        .ok_or(BenchError::NoProcess)?;
    let pid = devnet.pid(&relay.relay).ok_or(BenchError::NoProcess)?;
    let before = process::private_bytes(pid)?;
    let mut held: Vec<(Endpoint, Vec<Link>)> = Vec::new();
    for number in 0..LINKS.div_ceil(LINKS_FROM_ONE) {
        let from = u32::from(Ipv4Addr::new(127, 0, 1, 1)) + u32::try_from(number).unwrap_or(0);
        let config = EndpointConfig::new(Role::Client, devnet.network.network(), fresh()?);
        let endpoint = Endpoint::bind(config, SocketAddr::from((Ipv4Addr::from(from), 0)))?;
        let mut links = Vec::with_capacity(LINKS_FROM_ONE);
        for _ in 0..LINKS_FROM_ONE {
            links.push(endpoint.dial(&relay.relay, relay.address).await?);
            sleep(LINK_PACE).await;
        }
        held.push((endpoint, links));
    }
    let links: usize = held.iter().map(|(_, links)| links.len()).sum();
    Ok(per(before, process::private_bytes(pid)?, links as u64))
}

fn per(before: u64, after: u64, count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
    let (grown, count) = (after.saturating_sub(before) as f64, count as f64);
    grown / count
}
