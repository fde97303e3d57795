//! Tests of the pure layers from outside: published vectors, our own vectors, properties, attacks.

mod build_attacks;
mod build_charges;
mod cell_properties;
mod costs;
mod decoders;
mod hop_cells;
mod hop_ends;
mod hop_load;
mod hop_net;
mod published;
mod support;
mod vectors;
