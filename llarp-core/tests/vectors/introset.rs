//! Proof of work, and introsets: a record for everyone, one for clients, places, messages.

use llarp_core::crypto::epoch::Epoch;
use llarp_core::crypto::hash::{NetworkId, label};
use llarp_core::crypto::identity::{RelayId, SecretKey, Seed, X25519Secret};
use llarp_core::crypto::kem::{KemPublic, KemSecret, KemSeed};
use llarp_core::crypto::pow::{Effort, Proof, Puzzle, Search};
use llarp_core::crypto::secret::Secret;
use llarp_core::introset::message::{Answer, Reason, Request};
use llarp_core::introset::{
    ClientKey, Cookie, CookieSecret, DeviceSlot, DeviceSlots, Introducer, IntroductionWork,
    Introset, Location, Lookup, Publisher, Readers, Record, Rules, SessionKeys,
};
use llarp_core::wire::Reader;
use serde_json::{Value, json};

use super::{Playback, Recorder, array, bytes, hex, read};

const EPOCH: Epoch = Epoch(20_000);
const NOW: u64 = EPOCH.0 as u64 * 86_400 + 40_000;
const BEACON: [u8; 32] = [0x66; 32];

fn identity(seed: [u8; 32]) -> SecretKey {
    SecretKey::from_seed(Seed::new(Secret::take(&mut { seed })))
}

fn secret(bytes: [u8; 32]) -> Secret<32> {
    Secret::take(&mut { bytes })
}

fn slot() -> DeviceSlot {
    DeviceSlot::new(3).unwrap()
}

pub(super) fn make() -> Value {
    let network = NetworkId::from_name("vectors");
    let said = said(&network);
    let clients: Vec<_> = [0x71, 0x72]
        .map(|byte| X25519Secret::new(secret([byte; 32])))
        .into();
    let keys: Vec<_> = clients.iter().map(ClientKey::from).collect();
    let (open, everyone) = publish(&network, 1, &said, Readers::Everyone);
    let (closed, only) = publish(&network, 2, &said, Readers::Only(&keys));
    let address = identity([0x61; 32]).address();
    let lookup = Lookup::new(network, address, EPOCH, slot());
    json!({
        "network": hex(&network.0),
        "work": work(&network),
        "identity_seed": hex(&[0x61; 32]),
        "epoch": EPOCH.0,
        "slot": slot().number(),
        "now": NOW,
        "blinded": hex(lookup.blinded().as_bytes()),
        "beacon": hex(&BEACON),
        "location": hex(&lookup.location(&BEACON).0),
        "kem_seed": hex(&[0x63; 64]),
        "contents": hex(&said.encode().unwrap()),
        "cookie_secret": hex(&[0x64; 32]),
        "everyone": everyone,
        "client_secrets": clients.iter().map(|client| hex(client.expose())).collect::<Vec<_>>(),
        "clients": only,
        "messages": messages(open, closed, lookup.location(&BEACON)),
    })
}

fn work(network: &NetworkId) -> Value {
    let parts: [&[u8]; 2] = [b"one", b"two"];
    let puzzle = Puzzle::new(label::INTROSET_WORK, network, &parts);
    let effort = Effort::new(1000).unwrap();
    let Search::Found(proof) = puzzle.search(effort, 0, u64::MAX) else {
        unreachable!("all nonces were tried");
    };
    json!({
        "purpose": label::INTROSET_WORK.as_str(),
        "parts": parts.map(hex),
        "effort": effort.get(),
        "first_nonce": proof.nonce,
        "proof": hex(&proof.encode()),
    })
}

fn said(network: &NetworkId) -> Introset {
    let relay = RelayId([0x62; 32]);
    let kem = KemSecret::from_seed(&KemSeed::new(Secret::take(&mut [0x63; 64])));
    let kem: KemPublic = kem.public().clone();
    Introset {
        slots: DeviceSlots::default().with(slot()).with(DeviceSlot::FIRST),
        keys: SessionKeys {
            x25519: [0x65; 32],
            kem,
            until: NOW + 80_000,
        },
        work: Some(IntroductionWork {
            seed: [0x67; 32],
            effort: Effort::new(7).unwrap(),
        }),
        introducers: vec![Introducer {
            relay,
            cookie: Cookie::of(network, &relay, &CookieSecret::new(secret([0x64; 32]))),
            until: NOW + 40_000,
        }],
        extension: b"later".to_vec(),
    }
}

fn publish(
    network: &NetworkId,
    seed: u64,
    said: &Introset,
    readers: Readers<'_>,
) -> (Record, Value) {
    let mut rng = Recorder::new(seed);
    let (record, nonce) = sealed(network, said, readers, None, &mut rng);
    let value = json!({
        "random": rng.take(),
        "sequence": record.sequence(),
        "nonce": nonce,
        "record": hex(record.as_bytes()),
    });
    (record, value)
}

