//! How much a link may have under way: a model of the pipe instead of a reaction to losses.
//!
//! In: what QUIC sent, what was acknowledged, what was lost, and when. Out: the window. *Not* here:
//! pacing, which is QUIC's (1.25 windows in a round trip, whatever a controller wishes), and
//! retransmission. After the ideas of draft-cardwell-iccrg-bbr-congestion-control, with one
//! difference: the window alone holds the queue down, because the pacer follows the window.
//!
//! ```text
//!  sent, acked ──▶ Delivery ── rate of a flight ──▶ the highest of ten rounds ─┐
//!       └── now - sent ───────────────────────────▶ the shortest of ten seconds ┴─▶ × gain of the
//!                                                                                   phase = window
//! ```

mod delivery;
mod filter;
mod model;
mod phase;
#[cfg(test)]
mod tests;

use core::any::Any;
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use quinn::congestion::{Controller, ControllerFactory};
use quinn_proto::RttEstimator;

use model::Model;

/// Makes a controller for each connection.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct PipeModel;

impl ControllerFactory for PipeModel {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(Control {
            began: now,
            model: Model::new(current_mtu),
        })
    }
}

/// A [`Model`] behind QUIC's interface: times become durations since the connection began.
#[derive(Debug, Clone)]
struct Control {
    began: Instant,
    model: Model,
}

impl Control {
    fn since(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.began)
    }
}

impl Controller for Control {
    fn on_sent(&mut self, now: Instant, _bytes: u64, _last_packet_number: u64) {
        self.model.sent(self.since(now));
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        _app_limited: bool,
        _rtt: &RttEstimator,
    ) {
        let (now, sent) = (self.since(now), self.since(sent));
        self.model.acked(now, sent, bytes);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        _largest_packet_num_acked: Option<u64>,
    ) {
        self.model.acks_end(self.since(now), in_flight, app_limited);
    }

    fn on_congestion_event(
        &mut self,
        _now: Instant,
        _sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        self.model.lost(lost_bytes, is_persistent_congestion);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.model.set_packet(new_mtu);
    }

    fn window(&self) -> u64 {
        self.model.window()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.model.first_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
