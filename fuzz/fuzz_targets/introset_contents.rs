//! libFuzzer's entry to the target `introset_contents`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| llarp_fuzz::fuzz_one("introset_contents", bytes));
