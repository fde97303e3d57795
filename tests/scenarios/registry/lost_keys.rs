//! A relay that has lost its onion keys signs no second ones, whoever hides the first from it.

use core::time::Duration;

use llarp_core::crypto::identity::RelayId;
use llarp_core::directory::NetworkView;
use llarp_core::hop::message::KIND_DIRECTORY;
use llarp_core::link::Peer;
use llarp_core::registry::message::Request;
use llarp_core::store::Store;
use llarp_tests::net::tap::{Passing, Policy, RequestFate};
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::registered::RegisteredNet;
use llarp_tests::testnet::START;
use tokio::time::sleep;

use super::{MINUTE, settled};

/// Tells one relay nothing but the registry, as if it had just started.
struct HidesAll {
    from: RelayId,
    view: NetworkView,
}

impl Policy for HidesAll {
    fn request(&mut self, passing: &Passing, kind: u8, body: &mut Vec<u8>) -> RequestFate {
        if kind != KIND_DIRECTORY || passing.peer != Peer::Relay(self.from) {
            return RequestFate::Pass;
        }
        match Request::decode(body) {
            Ok(Request::Offer(_)) | Err(_) => RequestFate::Pass,
            Ok(request) => RequestFate::Answer(self.view.answer(&request).encode()),
        }
    }
}

/// Found in review: the first relay that answered was enough.
#[test]
fn a_relay_without_its_keys_hears_three_others_before_it_signs_any() {
    for seed in 1..=4 {
        virtual_time(seed, async {
            let mut net = RegisteredNet::without_relays(seed, Weather::FAIR, 8, START);
            for n in [0, 1] {
                let view = net.open_view(Store::in_memory(), net.clock);
                view.offer_snapshot(&net.snapshot).unwrap();
                let from = net.id(6);
                net.tap(n, HidesAll { from, view });
            }
            (0..8).for_each(|n| net.start(n));
            settled(&net).await;
            sleep(2 * MINUTE).await;
            // Two that hide what they know, and one that does not.
            [3, 4, 5, 6, 7].into_iter().for_each(|n| net.kill(n));
            net.lose_disk(6);
            sleep(Duration::from_secs(10)).await;
            net.start(6);
            sleep(20 * MINUTE).await;
            for n in [0, 1, 2, 6] {
                let id = net.id(6);
                let excluded = net.view(n).read(|directory| directory.is_excluded(&id));
                assert!(!excluded, "relay {n}, seed {seed}");
            }
        });
    }
}
