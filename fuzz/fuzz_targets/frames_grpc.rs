//! See `peerage_fuzz::frames_grpc`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_fuzz::frames_grpc(data));
