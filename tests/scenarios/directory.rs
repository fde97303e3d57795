//! What nodes look at before they compare directories.

use core::time::Duration;

use llarp_core::directory::{Way, catch_up, compare, look};
use llarp_core::path::Want;
use llarp_core::registry::{Changes, RelayList};
use llarp_core::store::Store;
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::registered::RegisteredNet;
use tokio::time::{sleep, timeout};

#[test]
fn a_snapshot_is_fetched_before_documents_and_nothing_if_all_is_the_same() {
    virtual_time(11, async {
        let mut net = RegisteredNet::new(11, Weather::FAIR, 12);
        // Relays have told each other of themselves by then.
        sleep(Duration::from_secs(120)).await;
        let (client, _) = net.client(0, Store::in_memory());
        let known = timeout(Duration::from_secs(30), client.ready());
        known.await.expect("the network is known");
        let (mut ways, mut paths) = (Vec::new(), Vec::new());
        for n in 3..7 {
            let path = client.build(Want::Terminal(net.id(n))).await;
            let path = path.expect("a path");
            let tunnel = client.tunnel(&path).await.expect("a tunnel");
            ways.push(Way::Tunnel(tunnel));
            paths.push(path);
        }
        let stranger = net.open_view(Store::in_memory(), net.clock);
        let seen = look(&stranger, &ways).await;
        assert_eq!(seen.len(), 4);
        assert!(seen.iter().all(|seen| seen.is_newer(&stranger)));
        assert!(!seen.iter().any(|seen| seen.is_same(&stranger, true)));
        catch_up(&stranger, &seen).await;
        assert_eq!(stranger.members().len(), 12);
        assert!(!seen.iter().any(|seen| seen.is_newer(&stranger)));
        let outcome = compare(&stranger, &ways, true).await.outcome;
        assert_eq!((outcome.answered, outcome.accepted), (4, 12));
        // Of each relay 1,700 bytes: a key set, a descriptor, their names, its id in requests.
        let cost = stranger.traffic();
        assert!(cost < 12 * 1700 + 4000, "{cost}");
        let seen = look(&stranger, &ways).await;
        assert!(seen.iter().all(|seen| seen.is_same(&stranger, true)));
        // One of them has heard of another snapshot.
        let newcomer = net.newcomer();
        let add = vec![net.registration(newcomer)];
        net.publish_at(
            3,
            Changes {
                add,
                ..Changes::default()
            },
        );
        let seen = look(&stranger, &ways).await;
        assert!(seen.iter().any(|seen| seen.is_newer(&stranger)));
        catch_up(&stranger, &seen).await;
        assert_eq!(stranger.members().len(), 13);
        drop(client);
    });
}

#[test]
fn who_does_not_answer_a_look_is_left_out() {
    virtual_time(12, async {
        let mut net = RegisteredNet::new(12, Weather::FAIR, 12);
        sleep(Duration::from_secs(120)).await;
        let (client, _) = net.client(0, Store::in_memory());
        let known = timeout(Duration::from_secs(30), client.ready());
        known.await.expect("the network is known");
        let path = client.build(Want::Any).await.expect("a path");
        let tunnel = client.tunnel(&path).await.expect("a tunnel");
        let ways = [Way::Tunnel(tunnel)];
        let view = net.open_view(Store::in_memory(), net.clock);
        assert_eq!(look(&view, &ways).await.len(), 1);
        client.set_relays(RelayList::none());
        client.suspend();
        assert!(look(&view, &ways).await.is_empty());
        assert_eq!(view.members().len(), 0);
    });
}
