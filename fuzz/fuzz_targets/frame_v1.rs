//! See `peerage_fuzz::frame_v1`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_fuzz::frame_v1(data));
