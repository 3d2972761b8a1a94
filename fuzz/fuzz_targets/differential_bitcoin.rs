//! See `peerage_fuzz::differential_bitcoin`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_fuzz::differential_bitcoin(data));
