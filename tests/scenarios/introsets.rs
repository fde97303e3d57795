//! Introsets, published and found through paths, in virtual time.

use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use llarp_core::client::{Client, FindError};
use llarp_core::crypto::epoch::Epoch as Day;
use llarp_core::introset::message::{Answer, Request, SERVICE};
use llarp_core::introset::{DeviceSlot, DeviceSlots, Location, Lookup, Record, VerifiedRecord};
use llarp_core::registry::Epoch;
use llarp_core::storer::{
    Answering, Beacons, IntrosetService, IntrosetStore, KnowsBeacons, Put, ServiceConfig,
    StoreError, StorerInMemory,
};
use llarp_core::tunnel::{BiStream, Caller, Serving, TerminalService};
use llarp_core::wire::limits::{INTROSET_REQUEST_MAX, MISSING_TIME};
use llarp_tests::introsets::{Owner, SOON, introset, introsets, service};
use llarp_tests::net::{Weather, virtual_time, virtual_time_within};
use llarp_tests::testnet::{START, TestNet, network};
use tokio::time::{sleep, timeout};

const RELAYS: usize = 16;
const DAY: u64 = 24 * 3600;

/// A network in which each relay's records go to `store`.
fn network_with(seed: u64, store: &StorerInMemory, least: u32) -> TestNet {
    let mut net = TestNet::without_relays(seed, Weather::FAIR, RELAYS);
    let (store, clock) = (store.clone(), net.clock);
    net.offer(move |_| vec![service(Arc::new(store.clone()), clock, least)]);
    (0..RELAYS).for_each(|n| net.start(n));
    net
}

fn store() -> StorerInMemory {
    StorerInMemory::new(llarp_core::clock::Clock::set_to(Duration::from_secs(START)))
}

#[test]
fn what_an_owner_publishes_a_stranger_with_its_address_finds() {
    virtual_time(1, async {
        let store = store();
        let mut net = network_with(1, &store, 1);
        let (alice, bob) = (net.client(0), net.client(1));
        let owner = Owner::new(7, 0, START);
        let published = owner.publish(&introsets(&alice));
        timeout(SOON, published.ready()).await.expect("it is there");
        let found = introsets(&bob).find(&owner.wanted()).await.expect("found");
        let opened = &found[&DeviceSlot::FIRST];
        assert_eq!(opened.introset, *owner.contents.borrow());
        assert_eq!(found.len(), 1);
        let stranger = Owner::new(8, 0, START);
        let nothing = introsets(&bob).find(&stranger.wanted()).await;
        assert!(matches!(nothing, Err(FindError::Nothing)), "{nothing:?}");
        // Tomorrow's follows.
        let mut status = published.status();
        let both = status.wait_for(|status| status.epochs.len() == 2);
        timeout(Duration::from_secs(1000), both)
            .await
            .expect("tomorrow's")
            .unwrap();
        assert_eq!(store.dump().len(), 2);
    });
}

#[test]
fn what_changes_is_published_anew_and_the_newest_is_found() {
    virtual_time(2, async {
        let mut net = network_with(2, &store(), 1);
        let (alice, bob) = (net.client(0), net.client(1));
        let owner = Owner::new(7, 0, START);
        let published = owner.publish(&introsets(&alice));
        timeout(SOON, published.ready()).await.expect("it is there");
        for n in 2..5 {
            let own = DeviceSlots::default().with(owner.slot);
            owner.contents.send_replace(introset(own, START, n));
            sleep(Duration::from_secs(10)).await;
            let found = introsets(&bob).find(&owner.wanted()).await.expect("found");
            let opened = &found[&DeviceSlot::FIRST];
            assert_eq!(opened.introset.introducers[0].cookie.0, [n; 32]);
        }
    });
}

#[test]
fn two_devices_of_one_identity_are_both_found() {
    virtual_time(3, async {
        let mut net = network_with(3, &store(), 1);
        let (phone, desk, bob) = (net.client(0), net.client(1), net.client(2));
        let (first, second) = (Owner::new(7, 0, START), Owner::new(7, 5, START));
        let both = DeviceSlots::default().with(first.slot).with(second.slot);
        first.contents.send_replace(introset(both, START, 1));
        second.contents.send_replace(introset(both, START, 2));
        let kept = [
            first.publish(&introsets(&phone)),
            second.publish(&introsets(&desk)),
        ];
        for published in &kept {
            timeout(SOON, published.ready()).await.expect("it is there");
        }
        let found = introsets(&bob).find(&first.wanted()).await.expect("found");
        let slots: Vec<_> = found.keys().map(|slot| slot.number()).collect();
        assert_eq!(slots, [0, 5]);
        let cookie = found[&second.slot].introset.introducers[0].cookie.0;
        assert_eq!(cookie, [2; 32]);
    });
}

