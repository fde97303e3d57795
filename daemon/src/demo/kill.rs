//! The scene in which the middle relay of a tunnel's path dies while a stream runs through it.
//!
//! Nothing of it is the client's word: the stream is compared byte for byte, the process is looked for,
//! and the two middle relays are asked what they have forwarded, by whoever has started them.

use std::io::Write;
use std::path::Path as FilePath;
use std::time::Duration;

use llarp_core::client::{Lasting, Path};
use llarp_core::crypto::identity::RelayId;
use tokio::time::{Instant, timeout};

use super::chunks::{CHUNK_LEN, Chunks, PACE};
use super::{Result, check, millis, no_hops, open_echo, print_hops};
use crate::devnet::Devnet;

const SCENE: &str = "kill";

/// How long nothing may come back when a relay of a path in use dies: what the protocol promises.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Chunks before anything is counted.
const WARM_UP: u64 = 50;

/// Chunks that come back while a relay's cells are counted.
const COUNTED: u64 = 200;

/// Cells that carry [`COUNTED`] chunks one way, at the least, a chunk being no shorter than four fifths
/// of a packet; there and back it is twice as many. Other traffic of the demo is far below.
const CELLS_MIN: u64 = COUNTED * 4 / 5;

pub(super) async fn scene(
    out: &mut dyn Write,
    devnet: &mut Devnet,
    lasting: &mut Lasting,
) -> Result<()> {
    let mut chunks = Chunks::start(open_echo(lasting.tunnel()).await?, PAUSE_MAX);
    chunks.more(WARM_UP).await?;
    let middle = middle_of(&lasting.path())?;
    let carried = cells_at(devnet, &middle, &mut chunks).await?;
    kill(devnet, &middle)?;
    let killed = Instant::now();
    writeln!(
        out,
        "6. On one stream Alice sends a numbered chunk of {CHUNK_LEN} bytes each {} ms and compares the echo. After {}\n   \
         of them the middle relay, which has counted {carried} cells of the last {COUNTED}, is killed (SIGKILL):\n     \
         killed    {middle}",
        PACE.as_millis(),
        chunks.heard(),
    )?;
    let path = next_path(lasting, &middle, &mut chunks).await?;
    let moved = killed.elapsed();
    let next = middle_of(&path)?;
    let carried = cells_at(devnet, &next, &mut chunks).await?;
    let heard = chunks.finish().await?;
    check(SCENE, heard.pause <= PAUSE_MAX, "no pause beyond 5 s")?;
    writeln!(
        out,
        "   The tunnel moved to another path after {}, and the same stream went on: all {} chunks came back as\n   \
         they were sent, with a longest pause of {} where {} s are promised. The new middle relay\n   \
         has counted {carried} cells of {COUNTED} chunks:",
        millis(moved),
        heard.chunks,
        millis(heard.pause),
        PAUSE_MAX.as_secs(),
    )?;
    print_hops(out, &path).await
}

/// Kills a relay, and looks whether it is gone.
fn kill(devnet: &mut Devnet, relay: &RelayId) -> Result<()> {
    let pid = devnet.pid(relay);
    let killed = devnet.kill(relay)?;
    check(SCENE, killed, "the middle relay was a process")?;
    check(SCENE, pid.is_some_and(is_gone), "it is one no longer")
}

/// The first path of the tunnel that does without `dead`.
async fn next_path(lasting: &mut Lasting, dead: &RelayId, chunks: &mut Chunks) -> Result<Path> {
    let moving = async {
        while let Some(path) = lasting.moved().await {
            if !path.hops().expose().contains(dead) {
                return Some(path);
            }
        }
        None
    };
    let moved = tokio::select! {
        biased;
        broken = chunks.broken() => return Err(broken.into()),
        moved = timeout(PAUSE_MAX, moving) => moved.ok().flatten(),
    };
    let seconds = PAUSE_MAX.as_secs();
    let expected = format!("the tunnel moved to a path without it within {seconds} s");
    check(SCENE, moved.is_some(), &expected)?;
    moved.ok_or_else(|| no_hops(SCENE))
}

/// Cells that a relay says it has forwarded while [`COUNTED`] chunks came back.
async fn cells_at(devnet: &mut Devnet, relay: &RelayId, chunks: &mut Chunks) -> Result<u64> {
    // What waits somewhere has passed relays before.
    chunks.catch_up().await?;
    let before = devnet.stat(relay, "forwarded")?;
    chunks.more(COUNTED).await?;
    let carried = devnet.stat(relay, "forwarded")? - before;
    check(
        SCENE,
        carried >= CELLS_MIN,
        "the middle relay itself counts the stream's cells",
    )?;
    Ok(carried)
}

fn middle_of(path: &Path) -> Result<RelayId> {
    let hops = path.hops();
    hops.expose().get(1).copied().ok_or_else(|| no_hops(SCENE))
}

/// Whether no process of this number is there, as the system sees it.
fn is_gone(pid: u32) -> bool {
    !FilePath::new("/proc/self").exists() || !FilePath::new(&format!("/proc/{pid}")).exists()
}
