//! libFuzzer's entry to the target `directory_sync`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("directory_sync", bytes));
