//! Which version a responder decides for, what it costs, and who is refused.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod support;

use bytes::BytesMut;
use peerage_transport::{Negotiated, TransportError, V2};
use peerage_wire::{Direction, Malformed};
use support::reference::Reference;
use support::{MAGIC, OTHER_MAGIC, Word, guarded, handshake, receive, sealed, transport};

/// T22: a v1 peer costs no key and gets no byte.
#[test]
fn the_whole_v1_prefix_is_v1() {
    let version = sealed(&mut transport(Direction::Outbound, V2::Off, 1), Word::Version, &[1; 90]);
    let (mut peer, asked) = guarded(usize::MAX);
    let mut input = BytesMut::new();
    for (i, byte) in version.iter().enumerate() {
        assert_eq!(peer.next_frame(&mut input), Ok(None));
        assert_eq!(peer.is_open(), i >= 16);
        if i < 16 {
            assert_eq!(peer.need(), i + 1);
        }
        input.extend_from_slice(&[*byte]);
    }
    let frame = peer.next_frame(&mut input).unwrap().unwrap();
    assert_eq!((frame.kind, frame.wire_len), (Word::Version, 114));
    assert_eq!(peer.negotiated(), Some(Negotiated::V1 { after_v2: false }));
    assert_eq!(asked.times(), 0);
    assert_eq!(handshake(&mut peer), []);
    assert_eq!((peer.overhead_received(), peer.overhead_sent()), (0, 0));
}

/// T23: the initiator may wait for our key before it sends the rest of its own.
#[test]
fn the_first_difference_is_answered_at_once() {
    // A key that begins like the magic keeps the responder waiting for one byte more.
    for (first_decides, seed) in [(true, 3), (false, 4)] {
        let mut remote =
            Reference::with_first_byte(true, seed, 10, |b| (b != MAGIC[0]) == first_decides);
        let hello = remote.hello();
        let (mut peer, asked) = guarded(usize::MAX);
        let mut input = BytesMut::from(&hello[..1]);
        assert_eq!(peer.next_frame(&mut input), Ok(None));
        let mut answer = handshake(&mut peer);
        assert_eq!(answer.is_empty(), !first_decides);
        input.extend_from_slice(&hello[1..2]);
        assert_eq!(peer.next_frame(&mut input), Ok(None));
        answer.extend(handshake(&mut peer));
        assert!((64..=64 + 4_094).contains(&answer.len()));
        assert_eq!(asked.times(), 1);
        assert!(!peer.is_open());
        assert_eq!(peer.need(), 64);

        remote.receive_key(&answer);
        input.extend_from_slice(&hello[2..]);
        input.extend_from_slice(&remote.version(&[], &[]));
        input.extend_from_slice(&remote.packet(&[18, 1, 2, 3], false));
        let ping = peer.next_frame(&mut input).unwrap().unwrap();
        assert_eq!((ping.kind, &ping.payload[..]), (Word::Ping, &[1, 2, 3][..]));
        assert_eq!(asked.times(), 2);

        answer.extend(handshake(&mut peer));
        answer.extend(sealed(&mut peer, Word::Verack, &[]));
        let (garbage, packets) = remote.open_all(&answer[64..]);
        assert_eq!(garbage + 64 + 16 + 20 + 33, answer.len());
        let verack = [&[0][..], b"verack\0\0\0\0\0\0"].concat();
        assert_eq!(packets, [(vec![], false), (verack, false)]);
    }
}

/// T24: v1 of another network costs one admission, for it looks like a key at first.
#[test]
fn a_v1_peer_of_another_network_is_named() {
    let mut version = [0x11; 64];
    version[..4].copy_from_slice(&OTHER_MAGIC);
    version[4..16].copy_from_slice(b"version\0\0\0\0\0");
    for pieces in [1, 16, 64] {
        let (mut peer, asked) = guarded(usize::MAX);
        let mut input = BytesMut::new();
        let mut results = version.chunks(pieces).map(|piece| {
            input.extend_from_slice(piece);
            peer.next_frame(&mut input)
        });
        let wrong = TransportError::WrongNetworkV1 { found: OTHER_MAGIC };
        assert_eq!(results.find(|result| *result != Ok(None)), Some(Err(wrong)));
        assert_eq!(asked.times(), 1);
    }
}

