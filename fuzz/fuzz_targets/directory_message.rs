//! libFuzzer's entry to the target `directory_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("directory_message", bytes));
