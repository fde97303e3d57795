//! A descriptor that one client alone is given marks nobody.

use core::time::Duration;

use llarp_core::path::Want;
use llarp_core::registry::{Descriptor, Document, Presence};
use llarp_core::store::Store;
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::registered::{Lie, RegisteredNet};
use llarp_tests::testnet::START;
use tokio::time::sleep;

use super::{HOUR, MINUTE, ready, settled, talk};

/// A newer descriptor of relay `n` than it shows to anybody else.
fn special(net: &RegisteredNet, n: usize) -> (Document, Presence) {
    let known = net.view(n).read(|directory| {
        directory
            .descriptor(&net.id(n))
            .map(|known| *known.presence())
    });
    let presence = Presence {
        issued: net.now() + 60,
        ..known.expect("it is there")
    };
    let network = llarp_tests::testnet::network();
    let signed = Descriptor::sign(&network, &net.key(n), presence);
    (Document::Descriptor(signed.get().clone()), presence)
}

/// Found in review: the newest descriptor counted, whoever gave it, and a client that has what
/// others have not can be told at the end of any path by what it does not ask for.
#[test]
fn a_descriptor_that_one_contact_gives_to_one_client_is_not_taken() {
    virtual_time(1, async {
        let mut net = RegisteredNet::without_relays(1, Weather::FAIR, 12, START);
        net.bootstrap = 4;
        let lie = Lie::new(net.open_view(Store::in_memory(), net.clock));
        lie.tell(false);
        net.tap(0, lie.clone());
        (0..12).for_each(|n| net.start(n));
        settled(&net).await;
        sleep(2 * MINUTE).await;
        net.teach_lie(lie.view(), 0, &[]);
        let (document, presence) = special(&net, 7);
        lie.view().learn(document).expect("the relay signed it");
        lie.tell(true);
        let (client, view) = net.client(0, Store::in_memory());
        ready(&client, MINUTE).await;
        let id = net.id(7);
        let issued = || {
            view.read(|directory| {
                directory
                    .descriptor(&id)
                    .map(|known| known.presence().issued)
            })
        };
        assert!(issued().is_some_and(|issued| issued < presence.issued));
        sleep(3 * HOUR).await;
        assert!(issued().is_some_and(|issued| issued < presence.issued));
        talk(&client, Want::Terminal(id)).await;
        // What the relay tells everybody reaches the client.
        let (document, presence) = special(&net, 7);
        net.view(1).learn(document.clone()).expect("it is signed");
        net.view(1).tell([document]);
        sleep(Duration::from_secs(4 * 3600)).await;
        assert_eq!(issued(), Some(presence.issued));
    });
}
