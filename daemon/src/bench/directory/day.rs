//! What a day costs, from what its parts cost. The formulas are in `docs/benchmarks.md`.

use llarp_core::wire::limits::{
    DESCRIPTOR_MAX, DIRECTORY_COMPARE_SECONDS, GOSSIP_RELAYS, KEY_SET_LEN,
};

/// Seconds between two comparisons of a relay.
const RELAY_COMPARE_SECONDS: f64 = 64.0;
const DAY: f64 = 24.0 * 3600.0;
/// Key sets that a relay signs a day: one for each two days.
const KEY_SETS: f64 = 0.5;
/// Descriptors that it signs a day, if nothing of it changes.
const DESCRIPTORS: f64 = 1.0;
/// A key set on its way to a client: what is before it in a reply, its name in a list, its relay's
/// id in a request.
const KEY_SET_AROUND: f64 = 2.0 + 64.0 + 32.0;
/// A descriptor with one IPv4 address: the largest without IPv6 18 and family 32.
const DESCRIPTOR: f64 = (DESCRIPTOR_MAX - 18 - 32) as f64;

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    /// Relays.
    pub(super) relays: f64,
    /// A comparison of a client, two hours after the one before.
    pub(super) round_bytes: f64,
    pub(super) round_cpu_s: f64,
    /// A comparison of two relays, nothing of which differs: bytes, CPU of who asks and who answers.
    pub(super) compare_bytes: f64,
    pub(super) ask_cpu_s: f64,
    pub(super) answer_cpu_s: f64,
    /// A document that is news; one that is known.
    pub(super) learn_s: f64,
    pub(super) known_s: f64,
    /// The delta to a snapshot with 1 % other relays.
    pub(super) delta_bytes: f64,
}

/// Bytes both ways, and CPU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Day {
    pub(super) bytes: f64,
    pub(super) cpu_s: f64,
}

impl Parts {
    /// A client's day.
    pub(super) fn client(&self) -> Day {
        #[expect(clippy::cast_precision_loss, reason = "hours in seconds")]
        let rounds = DAY / DIRECTORY_COMPARE_SECONDS as f64;
        let key_sets = KEY_SETS * self.relays;
        let key_set = KEY_SET_LEN as f64 + KEY_SET_AROUND;
        Day {
            bytes: rounds * self.round_bytes + key_sets * key_set + self.delta_bytes,
            cpu_s: rounds * self.round_cpu_s + key_sets * self.learn_s,
        }
    }

    /// A relay's day.
    pub(super) fn relay(&self) -> Day {
        let compares = DAY / RELAY_COMPARE_SECONDS;
        // A relay asks and is asked as often, and is offered each document as often as it offers it.
        let offers = GOSSIP_RELAYS as f64;
        let documents = (DESCRIPTORS + KEY_SETS) * self.relays;
        let told = self.relays
            * (DESCRIPTORS * (DESCRIPTOR + 2.0) + KEY_SETS * (KEY_SET_LEN as f64 + 2.0));
        let compared = self.compare_bytes;
        let known = (offers - 1.0) * self.known_s;
        Day {
            bytes: 2.0 * (compares * compared + offers * told + self.delta_bytes),
            cpu_s: compares * (self.ask_cpu_s + self.answer_cpu_s)
                + documents * (self.learn_s + known),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Parts = Parts {
        relays: 0.0,
        round_bytes: 0.0,
        round_cpu_s: 0.0,
        compare_bytes: 0.0,
        ask_cpu_s: 0.0,
        answer_cpu_s: 0.0,
        learn_s: 0.0,
        known_s: 0.0,
        delta_bytes: 0.0,
    };

    #[test]
    fn a_clients_day_has_twelve_comparisons_half_the_key_sets_and_a_delta() {
        let rounds = Parts {
            round_bytes: 100.0,
            round_cpu_s: 0.5,
            delta_bytes: 7.0,
            ..NOTHING
        };
        assert_eq!(
            rounds.client(),
            Day {
                bytes: 1207.0,
                cpu_s: 6.0
            }
        );
        let keys = Parts {
            relays: 10.0,
            learn_s: 1.0,
            ..NOTHING
        };
        assert_eq!(
            keys.client(),
            Day {
                bytes: 5.0 * (1318.0 + 98.0),
                cpu_s: 5.0
            }
        );
    }

    #[test]
    fn a_relays_day_has_its_own_comparisons_and_those_of_others_and_news_four_times_each_way() {
        let compares = Parts {
            compare_bytes: 1.0,
            ask_cpu_s: 0.01,
            answer_cpu_s: 0.01,
            delta_bytes: 5.0,
            ..NOTHING
        };
        assert_eq!(
            compares.relay(),
            Day {
                bytes: 2710.0,
                cpu_s: 27.0
            }
        );
        let news = Parts {
            relays: 2.0,
            learn_s: 1.0,
            known_s: 0.5,
            ..NOTHING
        };
        let told = 2.0 * (117.0 + 2.0) + 1320.0;
        assert_eq!(
            news.relay(),
            Day {
                bytes: 8.0 * told,
                cpu_s: 3.0 * 2.5
            }
        );
    }
}
