//! See `peerage_fuzz::socks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_fuzz::socks(data));
