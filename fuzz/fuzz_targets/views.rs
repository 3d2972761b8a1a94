//! See `peerage_fuzz::views`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_fuzz::views(data));
