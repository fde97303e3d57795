//! libFuzzer's entry to the target `network_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("network_file", bytes));
