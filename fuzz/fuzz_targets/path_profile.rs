//! libFuzzer's entry to the target `path_profile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("path_profile", bytes));