#[test]
fn a_device_that_is_not_the_first_is_found_alone() {
    virtual_time(4, async {
        let mut net = network_with(4, &store(), 1);
        let (alice, bob) = (net.client(0), net.client(1));
        let owner = Owner::new(7, 2, START);
        let published = owner.publish(&introsets(&alice));
        timeout(SOON, published.ready()).await.expect("it is there");
        let found = introsets(&bob).find(&owner.wanted()).await.expect("found");
        assert!(found.contains_key(&owner.slot));
    });
}

/// A service that says that nothing is there, and that what it is given is stored.
struct Denies;

impl TerminalService for Denies {
    fn name(&self) -> &'static str {
        SERVICE
    }

    fn serve(&self, mut stream: BiStream, _from: Caller) -> Serving {
        Box::pin(async move {
            let asked = stream.read_to_end(INTROSET_REQUEST_MAX).await;
            let answer = match Request::decode(&asked.unwrap_or_default()) {
                Ok(Request::Publish { .. }) => Answer::Stored { copies: 8 },
                _ => Answer::Found(Vec::new()),
            };
            let _ = stream.write_all(&answer.encode()).await;
            stream.finish();
            let _ = stream.delivered().await;
        })
    }
}

#[test]
fn a_terminal_that_denies_alone_hides_nobody_and_is_no_proof_for_an_owner() {
    virtual_time(5, async {
        let mut net = TestNet::without_relays(5, Weather::FAIR, RELAYS);
        let (kept, clock) = (store(), net.clock);
        let liars = 3;
        let honest = kept.clone();
        net.offer(move |n| match n {
            n if n < liars => vec![Arc::new(Denies) as Arc<dyn TerminalService>],
            _ => vec![service(Arc::new(honest.clone()), clock, 1)],
        });
        (0..RELAYS).for_each(|n| net.start(n));
        let owner = Owner::new(7, 0, START);
        let alice = net.client(0);
        let published = owner.publish(&introsets(&alice));
        timeout(SOON, published.ready()).await.expect("it is there");
        assert!(!kept.dump().is_empty(), "an owner believed a liar");
        // Nor does it when there is an older one to be found.
        let own = DeviceSlots::default().with(owner.slot);
        for n in 2..10 {
            owner.contents.send_replace(introset(own, START, n));
            sleep(Duration::from_secs(60)).await;
            assert!(is_held(&kept, &owner, n), "an owner believed a liar");
        }
        let mut missed = 0;
        let lookups = 40;
        for n in 0..lookups {
            let bob = net.client(1 + n);
            missed += usize::from(introsets(&bob).find(&owner.wanted()).await.is_err());
        }
        // Two of 3 in 16 by chance: one in 28, and one denial alone does nothing.
        llarp_tests::figure(&format!(
            "denied by two liars at once: {missed} of {lookups}"
        ));
        assert!(missed * 6 < lookups, "{missed} of {lookups}");
    });
}

/// Whether the store holds today's introset with this number in it.
fn is_held(store: &StorerInMemory, owner: &Owner, n: u8) -> bool {
    let (address, day) = (owner.identity.address(), Day::at(START));
    let lookup = Lookup::new(network(), address, day, owner.slot);
    let opened = |(_, record): (Location, Vec<u8>)| {
        let record = Record::decode(&record).expect("a record");
        lookup.open(&record, START, None).ok()
    };
    let held = store.dump().into_iter().filter_map(opened);
    let mut cookies = held.map(|opened| opened.introset.introducers[0].cookie.0);
    cookies.any(|cookie| cookie == [n; 32])
}

/// A store that goes on giving what it held at first.
#[derive(Clone)]
struct Frozen {
    inner: StorerInMemory,
    first: Arc<Mutex<Option<Record>>>,
}

impl IntrosetStore for Frozen {
    fn put(&self, place: Location, record: VerifiedRecord) -> Answering<Result<Put, StoreError>> {
        let mut first = self.first.lock().unwrap();
        first.get_or_insert_with(|| record.get().clone());
        self.inner.put(place, record)
    }

