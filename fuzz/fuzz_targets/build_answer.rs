//! libFuzzer's entry to the target `build_answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("build_answer", bytes));
