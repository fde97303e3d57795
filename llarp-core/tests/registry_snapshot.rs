//! Charters, snapshots, deltas as values: bytes and values are the same thing, and drafts follow.

use llarp_core::crypto::identity::SecretKey;
use llarp_core::registry::swarm::{SwarmId, SwarmParams};
use llarp_core::registry::{
    Changes, Charter, CharterChain, CharterError, Delta, DraftError, Epoch, Ledger, Parameters,
    ParametersError, Registration, Signature, SignedCharter, SignedSnapshot, Snapshot, Terms,
    TermsError, VerifiedSnapshot,
};
use llarp_core::wire::Fault;
use llarp_core::wire::limits::{AUTHORITIES_MAX, CHARTERS_MAX, PARAMETERS_MAX, RELAYS_MAX};
use proptest::prelude::*;
use rand_chacha::rand_core::Rng;

use crate::registry_support::*;
use crate::support::{network, rng};

fn first(count: usize) -> Snapshot {
    Snapshot::first(&network(), terms(0), relays(count, 2), assign).unwrap()
}

#[test]
fn charters_have_distinct_keys_and_a_threshold_that_can_be_met() {
    let public = |count, seed| {
        keys(count, seed)
            .iter()
            .map(SecretKey::public)
            .collect::<Vec<_>>()
    };
    let got = AUTHORITIES_MAX + 1;
    assert_eq!(Charter::root(1, []), Err(CharterError::Keys { got: 0 }));
    assert_eq!(
        Charter::root(1, public(got + 5, 3)),
        Err(CharterError::Keys { got })
    );
    let [one, other] = <[_; 2]>::try_from(public(2, 3)).unwrap();
    assert_eq!(
        Charter::root(1, [one, other, one]),
        Err(CharterError::Twice)
    );
    for got in [0, 3] {
        let threshold = CharterError::Threshold { keys: 2, got };
        assert_eq!(Charter::root(got, [one, other]), Err(threshold));
    }
    assert_eq!(
        Charter::root(2, [one, other]),
        Charter::root(2, [other, one])
    );
    let next = Charter::root(2, [one, other])
        .unwrap()
        .succeed(&network(), 1, [one])
        .unwrap();
    let chain = CharterChain::new(network(), next);
    assert_eq!(chain, Err(CharterError::NotRoot { got: 1 }));
}

#[test]
fn what_is_wrong_with_a_charter_is_named() {
    let authorities = Authorities::new(0);
    let bytes = authorities.root.encode();
    assert_eq!(Charter::decode(&bytes), Ok(authorities.root.clone()));
    let field = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        Charter::decode(&bytes).unwrap_err().field
    };
    assert_eq!(field(0, 2), "version");
    assert_eq!(field(1, 1), "charter number");
    assert_eq!(field(4, 1), "predecessor charter", "only the root has none");
    assert_eq!(field(5, 1), "predecessor charter", "the root has none");
    assert_eq!(field(37, 0), "threshold");
    assert_eq!(field(37, 4), "threshold");
    assert_eq!(field(38, 17), "key count");
    assert_eq!(field(38, 2), "charter", "a key is left over");
    let mut twice = bytes.clone();
    twice.copy_within(39..71, 71);
    assert_eq!(Charter::decode(&twice).unwrap_err().field, "authority key");
    let mut no_key = bytes.clone();
    no_key[39..71].fill(0);
    assert_eq!(Charter::decode(&no_key).unwrap_err().field, "authority key");
}