/// T25: refused before the key is drawn, so nothing is written.
#[test]
fn a_first_refusal_leaves_no_trace() {
    let (mut peer, asked) = guarded(0);
    let hello = Reference::new(true, 5, 0).hello();
    assert_eq!(receive(&mut peer, &hello), Err(TransportError::NotAdmitted));
    assert_eq!(asked.times(), 1);
    assert_eq!(handshake(&mut peer), []);
    assert_eq!(peer.overhead_sent(), 0);
    assert!(!peer.is_open());
    assert_eq!(receive(&mut peer, &hello), Err(TransportError::NotAdmitted), "for good");
    assert_eq!(asked.times(), 1);
}

/// T17, T26: two operations, two questions, and no permit held while bytes are awaited (which
/// `times` asserts).
#[test]
fn permits_are_held_only_while_computing() {
    let (mut peer, asked) = guarded(usize::MAX);
    let hello = Reference::new(true, 6, 300).hello();
    let mut input = BytesMut::new();
    for (i, byte) in hello.iter().enumerate() {
        input.extend_from_slice(&[*byte]);
        assert_eq!(peer.next_frame(&mut input), Ok(None));
        assert_eq!(asked.times(), if i < 63 { 1 } else { 2 });
    }
}

/// T27: refused before the keys are combined. Our key is out, nothing else follows.
#[test]
fn a_second_refusal_ends_it_as_well() {
    let (mut peer, asked) = guarded(1);
    let hello = Reference::new(true, 7, 0).hello();
    assert_eq!(receive(&mut peer, &hello), Err(TransportError::NotAdmitted));
    assert_eq!(asked.times(), 2);
    let key = handshake(&mut peer);
    assert!((64..=64 + 4_094).contains(&key.len()));
    assert_eq!(receive(&mut peer, &[0; 64]), Err(TransportError::NotAdmitted));
    assert_eq!(handshake(&mut peer), []);
    assert!(!peer.is_open());
    assert_eq!(peer.negotiated(), None);
}

/// T17: the hook is for inbound connections only.
#[test]
fn who_dials_is_not_asked() {
    let refuse: peerage_transport::Admit = std::sync::Arc::new(|| None);
    let rng = peerage_wire::Rng::from_seed([8; 32]);
    let mut peer = peerage_transport::Transport::<Word>::new(
        Direction::Outbound,
        MAGIC,
        V2::Required,
        Some(refuse),
        rng,
    );
    let hello = Reference::new(false, 9, 0).hello();
    assert_eq!(receive(&mut peer, &hello), Ok(vec![]));
    assert!(peer.is_open());
}

#[test]
fn the_policy_decides_who_is_taken() {
    let version = sealed(&mut transport(Direction::Outbound, V2::Off, 1), Word::Version, &[1; 90]);
    let hello = Reference::new(true, 10, 0).hello();

    let mut required = transport(Direction::Inbound, V2::Required, 2);
    assert_eq!(receive(&mut required, &version), Err(TransportError::V1Refused));
    assert_eq!(handshake(&mut required), [], "a v1 peer gets no key");
    assert_eq!(receive(&mut transport(Direction::Inbound, V2::Required, 2), &hello), Ok(vec![]));

    let mut off = transport(Direction::Inbound, V2::Off, 3);
    assert!(off.is_open());
    assert_eq!(receive(&mut off, &version).unwrap().len(), 1);
    let found = *hello.first_chunk().unwrap();
    let wrong = Malformed::WrongMagic { found, expected: MAGIC };
    assert_eq!(receive(&mut transport(Direction::Inbound, V2::Off, 3), &hello), Err(wrong.into()));
}

#[test]
fn who_dials_speaks_first() {
    for policy in [V2::Required, V2::Preferred] {
        let mut peer = transport(Direction::Outbound, policy, 4);
        assert!(!peer.is_open());
        assert!(!peer.received_any());
        let hello = handshake(&mut peer);
        assert!((64..=64 + 4_094).contains(&hello.len()));
        assert_eq!(peer.overhead_sent(), hello.len() as u64);
        assert_eq!(handshake(&mut peer), [], "once");
    }
    assert_eq!(handshake(&mut transport(Direction::Outbound, V2::Off, 4)), []);
    assert_eq!(V2::default(), V2::Preferred);
}
