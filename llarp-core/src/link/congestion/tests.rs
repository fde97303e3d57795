//! The model over a simulated pipe: a rate, a latency, a queue, and losses by chance.

use core::time::Duration;
use std::collections::VecDeque;

use super::delivery::{Delivery, bytes};
use super::filter::{Highest, Shortest};
use super::model::Model;

const PACKET: u64 = 1350;
const TICK: Duration = Duration::from_micros(250);

/// A pipe that senders share.
#[derive(Clone, Copy)]
struct Pipe {
    rate: u64,
    round_trip: Duration,
    queue: Duration,
    lost_per_mille: u64,
}

const PIPE: Pipe = Pipe {
    rate: 2_500_000,
    round_trip: Duration::from_millis(40),
    queue: Duration::from_millis(20),
    lost_per_mille: 0,
};

/// A sender that always has something to send, paced as QUIC paces.
struct Sender {
    model: Model,
    starts: Duration,
    smoothed: Duration,
    tokens: f64,
    in_flight: u64,
    /// When it is known what became of a packet, when it left, and whether it came through.
    answers: VecDeque<(Duration, Duration, bool)>,
    delivered: u64,
    sent: u64,
    lost: u64,
}

impl Sender {
    fn new(starts: Duration) -> Self {
        Self {
            model: Model::new(u16::try_from(PACKET).unwrap()),
            starts,
            smoothed: Duration::from_millis(333),
            tokens: 10.0 * 1350.0,
            in_flight: 0,
            answers: VecDeque::new(),
            delivered: 0,
            sent: 0,
            lost: 0,
        }
    }

    fn hear(&mut self, now: Duration) {
        let mut heard = false;
        while self.answers.front().is_some_and(|it| it.0 <= now) {
            let (_, sent, arrived) = self.answers.pop_front().unwrap();
            self.in_flight -= PACKET;
            if arrived {
                heard = true;
                self.delivered += PACKET;
                self.smoothed = (self.smoothed * 7 + (now - sent)) / 8;
                self.model.acked(now, sent, PACKET);
            } else {
                self.lost += PACKET;
                self.model.lost(PACKET, false);
            }
        }
        if heard {
            self.model.acks_end(now, self.in_flight, false);
        }
    }

    fn may_send(&mut self) -> bool {
        self.tokens >= 1350.0 && self.in_flight + PACKET < self.model.window()
    }

    fn refill(&mut self) {
        let window = f64::from(u32::try_from(self.model.window()).unwrap());
        let filled = window * 1.25 * TICK.as_secs_f64() / self.smoothed.as_secs_f64();
        let most = (window * 0.002 / self.smoothed.as_secs_f64()).max(13_500.0);
        self.tokens = (self.tokens + filled).min(most);
    }
}

/// What the senders did in the second half of `time`: bytes delivered, and per mille lost by all; and
/// how long the pipe's queue was at the median of that time.
fn run(pipe: Pipe, senders: &mut [Sender], time: Duration) -> (Vec<u64>, u64, Duration) {
    let (mut now, mut free, mut dice) = (Duration::ZERO, Duration::ZERO, 1_u64);
    let (mut half, mut queues) = (Vec::new(), Vec::new());
    while now < time {
        now += TICK;
        if half.is_empty() && now >= time / 2 {
            half = senders
                .iter()
                .map(|it| (it.delivered, it.sent, it.lost))
                .collect();
        }
        for sender in senders.iter_mut().filter(|it| it.starts <= now) {
            sender.hear(now);
            sender.refill();
        }
        let mut any = true;
        while any {
            any = false;
            for sender in senders.iter_mut().filter(|it| it.starts <= now) {
                if !sender.may_send() {
                    continue;
                }
                any = true;
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let unlucky = (dice >> 33) % 1000 < pipe.lost_per_mille;
                let waits = free.saturating_sub(now);
                let arrives = waits <= pipe.queue && !unlucky;
                if arrives {
                    let nanos = PACKET * 1_000_000_000 / pipe.rate;
                    free = free.max(now) + Duration::from_nanos(nanos);
                }
                let known = now.max(free) + pipe.round_trip;
                sender.model.sent(now);
                sender.tokens -= 1350.0;
                sender.in_flight += PACKET;
                sender.sent += PACKET;
                sender.answers.push_back((known, now, arrives));
            }
        }
        if !half.is_empty() {
            queues.push(free.saturating_sub(now));
        }
    }
    let delivered = senders
        .iter()
        .zip(&half)
        .map(|(it, half)| it.delivered - half.0)
        .collect();
    let sent: u64 = senders
        .iter()
        .zip(&half)
        .map(|(it, half)| it.sent - half.1)
        .sum();
    let lost: u64 = senders
        .iter()
        .zip(&half)
        .map(|(it, half)| it.lost - half.2)
        .sum();
    queues.sort_unstable();
    (
        delivered,
        lost * 1000 / sent.max(1),
        queues[queues.len() / 2],
    )
}

