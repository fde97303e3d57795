//! The messages of `introset/1`.

use llarp_core::introset::message::{Answer, Reason, Request};
use llarp_core::introset::{Location, Record, Refused};
use llarp_core::wire::limits::{
    FETCH_RECORDS_MAX, INTROSET_ANSWER_MAX, INTROSET_REQUEST_MAX, RECORD_MAX,
};
use proptest::prelude::*;

use crate::introset_support::{Device, effort};

fn answers(record: &Record) -> Vec<Answer> {
    vec![
        Answer::Stored { copies: 8 },
        Answer::Stale(record.clone()),
        Answer::Refused(Reason::Effort { least: effort(9) }),
        Answer::Refused(Reason::Invalid),
        Answer::Refused(Reason::Full),
        Answer::Refused(Reason::Busy { seconds: 30 }),
        Answer::Refused(Reason::Unknown { code: 77, value: 5 }),
        Answer::Found(Vec::new()),
        Answer::Found(vec![record.clone(); FETCH_RECORDS_MAX]),
    ]
}

#[test]
fn messages_round_trip_and_stop_at_every_cut() {
    let record = Device::new(1).publish();
    for answer in answers(&record) {
        let bytes = answer.encode();
        assert!(bytes.len() <= INTROSET_ANSWER_MAX);
        assert_eq!(Answer::decode(&bytes), Ok(answer));
        for len in (0..bytes.len()).step_by(7) {
            assert!(Answer::decode(&bytes[..len]).is_err());
        }
        assert!(Answer::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
    for request in [
        Request::Publish {
            at: Location([5; 32]),
            record,
        },
        Request::Fetch(Location([4; 32])),
    ] {
        let bytes = request.encode();
        assert!(bytes.len() <= INTROSET_REQUEST_MAX);
        assert_eq!(Request::decode(&bytes), Ok(request));
        assert!(Request::decode(&bytes[..bytes.len() - 1]).is_err());
        assert!(Request::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}

#[test]
fn messages_out_of_bounds_name_the_field() {
    let request = |bytes: &[u8]| Request::decode(bytes).unwrap_err().field;
    let answer = |bytes: &[u8]| Answer::decode(bytes).unwrap_err().field;
    assert_eq!(request(&[1; INTROSET_REQUEST_MAX + 1]), "introset request");
    assert_eq!(request(&[2, 2]), "version");
    assert_eq!(request(&[1, 3]), "kind");
    assert_eq!(request(&[1, 1]), "location");
    assert_eq!(request(&[&[1, 1][..], &[0; 32]].concat()), "record");
    assert_eq!(request(&[1, 2, 0]), "location");
    assert_eq!(answer(&[1; INTROSET_ANSWER_MAX + 1]), "introset answer");
    assert_eq!(answer(&[1, 5]), "kind");
    assert_eq!(answer(&[1, 1]), "copies");
    assert_eq!(answer(&[1, 3, 1, 0, 0, 0, 0]), "value");
    assert_eq!(answer(&[1, 3, 2, 0, 0, 0, 1]), "value");
    assert_eq!(answer(&[1, 4, 5]), "record count");
    let long = u16::try_from(RECORD_MAX + 1).unwrap().to_be_bytes();
    assert_eq!(answer(&[1, 4, 1, long[0], long[1]]), "record");
}

#[test]
fn of_refusals_a_client_learns_the_effort_alone() {
    let refused = Refused::Effort { least: 9, got: 8 };
    assert_eq!(Reason::from(refused), Reason::Effort { least: effort(9) });
    let (from, now, until) = (1, 2, 3);
    for refused in [
        Refused::Epoch { got: 1, today: 3 },
        Refused::NotYet { from, now },
        Refused::Over { until, now },
        Refused::Work,
        Refused::Elsewhere,
        Refused::Certificate,
        Refused::Signature,
    ] {
        assert_eq!(Reason::from(refused), Reason::Invalid);
    }
}

#[test]
fn no_more_records_go_out_than_are_read() {
    let record = Device::new(2).publish();
    let bytes = Answer::Found(vec![record; FETCH_RECORDS_MAX + 3]).encode();
    let Ok(Answer::Found(records)) = Answer::decode(&bytes) else {
        panic!("an answer");
    };
    assert_eq!(records.len(), FETCH_RECORDS_MAX);
}

proptest! {
    #[test]
    fn arbitrary_messages_decode_to_what_encodes_back(kind in 0..6_u8, rest in prop::collection::vec(any::<u8>(), 0..50)) {
        let bytes = [&[1, kind], &rest[..]].concat();
        if let Ok(request) = Request::decode(&bytes) {
            prop_assert_eq!(request.encode(), &bytes[..]);
        }
        if let Ok(answer) = Answer::decode(&bytes) {
            prop_assert_eq!(answer.encode(), &bytes[..]);
        }
    }
}
