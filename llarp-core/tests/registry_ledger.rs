//! What a node takes as its registry, and what it refuses: each line of the table of attacks.

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::RelayId;
use llarp_core::registry::swarm::SwarmId;
use llarp_core::registry::{
    Changed, Changes, CharterError, Delta, DeltaError, DraftError, Epoch, Forged, Ledger,
    LedgerError, OrderError, Refused, Registration, Root, SignatureError, SignedSnapshot, Snapshot,
    Terms, Unfit,
};
use llarp_core::wire::limits::{RELAYS_MAX, SIGNED_SNAPSHOT_MAX, SNAPSHOT_VALIDITY_MAX};
use llarp_core::wire::{Fault, WireError};

use crate::registry_support::*;

/// A ledger at day 1 that has snapshots 0 and 1.
fn two_days(authorities: &mut Authorities) -> Ledger {
    authorities.next(Changes::default());
    let mut ledger = authorities.ledger();
    for day in 0..2 {
        let taken = ledger.offer_snapshot(&authorities.bytes(day), noon(day as u64));
        assert!(taken.is_ok(), "{taken:?}");
    }
    ledger
}

/// That an offer fails so, and changes nothing.
#[track_caller]
fn refused(ledger: &mut Ledger, bytes: &[u8], now: u64) -> Refused {
    let before = ledger.encode();
    let error = ledger.offer_snapshot(bytes, now).unwrap_err();
    assert_eq!(ledger.encode(), before, "the last good one stays");
    let line = error.to_string();
    assert!(
        line.starts_with("registry: ") && !line.contains('\n'),
        "{line}"
    );
    error
}

#[test]
fn snapshots_are_taken_in_turn_and_the_last_but_one_is_kept() {
    let mut authorities = Authorities::new(20);
    let mut ledger = two_days(&mut authorities);
    assert_eq!(ledger.current().unwrap().number(), 1);
    assert_eq!(ledger.previous().unwrap().number(), 0);
    let known = ledger.offer_snapshot(&authorities.bytes(1), noon(1));
    assert_eq!(known, Ok(Changed::Known));
    authorities.next(Changes::default());
    let taken = ledger.offer_snapshot(&authorities.bytes(2), noon(2));
    let (from, to) = (Some(1), 2);
    assert_eq!(taken, Ok(Changed::Advanced { from, to }));
    assert_eq!(ledger.previous().unwrap().number(), 1);
    let head = ledger.head().unwrap();
    assert_eq!(
        (head.number, head.hash),
        (2, authorities.published[2].hash(&authorities.network))
    );
}

#[test]
fn who_was_away_for_a_week_takes_the_newest_at_once() {
    let mut authorities = Authorities::new(20);
    let mut ledger = two_days(&mut authorities);
    for _ in 0..7 {
        authorities.next(Changes::default());
    }
    let taken = ledger.offer_snapshot(&authorities.bytes(8), noon(8));
    assert_eq!(
        taken,
        Ok(Changed::Advanced {
            from: Some(1),
            to: 8
        })
    );
    assert!(ledger.previous().is_none(), "that of 8 was not seen");
}

#[test]
fn a_snapshot_that_is_rolled_back_is_refused_also_after_a_restart() {
    let mut authorities = Authorities::new(20);
    let mut ledger = two_days(&mut authorities);
    let expected = Refused::RolledBack { have: 1, got: 0 };
    assert_eq!(
        refused(&mut ledger, &authorities.bytes(0), noon(1)),
        expected
    );
    let network = authorities.network;
    let root = authorities.root.clone();
    let mut again = Ledger::decode(&ledger.encode(), network, root, assign).unwrap();
    assert_eq!(
        refused(&mut again, &authorities.bytes(0), noon(1)),
        expected
    );
    assert_eq!(again.encode(), ledger.encode());
    assert_eq!(again.previous(), ledger.previous());
}

#[test]
fn every_changed_byte_is_refused() {
    let mut authorities = Authorities::new(3);
    authorities.replace(keys(2, 43), 1);
    authorities.next(Changes::default());
    for (number, now) in [(0, noon(0)), (1, noon(1))] {
        let bytes = authorities.bytes(number);
        let mut ledger = authorities.ledger();
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            refused(&mut ledger, &forged, now);
        }
        assert!(ledger.offer_snapshot(&bytes, now).is_ok());
    }
}

