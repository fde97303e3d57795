//! Checks that repeat one small experiment very often: a size for each change, a full size for
//! evidence.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::evidence::{self, Entry, Whole, is_full, now};

/// Experiments between two looks at the clock and, in full size, two notes of progress.
const CHUNK: u64 = 4096;

/// A check of many experiments, each with a number and a generator of its own.
///
/// Runs in CI size; with `LLARP_FULL=1` in full size, where a stopped run goes on from its last
/// note in `target/heavy/`, and a finished one adds a line to `docs/evidence/`. With
/// `LLARP_INDEX=n` it runs experiment `n` alone.
#[derive(Debug, Clone, Copy)]
pub struct Heavy {
    /// Its name: also of its test and its file of evidence.
    pub name: &'static str,
    /// Experiments in CI size.
    pub ci: u64,
    /// Experiments in full size.
    pub full: u64,
}

/// What a run was asked for, and where it leaves its notes.
#[derive(Debug)]
struct Setting {
    full: bool,
    only: Option<u64>,
    notes: PathBuf,
    evidence: PathBuf,
    /// Which build of the check this is: another one starts anew.
    build: String,
}

/// How far a full run has come.
#[derive(Debug, Default, PartialEq, Eq)]
struct Progress {
    next: u64,
    spent: Duration,
}

/// A check that is one experiment, in one of two sizes, of so many of what `unit` names. In full size it
/// leaves a line of evidence; stopped halfway, it starts anew.
#[derive(Debug, Clone, Copy)]
pub struct Single {
    /// Its name: also of its test and its file of evidence.
    pub name: &'static str,
    /// Its size in CI.
    pub ci: usize,
    /// Its full size.
    pub full: usize,
    /// What the size counts.
    pub unit: &'static str,
}

impl Single {
    /// Runs `check` with the size that is asked for.
    ///
    /// # Panics
    /// If it does.
    pub fn run(&self, check: impl FnOnce(usize)) {
        let size = if is_full() { self.full } else { self.ci };
        let whole = Whole::begin(self.name, format!("{size} {}", self.unit));
        check(size);
        whole.found_nothing();
    }
}

impl Heavy {
    /// Runs `check` on the number and generator of every experiment.
    ///
    /// # Panics
    /// If an experiment does; its number is printed.
    pub fn run(&self, check: impl FnMut(u64, &mut ChaCha20Rng)) {
        self.run_as(&Setting::of_process(), check);
    }

    fn run_as(&self, setting: &Setting, mut check: impl FnMut(u64, &mut ChaCha20Rng)) {
        let seed = self.rng();
        let mut one = |index| {
            let failure = Failure {
                name: self.name,
                index,
            };
            let mut rng = seed.clone();
            rng.set_stream(index);
            check(index, &mut rng);
            drop(failure);
        };
        match setting.only {
            Some(index) => one(index),
            None if setting.full => self.run_full(setting, one),
            None => (0..self.ci).for_each(one),
        }
    }

    fn run_full(&self, setting: &Setting, mut one: impl FnMut(u64)) {
        let note = setting.notes.join(self.name);
        let mut progress = Progress::read(&note, &setting.build);
        while progress.next < self.full {
            let started = now();
            let end = self.full.min(progress.next + CHUNK);
            (progress.next..end).for_each(&mut one);
            progress.next = end;
            progress.spent += started.elapsed();
            progress.write(&note, &setting.build);
        }
        let entry = Entry {
            check: self.name,
            size: &self.full.to_string(),
            spent: progress.spent,
        };
        entry.append_to(&setting.evidence);
        fs::remove_file(&note).unwrap_or_else(|error| panic!("{}: {error}", note.display()));
    }

    /// The same bytes for the same name, on every machine.
    fn rng(&self) -> ChaCha20Rng {
        let mut seed = [0; 32];
        for (to, from) in seed.iter_mut().zip(self.name.bytes()) {
            *to = from;
        }
        ChaCha20Rng::from_seed(seed)
    }
}

impl Setting {
    fn of_process() -> Self {
        let home = evidence::workspace();
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| home.join("target"), PathBuf::from);
        let only = env::var("LLARP_INDEX").ok();
        Self {
            full: is_full(),
            only: only.map(|index| index.parse().expect("LLARP_INDEX is a number")),
            notes: target.join("heavy"),
            evidence: home.join("docs/evidence"),
            build: build(),
        }
    }
}

impl Progress {
    /// The progress that this build of the check noted, or none.
    fn read(note: &Path, build: &str) -> Self {
        let text = fs::read_to_string(note).unwrap_or_default();
        let mut lines = text.lines();
        let noted_by = lines.next();
        let mut number = || lines.next()?.parse().ok();
        let numbers = number().zip(number());
        numbers
            .filter(|_| noted_by == Some(build))
            .map(|(next, millis)| Self {
                next,
                spent: Duration::from_millis(millis),
            })
            .unwrap_or_default()
    }

