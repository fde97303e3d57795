//! A runtime whose time passes only when nobody has anything to do.

use core::time::Duration;
use std::thread;

use tokio::runtime::Builder;
use tokio::time::timeout;

/// How much virtual time [`virtual_time`] gives a test: nobody waits on purpose for a day.
pub const VIRTUAL_LIMIT: Duration = Duration::from_hours(24);

/// Runs `future` on one thread in virtual time, which jumps to the next timer whenever all tasks
/// wait. `seed` is that of the test: it is printed if the test fails.
///
/// Tokio's own dice cannot be seeded in its stable interface, so a `select!` that is part of a
/// test, or of what it tests, says `biased`.
///
/// # Panics
/// If `future` does, or still waits after [`VIRTUAL_LIMIT`].
pub fn virtual_time<F: Future>(seed: u64, future: F) -> F::Output {
    virtual_time_within(seed, VIRTUAL_LIMIT, future)
}

/// As [`virtual_time`], with another `limit`.
///
/// # Panics
/// If `future` does, or still waits after `limit`.
pub fn virtual_time_within<F: Future>(seed: u64, limit: Duration, future: F) -> F::Output {
    let _said = SaySeed(seed);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets needs nothing of the system");
    let within = runtime.block_on(async { timeout(limit, future).await });
    within.unwrap_or_else(|_| panic!("still waiting after {limit:?} of virtual time"))
}

/// Says the seed when the test panics.
struct SaySeed(u64);

impl Drop for SaySeed {
    #[expect(clippy::print_stderr, reason = "a failed test says how to repeat it")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("failed in virtual time with seed {}", self.0);
        }
    }
}