#[test]
fn half_written_and_oversized_snapshots_are_refused_by_name() {
    let authorities = Authorities::new(3);
    let bytes = authorities.bytes(0);
    let mut ledger = authorities.ledger();
    for len in 0..bytes.len() {
        let error = refused(&mut ledger, &bytes[..len], noon(0));
        let truncated = matches!(
            error,
            Refused::Malformed(WireError {
                fault: Fault::Truncated { .. },
                ..
            })
        );
        assert!(truncated, "{len}: {error:?}");
    }
    let longer = [&bytes[..], &[0]].concat();
    let left_over = WireError::new("signed snapshot", Fault::LeftOver { bytes: 1 });
    assert_eq!(
        refused(&mut ledger, &longer, noon(0)),
        Refused::Malformed(left_over)
    );
    let (max, got) = (SIGNED_SNAPSHOT_MAX as u64, SIGNED_SNAPSHOT_MAX as u64 + 1);
    let huge = vec![0; SIGNED_SNAPSHOT_MAX + 1];
    let too_large = WireError::new("signed snapshot", Fault::TooLarge { max, got });
    assert_eq!(
        refused(&mut ledger, &huge, noon(0)),
        Refused::Malformed(too_large)
    );
}

#[test]
fn expired_snapshots_are_refused_and_the_last_good_one_stays_in_use() {
    let mut authorities = Authorities::new(3);
    let mut ledger = two_days(&mut authorities);
    authorities.next(Changes::default());
    let until = terms(2).valid_until;
    let (number, now) = (2, until + 1);
    let expired = Refused::Expired { number, until, now };
    assert_eq!(refused(&mut ledger, &authorities.bytes(2), now), expired);
    assert_eq!(ledger.current().unwrap().number(), 1);
    let (number, until) = (1, terms(1).valid_until);
    assert_eq!(
        ledger.fit(now).unwrap_err(),
        Unfit::Expired { number, until, now }
    );
    assert!(ledger.fit(until).is_ok());
    assert!(
        ledger
            .offer_snapshot(&authorities.bytes(2), terms(2).valid_until)
            .is_ok()
    );
}

#[test]
fn a_snapshot_from_the_future_says_that_the_clock_may_be_wrong() {
    let mut authorities = Authorities::new(3);
    let mut ledger = two_days(&mut authorities);
    authorities.next(Changes::default());
    let from = terms(2).valid_from;
    let now = from - 301;
    let error = refused(&mut ledger, &authorities.bytes(2), now);
    assert_eq!(
        error,
        Refused::ClockSkew {
            number: 2,
            from,
            now
        }
    );
    assert!(
        error.to_string().contains("the clock may be wrong, set it"),
        "{error}"
    );
    assert!(
        ledger
            .offer_snapshot(&authorities.bytes(2), from - 300)
            .is_ok()
    );
}

#[test]
fn the_registry_s_time_is_a_lower_bound_of_the_clock() {
    let mut authorities = Authorities::new(3);
    let mut ledger = two_days(&mut authorities);
    let newest = authorities.newest();
    let terms_again = newest.terms().clone();
    let from = terms(1).valid_from;
    assert_eq!((ledger.time(0), ledger.time(from + 1)), (from, from + 1));
    let error = ledger.fit(from - 301).unwrap_err();
    assert_eq!(
        error,
        Unfit::ClockSkew {
            number: 1,
            from,
            now: from - 301
        }
    );
    // With a clock that stands at 1970 one still follows the registry as far as it is known.
    let draft = newest
        .succeed(
            &authorities.network,
            terms_again,
            Changes::default(),
            assign,
        )
        .unwrap();
    let bytes = authorities.sign(&draft).encode();
    assert!(authorities.ledger().offer_snapshot(&bytes, 0).is_err());
    assert!(ledger.offer_snapshot(&bytes, 0).is_ok());
}

#[test]
fn two_snapshots_of_one_number_are_a_fork() {
    let mut authorities = Authorities::new(3);
    let mut ledger = two_days(&mut authorities);
    let terms = Terms {
        valid_until: terms(1).valid_until + 1,
        ..terms(1)
    };
    let first = authorities.published[0].claimed();
    let other = first
        .succeed(&authorities.network, terms, Changes::default(), assign)
        .unwrap();
    let other = authorities.sign(&other).encode();
    assert_eq!(
        refused(&mut ledger, &other, noon(1)),
        Refused::Fork { number: 1 }
    );
}

