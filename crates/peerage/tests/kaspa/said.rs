//! What a remote says, as bytes.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use peerage::kaspa::Message;
use peerage::kaspa::message::Version;

/// What the remote says of itself.
pub(crate) fn version() -> Version {
    Version {
        protocol_version: 10,
        timestamp: 1_795_164_705_158,
        id: Bytes::from_static(&[0x52; 16]),
        user_agent: "/remote:1/".into(),
        network: "kaspa-simnet".into(),
        ..Version::default()
    }
}

/// A message as the stream carries it.
pub(crate) fn framed(flag: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[flag], &len[..], body].concat()
}

/// A message as the stream carries it, not packed.
pub(crate) fn framed_message(message: impl Into<Message>) -> Vec<u8> {
    let mut body = Vec::new();
    message.into().encode(&mut body);
    framed(0, &body)
}

pub(crate) fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

pub(crate) fn unpack(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}
