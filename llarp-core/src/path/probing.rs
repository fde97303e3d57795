//! Whether a path still carries: probes, their answers, and where it broke.
//!
//! ```text
//! sent, unanswered   0 ── 0.75 s ────── 1.5 s ───────── 2.25 s ─────────── 4 s
//!                         ask terminal  Suspect:        Dead, if a hop     Dead: nobody
//!                                       ask every hop   near us answers    answers
//! ```

use core::fmt;

use rand_core::Rng;

use super::{Millis, draw};
use crate::build::Charge;
use crate::cell::Probe;
use crate::wire::limits::HOPS_MAX;

/// An idle path is asked so often, in milliseconds: about each minute.
const IDLE_MILLIS: (u64, u64) = (45_000, 75_000);
/// A path with traffic is asked so often, so that its losses show.
const BUSY_MILLIS: (u64, u64) = (4_000, 6_000);
/// A path that something was sent on so lately has traffic.
const BUSY_FOR_MILLIS: u64 = 10_000;
/// Silence after something was sent: when to ask the terminal, when to ask every hop, when to give
/// up. A dead relay is noticed within 5 s, the driver's delay included.
const ASK_MILLIS: u64 = 750;
const SUSPECT_MILLIS: u64 = 1_500;
const DEAD_MILLIS: u64 = 4_000;
/// The same when a hop near us answers: then it is not our own network that holds its breath.
const DEAD_BEHIND_MILLIS: u64 = 2_250;
/// How long a hop near us must have answered by then: whoever is further away answers later, when a
/// network that held its breath is back.
const BEHIND_MILLIS: u64 = 500;
/// How often a path that is silent is looked at.
const TICK_MILLIS: u64 = 250;
/// Questions that wait for answers; the oldest gives way.
const OPEN_MAX: usize = 16;
/// Loss is unexplained from so many cells, if they are one in ten of a window: relays drop cells when
/// they are full, and tunnels slow down long before this.
const LOSS_CELLS: u64 = 50;
const LOSS_ONE_IN: u64 = 10;
/// A window ends with the answer that makes it so many cells, however often a hop answers.
const LOSS_WINDOW: u64 = LOSS_CELLS * LOSS_ONE_IN;
/// And that makes it so long. A tunnel that finds out what a path carries loses a third of its cells
/// for a second or two; who steals cells goes on.
const LOSS_MILLIS: u64 = 10_000;
/// When a loss is located, a hop whose window is not the same shares it from half of it on.
const LOSS_SHARED: u64 = 2;

/// A question to send: a `PROBE` for this hop, counted from 0, with [`Ask::probe`]. It counts as
/// sent; no [`Probing::handle_sent`] for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// The hop to ask.
    pub hop: usize,
    /// What to ask.
    pub probe: Probe,
}

/// How a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathState {
    /// It answers, or was not asked.
    Alive,
    /// It is silent, and every hop is asked. A session had better use another path.
    Suspect,
    /// It is dead.
    Dead {
        /// Milliseconds since the first thing that it did not answer.
        after: u64,
        /// Whom to charge: the two neighbours between which it broke.
        charge: Charge,
    },
    /// It loses more than full relays explain.
    Lossy {
        /// Whom to charge: the two neighbours from which on cells are missing.
        charge: Charge,
    },
}

/// What an answer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// The hop that answered.
    pub hop: usize,
    /// Milliseconds to there and back.
    pub rtt: u64,
    /// Cells towards this hop since its window began.
    pub up: Loss,
    /// Cells from it and from behind it.
    pub down: Loss,
}

impl Answered {
    /// Whether more is lost than a full relay explains.
    #[must_use]
    pub const fn is_unexplained(&self) -> bool {
        self.up.is(1) || self.down.is(1)
    }
}

/// Cells that did not arrive, of those that were sent. Cells on their way count as lost until the
/// next answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loss {
    /// Cells that did not arrive.
    pub lost: u64,
    /// Cells that were sent.
    pub sent: u64,
}

