//! However the bytes are cut into reads, the frames are the same.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod support;

use bytes::BytesMut;
use peerage_transport::{Frame, Transport, TransportError, V2};
use peerage_wire::{Command, Direction, MAX_PAYLOAD};
use proptest::collection::vec;
use proptest::prelude::*;
use support::reference::Reference;
use support::{Word, handshake, sealed, transport};

type Said = Vec<(Word, Vec<u8>)>;

fn messages() -> impl Strategy<Value = Said> {
    let word = prop_oneof![
        (Just(Word::Verack), vec(any::<u8>(), 0)),
        (Just(Word::Ping), vec(any::<u8>(), 0..=8)),
        (Just(Word::Block), vec(any::<u8>(), 0..3_000)),
        (Just(Word::Unknown(Command::new("strange"))), vec(any::<u8>(), 0..100)),
    ];
    vec(word, 0..12)
}

/// Feeds `bytes` in pieces of these sizes, in turn.
fn feed(
    peer: &mut Transport<Word>,
    bytes: &[u8],
    pieces: &[usize],
) -> Result<Vec<Frame<Word>>, TransportError> {
    let (mut rest, mut input, mut frames) = (bytes, BytesMut::new(), Vec::new());
    for piece in pieces.iter().cycle() {
        let (now, later) = rest.split_at((*piece).min(rest.len()));
        input.extend_from_slice(now);
        while let Some(frame) = peer.next_frame(&mut input)? {
            frames.push(frame);
        }
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    Ok(frames)
}

/// Reads exactly what the transport says that it needs, and no byte more.
fn feed_exactly(peer: &mut Transport<Word>, bytes: &[u8]) -> Said {
    let (mut rest, mut input, mut frames) = (bytes, BytesMut::new(), Vec::new());
    loop {
        while let Some(frame) = peer.next_frame(&mut input).unwrap() {
            frames.push((frame.kind, frame.payload.to_vec()));
        }
        let missing = peer.need() - input.len();
        assert!(missing > 0, "it would have gone on by itself");
        if rest.is_empty() {
            assert!(input.is_empty(), "it ended within a frame");
            return frames;
        }
        let (now, later) = rest.split_at(missing);
        input.extend_from_slice(now);
        rest = later;
    }
}

fn said(frames: &[Frame<Word>]) -> Said {
    frames.iter().map(|frame| (frame.kind, frame.payload.to_vec())).collect()
}

/// A v1 conversation as the responder gets it, and a responder for it.
fn v1_stream(messages: &Said) -> (Vec<u8>, Transport<Word>) {
    let mut sender = transport(Direction::Outbound, V2::Off, 1);
    // A v1 peer begins with its version.
    let mut bytes = sealed(&mut sender, Word::Version, &[1; 86]);
    for (word, payload) in messages {
        bytes.extend(sealed(&mut sender, *word, payload));
    }
    let mut receiver = transport(Direction::Inbound, V2::Preferred, 2);
    receiver.set_max_payload(MAX_PAYLOAD);
    (bytes, receiver)
}

/// What a responder in v2 gets, and the responder, which has the initiator's key only as bytes.
fn v2_stream(messages: &Said) -> (Vec<u8>, Transport<Word>) {
    let mut initiator = transport(Direction::Outbound, V2::Preferred, 3);
    let mut bytes = handshake(&mut initiator);
    // A responder of the same seed answers the same; it is asked for its key first.
    let responder = || {
        let mut responder = transport(Direction::Inbound, V2::Preferred, 4);
        responder.set_max_payload(MAX_PAYLOAD);
        responder
    };
    let mut twin = responder();
    assert_eq!(feed(&mut twin, &bytes, &[bytes.len()]), Ok(vec![]));
    feed(&mut initiator, &handshake(&mut twin), &[100]).unwrap();
    bytes.extend(handshake(&mut initiator));
    for (i, (word, payload)) in messages.iter().enumerate() {
        if i % 3 == 1 {
            initiator.decoy(&vec![0; i * 10], &mut bytes);
        }
        bytes.extend(sealed(&mut initiator, *word, payload));
    }
    (bytes, responder())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn v1_does_not_depend_on_pieces(messages in messages(), pieces in vec(1..200_usize, 1..20)) {
        let (bytes, mut receiver) = v1_stream(&messages);
        let frames = feed(&mut receiver, &bytes, &pieces).unwrap();
        prop_assert_eq!(&said(&frames)[1..], &messages[..]);
        let on_the_wire: usize = frames.iter().map(|frame| frame.wire_len).sum();
        prop_assert_eq!(on_the_wire, bytes.len());
    }

    #[test]
    fn v2_does_not_depend_on_pieces(messages in messages(), pieces in vec(1..200_usize, 1..20)) {
        let (bytes, mut receiver) = v2_stream(&messages);
        let frames = feed(&mut receiver, &bytes, &pieces).unwrap();
        prop_assert_eq!(&said(&frames), &messages);
        let of_frames: usize = frames.iter().map(|frame| frame.wire_len).sum();
        prop_assert_eq!(of_frames as u64 + receiver.overhead_received(), bytes.len() as u64);
    }

    #[test]
    fn need_is_enough_and_not_too_much(messages in messages()) {
        let (bytes, mut receiver) = v1_stream(&messages);
        prop_assert_eq!(&feed_exactly(&mut receiver, &bytes)[1..], &messages[..]);
        let (bytes, mut receiver) = v2_stream(&messages);
        prop_assert_eq!(&feed_exactly(&mut receiver, &bytes), &messages);
    }

    #[test]
    fn no_bytes_make_it_panic(
        bytes in vec(any::<u8>(), 0..6_000),
        pieces in vec(1..500_usize, 1..8),
        inbound in any::<bool>(),
        v1 in any::<bool>(),
        lead in 0..=24_usize,
    ) {
        let direction = if inbound { Direction::Inbound } else { Direction::Outbound };
        let policy = if v1 { V2::Off } else { V2::Preferred };
        let mut peer = transport(direction, policy, 5);
        let (version, _) = v1_stream(&vec![]);
        let _ = feed(&mut peer, &[&version[..lead], &bytes].concat(), &pieces);
    }

    #[test]
    fn no_authentic_contents_make_it_panic(
        packets in vec((vec(any::<u8>(), 0..40), any::<bool>()), 0..10),
    ) {
        let mut peer = transport(Direction::Outbound, V2::Preferred, 6);
        let mut remote = Reference::new(false, 6, 5);
        remote.receive_key(&handshake(&mut peer));
        let mut bytes = remote.hello();
        bytes.extend(remote.version(&[], &[]));
        for (contents, ignore) in packets {
            bytes.extend(remote.packet(&contents, ignore));
        }
        let _ = feed(&mut peer, &bytes, &[bytes.len()]);
    }
}

/// Every byte alone, in both versions.
#[test]
fn single_bytes_are_pieces_too() {
    let messages = vec![(Word::Ping, vec![1; 8]), (Word::Block, vec![2; 500])];
    let (bytes, mut receiver) = v1_stream(&messages);
    assert_eq!(said(&feed(&mut receiver, &bytes, &[1]).unwrap())[1..], messages);
    let (bytes, mut receiver) = v2_stream(&messages);
    assert_eq!(said(&feed(&mut receiver, &bytes, &[1]).unwrap()), messages);
    assert!(matches!(receiver.negotiated(), Some(peerage_transport::Negotiated::V2 { .. })));
}
