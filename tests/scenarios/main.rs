//! Scenarios over the whole of llarp, a module each.

mod build_flood;
mod churn;
mod clock_skew;
mod determinism;
mod directory;
mod draining;
mod ends;
mod fairness;
mod forwarder;
mod guards;
mod hostile_cells;
mod layering;
mod liars;
mod logs;
mod loopback;
mod mutated_inputs;
mod narrow_link;
mod net;
mod paths;
mod pipes;
mod properties;
mod raw;
mod registry;
mod tunnels;
mod unread;
