//! `llarpd bench directory`: what the directory costs clients and relays, by the size of the network.
//!
//! In: sizes. Out: a report of which each key ends in the size. The network is a process of its own
//! ([`network`]), the client is this one.
//!
//! ```text
//!  cold start ─▶ on its disk ─▶ "age" ─▶ warm start ─▶ comparisons ─▶ "two hours" ─▶ one more
//! ```

mod client;
mod day;
pub mod network;
mod registry;

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use self::client::{COMPARISONS, Compared, Expected, Home, Started};
use self::day::Parts;
use self::registry::Result;
use super::{Bar, Report, process};

/// The sizes of the goal.
pub const SIZES: [u16; 3] = [100, 1_000, 10_000];

/// Why nothing was measured. It is said, and that is all that is done about it.
pub type DirectoryBenchError = Box<dyn std::error::Error + Send + Sync>;

/// The goal's bars are those of a network of this size, so that smaller ones hold them, too.
const BARS_TO: u16 = 1_000;

/// What the goal bounds in networks of these sizes.
#[must_use]
pub fn bars(sizes: &[u16]) -> Vec<Bar> {
    let bounded = sizes.iter().filter(|size| **size <= BARS_TO);
    let of_size = |size: &u16| {
        [
            ("cold_bytes", 2_500_000.0),
            ("warm_bytes", 100_000.0),
            ("warm_path_ms", 300.0),
        ]
        .map(|(name, at_most)| Bar::new(format!("{name}_{size}"), at_most))
    };
    bounded.flat_map(of_size).collect()
}

/// Measures networks of these sizes, and says on `progress` what it does.
///
/// # Errors
/// The system's, or that something took too long.
pub fn run(reps: usize, sizes: &[u16], progress: &mut dyn Write) -> Result<Report> {
    let mut taken: Vec<(String, Vec<f64>)> = Vec::new();
    for rep in 1..=reps {
        for size in sizes {
            writeln!(progress, "repetition {rep} of {reps}: {size} relays")?;
            for (name, value) in measure(*size)? {
                let name = format!("{name}_{size}");
                match taken.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, values)) => values.push(value),
                    None => taken.push((name, vec![value])),
                }
            }
        }
    }
    let mut report = Report::default();
    for (name, values) in taken {
        report.add(name, &values);
    }
    Ok(report)
}

/// What a client does in its time with one network.
struct Taken {
    cold: Started,
    warm: Started,
    /// CPU of all relays together while the client started cold.
    cold_relays_cpu_s: f64,
    /// A comparison through paths when nothing changed; when two hours brought changes.
    idle: Compared,
    round: Compared,
    /// Of two relays: bytes and CPU of who asks, CPU of who answers.
    compare: Compared,
    answer_cpu_s: f64,
    delta_bytes: f64,
}

fn measure(size: u16) -> Result<Vec<(&'static str, f64)>> {
    let mut network = Network::start(size)?;
    let dir = tempfile::Builder::new().prefix("llarp-bench-").tempdir()?;
    let home = Home {
        dir: dir.path().join("store"),
        port: network.port,
        began: network.began,
    };
    let taken = live(&mut network, &home)?;
    let made = |name: &str| {
        let value = network.made.get(name).and_then(Value::as_f64);
        value.ok_or("the network does not say what it took")
    };
    let documents = made("documents")?;
    let parts = Parts {
        relays: size.into(),
        round_bytes: taken.round.bytes,
        round_cpu_s: taken.round.cpu_s,
        compare_bytes: taken.compare.bytes,
        ask_cpu_s: taken.compare.cpu_s,
        answer_cpu_s: taken.answer_cpu_s,
        learn_s: made("learn_s")? / documents,
        known_s: made("known_s")? / documents,
        delta_bytes: taken.delta_bytes,
    };
    let (client, relay) = (parts.client(), parts.relay());
    Ok(vec![
        ("cold_bytes", taken.cold.bytes),
        ("cold_ready_ms", taken.cold.ready_ms),
        ("cold_path_ms", taken.cold.path_ms),
        ("cold_cpu_s", taken.cold.cpu_s),
        ("cold_relays_cpu_s", taken.cold_relays_cpu_s),
        ("warm_bytes", taken.warm.bytes),
        ("warm_open_ms", taken.warm.open_ms),
        ("warm_path_ms", taken.warm.path_ms),
        ("warm_current_ms", taken.warm.current_ms),
        ("warm_cpu_s", taken.warm.cpu_s),
        ("idle_bytes", taken.idle.bytes),
        ("round_bytes", taken.round.bytes),
        ("round_cpu_s", taken.round.cpu_s),
        ("client_day_bytes", client.bytes),
        ("client_day_cpu_s", client.cpu_s),
        ("relay_made_cpu_s", made("cpu_s")?),
        ("relay_memory_bytes", made("bytes")?),
        ("relay_learn_us", parts.learn_s * 1e6),
        ("relay_compare_bytes", parts.compare_bytes),
        (
            "relay_compare_us",
            (parts.ask_cpu_s + parts.answer_cpu_s) * 1e6,
        ),
        ("relay_day_bytes", relay.bytes),
        ("relay_day_cpu_s", relay.cpu_s),
        ("snapshot_bytes", made("snapshot")?),
        ("delta_bytes", parts.delta_bytes),
    ])
}

