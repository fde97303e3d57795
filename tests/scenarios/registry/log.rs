//! What operators see of all this names no relay and no address.

use core::time::Duration;

use llarp_core::path::Want;
use llarp_core::registry::Changes;
use llarp_core::store::Store;
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::registered::{Lie, RegisteredNet};
use llarp_tests::testnet::{START, client_address};
use tokio::time::sleep;
use tracing::warn;

use super::{HOUR, MINUTE, ready, settled};
use crate::logs::Lines;

#[test]
fn no_address_and_no_choice_of_a_relay_is_logged_while_the_network_is_learned() {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        virtual_time(1, async {
            let mut net = RegisteredNet::without_relays(1, Weather::ROUGH, 12, START);
            let lie = Lie::new(net.open_view(Store::in_memory(), net.clock));
            lie.tell(false);
            net.tap(0, lie.clone());
            net.lie_in_tunnels(5, &lie);
            (0..12).for_each(|n| net.start(n));
            settled(&net).await;
            net.teach_lie(lie.view(), 1, &[0, 5, 6]);
            // No contact, contacts that lie, a new snapshot, a relay that leaves.
            (1..3).for_each(|n| net.kill(n));
            let (client, view) = net.client(0, Store::in_memory());
            assert!(client.build(Want::Any).await.is_err());
            (1..3).for_each(|n| net.start(n));
            ready(&client, 10 * MINUTE).await;
            lie.tell(true);
            let (other, _) = net.client(1, Store::in_memory());
            sleep(3 * HOUR).await;
            let remove = vec![net.id(9)];
            net.publish_at(
                1,
                Changes {
                    remove,
                    ..Changes::default()
                },
            );
            let _ = view.offer_snapshot(&net.snapshot[..99]).unwrap_err();
            sleep(3 * HOUR).await;
            drop((client, other));
            sleep(Duration::from_secs(10)).await;
            warn!("the last line");
            let lines = lines.said().to_lowercase();
            assert!(lines.contains("the last line"), "lines are seen");
            assert!(
                lines.contains("none of the bootstrap") || lines.contains("too few"),
                "{lines}"
            );
            assert!(lines.contains("the network is known"), "ours, too");
            assert!(lines.contains("not the same everywhere"), "{lines}");
            let told = lines.matches("it is excluded for thirty days").count();
            assert_eq!(told, 3, "each of the three is told once:\n{lines}");
            for n in 0..net.len() {
                let id = net.id(n);
                let name = id.to_string();
                let hex = id.0.iter().take(4).map(|byte| format!("{byte:02x}"));
                let hex: String = hex.collect();
                let ip = net.address(n).ip().to_string();
                for secret in [&name[..8], &hex, &ip, &client_address(n).ip().to_string()] {
                    assert!(!lines.contains(secret), "{secret} is in:\n{lines}");
                }
            }
        });
    });
}
