//! The fuzz targets as functions of bytes, and what they share.
//!
//! Each target is a function here and three lines in `fuzz_targets`, so that the tests can replay
//! the corpus and every finding without the fuzzer. `docs/fuzzing.md` tells what each one asserts.

pub mod input;
pub mod meter;
pub mod receiver;
mod targets;

pub use targets::{
    addresses, differential_bitcoin, frame_v1, frames_grpc, message, message_kaspa,
    message_kaspa_legacy, peer_inputs, socks, v2_initiator, v2_raw, v2_responder, views,
};

/// A target: its name, and the function that takes the fuzzer's bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, by name.
pub const TARGETS: [Target; 13] = [
    ("addresses", addresses),
    ("differential_bitcoin", differential_bitcoin),
    ("frame_v1", frame_v1),
    ("frames_grpc", frames_grpc),
    ("message", message),
    ("message_kaspa", message_kaspa),
    ("message_kaspa_legacy", message_kaspa_legacy),
    ("peer_inputs", peer_inputs),
    ("socks", socks),
    ("v2_initiator", v2_initiator),
    ("v2_raw", v2_raw),
    ("v2_responder", v2_responder),
    ("views", views),
];