#[test]
fn a_snapshot_that_follows_another_than_ours_is_refused() {
    let mut authorities = Authorities::new(3);
    let mut ledger = two_days(&mut authorities);
    let mut others = Authorities::new(4);
    others.next(Changes::default());
    others.next(Changes::default());
    let error = refused(&mut ledger, &others.bytes(2), noon(2));
    assert_eq!(error, Refused::Predecessor { number: 2 });
}

#[test]
fn signatures_of_another_network_do_not_count() {
    let authorities = Authorities::new(3);
    let others = Authorities::of(NetworkId::from_name("other"), 3);
    assert_eq!(authorities.root, others.root, "the same keys");
    let error = refused(&mut authorities.ledger(), &others.bytes(0), noon(0));
    let bad = Forged::Signatures(SignatureError::Bad { index: 0 });
    assert_eq!(error, Refused::Forged(bad));
    let root = others.root.clone();
    let mut ledger = others.ledger();
    ledger.offer_snapshot(&others.bytes(0), noon(0)).unwrap();
    let decoded = Ledger::decode(&ledger.encode(), authorities.network, root, assign);
    assert_eq!(decoded.unwrap_err(), LedgerError::OtherRoot);
}

#[test]
fn a_signer_that_signs_twice_counts_once() {
    let authorities = Authorities::new(3);
    let draft = authorities.newest();
    let (network, charter) = (&authorities.network, authorities.chain.newest());
    let one = draft.sign(network, charter, &authorities.keys[0]).unwrap();
    let index = one.index();
    let twice = SignedSnapshot::collect(&authorities.chain, draft.clone(), [one, one]);
    assert_eq!(
        twice,
        Err(Forged::Signatures(SignatureError::Twice { index }))
    );
    let once = SignedSnapshot::collect(&authorities.chain, draft.clone(), [one]);
    let (charter, got, need) = (0, 1, 2);
    let too_few = SignatureError::TooFew { charter, got, need };
    assert_eq!(once, Err(Forged::Signatures(too_few)));
    // On the wire: the second signature replaced by the first, under its own index and another's.
    let mut bytes = authorities.bytes(0);
    let (from, to) = (bytes.len() - 130, bytes.len() - 65);
    bytes.copy_within(from..to, to);
    let error = refused(&mut authorities.ledger(), &bytes, noon(0));
    assert_eq!(
        error,
        Refused::Malformed(WireError::new("key index", Fault::Mismatch))
    );
    bytes[to] += 1;
    let index = bytes[to];
    let error = refused(&mut authorities.ledger(), &bytes, noon(0));
    assert_eq!(error, Refused::Forged(SignatureError::Bad { index }.into()));
    bytes[to] = 3;
    let error = refused(&mut authorities.ledger(), &bytes, noon(0));
    let nobody = SignatureError::NoAuthority {
        charter: 0,
        keys: 3,
    };
    assert_eq!(error, Refused::Forged(nobody.into()));
    // Or left out.
    bytes.truncate(to);
    bytes[from - 1] = 1;
    let error = refused(&mut authorities.ledger(), &bytes, noon(0));
    assert_eq!(error, Refused::Forged(too_few.into()));
}

#[test]
fn signatures_over_another_draft_are_refused_when_collected() {
    let mut authorities = Authorities::new(3);
    let (network, charter) = (authorities.network, authorities.chain.newest().clone());
    let one = authorities
        .newest()
        .sign(&network, &charter, &authorities.keys[0])
        .unwrap();
    authorities.next(Changes::default());
    let collected =
        SignedSnapshot::collect(&authorities.chain, authorities.newest().clone(), [one]);
    let index = one.index();
    assert_eq!(
        collected,
        Err(SignatureError::OtherSubject { index }.into())
    );
    let stranger = &keys(1, 77)[0];
    let signed = authorities.newest().sign(&network, &charter, stranger);
    assert!(matches!(signed, Err(SignatureError::NoAuthority { .. })));
}

