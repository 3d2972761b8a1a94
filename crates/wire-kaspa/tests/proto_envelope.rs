//! The envelope as protobuf wants it read: any order, the last payload, what is unknown.
#![cfg(feature = "proto")]
#![allow(clippy::unwrap_used)] // the helpers of tests are tests

mod proto;

use bytes::Bytes;
use peerage_wire::{Envelope as _, Kind as _, Malformed, Peek};
use peerage_wire_kaspa::proto::message::{InvTransactions, Ping, Pong, RequestRelayBlocks};
use peerage_wire_kaspa::proto::{Kind, Message, Payload};
use proto::{encoded, encoded_payload, hash, hex};

fn decode(digits: &str) -> Result<Message, Malformed> {
    Message::decode(hex(digits).into())
}

fn ping(nonce: u64) -> Payload {
    Payload::Ping(Ping { nonce })
}

#[test]
fn fields_come_in_any_order() {
    let expected = Message { request_id: 3, response_id: 2, payload: ping(7) };
    for digits in ["8201020807a80602b00603", "b00603a806028201020807", "a806028201020807b00603"] {
        assert_eq!(decode(digits), Ok(expected.clone()), "{digits}");
    }
    assert_eq!(encoded(&expected), hex("8201020807a80602b00603"));
    // Of an id that comes twice the last counts, and of one that is too long the lower half.
    let message = decode("b00601b006038201020807b006ffffffffffffffffff01").unwrap();
    assert_eq!((message.request_id, message.response_id), (u32::MAX, 0));
}

#[test]
fn the_last_payload_counts_and_its_pieces_are_joined() {
    // Ping 7, pong 8: a pong.
    let message = decode("82010208078a01020808").unwrap();
    assert_eq!(message.payload, Payload::Pong(Pong { nonce: 8 }));
    assert_eq!(Kind::peek(&hex("8201")), Peek::Kind(Kind::Ping));
    // Pong 8, ping 7, ping without a nonce: still ping 7.
    assert_eq!(
        decode("8a01020808 8201020807 820100".replace(' ', "").as_str()).unwrap().payload,
        ping(7)
    );
    // Ping 7, pong, ping without a nonce: the first is forgotten.
    assert_eq!(decode("82010208078a0100820100").unwrap().payload, ping(0));

    // A list in two pieces, around an id and a field that nobody knows.
    let of = |hashes| encoded_payload(Payload::RequestRelayBlocks(RequestRelayBlocks { hashes }));
    let pieces =
        [&of(vec![hash(1)])[..], &hex("b0062aba3e0101"), &of(vec![hash(2), hash(3)])].concat();
    let message = Message::decode(pieces.into()).unwrap();
    assert_eq!(message.request_id, 42);
    let whole = RequestRelayBlocks { hashes: vec![hash(1), hash(2), hash(3)] };
    assert_eq!(message.payload, Payload::RequestRelayBlocks(whole));
}

#[test]
fn unknown_payloads_are_kept_and_unknown_fields_are_not() {
    let message = decode("a20403010203b00605").unwrap();
    let payload = Payload::Unknown { number: 68, body: Bytes::from_static(&[1, 2, 3]) };
    assert_eq!(message, Message { request_id: 5, response_id: 0, payload });
    assert_eq!(message.kind(), Kind::Unknown(68));
    assert_eq!(encoded(&message), hex("a20403010203b00605"));
    assert_eq!(format!("{message:?}"), "message 68(b\"\\x01\\x02\\x03\") request 5");
    // Beside a known one it is dropped, and so is a number that nobody knows.
    assert_eq!(decode("a20403010203820100c03e01").unwrap(), ping(0).into());
    assert_eq!(decode("820100a20403010203").unwrap(), ping(0).into());
    // Within a body as well.
    assert_eq!(decode("8201060807a206010a").unwrap(), ping(7).into());
    assert_eq!(decode("9a01021001").unwrap(), Payload::Verack.into());
}

#[test]
fn what_is_no_message_is_refused() {
    for (digits, why) in [
        ("", "nothing at all"),
        ("b0062a", "ids alone"),
        ("c03e01", "no payload but a number"),
        ("8001", "a number where a body is due, cut off"),
        ("800101", "a number where a body is due"),
        ("aa060101", "bytes for an id"),
        ("8301", "a group"),
        ("82010208", "a body that is cut off"),
        ("820102088a", "a number that is cut off"),
        ("8201020a00", "bytes for a nonce"),
        ("8201010b", "a group within"),
        ("72020a00", "a hash of no bytes"),
        ("72040a020a00", "a hash of no bytes"),
        ("72060a040a020101", "a hash of two bytes"),
        ("720408010a00", "a number for a hash"),
        ("b201030a01ff", "a reason that is no text"),
        ("00", "field zero"),
    ] {
        assert!(decode(digits).is_err(), "{why}: {digits}");
    }
    let hash = format!("0a220a20{}", "07".repeat(32));
    assert!(decode(&format!("7224{hash}")).is_ok());
    // One part twice: no encoder writes it, and lists within it would grow uncounted.
    assert!(decode(&format!("7248{hash}{hash}")).is_err());
}

#[test]
fn the_cap_is_the_last_payloads() {
    let ids = vec![hash(1); 100];
    let inv = encoded_payload(Payload::InvTransactions(InvTransactions { ids }));
    assert!(Message::decode(inv.clone()).is_ok());
    let disguised = [&inv[..], &hex("82010100")].concat();
    assert!(disguised.len() < Kind::Ping.policy().cap);
    let hidden = [&hex("820100")[..], &inv, &[0xa2, 4, 0].repeat(1_000)].concat();
    assert!(Message::decode(hidden.into()).is_ok(), "it is an inv");
    let long = [&inv[..], &[0xa2, 4, 0].repeat(1_000), &hex("820100")].concat();
    let (len, max) = (long.len() as u64, Kind::Ping.policy().cap as u64);
    let refused = Message::decode(long.into());
    assert_eq!(refused, Err(Malformed::TooLarge { command: Kind::Ping.into(), len, max }));
}

#[test]
fn bytes_are_slices_of_what_was_received_until_detached() {
    let tx = proto::covenant_transaction();
    let bytes = encoded_payload(Payload::Transaction(Box::new(tx)));
    let message = Message::decode(bytes.clone()).unwrap();
    let script = |message: &Message| match &message.payload {
        Payload::Transaction(tx) => tx.inputs[0].signature_script.as_ptr(),
        other => panic!("{other:?}"),
    };
    assert!(bytes.as_ptr_range().contains(&script(&message)));
    let detached = message.detach();
    assert_eq!(detached, message);
    assert!(!bytes.as_ptr_range().contains(&script(&detached)));
}

#[test]
fn what_is_shown_is_short() {
    let ids = vec![hash(1); 100_000];
    let shown = format!("{:?}", Message::from(Payload::InvTransactions(InvTransactions { ids })));
    assert_eq!(shown, "invTransactions(3600005 bytes)");
    assert_eq!(format!("{:?}", Message::from(Payload::Ready)), "ready");
    assert_eq!(format!("{:?}", Message::from(ping(7))), "ping(Ping { nonce: 7 })");
}
