//! The program, run in folders that stand for different machines.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use llarp_core::crypto::identity::{RelayId, SecretKey, Seed};
use llarp_core::crypto::secret::Secret;
use tempfile::TempDir;

/// An afternoon: the next hours are of the same day.
pub(crate) const NOON: u64 = 1_800_014_400;
pub(crate) const DAY: u64 = 86_400;

/// What came of a run.
pub(crate) struct Ran {
    pub(crate) good: bool,
    pub(crate) out: String,
    pub(crate) error: String,
}

impl Ran {
    /// Its text, if it went well.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert!(self.good, "{}{}", self.out, self.error);
        assert_eq!(self.error, "");
        self.out
    }

    /// Its error, which is one line, if it failed.
    #[track_caller]
    pub(crate) fn bad(self) -> String {
        assert!(!self.good, "should fail, but says:\n{}", self.out);
        assert_eq!(self.error.lines().count(), 1, "one line: {}", self.error);
        assert!(self.error.starts_with("error: "), "{}", self.error);
        self.error
    }

    /// Checks that it failed for a reason, and says what to do.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) {
        let error = self.bad();
        for word in words {
            assert!(error.contains(word), "{word:?} is missing in: {error}");
        }
    }
}

/// Machines: `net` publishes, `a`, `b` and `c` have keys, `www` is served.
pub(crate) struct World {
    home: TempDir,
    pub(crate) keys: Vec<String>,
}

pub(crate) fn registry<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>, answer: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_llarpd"))
        .arg("registry")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that asks nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(answer.as_bytes());
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        good: status.success(),
        out: text(stdout),
        error: text(stderr),
    }
}

/// Words of a command; those with spaces in them come in `more`.
fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

pub(crate) fn relay(number: u8) -> RelayId {
    SecretKey::from_seed(Seed::new(Secret::take(&mut [number; 32]))).relay_id()
}

pub(crate) fn block(number: u8) -> String {
    format!("{number:02x}").repeat(32)
}

impl World {
    /// Three keys, of which two sign; no relay yet.
    pub(crate) fn new() -> Self {
        let mut world = Self {
            home: tempfile::tempdir().unwrap(),
            keys: Vec::new(),
        };
        for machine in ["a", "b", "c", "d"] {
            let dir = world.path(machine);
            fs::create_dir(&dir).unwrap();
            let said = world.run(&format!("keygen --key {machine}/key")).good();
            world.keys.push(said.lines().next().unwrap().to_owned());
        }
        let [a, b, c] = [0, 1, 2].map(|at| world.keys[at].clone());
        let bootstrap = relay(1);
        world
            .run(&format!(
                "create --dir net --network example --threshold 2 --authority {a} --authority {b} \
                 --authority {c} --bootstrap {bootstrap}@192.0.2.1:1090"
            ))
            .good();
        for machine in ["a", "b", "c", "d", "node"] {
            fs::create_dir_all(world.path(machine)).unwrap();
            fs::copy(
                world.path("net/network"),
                world.path(machine).join("network"),
            )
            .unwrap();
        }
        world
    }

    /// The same with relays `1..=count` published as snapshot 0.
    pub(crate) fn with_relays(count: u8) -> Self {
        let world = Self::new();
        for number in 1..=count {
            world.add(number).good();
        }
        world.publish(NOON);
        world
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    /// Runs a command; words with a `/` and those of folders are below this world's home.
    pub(crate) fn run(&self, line: &str) -> Ran {
        self.run_with(line, "")
    }

    pub(crate) fn run_with(&self, line: &str, answer: &str) -> Ran {
        let paths = [
            "--dir",
            "--key",
            "--network",
            "--ledger",
            "--out",
            "--from",
            "sign",
            "publish",
            "show",
        ];
        let mut before = String::new();
        let mut creating = false;
        let mut args = Vec::new();
        for word in words(line) {
            creating |= word == "create";
            let name = creating && before == "--network";
            let is_path = paths.contains(&before.as_str()) && !word.contains("://") && !name;
            let signature = word.contains(".signed-");
            let arg = match is_path && !word.starts_with('-') || signature {
                true => self.path(&word).into_os_string(),
                false => word.clone().into(),
            };
            args.push(arg);
            before = word;
        }
        registry(args, answer)
    }

    pub(crate) fn add(&self, number: u8) -> Ran {
        let (relay, block) = (relay(number), block(number));
        let height = 1000 + u64::from(number);
        self.run(&format!(
            "add --dir net {relay} --height {height} --block {block}"
        ))
    }

    pub(crate) fn draft(&self, now: u64) -> Ran {
        self.run(&format!("draft --dir net --dangerous-now {now}"))
    }

    /// Carries the draft to a machine, has it signed there, and carries the signature back.
    pub(crate) fn sign(&self, machine: &str, now: u64, more: &str) -> Ran {
        fs::copy(self.path("net/draft"), self.path(machine).join("draft")).unwrap();
        let ran = self.run_with(
            &format!(
                "sign {machine}/draft --key {machine}/key --network {machine}/network \
                 --ledger {machine}/ledger --out {machine}/signature --dangerous-now {now} {more}"
            ),
            "sign\n",
        );
        if ran.good {
            let back = format!("net/x.signed-{machine}");
            fs::copy(self.path(machine).join("signature"), self.path(&back)).unwrap();
        }
        ran
    }

    pub(crate) fn put_together(&self, machines: &[&str], now: u64) -> Ran {
        let signatures = machines.iter().map(|name| format!("net/x.signed-{name}"));
        let signatures: Vec<_> = signatures.collect();
        let signatures = signatures.join(" ");
        let line = format!("publish --dir net --out www --dangerous-now {now} {signatures}");
        self.run(&line)
    }

    pub(crate) fn fetch(&self, machine: &str, from: &str, now: u64) -> Ran {
        self.run(&format!(
            "fetch --network {machine}/network --ledger {machine}/ledger --from {from} --dangerous-now {now}"
        ))
    }

    /// Draft, two signatures, publish; all machines with keys fetch it.
    pub(crate) fn publish(&self, now: u64) {
        self.publish_by(&["a", "b"], now);
    }

    pub(crate) fn publish_by(&self, machines: &[&str], now: u64) {
        self.draft(now).good();
        for machine in machines {
            self.sign(machine, now, "--yes").good();
        }
        self.put_together(machines, now).good();
        for machine in ["a", "b", "c", "d"] {
            self.fetch(machine, "www", now).good();
        }
    }

    pub(crate) fn show_json(&self, file: &str, now: u64) -> serde_json::Value {
        let line = format!("show {file} --network node/network --json --dangerous-now {now}");
        serde_json::from_str(&self.run(&line).good()).unwrap()
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).unwrap()
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
        fs::write(path, bytes).unwrap();
    }
}