#[test]
fn authorities_are_replaced_and_the_old_ones_count_no_more() {
    let mut authorities = Authorities::new(5);
    let mut ledger = two_days(&mut authorities);
    let old = Authorities::new(5);
    authorities.replace(keys(5, 40), 3);
    authorities.next(Changes::default());
    authorities.next(Changes::default());
    ledger
        .offer_snapshot(&authorities.bytes(2), noon(2))
        .unwrap();
    assert_eq!(ledger.charters().newest().number(), 1);
    // Who begins anew, or was away, gets there from the root too.
    let mut fresh = authorities.ledger();
    fresh
        .offer_snapshot(&authorities.bytes(3), noon(3))
        .unwrap();
    // What the old ones sign now, with keys that may be stolen, is refused.
    let theirs = Terms {
        charter: 0,
        ..terms(3)
    };
    let terms_of_new = Terms {
        charter: 1,
        ..terms(3)
    };
    let newest = authorities.published[2].claimed();
    let error = newest.succeed(&authorities.network, theirs, Changes::default(), assign);
    let replaced = OrderError::Charter { least: 1, got: 0 };
    assert_eq!(error, Err(replaced.into()));
    let mut late = Authorities::new(5);
    for _ in 0..3 {
        late.next(Changes::default());
    }
    let error = refused(&mut ledger, &late.bytes(3), noon(3));
    assert!(matches!(error, Refused::Predecessor { .. }), "{error:?}");
    late.next(Changes::default());
    let error = refused(&mut ledger, &late.bytes(4), noon(4));
    assert_eq!(
        error,
        Refused::Order {
            number: 4,
            error: replaced
        }
    );
    // Nor do they sign for the new ones.
    let draft = newest
        .succeed(
            &authorities.network,
            terms_of_new,
            Changes::default(),
            assign,
        )
        .unwrap();
    let signed = draft.sign(
        &authorities.network,
        authorities.chain.newest(),
        &old.keys[0],
    );
    assert!(matches!(signed, Err(SignatureError::NoAuthority { .. })));
    let network = authorities.network;
    let root = authorities.root.clone();
    let again = Ledger::decode(&ledger.encode(), network, root, assign).unwrap();
    assert_eq!(again.charters().newest().number(), 1);
}

#[test]
fn whoever_steals_keys_that_were_replaced_leads_no_newcomer_who_knows_of_that() {
    let mut honest = Authorities::new(5);
    honest.replace(keys(3, 40), 2);
    honest.next(Changes::default());
    honest.next(Changes::default());
    let charter = honest.chain.newest();
    let root = Root::from(honest.root.clone()).pinned(1, charter.hash(&honest.network));
    let pinned = || Ledger::new(honest.network, root.clone(), assign).unwrap();
    let mut newcomer = pinned();
    newcomer.offer_snapshot(&honest.bytes(2), noon(2)).unwrap();

    // The thief has the root's keys: he goes on with them, or hands over to his own.
    let mut stays = Authorities::new(5);
    let mut hands_over = Authorities::new(5);
    hands_over.replace(keys(3, 41), 2);
    for thief in [&mut stays, &mut hands_over] {
        (0..4).for_each(|_| thief.next(Changes::default()));
        let believed = thief.ledger().offer_snapshot(&thief.bytes(4), noon(4));
        assert!(believed.is_ok(), "who knows only the root follows him");
    }
    let retired = CharterError::Retired { least: 1, got: 0 };
    let error = refused(&mut pinned(), &stays.bytes(4), noon(4));
    assert_eq!(error, Refused::Forged(retired.into()));
    let other = CharterError::OtherChain { number: 1 };
    let error = refused(&mut pinned(), &hands_over.bytes(4), noon(4));
    assert_eq!(error, Refused::Forged(other.into()));

    // On the disk: one that follows the thief is refused; one from before stays in use.
    let decode =
        |ledger: &Ledger| Ledger::decode(&ledger.encode(), honest.network, root.clone(), assign);
    let mut fooled = hands_over.ledger();
    fooled
        .offer_snapshot(&hands_over.bytes(4), noon(4))
        .unwrap();
    assert_eq!(
        decode(&fooled).unwrap_err(),
        LedgerError::OtherAuthorities(other)
    );
    let mut old = honest.ledger();
    old.offer_snapshot(&honest.bytes(0), noon(0)).unwrap();
    let mut old = decode(&old).unwrap();
    assert_eq!(old.current().unwrap().number(), 0);
    let error = refused(&mut old, &stays.bytes(4), noon(4));
    assert_eq!(error, Refused::Forged(retired.into()));
    old.offer_snapshot(&honest.bytes(2), noon(2)).unwrap();
    assert_eq!(decode(&old).unwrap().head(), newcomer.head());
}

