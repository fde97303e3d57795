//! Scenarios over the whole of llarp, a module each.

mod forwarder;
mod layering;
mod loopback;
mod mutated_inputs;
mod net;
mod paths;
mod tunnels;
