//! What relays and clients hold about paths, and what links and tunnels read: the fuzz targets' seeds,
//! changed, against the targets' models.

use llarp_tests::Heavy;

use super::{mutate, pick};

/// Runs `check` on a fuzz target's seeds, changed.
fn on_seeds(target: &str, check: &Heavy) {
    let targets = llarp_fuzz::TARGETS.iter();
    let target = targets.clone().find(|known| known.name == target);
    let target = target.expect("a fuzz target");
    let seeds = target.seeds();
    check.run(|_, rng| {
        let (_, bytes) = pick(rng, &seeds);
        let (_, donor) = pick(rng, &seeds);
        let mut bytes = bytes.clone();
        mutate(&mut bytes, donor, rng);
        llarp_fuzz::fuzz_one(target.name, &bytes);
    });
}

/// A check of one target: parsers cost a microsecond, a script with keys a thousand.
macro_rules! mutated_targets {
    ($($check:ident => $target:literal, $ci:literal;)+) => {$(
        #[test]
        fn $check() {
            let name = stringify!($check);
            let (ci, full) = ($ci, 100 * $ci);
            on_seeds($target, &Heavy { name, ci, full });
        }
    )+};
}

mutated_targets! {
    mutated_closes => "hop_close", 100_000;
    mutated_table_scripts => "hop_table", 2_000;
    mutated_queue_scripts => "hop_queue", 20_000;
    mutated_requests => "link_request", 100_000;
    mutated_tunnel_heads => "tunnel_heads", 100_000;
    mutated_tunnel_handshakes => "tunnel_handshake", 1_000;
    mutated_probing_scripts => "path_probing", 50_000;
    mutated_pool_scripts => "path_pool", 20_000;
}