#[test]
fn a_chain_takes_charters_in_turn_and_has_an_end() {
    let mut authorities = Authorities::new(0);
    let signed: Vec<_> = (1..CHARTERS_MAX as u64)
        .map(|number| authorities.replace(keys(3, 100 + number), 2))
        .collect();
    let mut chain = CharterChain::new(network(), authorities.root.clone()).unwrap();
    let not_next = CharterError::NotNext { newest: 0, got: 2 };
    assert_eq!(chain.extend(&signed[1]), Err(not_next));
    for charter in &signed {
        let decoded = SignedCharter::decode(&charter.encode()).unwrap();
        assert_eq!(&decoded, charter);
        assert_eq!(chain.extend(&decoded), Ok(()));
        assert_eq!(
            chain.extend(&decoded),
            Ok(()),
            "a second time changes nothing"
        );
    }
    assert_eq!(chain.signed().len(), CHARTERS_MAX - 1);
    assert_eq!(chain.get(0), Some(chain.root()));
    assert_eq!(chain.get(63), Some(chain.newest()));
    assert_eq!(chain.get(64), None);
    let old = chain.newest();
    let next = old
        .succeed(&network(), 1, [authorities.keys[0].public()])
        .unwrap();
    let signatures = authorities.keys[..2]
        .iter()
        .map(|key| old.sign_successor(&network(), &next, key).unwrap());
    let one_more = SignedCharter::collect(&network(), old, next.clone(), signatures).unwrap();
    assert_eq!(chain.extend(&one_more), Err(CharterError::TooMany));
    // Another charter 1, however it is signed, is not the one that is known.
    let mut others = Authorities::new(0);
    let other = others.replace(keys(3, 999), 2);
    assert_eq!(
        chain.extend(&other),
        Err(CharterError::OtherChain { number: 1 })
    );
}

#[test]
fn single_signatures_travel_between_machines() {
    let authorities = Authorities::new(2);
    let (draft, charter) = (authorities.newest(), authorities.chain.newest());
    let travelled = [1, 2].map(|at| {
        let signature = draft
            .sign(&authorities.network, charter, &authorities.keys[at])
            .unwrap();
        assert_eq!(*signature.subject(), draft.hash(&authorities.network).0);
        Signature::decode(&signature.encode()).unwrap()
    });
    let draft = Snapshot::decode(&draft.encode()).unwrap();
    let signed = SignedSnapshot::collect(&authorities.chain, draft, travelled).unwrap();
    let mut ledger = authorities.ledger();
    assert!(ledger.offer_snapshot(&signed.encode(), noon(0)).is_ok());
    let error = Signature::decode(&[1; 97]).unwrap_err();
    assert_eq!(
        error.fault,
        Fault::WrongLength {
            expected: 98,
            got: 97
        }
    );
}

#[test]
fn unknown_parameters_survive_and_known_ones_are_within_bounds() {
    let parameters = Parameters::new(9, 5).unwrap().with(4711, u64::MAX).unwrap();
    let terms = Terms {
        parameters: parameters.clone(),
        ..terms(0)
    };
    let draft = Snapshot::first(&network(), terms, relays(2, 2), assign).unwrap();
    let decoded = Snapshot::decode(&draft.encode()).unwrap();
    let read = &decoded.terms().parameters;
    assert_eq!(
        (read, read.get(4711), read.get(3)),
        (&parameters, Some(u64::MAX), None)
    );
    let swarms = read.swarms();
    assert_eq!((swarms.target(), swarms.least()), (9, 5));
    for (target, minimum) in [(9, 0), (5, 9), (65, 5), (0, 0)] {
        let error = Parameters::new(target, minimum).unwrap_err();
        let expected = SwarmParams::new(target, minimum, 3).unwrap_err();
        assert_eq!(error, ParametersError::Swarms(expected));
    }
    let many = (10..)
        .take(PARAMETERS_MAX)
        .try_fold(parameters, |these, code| these.with(code, 1));
    assert_eq!(many, Err(ParametersError::TooMany));
}

#[test]
fn beacons_are_known_for_the_day_and_those_to_come() {
    let draft = Snapshot::first(&network(), terms(3), [], assign).unwrap();
    let of = |day: u64| draft.beacon_for(terms(day).epoch);
    let (before, own) = (terms(2).beacon, terms(3).beacon);
    let expected = [None, Some(before), Some(own), Some(own)];
    assert_eq!([2, 3, 4, 9].map(of), expected);
    let read = Snapshot::decode(&draft.encode()).unwrap();
    assert_eq!(read.terms(), draft.terms());
}

#[test]
fn relays_that_registered_too_late_store_no_introsets() {
    let storing = |parameters| {
        let terms = Terms {
            parameters,
            ..terms(0)
        };
        let draft = Snapshot::first(&network(), terms, relays(6, 2), assign).unwrap();
        let entries = draft.entries().iter();
        let mut heights: Vec<_> = entries
            .filter(|entry| draft.stores_introsets(entry))
            .map(|entry| entry.height)
            .collect();
        heights.sort_unstable();
        heights
    };
    let all = Parameters::new(9, 5).unwrap();
    assert_eq!(storing(all.clone()), [0, 1, 2, 3, 4, 5]);
    let up_to = |height| all.clone().with(Parameters::STORERS_HEIGHT, height);
    assert_eq!(storing(up_to(3).unwrap()), [0, 1, 2, 3]);
    assert_eq!(up_to(3).unwrap().storers_height(), Some(3));
}

