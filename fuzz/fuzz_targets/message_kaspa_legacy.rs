//! See `peerage_fuzz::message_kaspa_legacy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_fuzz::message_kaspa_legacy(data));
