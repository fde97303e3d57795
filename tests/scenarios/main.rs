//! Scenarios over the whole of llarp, a module each.

mod determinism;
mod forwarder;
mod hostile_cells;
mod layering;
mod mutated_inputs;
mod net;
mod paths;
mod raw;
mod tunnels;
