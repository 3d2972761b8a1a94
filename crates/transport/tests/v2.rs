//! v2 against a remote that is written a second time (`support::reference`).
//!
//! T29, a short write as an error, cannot happen here: the transport appends to memory.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod support;

use bytes::BytesMut;
use peerage_transport::{Arriving, Frame, Negotiated, Transport, TransportError, V2};
use peerage_wire::{Command, Direction, MAX_PAYLOAD, Malformed, Violation};
use support::reference::Reference;
use support::{MAGIC, Word, connected, handshake, receive, sealed, transport};

/// An outbound transport and the remote that it dialled, keys exchanged; and what the remote still
/// owes: its garbage, unsent.
fn dialled(seed: u8, garbage_len: usize) -> (Transport<Word>, Reference, Vec<u8>) {
    let mut peer = transport(Direction::Outbound, V2::Preferred, seed);
    let mut remote = Reference::new(false, seed, garbage_len);
    remote.receive_key(&handshake(&mut peer));
    let hello = remote.hello();
    assert_eq!(receive(&mut peer, &hello[..64]), Ok(vec![]));
    (peer, remote, hello[64..].to_vec())
}

/// The same, with garbage and version done.
fn established(seed: u8) -> (Transport<Word>, Reference) {
    let (mut peer, mut remote, garbage) = dialled(seed, 20);
    let rest = [garbage, remote.version(&[], &[])].concat();
    assert_eq!(receive(&mut peer, &rest), Ok(vec![]));
    handshake(&mut peer);
    (peer, remote)
}

#[test]
fn garbage_of_every_allowed_length_is_accepted() {
    for len in [0, 1, 2, 15, 16, 17, 63, 64, 1_000, 4_094, 4_095] {
        let (mut peer, mut remote, garbage) = dialled(1, len);
        let version = remote.version(&[], &[]);
        let ping = remote.packet(&[18, 9], false);
        let frames = receive(&mut peer, &[garbage, version, ping].concat()).unwrap();
        assert_eq!(frames.len(), 1, "{len}");
        assert_eq!(peer.overhead_received(), 64 + len as u64 + 16 + 20);
        assert_eq!(frames[0].wire_len, 3 + 1 + 1 + 1 + 16);
    }
}

#[test]
fn more_garbage_is_refused_and_not_before() {
    let (mut peer, mut remote, garbage) = dialled(2, 4_096);
    let rest = [garbage, remote.version(&[], &[])].concat();
    let mut input = BytesMut::from(&rest[..4_095 + 15]);
    assert_eq!(peer.next_frame(&mut input), Ok(None));
    assert_eq!(peer.need(), 4_095 + 16);
    input.extend_from_slice(&rest[4_110..4_111]);
    assert_eq!(peer.next_frame(&mut input), Err(Malformed::NoGarbageTerminator.into()));

    let (mut peer, ..) = dialled(2, 0);
    assert_eq!(receive(&mut peer, &[0; 10_000]), Err(Malformed::NoGarbageTerminator.into()));
}

#[test]
fn a_terminator_is_found_wherever_reads_split_it() {
    for split in 0..=16 {
        let (mut peer, mut remote, garbage) = dialled(3, 30);
        let rest = [garbage, remote.version(&[], &[]), remote.packet(&[18], false)].concat();
        let mut input = BytesMut::from(&rest[..30 + split]);
        assert_eq!(peer.next_frame(&mut input), Ok(None));
        input.extend_from_slice(&rest[30 + split..]);
        assert_eq!(peer.next_frame(&mut input).unwrap().unwrap().kind, Word::Ping);
    }
}

#[test]
fn garbage_that_repeats_the_terminators_beginning_is_garbage() {
    let (_, mut remote, _) = dialled(4, 0);
    // Fifteen bytes of it, then fourteen, then the whole: the remote's own terminator is what its
    // version packet begins with.
    let terminator = remote.version(&[], &[])[..16].to_vec();
    let garbage = [&terminator[..15], &terminator[..14], &[0]].concat();
    let (mut peer, ..) = dialled(4, 0);
    let mut input = BytesMut::from(&[garbage, terminator].concat()[..]);
    assert_eq!(peer.next_frame(&mut input), Ok(None));
    assert!(input.is_empty());
    assert_eq!(peer.overhead_received(), 64 + 30 + 16);
}