#[test]
fn what_is_wrong_with_a_snapshot_is_named() {
    let bytes = first(3).encode();
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        Snapshot::decode(&bytes).map_err(|error| error.field)
    };
    assert_eq!(with(0, 2), Err("version"));
    assert_eq!(with(8, 1), Err("predecessor"), "only the first has none");
    assert_eq!(with(9, 1), Err("predecessor"), "the first has none");
    assert_eq!(with(48, 99), Err("epoch"));
    assert_eq!(with(57, 99), Err("valid until"));
    assert_eq!(with(129, 1), Err("charter"));
    assert_eq!(with(134, 33), Err("parameter count"));
    assert_eq!(with(136, 2), Err("parameter code"), "they ascend");
    assert_eq!(with(144, 66), Err("swarm parameters"));
    assert_eq!(with(155, 0xff), Err("relay count"));
    assert_eq!(with(156, 2), Err("snapshot"), "a relay is left over");
    assert_eq!(with(157, 0xff), Err("relay id"), "they ascend");
    assert_eq!(with(157 + 32, 2), Err("flags"));
    let error = Snapshot::decode(&[&bytes[..155], &[0xff; 2]].concat()).unwrap_err();
    let max = RELAYS_MAX as u64;
    assert_eq!(error.fault, Fault::TooLarge { max, got: 0xffff });
}

#[test]
fn drafts_say_what_cannot_be() {
    let authorities = Authorities::new(4);
    let newest = authorities.newest();
    let succeed = |changes| newest.succeed(&network(), terms(1), changes, assign);
    let there = newest.entries()[0].registration();
    let new = relays(1, 70)[0];
    let (relay, stranger) = (there.relay, new.relay);
    let add = |add| Changes {
        add,
        ..Changes::default()
    };
    assert_eq!(succeed(add(vec![there])), Err(DraftError::Twice { relay }));
    assert_eq!(
        succeed(add(vec![new, new])),
        Err(DraftError::Twice { relay: stranger })
    );
    let back = Changes {
        remove: vec![relay],
        ..add(vec![there])
    };
    assert_eq!(
        succeed(back),
        Err(DraftError::Twice { relay }),
        "not in one step"
    );
    let unknown = Err(DraftError::Unknown { relay: stranger });
    assert_eq!(
        succeed(Changes {
            remove: vec![stranger],
            ..add(vec![])
        }),
        unknown
    );
    assert_eq!(
        succeed(Changes {
            change: vec![new],
            ..add(vec![])
        }),
        unknown
    );
    let none = newest.succeed(&network(), terms(1), add(vec![]), |_, _, _, _| Vec::new());
    assert_eq!(none, Err(DraftError::Assignment { relays: 4, got: 0 }));
    let mut wrong = terms(1);
    wrong.epoch = Epoch(wrong.epoch.0 + 1);
    let (epoch, day) = (wrong.epoch.0, wrong.epoch.0 - 2);
    let error = newest.succeed(&network(), wrong, add(vec![]), assign);
    assert_eq!(error, Err(TermsError::Epoch { epoch, day }.into()));
    let late = Terms {
        charter: 64,
        ..terms(1)
    };
    let error = newest.succeed(&network(), late, add(vec![]), assign);
    assert_eq!(error, Err(TermsError::Charter { got: 64 }.into()));
}

#[test]
fn a_relay_keeps_its_swarm_unless_it_registers_anew() {
    let authorities = Authorities::new(40);
    let newest = authorities.newest();
    // One that this day's machine does not move.
    let stays = |number: usize| newest.entries()[number].relay.0[1] % 8 != 1;
    let kept = (0..40).find(|number| stays(*number)).unwrap();
    let old = newest.entries()[kept];
    let change = |registration| Changes {
        change: vec![registration],
        ..Changes::default()
    };
    let same = Registration {
        family: None,
        ..old.registration()
    };
    let swarm = |registration| {
        let draft = newest
            .succeed(&network(), terms(1), change(registration), assign)
            .unwrap();
        assert_eq!(draft.predecessor(), newest.hash(&network()));
        draft.get(&old.relay).unwrap().swarm
    };
    assert_eq!(swarm(same), old.swarm);
    let mut block = old.block;
    block[0] ^= 0xf0;
    let anew = Registration { block, ..same };
    assert_eq!(swarm(anew), SwarmId(u64::from(block[0] ^ 1) * 1000 + 9));
}

