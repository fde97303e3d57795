//! What is logged at info, warn and error says nothing of who talks to whom.

use core::fmt::{self, Write};
use core::time::Duration;
use std::sync::{Arc, Mutex};

use llarp_core::path::Want;
use llarp_core::store::{Batch, Store, TableId};
use llarp_core::tunnel::ServiceName;
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::testnet::{TestNet, client_address};
use tokio::time::sleep;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber, warn};

/// Keeps every line that an operator may see, of whichever crate.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<String>>);

impl Lines {
    /// All that was said until now.
    pub(crate) fn said(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Line(&self.0));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Line(&self.0));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Line(&self.0));
        self.0.lock().unwrap().push('\n');
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line<'a>(&'a Mutex<String>);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0.lock().unwrap(), "{field}={value:?} ");
    }
}

#[test]
fn no_address_and_no_choice_of_a_relay_is_logged_above_debug() {
    let lines = Lines::default();
    let seen = Arc::clone(&lines.0);
    tracing::subscriber::with_default(lines, || {
        virtual_time(1, async {
            let mut net = TestNet::new(1, Weather::ROUGH, 12);
            // A damaged profile, dead and restarted relays, a cut guard, an unknown service.
            let store = Store::in_memory();
            let mut batch = Batch::new();
            batch.put(TableId("client"), b"profile".to_vec(), vec![9; 99]);
            store.commit(batch).await.unwrap();
            let client = net.client_with(0, store, net.clock);
            let path = client.build(Want::Any).await.unwrap();
            let tunnel = client.tunnel(&path).await.unwrap();
            let unknown = ServiceName::new("nothing/1").unwrap();
            let mut stream = tunnel.open_bi(&unknown).await.unwrap();
            assert!(stream.admitted().await.is_err());
            let hops: Vec<_> = path
                .hops()
                .expose()
                .iter()
                .map(|hop| net.number(hop))
                .collect();
            net.kill(hops[1]);
            let _ = path.probe(2).await;
            path.ended().await;
            net.start(hops[1]);
            net.net.cut(net.address(hops[0]));
            client.build(Want::Any).await.unwrap();
            net.net
                .inject(client_address(5), net.address(hops[2]), &[0xc0; 1350]);
            sleep(Duration::from_secs(60)).await;
            drop(client);
            warn!("the last line");
            let lines = seen.lock().unwrap().to_lowercase();
            assert!(lines.contains("the last line"), "lines are seen");
            assert!(lines.contains("profile is damaged"), "ours, too");
            for n in 0..net.len() {
                let id = net.id(n);
                let name = id.to_string();
                let hex: String =
                    id.0.iter()
                        .take(4)
                        .map(|byte| format!("{byte:02x}"))
                        .collect();
                let ip = net.address(n).ip().to_string();
                for secret in [&name[..8], &hex, &ip, &client_address(n).ip().to_string()] {
                    assert!(!lines.contains(secret), "{secret} is in:\n{lines}");
                }
            }
        });
    });
}
