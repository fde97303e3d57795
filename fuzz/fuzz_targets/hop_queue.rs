//! libFuzzer's entry to the target `hop_queue`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("hop_queue", bytes));