#[test]
fn a_charter_that_its_predecessor_did_not_sign_leads_nowhere() {
    // The thief holds one key of three and makes himself authority.
    let authorities = Authorities::new(5);
    let mut thief = Authorities::new(5);
    let own = keys(1, 41);
    let charter = thief
        .root
        .succeed(&thief.network, 1, own.iter().map(|key| key.public()))
        .unwrap();
    let one = thief
        .root
        .sign_successor(&thief.network, &charter, &thief.keys[0])
        .unwrap();
    let signed = llarp_core::registry::SignedCharter::collect(
        &thief.network,
        &thief.root,
        charter.clone(),
        [one],
    );
    assert!(matches!(
        signed,
        Err(SignatureError::TooFew {
            got: 1,
            need: 2,
            ..
        })
    ));
    // He takes signatures that were made for another charter, and signs a snapshot as its authority.
    let genuine = Authorities::new(5).replace(keys(3, 44), 2).encode();
    let draft = Terms {
        charter: 1,
        ..terms(0)
    };
    let draft = Snapshot::first(&thief.network, draft, relays(5, 2), assign).unwrap();
    let signature = draft
        .sign(&thief.network, &charter, &own[0])
        .unwrap()
        .encode();
    let parts = [
        &[1, 1][..],
        &charter.encode(),
        &genuine[genuine.len() - 131..],
        &draft.encode(),
        &[1],
        &signature[33..],
    ];
    let (number, error) = (1, SignatureError::Bad { index: 0 });
    let unsigned = CharterError::Unsigned { number, error };
    let error = refused(&mut authorities.ledger(), &parts.concat(), noon(0));
    assert_eq!(error, Refused::Forged(unsigned.into()));
    // A chain of another root is another chain, however well it is signed.
    thief.keys = keys(3, 42);
    thief.root =
        llarp_core::registry::Charter::root(2, thief.keys.iter().map(|key| key.public())).unwrap();
    thief.chain =
        llarp_core::registry::CharterChain::new(thief.network, thief.root.clone()).unwrap();
    thief.replace(own, 1);
    thief.next(Changes::default());
    let error = refused(&mut authorities.ledger(), &thief.bytes(1), noon(1));
    let other = CharterError::OtherChain { number: 1 };
    assert_eq!(error, Refused::Forged(other.into()));
}

#[test]
fn a_program_that_is_too_old_is_told_to_update() {
    let authorities = Authorities::new(3);
    let terms = Terms {
        minimum_version: 2,
        ..terms(0)
    };
    let draft = Snapshot::first(&authorities.network, terms, relays(3, 2), assign).unwrap();
    let bytes = authorities.sign(&draft).encode();
    let error = refused(&mut authorities.ledger(), &bytes, noon(0));
    assert_eq!(error, Refused::Outdated { minimum: 2 });
    assert!(error.to_string().ends_with("update it"));
}

#[test]
fn swarms_that_do_not_follow_from_the_rules_are_refused() {
    fn mine(
        seats: &[llarp_core::registry::swarm::Seat],
        beacon: &[u8; 32],
        network: &NetworkId,
        parameters: &llarp_core::registry::Parameters,
    ) -> Vec<SwarmId> {
        let mut swarms = assign(seats, beacon, network, parameters);
        swarms[1] = SwarmId(4711);
        swarms
    }
    let mut authorities = Authorities::new(20);
    let mut ledger = two_days(&mut authorities);
    let draft = authorities
        .newest()
        .succeed(&authorities.network, terms(2), Changes::default(), mine)
        .unwrap();
    let relay = draft.entries()[1].relay;
    let bytes = authorities.sign(&draft).encode();
    let wrong = Refused::Swarm { number: 2, relay };
    assert_eq!(refused(&mut ledger, &bytes, noon(2)), wrong);
    assert_eq!(ledger.examine(&draft, noon(2)), Err(wrong));
    // The first of all follows from nothing but itself.
    let draft = Snapshot::first(&authorities.network, terms(0), relays(3, 2), mine).unwrap();
    let bytes = authorities.sign(&draft).encode();
    let error = refused(&mut authorities.ledger(), &bytes, noon(0));
    assert!(matches!(error, Refused::Swarm { number: 0, .. }));
}

