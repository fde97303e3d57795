//! The program as a newcomer meets it: run, and judged by its output and exit code.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

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
        "Alice builds a path",
        "an echo in",
        "is killed (SIGKILL)",
        "All four scenes went as they should.",
    ] {
        assert!(said.contains(line), "{line:?} is missing in:\n{said}");
    }
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
    let list = dir.path().join("relays.list");
    fs::write(&list, b"\x01\x00\x00").unwrap();
    let relay = |dir: &Path, list: &Path| {
        let (dir, list) = (dir.to_str().unwrap(), list.to_str().unwrap());
        llarpd(&["relay", "--dir", dir, "--relays", list, "--network", "test"])
    };
    for (output, expected) in [
        (
            relay(dir.path(), Path::new("/nowhere/list")),
            "/nowhere/list: No such file",
        ),
        (relay(dir.path(), &list), "relay.key: No such file"),
    ] {
        assert!(!output.status.success());
        assert!(text(&output).contains(expected), "{}", text(&output));
    }
    fs::write(dir.path().join("relay.key"), [0; 74]).unwrap();
    let output = relay(dir.path(), &list);
    assert!(
        !output.status.success() && text(&output).contains("magic"),
        "{}",
        text(&output)
    );
    let help = llarpd(&["relay", "--help"]);
    assert!(help.status.success() && text(&help).contains("relay.key"));
}

#[test]
fn the_bench_of_the_directory_says_all_that_the_docs_name() {
    let args = "bench directory --reps 1 --relays 100 --json";
    let output = llarpd(&args.split(' ').collect::<Vec<_>>());
    let said: serde_json::Value = serde_json::from_str(&text(&output)).unwrap();
    let docs = include_str!("../../docs/benchmarks.md");
    let (_, section) = docs.split_once("## The directory").unwrap();
    let (_, keys) = section.split_once("|---|---|").unwrap();
    let keys = keys.split("\n\n").next().unwrap();
    let named = keys.lines().filter_map(|line| line.split('|').nth(1));
    let named: Vec<_> = named
        .flat_map(|cell| cell.split(','))
        .map(|key| key.trim().trim_matches('`'))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    for key in &named {
        for end in ["", "_min", "_max"] {
            let value = said[format!("{key}_100{end}")].as_f64();
            assert!(value.is_some_and(|value| value > 0.0), "{key}: {said}");
        }
    }
    let object = said.as_object().unwrap();
    assert_eq!(object.len(), 3 * named.len(), "{said}");
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
