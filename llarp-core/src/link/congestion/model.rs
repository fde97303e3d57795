//! The pipe as we know it, and the window that fits it. Pure: times are passed in.

use core::time::Duration;

use super::delivery::{Delivery, Sample, bytes};
use super::filter::{Highest, Shortest};
use super::phase::{Phase, Told};

/// Packets of the first window, and of any while there is too little to send: 173 kB, which QUIC
/// spreads over most of a round trip.
const FIRST_PACKETS: u64 = 128;

/// Packets that may always be under way: an acknowledgement comes after two, or late.
const LEAST_PACKETS: u64 = 4;

/// What a window holds beyond the pipe, in time: QUIC paces in bursts of 2 ms, timers count whole
/// milliseconds.
const SLACK: Duration = Duration::from_millis(2);

/// A round lasts so long at least: on loopback a round trip is shorter than a pause of the
/// scheduler, and ten of them no memory.
const ROUND_LEAST: Duration = Duration::from_millis(5);

/// How long the shortest round trip is believed without being seen again.
const STALE: Duration = Duration::from_secs(10);

/// Percent of a round that chance may lose: three links of 3 % each, and the luck of a short round.
const LOSS_PERCENT: u64 = 15;

/// Packets of a round that chance may lose, however short the round.
const LOSS_PACKETS: u64 = 8;

/// Percent of the window that is at least under way when the sender has enough to send. QUIC alone
/// does not tell: a sender that waits for its pacer seems to have more to send.
const FULL_PERCENT: u64 = 60;

/// Percent of a pipe that may be under way while the sender has too little to send: room for bursts,
/// which a pipe that is not full takes.
const BURST_GAIN: u64 = 250;

/// Before the first round trip is measured.
const ROUND_TRIP_UNKNOWN: Duration = Duration::from_millis(100);

/// What is known of a pipe.
#[derive(Debug, Clone)]
pub(super) struct Model {
    packet: u64,
    window: u64,
    delivery: Delivery,
    rates: Highest,
    round_trip: Option<Shortest>,
    /// Bytes by which acknowledgements were ahead of the rate: they come in lumps.
    lumps: Highest,
    lump: Lump,
    phase: Phase,
    round: Round,
    batch: Batch,
    /// There is too little to send to fill the window, and no queue in the pipe.
    roomy: bool,
    /// The rate that growth is measured against, and rounds in a row without any.
    base: u64,
    flat: u32,
    draw: u64,
    /// Everything was lost for long: the least window, until something comes through.
    choked: bool,
}

/// The round that runs: a flight of packets, and what became of it.
#[derive(Debug, Clone, Copy, Default)]
struct Round {
    began: Duration,
    /// It ends when a packet is acknowledged that left after so much was delivered.
    ends: u64,
    acked: u64,
    lost: u64,
    rate: u64,
    shortest: Option<Duration>,
    /// A sample of it was limited by what there was to send.
    limited: bool,
}

/// The acknowledgements of one packet.
#[derive(Debug, Clone, Copy, Default)]
struct Batch {
    acked: u64,
    shortest: Option<Duration>,
}

/// Acknowledgements since they were last no faster than the rate.
#[derive(Debug, Clone, Copy, Default)]
struct Lump {
    began: Duration,
    acked: u64,
}

impl Model {
    pub(super) fn new(packet: u16) -> Self {
        let packet = u64::from(packet);
        Self {
            packet,
            window: packet * FIRST_PACKETS,
            delivery: Delivery::default(),
            rates: Highest::default(),
            round_trip: None,
            lumps: Highest::default(),
            lump: Lump::default(),
            phase: Phase::Startup,
            round: Round::default(),
            batch: Batch::default(),
            roomy: true,
            base: 0,
            flat: 0,
            draw: 0,
            choked: false,
        }
    }

    /// Bytes that may be under way.
    pub(super) fn window(&self) -> u64 {
        let least = self.packet * LEAST_PACKETS;
        if self.choked {
            return least;
        }
        self.window.max(least)
    }

    pub(super) const fn first_window(&self) -> u64 {
        self.packet * FIRST_PACKETS
    }

    pub(super) fn set_packet(&mut self, packet: u16) {
        self.packet = u64::from(packet);
    }

    pub(super) fn sent(&mut self, now: Duration) {
        self.delivery.sent(now, self.round_trip());
    }

    pub(super) fn acked(&mut self, now: Duration, sent: Duration, bytes: u64) {
        let took = now.saturating_sub(sent);
        match &mut self.round_trip {
            Some(shortest) => shortest.note(took, now),
            None => self.round_trip = Some(Shortest::new(took, now)),
        }
        let shortest = self.round.shortest.unwrap_or(took);
        self.round.shortest = Some(shortest.min(took));
        self.batch.acked = self.batch.acked.saturating_add(bytes);
        let shortest = self.batch.shortest.unwrap_or(took);
        self.batch.shortest = Some(shortest.min(took));
        self.round.acked = self.round.acked.saturating_add(bytes);
        self.lump.acked = self.lump.acked.saturating_add(bytes);
        self.delivery.acked(now, sent, bytes);
        if self.phase == Phase::Startup {
            self.window = self.window.saturating_add(bytes);
        }
    }

