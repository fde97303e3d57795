//! libFuzzer's entry to the target `tunnel_heads`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("tunnel_heads", bytes));
