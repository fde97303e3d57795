//! Cells that somebody between two honest relays repeats, changes or invents.
//!
//! Two paths of two clients go over relays 0, 1 and 2; somebody sits before relay 1.

use core::time::Duration;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use llarp_core::cell::{CloseReason, Command};
use llarp_core::link::RequestError;
use llarp_core::wire::limits::{CELL_LEN, PATH_ID_LEN};
use llarp_tests::net::tap::{Cell, CellFate, Direction, Passing, Policy, RequestFate};
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::testnet::TestNet;
use tokio::time::sleep;

use crate::raw::{Raw, RawPath};

/// What is done to the next cell that goes up.
#[derive(Debug, Clone)]
enum Act {
    Pass,
    Twice,
    Flip(usize),
    Also(Box<Cell>),
}

#[derive(Default)]
struct Plan {
    act: Option<Act>,
    /// The last cell that went up, as it came.
    last: Option<Cell>,
    builds_twice: bool,
}

#[derive(Clone, Default)]
struct Between(Arc<Mutex<Plan>>);

impl Between {
    fn next(&self, act: Act) {
        self.0.lock().unwrap().act = Some(act);
    }

    fn last(&self) -> Cell {
        self.0.lock().unwrap().last.unwrap()
    }
}

impl Policy for Between {
    fn cell(&mut self, passing: &Passing, cell: &mut Cell) -> CellFate {
        if passing.direction == Direction::ToPeer {
            return CellFate::Pass;
        }
        let mut plan = self.0.lock().unwrap();
        plan.last = Some(*cell);
        match plan.act.take() {
            None | Some(Act::Pass) => CellFate::Pass,
            Some(Act::Twice) => CellFate::Twice,
            Some(Act::Also(other)) => CellFate::Also(other),
            Some(Act::Flip(bit)) => {
                cell[bit / 8] ^= 1 << (bit % 8);
                CellFate::Pass
            }
        }
    }

    fn request(&mut self, _passing: &Passing, _kind: u8, _body: &mut Vec<u8>) -> RequestFate {
        if self.0.lock().unwrap().builds_twice {
            RequestFate::Twice
        } else {
            RequestFate::Pass
        }
    }
}

struct Scene {
    net: TestNet,
    between: Between,
    victim: (Raw, RawPath),
    other: (Raw, RawPath),
}

impl Scene {
    async fn new() -> Self {
        let between = Between::default();
        let mut net = TestNet::without_relays(1, Weather::FAIR, 4);
        net.tap(1, between.clone());
        (0..3).for_each(|n| net.start(n));
        let mut victim = Raw::client(&net, 0, 0).await;
        let path = victim.build(&net, &[0, 1, 2]).await;
        let mut other = Raw::client(&net, 1, 0).await;
        let others = other.build(&net, &[0, 1, 2]).await;
        Self {
            net,
            between,
            victim: (victim, path),
            other: (other, others),
        }
    }

    /// Sends a probe of the victim's, with which `act` is done; whether it is answered.
    async fn act(&mut self, act: Act) -> bool {
        self.between.next(act);
        let (victim, path) = &mut self.victim;
        victim.probe(path, 2).await.is_some()
    }

    /// Cells that died at relays 1 and 2.
    fn dropped(&self) -> u64 {
        let of = |n| self.net.relay(n).unwrap().stats().dropped;
        of(1) + of(2)
    }

    fn paths(&self) -> [usize; 3] {
        [0, 1, 2].map(|n| self.net.relay(n).unwrap().stats().paths)
    }

    async fn the_other_lives(&mut self) {
        let (client, path) = &mut self.other;
        for hop in 0..3 {
            assert!(client.probe(path, hop).await.is_some(), "hop {hop}");
        }
        let queued = |n| self.net.relay(n).unwrap().stats().queued;
        assert_eq!([0, 1, 2].map(queued), [0; 3]);
    }
}

#[test]
fn a_repeated_cell_dies_at_the_next_relay_and_nothing_else() {
    virtual_time(1, async {
        let mut scene = Scene::new().await;
        for n in 1..=50 {
            assert!(scene.act(Act::Twice).await, "the first copy is answered");
            assert_eq!(scene.net.relay(1).unwrap().stats().dropped, n);
        }
        assert_eq!(scene.net.relay(2).unwrap().stats().dropped, 0);
        // An old one, too.
        let old = Box::new(scene.between.last());
        for _ in 0..100 {
            assert!(scene.act(Act::Pass).await);
        }
        assert!(scene.act(Act::Also(old)).await);
        assert_eq!(scene.dropped(), 51);
        assert_eq!(scene.paths(), [2; 3], "copies close nothing");
        scene.the_other_lives().await;
    });
}

#[test]
fn a_changed_cell_dies_alone_and_the_third_closes_the_path() {
    // In the first block, at both ends of the data, in the last byte.
    for bits in [[64, 65, 66], [200, 5_000, 10_495]] {
        virtual_time(1, async {
            let mut scene = Scene::new().await;
            for (n, bit) in (1..).zip(bits) {
                assert!(!scene.act(Act::Flip(bit)).await, "bit {bit}");
                assert_eq!(scene.dropped(), n.min(2), "exactly that cell");
                if n < 3 {
                    assert!(scene.act(Act::Pass).await, "the next cell is well");
                    assert_eq!(scene.paths(), [2; 3]);
                }
            }
            sleep(Duration::from_secs(2)).await;
            assert_eq!(
                scene.paths(),
                [2, 2, 1],
                "the rest is for the client to close"
            );
            scene.the_other_lives().await;
        });
    }
}

