//! What the disk keeps: a warm start needs nobody, a restart forgets nothing, a bad disk says so.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread;

use llarp_core::clock::Clock;
use llarp_core::path::Want;
use llarp_core::registry::directory::Trust;
use llarp_core::registry::directory::What;
use llarp_core::registry::{Changes, KeyEpoch};
use llarp_core::store::{Medium, Store, StoreOptions};
use llarp_tests::figure;
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::registered::RegisteredNet;
use llarp_tests::testnet::{START, client_address};
use tokio::time::sleep;

use super::{MINUTE, number, ready, settled, talk};
use crate::logs::Lines;

#[test]
fn a_client_that_knew_the_network_needs_no_contact() {
    virtual_time(1, async {
        let mut net = RegisteredNet::new(1, Weather::FAIR, 15);
        settled(&net).await;
        let disk = Store::in_memory();
        let (client, view) = net.client(0, disk.clone());
        let cold = ready(&client, MINUTE).await;
        sleep(Duration::from_secs(10)).await;
        drop((client, view));
        net.net.kill(client_address(0));
        (0..3).for_each(|n| net.kill(n));
        let (client, view) = net.client(0, disk);
        let warm = ready(&client, Duration::from_secs(1)).await;
        assert_eq!(view.relays(Trust::Accepted).len(), 15);
        talk(&client, Want::Any).await;
        figure(&format!("known after {cold:?} cold, {warm:?} warm"));
        assert!(warm <= Duration::from_millis(10), "{warm:?}");
    });
}

#[test]
fn a_restarted_relay_knows_what_it_knew_before_it_hears_anything() {
    virtual_time(2, async {
        let mut net = RegisteredNet::new(2, Weather::FAIR, 12);
        settled(&net).await;
        sleep(Duration::from_secs(10)).await;
        let sets = What::KeySets(KeyEpoch::at(net.now()));
        let names = |net: &RegisteredNet| -> Vec<_> {
            let ids = (0..12).map(|n| net.id(n));
            let names = |id| {
                net.view(4)
                    .read(|it| (it.name(What::Descriptors, &id), it.name(sets, &id)))
            };
            ids.map(names).collect()
        };
        let before = names(&net);
        let seeds = net.seeds(4);
        net.kill(4);
        net.net.cut(net.address(4));
        net.restart(4);
        assert_eq!(number(net.view(4)), Some(0));
        assert_eq!(names(&net), before);
        assert_eq!(net.seeds(4), seeds, "it must not sign two key sets");
    });
}

#[test]
fn a_relay_that_starts_with_a_wrong_clock_keeps_its_keys() {
    virtual_time(4, async {
        let epoch = KeyEpoch::at(START).next();
        let start = epoch.next().announced() - 3600;
        let mut net = RegisteredNet::without_relays(4, Weather::FAIR, 12, start);
        (0..12).for_each(|n| net.start(n));
        settled(&net).await;
        let seeds = net.seeds(4);
        assert_eq!(seeds, [epoch]);
        let day = Duration::from_secs(24 * 3600);
        let right = net.clock.unix();
        for wrong in [Duration::ZERO, right + 20 * day, right + 400 * day] {
            net.kill(4);
            net.restart_with(4, Clock::set_to(wrong));
            sleep(10 * MINUTE).await;
            assert_eq!(net.seeds(4), seeds, "at {wrong:?}");
        }
        net.kill(4);
        net.restart(4);
        sleep(60 * MINUTE).await;
        assert_eq!(net.seeds(4), [epoch, epoch.next()], "nor is it spoiled");
        let client = net.client(0, Store::in_memory()).0;
        ready(&client, MINUTE).await;
        talk(&client, Want::Terminal(net.id(4))).await;
    });
}

/// A disk in memory that can be told to fail.
#[derive(Clone, Default)]
struct Disk(Arc<(Mutex<Vec<u8>>, AtomicBool)>);

impl Disk {
    fn fails(&self, fails: bool) {
        self.0.1.store(fails, Ordering::SeqCst);
    }

    fn store(&self) -> Store {
        Store::on_medium(Arc::new(self.clone()), StoreOptions::default()).unwrap()
    }

    /// What is on it, as after a loss of power.
    fn after_power_loss(&self) -> Self {
        let bytes = self.0.0.lock().unwrap().clone();
        Self(Arc::new((Mutex::new(bytes), AtomicBool::new(false))))
    }

    fn works(&self) -> io::Result<()> {
        match self.0.1.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

impl Medium for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.0.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap();
        let bytes = self.0.0.lock().unwrap();
        let found = bytes.get(from..from + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.works()?;
        self.0
            .0
            .lock()
            .unwrap()
            .resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.works()?;
        let from = usize::try_from(offset).unwrap();
        self.0.0.lock().unwrap()[from..from + data.len()].copy_from_slice(data);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.works()
    }
}

/// Lets virtual time pass while the store's own thread works in real time.
#[expect(
    clippy::disallowed_methods,
    reason = "the store's thread knows no virtual time"
)]
async fn let_it_write(seconds: u64) {
    for _ in 0..4 * seconds {
        sleep(Duration::from_millis(250)).await;
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_disk_that_fails_loses_nothing_that_it_had_and_is_told_of() {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        virtual_time(3, async {
            let mut net = RegisteredNet::new(3, Weather::FAIR, 12);
            settled(&net).await;
            let disk = Disk::default();
            let view = net.open_view(disk.store(), net.clock);
            net.teach_lie(&view, 0, &[]);
            let_it_write(5).await;
            disk.fails(true);
            net.publish_at(0, Changes::default());
            view.offer_snapshot(&net.snapshot).unwrap();
            let_it_write(120).await;
            assert_eq!(number(&view), Some(1), "it is used all the same");
            let said = lines
                .said()
                .matches("is not written; it is tried again")
                .count();
            assert!((1..=10).contains(&said), "said {said} times");

            let lost = disk.after_power_loss();
            let kept = net.open_view(lost.store(), net.clock);
            assert_eq!(number(&kept), Some(0), "what was acknowledged is there");
            assert_eq!(kept.relays(Trust::Held).len(), 12);

            disk.fails(false);
            let_it_write(120).await;
            let kept = disk.after_power_loss();
            let kept = net.open_view(kept.store(), net.clock);
            assert_eq!(number(&kept), Some(1), "written as soon as it can be");
        });
    });
}
