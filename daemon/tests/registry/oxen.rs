//! An Oxen daemon's list, from a server that answers as one does.

use std::sync::{Arc, Mutex};

use crate::server::{ok, serve};
use crate::world::{DAY, NOON, World, relay};

const NODES: &str = include_str!("../fixtures/oxen_get_service_nodes.json");
const HEADERS: &str = include_str!("../fixtures/oxen_get_block_header_by_height.json");

/// A daemon whose answers can be changed.
struct Oxen {
    nodes: Arc<Mutex<String>>,
    headers: Arc<Mutex<String>>,
    asked: Arc<Mutex<Vec<String>>>,
    url: String,
}

impl Oxen {
    fn start() -> Self {
        let [nodes, headers] = [NODES, HEADERS].map(|text| Arc::new(Mutex::new(text.to_owned())));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (said_nodes, said_headers, heard) = (nodes.clone(), headers.clone(), asked.clone());
        let url = serve(move |request| {
            heard.lock().unwrap().push(request.to_owned());
            let said = match request.contains("get_block_header_by_height") {
                true => &said_headers,
                false => &said_nodes,
            };
            ok(said.lock().unwrap().as_bytes())
        });
        Self {
            nodes,
            headers,
            asked,
            url,
        }
    }

    fn says(&self, nodes: &str) {
        nodes.clone_into(&mut self.nodes.lock().unwrap());
    }

    fn import(&self, world: &World) -> crate::world::Ran {
        world.run(&format!("import --dir net --oxen {}", self.url))
    }
}

/// The fixture's node `number` is the relay with the seed of so many hundreds.
fn node(number: u8) -> String {
    relay(100 + number).to_string()
}

#[test]
fn a_daemon_s_active_nodes_are_proposed_with_the_hashes_of_their_blocks() {
    let (world, oxen) = (World::new(), Oxen::start());
    let said = oxen.import(&world).good();
    assert!(said.contains("The daemon counts 21 relays."), "{said}");
    assert!(
        said.contains("Left out: 2 not funded or decommissioned, 1 without a key"),
        "{said}"
    );
    assert!(
        said.contains("21 joining, 0 registering anew, 0 leaving."),
        "{said}"
    );
    let pending = String::from_utf8(world.read("net/pending")).unwrap();
    let headers: serde_json::Value = serde_json::from_str(HEADERS).unwrap();
    let first = &headers["result"]["block_headers"][0];
    let line = format!(
        "set {} {} {}",
        node(1),
        first["height"],
        first["hash"].as_str().unwrap()
    );
    assert!(pending.contains(&line), "{line} is missing in:\n{pending}");
    for left_out in [5, 23, 24] {
        assert!(!pending.contains(&node(left_out)));
    }
    let asked = oxen.asked.lock().unwrap();
    assert_eq!(asked.len(), 2);
    assert!(
        asked
            .iter()
            .all(|asked| asked.starts_with("POST /json_rpc HTTP/1.1\r\n")),
        "{asked:?}"
    );
    assert!(asked[1].contains("\"heights\":[1190101,"), "{}", asked[1]);
    drop(asked);
    world.publish(NOON);
    assert_eq!(
        world.show_json("www/snapshot", NOON)["relays"]
            .as_array()
            .unwrap()
            .len(),
        21
    );
    let said = oxen.import(&world).good();
    assert!(
        said.contains("0 joining, 0 registering anew, 0 leaving."),
        "{said}"
    );
}

