//! A relay's key ring turns while cells move.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use llarp_core::build::ReplayCache;
use llarp_core::clock::Clock;
use llarp_core::crypto::secret::Secret;
use llarp_core::directory::{NetworkView, Verify, ViewConfig};
use llarp_core::registry::{
    Addresses, Charter, CharterChain, KeyEpoch, SignedSnapshot, Snapshot, assign_swarms,
};
use llarp_core::relay::{
    Handshakes, KeyRing, KeyStore, KeysInMemory, Registered, Relay, RelayConfig,
};
use llarp_core::store::Store;
use llarp_core::tunnel::Services;
use tokio::task::yield_now;

use crate::link_network::{Net, at, id, key, network};
use crate::registry_support;
use crate::support::rng;

/// When the relay starts, and the key epoch of then.
fn later() -> (u64, KeyEpoch) {
    let now = registry_support::noon(1);
    (now, KeyEpoch::at(now))
}

/// A disk that writes when it is told to.
struct Slow {
    kept: KeysInMemory,
    waits: AtomicBool,
    go: Mutex<Receiver<()>>,
}

impl KeyStore for Slow {
    fn epochs(&self) -> io::Result<Vec<KeyEpoch>> {
        self.kept.epochs()
    }

    fn newest(&self) -> io::Result<Option<KeyEpoch>> {
        self.kept.newest()
    }

    fn load(&self, epoch: KeyEpoch) -> io::Result<Secret<32>> {
        self.kept.load(epoch)
    }

    fn save(&self, epoch: KeyEpoch, seed: &Secret<32>) -> io::Result<()> {
        self.waits.store(true, Ordering::SeqCst);
        let go = self.go.lock().unwrap();
        // Whoever runs the runtime cannot tell it meanwhile.
        go.recv_timeout(Duration::from_secs(20))
            .map_err(|_| io::ErrorKind::TimedOut)?;
        self.kept.save(epoch, seed)
    }

    fn erase(&self, epoch: KeyEpoch) -> io::Result<()> {
        self.kept.erase(epoch)
    }
}

fn view(clock: Clock) -> NetworkView {
    let root = Charter::root(1, [key(7).public()]).unwrap();
    let config = ViewConfig {
        network: network(),
        root: root.clone().into(),
        bootstrap: Vec::new(),
        clock,
        store: Store::in_memory(),
        verify: Verify::Inline,
    };
    let view = NetworkView::open(config).unwrap();
    // A relay that knows no snapshot does not believe its clock, and turns nothing.
    let relays = registry_support::relays(3, 2);
    let draft = Snapshot::first(
        &network(),
        registry_support::terms(1),
        relays,
        assign_swarms,
    );
    let draft = draft.unwrap();
    let signature = draft.sign(&network(), &root, &key(7)).unwrap();
    let chain = CharterChain::new(network(), root).unwrap();
    let signed = SignedSnapshot::collect(&chain, draft, [signature]).unwrap();
    view.offer_snapshot(&signed.encode()).unwrap();
    view
}

#[tokio::test(start_paused = true)]
async fn a_slow_disk_under_the_key_ring_holds_up_no_link() {
    let net = Net::new();
    let (tell, go) = channel();
    let disk = Arc::new(Slow {
        kept: KeysInMemory::default(),
        waits: AtomicBool::new(false),
        go: Mutex::new(go),
    });
    tell.send(()).unwrap();
    let store = Arc::clone(&disk) as Arc<dyn KeyStore>;
    // The relay starts two key epochs later: one is to be drawn, and one to be erased.
    let (now, later) = later();
    let first = KeyEpoch(later.0 - 2);
    let then = Some(first.start());
    let ring = KeyRing::open(network(), id(1), store, then, &mut rng(1)).unwrap();
    assert_eq!(disk.epochs().unwrap(), [first]);
    disk.waits.store(false, Ordering::SeqCst);
    let clock = Clock::set_to(Duration::from_secs(now));
    let view = view(clock);
    let std::net::SocketAddr::V4(v4) = at(1) else {
        unreachable!("all addresses here are IPv4")
    };
    let config = RelayConfig {
        network: network(),
        key: key(1),
        registered: Some(Registered {
            view: view.clone(),
            addresses: Addresses::new(Some(v4), None).unwrap(),
            family: None,
            capacity: 10_000,
            ring,
        }),
        onion: Vec::new(),
        replays: ReplayCache::for_fresh_keys(&mut rng(2)),
        directory: Arc::new(view),
        clock,
        seed: Secret::random(&mut rng(3)),
        handshakes: Handshakes::OtherThreads,
        services: Services::of_relay(id(1)).unwrap(),
    };
    let relay = Relay::start(config, net.relay(1, &[])).unwrap();
    while !disk.waits.load(Ordering::SeqCst) {
        yield_now().await;
    }
    let link = net.client(9).dial(&id(1), at(1)).await.unwrap();
    assert_eq!(disk.epochs().unwrap(), [first], "it still writes");
    tell.send(()).unwrap();
    while disk.epochs().unwrap() != [later] {
        yield_now().await;
    }
    assert_eq!(link.close_reason(), None);
    drop(relay);
}
