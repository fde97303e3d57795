//! libFuzzer's entry to the target `swarm_assign`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("swarm_assign", bytes));
