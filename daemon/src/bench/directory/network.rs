//! The network that is measured: all its relays in one process, each with a socket, over one
//! directory that they share.
//!
//! ```text
//! in    age           1 % of descriptors new, 1 % of relays leave, as many join
//!       two hours     1 in 12 descriptors new: what two hours bring, if each relay signs one a day
//! out   a line of JSON: the head of the directory, and once what making it took
//! ```

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use llarp_core::build::ReplayCache;
use llarp_core::clock::Clock;
use llarp_core::crypto::identity::SecretKey;
use llarp_core::directory::{DirectoryService, NetworkView, Verify, ViewConfig};
use llarp_core::link::{Endpoint, EndpointConfig, Role};
use llarp_core::registry::{Changes, Delta, Document};
use llarp_core::relay::{Handshakes, KeyRing, KeysInMemory, Registered, Relay, RelayConfig};
use llarp_core::store::Store;
use llarp_core::tunnel::Services;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::time::timeout;

use super::super::process;
use super::registry::{
    Authorities, BOOTSTRAP, HOUR, Result, START, Synthetic, bootstrap, network, relays, root,
};
use crate::relay::fresh;

/// How long the relays may take to tell of themselves.
const PATIENCE: Duration = Duration::from_secs(30);

/// A relay in so many joins and leaves in the hour in which a client is away.
const CHURN: u16 = 100;
/// Parts of a day between two comparisons of a client.
const ROUNDS: u16 = 12;

/// Directories are made until they name so many relays together, for their memory to be seen.
const COPIED_RELAYS: u32 = 4000;

struct Network {
    count: u16,
    port: u16,
    authorities: Authorities,
    view: NetworkView,
    /// What making the directory took.
    made: Value,
    /// Bytes of the delta to the newest snapshot.
    delta: Option<usize>,
    running: Vec<Relay>,
}

/// Runs a network of `count` relays until standard input ends.
///
/// # Errors
/// The operating system's, for the most part: each relay needs a socket.
pub fn run(count: u16, port: u16, out: &mut dyn Write) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()?;
    runtime.block_on(serve(count, port, out))
}

async fn serve(count: u16, port: u16, out: &mut dyn Write) -> Result<()> {
    let mut network = Network::new(count, port)?;
    network.start().await?;
    network.say(out)?;
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        match line.as_str() {
            "age" => network.age()?,
            "two hours" => network.pass_two_hours()?,
            _ => (),
        }
        network.say(out)?;
    }
    Ok(())
}

impl Network {
    /// Relays on paper, with their documents.
    fn new(count: u16, port: u16) -> Result<Self> {
        let mut authorities = Authorities::new()?;
        let registered = relays(0..count, port).map(Synthetic::registration);
        let snapshot = authorities.first(registered.collect())?;
        let mut documents = Vec::new();
        for relay in relays(BOOTSTRAP..count, port) {
            documents.push(relay.descriptor(START - HOUR)?);
            documents.push(relay.key_set());
        }
        let pid = std::process::id();
        let cpu = || process::cpu_seconds(pid);
        // What earlier work has freed would hide one small directory's memory.
        let copies = COPIED_RELAYS / u32::from(count) + 1;
        let before = process::private_bytes(pid)?;
        let (mut views, mut made_s, mut learn_s) = (Vec::new(), 0.0, 0.0);
        for _ in 0..copies {
            let began = cpu()?;
            let view = empty_view(port)?;
            view.offer_snapshot(&snapshot)?;
            let learning = cpu()?;
            learn(&view, &documents)?;
            let learned = cpu()?;
            made_s += learned - began;
            learn_s += learned - learning;
            views.push(view);
        }
        let private = process::private_bytes(pid)?.saturating_sub(before);
        let view = views.swap_remove(0);
        drop(views);
        let knowing = cpu()?;
        learn(&view, &documents)?;
        let known_s = cpu()? - knowing;
        let copies = f64::from(copies);
        #[expect(clippy::cast_precision_loss, reason = "bytes of memory")]
        let bytes = private as f64 / copies;
        let made = json!({
            "documents": documents.len(),
            "bytes": bytes,
            "cpu_s": made_s / copies,
            "learn_s": learn_s / copies,
            "known_s": known_s,
            "snapshot": snapshot.len(),
        });
        Ok(Self {
            count,
            port,
            authorities,
            view,
            made,
            delta: None,
            running: Vec::new(),
        })
    }

