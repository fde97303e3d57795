//! libFuzzer's entry to the target `path_pool`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("path_pool", bytes));
