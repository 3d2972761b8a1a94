//! Shared test data, read where it lies: beside the project and not inside it.
#![allow(dead_code)] // each test binary uses its own part of this module

mod build;

use std::fs;
use std::path::Path;

use bytes::Bytes;
use peerage_wire::{FrameHeader, HEADER_LEN, Message as _, checksum};
use peerage_wire_kaspa::legacy::{Kind, Message, Network};
use serde_json::Value;

pub(crate) use build::message_of;

/// The file of this name in the shared vectors for legacy Kaspa.
///
/// A lone clone has no shared folder: the caller then passes without a test. Where `CI` is true
/// that would go unnoticed, so it fails.
pub(crate) fn vectors(name: &str) -> Option<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/kaspa-legacy");
    let path = Path::new(folder).join(name);
    let Ok(text) = fs::read(&path) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{} is missing", path.display());
        eprintln!("skipped: {} is missing", path.display());
        return None;
    };
    Some(serde_json::from_slice(&text).unwrap())
}

pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("{key} is no list"))
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is no text in {value}"))
}

/// The bytes of the hexadecimal digits under this key.
pub(crate) fn bytes(value: &Value, key: &str) -> Bytes {
    hex(text(value, key)).into()
}

/// The bytes of these hexadecimal digits.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits = digits.as_bytes().as_chunks::<2>().0;
    digits
        .iter()
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// All networks there were.
pub(crate) fn networks() -> [Network; 5] {
    [
        Network::mainnet(),
        Network::testnet(),
        Network::regtest(),
        Network::simnet(),
        Network::devnet(),
    ]
}

/// Takes a frame of this network apart, checking all of it.
pub(crate) fn payload_of(frame: &[u8], network: &Network) -> (Kind, Bytes) {
    let (header, payload) = frame.split_first_chunk::<HEADER_LEN>().unwrap();
    let header = FrameHeader::parse(header, network.magic).unwrap();
    assert_eq!(header.len as usize, payload.len());
    assert_eq!(header.checksum, checksum(payload));
    (peerage_wire::FramedKind::from_command(header.command), Bytes::copy_from_slice(payload))
}

/// The frame of this message.
pub(crate) fn frame_of(message: &Message, network: &Network) -> Vec<u8> {
    let payload = encoded(message);
    let header = FrameHeader {
        magic: network.magic,
        command: message.kind().into(),
        len: u32::try_from(payload.len()).unwrap(),
        checksum: checksum(&payload),
    };
    [&header.to_bytes()[..], &payload].concat()
}

pub(crate) fn encoded(message: &Message) -> Bytes {
    let mut out = Vec::new();
    message.encode(1, &mut out);
    out.into()
}