impl Loss {
    /// Whether it is an unexplained one, or this part of it.
    const fn is(self, part: u64) -> bool {
        let lost = self.lost.saturating_mul(part);
        lost >= LOSS_CELLS && lost.saturating_mul(LOSS_ONE_IN) >= self.sent
    }
}

/// Totals of one hop, as of its last answer.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    since: Millis,
    up_sent: u64,
    up_received: u64,
    down_sent: u64,
    down_received: u64,
}

#[derive(Clone, Copy)]
struct Open {
    hop: usize,
    nonce: [u8; 8],
    at: Millis,
    up_sent: u64,
}

/// A loss that is being located.
#[derive(Clone, Copy)]
struct Losing {
    since: Millis,
    /// The hop whose answer showed it.
    at: usize,
    /// When each hop was asked since then.
    asked: [Option<Millis>; HOPS_MAX],
    /// Whether each hop misses cells, too, once it has answered.
    misses: [Option<bool>; HOPS_MAX],
}

/// Keeps watch over one path. `handle_*` takes what happens, [`Probing::poll`] gives what to ask.
pub struct Probing {
    hops: usize,
    /// Cells sealed for each hop, and sealed by each.
    sent: [u64; HOPS_MAX],
    received: [u64; HOPS_MAX],
    before: [Totals; HOPS_MAX],
    open: Vec<Open>,
    /// The first thing sent that the terminal has not answered.
    waiting: Option<Millis>,
    /// When each hop was asked since then, and whether it has answered since then.
    asked: [Option<Millis>; HOPS_MAX],
    heard: [bool; HOPS_MAX],
    /// When the first hop before the terminal has.
    answered: Option<Millis>,
    last_sent: Option<Millis>,
    next: Millis,
    /// The next hop of a round of questions; behind the last, there is none under way.
    round: usize,
    losing: Option<Losing>,
}

impl Probing {
    /// Watches a path of this many hops that has just been built.
    #[must_use]
    pub fn new(hops: usize, now: Millis, rng: &mut impl Rng) -> Self {
        Self {
            hops: hops.clamp(1, HOPS_MAX),
            sent: [0; HOPS_MAX],
            received: [0; HOPS_MAX],
            before: [Totals {
                since: now,
                ..Totals::default()
            }; HOPS_MAX],
            open: Vec::new(),
            waiting: None,
            asked: [None; HOPS_MAX],
            heard: [false; HOPS_MAX],
            answered: None,
            last_sent: None,
            next: now.plus(draw::between(IDLE_MILLIS.0, IDLE_MILLIS.1, rng)),
            round: HOPS_MAX,
            losing: None,
        }
    }

    /// A cell for this hop was sent.
    pub fn handle_sent(&mut self, now: Millis, hop: usize, rng: &mut impl Rng) {
        if !self.is_busy(now) {
            // A path that wakes up is asked soon.
            let soon = now.plus(draw::between(BUSY_MILLIS.0, BUSY_MILLIS.1, rng));
            self.next = self.next.min(soon);
        }
        self.last_sent = Some(now);
        self.count_sent(now, hop);
    }

    /// A cell from this hop arrived, of whatever command, and opened. For the answer to a probe
    /// call [`Probing::handle_answer`] after this.
    pub fn handle_received(&mut self, hop: usize) {
        if let Some(received) = self.received.get_mut(hop) {
            *received = received.saturating_add(1);
        }
        if let Some(heard) = self.heard.get_mut(hop) {
            *heard = true;
        }
        if hop + 1 == self.hops {
            self.waiting = None;
            self.asked = [None; HOPS_MAX];
        }
    }

