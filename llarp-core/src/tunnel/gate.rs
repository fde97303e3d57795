//! How many handshakes and tunnels callers have: in all, by path, by link.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::carrier::PathNumber;
use super::config::TunnelLimits;
use crate::hop::LinkId;

/// The counts, under the limits.
#[derive(Debug)]
pub(super) struct Gate {
    limits: TunnelLimits,
    handshakes: Count,
    tunnels: Count,
}

#[derive(Debug, Default)]
struct Count {
    all: usize,
    by_path: BTreeMap<PathNumber, usize>,
    by_link: BTreeMap<LinkId, usize>,
}

/// Where somebody calls from.
#[derive(Debug, Clone, Copy)]
pub(super) struct From {
    pub(super) path: PathNumber,
    pub(super) link: Option<LinkId>,
}

/// At most so many.
struct Most {
    all: usize,
    by_path: usize,
    by_link: usize,
}

impl Count {
    fn admit(&mut self, from: From, most: &Most) -> bool {
        let here = self.by_path.get(&from.path).copied().unwrap_or(0);
        let there = from.link.and_then(|link| self.by_link.get(&link));
        let there = there.copied().unwrap_or(0);
        if self.all >= most.all || here >= most.by_path || there >= most.by_link {
            return false;
        }
        self.all += 1;
        self.by_path.insert(from.path, here + 1);
        self.by_link.extend(from.link.map(|link| (link, there + 1)));
        true
    }

    fn leave(&mut self, from: From) {
        self.all = self.all.saturating_sub(1);
        one_less(&mut self.by_path, &from.path);
        if let Some(link) = from.link {
            one_less(&mut self.by_link, &link);
        }
    }
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
        }
    }

    pub(super) const fn tunnels(&self) -> usize {
        self.tunnels.all
    }
}

/// A handshake's or tunnel's place; dropped, it is free. A tunnel that moves keeps the place of the
/// path and link that it came by.
pub(super) struct Permit {
    gate: Arc<Mutex<Gate>>,
    from: From,
    tunnel: bool,
}

impl Permit {
    /// A place for a handshake, if there is one.
    pub(super) fn handshake(gate: &Arc<Mutex<Gate>>, from: From) -> Option<Self> {
        let gate = Arc::clone(gate);
        let admitted = {
            let mut gate = gate.lock().unwrap_or_else(PoisonError::into_inner);
            let limits = gate.limits;
            let most = Most {
                all: limits.handshakes,
                by_path: limits.handshakes_per_path,
                by_link: limits.handshakes_per_link,
            };
            gate.handshakes.admit(from, &most)
        };
        admitted.then_some(Self {
            gate,
            from,
            tunnel: false,
        })
    }

    /// The handshake is over: a place for a tunnel instead, if there is one.
    pub(super) fn become_tunnel(&mut self) -> bool {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = gate.limits;
        let most = Most {
            all: limits.tunnels,
            by_path: limits.tunnels_per_path,
            by_link: limits.tunnels_per_link,
        };
        if !gate.tunnels.admit(self.from, &most) {
            return false;
        }
        gate.handshakes.leave(self.from);
        self.tunnel = true;
        true
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if self.tunnel {
            gate.tunnels.leave(self.from);
        } else {
            gate.handshakes.leave(self.from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(path: u128, link: u64) -> From {
        From {
            path: PathNumber(path),
            link: Some(LinkId(link)),
        }
    }

    #[test]
    fn a_link_gets_its_share_of_tunnels_and_gives_it_back() {
        let limits = TunnelLimits::default();
        let gate = Arc::new(Mutex::new(Gate::new(limits)));
        let tunnel = |path, link| {
            let mut permit = Permit::handshake(&gate, from(path, link))?;
            permit.become_tunnel().then_some(permit)
        };
        let mut held: Vec<_> = (0..)
            .map_while(|n| tunnel(n / limits.tunnels_per_path as u128, 1))
            .collect();
        assert_eq!(held.len(), limits.tunnels_per_link);
        assert!(tunnel(1000, 2).is_some(), "another link");
        held.pop();
        assert!(tunnel(1001, 1).is_some());
        drop(held);
        let gate = gate.lock().unwrap();
        for count in [&gate.tunnels, &gate.handshakes] {
            assert_eq!(count.all, 0);
            assert!(count.by_link.is_empty() && count.by_path.is_empty());
        }
    }

    #[test]
    fn a_link_gets_its_share_of_handshakes() {
        let limits = TunnelLimits::default();
        let gate = Arc::new(Mutex::new(Gate::new(limits)));
        let held: Vec<_> = (0..)
            .map_while(|path| Permit::handshake(&gate, from(path, 1)))
            .collect();
        assert_eq!(held.len(), limits.handshakes_per_link);
        assert!(Permit::handshake(&gate, from(1000, 2)).is_some());
    }
}
