//! libFuzzer's entry to the target `hop_table`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("hop_table", bytes));
