//! libFuzzer's entry to the target `tunnel_handshake`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("tunnel_handshake", bytes));
