//! libFuzzer's entry to the target `kem_key`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("kem_key", bytes));
