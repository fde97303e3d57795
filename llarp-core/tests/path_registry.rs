//! Lists of relays: what is refused, and that bytes and values are the same thing.

use llarp_core::registry::{AddressError, Addresses, ListError, RelayContact, RelayList};
use llarp_core::wire::Fault;
use llarp_core::wire::limits::RELAYS_MAX;
use proptest::prelude::*;

use crate::path_support::*;

#[test]
fn a_list_is_sorted_and_finds_its_relays() {
    let contacts = contacts(100, 1);
    let list = RelayList::new(contacts.clone()).unwrap();
    assert_eq!((list.len(), list.is_empty()), (100, false));
    assert!(
        list.iter()
            .zip(list.iter().skip(1))
            .all(|(one, next)| one.id < next.id)
    );
    for contact in &contacts {
        assert_eq!(list.get(&contact.id), Some(contact));
    }
    assert_eq!(
        list.get(&llarp_core::crypto::identity::RelayId([0; 32])),
        None
    );
}

#[test]
fn relays_that_are_there_twice_or_too_many_are_refused() {
    let mut contacts = contacts(3, 2);
    let relay = contacts[1].id;
    contacts.push(contacts[1].clone());
    assert_eq!(
        RelayList::new(contacts.clone()),
        Err(ListError::Twice { relay })
    );
    let many = contacts.into_iter().cycle().take(RELAYS_MAX + 7);
    let got = RELAYS_MAX + 1;
    assert_eq!(RelayList::new(many), Err(ListError::TooMany { got }));
}

#[test]
fn addresses_that_reach_nobody_or_hide_their_subnet_are_refused() {
    let v4 = |text: &str| Addresses::new(Some(text.parse().unwrap()), None);
    let v6 = |text: &str| Addresses::new(None, Some(text.parse().unwrap()));
    assert_eq!(Addresses::new(None, None), Err(AddressError::Missing));
    assert_eq!(v4("192.0.2.1:0"), Err(AddressError::Port));
    assert_eq!(v4("0.0.0.0:1"), Err(AddressError::NotOneMachine));
    assert_eq!(v4("255.255.255.255:1"), Err(AddressError::NotOneMachine));
    assert_eq!(v6("[ff02::1]:1"), Err(AddressError::NotOneMachine));
    assert_eq!(v6("[::ffff:192.0.2.1]:1"), Err(AddressError::Mapped));
    assert!(v4("127.0.0.1:1").is_ok() && v6("[::1]:1").is_ok());
}

#[test]
fn a_contact_shows_nothing_in_debug() {
    let contact = &contacts(1, 3)[0];
    let shown = format!("{contact:?} {:?}", contact.addresses);
    assert_eq!(shown, "RelayContact(RelayId(redacted)) Addresses(redacted)");
}

#[test]
fn what_is_wrong_with_a_list_is_named() {
    let list = list(3, 4);
    let bytes = list.encode();
    let field = |bytes: &[u8]| RelayList::decode(bytes).unwrap_err().field;
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        bytes
    };
    assert_eq!(field(&with(0, 2)), "version");
    assert_eq!(field(&with(1, 0xff)), "relay count");
    assert_eq!(field(&with(2, 2)), "relay list", "one contact is left over");
    assert_eq!(field(&with(3, 0xff)), "relay id", "out of order");
    assert_eq!(field(&with(35, 8)), "flags");
    assert_eq!(field(&[1, 0, 1]), "relay id");
    let none = [&[1, 0, 1][..], &[5; 32], &[0]].concat();
    assert_eq!(field(&none), "addresses");
    let fault = RelayList::decode(&with(1, 0xff)).unwrap_err().fault;
    let max = RELAYS_MAX as u64;
    assert_eq!(fault, Fault::TooLarge { max, got: 0xff03 });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn lists_round_trip(count in 0_usize..20, seed: u64) {
        let list = list(count, seed);
        prop_assert_eq!(RelayList::decode(&list.encode()), Ok(list));
    }

    #[test]
    fn changed_lists_are_refused_or_encode_back(
        seed in 0_u64..4, at in any::<prop::sample::Index>(), bit in 0_u8..8,
    ) {
        let mut bytes = list(3, seed).encode();
        prop_assert!(RelayList::decode(&bytes[..at.index(bytes.len())]).is_err());
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(list) = RelayList::decode(&bytes) {
            prop_assert_eq!(list.encode(), bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_are_no_list(mut bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        if let [version, high, low, ..] = &mut bytes[..] {
            (*version, *high, *low) = (1, 0, *low % 4);
        }
        if let Ok(list) = RelayList::decode(&bytes) {
            prop_assert_eq!(list.encode(), bytes);
        }
    }
}

#[test]
fn equal_contacts_have_equal_scope_and_flow() {
    let [one, other] = ["[2001:db8::1%7]:9", "[2001:db8::1]:9"]
        .map(|text| Addresses::new(None, Some(text.parse().unwrap())).unwrap());
    assert_eq!(one, other);
    let contact = contacts(1, 5).remove(0);
    let contact = RelayContact {
        addresses: one,
        ..contact
    };
    let list = RelayList::new([contact]).unwrap();
    assert_eq!(RelayList::decode(&list.encode()), Ok(list));
}