#[test]
fn who_is_decommissioned_leaves_and_many_at_once_are_not_believed() {
    let (world, oxen) = (World::new(), Oxen::start());
    oxen.import(&world).good();
    world.publish(NOON);
    let mut nodes: serde_json::Value = serde_json::from_str(NODES).unwrap();
    nodes["result"]["service_node_states"][0]["active"] = false.into();
    let mut headers: serde_json::Value = serde_json::from_str(HEADERS).unwrap();
    headers["result"]["block_headers"]
        .as_array_mut()
        .unwrap()
        .remove(0);
    oxen.says(&nodes.to_string());
    *oxen.headers.lock().unwrap() = headers.to_string();
    assert!(
        oxen.import(&world)
            .good()
            .contains("0 joining, 0 registering anew, 1 leaving.")
    );
    assert!(
        world
            .draft(NOON + DAY)
            .good()
            .contains(&format!("- {}", node(1)))
    );
    let before = world.read("net/pending");
    nodes["result"]["service_node_states"] = serde_json::json!([]);
    oxen.says(&nodes.to_string());
    oxen.import(&world).says(&[
        "21 of 21 relays would leave at once",
        "--dangerous-remove-many",
    ]);
    assert_eq!(world.read("net/pending"), before);
}

#[test]
fn answers_of_another_shape_import_nothing() {
    let (world, oxen) = (World::new(), Oxen::start());
    let key = "\"pubkey_ed25519\": \"";
    for (from, to, words) in [
        (
            "\"status\": \"OK\"",
            "\"status\": \"BUSY\"",
            ["refuses", "BUSY"],
        ),
        (
            "\"target_height\": 1400001",
            "\"target_height\": 1500000",
            ["at block 1400000 of 1500000", "wait"],
        ),
        (
            "\"active\": true",
            "\"active\": 1",
            ["not as expected", "RPC port"],
        ),
        (
            "\"active\": true",
            "\"alive\": true",
            ["missing field `active`", "RPC port"],
        ),
        (
            "\"registration_height\": 1190101",
            "\"registration_height\": -1",
            ["not as expected", "RPC port"],
        ),
        (
            "\"registration_height\": 1190101",
            "\"registration_height\": 1190100",
            ["other blocks than those", "RPC port"],
        ),
        (
            key,
            "\"pubkey_ed25519\": \"zz",
            ["pubkey_ed25519 is not 64 hex digits", "RPC port"],
        ),
        ("\"result\"", "\"results\"", ["no result", "RPC port"]),
        (
            NODES,
            "{\"error\": {\"code\": -32601, \"message\": \"Method not found\"}}",
            ["refuses", "Method not found"],
        ),
        (NODES, "<html>", ["not as expected", "RPC port"]),
        (
            NODES,
            &NODES[..NODES.len() / 2],
            ["not as expected", "RPC port"],
        ),
    ] {
        oxen.says(&NODES.replacen(from, to, 1));
        oxen.import(&world).says(&words);
        assert!(!world.path("net/pending").exists(), "{to}");
    }
}

#[test]
fn keys_that_are_none_and_second_keys_stop_nobody_else() {
    let (world, oxen) = (World::new(), Oxen::start());
    let nodes: serde_json::Value = serde_json::from_str(NODES).unwrap();
    let key = |at: usize| {
        let key = &nodes["result"]["service_node_states"][at]["pubkey_ed25519"];
        format!("\"pubkey_ed25519\": {key}")
    };
    // A point of small order; then the key of another node, whose registration is older and counts.
    let none = format!("\"pubkey_ed25519\": \"01{}\"", "00".repeat(31));
    oxen.says(&NODES.replace(&key(21), &none).replace(&key(20), &key(0)));
    let mut headers: serde_json::Value = serde_json::from_str(HEADERS).unwrap();
    headers["result"]["block_headers"]
        .as_array_mut()
        .unwrap()
        .truncate(19);
    *oxen.headers.lock().unwrap() = headers.to_string();
    let said = oxen.import(&world).good();
    assert!(
        said.contains("counts 19 relays") && said.contains("3 without a key of their own"),
        "{said}"
    );
    let pending = String::from_utf8(world.read("net/pending")).unwrap();
    assert!(
        pending.contains(&format!("set {} 1190101 ", node(1))),
        "{pending}"
    );
}

#[test]
fn another_machine_s_daemon_is_not_believed() {
    let world = World::new();
    let ran = world.run("import --dir net --oxen http://192.0.2.1:22023");
    ran.says(&[
        "192.0.2.1:22023 is another machine",
        "--dangerous-remote-oxen",
    ]);
}
