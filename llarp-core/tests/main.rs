//! Tests of the layers from outside: published vectors, our own vectors, properties, attacks.

mod build_attacks;
mod build_charges;
mod cell_properties;
mod costs;
mod decoders;
mod directory_costs;
mod directory_documents;
mod directory_sources;
mod directory_state;
mod directory_support;
mod directory_sync;
#[cfg(feature = "net")]
mod directory_view;
#[path = "../../tests/src/evidence.rs"]
mod evidence;
mod hop_cells;
mod hop_ends;
mod hop_load;
mod hop_net;
mod introset_clients;
mod introset_messages;
mod introset_records;
mod introset_storers;
mod introset_support;
#[cfg(feature = "net")]
mod link_bounds;
#[cfg(feature = "net")]
mod link_cells;
#[cfg(feature = "net")]
mod link_handshake;
#[cfg(feature = "net")]
mod link_network;
#[cfg(feature = "net")]
mod link_redial;
#[cfg(feature = "net")]
mod link_requests;
mod path_absent;
mod path_choose;
mod path_guards;
mod path_health;
mod path_life;
mod path_registry;
mod path_support;
mod published;
mod registry_ledger;
mod registry_snapshot;
mod registry_support;
#[cfg(feature = "net")]
mod relay_keys;
#[cfg(feature = "net")]
mod relay_net;
#[cfg(feature = "net")]
mod relay_paths;
mod relay_silence;
mod relay_useless;
mod store_contract;
#[cfg(feature = "net")]
mod store_crash;
#[cfg(feature = "net")]
mod store_disk;
#[cfg(feature = "net")]
mod store_faults;
#[cfg(feature = "net")]
mod store_model;
mod support;
mod swarm_figures;
mod swarm_grinder;
mod swarm_machine;
mod swarm_support;
#[cfg(feature = "net")]
mod tunnel_handshake;
#[cfg(feature = "net")]
mod tunnel_loss;
#[cfg(feature = "net")]
mod tunnel_network;
#[cfg(feature = "net")]
mod tunnel_streams;
mod vectors;