    pub(super) fn acks_end(&mut self, now: Duration, in_flight: u64, dry: bool) {
        let round_trip = self.round_trip();
        let batch = core::mem::take(&mut self.batch);
        let were = in_flight.saturating_add(batch.acked);
        let full = self.window().saturating_mul(FULL_PERCENT) / 100;
        let queued = self.queued(batch.shortest);
        let limited = dry || (were < full && !queued);
        self.roomy = limited && !queued;
        let sample = self
            .delivery
            .batch_ends(now, in_flight, limited, round_trip);
        if let Some(sample) = sample {
            self.measured(now, sample);
        }
        self.note_lump(now);
        self.fit();
    }

    /// `all`: nothing of what was sent over several round trips arrived. No bytes: the network says
    /// that it is about to lose some, which we see in the round trip anyway.
    pub(super) fn lost(&mut self, bytes: u64, all: bool) {
        self.round.lost = self.round.lost.saturating_add(bytes);
        self.choked |= all;
    }

    fn round_trip(&self) -> Duration {
        self.round_trip
            .map_or(ROUND_TRIP_UNKNOWN, |shortest| shortest.get())
    }

    /// Whether packets waited in the pipe of which the fastest took `shortest`.
    fn queued(&self, shortest: Option<Duration>) -> bool {
        let empty = self.round_trip();
        shortest.is_some_and(|took| took > empty + empty / 4 + SLACK)
    }

    fn measured(&mut self, now: Duration, sample: Sample) {
        if !sample.limited || sample.rate > self.rates.get() {
            self.rates.note(sample.rate);
            self.round.rate = self.round.rate.max(sample.rate);
        }
        self.round.limited |= sample.limited;
        let lasted = now.saturating_sub(self.round.began);
        if sample.before >= self.round.ends && lasted >= ROUND_LEAST {
            self.round_ends(now);
        }
    }

    fn round_ends(&mut self, now: Duration) {
        let round = self.round;
        self.round = Round {
            began: now,
            ends: self.delivery.delivered(),
            ..Round::default()
        };
        self.choked = false;
        let told = self.tell(now, round);
        if told.heavy_loss {
            self.rates.lower_to(round.rate);
        }
        // What there was to send says nothing of the pipe.
        let overdone = told.heavy_loss || (told.queued && self.phase == Phase::Startup);
        if round.limited && !overdone {
            return;
        }
        if told.grew || matches!(self.phase, Phase::Cruise(_)) {
            self.base = round.rate;
        }
        let next = self.phase.next(told);
        if matches!((self.phase, next), (Phase::Cruise(_), Phase::Empty(_))) {
            // Believe what an empty pipe shows.
            self.round_trip = None;
        }
        self.phase = next;
        self.rates.advance();
        self.lumps.advance();
    }

    fn tell(&mut self, now: Duration, round: Round) -> Told {
        let percent = if self.phase == Phase::Startup {
            125
        } else {
            110
        };
        let grew = round.rate >= self.base.saturating_mul(percent) / 100;
        self.flat = match (grew, round.limited) {
            (true, _) => 0,
            (false, true) => self.flat,
            (false, false) => self.flat.saturating_add(1),
        };
        let sent = round.lost.saturating_add(round.acked);
        let chance = (sent * LOSS_PERCENT / 100).max(self.packet * LOSS_PACKETS);
        Told {
            grew,
            queued: self.queued(round.shortest),
            heavy_loss: round.lost > chance,
            stale: self
                .round_trip
                .is_some_and(|shortest| shortest.unseen_for(now) > STALE),
            flat: self.flat >= 3,
            drawn: self.drawn(now),
        }
    }

    /// Three to six: from the times of this very pipe, so that no two links draw alike, and a test
    /// in virtual time draws the same twice.
    fn drawn(&mut self, now: Duration) -> u32 {
        let seen = u64::from(now.subsec_nanos()) ^ self.delivery.delivered();
        self.draw = (self.draw ^ seen)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29);
        3 + u32::from(self.draw.to_le_bytes()[0] % 4)
    }

    fn note_lump(&mut self, now: Duration) {
        let expected = bytes(self.rates.get(), now.saturating_sub(self.lump.began));
        if self.lump.acked <= expected {
            self.lump = Lump {
                began: now,
                acked: 0,
            };
            return;
        }
        self.lumps.note(self.lump.acked - expected);
    }

    /// Fits the window to the pipe.
    fn fit(&mut self) {
        let (rate, round_trip) = (self.rates.get(), self.round_trip());
        if rate == 0 {
            return;
        }
        let pipe = bytes(rate, round_trip);
        let slack = bytes(rate, SLACK);
        let lumps = self.lumps.get().min(slack.saturating_mul(2).max(pipe / 8));
        let room = slack.max(lumps).saturating_add(self.packet * 2);
        let gain = match self.phase.gain() {
            gain if self.roomy => gain.max(BURST_GAIN),
            gain => gain,
        };
        let fits = (pipe.saturating_mul(gain) / 100).saturating_add(room);
        let first = self.first_window();
        self.window = match self.phase {
            Phase::Startup => self.window.min(fits.max(first)),
            _ if self.roomy => fits.max(first),
            _ => fits,
        };
    }
}
