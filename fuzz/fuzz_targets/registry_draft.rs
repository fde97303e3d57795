//! libFuzzer's entry to the target `registry_draft`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("registry_draft", bytes));
