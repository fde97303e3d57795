//! Client authorization: who is named reads, nobody else does, and nobody can count.

use llarp_core::crypto::identity::X25519Secret;
use llarp_core::crypto::secret::Secret;
use llarp_core::introset::{ClientKey, OpenError, Opened, Readers, Record, SealError};
use llarp_core::wire::limits::RECORD_SIZES;

use crate::introset_support::{Device, NOW, changed};
use crate::support::rng;

fn client(seed: u64) -> X25519Secret {
    X25519Secret::new(Secret::random(&mut rng(5000 + seed)))
}

fn keys(count: u64) -> Vec<ClientKey> {
    (0..count)
        .map(|seed| ClientKey::from(&client(seed)))
        .collect()
}

fn publish(device: &mut Device, clients: &[ClientKey]) -> Record {
    let said = device.contents();
    device.publish_at(&said, Readers::Only(clients), NOW)
}

fn open(device: &Device, record: &Record, client: &X25519Secret) -> Result<Opened, OpenError> {
    device.lookup().open(record, NOW, Some(client))
}

#[test]
fn exactly_those_who_are_named_can_read() {
    for count in [0, 1, 2, 15, 16, 17, 33, 64] {
        let mut device = Device::new(count);
        let record = publish(&mut device, &keys(count));
        assert!(device.stored(record.clone()).is_ok());
        for seed in 0..count + 3 {
            let opened = open(&device, &record, &client(seed));
            assert_eq!(opened.is_ok(), seed < count, "client {seed} of {count}");
            if let Err(error) = opened {
                assert_eq!(error, OpenError::NotAuthorized);
            }
        }
        let nobody = device.lookup().open(&record, NOW, None);
        assert_eq!(nobody, Err(OpenError::NotAuthorized));
    }
}

#[test]
fn sizes_tell_no_more_than_groups_of_clients() {
    let mut device = Device::new(70);
    let mut size = |count| publish(&mut device, &keys(count)).as_bytes().len();
    for count in [0, 1, 7, 16] {
        assert_eq!(size(count), RECORD_SIZES[1], "{count} clients");
    }
    for count in [17, 32, 33, 64] {
        assert_eq!(size(count), RECORD_SIZES[2], "{count} clients");
    }
}

#[test]
fn more_than_64_clients_and_keys_of_small_order_cannot_be_named() {
    let mut device = Device::new(71);
    let said = device.contents();
    let draft = device.publisher.draft(NOW);
    let proof = device.solve(&draft);
    let mut seal = |clients: &[ClientKey]| {
        let readers = Readers::Only(clients);
        (device.publisher).seal(&draft, proof, &said, readers, NOW, &mut device.rng)
    };
    assert_eq!(seal(&keys(65)), Err(SealError::TooManyClients));
    let mut clients = keys(3);
    clients[2] = ClientKey([0; 32]);
    assert_eq!(seal(&clients), Err(SealError::Client { index: 2 }));
}

#[test]
fn a_client_that_is_no_longer_named_reads_no_newer_record() {
    let mut device = Device::new(72);
    let old = publish(&mut device, &keys(3));
    let new = publish(&mut device, &keys(2));
    let records = [old, new];
    let newest = |seed| {
        device
            .lookup()
            .open_newest(&records, NOW, Some(&client(seed)))
    };
    assert_eq!(newest(1).unwrap().sequence, records[1].sequence());
    assert_eq!(newest(2), Err(OpenError::NotAuthorized));
}

#[test]
fn an_introset_for_everyone_opens_with_any_key() {
    let mut device = Device::new(73);
    let record = device.publish();
    assert!(open(&device, &record, &client(9)).is_ok());
}

#[test]
fn the_same_clients_leave_no_common_bytes_in_two_records() {
    let mut device = Device::new(74);
    let clients = keys(16);
    let [one, other] = [(); 2].map(|()| publish(&mut device, &clients));
    let sealed = |record: &Record| record.as_bytes()[179..record.as_bytes().len() - 64].to_vec();
    let windows: std::collections::BTreeSet<_> =
        sealed(&one).windows(8).map(<[u8]>::to_vec).collect();
    assert!(
        sealed(&other)
            .windows(8)
            .all(|window| !windows.contains(window))
    );
}

#[test]
fn a_record_for_clients_survives_no_change() {
    let mut device = Device::new(75);
    let record = publish(&mut device, &keys(2));
    for at in (0..record.as_bytes().len()).step_by(97) {
        let bytes = changed(&record, |bytes| bytes[at] ^= 0x10);
        if let Ok(record) = Record::decode(&bytes) {
            assert!(open(&device, &record, &client(0)).is_err(), "byte {at}");
        }
    }
}
