//! One stream to an echo that never rests: numbered chunks go out at a fixed pace, and each byte that
//! comes back is compared.
//!
//! In: a stream, of which nothing is believed but the bytes that it gives. Out: how many chunks came
//! back, and the longest time that none did. A chunk that is changed, is missing, comes twice or out of
//! order, or too long a pause, ends it with an error.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// Bytes of a chunk: a packet's worth.
pub(super) const CHUNK_LEN: usize = 1000;

/// Time from one chunk to the next.
pub(super) const PACE: Duration = Duration::from_millis(5);

/// What is wrong with what came back.
#[derive(Debug, thiserror::Error)]
pub enum ChunkError {
    /// The stream broke.
    #[error("it broke: {0}")]
    Broken(#[from] io::Error),
    /// Other bytes than were sent.
    #[error("chunk {chunk} did not come back as it was sent")]
    Changed {
        /// Which, counted from 0.
        chunk: u64,
    },
    /// The end came too early.
    #[error("it ended after {heard} chunks and {rest} bytes; {sent} chunks were sent")]
    Short {
        /// Chunks that came back.
        heard: u64,
        /// Bytes after the last of them.
        rest: usize,
        /// Chunks that were sent.
        sent: u64,
    },
    /// Nothing came for too long.
    #[error("after {heard} chunks nothing came back for {} s", most.as_secs())]
    Silent {
        /// Chunks that came back.
        heard: u64,
        /// How long a pause may be.
        most: Duration,
    },
    /// The task that listens: a bug.
    #[error("nobody listens to it: {0}")]
    Task(#[from] JoinError),
}

type Result<T, E = ChunkError> = std::result::Result<T, E>;

/// What came back on one stream from its first byte to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heard {
    /// All chunks, which is as many as were sent.
    pub(super) chunks: u64,
    /// The longest time from one chunk to the next.
    pub(super) pause: Duration,
}

/// A stream of chunks that is under way. Dropped, it sends no more.
pub(super) struct Chunks {
    sent: Arc<AtomicU64>,
    heard: watch::Receiver<u64>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<Heard>>,
}

impl Chunks {
    /// Begins to send on `stream`. A pause longer than `most` ends it.
    pub(super) fn start<S>(stream: S, most: Duration) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        let (hears, heard) = watch::channel(0);
        let sent = Arc::new(AtomicU64::new(0));
        let counts = Arc::clone(&sent);
        let task = tokio::spawn(async move {
            let (receive, send) = split(stream);
            let sent = &*counts;
            let sending = pour(send, stopped.clone(), sent);
            let hearing = hear(receive, most, &hears);
            let ((), (heard, rest)) = tokio::try_join!(sending, async {
                let (heard, rest) = hearing.await?;
                // The echo ends its side after ours: before that, the end is not ours.
                if rest > 0 || !*stopped.borrow() {
                    return Err(short(heard.chunks, rest, sent));
                }
                Ok((heard, rest))
            })?;
            if heard.chunks != sent.load(Ordering::Relaxed) {
                return Err(short(heard.chunks, rest, sent));
            }
            Ok(heard)
        });
        Self {
            sent,
            heard,
            stop,
            task,
        }
    }

    /// Waits until so many more chunks have come back than had before.
    pub(super) async fn more(&mut self, chunks: u64) -> Result<()> {
        self.until(self.heard() + chunks).await
    }

    /// Waits until all that was sent so far has come back.
    pub(super) async fn catch_up(&mut self) -> Result<()> {
        self.until(self.sent.load(Ordering::Relaxed)).await
    }

    async fn until(&mut self, wanted: u64) -> Result<()> {
        if self.heard.wait_for(|heard| *heard >= wanted).await.is_ok() {
            return Ok(());
        }
        Err(self.broken().await)
    }

    /// Chunks that have come back.
    pub(super) fn heard(&self) -> u64 {
        *self.heard.borrow()
    }

    /// Resolves when the stream has gone wrong. Cancel-safe.
    pub(super) async fn broken(&mut self) -> ChunkError {
        match (&mut self.task).await {
            Ok(Err(error)) => error,
            // It ends well only when it is told to stop, which uses it up.
            Ok(Ok(heard)) => short(heard.chunks, 0, &self.sent),
            Err(error) => error.into(),
        }
    }

    /// Sends no more, and waits for all that is under way.
    pub(super) async fn finish(self) -> Result<Heard> {
        self.stop.send_replace(true);
        self.task.await?
    }
}

/// The bytes of a chunk: no two are alike.
fn chunk(number: u64) -> [u8; CHUNK_LEN] {
    let mut bytes = [0; CHUNK_LEN];
    ChaCha20Rng::seed_from_u64(number).fill_bytes(&mut bytes);
    bytes
}

async fn pour<W: AsyncWrite + Unpin>(
    mut send: W,
    mut stopped: watch::Receiver<bool>,
    sent: &AtomicU64,
) -> Result<()> {
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            // The other end is gone: nobody is left who could want more.
            _ = stopped.wait_for(|stopped| *stopped) => break,
            _ = pace.tick() => (),
        }
        let number = sent.load(Ordering::Relaxed);
        send.write_all(&chunk(number)).await?;
        sent.store(number + 1, Ordering::Relaxed);
    }
    Ok(send.shutdown().await?)
}

