//! Writes `fuzz/seeds/<target>/<seed>` for every target: `cargo run -p llarp-fuzz --example
//! make_seeds`. The same bytes each time; seeds that came from findings stay.

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for target in llarp_fuzz::TARGETS {
        let dir = seeds.join(target.name);
        fs::create_dir_all(&dir)?;
        for (name, bytes) in target.seeds() {
            fs::write(dir.join(name), bytes)?;
        }
    }
    Ok(())
}
