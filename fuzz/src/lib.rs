//! Fuzz targets for every parser and every stateful end of `llarp-core`, and for what the daemon reads.
//!
//! In: a target's name and bytes. Out: nothing, or a panic, which is a finding. Each target says in
//! its module what must hold. *Not* here: libFuzzer, which only the binaries under `fuzz_targets/`
//! link, with the feature `libfuzzer`. How to run them: `docs/fuzzing.md`.
//!
//! Everything is deterministic: the same bytes take the same way, with the same keys.

mod build_answer;
mod build_client;
mod build_message;
mod build_record;
mod build_relay;
mod cell_down;
mod cell_model;
mod cell_parts;
mod cell_up;
mod choices;
mod craft;
mod dht_records;
mod dht_stream;
mod directory;
mod fixture;
mod hop_model;
mod hop_queue;
mod hop_table;
mod input;
mod introset;
mod keys;
mod link_message;
mod path_watch;
mod registry;
mod sources;
mod swarm;
mod text;
mod tunnel;
mod wire;

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: also of its binary, its directory of seeds and its dictionary.
    pub name: &'static str,
    run: fn(&[u8]),
    seeds: fn() -> Vec<Seed>,
}

/// An input that a target starts from: a file's name, and its bytes.
pub type Seed = (&'static str, Vec<u8>);

impl Target {
    /// The inputs that are committed as `fuzz/seeds/<name>/`, made anew.
    #[must_use]
    pub fn seeds(&self) -> Vec<Seed> {
        (self.seeds)()
    }
}

/// Lists targets by name, code and seeds.
macro_rules! targets {
    ($($name:literal => $run:path, $seeds:path;)+) => {
        /// All targets, in the order of the layers.
        pub const TARGETS: &[Target] = &[$(Target { name: $name, run: $run, seeds: $seeds }),+];
    };
}

targets! {
    "wire" => wire::run, wire::seeds;
    "name" => text::name, text::name_seeds;
    "key_file" => text::key_file, text::key_file_seeds;
    "signature" => keys::signature, keys::signature_seeds;
    "kem_key" => keys::kem_key, keys::kem_key_seeds;
    "onion" => keys::onion, keys::onion_seeds;
    "cell_split" => cell_parts::split, cell_parts::split_seeds;
    "cell_message" => cell_parts::message, cell_parts::message_seeds;
    "cell_window" => cell_parts::window, cell_parts::window_seeds;
    "cell_up" => cell_up::run, cell_up::seeds;
    "cell_down" => cell_down::run, cell_down::seeds;
    "build_request" => build_message::request, build_message::request_seeds;
    "build_reply" => build_message::reply, build_message::reply_seeds;
    "build_record" => build_record::run, build_record::seeds;
    "build_answer" => build_answer::run, build_answer::seeds;
    "build_relay" => build_relay::run, build_relay::seeds;
    "build_client" => build_client::run, build_client::seeds;
    "registry_list" => choices::registry_list, choices::registry_list_seeds;
    "path_profile" => choices::path_profile, choices::path_profile_seeds;
    "hop_close" => link_message::close, link_message::close_seeds;
    "link_request" => link_message::request, link_message::request_seeds;
    "tunnel_heads" => tunnel::heads, tunnel::heads_seeds;
    "tunnel_handshake" => tunnel::handshake, tunnel::handshake_seeds;
    "hop_table" => hop_table::run, hop_table::seeds;
    "hop_queue" => hop_queue::run, hop_queue::seeds;
    "path_probing" => path_watch::probing, path_watch::probing_seeds;
    "path_pool" => path_watch::pool, path_watch::pool_seeds;
    "swarm_assign" => swarm::run, swarm::seeds;
    "registry_snapshot" => registry::snapshot, registry::snapshot_seeds;
    "registry_delta" => registry::delta, registry::delta_seeds;
    "registry_ledger" => registry::ledger_run, registry::ledger_seeds;
    "directory_document" => directory::document, directory::document_seeds;
    "directory_message" => directory::message, directory::message_seeds;
    "directory_sync" => directory::sync, directory::sync_seeds;
    "dht_records" => dht_records::run, dht_records::seeds;
    "dht_stream" => dht_stream::run, dht_stream::seeds;
    "introset_record" => introset::record, introset::record_seeds;
    "introset_contents" => introset::contents, introset::contents_seeds;
    "introset_message" => introset::message, introset::message_seeds;
    "registry_draft" => sources::draft, sources::draft_seeds;
    "network_file" => sources::network_file, sources::network_file_seeds;
    "oxen_json" => sources::oxen, sources::oxen_seeds;
}

/// Runs `target` on `bytes`.
///
/// # Panics
/// If the target finds something, or if there is no such target.
pub fn fuzz_one(target: &str, bytes: &[u8]) {
    let Some(found) = TARGETS.iter().find(|known| known.name == target) else {
        panic!("no fuzz target is called {target:?}; see llarp_fuzz::TARGETS");
    };
    (found.run)(bytes);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn home() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    /// Names and paths in a directory, sorted.
    fn listing(dir: &Path) -> BTreeMap<String, PathBuf> {
        let entries =
            fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        let paths = entries.map(|entry| entry.unwrap().path());
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        paths.map(|path| (name(&path), path)).collect()
    }

    fn names() -> Vec<&'static str> {
        let mut names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn every_committed_seed_passes() {
        for target in TARGETS {
            let seeds = listing(&home().join("seeds").join(target.name));
            assert!(!seeds.is_empty(), "{} has no seed", target.name);
            for path in seeds.values() {
                let bytes = fs::read(path).unwrap();
                let passed = std::panic::catch_unwind(|| fuzz_one(target.name, &bytes));
                assert!(
                    passed.is_ok(),
                    "{} fails on {}",
                    target.name,
                    path.display()
                );
            }
        }
    }

    #[test]
    fn committed_seeds_include_all_that_the_generator_makes_bit_for_bit() {
        for target in TARGETS {
            for (name, bytes) in target.seeds() {
                let path = home().join("seeds").join(target.name).join(name);
                let committed = fs::read(&path).unwrap_or_default();
                assert!(committed == bytes, "{} differs: make_seeds", path.display());
            }
        }
    }

    #[test]
    fn targets_seeds_binaries_and_dictionaries_belong_together() {
        let seeds: Vec<_> = listing(&home().join("seeds")).into_keys().collect();
        assert_eq!(seeds, names());
        let sources = listing(&home().join("fuzz_targets")).into_keys();
        let bins: Vec<_> = sources.map(|name| name.replace(".rs", "")).collect();
        assert_eq!(bins, names());
        for name in listing(&home().join("dictionaries")).into_keys() {
            let target = name.strip_suffix(".dict").unwrap_or(&name);
            assert!(names().contains(&target), "no target for dictionary {name}");
        }
    }

    #[test]
    fn every_target_has_a_binary_that_only_the_feature_builds() {
        let manifest = fs::read_to_string(home().join("Cargo.toml")).unwrap();
        for name in names() {
            let bin = format!(
                "[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n\
                 required-features = [\"libfuzzer\"]\ntest = false\ndoc = false\nbench = false\n"
            );
            assert!(manifest.contains(&bin), "Cargo.toml lacks:\n{bin}");
            let source = fs::read_to_string(home().join(format!("fuzz_targets/{name}.rs")));
            assert!(
                source
                    .unwrap()
                    .contains(&format!("fuzz_one(\"{name}\", bytes)"))
            );
        }
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    }

    #[test]
    fn empty_and_uniform_inputs_pass_everywhere() {
        for target in TARGETS {
            for len in [0, 1, 2, 3, 64, 1312] {
                for byte in [0, 1, 0x7f, 0xff] {
                    fuzz_one(target.name, &vec![byte; len]);
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "no fuzz target")]
    fn unknown_target_panics() {
        fuzz_one("nonsense", &[]);
    }
}
