//! What directories cost in bytes, and, on demand, in time.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "the report on demand tells times"
)]

use std::time::Instant;

use llarp_core::crypto::identity::SecretKey;
use llarp_core::registry::Directory;
use llarp_core::registry::directory::Trust;
use llarp_core::registry::sync::Reach;

use crate::directory_support::*;

/// The source with new descriptors of one relay in twenty.
fn changed(source: &Directory, keys: &[SecretKey]) -> Directory {
    let mut changed = source.clone();
    for key in keys.iter().step_by(20) {
        changed.learn(descriptor(key, NOW - 60), NOW).unwrap();
    }
    changed
}

/// Bytes both ways of a cold start, of a warm one without and with changes.
fn costs(count: usize, report: bool) -> [usize; 3] {
    let keys = keys(count);
    let source = full(&keys);
    let peers = [Reach::Direct, Reach::Path, Reach::Path].map(|reach| honest(reach, &source));
    let mut client = empty(&keys);
    let timed = |name: &str, client: &mut Directory, peers: &[Peer<'_>]| {
        let began = Instant::now();
        let (outcome, cost) = run(client, peers);
        assert_eq!((outcome.accepted, outcome.faults.len()), (count, 0));
        if report {
            eprintln!(
                "{count} relays, {name}: {cost:?}, {:?} of all sides",
                began.elapsed()
            );
        }
        cost.up + cost.down
    };
    let cold = timed("cold", &mut client, &peers);
    let same = timed("warm, nothing changed", &mut client, &peers);
    // One source has not heard of the changes yet.
    let newer = changed(&source, &keys);
    let peers = [
        honest(Reach::Direct, &newer),
        honest(Reach::Path, &source),
        honest(Reach::Path, &newer),
    ];
    let warm = timed("warm, 5 % of descriptors changed", &mut client, &peers);
    if report {
        let rows: Vec<_> = client.rows().collect();
        let began = Instant::now();
        let mut again = empty(&keys);
        for row in &rows {
            again
                .restore(row.relay, row.value.as_ref().unwrap(), NOW)
                .unwrap();
        }
        eprintln!("{count} relays, from the disk: {:?}", began.elapsed());
        let began = Instant::now();
        assert_eq!(again.relays(NOW, Trust::Accepted).len(), count);
        eprintln!("{count} relays, list of relays: {:?}", began.elapsed());
    }
    [cold, same, warm]
}

#[test]
fn a_thousand_relays_stay_within_the_bars_of_bytes() {
    let [cold, same, warm] = costs(1000, false);
    assert!(cold <= 1_800_000, "cold: {cold}");
    assert!(same <= 1000, "nothing changed: {same}");
    assert!(warm <= 60_000, "few changes: {warm}");
}

#[test]
#[ignore = "a report, for whoever measures: cargo test --release directory_costs -- --ignored --nocapture"]
fn bytes_and_time_of_100_to_10_000_relays() {
    for count in [100, 1000, 10_000] {
        costs(count, true);
    }
}
