//! How many handshakes and tunnels callers have, in all and by path.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::carrier::PathNumber;
use super::config::TunnelLimits;

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
}

impl Count {
    fn admit(&mut self, path: PathNumber, most: usize, most_by_path: usize) -> bool {
        let here = self.by_path.get(&path).copied().unwrap_or(0);
        if self.all >= most || here >= most_by_path {
            return false;
        }
        self.all += 1;
        self.by_path.insert(path, here + 1);
        true
    }

    fn leave(&mut self, path: PathNumber) {
        self.all = self.all.saturating_sub(1);
        match self.by_path.get_mut(&path) {
            Some(here) if *here > 1 => *here -= 1,
            _ => {
                self.by_path.remove(&path);
            }
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
/// path that it came by.
pub(super) struct Permit {
    gate: Arc<Mutex<Gate>>,
    path: PathNumber,
    tunnel: bool,
}

impl Permit {
    /// A place for a handshake over `path`, if there is one.
    pub(super) fn handshake(gate: &Arc<Mutex<Gate>>, path: PathNumber) -> Option<Self> {
        let gate = Arc::clone(gate);
        let admitted = {
            let mut gate = gate.lock().unwrap_or_else(PoisonError::into_inner);
            let limits = gate.limits;
            (gate.handshakes).admit(path, limits.handshakes, limits.handshakes_per_path)
        };
        admitted.then_some(Self {
            gate,
            path,
            tunnel: false,
        })
    }

    /// The handshake is over: a place for a tunnel instead, if there is one.
    pub(super) fn become_tunnel(&mut self) -> bool {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = gate.limits;
        if !(gate.tunnels).admit(self.path, limits.tunnels, limits.tunnels_per_path) {
            return false;
        }
        gate.handshakes.leave(self.path);
        self.tunnel = true;
        true
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if self.tunnel {
            gate.tunnels.leave(self.path);
        } else {
            gate.handshakes.leave(self.path);
        }
    }
}
