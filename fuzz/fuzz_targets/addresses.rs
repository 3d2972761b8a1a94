//! See `peerage_fuzz::addresses`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_fuzz::addresses(data));
