//! What the fuzzer has found, each kept as a test (docs/fuzzing.md).
#![allow(missing_docs)]

use peerage_wire::{Malformed, Message as _};
use peerage_wire_bitcoin::types::PeerAddress;
use peerage_wire_bitcoin::{Kind, Message};

/// Zeros belong to the command of a frame's header; here they would be a second encoding.
#[test]
fn a_reject_names_its_command_without_padding() {
    let padded = b"\x07f\0\0\0\0\0\0\0\x03old";
    let result = Message::decode(Kind::Reject, padded[..].into(), 70_016);
    assert_eq!(result, Err(Malformed::BadCommand));
    let plain = b"\x01f\0\x03old";
    assert!(Message::decode(Kind::Reject, plain[..].into(), 70_016).is_ok());
}

#[test]
fn a_port_has_no_sign() {
    for text in ["1.2.3.4:+8333", "[2a01::1]:+8333", "6hzph5hv6337r6p2.onion:+8333"] {
        assert!(text.parse::<PeerAddress>().is_err(), "{text}");
    }
}