#[test]
fn ours_is_never_4095_bytes_and_reaches_both_ends() {
    let mut lens = Vec::new();
    for seed in 0..=255_u8 {
        for policy in [V2::Preferred, V2::Required] {
            let rng =
                peerage_wire::Rng::from_seed([seed, policy as u8].repeat(16).try_into().unwrap());
            let mut peer = Transport::<Word>::new(Direction::Outbound, MAGIC, policy, None, rng);
            lens.push(handshake(&mut peer).len() - 64);
        }
    }
    assert!(lens.iter().all(|len| *len <= 4_094));
    assert!(lens.iter().any(|len| *len < 100) && lens.iter().any(|len| *len > 3_995));
    let mean = lens.iter().sum::<usize>() / lens.len();
    assert!((1_800..2_300).contains(&mean), "{mean}");
}

#[test]
fn both_ends_know_the_same_session() {
    let (peer, mut remote) = established(5);
    let Some(Negotiated::V2 { session_id }) = peer.negotiated() else { panic!("it is v2") };
    assert_eq!(session_id[..], remote.session_id());
    let (outbound, inbound) = connected(5);
    assert_eq!(outbound.negotiated(), inbound.negotiated());
    assert_ne!(outbound.negotiated(), peer.negotiated());
}

/// T28: decoys before and after the version packet, whose contents are ignored.
#[test]
fn decoys_are_skipped_wherever_they_come() {
    let (mut peer, mut remote, garbage) = dialled(6, 100);
    let rest = [
        garbage,
        remote.version(&[0, 5, 300], &[1, 2, 3]),
        remote.packet(&[], true),
        remote.packet(&[18, 1], false),
        remote.packet(&[0xff; 50], true),
        remote.packet(&[18, 2], false),
    ];
    let frames = receive(&mut peer, &rest.concat()).unwrap();
    let payloads: Vec<_> = frames.iter().map(|frame| frame.payload[0]).collect();
    assert_eq!(payloads, [1, 2]);
    let wire: usize = rest.iter().map(Vec::len).sum();
    let of_frames: usize = frames.iter().map(|frame| frame.wire_len).sum();
    assert_eq!(peer.overhead_received() + of_frames as u64, 64 + wire as u64);

    let mut out = Vec::new();
    let before = peer.overhead_sent();
    assert_eq!(peer.decoy(&[7; 10], &mut out), 30);
    assert_eq!(peer.overhead_sent(), before + 30 + 36, "and what was waiting before it");
    out.extend(sealed(&mut peer, Word::Ping, &[3; 8]));
    assert_eq!(out.len(), 36 + 30 + 29);
}

#[test]
fn our_packets_are_read_by_the_other_implementation() {
    let mut peer = transport(Direction::Outbound, V2::Preferred, 7);
    let mut remote = Reference::new(false, 7, 0);
    let hello = handshake(&mut peer);
    remote.receive_key(&hello);
    assert_eq!(receive(&mut peer, &remote.hello()), Ok(vec![]));
    assert!(peer.is_open());
    // The version packet goes before the frame, also if nobody has asked for it.
    let mut out = Vec::new();
    assert_eq!(peer.seal(Word::Ping, &[1; 8], None, &mut out), 29);
    peer.decoy(&[5; 4], &mut out);
    let strange = Word::Unknown(Command::new("strange"));
    assert_eq!(peer.seal(strange, &[2], None, &mut out), 34);
    assert_eq!(peer.seal_header(Word::Block, 5_000, [0; 4], &mut out), None);
    let (garbage, packets) = remote.open_all(&[&hello[64..], &out].concat());
    assert_eq!(garbage, hello.len() - 64);
    let ping = [&[18][..], &[1; 8]].concat();
    let strange = [&[0][..], b"strange\0\0\0\0\0", &[2]].concat();
    assert_eq!(packets, [(vec![], false), (ping, false), (vec![5; 4], true), (strange, false)]);
}

/// Two changes of keys (after 224 and 448 packets), in both directions and against the other
/// implementation, with decoys that count as well.
#[test]
fn keys_are_replaced_in_step() {
    let (mut peer, mut remote) = established(8);
    for i in 0..500_usize {
        let decoy = i % 7 == 3;
        let contents = [&[18][..], &i.to_le_bytes()].concat();
        let frames = receive(&mut peer, &remote.packet(&contents, decoy)).unwrap();
        assert_eq!(frames.len(), usize::from(!decoy));
        assert!(frames.iter().all(|frame| frame.payload[..] == i.to_le_bytes()));
    }
    let (mut outbound, mut inbound) = connected(8);
    let mut out = Vec::new();
    for i in 0..500_usize {
        out.clear();
        if i % 5 == 0 {
            outbound.decoy(&[0; 33], &mut out);
        }
        outbound.seal(Word::Ping, &i.to_le_bytes(), None, &mut out);
        let frames = receive(&mut inbound, &out).unwrap();
        assert_eq!(frames[0].payload[..], i.to_le_bytes());
        out.clear();
        inbound.seal(Word::Unknown(Command::new("x")), &i.to_be_bytes(), None, &mut out);
        let frames = receive(&mut outbound, &out).unwrap();
        assert_eq!(frames[0].payload[..], i.to_be_bytes());
    }
}