    /// An answer of this hop. `None` if nobody asked.
    pub fn handle_answer(&mut self, now: Millis, hop: usize, answer: &Probe) -> Option<Answered> {
        let fits = |open: &Open| open.hop == hop && open.nonce == answer.nonce;
        let at = self.open.iter().position(fits)?;
        let asked = self.open.remove(at);
        self.answered.get_or_insert(now);
        let totals = Totals {
            since: now,
            up_sent: asked.up_sent,
            up_received: answer.received,
            down_sent: answer.sent,
            down_received: through(&self.received, hop),
        };
        let before = self.before.get_mut(hop)?;
        let since = |now: u64, before: u64| now.saturating_sub(before);
        let loss = |sent: u64, arrived: u64| Loss {
            lost: sent.saturating_sub(arrived),
            sent,
        };
        let up = loss(
            since(totals.up_sent, before.up_sent),
            since(totals.up_received, before.up_received),
        );
        let down = loss(
            since(totals.down_sent, before.down_sent),
            since(totals.down_received, before.down_received),
        );
        let long = now.since(before.since) >= LOSS_MILLIS;
        if long && up.sent.max(down.sent) >= LOSS_WINDOW {
            *before = totals;
        }
        let rtt = now.since(asked.at);
        let answered = Answered { hop, rtt, up, down };
        if long {
            self.note_loss(now, asked.at, &answered);
        }
        Some(answered)
    }

    /// Begins to locate a loss, or goes on with it.
    fn note_loss(&mut self, now: Millis, asked: Millis, answered: &Answered) {
        if self.losing.is_none() && answered.is_unexplained() {
            self.losing = Some(Losing {
                since: now,
                at: answered.hop,
                asked: [None; HOPS_MAX],
                misses: [None; HOPS_MAX],
            });
        }
        if let Some(losing) = &mut self.losing
            && (asked >= losing.since || answered.hop == losing.at)
            && let Some(misses) = losing.misses.get_mut(answered.hop)
        {
            *misses = Some(answered.up.is(LOSS_SHARED) || answered.down.is(LOSS_SHARED));
        }
    }

    /// What to ask now; call again until there is nothing.
    pub fn poll(&mut self, now: Millis, rng: &mut impl Rng) -> Option<Ask> {
        if let Some(hop) = self.due(now).or_else(|| self.locates(now)) {
            return Some(self.ask(now, hop, rng));
        }
        if self.next <= now {
            // Every hop of a path with traffic, so that a loss can be located.
            let (from, (low, high)) = if self.is_busy(now) {
                (0, BUSY_MILLIS)
            } else {
                (self.hops - 1, IDLE_MILLIS)
            };
            self.round = from;
            self.next = now.plus(draw::between(low, high, rng));
        }
        let hop = self.round;
        (hop < self.hops).then(|| {
            self.round += 1;
            self.ask(now, hop, rng)
        })
    }

    /// When to poll and look at the state again, if nothing happens before.
    #[must_use]
    pub fn wakes_at(&self, now: Millis) -> Millis {
        let silent = |since: Millis| match now.since(since) {
            silence if silence < ASK_MILLIS => since.plus(ASK_MILLIS),
            _ => now.plus(TICK_MILLIS),
        };
        let locates = self.losing.map_or(self.next, |_| now.plus(TICK_MILLIS));
        let silent = self.waiting.map_or(self.next, silent);
        self.next.min(silent).min(locates)
    }

    /// How the path is.
    #[must_use]
    pub fn state(&self, now: Millis) -> PathState {
        match self.waiting.map(|since| now.since(since)) {
            Some(after) if after >= self.dead_after(now) => PathState::Dead {
                after,
                charge: self.broken(),
            },
            waiting => match self.losing.and_then(|losing| losing.located(now)) {
                Some(charge) => PathState::Lossy { charge },
                None if waiting >= Some(SUSPECT_MILLIS) => PathState::Suspect,
                None => PathState::Alive,
            },
        }
    }

    /// Whether something has been unanswered for so long that the terminal is asked: a path beside it
    /// that is not silent serves better.
    #[must_use]
    pub fn is_silent(&self, now: Millis) -> bool {
        self.waiting
            .is_some_and(|since| now.since(since) >= ASK_MILLIS)
    }

    fn dead_after(&self, now: Millis) -> u64 {
        let answered = self.answered.map(|answered| now.since(answered));
        match self.broken() {
            Charge::First => DEAD_MILLIS,
            _ if answered < Some(BEHIND_MILLIS) => DEAD_MILLIS,
            _ => DEAD_BEHIND_MILLIS,
        }
    }

