//! The targets.

mod addresses;
mod differential_bitcoin;
mod frame_v1;
mod frames_grpc;
mod message;
mod message_kaspa;
mod message_kaspa_legacy;
mod peer_inputs;
mod socks;
mod v2;
mod views;

pub use addresses::addresses;
pub use differential_bitcoin::differential_bitcoin;
pub use frame_v1::frame_v1;
pub use frames_grpc::frames_grpc;
pub use message::message;
pub use message_kaspa::message_kaspa;
pub use message_kaspa_legacy::message_kaspa_legacy;
pub use peer_inputs::peer_inputs;
pub use socks::socks;
pub use v2::{v2_initiator, v2_raw, v2_responder};
pub use views::views;
