//! libFuzzer's entry to the target `directory_document`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("directory_document", bytes));
