//! The client that is measured, in this process: a cold start, a warm one, and what it does after.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use llarp_core::client::{Client, ClientConfig, Relays};
use llarp_core::clock::Clock;
use llarp_core::directory::{NetworkView, Verify, ViewConfig, Way, compare, look};
use llarp_core::link::{Endpoint, EndpointConfig, Role};
use llarp_core::path::{Diversity, Want};
use llarp_core::registry::directory::Trust;
use llarp_core::store::{KeyRange, Store, StoreOptions, TableId};
use llarp_core::tunnel::TunnelCode;
use llarp_core::wire::limits::DIRECTORY_SOURCES;
use tokio::time::{Instant, sleep, timeout};

use super::super::process;
use super::registry::{Result, START, bootstrap, network, root};
use crate::relay::fresh;

/// How long anything may take. On the slowest machine nothing here takes half of it.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often the disk is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Comparisons over a link, of which the mean is taken.
pub(super) const COMPARISONS: u32 = 10;

/// Where a client lives, from one start to the next.
pub(super) struct Home {
    pub(super) dir: PathBuf,
    pub(super) port: u16,
    /// When the network's clocks said [`START`].
    pub(super) began: Instant,
}

/// What the network looks like to a client that is up to date.
pub(super) struct Expected {
    /// The head of the directory.
    pub(super) head: String,
    /// Its relays.
    pub(super) relays: usize,
}

/// A client that runs.
pub(super) struct Running {
    client: Client,
    pub(super) view: NetworkView,
    store: Store,
    started: Instant,
    cpu: f64,
}

/// What a start came to. Times in ms since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Started {
    /// The store is open, what it has is read.
    pub(super) open_ms: f64,
    /// The network is known.
    pub(super) ready_ms: f64,
    /// The first path stands.
    pub(super) path_ms: f64,
    /// All that changed is known.
    pub(super) current_ms: f64,
    /// Requests and replies.
    pub(super) bytes: f64,
    /// CPU of the client until then.
    pub(super) cpu_s: f64,
}

/// What a comparison came to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Compared {
    pub(super) bytes: f64,
    pub(super) cpu_s: f64,
}

impl Home {
    /// Starts a client, and waits until it knows what is `expected`.
    pub(super) async fn start(&self, expected: &Expected) -> Result<(Running, Started)> {
        let (started, cpu) = (Instant::now(), own_cpu()?);
        let store = Store::open(&self.dir, StoreOptions::default())?;
        let clock = Clock::set_to(Duration::from_secs(START) + self.began.elapsed());
        let view = NetworkView::open(ViewConfig {
            network: network(),
            root: root()?.into(),
            bootstrap: bootstrap(self.port),
            clock,
            store: store.clone(),
            verify: Verify::OtherThreads,
        })?;
        let open_ms = millis(started);
        let config = ClientConfig {
            network: network(),
            relays: Relays::Learned(view.clone()),
            // All relays are one machine.
            diversity: Diversity::dangerous_same_subnet(),
            store: store.clone(),
            clock,
            seed: fresh()?,
        };
        let client = Client::start(config, endpoint()?)?;
        let running = Running {
            client,
            view,
            store,
            started,
            cpu,
        };
        let mut came_to = timeout(PATIENCE, running.until_current(expected)).await??;
        came_to.open_ms = open_ms;
        Ok((running, came_to))
    }
}

impl Running {
    async fn until_current(&self, expected: &Expected) -> Result<Started> {
        let mut came_to = Started::default();
        let first_path = async {
            self.client.ready().await;
            let ready_ms = millis(self.started);
            let path = self.client.build(Want::Any).await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>((
                ready_ms,
                millis(self.started),
                path,
            ))
        };
        let current = async {
            self.knows(expected).await?;
            Ok((millis(self.started), self.view.traffic(), own_cpu()?))
        };
        let ((ready_ms, path_ms, _path), (current_ms, bytes, cpu)) =
            tokio::try_join!(first_path, current)?;
        came_to.ready_ms = ready_ms;
        came_to.path_ms = path_ms;
        came_to.current_ms = current_ms;
        came_to.bytes = count(bytes);
        came_to.cpu_s = cpu - self.cpu;
        Ok(came_to)
    }

