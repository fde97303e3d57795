//! `oxen_json`, `network_file` and `registry_draft`: what an operator's own daemon says, what a newcomer
//! is given, and what authorities carry between their machines.

use std::collections::BTreeMap;
use std::fmt::Write;

use llarp_daemon::registry::NetworkFile;
use llarp_daemon::registry::draft_file::{DraftFile, Subject};
use llarp_daemon::registry::pending::Pending;
use llarp_daemon::sources::oxen::{parse_headers, parse_nodes};
use serde_json::{Value, json};

use crate::Seed;
use crate::fixture::{IDENTITY, RELAYS};
use crate::input::{Input, mutate};

/// The input is an answer to `get_service_nodes`, then to `get_block_header_by_height`, then a list of nodes.
/// A relay that is listed is a key; of a list that is well formed, everybody is counted once.
pub(crate) fn oxen(bytes: &[u8]) {
    listed(bytes);
    let heights = [1, 2];
    if let Ok(blocks) = parse_headers(bytes, &heights) {
        assert!(blocks.keys().copied().eq(heights));
    }
    model(&mut Input::new(bytes));
}

fn listed(bytes: &[u8]) {
    if let Ok(listed) = parse_nodes(bytes) {
        assert!(listed.relays.keys().all(|relay| relay.key().is_ok()));
    }
}

/// Lists nodes by the input's choice, and says what must be counted.
fn model(input: &mut Input<'_>) {
    let mut states = Vec::new();
    let mut counted: BTreeMap<_, u64> = BTreeMap::new();
    let (mut inactive, mut without_key) = (0, 0);
    for _ in 0..input.below(8) {
        let (flags, which) = (input.u8(), input.below(RELAYS.len()));
        let height = u64::from(input.u16());
        let (active, funded, has_key) = (flags & 1 == 0, flags & 2 == 0, flags & 4 == 0);
        let id = RELAYS[which].id;
        let key = if has_key { hex(&id.0) } else { String::new() };
        states.push(json!({
            "active": active, "funded": funded, "pubkey_ed25519": key, "registration_height": height,
            "portions_for_operator": 18_446_744_073_709_551_612_u64,
        }));
        match (active && funded, has_key) {
            (false, _) => inactive += 1,
            (true, false) => without_key += 1,
            // Of several registrations of one relay the first counts.
            (true, true) => {
                if let Some(before) = counted.insert(id, height) {
                    counted.insert(id, before.min(height));
                    without_key += 1;
                }
            }
        }
    }
    let answer = answer(&Value::from(states)).to_string();
    let listed = parse_nodes(answer.as_bytes()).expect("well formed");
    assert_eq!(listed.relays, counted);
    assert_eq!(
        (listed.inactive, listed.without_key),
        (inactive, without_key)
    );
}

