//! The program as a newcomer meets it: run, and judged by its output and exit code.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use llarp_core::crypto::identity::SecretKey;
use llarp_core::registry::Charter;
use llarp_core::store::{Batch, Store, StoreOptions, TableId};
use llarp_daemon::registry::NetworkFile;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

fn llarpd(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_llarpd"))
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_demo_builds_a_path_kills_a_relay_and_goes_on() {
    let output = llarpd(&["demo"]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for line in [
        "12 relays run",
        "Alice learns the network",
        "Alice builds a path",
        "an echo in",
        "is killed (SIGKILL)",
        "All six scenes went as they should.",
    ] {
        assert!(said.contains(line), "{line:?} is missing in:\n{said}");
    }
    assert!(said.contains("the same stream went on"), "{said}");
    let pause = said
        .split("a longest pause of ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    assert!(
        pause.is_some_and(|pause| pause.parse::<f64>().is_ok()),
        "{said}"
    );
    // Two paths of three hops, and the second without the relay that was killed.
    let name = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
    let hops: Vec<_> = said
        .lines()
        .filter(|line| line.contains("answers in"))
        .collect();
    assert_eq!(hops.len(), 6, "{said}");
    let killed = said
        .lines()
        .find(|line| line.contains("killed    "))
        .unwrap();
    assert!(
        hops[3..].iter().all(|hop| name(hop) != name(killed)),
        "{said}"
    );
}

/// The demo says that the stream went on in time; here it does not.
#[test]
fn the_demo_fails_if_the_stream_stands_still_after_the_kill() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_llarpd"))
        .arg("demo")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let mut said = String::new();
    for line in lines.by_ref() {
        said.push_str(&(line.unwrap() + "\n"));
        if said.contains("killed    ") {
            break;
        }
    }
    // The relays that are left hold still; the demo kills them in the end.
    let relays = children(demo.id());
    assert_eq!(relays.len(), 11, "{said}");
    let pids: Vec<_> = relays.iter().map(u32::to_string).collect();
    let stopped = Command::new("kill").arg("-STOP").args(&pids).status();
    assert!(stopped.unwrap().success());
    lines.for_each(|line| said.push_str(&(line.unwrap() + "\n")));
    assert!(!demo.wait().unwrap().success(), "{said}");
    assert!(said.contains("The demo failed"), "{said}");
    assert!(said.contains("5 s"), "for the pause: {said}");
    assert!(!said.contains("the same stream went on"), "{said}");
    wait_until(|| relays.iter().all(|pid| is_gone(*pid)));
}

#[test]
fn nothing_outlives_a_demo_that_is_killed() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_llarpd"))
        .arg("demo")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = demo.id();
    wait_until(|| children(pid).len() == 12);
    let relays = children(pid);
    demo.kill().unwrap();
    demo.wait().unwrap();
    wait_until(|| relays.iter().all(|pid| is_gone(*pid)));
}

#[test]
fn a_wrong_call_says_what_to_do_and_exits_with_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let network = dir.path().join("network");
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let key = SecretKey::generate(&mut rng);
    let root = Charter::root(1, [key.public()]).unwrap();
    let file = NetworkFile::new("test", root, vec![]).unwrap();
    fs::write(&network, file.to_string()).unwrap();
    let relay_at = |network: &Path, address: &str| {
        let (dir, network) = (dir.path().to_str().unwrap(), network.to_str().unwrap());
        let args = ["--dir", dir, "--network", network, "--address", address];
        llarpd(&[&["relay"], &args[..]].concat())
    };
    let relay = |network: &Path| relay_at(network, "127.0.0.1:0");
    let fails = |output: Output, expected: &str| {
        let said = text(&output);
        assert!(!output.status.success(), "{said}");
        assert!(said.contains(expected), "{expected:?} is missing in {said}");
    };
    fails(
        relay(Path::new("/nowhere/network")),
        "/nowhere/network: No such file",
    );
    fails(relay(&network), "relay.key: No such file");
    fs::write(dir.path().join("relay.key"), [0; 74]).unwrap();
    fails(relay(&network), "magic");
    fs::remove_file(dir.path().join("relay.key")).unwrap();
    let keygen = || llarpd(&["keygen", "--dir", dir.path().to_str().unwrap()]);
    let made = keygen();
    assert!(made.status.success() && text(&made).trim_end().ends_with(".snode"));
    fails(keygen(), "relay.key is there already");
    fails(
        relay(&network),
        "127.0.0.1:0 cannot be a relay's address: port 0",
    );
    let twice = ["127.0.0.1:9", "--address", "127.0.0.1:10"];
    let (folder, file) = (dir.path().to_str().unwrap(), network.to_str().unwrap());
    let args = ["relay", "--dir", folder, "--network", file, "--address"];
    fails(
        llarpd(&[&args[..], &twice].concat()),
        "127.0.0.1:10 is a second address of its kind",
    );
    fs::write(dir.path().join("half"), [1; 100]).unwrap();
    let (dir_name, half) = (dir.path().to_str().unwrap(), dir.path().join("half"));
    let of_half = [
        "--network",
        network.to_str().unwrap(),
        "--address",
        "127.0.0.1:9",
    ];
    let with_half = [
        "relay",
        "--dir",
        dir_name,
        "--registry",
        half.to_str().unwrap(),
    ];
    fails(
        llarpd(&[&with_half[..], &of_half[..]].concat()),
        "no snapshot of the registry: ",
    );
    let help = llarpd(&["relay", "--help"]);
    assert!(help.status.success() && text(&help).contains("relay.key"));
}

