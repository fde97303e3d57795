//! libFuzzer's entry to the target `oxen_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("oxen_json", bytes));
