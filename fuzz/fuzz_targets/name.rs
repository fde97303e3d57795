//! libFuzzer's entry to the target `name`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("name", bytes));