fn answer(states: &Value) -> Value {
    json!({ "result": { "status": "OK", "height": 9, "service_node_states": states } })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn oxen_seeds() -> Vec<Seed> {
    let node = json!({
        "active": true, "funded": true, "registration_height": 7,
        "pubkey_ed25519": hex(&RELAYS[0].id.0), "public_ip": "192.0.2.1", "storage_port": 22021,
    });
    let headers = json!({ "result": { "status": "OK", "block_headers": [
        { "height": 1, "hash": "01".repeat(32) }, { "height": 2, "hash": "02".repeat(32) },
    ] } });
    let no = json!({ "error": { "code": -32601, "message": "Method not found" } });
    let one = answer(&json!([node])).to_string().into_bytes();
    vec![
        ("cut", one[..one.len() / 2].to_vec()),
        ("one_node", one),
        (
            "same_twice",
            answer(&json!([node, node])).to_string().into_bytes(),
        ),
        ("headers", headers.to_string().into_bytes()),
        ("refusal", no.to_string().into_bytes()),
        (
            "model",
            vec![
                7, 0, 0, 0, 1, 1, 1, 0, 2, 0, 0, 0, 9, 4, 2, 0, 3, 2, 3, 0, 4,
            ],
        ),
        ("deep", b"[".repeat(400)),
    ]
}

/// The input is a network's file, then changes to one. What parses is printed to a text that means the
/// same.
pub(crate) fn network_file(bytes: &[u8]) {
    parse(bytes);
    let mut input = Input::new(bytes);
    let mut changed = file().into_bytes();
    mutate(&mut changed, &mut input, 4);
    parse(&changed);
}

fn parse(bytes: &[u8]) {
    match NetworkFile::parse(bytes) {
        Ok(file) => {
            let again = NetworkFile::parse(file.to_string().as_bytes());
            assert_eq!(again.as_ref(), Ok(&file));
            assert_eq!(file.root().number(), 0);
        }
        Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
    }
}

fn file() -> String {
    use llarp_core::registry::Charter;
    use llarp_daemon::registry::Bootstrap;

    let keys = RELAYS.iter().take(2).map(|relay| relay.id.key());
    let keys = keys.chain([Ok(IDENTITY.public())]);
    let keys: Vec<_> = keys.collect::<Result<_, _>>().expect("keys");
    let root = Charter::root(2, keys).expect("a root");
    let bootstrap = ["192.0.2.1:1090", "[2001:db8::1]:1090"].map(|address| Bootstrap {
        relay: RELAYS[0].id,
        address: address.parse().expect("an address"),
    });
    let file = NetworkFile::new("example", root, bootstrap.to_vec());
    let file = file.expect("a file");
    let charter = "07".repeat(32);
    format!("{file}charter 2 {charter}\n")
}

pub(crate) fn network_file_seeds() -> Vec<Seed> {
    let whole = file();
    let changed = |from: &str, to: &str| whole.replacen(from, to, 1).into_bytes();
    vec![
        ("whole", whole.clone().into_bytes()),
        ("no_root", changed("root ", "# root ")),
        ("other_threshold", changed("threshold 2", "threshold 3")),
        ("no_charter", changed("charter ", "# charter ")),
        ("charter_of_no_chain", changed("charter 2", "charter 64")),
        ("other_name", changed("example", "exbmple")),
        ("twice", format!("{whole}name other\n").into_bytes()),
        ("newer", changed("llarp-network 1", "llarp-network 2")),
        ("not_text", vec![0xff; 40]),
    ]
}

/// The input is a draft, then changes to one, then a list of changes. What decodes encodes to the same
/// bytes; what parses is printed to a text that means the same.
pub(crate) fn draft(bytes: &[u8]) {
    decode(bytes);
    let mut input = Input::new(bytes);
    let [snapshot, charter] = drafts();
    let mut changed = if input.u8().is_multiple_of(2) {
        snapshot
    } else {
        charter
    };
    mutate(&mut changed, &mut input, 4);
    decode(&changed);
    if let Ok(pending) = Pending::parse(bytes) {
        let again = Pending::parse(pending.to_string().as_bytes());
        assert_eq!(again, Ok(pending));
    }
}

fn decode(bytes: &[u8]) {
    if let Ok(draft) = DraftFile::decode(bytes) {
        assert_eq!(draft.encode(), bytes);
        assert!(DraftFile::is_meant(bytes));
    }
}

/// A draft of a snapshot, and one of a charter.
fn drafts() -> [Vec<u8>; 2] {
    let published = crate::registry::published(2);
    let charters = published.charters().to_vec();
    let charter = charters
        .last()
        .expect("other authorities")
        .charter()
        .clone();
    let snapshot = Subject::Snapshot(published.claimed().clone());
    let drafts = [
        (charters, snapshot),
        (Vec::new(), Subject::Charter(charter)),
    ];
    drafts.map(|(charters, subject)| DraftFile { charters, subject }.encode())
}

pub(crate) fn draft_seeds() -> Vec<Seed> {
    let [snapshot, charter] = drafts();
    let relay = |at: usize| RELAYS[at].id;
    let hash = "0a".repeat(32);
    let pending = format!(
        "set {} 1000 {hash}\nset {} 1001 {hash} {hash}\nremove {}\n",
        relay(0),
        relay(1),
        relay(2)
    );
    let twice = format!("{pending}remove {}\n", relay(0));
    vec![
        ("cut", snapshot[..snapshot.len() - 1].to_vec()),
        ("snapshot", snapshot),
        ("charter", charter),
        ("pending", pending.into_bytes()),
        ("pending_twice", twice.into_bytes()),
    ]
}
