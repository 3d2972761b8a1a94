//! v1: framing and what is refused.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod support;

use bytes::BytesMut;
use peerage_transport::{Arriving, Frame, Negotiated, Transport, TransportError, V2};
use peerage_wire::{Command, Direction, MAX_PAYLOAD, Malformed};
use support::{MAGIC, OTHER_MAGIC, Word, receive, sealed, transport};

/// A ping of nonce 1 on regtest, byte for byte.
const PING: [u8; 32] = *b"\xfa\xbf\xb5\xdaping\0\0\0\0\0\0\0\0\x08\0\0\0\x08\x53\x3f\x6b\
    \x01\0\0\0\0\0\0\0";

fn plain() -> Transport<Word> {
    transport(Direction::Outbound, V2::Off, 1)
}

#[test]
fn frames_are_the_known_bytes_both_ways() {
    let mut peer = plain();
    assert!(peer.is_open());
    assert_eq!(peer.negotiated(), Some(Negotiated::V1 { after_v2: false }));
    let ping = sealed(&mut peer, Word::Ping, &[1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(ping, PING);
    let verack = sealed(&mut peer, Word::Verack, &[]);
    assert_eq!(verack, *b"\xfa\xbf\xb5\xdaverack\0\0\0\0\0\0\0\0\0\0\x5d\xf6\xe0\xe2");

    let frames = receive(&mut peer, &[ping, verack].concat()).unwrap();
    let kinds: Vec<_> = frames.iter().map(|frame| (frame.kind, frame.wire_len)).collect();
    assert_eq!(kinds, [(Word::Ping, 32), (Word::Verack, 24)]);
    assert_eq!((peer.overhead_sent(), peer.overhead_received()), (0, 0));
}

#[test]
fn a_header_alone_is_the_same_header() {
    let mut peer = plain();
    let block = sealed(&mut peer, Word::Block, &[7; 100]);
    let mut out = Vec::new();
    let sum = peerage_wire::checksum(&[7; 100]);
    assert_eq!(peer.seal_header(Word::Block, 100, sum, &mut out), Some(124));
    out.extend([7; 100]);
    assert_eq!(out, block);
    // v1 has no decoys.
    assert_eq!(peer.decoy(&[1, 2, 3], &mut out), 0);
    assert_eq!(out, block);
}

#[test]
fn every_prefix_is_incomplete_and_tells_what_it_needs() {
    let frame = sealed(&mut plain(), Word::Unknown(Command::new("strange")), &[5; 40]);
    for len in 0..frame.len() {
        let mut peer = plain();
        let mut input = BytesMut::from(&frame[..len]);
        assert_eq!(peer.next_frame(&mut input), Ok(None));
        assert_eq!(peer.need(), if len < 24 { 24 } else { 40 });
        let kind = Some(Word::Unknown(Command::new("strange")));
        let arriving = (len >= 24).then_some(Arriving { kind, wire_len: 64 });
        assert_eq!(peer.arriving(), arriving);
        assert_eq!(peer.received_any(), len > 0);
        input.extend_from_slice(&frame[len..]);
        assert_eq!(peer.next_frame(&mut input).unwrap().unwrap().payload, &[5; 40][..]);
        assert_eq!(peer.arriving(), None);
    }
}

#[test]
fn payloads_stay_where_they_arrived() {
    let frame = sealed(&mut plain(), Word::Block, &[9; 200]);
    let mut input = BytesMut::from(&frame[..]);
    let payload_at = input[24..].as_ptr();
    let Frame { payload, .. } = plain().next_frame(&mut input).unwrap().unwrap();
    assert_eq!(payload.as_ptr(), payload_at);
}

#[test]
fn another_network_is_refused_first() {
    // Everything else is wrong with it as well.
    let mut bytes = header(OTHER_MAGIC, [0xff; 12], &[0; 2_000]);
    bytes[20] ^= 1;
    let wrong = Malformed::WrongMagic { found: OTHER_MAGIC, expected: MAGIC };
    assert_eq!(receive(&mut plain(), &bytes), Err(wrong.into()));
}

#[test]
fn a_command_that_is_not_text_is_refused_before_its_length() {
    for command in [*b"p\xffng\0\0\0\0\0\0\0\0", *b"ping\0\0\0\0\0\0\0x"] {
        let bytes = header(MAGIC, command, &[0; 2_000]);
        assert_eq!(receive(&mut plain(), &bytes[..24]), Err(Malformed::BadCommand.into()));
    }
}

#[test]
fn lengths_are_refused_before_the_payload_comes() {
    let too_large = |name, len, max| {
        let command = Command::new(name).into();
        Err(TransportError::from(Malformed::TooLarge { command, len, max }))
    };
    // The kind's own cap.
    let ping = header(MAGIC, *b"ping\0\0\0\0\0\0\0\0", &[0; 9]);
    assert_eq!(receive(&mut plain(), &ping[..24]), too_large("ping", 9, 8));
    // The limit for strangers.
    let block = header(MAGIC, *b"block\0\0\0\0\0\0\0", &[0; 1_025]);
    assert_eq!(receive(&mut plain(), &block[..24]), too_large("block", 1_025, 1_024));
    // The limit for friends.
    let mut friend = plain();
    friend.set_max_payload(MAX_PAYLOAD);
    assert_eq!(receive(&mut friend, &block).unwrap().len(), 1);
    let mut huge = *block.first_chunk::<24>().unwrap();
    huge[4..16].copy_from_slice(b"strange\0\0\0\0\0");
    huge[16..20].copy_from_slice(&4_000_001_u32.to_le_bytes());
    let strange = too_large("strange", 4_000_001, 4_000_000);
    assert_eq!(receive(&mut friend, &huge), strange);
    // And for good.
    assert_eq!(receive(&mut friend, &[]), strange);
    assert!(friend.is_open(), "last words can be said");
}

#[test]
fn any_flipped_bit_of_payload_or_checksum_is_noticed() {
    for at in 20..32 {
        let mut bytes = header(MAGIC, *b"ping\0\0\0\0\0\0\0\0", &[3; 8]);
        bytes[at] ^= 0x10;
        let command = Command::new("ping").into();
        assert_eq!(receive(&mut plain(), &bytes), Err(Malformed::BadChecksum { command }.into()));
    }
}

#[test]
fn a_second_attempt_remembers_the_first() {
    let peer = Transport::<Word>::downgraded(MAGIC);
    assert_eq!(peer.negotiated(), Some(Negotiated::V1 { after_v2: true }));
    assert!(peer.is_open());
}

fn header(magic: [u8; 4], command: [u8; 12], payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_le_bytes();
    let sum = peerage_wire::checksum(payload);
    [&magic[..], &command, &len, &sum, payload].concat()
}