/// Percent of the pipe, per mille lost, the queue, of one sender over `pipe`.
fn alone(pipe: Pipe) -> (u64, u64, Duration) {
    let mut senders = [Sender::new(Duration::ZERO)];
    let (delivered, lost, queue) = run(pipe, &mut senders, Duration::from_secs(20));
    (delivered[0] / (pipe.rate / 10), lost, queue)
}

#[test]
fn one_sender_fills_a_pipe_and_leaves_its_queue_nearly_empty() {
    for rate in [300_000, 2_500_000, 12_500_000, 100_000_000] {
        for round_trip in [10, 40, 150] {
            let round_trip = Duration::from_millis(round_trip);
            let pipe = Pipe {
                rate,
                round_trip,
                queue: round_trip / 2,
                ..PIPE
            };
            let (percent, lost, queue) = alone(pipe);
            let what = format!("{rate} B/s, {round_trip:?}: {percent} %, {lost} lost, {queue:?}");
            if bytes(rate, round_trip) < 16 * PACKET {
                continue;
            }
            assert!(percent >= 85, "{what}");
            assert!(lost <= 20, "{what}");
            assert!(queue <= round_trip / 8 + Duration::from_millis(4), "{what}");
        }
    }
}

#[test]
fn losses_by_chance_leave_the_pipe_full() {
    for lost_per_mille in [10, 30, 90] {
        let (percent, _, _) = alone(Pipe {
            lost_per_mille,
            ..PIPE
        });
        assert!(percent >= 80, "{lost_per_mille}: {percent} %");
    }
}

#[test]
fn a_pipe_that_loses_a_third_is_neither_flooded_nor_left() {
    let (percent, _, queue) = alone(Pipe {
        lost_per_mille: 330,
        ..PIPE
    });
    assert!(queue <= Duration::from_millis(4), "{queue:?}");
    assert!(percent >= 10, "{percent} %");
}

#[test]
fn two_senders_share_a_pipe_within_two_to_one() {
    for (later, lost_per_mille) in [(0, 0), (3, 0), (3, 10)] {
        let pipe = Pipe {
            lost_per_mille,
            ..PIPE
        };
        let mut senders = [
            Sender::new(Duration::ZERO),
            Sender::new(Duration::from_secs(later)),
        ];
        let (delivered, _, queue) = run(pipe, &mut senders, Duration::from_secs(60));
        assert!(queue <= PIPE.round_trip / 2, "{queue:?}");
        let [a, b] = delivered[..] else { panic!() };
        assert!(a.max(b) <= 2 * a.min(b), "{a} and {b} bytes");
        assert!((a + b) * 100 >= 2_500_000 * 30 * 85, "{a} and {b} bytes");
    }
}

#[test]
fn the_highest_is_forgotten_after_ten_rounds() {
    let mut highest = Highest::default();
    highest.note(7);
    (0..9).for_each(|_| highest.advance());
    assert_eq!(highest.get(), 7);
    highest.lower_to(5);
    assert_eq!(highest.get(), 5);
    highest.advance();
    assert_eq!(highest.get(), 0);
}

#[test]
fn the_shortest_is_stale_when_nothing_comes_near_it() {
    let second = Duration::from_secs(1);
    let mut shortest = Shortest::new(Duration::from_millis(40), Duration::ZERO);
    shortest.note(Duration::from_millis(42), second);
    assert_eq!(shortest.unseen_for(second * 3), second * 2);
    shortest.note(Duration::from_millis(43), second * 3);
    assert_eq!(shortest.unseen_for(second * 3), second * 2);
    assert_eq!(shortest.get(), Duration::from_millis(40));
}

#[test]
fn a_sender_with_little_to_send_is_measured_as_such() {
    let mut delivery = Delivery::default();
    let trip = Duration::from_millis(40);
    let mut limited = Vec::new();
    for n in 0..3 {
        let now = trip * 2 * n;
        delivery.sent(now, trip);
        delivery.acked(now + trip, now, PACKET);
        limited.push(
            delivery
                .batch_ends(now + trip, PACKET, true, trip)
                .unwrap()
                .limited,
        );
    }
    assert_eq!(limited, [false, true, true]);
}

#[test]
fn when_all_is_lost_for_long_the_window_is_the_least_until_a_round_is_over() {
    let mut model = Model::new(1350);
    model.lost(PACKET, true);
    assert_eq!(model.window(), 4 * PACKET);
    model.sent(Duration::ZERO);
    let later = Duration::from_millis(40);
    model.acked(later, Duration::ZERO, PACKET);
    model.acks_end(later, 0, true);
    assert!(model.window() >= 128 * PACKET);
}
