//! The thread that makes batches durable, many with one sync.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::apply::Verdict;
use super::batch::Batch;
use super::engine::Engine;
use super::error::CommitError;
use crate::wire::limits::{STORE_GROUP_MAX, STORE_QUEUE_BYTES};

/// Bytes of one permit: a semaphore counts to less than the bytes that a batch may have.
const PERMIT_BYTES: usize = 1024;

/// The thread, and the way to it. When dropped, waits until everything that was handed over is
/// durable and the file is closed.
pub(super) struct Writer {
    /// Bounded by `room`.
    jobs: Option<Sender<Job>>,
    room: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    batch: Batch,
    done: oneshot::Sender<Verdict>,
    /// Given back when the batch is durable: what is being written counts.
    _room: OwnedSemaphorePermit,
}

impl Writer {
    pub(super) fn start(engine: Arc<Engine>) -> io::Result<Self> {
        let (jobs, queue) = channel();
        let thread = Builder::new()
            .name("llarp-store".to_owned())
            .spawn(move || run(&engine, &queue))?;
        Ok(Self {
            jobs: Some(jobs),
            room: Arc::new(Semaphore::new(STORE_QUEUE_BYTES / PERMIT_BYTES)),
            thread: Some(thread),
        })
    }

    pub(super) async fn commit(&self, batch: Batch) -> Verdict {
        batch.check()?;
        let permits = u32::try_from(batch.cost().div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(permits).await;
        // The semaphore is never closed and the thread ends after the last handle only.
        let gone = CommitError::Io(io::ErrorKind::BrokenPipe);
        let (done, verdict) = oneshot::channel();
        let job = Job {
            batch,
            done,
            _room: room.map_err(|_| gone)?,
        };
        let jobs = self.jobs.as_ref().ok_or(gone)?;
        jobs.send(job).map_err(|_| gone)?;
        verdict.await.unwrap_or(Err(gone))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by the panic itself.
            let _ = thread.join();
        }
    }
}

/// Whoever comes first goes at once; those who come while the disk is busy go together next.
fn run(engine: &Engine, queue: &Receiver<Job>) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        group.extend(queue.try_iter().take(STORE_GROUP_MAX - 1));
        let verdicts = engine.commit(group.iter().map(|job| &job.batch));
        answer(group, verdicts.map_err(CommitError::from));
    }
}

fn answer(group: Vec<Job>, verdicts: Result<Vec<Verdict>, CommitError>) {
    match verdicts {
        Ok(verdicts) => {
            for (job, verdict) in group.into_iter().zip(verdicts) {
                // Whoever dropped the future does not want to know.
                let _ = job.done.send(verdict);
            }
        }
        Err(error) => {
            for job in group {
                let _ = job.done.send(Err(error));
            }
        }
    }
}