    /// Replaces the note as a whole, so that whoever stops the run leaves the old or the new one.
    fn write(&self, note: &Path, build: &str) {
        let text = format!("{build}\n{}\n{}\n", self.next, self.spent.as_millis());
        let fresh = note.with_extension("new");
        fs::create_dir_all(note.parent().unwrap_or(note))
            .and_then(|()| fs::write(&fresh, text))
            .and_then(|()| fs::rename(&fresh, note))
            .unwrap_or_else(|error| panic!("{}: {error}", note.display()));
    }
}

/// Says which experiment failed, if the check panics.
struct Failure {
    name: &'static str,
    index: u64,
}

impl Drop for Failure {
    #[expect(clippy::print_stderr, reason = "a failing test says how to repeat it")]
    fn drop(&mut self) {
        let Self { name, index } = self;
        if std::thread::panicking() {
            eprintln!(
                "{name}: experiment {index} fails; alone: LLARP_INDEX={index} cargo test -p llarp-tests {name}"
            );
        }
    }
}

/// Length and time of this program's own file.
fn build() -> String {
    let stamp = env::current_exe()
        .and_then(fs::metadata)
        .and_then(|file| Ok((file.len(), file.modified()?)));
    format!("{stamp:?}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use rand_chacha::rand_core::Rng;

    use super::*;

    const CHECK: Heavy = Heavy {
        name: "some_check",
        ci: 10,
        full: 3 * CHUNK,
    };

    fn setting(name: &str, full: bool) -> Setting {
        let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/heavy-tests");
        let dir = dir.join(name);
        let _ = fs::remove_dir_all(&dir);
        Setting {
            full,
            only: None,
            notes: dir.join("notes"),
            evidence: dir.join("evidence"),
            build: "one".to_owned(),
        }
    }

    #[test]
    fn ci_size_runs_each_experiment_once_with_bytes_of_its_own() {
        let setting = setting("ci", false);
        let mut draws = BTreeSet::new();
        CHECK.run_as(&setting, |index, rng| {
            draws.insert((index, rng.next_u64()));
        });
        assert_eq!(draws.len(), 10);
        let mut again = BTreeSet::new();
        CHECK.run_as(&setting, |index, rng| {
            again.insert((index, rng.next_u64()));
        });
        assert_eq!(draws, again, "the same bytes again");
        let bytes: BTreeSet<_> = draws.iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(bytes.len(), 10);
        assert!(!setting.evidence.exists() && !setting.notes.exists());
    }

    #[test]
    fn one_experiment_runs_alone() {
        let mut setting = setting("only", true);
        setting.only = Some(7);
        let mut ran = Vec::new();
        CHECK.run_as(&setting, |index, _| ran.push(index));
        assert_eq!(ran, [7]);
    }

    #[test]
    fn stopped_full_run_goes_on_and_leaves_one_line_of_evidence() {
        let setting = setting("resume", true);
        let stop_at = CHUNK + 5;
        let stopped = catch_unwind(AssertUnwindSafe(|| {
            CHECK.run_as(&setting, |index, _| assert_ne!(index, stop_at));
        }));
        assert!(stopped.is_err());
        let mut ran = 0;
        CHECK.run_as(&setting, |index, _| {
            assert!(index >= CHUNK, "the first chunk is done");
            ran += 1;
        });
        assert_eq!(ran, 2 * CHUNK);
        let evidence = fs::read_to_string(setting.evidence.join("some_check.md")).unwrap();
        assert_eq!(evidence.matches("| some_check | 12288 |").count(), 1);
        // A finished run is over: the next one starts anew and adds its own line.
        CHECK.run_as(&setting, |_, _| ());
        let evidence = fs::read_to_string(setting.evidence.join("some_check.md")).unwrap();
        assert_eq!(evidence.matches("| some_check | 12288 |").count(), 2);
        assert_eq!(evidence.matches("# ").count(), 1);
    }

    #[test]
    fn progress_of_another_build_does_not_count() {
        let mut setting = setting("rebuilt", true);
        let note = setting.notes.join(CHECK.name);
        let progress = Progress {
            next: CHUNK,
            spent: Duration::from_secs(9),
        };
        progress.write(&note, &setting.build);
        assert_eq!(Progress::read(&note, "one"), progress);
        assert_eq!(Progress::read(&note, "two"), Progress::default());
        setting.build = "two".to_owned();
        let mut first = None;
        CHECK.run_as(&setting, |index, _| {
            first.get_or_insert(index);
        });
        assert_eq!(first, Some(0));
    }
}
