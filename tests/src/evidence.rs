//! Lines of evidence: what ran, when, how long, on which machine, at which commit.
//!
//! The tests of `llarp-core` include this file by its path: the package of the scenarios stands on
//! theirs, and cannot stand below them.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Whether full sizes are asked for: `LLARP_FULL=1`.
pub(crate) fn is_full() -> bool {
    env::var_os("LLARP_FULL").is_some_and(|value| value == "1")
}

/// A check that is one piece, under way. It is to end with [`Whole::found_nothing`]; a failure leaves
/// nothing.
#[must_use = "only its end leaves a line"]
#[derive(Debug)]
pub(crate) struct Whole {
    check: &'static str,
    size: String,
    begun: Instant,
    dir: Option<PathBuf>,
}

impl Whole {
    /// Begins `check`, which is also the name of its test; `size` says in a few words how much it tries.
    pub(crate) fn begin(check: &'static str, size: String) -> Self {
        let dir = is_full().then(|| workspace().join("docs/evidence"));
        let begun = now();
        Self {
            check,
            size,
            begun,
            dir,
        }
    }

    /// The check is over; in full size it leaves a line.
    pub(crate) fn found_nothing(self) {
        let entry = Entry {
            check: self.check,
            size: &self.size,
            spent: self.begun.elapsed(),
        };
        if let Some(dir) = self.dir {
            entry.append_to(&dir);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a run takes is evidence, no decision"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A full run that found nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'s> {
    pub(crate) check: &'static str,
    pub(crate) size: &'s str,
    pub(crate) spent: Duration,
}

impl Entry<'_> {
    /// Adds a line to the check's file in `dir`; makes the file if it is the first.
    pub(crate) fn append_to(&self, dir: &Path) {
        let path = dir.join(self.check).with_extension("md");
        let Self { check, size, .. } = self;
        let seconds = self.spent.as_secs_f64().ceil();
        let (date, machine, commit) = (date(today()), machine(), commit());
        let line = format!("| {date} | {check} | {size} | {seconds} | {machine} | {commit} |\n");
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(dir)?;
            let head = if path.exists() {
                String::new()
            } else {
                head(check)
            };
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            file.write_all([head, line].concat().as_bytes())
        };
        write().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

fn head(check: &str) -> String {
    format!(
        "# {check}\n\nEach line is a run in full size that found nothing; `docs/testing.md` says how to \
         repeat it.\n\n| date | check | size | seconds | machine | commit |\n|---|---|---|---|---|---|\n"
    )
}

/// The directory of the workspace.
pub(crate) fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// Days since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "a line of evidence carries its date"
)]
fn today() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs() / 86_400
}

/// The date of a day since 1970, in the Gregorian calendar.
fn date(mut day: u64) -> String {
    let is_leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let mut year = 1970;
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", day + 1)
}

/// Model and number of the processors.
fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or(std::env::consts::ARCH, |rest| {
        rest.trim_start_matches([' ', '\t', ':'])
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} cores")
}

/// The commit that is checked out, and whether files differ from it, evidence apart.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .current_dir(workspace())
            .args(["-c", "safe.directory=*"])
            .args(arguments)
            .output();
        output
            .ok()
            .filter(|output| output.status.success())
            .map(|output| output.stdout)
    };
    let head = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_default();
    let head = String::from_utf8_lossy(&head).trim().to_owned();
    let changes = git(&["status", "--porcelain", "--", ".", ":!docs/evidence"]);
    match (head.as_str(), changes) {
        ("", _) | (_, None) => "unknown".to_owned(),
        (_, Some(changes)) if changes.is_empty() => head,
        (_, Some(_)) => head + " and changes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_check_leaves_one_line_in_full_size_and_none_if_it_fails() {
        let dir = workspace().join("target/heavy-tests/whole");
        let _ = fs::remove_dir_all(&dir);
        let begin = |dir: Option<&PathBuf>| Whole {
            dir: dir.cloned(),
            ..Whole::begin("some_whole_check", "7 kills".to_owned())
        };
        begin(None).found_nothing();
        drop(begin(Some(&dir)));
        assert!(!dir.exists());
        begin(Some(&dir)).found_nothing();
        let lines = fs::read_to_string(dir.join("some_whole_check.md")).unwrap();
        assert_eq!(
            lines.matches("| some_whole_check | 7 kills | 1 |").count(),
            1
        );
        let model = machine();
        assert!(
            lines.contains(&model) && model.ends_with(" cores"),
            "{lines}"
        );
    }

    #[test]
    fn days_have_their_dates() {
        for (day, text) in [
            (0, "1970-01-01"),
            (789, "1972-02-29"),
            (790, "1972-03-01"),
            (11_016, "2000-02-29"),
            (19_675, "2023-11-14"),
            (20_088, "2024-12-31"),
            (20_089, "2025-01-01"),
        ] {
            assert_eq!(date(day), text);
        }
    }
}
