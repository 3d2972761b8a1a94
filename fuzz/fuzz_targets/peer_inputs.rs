//! See `peerage_fuzz::peer_inputs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_fuzz::peer_inputs(data));
