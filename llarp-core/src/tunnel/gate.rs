//! How many handshakes and tunnels callers have: in all, by path, by link, by network; and who goes
//! when all places are taken.

use core::cmp::Reverse;
use core::fmt;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::carrier::PathNumber;
use super::config::TunnelLimits;
use crate::hop::{LinkId, Network};
use crate::wire::limits::TUNNEL_UNUSED_TIME;

/// The counts, under the limits.
pub(super) struct Gate {
    limits: TunnelLimits,
    handshakes: Count,
    tunnels: Count,
    next: u64,
    open: BTreeMap<u64, Open>,
}

#[derive(Debug, Default)]
struct Count {
    all: usize,
    by_path: BTreeMap<PathNumber, usize>,
    by_link: BTreeMap<LinkId, usize>,
    by_network: BTreeMap<Network, usize>,
}

/// A tunnel that callers hold.
struct Open {
    from: From,
    close: Close,
    streams: usize,
    /// Since when there are none.
    unused_since: Instant,
}

/// Closes a tunnel for which there is no place any more.
type Close = Box<dyn FnOnce() + Send>;

/// Where somebody calls from.
#[derive(Debug, Clone, Copy)]
pub(super) struct From {
    pub(super) path: PathNumber,
    pub(super) link: Option<LinkId>,
    /// Of a stranger at the other end of that link.
    pub(super) network: Option<Network>,
}

/// At most so many.
struct Most {
    all: usize,
    by_path: usize,
    by_link: usize,
    by_network: usize,
}

impl Count {
    fn admit(&mut self, from: From, most: &Most) -> bool {
        let here = held(&self.by_path, Some(&from.path));
        let there = held(&self.by_link, from.link.as_ref());
        let around = held(&self.by_network, from.network.as_ref());
        if self.all >= most.all
            || here >= most.by_path
            || there >= most.by_link
            || around >= most.by_network
        {
            return false;
        }
        self.all += 1;
        self.by_path.insert(from.path, here + 1);
        self.by_link.extend(from.link.map(|link| (link, there + 1)));
        let network = from.network.map(|network| (network, around + 1));
        self.by_network.extend(network);
        true
    }

    fn leave(&mut self, from: From) {
        self.all = self.all.saturating_sub(1);
        one_less(&mut self.by_path, &from.path);
        if let Some(link) = from.link {
            one_less(&mut self.by_link, &link);
        }
        if let Some(network) = from.network {
            one_less(&mut self.by_network, &network);
        }
    }
}

fn held<K: Ord>(counts: &BTreeMap<K, usize>, key: Option<&K>) -> usize {
    let count = key.and_then(|key| counts.get(key));
    count.copied().unwrap_or(0)
}

fn one_less<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    match counts.get_mut(key) {
        Some(count) if *count > 1 => *count -= 1,
        _ => {
            counts.remove(key);
        }
    }
}

impl Gate {
    pub(super) fn new(limits: TunnelLimits) -> Self {
        Self {
            limits,
            handshakes: Count::default(),
            tunnels: Count::default(),
            next: 0,
            open: BTreeMap::new(),
        }
    }

    pub(super) const fn tunnels(&self) -> usize {
        self.tunnels.all
    }

    /// Lets in a tunnel from there, if there is a place; its number.
    fn admit(&mut self, from: From, close: Close, now: Instant) -> Option<u64> {
        let most = Most {
            all: self.limits.tunnels,
            by_path: self.limits.tunnels_per_path,
            by_link: self.limits.tunnels_per_link,
            by_network: self.limits.tunnels_per_network,
        };
        if self.tunnels.all >= most.all {
            self.evict(now);
        }
        if !self.tunnels.admit(from, &most) {
            return None;
        }
        self.next += 1;
        let open = Open {
            from,
            close,
            streams: 0,
            unused_since: now,
        };
        self.open.insert(self.next, open);
        Some(self.next)
    }