#[test]
fn a_second_beacon_for_an_epoch_and_time_that_runs_back_are_refused() {
    let mut authorities = Authorities::new(3);
    let mut ledger = two_days(&mut authorities);
    let with = |change: fn(&mut Terms)| {
        let mut terms = terms(1);
        change(&mut terms);
        let newest = authorities.newest();
        newest.succeed(&authorities.network, terms, Changes::default(), assign)
    };
    assert!(with(|_| {}).is_ok(), "a second snapshot of one day");
    let epoch = terms(1).epoch.0;
    let beacon = OrderError::Beacon { epoch };
    assert_eq!(with(|terms| terms.beacon[9] ^= 1), Err(beacon.into()));
    let (least, got) = (terms(1).valid_from, terms(1).valid_from - 1);
    let earlier = OrderError::Time { least, got };
    assert_eq!(with(|terms| terms.valid_from -= 1), Err(earlier.into()));
    let (least, got) = (epoch, epoch - 1);
    let day = OrderError::Epoch { least, got };
    assert_eq!(
        with(|terms| terms.epoch = Epoch(terms.epoch.0 - 1)),
        Err(day.into())
    );
    // Authorities who sign it nevertheless are not believed, also if snapshots between are missing.
    let mut others = Authorities::new(4);
    others.next(Changes::default());
    let mut terms = terms(1);
    terms.beacon[9] ^= 1;
    others.published.pop();
    let draft = others
        .newest()
        .succeed(&others.network, terms.clone(), Changes::default(), assign)
        .unwrap();
    others.publish(draft);
    let draft = others
        .newest()
        .succeed(&others.network, terms, Changes::default(), assign)
        .unwrap();
    others.publish(draft);
    let error = refused(&mut ledger, &others.bytes(2), noon(1));
    assert_eq!(error, Refused::Predecessor { number: 2 });
    let third = others
        .newest()
        .succeed(
            &others.network,
            others.newest().terms().clone(),
            Changes::default(),
            assign,
        )
        .unwrap();
    others.publish(third);
    let error = refused(&mut ledger, &others.bytes(3), noon(1));
    assert_eq!(
        error,
        Refused::Order {
            number: 3,
            error: beacon
        }
    );
}

#[test]
fn a_snapshot_that_forgets_the_beacon_of_the_day_before_is_refused() {
    let mut authorities = Authorities::new(3);
    let mut ledger = two_days(&mut authorities);
    let wrong = |day: u64| Terms {
        beacon_before: [1; 32],
        ..terms(day)
    };
    let newest = authorities.newest();
    let draft = |terms| newest.succeed(&authorities.network, terms, Changes::default(), assign);
    for day in [1, 2, 5] {
        let epoch = terms(day).epoch.0;
        let forgets = OrderError::BeaconBefore { epoch };
        assert_eq!(draft(wrong(day)), Err(forgets.into()), "day {day}");
    }
    // A gap of days in the chain changes nothing: the last beacon is the last that there was.
    let late = Terms {
        beacon_before: terms(1).beacon,
        ..terms(5)
    };
    assert!(draft(late).is_ok());
    // Authorities who sign it nevertheless are not believed by those who know better: of snapshot 3
    // these are who has snapshot 2, and whoever knows the day before its day.
    let again = draft(terms(1)).unwrap();
    let later = |day| {
        let honest = Terms {
            beacon_before: terms(1).beacon,
            ..terms(day)
        };
        let (network, none) = (&authorities.network, Changes::default());
        let draft = again.succeed(network, honest, none, assign).unwrap();
        let mut bytes = draft.encode();
        let mut windows = bytes.windows(32);
        let at = windows.position(|bytes| *bytes == terms(1).beacon);
        bytes[at.unwrap()] ^= 1;
        authorities
            .sign(&Snapshot::decode(&bytes).unwrap())
            .encode()
    };
    let mut next = ledger.clone();
    let bytes = authorities.sign(&again).encode();
    next.offer_snapshot(&bytes, noon(1)).unwrap();
    for (ledger, day) in [(&mut next, 5), (&mut ledger, 2)] {
        let epoch = terms(day).epoch.0;
        let error = OrderError::BeaconBefore { epoch };
        let wrong = Refused::Order { number: 3, error };
        assert_eq!(refused(ledger, &later(day), noon(day)), wrong);
    }
    assert!(ledger.offer_snapshot(&later(5), noon(5)).is_ok());
}