#[test]
fn a_relay_names_the_folder_of_a_registry_that_it_cannot_use() {
    let dir = tempfile::tempdir().unwrap();
    let (store, network) = (dir.path().join("store"), dir.path().join("network"));
    let key = SecretKey::generate(&mut ChaCha20Rng::from_seed([1; 32]));
    let root = Charter::root(1, [key.public()]).unwrap();
    let file = NetworkFile::new("test", root, vec![]).unwrap();
    fs::write(&network, file.to_string()).unwrap();
    let mut damage = Batch::new();
    damage.put(TableId("ledger"), [0], b"half");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let opened = Store::open(&store, StoreOptions::default()).unwrap();
    runtime.block_on(opened.commit(damage)).unwrap();
    drop(opened);
    let [dir, network] = [dir.path(), &network].map(|path| path.to_str().unwrap());
    let args = [
        "relay",
        "--dir",
        dir,
        "--network",
        network,
        "--address",
        "127.0.0.1:9",
    ];
    let output = llarpd(&args);
    let expected = format!(
        "{}: what is kept of the registry is not usable",
        store.display()
    );
    let said = text(&output);
    assert!(
        !output.status.success() && said.contains(&expected),
        "{said}"
    );
}

/// The keys that the docs list in a section.
fn documented(section: &str) -> Vec<&'static str> {
    let docs = include_str!("../../docs/benchmarks.md");
    let (_, section) = docs.split_once(section).unwrap();
    let (_, keys) = section.split_once("|---|---|").unwrap();
    let keys = keys.split("\n\n").next().unwrap();
    let named = keys.lines().filter_map(|line| line.split('|').nth(1));
    named
        .flat_map(|cell| cell.split(','))
        .map(|key| key.trim().trim_matches('`'))
        .collect()
}

/// That a bench prints what is documented and nothing else, each key as `key` makes it, with its bounds.
/// What the figures are is another matter: on a busy machine it may miss a bar.
fn says_all(args: &str, named: &[&str], key: impl Fn(&str) -> String) {
    let output = llarpd(&args.split(' ').collect::<Vec<_>>());
    let said: serde_json::Value = serde_json::from_str(&text(&output)).unwrap();
    for name in named {
        for end in ["", "_min", "_max"] {
            let value = said[format!("{}{end}", key(name))].as_f64();
            assert!(value.is_some_and(|value| value > 0.0), "{name}: {said}");
        }
    }
    let object = said.as_object().unwrap();
    assert_eq!(object.len(), 3 * named.len(), "{said}");
}

#[test]
fn the_bench_of_the_directory_says_all_that_the_docs_name() {
    let named = documented("## The directory");
    assert!(named.len() > 20, "{named:?}");
    says_all(
        "bench directory --reps 1 --relays 100 --json",
        &named,
        |name| format!("{name}_100"),
    );
}

#[test]
fn the_bench_of_paths_says_all_that_the_docs_name() {
    let named = documented("## Paths over real sockets");
    assert_eq!(named.len(), 10, "{named:?}");
    says_all(
        "bench path --reps 1 --mib 4 --paths 200 --json",
        &named,
        str::to_owned,
    );
}

fn wait_until(holds: impl Fn() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        #[expect(clippy::disallowed_methods, reason = "processes live in real time")]
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("waited for 10 s");
}

fn children(of: u32) -> Vec<u32> {
    let path = format!("/proc/{of}/task/{of}/children");
    let listed = fs::read_to_string(path).unwrap_or_default();
    listed
        .split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

fn is_gone(pid: u32) -> bool {
    // A zombie whose parent is gone is waited for by the system.
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z"))
}