/// The record that `rng` makes; the search for its proof begins at `nonce`, or at zero.
fn sealed(
    network: &NetworkId,
    said: &Introset,
    readers: Readers<'_>,
    nonce: Option<u64>,
    rng: &mut impl rand_chacha::rand_core::CryptoRng,
) -> (Record, u64) {
    let identity = identity([0x61; 32]);
    let mut publisher = Publisher::new(&identity, *network, EPOCH, slot(), rng);
    let draft = publisher.draft(NOW);
    let effort = Effort::new(64).unwrap();
    let Search::Found(proof) = draft.puzzle().search(effort, nonce.unwrap_or(0), u64::MAX) else {
        unreachable!("all nonces were tried");
    };
    let record = publisher.seal(&draft, proof, said, readers, NOW, rng);
    (record.unwrap(), proof.nonce)
}

fn messages(open: Record, closed: Record, location: Location) -> Value {
    let requests = [
        Request::Publish {
            at: location,
            record: open.clone(),
        },
        Request::Fetch(location),
    ];
    let least = Effort::new(70_000).unwrap();
    let answers = [
        Answer::Stored { copies: 8 },
        Answer::Stale(open.clone()),
        Answer::Refused(Reason::Effort { least }),
        Answer::Refused(Reason::Invalid),
        Answer::Refused(Reason::Full),
        Answer::Refused(Reason::Busy { seconds: 30 }),
        Answer::Found(Vec::new()),
        Answer::Found(vec![closed, open]),
    ];
    json!({
        "requests": requests.iter().map(|it| hex(&it.encode())).collect::<Vec<_>>(),
        "answers": answers.iter().map(|it| hex(&it.encode())).collect::<Vec<_>>(),
    })
}

#[test]
fn the_vectors_proof_holds_and_no_nonce_before_it() {
    let vectors = read("introset");
    let network = NetworkId(array(&vectors["network"]));
    let work = &vectors["work"];
    let parts: Vec<_> = work["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(bytes)
        .collect();
    let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
    let puzzle = Puzzle::new(label::INTROSET_WORK, &network, &parts);
    let proof = Proof::read(&mut Reader::new(&bytes(&work["proof"]))).unwrap();
    assert_eq!(
        u64::from(proof.effort.get()),
        work["effort"].as_u64().unwrap()
    );
    assert_eq!(proof.nonce, work["first_nonce"].as_u64().unwrap());
    assert_eq!(puzzle.verify(&proof), Ok(()));
    let before = puzzle.search(proof.effort, 0, proof.nonce);
    assert_eq!(before, Search::Next(proof.nonce));
}

#[test]
fn the_vectors_records_are_stored_and_say_what_stands_there() {
    let vectors = read("introset");
    let network = NetworkId(array(&vectors["network"]));
    let address = identity(array(&vectors["identity_seed"])).address();
    let now = vectors["now"].as_u64().unwrap();
    let epoch = Epoch(u32::try_from(vectors["epoch"].as_u64().unwrap()).unwrap());
    let slot = u8::try_from(vectors["slot"].as_u64().unwrap()).unwrap();
    let lookup = Lookup::new(network, address, epoch, DeviceSlot::new(slot).unwrap());
    assert_eq!(*lookup.blinded().as_bytes(), array(&vectors["blinded"]));
    let beacons = [array(&vectors["beacon"])];
    let location = Location(array(&vectors["location"]));
    assert_eq!(lookup.location(&beacons[0]), location);
    let said = Introset::decode(&bytes(&vectors["contents"])).unwrap();
    let cookie = CookieSecret::new(secret(array(&vectors["cookie_secret"])));
    let [introducer] = &said.introducers[..] else {
        panic!("one introducer");
    };
    assert!(introducer.cookie == Cookie::of(&network, &introducer.relay, &cookie));
    let secrets = vectors["client_secrets"].as_array().unwrap();
    let secrets: Vec<_> = secrets
        .iter()
        .map(|it| X25519Secret::new(secret(array(it))))
        .collect();
    let keys: Vec<_> = secrets.iter().map(ClientKey::from).collect();
    for (name, readers, clients) in [
        ("everyone", Readers::Everyone, vec![None]),
        (
            "clients",
            Readers::Only(&keys),
            secrets.iter().map(Some).collect(),
        ),
    ] {
        let vector = &vectors[name];
        let record = Record::decode(&bytes(&vector["record"])).unwrap();
        assert_eq!(record.sequence(), vector["sequence"].as_u64().unwrap());
        let rules = Rules {
            network: &network,
            now,
            beacons: &beacons,
            least: Effort::new(64).unwrap(),
        };
        assert!(record.clone().verify(&location, &rules).is_ok());
        for client in clients {
            let opened = lookup.open(&record, now, client).unwrap();
            assert_eq!(opened.introset, said);
        }
        // Its owner makes the same again.
        let nonce = vector["nonce"].as_u64();
        let mut rng = Playback(bytes(&vector["random"]));
        assert_eq!(sealed(&network, &said, readers, nonce, &mut rng).0, record);
        assert!(rng.0.is_empty());
    }
}

#[test]
fn the_vectors_messages_decode_to_what_encodes_back() {
    let messages = &read("introset")["messages"];
    for request in messages["requests"].as_array().unwrap() {
        let request = bytes(request);
        assert_eq!(Request::decode(&request).unwrap().encode(), request);
    }
    for answer in messages["answers"].as_array().unwrap() {
        let answer = bytes(answer);
        assert_eq!(Answer::decode(&answer).unwrap().encode(), answer);
    }
}