#[test]
fn who_joins_on_a_day_whose_beacon_is_known_is_refused() {
    let mut authorities = Authorities::new(5);
    let ledger = two_days(&mut authorities);
    let newest = authorities.newest().clone();
    let (network, old) = (authorities.network, newest.entries()[1]);
    let add = relays(1, 66);
    let anew = Registration {
        height: old.height + 1,
        ..old.registration()
    };
    let family = Registration {
        family: None,
        ..old.registration()
    };
    let with = |add: &[Registration], change: &[Registration]| Changes {
        add: add.to_vec(),
        remove: vec![newest.entries()[0].relay],
        change: change.to_vec(),
    };
    let draft = |changes| newest.succeed(&network, terms(1), changes, assign);
    for (changes, relay) in [
        (with(&add, &[]), add[0].relay),
        (with(&[], &[anew]), old.relay),
    ] {
        assert_eq!(draft(changes.clone()), Err(DraftError::Late { relay }));
        // Who makes it with other hands, from a registry of another day, is refused by everybody; also
        // where a snapshot of the day is missing in between.
        let leaving = draft(with(&[], &[family])).unwrap();
        let same_day = |before: &Snapshot, changes| {
            let tomorrow = before.succeed(&network, terms(2), changes, assign).unwrap();
            let mut bytes = tomorrow.encode();
            // Epoch, times and both beacons.
            bytes[41..129].copy_from_slice(&before.encode()[41..129]);
            Snapshot::decode(&bytes).unwrap()
        };
        let only = Changes {
            remove: Vec::new(),
            ..changes
        };
        for (before, number) in [(&newest, 2), (&leaving, 3)] {
            let forged = same_day(before, only.clone());
            let bytes = authorities.sign(&forged).encode();
            let late = Refused::Late { number, relay };
            assert_eq!(refused(&mut ledger.clone(), &bytes, noon(1)), late);
        }
    }
    assert!(
        draft(with(&[], &[family])).is_ok(),
        "others may leave or change"
    );
}

#[test]
fn a_relay_whose_id_is_no_key_is_refused() {
    let authorities = Authorities::new(3);
    let draft = authorities.newest();
    let mut bytes = draft.encode();
    let families = draft
        .entries()
        .iter()
        .filter(|entry| entry.family.is_some());
    let at = bytes.len() - 3 * 81 - families.count() * 32;
    // A point of order four.
    bytes[at..at + 32].fill(0);
    let forged = Snapshot::decode(&bytes).unwrap();
    assert_eq!(forged.entries()[0].relay, RelayId([0; 32]));
    let signed = authorities.sign(&forged).encode();
    let error = refused(&mut authorities.ledger(), &signed, noon(0));
    assert!(
        matches!(error, Refused::RelayKey { number: 0, .. }),
        "{error:?}"
    );
    let added = Registration {
        relay: RelayId([0; 32]),
        ..relays(1, 9)[0]
    };
    let changes = Changes {
        add: vec![added],
        ..Changes::default()
    };
    let draft = authorities
        .newest()
        .succeed(&authorities.network, terms(1), changes, assign);
    assert!(matches!(
        draft,
        Err(llarp_core::registry::DraftError::Key { .. })
    ));
}

#[test]
fn a_damaged_cache_is_refused_at_every_byte() {
    let mut authorities = Authorities::new(2);
    let ledger = two_days(&mut authorities);
    let bytes = ledger.encode();
    let (network, root) = (authorities.network, authorities.root.clone());
    let decode = |bytes: &[u8]| Ledger::decode(bytes, network, root.clone(), assign);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let error = decode(&changed).expect_err("changed");
        assert!(error.to_string().starts_with("registry cache: "), "{error}");
        assert!(decode(&bytes[..at]).is_err(), "half-written at {at}");
    }
    // Two that do not follow each other were never written.
    let one = authorities.bytes(1);
    let len = u32::try_from(one.len()).unwrap().to_be_bytes();
    let twice = [&bytes[..33], &[2], &len, &one, &len, &one].concat();
    let mismatch = WireError::new("snapshot count", Fault::Mismatch);
    assert_eq!(
        decode(&twice).unwrap_err(),
        LedgerError::Malformed(mismatch)
    );
    let empty = authorities.ledger();
    assert!(decode(&empty.encode()).unwrap().current().is_none());
    assert_eq!(empty.fit(noon(0)).unwrap_err(), Unfit::Empty);
}

