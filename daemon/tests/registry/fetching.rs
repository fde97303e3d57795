//! What a node refuses, from the disk and over HTTP: one clear line each, and the last good one stays.

use std::sync::{Arc, Mutex};

use llarp_core::wire::limits::SIGNED_SNAPSHOT_MAX;

use crate::server::{ok, serve, status};
use crate::world::{DAY, NOON, World, relay};

/// A world whose node has snapshot 1 while 2 is published; and the snapshots 0, 1 and 2.
fn world() -> (World, [Vec<u8>; 3]) {
    let world = World::with_relays(9);
    for (day, number) in [(1, 10), (2, 11)] {
        world.fetch("node", "www", NOON + (day - 1) * DAY).good();
        world.add(number).good();
        world.publish(NOON + day * DAY);
    }
    assert_eq!(world.show_json("node/ledger", NOON)["number"], 1);
    let all = ["www/snapshot-0", "www/snapshot-1", "www/snapshot-2"].map(|path| world.read(path));
    (world, all)
}

/// Bytes that no node takes on the third day, with the words that tell why.
fn wrong([old, _, new]: &[Vec<u8>; 3]) -> Vec<(&'static str, Vec<u8>, [&'static str; 2])> {
    let mut forged = new.clone();
    *forged.last_mut().unwrap() ^= 1;
    let mut changed = new.clone();
    changed[80] ^= 1; // In the beacon.
    vec![
        ("forged", forged, ["does not verify", "use another source"]),
        ("changed", changed, ["forged", "use another source"]),
        (
            "rolled-back",
            old.clone(),
            ["rolled back to snapshot 0, 1 is known", "use another"],
        ),
        (
            "half",
            new[..new.len() / 2].to_vec(),
            ["malformed", "fetch it again"],
        ),
        ("empty", Vec::new(), ["malformed", "fetch it again"]),
        (
            "oversized",
            vec![1; SIGNED_SNAPSHOT_MAX + 1],
            ["more than", "use another source"],
        ),
        (
            "a-page",
            b"<html>not found</html>".to_vec(),
            ["malformed", "fetch it again"],
        ),
    ]
}

#[test]
fn wrong_files_are_refused_and_the_last_good_snapshot_stays() {
    let (world, all) = world();
    let (now, before) = (NOON + 2 * DAY, world.read("node/ledger"));
    for (name, bytes, words) in wrong(&all) {
        let path = format!("bad/{name}");
        world.write(&path, &bytes);
        let ran = world.fetch("node", &path, now);
        ran.says(&[words[0], words[1], "snapshot 1 stays in use"]);
        assert_eq!(world.read("node/ledger"), before, "{name}");
    }
    let late = NOON + 10 * DAY;
    world
        .fetch("node", "www", late)
        .says(&["snapshot 2 expired", "snapshot 1 stays in use"]);
    world
        .fetch("node", "www", NOON - DAY)
        .says(&["the clock may be wrong, set it"]);
    world
        .fetch("node", "nowhere/at/all", now)
        .says(&["No such file", "snapshot 1 stays in use"]);
    assert_eq!(world.read("node/ledger"), before);
    world.fetch("node", "www", now).good();
}

#[test]
fn wrong_answers_are_refused_and_the_last_good_snapshot_stays() {
    let (world, all) = world();
    let (now, before) = (NOON + 2 * DAY, world.read("node/ledger"));
    let answer = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&answer);
    let url = serve(move |_| told.lock().unwrap().clone());
    let fetch = |bytes: Vec<u8>| {
        *answer.lock().unwrap() = bytes;
        world.fetch("node", &format!("{url}/snapshot"), now)
    };
    for (name, bytes, words) in wrong(&all) {
        fetch(ok(&bytes)).says(&[words[0], words[1], "snapshot 1 stays in use"]);
        assert_eq!(world.read("node/ledger"), before, "{name}");
    }
    fetch(status("404 Not Found")).says(&["404", "correct the address"]);
    let moved = b"HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n";
    fetch(moved.to_vec()).says(&["302", "redirects are not followed"]);
    let endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let chunk = [b"10000\r\n".as_slice(), &[1; 0x10000], b"\r\n"].concat();
    fetch([endless, chunk.repeat(40)].concat()).says(&["more than", "use another source"]);
    let whole = ok(&all[2]);
    fetch(whole[..whole.len() - 1].to_vec()).says(&["is the address right"]);
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(20_000));
    fetch(long.into_bytes()).says(&["is the address right"]);
    fetch(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()).says(&["is the address right"]);
    assert_eq!(world.read("node/ledger"), before);
    fetch(whole).good();
    assert_eq!(world.show_json("node/ledger", now)["number"], 2);
}