    /// Starts all relays, and those that are to join; waits until the first ones told of themselves.
    async fn start(&mut self) -> Result<()> {
        for relay in relays(0..self.count + self.count / CHURN, self.port) {
            let config = self.config(relay)?;
            let role = Role::Relay {
                key: Arc::clone(&config.key),
                known: Arc::new(self.view.clone()),
            };
            let config_of_links = EndpointConfig::new(role, network(), fresh()?);
            let endpoint = Endpoint::bind(config_of_links, SocketAddr::V4(relay.at()));
            let endpoint = endpoint.map_err(|error| {
                format!("{error}; a socket a relay is needed: raise `ulimit -n`")
            })?;
            self.running.push(Relay::start(config, endpoint)?);
        }
        let mut changes = self.view.changes();
        let all = usize::from(self.count);
        let documents = |view: &NetworkView| -> usize {
            let trees = view.read(|directory| directory.head().trees);
            trees.iter().map(|tree| usize::from(tree.count)).sum()
        };
        while documents(&self.view) < 2 * all {
            timeout(PATIENCE, changes.changed()).await??;
        }
        Ok(())
    }

    /// Relays that everybody knows are relays in full. The others answer at the ends of paths, and
    /// neither compare nor gossip: they share the directory with those.
    fn config(&self, relay: Synthetic) -> Result<RelayConfig> {
        let mut rng = ChaCha20Rng::from_seed(*fresh()?.expose());
        let key = Arc::new(relay.key());
        let id = key.relay_id();
        let services = Services::new()
            .with(Arc::new(DirectoryService::new(self.view.clone())))
            .and_then(|services| services.described(id))?;
        let in_full = relay.number < BOOTSTRAP;
        let registered = in_full.then(|| self.registered(relay, &key, &mut rng));
        Ok(RelayConfig {
            network: network(),
            key,
            registered: registered.transpose()?,
            onion: vec![relay.onion()],
            replays: ReplayCache::for_fresh_keys(&mut rng),
            directory: Arc::new(self.view.clone()),
            clock: Clock::set_to(Duration::from_secs(START)),
            seed: fresh()?,
            handshakes: Handshakes::OtherThreads,
            services,
        })
    }

    fn registered(
        &self,
        relay: Synthetic,
        key: &SecretKey,
        rng: &mut ChaCha20Rng,
    ) -> Result<Registered> {
        let store = Arc::<KeysInMemory>::default();
        // Keys that are there already are announced at once. A relay with fresh ones first asks another what
        // it knows of it, and most relays here answer nothing of the kind.
        drop(KeyRing::open(
            network(),
            key.relay_id(),
            store.clone(),
            Some(START),
            rng,
        )?);
        Ok(Registered {
            view: self.view.clone(),
            addresses: relay.addresses()?,
            family: None,
            capacity: 10_000,
            ring: KeyRing::open(network(), key.relay_id(), store, Some(START), rng)?,
        })
    }

    /// What an hour does.
    fn age(&mut self) -> Result<()> {
        let some = self.count / CHURN;
        let leaving = BOOTSTRAP..BOOTSTRAP + some;
        let joining = self.count..self.count + some;
        let changes = Changes {
            add: relays(joining.clone(), self.port)
                .map(Synthetic::registration)
                .collect(),
            remove: relays(leaving.clone(), self.port)
                .map(|relay| relay.key().relay_id())
                .collect(),
            change: Vec::new(),
        };
        let base = self.authorities.newest()?;
        let snapshot = self.authorities.next(changes)?;
        let delta = Delta::between(&base, &self.authorities.newest()?)?;
        self.delta = Some(delta.encode().len());
        self.view.offer_snapshot(&snapshot)?;
        for relay in relays(joining, self.port) {
            learn(&self.view, &[relay.descriptor(START)?, relay.key_set()])?;
        }
        self.renew(leaving.end..leaving.end + some, START)
    }

    fn pass_two_hours(&self) -> Result<()> {
        let first = BOOTSTRAP + 2 * (self.count / CHURN);
        self.renew(first..first + self.count / ROUNDS, START)
    }

    fn renew(&self, numbers: std::ops::Range<u16>, issued: u64) -> Result<()> {
        for relay in relays(numbers, self.port) {
            learn(&self.view, &[relay.descriptor(issued)?])?;
        }
        Ok(())
    }

    fn say(&self, out: &mut dyn Write) -> Result<()> {
        let head = self
            .view
            .read(|directory| format!("{:?}", directory.head()));
        let said = json!({ "head": head, "made": self.made, "delta": self.delta });
        writeln!(out, "{said}")?;
        Ok(out.flush()?)
    }
}

/// A directory that knows nothing yet.
fn empty_view(port: u16) -> Result<NetworkView> {
    let config = ViewConfig {
        network: network(),
        root: root()?.into(),
        bootstrap: bootstrap(port),
        clock: Clock::set_to(Duration::from_secs(START)),
        store: Store::in_memory(),
        verify: Verify::OtherThreads,
    };
    Ok(NetworkView::open(config)?)
}

fn learn(view: &NetworkView, documents: &[Document]) -> Result<()> {
    for document in documents {
        view.learn(document.clone())?;
    }
    Ok(())
}