    /// Closes, of the tunnels over the link that has most, the one that is unused for longest; of all
    /// others if that has none.
    fn evict(&mut self, now: Instant) {
        let unused = self.open.iter().filter(|(_, open)| {
            open.streams == 0 && now.duration_since(open.unused_since) >= TUNNEL_UNUSED_TIME
        });
        let over_its_link = |open: &Open| held(&self.tunnels.by_link, open.from.link.as_ref());
        let goes = unused.min_by_key(|(_, open)| (Reverse(over_its_link(open)), open.unused_since));
        let Some(goes) = goes.map(|(number, _)| *number) else {
            return;
        };
        if let Some(open) = self.open.remove(&goes) {
            self.tunnels.leave(open.from);
            (open.close)();
        }
    }

    /// A tunnel is over, unless it was evicted.
    fn leave(&mut self, number: u64) {
        if let Some(open) = self.open.remove(&number) {
            self.tunnels.leave(open.from);
        }
    }
}

/// A handshake's or tunnel's place; dropped, it is free. A tunnel that moves keeps the place of the
/// path and link that it came by.
pub(super) struct Permit {
    gate: Arc<Mutex<Gate>>,
    from: From,
    /// Its number, when the handshake is over.
    tunnel: Option<u64>,
}

impl Permit {
    /// A place for a handshake, if there is one.
    pub(super) fn handshake(gate: &Arc<Mutex<Gate>>, from: From) -> Option<Self> {
        let gate = Arc::clone(gate);
        let admitted = {
            let mut gate = lock(&gate);
            let most = Most {
                all: gate.limits.handshakes,
                by_path: gate.limits.handshakes_per_path,
                by_link: gate.limits.handshakes_per_link,
                by_network: gate.limits.handshakes_per_network,
            };
            gate.handshakes.admit(from, &most)
        };
        admitted.then_some(Self {
            gate,
            from,
            tunnel: None,
        })
    }

    /// The handshake is over: a place for a tunnel instead, if there is one, and what counts its
    /// streams. `close` gives the place to another.
    pub(super) fn become_tunnel(
        &mut self,
        close: impl FnOnce() + Send + 'static,
    ) -> Option<Streams> {
        let mut gate = lock(&self.gate);
        let number = gate.admit(self.from, Box::new(close), Instant::now())?;
        gate.handshakes.leave(self.from);
        drop(gate);
        self.tunnel = Some(number);
        Some(Streams {
            gate: Arc::clone(&self.gate),
            number,
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut gate = lock(&self.gate);
        match self.tunnel {
            Some(number) => gate.leave(number),
            None => gate.handshakes.leave(self.from),
        }
    }
}

/// Counts the streams that are served over one tunnel: a tunnel that has some is not evicted.
pub(super) struct Streams {
    gate: Arc<Mutex<Gate>>,
    number: u64,
}

impl Streams {
    /// A stream more, until what is returned is dropped.
    pub(super) fn begin(&self) -> Served {
        if let Some(open) = lock(&self.gate).open.get_mut(&self.number) {
            open.streams += 1;
        }
        Served {
            gate: Arc::clone(&self.gate),
            number: self.number,
        }
    }
}

/// A stream that is served.
pub(super) struct Served {
    gate: Arc<Mutex<Gate>>,
    number: u64,
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(open) = lock(&self.gate).open.get_mut(&self.number) {
            open.streams = open.streams.saturating_sub(1);
            open.unused_since = Instant::now();
        }
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Served")
    }
}

fn lock(gate: &Mutex<Gate>) -> MutexGuard<'_, Gate> {
    // The gate's methods leave it whole wherever they could panic.
    gate.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;
    use core::time::Duration;

    use tokio::time::advance;

    use super::*;
    use crate::wire::Sensitive;

    fn from(path: u128, link: u64) -> From {
        From {
            path: PathNumber(path),
            link: Some(LinkId(link)),
            network: None,
        }
    }

    /// Somebody in a network, over a link of its own.
    fn stranger(network: u8, link: u64) -> From {
        let first = Ipv4Addr::new(198, 51, network, 0);
        From {
            network: Some(Sensitive::new(first.into())),
            ..from(link.into(), link)
        }
    }

    struct Held {
        _permit: Permit,
        streams: Streams,
        closed: Arc<Mutex<bool>>,
    }

    impl Held {
        fn is_closed(&self) -> bool {
            *self.closed.lock().unwrap()
        }
    }

