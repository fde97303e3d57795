//! What directories cost in bytes. What they cost in time is measured by `llarpd bench directory`.

use llarp_core::crypto::identity::SecretKey;
use llarp_core::registry::Directory;
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
fn costs(count: usize) -> [usize; 3] {
    let keys = keys(count);
    let source = full(&keys);
    let peers = [Reach::Direct, Reach::Path, Reach::Path].map(|reach| honest(reach, &source));
    let mut client = empty(&keys);
    let mut bytes = |peers: &[Peer<'_>]| {
        let (outcome, cost) = run(&mut client, peers);
        assert_eq!((outcome.accepted, outcome.faults.len()), (count, 0));
        cost.up + cost.down
    };
    let cold = bytes(&peers);
    let same = bytes(&peers);
    // One source has not heard of the changes yet.
    let newer = changed(&source, &keys);
    let warm = bytes(&[
        honest(Reach::Direct, &newer),
        honest(Reach::Path, &source),
        honest(Reach::Path, &newer),
    ]);
    [cold, same, warm]
}

#[test]
fn a_thousand_relays_stay_within_the_bars_of_bytes() {
    let [cold, same, warm] = costs(1000);
    assert!(cold <= 1_800_000, "cold: {cold}");
    assert!(same <= 1000, "nothing changed: {same}");
    // The source that is behind is asked for its lists, though the client has them: it must not see that.
    assert!(warm <= 80_000, "few changes: {warm}");
}