#[test]
fn the_client_of_a_garbled_path_hears_so() {
    virtual_time(1, async {
        let mut scene = Scene::new().await;
        let (victim, path) = &mut scene.victim;
        let mut heard = None;
        for _ in 0..3 {
            scene.between.next(Act::Flip(300));
            let probe = path.next_probe().encode();
            victim.send(path, 2, Command::Probe, &probe);
            heard = victim.hear(path).await;
        }
        let heard = heard.unwrap();
        assert_eq!(heard.command, Command::Closed);
        assert_eq!(heard.data, [CloseReason::Garbled.code()]);
        assert_eq!(heard.hop, 2, "whom the cells were for");
    });
}

#[test]
fn a_changed_path_id_is_nobodys() {
    virtual_time(1, async {
        let mut scene = Scene::new().await;
        for bit in [0, 17, 63] {
            assert!(!scene.act(Act::Flip(bit)).await);
        }
        assert_eq!(scene.dropped(), 3);
        assert!(scene.act(Act::Pass).await, "three cells lost, none garbled");
        scene.the_other_lives().await;
    });
}

#[test]
fn what_is_no_cell_by_its_length_is_dropped_and_the_link_lives() {
    virtual_time(1, async {
        let mut scene = Scene::new().await;
        let tap = scene.net.tap_of(1).unwrap();
        let (near, far) = tap.ends(1).unwrap();
        let cell = scene.between.0.lock().unwrap().last;
        assert!(cell.is_none(), "no cell has passed yet");
        for len in [0, 1, 8, CELL_LEN - 1] {
            for link in [&near, &far] {
                let bytes = Bytes::from(vec![7; len]);
                link.quic().send_datagram(bytes).unwrap();
            }
        }
        // Nothing longer fits into a datagram of the link.
        let long = Bytes::from(vec![7; CELL_LEN + 64]);
        assert!(far.quic().send_datagram(long).is_err());
        sleep(Duration::from_secs(1)).await;
        assert_eq!(scene.dropped(), 0, "it is not even taken for a cell");
        assert!(scene.act(Act::Pass).await);
        scene.the_other_lives().await;
    });
}

#[test]
fn a_flood_of_invented_cells_costs_nothing_but_itself() {
    virtual_time(1, async {
        let mut scene = Scene::new().await;
        assert!(scene.act(Act::Pass).await);
        let (_, far) = scene.net.tap_of(1).unwrap().ends(1).unwrap();
        for _ in 0..5_000 {
            let cell = scene.victim.0.noise(CELL_LEN);
            far.send_cell_wait(cell.into()).await.unwrap();
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!(scene.net.relay(1).unwrap().stats().dropped, 5_000);
        assert_eq!(scene.net.relay(2).unwrap().stats().dropped, 0);
        assert_eq!(scene.paths(), [2; 3]);
        scene.the_other_lives().await;
        // With the victim's path id three are enough to close its path, and no other.
        let id = scene.between.0.lock().unwrap().last.unwrap();
        for _ in 0..3 {
            let mut cell = scene.victim.0.noise(CELL_LEN);
            cell[..PATH_ID_LEN].copy_from_slice(&id[..PATH_ID_LEN]);
            far.send_cell_wait(cell.into()).await.unwrap();
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!(scene.paths(), [2, 2, 1]);
    });
}

#[test]
fn cells_of_another_link_are_nobodys() {
    virtual_time(1, async {
        let mut scene = Scene::new().await;
        assert!(scene.act(Act::Pass).await);
        let stolen = scene.between.last();
        // Relay 3 is in hostile hands, and knows what passed between 0 and 1.
        let hostile = Raw::relay(&scene.net, 3, 1).await;
        for n in 0..100_u8 {
            let mut cell = stolen;
            // Its beginning: what begins alike is taken for a copy.
            cell[PATH_ID_LEN] ^= n;
            let sent = hostile.link.send_cell_wait(Bytes::copy_from_slice(&cell));
            sent.await.unwrap();
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!(scene.net.relay(1).unwrap().stats().dropped, 100);
        assert_eq!(scene.dropped(), 100, "none went on");
        assert!(scene.act(Act::Pass).await, "the path has no strike");
        scene.the_other_lives().await;
    });
}

#[test]
fn a_build_that_a_middle_relay_repeats_is_refused_at_the_next() {
    virtual_time(1, async {
        let mut scene = Scene::new().await;
        scene.between.0.lock().unwrap().builds_twice = true;
        let (victim, _) = &mut scene.victim;
        let mut path = victim.build(&scene.net, &[0, 1, 2]).await;
        assert!(victim.probe(&mut path, 2).await.is_some());
        sleep(Duration::from_secs(1)).await;
        let stats = scene.net.relay(1).unwrap().stats();
        assert_eq!((stats.paths, stats.built, stats.refused), (3, 3, 1));
        assert_eq!(scene.net.relay(2).unwrap().stats().built, 3);
        // The guard repeats one: the same.
        let (request, _, expect) = victim.request(&scene.net, &[0, 1, 2]);
        expect
            .handle_reply(victim.ask(&request).await.unwrap())
            .unwrap();
        let hostile = Raw::relay(&scene.net, 3, 0).await;
        let again = hostile.ask(&request).await;
        assert!(!matches!(again, Err(RequestError::Closed(_))));
        let stats = scene.net.relay(0).unwrap().stats();
        assert_eq!((stats.built, stats.refused), (4, 1));
    });
}
