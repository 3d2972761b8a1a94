//! See `peerage_fuzz::v2_initiator`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_fuzz::v2_initiator(data));