    /// Between which neighbours it broke: behind the last hop that was heard since.
    fn broken(&self) -> Charge {
        let mut heard = self.heard.iter().take(self.hops);
        match heard.rposition(|heard| *heard) {
            None => Charge::First,
            Some(last) => Charge::Pair(last, last + 1),
        }
    }

    /// The hop that a loss makes us ask now.
    fn locates(&self, now: Millis) -> Option<usize> {
        let losing = self.losing?;
        let hops = losing.misses.iter().zip(losing.asked).take(losing.at);
        let mut hops = hops.map(|(misses, asked)| {
            let old = asked.is_none_or(|asked| now.since(asked) >= ASK_MILLIS);
            misses.is_none() && old
        });
        hops.position(|due| due)
    }

    /// The hop that silence makes us ask now.
    fn due(&self, now: Millis) -> Option<usize> {
        let since = self.waiting?;
        let silence = now.since(since);
        let terminal = self.hops - 1;
        if !(ASK_MILLIS..DEAD_MILLIS).contains(&silence) {
            return None;
        }
        let first = if silence < SUSPECT_MILLIS {
            terminal
        } else {
            0
        };
        let old = |hop: &usize| {
            let asked = self.asked.get(*hop).copied().flatten();
            asked.is_none_or(|asked| now.since(asked) >= ASK_MILLIS)
        };
        (first..=terminal).find(old)
    }

    /// Asks a hop now, due or not.
    pub fn ask(&mut self, now: Millis, hop: usize, rng: &mut impl Rng) -> Ask {
        let mut nonce = [0; 8];
        rng.fill_bytes(&mut nonce);
        self.count_sent(now, hop);
        if let Some(asked) = self.asked.get_mut(hop) {
            *asked = Some(now);
        }
        let losing = self.losing.as_mut();
        if let Some(asked) = losing.and_then(|losing| losing.asked.get_mut(hop)) {
            *asked = Some(now);
        }
        let up_sent = through(&self.sent, hop);
        if self.open.len() >= OPEN_MAX {
            self.open.remove(0);
        }
        self.open.push(Open {
            hop,
            nonce,
            at: now,
            up_sent,
        });
        let received = through(&self.received, hop);
        let probe = Probe {
            nonce,
            sent: up_sent,
            received,
        };
        Ask { hop, probe }
    }

    fn count_sent(&mut self, now: Millis, hop: usize) {
        if let Some(sent) = self.sent.get_mut(hop) {
            *sent = sent.saturating_add(1);
        }
        if self.waiting.is_none() && hop + 1 == self.hops {
            self.waiting = Some(now);
            self.asked = [None; HOPS_MAX];
            self.heard = [false; HOPS_MAX];
            self.answered = None;
        }
    }

    fn is_busy(&self, now: Millis) -> bool {
        self.last_sent
            .is_some_and(|sent| now.since(sent) < BUSY_FOR_MILLIS)
    }
}

impl Losing {
    /// From which hop on cells are missing, once all before it have answered, or will not.
    fn located(&self, now: Millis) -> Option<Charge> {
        let mut before = self.misses.iter().take(self.at);
        if now.since(self.since) < DEAD_MILLIS && before.clone().any(Option::is_none) {
            return None;
        }
        let first = before.position(|misses| *misses == Some(true));
        Some(match first.unwrap_or(self.at) {
            0 => Charge::First,
            hop => Charge::Pair(hop - 1, hop),
        })
    }
}

/// Cells that pass `hop`: its own and those of the hops behind it.
fn through(cells: &[u64; HOPS_MAX], hop: usize) -> u64 {
    cells
        .iter()
        .skip(hop)
        .fold(0, |sum, cells| sum.saturating_add(*cells))
}

impl fmt::Debug for Probing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Probing({} hops, waiting: {:?})",
            self.hops, self.waiting
        )
    }
}
