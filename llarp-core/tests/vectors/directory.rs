//! Documents of the directory, their names, digests over them, and messages.

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{SecretKey, Seed};
use llarp_core::crypto::kem::{KemSecret, KemSeed};
use llarp_core::crypto::onion_key::OnionPublic;
use llarp_core::crypto::secret::Secret;
use llarp_core::registry::directory::{Digest, Member, Members, SnapshotHead, What, root_of};
use llarp_core::registry::message::{Reply, Request};
use llarp_core::registry::{
    Addresses, Descriptor, Directory, Document, Equivocation, Family, KeyEpoch, KeySet, Presence,
};
use serde_json::{Value, json};

use super::{array, bytes, hex, read};

const EPOCH: KeyEpoch = KeyEpoch(10_000);
const NOW: u64 = EPOCH.start() + 3600;

fn key(seed: [u8; 32]) -> SecretKey {
    SecretKey::from_seed(Seed::new(Secret::take(&mut { seed })))
}

fn directory(network: NetworkId, key: &SecretKey) -> Directory {
    let member = Member {
        relay: key.relay_id(),
        family: None,
    };
    let head = SnapshotHead {
        number: 7,
        hash: [0x77; 32],
        charter: 2,
    };
    Directory::new(network, Members::new(head, [member]).unwrap())
}

pub(super) fn make() -> Value {
    let network = NetworkId::from_name("vectors");
    let (seed, kem_seed) = ([0x41; 32], [0x42; 64]);
    let key = key(seed);
    let kem = KemSecret::from_seed(&KemSeed::new(Secret::take(&mut { kem_seed })));
    let v4 = "192.0.2.7:1090".parse().unwrap();
    let v6 = "[2001:db8::7]:1091".parse().unwrap();
    let presence = Presence {
        issued: NOW,
        addresses: Addresses::new(Some(v4), Some(v6)).unwrap(),
        family: Some(Family([0x43; 32])),
        capacity: 12_345,
    };
    let descriptor = Descriptor::sign(&network, &key, presence);
    let [one, other] = [0x44, 0x45].map(|byte| {
        let onion = OnionPublic {
            x25519: [byte; 32],
            kem: kem.public().clone(),
        };
        KeySet::sign(&network, &key, EPOCH, onion)
    });
    let proof = Equivocation::of(&one, &other).unwrap();
    let documents = [
        Document::Descriptor(descriptor.get().clone()),
        Document::KeySet(one.get().clone()),
        Document::Equivocation(proof.get().clone()),
    ];
    let mut directory = directory(network, &key);
    for document in &documents[..2] {
        directory.learn(document.clone(), NOW).unwrap();
    }
    let level = 1;
    let what = What::KeySets(EPOCH);
    let requests = [
        Request::Head,
        Request::Buckets { what, level },
        Request::Documents {
            what: What::Descriptors,
            relays: vec![key.relay_id()],
        },
    ];
    let asked = |request: &Request| json!({ "request": hex(&request.encode()), "reply": hex(&directory.answer(request).encode()) });
    json!({
        "network": hex(&network.0),
        "seed": hex(&seed),
        "relay": hex(&key.relay_id().0),
        "now": NOW,
        "documents": documents.iter().map(|document| json!({
            "bytes": hex(&document.encode()),
            "name": hex(&document.name(&network).0),
        })).collect::<Vec<_>>(),
        "messages": requests.iter().map(asked).collect::<Vec<_>>(),
    })
}

#[test]
fn a_directory_of_the_vectors_documents_answers_as_they_say() {
    let vectors = read("directory");
    let network = NetworkId(array(&vectors["network"]));
    let key = key(array(&vectors["seed"]));
    assert_eq!(key.relay_id().0, array::<32>(&vectors["relay"]));
    let now = vectors["now"].as_u64().unwrap();
    let mut directory = directory(network, &key);
    let documents = vectors["documents"].as_array().unwrap();
    for vector in documents {
        let document = Document::decode(&bytes(&vector["bytes"])).unwrap();
        assert_eq!(document.name(&network).0, array::<32>(&vector["name"]));
    }
    for vector in &documents[..2] {
        let document = Document::decode(&bytes(&vector["bytes"])).unwrap();
        directory.learn(document, now).unwrap();
    }
    for vector in vectors["messages"].as_array().unwrap() {
        let request = Request::decode(&bytes(&vector["request"])).unwrap();
        let reply = directory.answer(&request);
        assert_eq!(reply.encode(), bytes(&vector["reply"]));
        if let Reply::Buckets(buckets) = reply {
            let root = root_of(&network, &buckets).unwrap();
            assert!(root != Digest::EMPTY);
            assert!(directory.head().trees.iter().any(|tree| tree.root == root));
        }
    }
    let proof = Document::decode(&bytes(&documents[2]["bytes"])).unwrap();
    directory.learn(proof, now).unwrap();
    assert!(directory.is_excluded(&key.relay_id()));
}
