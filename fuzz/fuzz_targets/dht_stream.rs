//! libFuzzer's entry to the target `dht_stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("dht_stream", bytes));