/// Until the stream's end: what came, and the bytes behind the last whole chunk.
async fn hear<R: AsyncRead + Unpin>(
    mut receive: R,
    most: Duration,
    hears: &watch::Sender<u64>,
) -> Result<(Heard, usize)> {
    let mut heard = Heard {
        chunks: 0,
        pause: Duration::ZERO,
    };
    let mut last = Instant::now();
    loop {
        let mut bytes = [0; CHUNK_LEN];
        let Ok(read) = timeout(most, fill(&mut receive, &mut bytes)).await else {
            let heard = heard.chunks;
            return Err(ChunkError::Silent { heard, most });
        };
        let len = read?;
        if len < CHUNK_LEN {
            return Ok((heard, len));
        }
        if bytes != chunk(heard.chunks) {
            let chunk = heard.chunks;
            return Err(ChunkError::Changed { chunk });
        }
        heard.pause = heard.pause.max(last.elapsed());
        last = Instant::now();
        heard.chunks += 1;
        hears.send_replace(heard.chunks);
    }
}

/// Reads until `bytes` are full or the stream ends.
async fn fill<R: AsyncRead + Unpin>(receive: &mut R, bytes: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while let Some(rest) = bytes.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match receive.read(rest).await? {
            0 => break,
            more => len += more,
        }
    }
    Ok(len)
}

fn short(heard: u64, rest: usize, sent: &AtomicU64) -> ChunkError {
    let sent = sent.load(Ordering::Relaxed);
    ChunkError::Short { heard, rest, sent }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};
    use tokio::time::sleep;

    use super::*;

    const MOST: Duration = Duration::from_secs(5);

    /// Chunks to a peer that echoes them one by one, after `act` has had its way with each: `false`
    /// ends the stream.
    fn to_echo(
        mut act: impl AsyncFnMut(u64, &mut Vec<u8>) -> bool,
    ) -> (Chunks, impl Future<Output = ()>) {
        let (near, mut far) = duplex(1 << 20);
        let echo = async move {
            for number in 0.. {
                let mut bytes = [0; CHUNK_LEN];
                let len = fill(&mut far, &mut bytes).await.unwrap();
                let mut bytes = bytes[..len].to_vec();
                let goes_on = act(number, &mut bytes).await;
                if write(&mut far, &bytes).await || !goes_on || len == 0 {
                    break;
                }
            }
            far.shutdown().await.unwrap();
            // Whoever has shut down still listens.
            let _ = tokio::io::copy(&mut far, &mut tokio::io::sink()).await;
        };
        (Chunks::start(near, MOST), echo)
    }

    /// Whether nobody is there any more.
    async fn write(far: &mut DuplexStream, bytes: &[u8]) -> bool {
        far.write_all(bytes).await.is_err()
    }

    /// What becomes of 400 chunks.
    async fn ran(act: impl AsyncFnMut(u64, &mut Vec<u8>) -> bool) -> Result<Heard> {
        let (mut chunks, echo) = to_echo(act);
        let judged = async {
            chunks.more(400).await?;
            chunks.finish().await
        };
        tokio::join!(judged, echo).0
    }

    #[tokio::test(start_paused = true)]
    async fn an_honest_echo_is_heard_to_its_end_and_its_pause_is_told() {
        let heard = ran(async |number, _| {
            if number == 300 {
                sleep(Duration::from_secs(3)).await;
            }
            true
        });
        let heard = heard.await.unwrap();
        assert!(heard.chunks >= 400, "{heard:?}");
        let pause = heard.pause.as_millis();
        assert!((3000..3010).contains(&pause), "{heard:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_changed_bit_a_lost_chunk_and_a_doubled_one_are_seen() {
        let flip = ran(async |number, bytes| {
            bytes.iter_mut().skip(999).for_each(|byte| {
                *byte ^= u8::from(number == 123);
            });
            true
        });
        let lose = ran(async |number, bytes| {
            if number == 123 {
                bytes.clear();
            }
            true
        });
        let double = ran(async |number, bytes| {
            if number == 122 {
                bytes.extend_from_within(..);
            }
            true
        });
        let (flip, lose, double) = tokio::join!(flip, lose, double);
        for heard in [flip, lose, double] {
            assert!(
                matches!(heard, Err(ChunkError::Changed { chunk: 123 })),
                "{heard:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_beyond_the_bound_is_a_failure_even_if_all_comes_in_the_end() {
        let heard = ran(async |number, _| {
            if number == 300 {
                sleep(MOST + Duration::from_millis(20)).await;
            }
            true
        });
        let heard = heard.await;
        assert!(
            matches!(heard, Err(ChunkError::Silent { heard: 300, .. })),
            "{heard:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_ends_early_or_within_a_chunk_is_a_failure() {
        let early = ran(async |number, _| number < 200).await;
        assert!(
            matches!(
                early,
                Err(ChunkError::Short {
                    heard: 201,
                    rest: 0,
                    ..
                })
            ),
            "{early:?}"
        );
        let within = ran(async |number, bytes| {
            if number == 200 {
                bytes.truncate(10);
            }
            number < 200
        });
        let within = within.await;
        assert!(
            matches!(
                within,
                Err(ChunkError::Short {
                    heard: 200,
                    rest: 10,
                    ..
                })
            ),
            "{within:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_behind_the_last_chunk_are_a_failure() {
        let more = ran(async |_, bytes| {
            if bytes.is_empty() {
                bytes.push(7);
            }
            true
        });
        let more = more.await;
        assert!(
            matches!(more, Err(ChunkError::Short { rest: 1, .. })),
            "{more:?}"
        );
    }
}