    fn find(&self, _place: Location) -> Answering<Result<Vec<Record>, StoreError>> {
        let first = self.first.lock().unwrap().iter().cloned().collect();
        Box::pin(async move { Ok(first) })
    }
}

#[test]
fn the_newest_of_two_answers_counts() {
    virtual_time(6, async {
        let mut net = TestNet::without_relays(6, Weather::FAIR, RELAYS);
        let (kept, clock) = (store(), net.clock);
        let frozen = Frozen {
            inner: kept.clone(),
            first: Arc::default(),
        };
        net.offer(move |n| {
            let store: Arc<dyn IntrosetStore> = match n {
                n if n < 4 => Arc::new(frozen.clone()),
                _ => Arc::new(kept.clone()),
            };
            vec![service(store, clock, 1)]
        });
        (0..RELAYS).for_each(|n| net.start(n));
        let owner = Owner::new(7, 0, START);
        let alice = net.client(0);
        let published = owner.publish(&introsets(&alice));
        timeout(SOON, published.ready()).await.expect("it is there");
        let own = DeviceSlots::default().with(owner.slot);
        owner.contents.send_replace(introset(own, START, 9));
        sleep(Duration::from_secs(30)).await;
        let (mut newest, lookups) = (0, 40);
        for n in 0..lookups {
            let bob = net.client(1 + n);
            // Two stale ones may know of nothing at all.
            let found = introsets(&bob).find(&owner.wanted()).await;
            let is_newest = found.is_ok_and(|found| {
                let opened = &found[&DeviceSlot::FIRST];
                opened.introset.introducers[0].cookie.0 == [9; 32]
            });
            newest += usize::from(is_newest);
        }
        // Two of the four stale ones of sixteen: one in twenty.
        assert!(newest * 5 > lookups * 4, "{newest} of {lookups}");
    });
}

/// Beacons that change with the days.
#[derive(Clone)]
struct Daily(llarp_core::clock::Clock);

impl KnowsBeacons for Daily {
    fn beacons(&self) -> Option<Beacons> {
        let today = self.0.unix().as_secs() / DAY;
        let beacon = |day: u64| [u8::try_from(day % 251).unwrap(); 32];
        Some(Beacons {
            epoch: Epoch(today),
            beacon: beacon(today),
            before: Some(beacon(today - 1)),
        })
    }
}

#[test]
fn days_roll_over_without_a_gap_and_nothing_links_what_storers_hold() {
    virtual_time_within(7, Duration::from_secs(3 * DAY), async {
        let mut net = TestNet::without_relays(7, Weather::FAIR, RELAYS);
        let (kept, clock) = (store(), net.clock);
        let held = kept.clone();
        net.offer(move |_| {
            vec![Arc::new(IntrosetService::new(ServiceConfig {
                network: network(),
                clock,
                beacons: Arc::new(Daily(clock)),
                store: Arc::new(held.clone()),
                least: llarp_core::crypto::pow::Effort::LEAST,
            })) as Arc<dyn TerminalService>]
        });
        (0..RELAYS).for_each(|n| net.start(n));
        let (alice, bob) = (net.client(0), net.client(1));
        let way = |client: &Client| client.introsets(Arc::new(Daily(clock)));
        let owner = Owner::new(7, 0, START);
        let published = way(&alice).publish(owner.publication());
        timeout(SOON, published.ready()).await.expect("it is there");
        let mut held: BTreeSet<Vec<u8>> = BTreeSet::new();
        let mut places = BTreeSet::new();
        let own = DeviceSlots::default().with(owner.slot);
        for half_hour in 0..100_u64 {
            let now = clock.unix().as_secs();
            if half_hour % 12 == 0 {
                owner.contents.send_replace(introset(own, now, 1));
            }
            sleep(Duration::from_secs(1800)).await;
            let found = way(&bob).find(&owner.wanted()).await;
            assert!(found.is_ok(), "after {half_hour} half hours: {found:?}");
            for (place, record) in kept.dump() {
                places.insert(place.0);
                held.insert(record);
            }
        }
        assert!(places.len() >= 4, "{}", places.len());
        assert_nothing_in_common(&held, &owner);
    });
}

