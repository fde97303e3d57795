//! Properties 1 and 2 of the protocol, at the level of the build message.

use crate::support::*;

#[test]
fn a_build_gives_client_and_relays_the_same_keys_in_one_round_trip() {
    for hops in 1..=4 {
        let mut relays = relays(hops);
        let (keys, ran) = build(&mut relays, 7);
        assert_eq!(keys.len() as u64, hops);
        // One request and one reply on every link, and every hop is ready.
        assert_eq!(ran.requests.len() as u64, hops);
        assert_eq!(ran.replies.len() as u64, hops);
        for (ours, theirs) in keys.iter().zip(&ran.keys) {
            assert_eq!(ours.up(), theirs.up());
            assert_eq!(ours.down(), theirs.down());
            assert_ne!(ours.up(), ours.down());
        }
    }
}