#[test]
fn our_packets_after_changes_of_keys_are_read_too() {
    let mut peer = transport(Direction::Outbound, V2::Preferred, 9);
    let mut remote = Reference::new(false, 9, 0);
    let hello = handshake(&mut peer);
    remote.receive_key(&hello);
    receive(&mut peer, &remote.hello()).unwrap();
    let mut out = hello[64..].to_vec();
    for i in 0..700_usize {
        peer.seal(Word::Ping, &i.to_le_bytes(), None, &mut out);
    }
    let (_, packets) = remote.open_all(&out);
    assert_eq!(packets.len(), 701);
    assert!(packets.iter().skip(1).enumerate().all(|(i, (contents, decoy))| {
        !decoy && contents[..] == [&[18][..], &i.to_le_bytes()].concat()
    }));
}

#[test]
fn tampering_is_noticed_at_every_position() {
    let len = 3 + 1 + 9 + 16;
    for at in 0..len {
        let (mut peer, mut remote) = established(10);
        let mut packet = remote.packet(&[18, 1, 2, 3, 4, 5, 6, 7, 8], false);
        assert_eq!(packet.len(), len);
        packet[at] ^= 1;
        let mut input = BytesMut::from(&packet[..]);
        // A length that was changed makes the transport wait for more or refuse it.
        input.extend_from_slice(&[0; 1_000]);
        match peer.next_frame(&mut input) {
            Err(TransportError::Malformed(Malformed::BadTag)) => {}
            Err(TransportError::Malformed(Malformed::TooLarge { .. })) => assert!(at < 3),
            other => panic!("{at}: {other:?}"),
        }
        assert_eq!(peer.next_frame(&mut input), peer.next_frame(&mut BytesMut::new()), "for good");
    }
}

#[test]
fn garbage_is_authenticated_by_the_first_packet() {
    for decoys in [&[][..], &[4]] {
        let (mut peer, mut remote, mut garbage) = dialled(11, 50);
        garbage[25] ^= 1;
        let rest = [garbage, remote.version(decoys, &[])].concat();
        assert_eq!(receive(&mut peer, &rest), Err(Malformed::BadTag.into()));
    }
}

#[test]
fn lengths_are_refused_before_the_packet_comes() {
    let too_large = |name: &str, len, max| {
        let command = if name.is_empty() { Command::default() } else { Command::new(name) };
        Err(TransportError::from(Malformed::TooLarge { command: command.into(), len, max }))
    };
    // Strangers: 1,024 bytes and the longest type.
    let (mut peer, mut remote) = established(12);
    let longest = [&[0][..], b"strange\0\0\0\0\0", &[1; 1_024]].concat();
    assert_eq!(receive(&mut peer, &remote.packet(&longest, false)).unwrap().len(), 1);
    let longer = remote.packet(&[&longest[..], &[1]].concat(), false);
    assert_eq!(receive(&mut peer, &longer[..3]), too_large("", 1_038, 1_037));
    // A short type leaves no room for a longer payload.
    let (mut peer, mut remote) = established(12);
    let block = remote.packet(&[&[2][..], &[1; 1_025]].concat(), false);
    assert_eq!(receive(&mut peer, &block), too_large("block", 1_025, 1_024));
    // Friends: the kind's own cap once it is known, and 4,000,013 before.
    let (mut peer, mut remote) = established(12);
    peer.set_max_payload(MAX_PAYLOAD);
    let ping = remote.packet(&[18; 10], false);
    assert_eq!(receive(&mut peer, &ping), too_large("ping", 9, 8));
    let (mut peer, mut remote) = established(12);
    peer.set_max_payload(MAX_PAYLOAD);
    let huge = remote.packet(&vec![0; MAX_PAYLOAD + 14], false);
    assert_eq!(receive(&mut peer, &huge[..3]), too_large("", 4_000_014, 4_000_013));
    let (mut peer, mut remote) = established(12);
    peer.set_max_payload(MAX_PAYLOAD);
    let mut largest = vec![0; MAX_PAYLOAD + 13];
    largest[1..8].copy_from_slice(b"strange");
    let frames = receive(&mut peer, &remote.packet(&largest, false)).unwrap();
    assert_eq!(frames[0].payload.len(), MAX_PAYLOAD);
}

