//! Datagrams under way, and what becomes of one that is sent. Knows the time, never waits.

use core::task::Waker;
use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::time::Instant;

use super::ledger::{Datagram, Ledger};
use super::rules::Rules;
use super::weather::{Bandwidth, Weather};

pub(super) struct Wires {
    pub(super) rules: Rules,
    pub(super) ledger: Ledger,
    start: Instant,
    rng: ChaCha20Rng,
    /// Until when each direction's wire is busy with what was sent.
    busy: BTreeMap<(SocketAddr, SocketAddr), Instant>,
    inboxes: BTreeMap<SocketAddr, Inbox>,
    /// Running number of datagrams and bindings: equal arrivals keep the order of sending.
    next: u64,
}

struct Inbox {
    binding: u64,
    under_way: BTreeMap<(Instant, u64), Arrival>,
    waker: Option<Waker>,
}

/// What a socket receives.
pub(super) struct Arrival {
    pub(super) from: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// What a socket finds when it looks.
pub(super) enum Look {
    Here(Arrival),
    /// The next one arrives then, unless another overtakes it.
    Later(Instant),
    Nothing,
}

impl Wires {
    pub(super) fn new(seed: u64, weather: Weather) -> Self {
        Self {
            rules: Rules::new(weather),
            ledger: Ledger::default(),
            start: Instant::now(),
            rng: ChaCha20Rng::seed_from_u64(seed),
            busy: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            next: 0,
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// A new inbox, and its number.
    pub(super) fn bind(&mut self, address: SocketAddr) -> u64 {
        let binding = self.number();
        let inbox = Inbox {
            binding,
            under_way: BTreeMap::new(),
            waker: None,
        };
        let old = self.inboxes.insert(address, inbox);
        assert!(old.is_none(), "{address} has a socket already");
        binding
    }

    pub(super) fn kill(&mut self, address: SocketAddr) {
        self.inboxes.remove(&address);
    }

    /// Frees the address of a dropped socket, unless another has it by now.
    pub(super) fn unbind(&mut self, address: SocketAddr, binding: u64) {
        if self.is_bound(address, binding) {
            self.inboxes.remove(&address);
        }
    }

    pub(super) fn is_bound(&self, address: SocketAddr, binding: u64) -> bool {
        let inbox = self.inboxes.get(&address);
        inbox.is_some_and(|inbox| inbox.binding == binding)
    }

    pub(super) fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> Datagram {
        let datagram = Datagram {
            at: self.elapsed(),
            from,
            to,
            len: bytes.len(),
        };
        let arrivals = self.fate(&datagram);
        self.ledger.enter(&datagram, arrivals == [None, None]);
        for at in arrivals.into_iter().flatten() {
            self.deliver(&datagram, at, bytes.to_vec());
        }
        datagram
    }

    /// When it arrives, and when once more.
    fn fate(&mut self, datagram: &Datagram) -> [Option<Instant>; 2] {
        let (from, to) = (datagram.from, datagram.to);
        let weather = self.rules.weather(from, to);
        // Always as many draws, so that what befalls one datagram moves no other's luck.
        let lost = self.per_mille(weather.lost_per_mille);
        let doubled = self.per_mille(weather.doubled_per_mille);
        let delays = [(); 2].map(|()| weather.latency + self.up_to(weather.jitter));
        if !self.rules.reaches(from, to) || datagram.len > weather.largest {
            return [None, None];
        }
        let Some(leaves) = self.leaves(datagram, weather.bandwidth) else {
            return [None, None];
        };
        // A datagram that is lost has taken its time on the wire.
        let [first, second] = delays.map(|delay| Some(leaves + delay));
        [first.filter(|_| !lost), second.filter(|_| !lost && doubled)]
    }

    /// When its last byte is on the wire; `None` if the queue is full.
    fn leaves(&mut self, datagram: &Datagram, bandwidth: Option<Bandwidth>) -> Option<Instant> {
        let now = Instant::now();
        let Some(bandwidth) = bandwidth else {
            return Some(now);
        };
        let busy = self.busy.entry((datagram.from, datagram.to)).or_insert(now);
        let leaves = (*busy).max(now) + bandwidth.time(datagram.len as u64);
        if leaves - now > bandwidth.time(bandwidth.queue) {
            return None;
        }
        *busy = leaves;
        Some(leaves)
    }

    fn deliver(&mut self, datagram: &Datagram, at: Instant, bytes: Vec<u8>) {
        let number = self.number();
        // Nobody there: as if it had never been sent.
        let Some(inbox) = self.inboxes.get_mut(&datagram.to) else {
            return;
        };
        let from = datagram.from;
        inbox
            .under_way
            .insert((at, number), Arrival { from, bytes });
        let is_next = inbox.under_way.first_key_value().map(|(key, _)| key.1) == Some(number);
        if let Some(waker) = inbox.waker.take_if(|_| is_next) {
            waker.wake();
        }
    }

    /// Takes what has arrived first; otherwise `waker` learns of what comes sooner than expected.
    pub(super) fn look(&mut self, address: SocketAddr, binding: u64, waker: &Waker) -> Look {
        let inbox = self.inboxes.get_mut(&address);
        let Some(inbox) = inbox.filter(|inbox| inbox.binding == binding) else {
            return Look::Nothing;
        };
        if let Some(first) = inbox.under_way.first_entry() {
            let (at, _) = *first.key();
            if at <= Instant::now() {
                return Look::Here(first.remove());
            }
            inbox.waker = Some(waker.clone());
            return Look::Later(at);
        }
        inbox.waker = Some(waker.clone());
        Look::Nothing
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn per_mille(&mut self, share: u32) -> bool {
        u64::from(self.rng.next_u32()) * 1000 < u64::from(share) << 32
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        let drawn = (u128::from(nanos) * u128::from(self.rng.next_u64())) >> 64;
        Duration::from_nanos(u64::try_from(drawn).unwrap_or(nanos))
    }
}
