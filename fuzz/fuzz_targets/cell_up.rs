//! libFuzzer's entry to the target `cell_up`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("cell_up", bytes));
