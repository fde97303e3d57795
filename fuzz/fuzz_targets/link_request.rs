//! libFuzzer's entry to the target `link_request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("link_request", bytes));