    async fn knows(&self, expected: &Expected) -> Result<()> {
        let mut changes = self.view.changes();
        let head = |view: &NetworkView| view.read(|directory| format!("{:?}", directory.head()));
        while head(&self.view) != expected.head
            || self.view.relays(Trust::Accepted).len() != expected.relays
        {
            changes.changed().await?;
        }
        Ok(())
    }

    /// Waits until the disk has the guards, and of all relays what is known.
    pub(super) async fn kept(&self, relays: usize) -> Result<()> {
        let kept = async {
            while rows(&self.store, TableId("directory"))? < relays
                || rows(&self.store, TableId("ledger"))? == 0
                || rows(&self.store, TableId("client"))? == 0
            {
                sleep(LOOK).await;
            }
            Ok(())
        };
        timeout(PATIENCE, kept).await?
    }

    /// Compares with four relays through paths of their own, as a client does now and then.
    pub(super) async fn round(&self) -> Result<Compared> {
        let (bytes, cpu) = (self.view.traffic(), own_cpu()?);
        let list = self.client.relays();
        let apart = (list.len() / DIRECTORY_SOURCES).max(1);
        let terminals: BTreeSet<_> = list.iter().step_by(apart).map(|relay| relay.id).collect();
        let (mut paths, mut ways, mut tunnels) = (Vec::new(), Vec::new(), Vec::new());
        for terminal in terminals.into_iter().take(DIRECTORY_SOURCES) {
            let path = self.client.build(Want::Terminal(terminal)).await?;
            let tunnel = self.client.tunnel(&path).await?;
            ways.push(Way::Tunnel(tunnel.clone()));
            tunnels.push(tunnel);
            paths.push(path);
        }
        let seen = look(&self.view, &ways).await.len();
        let compared = compare(&self.view, &ways, true).await;
        for tunnel in tunnels {
            tunnel.close(TunnelCode::Done);
        }
        if seen.min(compared.outcome.answered) < DIRECTORY_SOURCES {
            return Err("a source of a comparison did not answer".into());
        }
        Ok(Compared {
            bytes: count(self.view.traffic() - bytes),
            cpu_s: own_cpu()? - cpu,
        })
    }

    /// Looks at one relay over a link, as relays do each minute: all times together.
    pub(super) async fn compare_as_relay(&self) -> Result<Compared> {
        let endpoint = endpoint()?;
        let relay = *self.view.bootstrap().first().ok_or("no bootstrap relay")?;
        let link = endpoint.dial(&relay.relay, relay.address).await?;
        let ways = [Way::Link(link)];
        let (bytes, cpu) = (self.view.traffic(), own_cpu()?);
        for _ in 0..COMPARISONS {
            let seen = look(&self.view, &ways).await;
            if !seen.iter().any(|seen| seen.is_same(&self.view, true)) {
                return Err("the relay of a comparison does not have the same".into());
            }
        }
        Ok(Compared {
            bytes: count(self.view.traffic() - bytes),
            cpu_s: own_cpu()? - cpu,
        })
    }
}

fn endpoint() -> Result<Endpoint> {
    let config = EndpointConfig::new(Role::Client, network(), fresh()?);
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Ok(Endpoint::bind(config, any_port)?)
}

fn rows(store: &Store, table: TableId) -> Result<usize> {
    Ok(store.read(|snapshot| {
        let mut rows = 0;
        snapshot.scan(table, &KeyRange::all(), |_, _| {
            rows += 1;
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    })?)
}

fn own_cpu() -> Result<f64> {
    Ok(process::cpu_seconds(std::process::id())?)
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "bytes of a directory")]
const fn count(bytes: u64) -> f64 {
    bytes as f64
}
