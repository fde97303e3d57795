//! libFuzzer's entry to the target `onion`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("onion", bytes));
