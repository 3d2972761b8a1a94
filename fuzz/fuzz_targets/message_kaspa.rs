//! See `peerage_fuzz::message_kaspa`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_fuzz::message_kaspa(data));
