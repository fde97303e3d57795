//! What the system says of a process (Linux).

use std::fs;
use std::io;

/// Seconds of CPU that a process's threads have used.
pub(super) fn cpu_seconds(pid: u32) -> io::Result<f64> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let stat = fs::read_to_string(thread?.path().join("schedstat"))?;
        nanos += number(stat.split_whitespace().next())?;
    }
    #[expect(clippy::cast_precision_loss, reason = "years of nanoseconds fit")]
    Ok(nanos as f64 / 1e9)
}

/// Bytes of a process that are in memory and its own.
pub(super) fn private_bytes(pid: u32) -> io::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let private = rollup.lines().filter(|line| line.starts_with("Private_"));
    private
        .map(|line| Ok(number(line.split_whitespace().nth(1))? * 1024))
        .sum()
}

fn number(word: Option<&str>) -> io::Result<u64> {
    let number = word.and_then(|word| word.parse().ok());
    number.ok_or_else(|| io::Error::other("the system's words on a process are not understood"))
}
