//! See `peerage_fuzz::v2_raw`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_fuzz::v2_raw(data));