/// No eight bytes of one day's records, but constants and clocks, are in another day's, and none of the address in
/// either.
fn assert_nothing_in_common(held: &BTreeSet<Vec<u8>>, owner: &Owner) {
    let address = owner.identity.address();
    let address = address.key().as_bytes();
    let mut seen: std::collections::BTreeMap<[u8; 8], u32> = std::collections::BTreeMap::new();
    let mut compared = 0;
    for record in held {
        let decoded = Record::decode(record).expect("a record");
        let epoch = decoded.epoch().0;
        // Version, epoch, hours and slot are the same for everybody who publishes at that time.
        for window in record[10..]
            .windows(8)
            .filter_map(|window| window.first_chunk())
        {
            compared += 1;
            let other = *seen.entry(*window).or_insert(epoch);
            assert_eq!(other, epoch, "days share {window:?}");
            assert!(!address.windows(8).any(|part| part == window));
        }
    }
    assert!(compared > 10_000, "{compared}");
}

#[test]
fn storers_that_want_more_work_get_it() {
    virtual_time(8, async {
        let mut net = network_with(8, &store(), 500);
        let (alice, bob) = (net.client(0), net.client(1));
        let owner = Owner::new(7, 0, START);
        let published = owner.publish(&introsets(&alice));
        timeout(SOON, published.ready()).await.expect("it is there");
        assert!(introsets(&bob).find(&owner.wanted()).await.is_ok());
    });
}

/// A store that counts what it is asked for.
#[derive(Clone)]
struct Counts(StorerInMemory, Arc<AtomicUsize>);

impl IntrosetStore for Counts {
    fn put(&self, place: Location, record: VerifiedRecord) -> Answering<Result<Put, StoreError>> {
        self.0.put(place, record)
    }

    fn find(&self, place: Location) -> Answering<Result<Vec<Record>, StoreError>> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.find(place)
    }
}

#[test]
fn who_is_not_there_is_not_looked_for_again_at_once() {
    virtual_time(9, async {
        let mut net = TestNet::without_relays(9, Weather::FAIR, RELAYS);
        let (asked, clock) = (Arc::new(AtomicUsize::new(0)), net.clock);
        let counts = Counts(store(), Arc::clone(&asked));
        net.offer(move |_| vec![service(Arc::new(counts.clone()), clock, 1)]);
        (0..RELAYS).for_each(|n| net.start(n));
        let bob = introsets(&net.client(0));
        let wanted = Owner::new(7, 0, START).wanted();
        assert!(bob.find(&wanted).await.is_err());
        let once = asked.load(Ordering::Relaxed);
        assert!(once > 0);
        for _ in 0..10 {
            assert!(matches!(bob.find(&wanted).await, Err(FindError::Nothing)));
        }
        assert_eq!(asked.load(Ordering::Relaxed), once);
        sleep(MISSING_TIME).await;
        assert!(bob.find(&wanted).await.is_err());
        assert!(asked.load(Ordering::Relaxed) > once);
    });
}

#[test]
fn clocks_ten_minutes_apart_still_meet() {
    virtual_time(10, async {
        // Ten minutes before midnight, for those whose clock is right.
        let late = DAY - START % DAY - 300;
        let mut net = network_with(10, &store(), 1);
        sleep(Duration::from_secs(late)).await;
        let now = net.clock.unix();
        let ahead = llarp_core::clock::Clock::set_to(now + Duration::from_secs(240));
        let alice = net.client_with(0, llarp_core::store::Store::in_memory(), ahead);
        let bob = net.client(1);
        let owner = Owner::new(7, 0, now.as_secs());
        let published = owner.publish(&introsets(&alice));
        timeout(SOON, published.ready()).await.expect("it is there");
        assert!(introsets(&bob).find(&owner.wanted()).await.is_ok());
        // Her day has begun, his has not.
        sleep(Duration::from_secs(120)).await;
        assert!(introsets(&bob).find(&owner.wanted()).await.is_ok());
        let carol = net.client(2);
        sleep(Duration::from_secs(300)).await;
        assert!(introsets(&carol).find(&owner.wanted()).await.is_ok());
    });
}

#[test]
fn the_store_in_memory_keeps_to_the_contract() {
    virtual_time_within(11, Duration::from_secs(3 * DAY), async {
        let store = store();
        let kept = Arc::new(store.clone());
        llarp_tests::store_contract::keeps_to_its_contract(kept, START, 1).await;
        assert_eq!(store.dump().len(), 2);
        sleep(Duration::from_secs(2 * DAY)).await;
        assert_eq!(store.find(store.dump()[0].0).await.unwrap(), []);
    });
}