fn verified(authorities: &Authorities, number: usize) -> VerifiedSnapshot {
    let mut ledger = authorities.ledger();
    ledger
        .offer_snapshot(&authorities.bytes(number), noon(number as u64))
        .unwrap();
    ledger.current().unwrap().clone()
}

/// A few days in which relays come, go and change as `seed` says; sometimes authorities too.
fn history(days: usize, seed: u64) -> Authorities {
    let mut authorities = Authorities::new(15);
    let mut rng = rng(seed);
    for day in 0..days as u64 {
        let mut draw = |bound: u64| rng.next_u64() % bound;
        if draw(4) == 0 {
            authorities.replace(keys(3, seed ^ (day << 8)), 2);
        }
        let add = relays(usize::try_from(draw(4)).unwrap(), seed ^ (day << 16));
        let mut changes = Changes {
            add,
            ..Changes::default()
        };
        for entry in authorities.newest().entries() {
            let registration = entry.registration();
            match draw(10) {
                0 => changes.remove.push(entry.relay),
                1 => changes.change.push(Registration {
                    family: None,
                    ..registration
                }),
                2 => changes.change.push(Registration {
                    height: day + 1000,
                    ..registration
                }),
                _ => {}
            }
        }
        authorities.next(changes);
    }
    authorities
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn snapshots_round_trip(count in 0_usize..20, seed: u64) {
        let draft = Snapshot::first(&network(), terms(3), relays(count, seed), assign).unwrap();
        prop_assert_eq!(Snapshot::decode(&draft.encode()), Ok(draft));
    }

    #[test]
    fn a_delta_gives_the_signed_bytes_whatever_has_changed(
        seed: u64, days in 1_usize..5, from in any::<prop::sample::Index>(),
    ) {
        let authorities = history(days, seed);
        let from = from.index(days);
        let (base, target) = (verified(&authorities, from), verified(&authorities, days));
        let delta = Delta::between(&base, &target).unwrap();
        prop_assert_eq!((delta.base(), delta.target()), (base.hash(), target.hash()));
        let delta = Delta::decode(&delta.encode()).unwrap();
        let applied = delta.apply(&network(), &base).unwrap();
        prop_assert_eq!(applied.encode(), authorities.bytes(days));
        // And on no other.
        for other in (0..=days).filter(|other| *other != from) {
            prop_assert!(delta.apply(&network(), &verified(&authorities, other)).is_err());
        }
    }

    #[test]
    fn everybody_walks_the_whole_history_and_comes_back_after_a_restart(seed: u64, days in 1_usize..6) {
        let authorities = history(days, seed);
        let mut ledger = authorities.ledger();
        for day in 0..=days {
            prop_assert!(ledger.offer_snapshot(&authorities.bytes(day), noon(day as u64)).is_ok());
            let root = authorities.root.clone();
            let again = Ledger::decode(&ledger.encode(), network(), root, assign).unwrap();
            prop_assert_eq!(again.current(), ledger.current());
            prop_assert_eq!(again.previous(), ledger.previous());
            prop_assert_eq!(again.charters(), ledger.charters());
            ledger = again;
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_encode_back(
        seed: u64, at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>(),
    ) {
        let authorities = history(2, seed % 4);
        let mut bytes = authorities.bytes(2);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(signed) = SignedSnapshot::decode(&bytes) {
            prop_assert_eq!(signed.encode(), &bytes[..]);
        }
        bytes.truncate(cut.index(bytes.len()));
        prop_assert!(SignedSnapshot::decode(&bytes).is_err());
        let (base, target) = (verified(&authorities, 0), verified(&authorities, 2));
        let mut bytes = Delta::between(&base, &target).unwrap().encode();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(delta) = Delta::decode(&bytes) {
            prop_assert_eq!(delta.encode(), bytes);
        }
    }
}
