//! The demo: relays that are real processes, a path over them, an echo, and a relay killed.
//!
//! Each scene is judged by what can be seen from outside of the transport: bytes that came back,
//! processes that are gone, what relays count. The first that goes wrong ends the demo with an error.

mod chunks;
mod introset;
mod kill;

use std::io::{self, Write};
use std::time::Duration;

use llarp_core::client::{Client, Lasting, Path, PathError, ProbeError, TunnelError};
use llarp_core::directory::NetworkView;
use llarp_core::path::Want;
use llarp_core::tunnel::{BiStream, ServiceName, StreamError, Tunnel, describe};
use llarp_core::wire::limits::{BUILD_REQUEST_LEN, CELL_LEN};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::time::{Instant, timeout};

pub use self::chunks::ChunkError;
use crate::client::{self, ClientError};
use crate::devnet::{Devnet, DevnetError};
use crate::relay::fresh;

/// Relays of the demo.
const RELAYS: usize = 12;
/// How long it may take to learn the network.
const LEARN_TIME: Duration = Duration::from_secs(60);

/// Why the demo failed.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Standard output is gone, or there is no runtime.
    #[error("the operating system refuses: {0}")]
    System(#[from] io::Error),
    /// No randomness.
    #[error("no randomness from the operating system: {0}")]
    Randomness(#[from] getrandom::Error),
    /// The relays.
    #[error(transparent)]
    Devnet(#[from] DevnetError),
    /// The client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A hop did not answer.
    #[error("a hop did not answer: {0}")]
    Probe(#[from] ProbeError),
    /// No tunnel.
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    /// A stream broke.
    #[error("a stream broke: {0}")]
    Stream(#[from] StreamError),
    /// The stream that a relay's death must not touch.
    #[error("the stream did not go on: {0}")]
    Chunks(#[from] ChunkError),
    /// A scene did not go as it should.
    #[error("scene {scene:?} did not go as it should: {what}")]
    Scene {
        /// The scene.
        scene: &'static str,
        /// What was expected.
        what: String,
    },
}

type Result<T, E = DemoError> = std::result::Result<T, E>;

/// Runs all scenes.
///
/// # Errors
/// [`DemoError`] names the first scene that did not go as it should.
pub fn run(out: &mut dyn Write) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(scenes(out))
}

async fn scenes(out: &mut dyn Write) -> Result<()> {
    let mut devnet = start_relays(out).await?;
    let (client, view) = learn_scene(out, &devnet).await?;
    let path = client.build(Want::Any).await?;
    show_path(out, &path).await?;
    let terminal = *path.hops().expose().last().ok_or_else(|| no_hops("path"))?;
    drop(path);
    let mut lasting = client.lasting_tunnel(terminal).await?;
    echo_scene(out, &lasting).await?;
    introset::scene(out, &devnet, (&client, &view)).await?;
    kill::scene(out, &mut devnet, &mut lasting).await?;
    writeln!(out, "\nAll six scenes went as they should.")?;
    Ok(())
}

async fn start_relays(out: &mut dyn Write) -> Result<Devnet> {
    let started = Instant::now();
    let mut devnet = Devnet::start(RELAYS)?;
    let ready = started.elapsed();
    devnet.settle().await?;
    writeln!(
        out,
        "1. {RELAYS} relays run, each a process of its own on a UDP port of 127.0.0.1, ready in {};\n   \
         two of three authorities have signed who they are, and each relay has told all others of itself after {}.",
        millis(ready),
        millis(started.elapsed())
    )?;
    Ok(devnet)
}

async fn learn_scene(out: &mut dyn Write, devnet: &Devnet) -> Result<(Client, NetworkView)> {
    const SCENE: &str = "network";
    let started = Instant::now();
    let (client, view) = client::on_loopback(&devnet.network)?;
    let known = timeout(LEARN_TIME, client.ready()).await;
    check(SCENE, known.is_ok(), "the network is known after a minute")?;
    let took = started.elapsed();
    let snapshot = view.fit().map_err(|error| failed(SCENE, &error))?;
    let accepted = client.relays().len();
    check(
        SCENE,
        accepted == RELAYS && snapshot.entries().len() == RELAYS,
        "all relays are known and accepted",
    )?;
    writeln!(
        out,
        "2. Alice learns the network in {}: whom to trust and {} relays to ask, from a file;\n   \
         snapshot {} from them; the keys of {accepted} relays, which most of the relays that she asked\n   \
         through paths gave alike.",
        millis(took),
        devnet.network.bootstrap().len(),
        snapshot.number(),
    )?;
    Ok((client, view))
}

async fn show_path(out: &mut dyn Write, path: &Path) -> Result<()> {
    const SCENE: &str = "path";
    let hops = path.hops();
    let hops = hops.expose();
    check(SCENE, hops.len() == 3, "a path has three hops")?;
    writeln!(
        out,
        "3. Alice builds a path: one message of {BUILD_REQUEST_LEN} bytes, one round trip, {}.",
        millis(path.built_in())
    )?;
    print_hops(out, path).await
}

async fn print_hops(out: &mut dyn Write, path: &Path) -> Result<()> {
    let hops = path.hops();
    for (hop, (relay, role)) in hops
        .expose()
        .iter()
        .zip(["guard", "middle", "terminal"])
        .enumerate()
    {
        let rtt = path.probe(hop).await?;
        writeln!(out, "     {role:<9} {relay}  answers in {}", millis(rtt))?;
    }
    Ok(())
}

async fn echo_scene(out: &mut dyn Write, lasting: &Lasting) -> Result<()> {
    const SCENE: &str = "echo";
    let tunnel = lasting.tunnel();
    let described = describe(tunnel).await;
    let described = described.map_err(|error| failed(SCENE, &error))?;
    let hops = lasting.path();
    let terminal = hops.hops().expose().last().copied();
    check(
        SCENE,
        Some(described.relay) == terminal,
        "the terminal says its own name",
    )?;
    let started = Instant::now();
    check(
        SCENE,
        echo(tunnel, b"hello, terminal").await? == b"hello, terminal",
        "an echo",
    )?;
    let rtt = started.elapsed();
    let bytes = noise(1 << 20)?;
    let started = Instant::now();
    check(
        SCENE,
        echo(tunnel, &bytes).await? == bytes,
        "a mebibyte comes back as it went",
    )?;
    writeln!(
        out,
        "4. Through a tunnel to the terminal, in cells of {CELL_LEN} bytes: an echo in {}, \
         1 MiB there and back in {}.",
        millis(rtt),
        millis(started.elapsed())
    )?;
    Ok(())
}

/// What the terminal's echo sends back.
async fn echo(tunnel: &Tunnel, bytes: &[u8]) -> Result<Vec<u8>> {
    let stream = open_echo(tunnel).await?;
    let (mut receive, mut send) = tokio::io::split(stream);
    let sent = bytes.to_vec();
    let sending = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        send.write_all(&sent).await?;
        send.shutdown().await
    });
    let mut heard = Vec::with_capacity(bytes.len());
    tokio::io::AsyncReadExt::read_to_end(&mut receive, &mut heard).await?;
    sending.await.map_err(|error| failed("echo", &error))??;
    Ok(heard)
}

async fn open_echo(tunnel: &Tunnel) -> Result<BiStream> {
    let name = ServiceName::new("echo/1").map_err(|error| failed("echo", &error))?;
    Ok(tunnel.open_bi(&name).await?)
}

fn noise(len: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    ChaCha20Rng::from_seed(*fresh()?.expose()).fill_bytes(&mut bytes);
    Ok(bytes)
}

fn millis(time: Duration) -> String {
    match time.as_secs_f64() * 1000.0 {
        few if few < 10.0 => format!("{few:.2} ms"),
        some if some < 1000.0 => format!("{some:.0} ms"),
        many => format!("{:.1} s", many / 1000.0),
    }
}

fn no_hops(scene: &'static str) -> DemoError {
    let what = "expected that a path has hops".to_owned();
    DemoError::Scene { scene, what }
}

fn failed(scene: &'static str, error: &dyn std::error::Error) -> DemoError {
    let what = error.to_string();
    DemoError::Scene { scene, what }
}

fn check(scene: &'static str, holds: bool, expected: &str) -> Result<()> {
    let what = format!("expected that {expected}");
    holds.then_some(()).ok_or(DemoError::Scene { scene, what })
}