/// Each start has a runtime of its own, so that nothing of the one before is left.
fn live(network: &mut Network, home: &Home) -> Result<Taken> {
    let before = network.cpu_seconds()?;
    let relays = network.size.into();
    let cold = runtime()?.block_on(async {
        let (running, cold) = home.start(&network.expected()).await?;
        let relays_cpu_s = network.cpu_seconds()? - before;
        running.kept(relays).await?;
        Ok::<_, DirectoryBenchError>((cold, relays_cpu_s))
    });
    let (cold, cold_relays_cpu_s) = cold?;
    network.tell("age")?;
    runtime()?.block_on(async {
        let (running, warm) = home.start(&network.expected()).await?;
        let idle = running.round().await?;
        let before = network.cpu_seconds()?;
        let all = running.compare_as_relay().await?;
        let times = f64::from(COMPARISONS);
        let answer_cpu_s = (network.cpu_seconds()? - before) / times;
        network.tell("two hours")?;
        let round = running.round().await?;
        Ok(Taken {
            cold,
            warm,
            cold_relays_cpu_s,
            idle,
            round,
            compare: Compared {
                bytes: all.bytes / times,
                cpu_s: all.cpu_s / times,
            },
            answer_cpu_s,
            delta_bytes: network.delta_bytes()?,
        })
    })
}

fn runtime() -> Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    Ok(builder.enable_all().build()?)
}

/// The process of the network. Dropped, it is killed.
struct Network {
    size: u16,
    port: u16,
    began: Instant,
    child: Child,
    said: BufReader<ChildStdout>,
    /// The head of its directory.
    head: String,
    made: Value,
    delta: Option<f64>,
}

impl Network {
    fn start(size: u16) -> Result<Self> {
        let port = free_port()?;
        let began = Instant::now();
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench", "directory-network"])
            .args(["--relays", &size.to_string(), "--port", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = child.stdout.take().ok_or("no pipe")?;
        let mut network = Self {
            size,
            port,
            began,
            child,
            said: BufReader::new(said),
            head: String::new(),
            made: Value::Null,
            delta: None,
        };
        network.hear()?;
        Ok(network)
    }

    /// Tells it what happens, and hears what its directory is then.
    fn tell(&mut self, what: &str) -> Result<()> {
        let stdin = self.child.stdin.as_mut().ok_or("no pipe")?;
        writeln!(stdin, "{what}")?;
        self.hear()
    }

    fn hear(&mut self) -> Result<()> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        let said: Value = serde_json::from_str(&line)
            .map_err(|_| format!("the network does not run: it said {:?}", line.trim()))?;
        let head = said.get("head").and_then(Value::as_str);
        head.ok_or("no head")?.clone_into(&mut self.head);
        self.made = said.get("made").cloned().unwrap_or_default();
        self.delta = said.get("delta").and_then(Value::as_f64);
        Ok(())
    }

    fn expected(&self) -> Expected {
        Expected {
            head: self.head.clone(),
            relays: self.size.into(),
        }
    }

    fn delta_bytes(&self) -> Result<f64> {
        Ok(self.delta.ok_or("no delta")?)
    }

    fn cpu_seconds(&self) -> Result<f64> {
        Ok(process::cpu_seconds(self.child.id())?)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody uses now, at no address of loopback.
fn free_port() -> Result<u16> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    Ok(socket.local_addr()?.port())
}
