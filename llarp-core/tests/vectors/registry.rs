//! Two charters, two snapshots, the delta between them, and a ledger of both.

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{SecretKey, Seed};
use llarp_core::crypto::secret::Secret;
use llarp_core::registry::{
    Changed, Changes, Charter, CharterChain, Delta, Family, Ledger, Registration, Signature,
    SignedCharter, SignedSnapshot, Snapshot, Terms,
};
use serde_json::{Value, json};

use super::{array, bytes, hex, read};
use crate::registry_support::{assign, noon, terms};

fn key(byte: u8) -> SecretKey {
    SecretKey::from_seed(Seed::new(Secret::take(&mut [byte; 32])))
}

fn relay(byte: u8) -> Registration {
    Registration {
        relay: key(byte).relay_id(),
        height: 1000 + u64::from(byte),
        block: [byte; 32],
        family: byte.is_multiple_of(2).then_some(Family([byte; 32])),
    }
}

pub(super) fn make() -> Value {
    let net = NetworkId::from_name("vectors");
    let old = [0xa1, 0xa2, 0xa3].map(key);
    let new = [0xb1, 0xb2].map(key);
    let root = Charter::root(2, old.iter().map(SecretKey::public)).unwrap();
    let mut chain = CharterChain::new(net, root.clone()).unwrap();
    let first = Snapshot::first(&net, terms(0), [1, 2, 3, 4].map(relay), assign).unwrap();
    let alone = first.sign(&net, &root, &old[0]).unwrap();
    let signed_first = sign(&chain, &first, &old[..2]);

    let charter = root
        .succeed(&net, 2, new.iter().map(SecretKey::public))
        .unwrap();
    let signatures = old[1..]
        .iter()
        .map(|key| root.sign_successor(&net, &charter, key).unwrap());
    let signed_charter = SignedCharter::collect(&net, &root, charter.clone(), signatures).unwrap();
    chain.extend(&signed_charter).unwrap();
    let changes = Changes {
        add: vec![relay(5), relay(6)],
        remove: vec![relay(3).relay],
        change: vec![Registration {
            family: None,
            ..relay(4)
        }],
    };
    let parameters = terms(1).parameters.with(0xffff, 7).unwrap();
    let terms = Terms {
        charter: 1,
        parameters,
        ..terms(1)
    };
    let second = first.succeed(&net, terms, changes, assign).unwrap();
    let signed_second = sign(&chain, &second, &new);

    let mut ledger = Ledger::new(net, root.clone(), assign).unwrap();
    ledger
        .offer_snapshot(&signed_first.encode(), noon(0))
        .unwrap();
    let base = ledger.current().unwrap().clone();
    ledger
        .offer_snapshot(&signed_second.encode(), noon(1))
        .unwrap();
    let delta = Delta::between(&base, ledger.current().unwrap()).unwrap();
    json!({
        "network": hex(&net.0),
        "authority_seeds": [seeds(&[0xa1, 0xa2, 0xa3]), seeds(&[0xb1, 0xb2])],
        "charters": [
            { "charter": hex(&root.encode()), "hash": hex(&root.hash(&net).0) },
            { "charter": hex(&charter.encode()), "hash": hex(&charter.hash(&net).0),
              "signed": hex(&signed_charter.encode()) },
        ],
        "snapshots": [snapshot(&net, &signed_first), snapshot(&net, &signed_second)],
        "signature": hex(&alone.encode()),
        "delta": hex(&delta.encode()),
        "ledger": hex(&ledger.encode()),
        "now": [noon(0), noon(1)],
    })
}

fn seeds(bytes: &[u8]) -> Vec<String> {
    bytes.iter().map(|byte| hex(&[*byte; 32])).collect()
}

fn sign(chain: &CharterChain, snapshot: &Snapshot, keys: &[SecretKey]) -> SignedSnapshot {
    let charter = chain.newest();
    let sign = |key| snapshot.sign(chain.network(), charter, key).unwrap();
    SignedSnapshot::collect(chain, snapshot.clone(), keys.iter().map(sign)).unwrap()
}

fn snapshot(net: &NetworkId, signed: &SignedSnapshot) -> Value {
    json!({
        "snapshot": hex(&signed.claimed().encode()),
        "hash": hex(&signed.hash(net).0),
        "signed": hex(&signed.encode()),
    })
}

#[test]
fn a_ledger_follows_the_vectors_by_snapshot_and_by_delta() {
    let vectors = read("registry");
    let net = NetworkId(array(&vectors["network"]));
    let root = Charter::decode(&bytes(&vectors["charters"][0]["charter"])).unwrap();
    assert_eq!(root.hash(&net).0, array(&vectors["charters"][0]["hash"]));
    let signed = SignedCharter::decode(&bytes(&vectors["charters"][1]["signed"])).unwrap();
    assert_eq!(
        signed.charter().encode(),
        bytes(&vectors["charters"][1]["charter"])
    );
    let now = [0, 1].map(|at: usize| vectors["now"][at].as_u64().unwrap());
    let snapshots = [0, 1].map(|at: usize| bytes(&vectors["snapshots"][at]["signed"]));
    let mut ledger = Ledger::new(net, root.clone(), assign).unwrap();
    let advanced = |from, to| Ok(Changed::Advanced { from, to });
    assert_eq!(
        ledger.offer_snapshot(&snapshots[0], now[0]),
        advanced(None, 0)
    );
    let taken = ledger.offer_delta(&bytes(&vectors["delta"]), now[1]);
    assert_eq!(taken, advanced(Some(0), 1));
    let current = ledger.current().unwrap();
    assert_eq!(current.signed().encode(), snapshots[1]);
    assert_eq!(
        current.encode(),
        bytes(&vectors["snapshots"][1]["snapshot"])
    );
    assert_eq!(current.hash().0, array(&vectors["snapshots"][1]["hash"]));
    assert_eq!(current.terms().parameters.get(0xffff), Some(7));
    assert_eq!(ledger.encode(), bytes(&vectors["ledger"]));
    let again = Ledger::decode(&bytes(&vectors["ledger"]), net, root, assign).unwrap();
    assert_eq!(again.head(), ledger.head());
    let alone = Signature::decode(&bytes(&vectors["signature"])).unwrap();
    assert_eq!(alone.subject(), &array(&vectors["snapshots"][0]["hash"]));
}