    fn tunnel(gate: &Arc<Mutex<Gate>>, from: From) -> Option<Held> {
        let closed = Arc::<Mutex<bool>>::default();
        let mut permit = Permit::handshake(gate, from)?;
        let close = Arc::clone(&closed);
        let streams = permit.become_tunnel(move || *close.lock().unwrap() = true)?;
        Some(Held {
            _permit: permit,
            streams,
            closed,
        })
    }

    fn gate() -> (TunnelLimits, Arc<Mutex<Gate>>) {
        let limits = TunnelLimits::default();
        (limits, Arc::new(Mutex::new(Gate::new(limits))))
    }

    fn assert_empty(gate: &Mutex<Gate>) {
        let gate = gate.lock().unwrap();
        assert!(gate.open.is_empty());
        for count in [&gate.tunnels, &gate.handshakes] {
            assert_eq!(count.all, 0);
            assert!(count.by_link.is_empty() && count.by_path.is_empty());
            assert!(count.by_network.is_empty());
        }
    }

    #[test]
    fn a_link_gets_its_share_of_tunnels_and_gives_it_back() {
        let (limits, gate) = gate();
        let mut held: Vec<_> = (0..)
            .map_while(|n| tunnel(&gate, from(n / limits.tunnels_per_path as u128, 1)))
            .collect();
        assert_eq!(held.len(), limits.tunnels_per_link);
        assert!(tunnel(&gate, from(1000, 2)).is_some(), "another link");
        held.pop();
        assert!(tunnel(&gate, from(1001, 1)).is_some());
        drop(held);
        assert_empty(&gate);
    }

    #[test]
    fn a_link_gets_its_share_of_handshakes() {
        let (limits, gate) = gate();
        let held: Vec<_> = (0..)
            .map_while(|path| Permit::handshake(&gate, from(path, 1)))
            .collect();
        assert_eq!(held.len(), limits.handshakes_per_link);
        assert!(Permit::handshake(&gate, from(1000, 2)).is_some());
    }

    #[test]
    fn one_address_with_many_links_does_not_take_all_tunnels() {
        let (limits, gate) = gate();
        let handshakes: Vec<_> = (0..)
            .map_while(|link| Permit::handshake(&gate, stranger(1, link)))
            .collect();
        assert_eq!(handshakes.len(), limits.handshakes_per_network);
        drop(handshakes);
        let held: Vec<_> = (0..)
            .map_while(|link| tunnel(&gate, stranger(1, link)))
            .collect();
        assert_eq!(held.len(), limits.tunnels_per_network);
        let others = [stranger(2, 1000), from(1001, 1001)];
        assert!(others.map(|from| tunnel(&gate, from).is_some()) == [true; 2]);
        drop(held);
        assert_empty(&gate);
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_full_house_an_unused_tunnel_of_the_link_that_has_most_gives_way() {
        let (limits, gate) = gate();
        let mut few = Vec::new();
        for link in 100..110 {
            few.extend(tunnel(&gate, from(link.into(), 100 + link)));
        }
        let mut most: Vec<Vec<Held>> = Vec::new();
        for link in 0..4 {
            let path = |n| 1000 * (u128::from(link) + 1) + n;
            let many = (0..).map_while(|n| tunnel(&gate, from(path(n), link)));
            most.push(many.collect());
        }
        assert_eq!(gate.lock().unwrap().tunnels(), limits.tunnels);
        assert!(tunnel(&gate, from(1, 500)).is_none(), "all are fresh");
        let served: Vec<_> = most[0].iter().map(|held| held.streams.begin()).collect();
        advance(TUNNEL_UNUSED_TIME).await;
        assert!(tunnel(&gate, from(1, 500)).is_some());
        let is_closed = |held: &&Held| held.is_closed();
        assert_eq!(few.iter().filter(is_closed).count(), 0);
        assert_eq!(most[0].iter().filter(is_closed).count(), 0, "in use");
        assert!(most[1][0].is_closed() && !most[1][1].is_closed());
        drop(served);
        // As they came free: the one that was used last is not the first to go.
        advance(TUNNEL_UNUSED_TIME - Duration::from_secs(1)).await;
        let held: Vec<_> = (0..10)
            .map_while(|n| tunnel(&gate, from(1, 500 + n)))
            .collect();
        assert!(!held.is_empty());
        assert_eq!(most[0].iter().filter(is_closed).count(), 0);
        drop((held, few, most));
        assert_empty(&gate);
    }
}