#[test]
fn a_web_server_that_serves_the_folder_is_enough() {
    let (world, _) = world();
    let (now, www) = (NOON + 2 * DAY, world.path("www"));
    let url = serve(move |request| {
        let path = request.split(' ').nth(1).unwrap();
        match std::fs::read(www.join(path.trim_start_matches("/r/"))) {
            Ok(bytes) => ok(&bytes),
            Err(_) => status("404 Not Found"),
        }
    });
    let said = world.fetch("node", &format!("{url}/r/"), now).good();
    assert!(
        said.contains("(before: snapshot 1), by a delta of"),
        "{said}"
    );
    world.write("new/network", &world.read("node/network"));
    let said = world.fetch("new", &format!("{url}/r/"), now).good();
    assert!(
        said.contains("(before: none), by a whole snapshot of"),
        "{said}"
    );
    world
        .fetch("node", "https://127.0.0.1/r/", now)
        .says(&["must begin with http://"]);
    world
        .fetch("node", "http://127.0.0.1:1/r/", now)
        .says(&["does the server run?"]);
}

#[test]
fn a_broken_delta_leads_to_the_whole_snapshot() {
    let (world, _) = world();
    let mut delta = world.read("www/delta");
    *delta.last_mut().unwrap() ^= 1;
    world.write("www/delta", &delta);
    let said = world.fetch("node", "www", NOON + 2 * DAY).good();
    assert!(said.contains("by a whole snapshot"), "{said}");
}

#[test]
fn another_network_s_registry_is_forged_here() {
    let (world, other) = (World::with_relays(3), World::with_relays(3));
    world.write("foreign", &other.read("www/snapshot"));
    world
        .fetch("node", "foreign", NOON)
        .says(&["forged or of another network", "there is no snapshot yet"]);
    assert!(!world.path("node/ledger").exists());
    world.write("node/ledger", &other.read("net/ledger"));
    world
        .fetch("node", "www", NOON)
        .says(&["another network or another root", "remove the file"]);
}

#[test]
fn a_damaged_cache_or_network_s_file_is_told_by_name() {
    let (world, _) = world();
    let (now, whole) = (NOON + 2 * DAY, world.read("node/ledger"));
    world.write("node/ledger", &whole[..whole.len() - 7]);
    world
        .fetch("node", "www", now)
        .says(&["node/ledger", "damaged", "remove the file"]);
    let mut changed = whole;
    *changed.last_mut().unwrap() ^= 1;
    world.write("node/ledger", &changed);
    world
        .fetch("node", "www", now)
        .says(&["node/ledger", "changed behind our back"]);
    let text = String::from_utf8(world.read("node/network")).unwrap();
    world.write(
        "node/network",
        text.replace("threshold 2", "threshold 1").as_bytes(),
    );
    world
        .fetch("node", "www", now)
        .says(&["node/network", "the file was changed"]);
    world.write(
        "node/network",
        text.replace("threshold 2", "threshold two").as_bytes(),
    );
    world
        .fetch("node", "www", now)
        .says(&["node/network: line 4: a number"]);
}

#[test]
fn show_says_what_a_file_is_not() {
    let (world, all) = world();
    let show = |file: &str| {
        world.run(&format!(
            "show {file} --network node/network --dangerous-now {NOON}"
        ))
    };
    world.write("x", b"something else");
    show("x").says(&["no whole snapshot, draft or ledger", "give another file"]);
    world.write("x", &all[2][..all[2].len() - 1]);
    show("x").says(&["no whole snapshot", "get it again"]);
    let mut forged = all[2].clone();
    *forged.last_mut().unwrap() ^= 1;
    world.write("x", &forged);
    show("x").says(&["forged"]);
    let late = NOON + 20 * DAY;
    let table = world
        .run(&format!(
            "show www/snapshot --network node/network --dangerous-now {late}"
        ))
        .good();
    assert!(table.contains("EXPIRED 11 days 0 h ago"), "{table}");
    assert!(table.contains(&relay(11).to_string()));
}