#[test]
fn deltas_are_taken_like_snapshots_and_only_on_their_base() {
    let mut authorities = Authorities::new(20);
    let mut ledger = two_days(&mut authorities);
    let at = |number: usize, authorities: &Authorities| {
        let mut ledger = authorities.ledger();
        ledger
            .offer_snapshot(&authorities.bytes(number), noon(number as u64))
            .unwrap();
        ledger.current().unwrap().clone()
    };
    authorities.replace(keys(3, 50), 2);
    let leaves = authorities.newest().entries()[4].relay;
    let changes = Changes {
        add: relays(3, 60),
        remove: vec![leaves],
        ..Changes::default()
    };
    authorities.next(changes);
    authorities.next(Changes::default());
    let [one, two, three] = [1, 2, 3].map(|number| at(number, &authorities));
    let delta = Delta::between(&one, &two).unwrap().encode();
    let mut other = authorities.ledger();
    assert_eq!(other.offer_delta(&delta, noon(2)), Err(Refused::NoBase));
    other
        .offer_snapshot(&authorities.bytes(0), noon(0))
        .unwrap();
    let base = Refused::Delta(DeltaError::OtherBase);
    assert_eq!(other.offer_delta(&delta, noon(2)), Err(base));
    assert_eq!(
        Delta::between(&two, &one),
        Err(DeltaError::NotLater { base: 2, target: 1 })
    );
    let taken = ledger.offer_delta(&delta, noon(2));
    assert_eq!(
        taken,
        Ok(Changed::Advanced {
            from: Some(1),
            to: 2
        })
    );
    assert_eq!(ledger.offer_delta(&delta, noon(2)), Ok(Changed::Known));
    assert_eq!(
        ledger.current().unwrap().signed().encode(),
        authorities.bytes(2)
    );
    assert_eq!(ledger.charters().newest().number(), 1);
    // Over more than one day, and expired like any snapshot.
    let far = Delta::between(&one, &three).unwrap().encode();
    let mut away = two_days(&mut Authorities::new(20));
    let error = away.offer_delta(&far, noon(99)).unwrap_err();
    assert!(matches!(error, Refused::Expired { .. }));
    away.offer_delta(&far, noon(3)).unwrap();
    assert_eq!(
        away.current().unwrap().signed().encode(),
        authorities.bytes(3)
    );
}

#[test]
fn every_changed_byte_of_a_delta_is_refused() {
    let mut authorities = Authorities::new(6);
    let ledger = two_days(&mut authorities);
    let leaves = authorities.newest().entries()[2].relay;
    let changes = Changes {
        add: relays(1, 61),
        remove: vec![leaves],
        ..Changes::default()
    };
    authorities.next(changes);
    let mut target = authorities.ledger();
    target
        .offer_snapshot(&authorities.bytes(2), noon(2))
        .unwrap();
    let (base, target) = (ledger.current().unwrap(), target.current().unwrap());
    let bytes = Delta::between(base, target).unwrap().encode();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let mut ledger = ledger.clone();
        assert!(ledger.offer_delta(&changed, noon(2)).is_err(), "byte {at}");
        assert!(
            ledger.offer_delta(&bytes[..at], noon(2)).is_err(),
            "cut at {at}"
        );
        assert_eq!(ledger.head().unwrap().number, 1);
    }
}

#[test]
fn an_authority_asks_its_ledger_before_it_signs() {
    let mut authorities = Authorities::new(6);
    let ledger = two_days(&mut authorities);
    let draft = authorities.draft(Changes::default());
    assert_eq!(ledger.examine(&draft, noon(2)), Ok(()));
    let stale = ledger.examine(authorities.published[0].claimed(), noon(2));
    assert_eq!(stale, Err(Refused::RolledBack { have: 1, got: 0 }));
    assert!(matches!(
        ledger.examine(&draft, noon(40)),
        Err(Refused::Expired { .. })
    ));
    assert!(matches!(
        ledger.examine(&draft, noon(0)),
        Err(Refused::ClockSkew { .. })
    ));
}

#[test]
fn the_limits_have_room_for_ten_thousand_relays_and_for_the_longest_validity() {
    let bytes = 10_000 * 113;
    assert!(bytes < SIGNED_SNAPSHOT_MAX && RELAYS_MAX > 10_000);
    let mut terms = terms(0);
    let network = crate::support::network();
    terms.valid_until = terms.valid_from + SNAPSHOT_VALIDITY_MAX;
    assert!(Snapshot::first(&network, terms.clone(), [], assign).is_ok());
    terms.valid_until += 1;
    assert!(Snapshot::first(&network, terms, [], assign).is_err());
}
