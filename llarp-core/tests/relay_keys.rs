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
use llarp_core::registry::{Addresses, Charter, KeyEpoch};
use llarp_core::relay::{
    Handshakes, KeyRing, KeyStore, KeysInMemory, Registered, Relay, RelayConfig,
};
use llarp_core::store::Store;
use llarp_core::tunnel::Services;
use tokio::task::yield_now;

use crate::link_network::{Net, at, id, key, network};
use crate::support::rng;

const EPOCH: KeyEpoch = KeyEpoch(10_000);

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
    let config = ViewConfig {
        network: network(),
        root: Charter::root(1, [key(7).public()]).unwrap(),
        bootstrap: Vec::new(),
        clock,
        store: Store::in_memory(),
        verify: Verify::Inline,
    };
    NetworkView::open(config).unwrap()
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
    let ring = KeyRing::open(network(), id(1), store, EPOCH.start(), &mut rng(1)).unwrap();
    assert_eq!(disk.epochs().unwrap(), [EPOCH]);
    disk.waits.store(false, Ordering::SeqCst);
    // The relay starts two key epochs later: one is to be drawn, and one to be erased.
    let later = KeyEpoch(EPOCH.0 + 2);
    let clock = Clock::set_to(Duration::from_secs(later.start()));
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
    assert_eq!(disk.epochs().unwrap(), [EPOCH], "it still writes");
    tell.send(()).unwrap();
    while disk.epochs().unwrap() != [later] {
        yield_now().await;
    }
    assert_eq!(link.close_reason(), None);
    drop(relay);
}