#[test]
fn strangers_may_send_16_kib_of_decoys() {
    let (mut peer, mut remote) = established(13);
    for _ in 0..16 {
        assert_eq!(receive(&mut peer, &remote.packet(&[0; 1_004], true)), Ok(vec![]));
    }
    let flood = Violation::DecoyFlood { max: 16 << 10 };
    assert_eq!(receive(&mut peer, &remote.packet(&[], true)), Err(flood.into()));
    // Afterwards they are free.
    let (mut peer, mut remote) = established(13);
    peer.set_max_payload(MAX_PAYLOAD);
    for _ in 0..20 {
        assert_eq!(receive(&mut peer, &remote.packet(&[0; 4_000], true)), Ok(vec![]));
    }
}

#[test]
fn message_types_in_every_form() {
    let long = |name: &[u8; 12]| [&[0][..], name, &[1; 3]].concat();
    for (contents, expected) in [
        (vec![18, 1, 1, 1], Ok(Word::Ping)),
        (long(b"ping\0\0\0\0\0\0\0\0"), Ok(Word::Ping)),
        (long(b"strange\0\0\0\0\0"), Ok(Word::Unknown(Command::new("strange")))),
        (vec![37, 1, 1, 1], Ok(Word::Unknown(Command::new("id-37")))),
        (vec![255, 1, 1, 1], Ok(Word::Unknown(Command::new("id-255")))),
        (vec![], Err(Malformed::EmptyPacket)),
        (long(b"pi\xffg\0\0\0\0\0\0\0\0"), Err(Malformed::BadCommand)),
        (b"\0ping\0\0\0\0\0\0\0".to_vec(), Err(Malformed::BadCommand)),
        (vec![0], Err(Malformed::BadCommand)),
    ] {
        let (mut peer, mut remote) = established(14);
        let result = receive(&mut peer, &remote.packet(&contents, false));
        match expected {
            Ok(kind) => {
                let wire_len = 20 + contents.len();
                let payload = bytes::Bytes::from_static(&[1; 3]);
                assert_eq!(result, Ok(vec![Frame { kind, payload, wire_len, payload_hash: None }]));
            }
            Err(error) => assert_eq!(result, Err(error.into())),
        }
    }
}

#[test]
fn payloads_are_decrypted_where_they_arrived() {
    let (mut outbound, mut inbound) = connected(15);
    let packet = sealed(&mut outbound, Word::Block, &[9; 200]);
    let mut input = BytesMut::from(&packet[..]);
    let payload_at = input[3 + 1 + 1..].as_ptr();
    let Frame { payload, .. } = inbound.next_frame(&mut input).unwrap().unwrap();
    assert_eq!(payload.as_ptr(), payload_at);
    assert_eq!(payload, &[9; 200][..]);
}

#[test]
fn every_prefix_of_a_packet_is_incomplete() {
    let (mut outbound, _) = connected(16);
    let packet = sealed(&mut outbound, Word::Ping, &[9; 8]);
    for len in 0..packet.len() {
        let (_, mut inbound) = connected(16);
        let mut input = BytesMut::from(&packet[..len]);
        assert_eq!(inbound.next_frame(&mut input), Ok(None));
        assert_eq!(inbound.need(), if len < 3 { 3 } else { 26 });
        let arriving = Arriving { kind: None, wire_len: 29 };
        assert_eq!(inbound.arriving(), (len >= 3).then_some(arriving));
        input.extend_from_slice(&packet[len..]);
        assert_eq!(inbound.next_frame(&mut input).unwrap().unwrap().payload, &[9; 8][..]);
    }
}

/// What an idle connection costs beside its task and socket; the goal is 4.5 kB for all of it.
#[test]
fn a_transport_is_small_and_can_change_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Transport<Word>>();
    assert!(size_of::<Transport<Word>>() <= 176, "{}", size_of::<Transport<Word>>());
}

#[test]
fn secrets_are_not_shown() {
    let (peer, _) = established(17);
    assert_eq!(format!("{peer:?}"), "Transport { state: \"v2\", failed: None, .. }");
}
