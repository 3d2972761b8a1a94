//! Bad input, case by case: each ends the connection for a typed reason that says whose fault it
//! was and whether to try again, and the next connection is none the worse.
#![allow(missing_docs, clippy::unwrap_used)] // the helpers of tests are tests

mod world;

use std::time::Duration;

use peerage::bitcoin::message::Inventory;
use peerage::bitcoin::{
    Budget, Command, Config, Direction, DisconnectReason, Event, Fault, Kind, Malformed, Message,
    Network, OpenError, Retry, TrySendError, V2, Violation, accept, initiate,
};
use peerage_testkit::{Script, version};
use peerage_wire::{FrameHeader, HEADER_LEN, Message as _, checksum};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use world::{
    End, PIPE, Remote, block, config, every_message, judged, script, scripted, settle, tx_item,
    unknown,
};

const SECOND: Duration = Duration::from_secs(1);

/// A v1 frame, well-formed unless the caller changes it.
fn frame(network: &Network, command: &str, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader {
        magic: network.magic,
        command: Command::new(command),
        len: u32::try_from(payload.len()).unwrap(),
        checksum: checksum(payload),
    };
    [&header.to_bytes(), payload].concat()
}

/// Says `bytes` to an open connection of ours; returns why it ended.
async fn ended_by(bytes: &[u8]) -> DisconnectReason {
    let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    remote.say_bytes(bytes).await;
    let reason = end.end().await;
    remote.expect_closed().await;
    assert_eq!(end.peer.try_send(&Message::GetAddr), Err(TrySendError::Closed(reason.clone())));
    reason
}

/// Says `bytes` to a connection that waits for a stranger's first message; returns why it ended.
async fn refused_after(bytes: &[u8], config: &Config) -> DisconnectReason {
    let (ours, mut theirs) = duplex(PIPE);
    let talk = async {
        theirs.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        theirs.read_to_end(&mut rest).await.unwrap();
    };
    reason_of(tokio::join!(accept(ours, config), talk).0.map(|_| ()))
}

fn reason_of(result: Result<(), OpenError>) -> DisconnectReason {
    match result.unwrap_err() {
        OpenError::Ended { reason, retry } => {
            assert_eq!(retry, reason.retry());
            reason
        }
        error => panic!("{error:?}"),
    }
}

fn malformed(reason: &DisconnectReason) -> Malformed {
    judged(reason, Fault::Remote, Retry::Never);
    match reason {
        DisconnectReason::Malformed(malformed) => *malformed,
        reason => panic!("{reason:?} where malformed was due"),
    }
}

#[tokio::test(start_paused = true)]
async fn another_networks_magic() {
    let expected = Network::regtest().magic;
    let found = Network::mainnet().magic;
    let foreign = frame(&Network::mainnet(), "ping", &[0; 8]);
    let wrong = Malformed::WrongMagic { found, expected };
    assert_eq!(malformed(&ended_by(&foreign).await), wrong);
    // As the first message, both where v1 is spoken and where v2 was possible.
    let foreign = frame(&Network::mainnet(), "version", &[0; 86]);
    for v2 in [V2::Off, V2::Preferred, V2::Required] {
        assert_eq!(malformed(&refused_after(&foreign, &config(v2)).await), wrong, "{v2:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn oversized_frames_end_the_connection_before_their_payload_comes() {
    for (command, len, max) in [
        ("block", 4_000_001_u32, 4_000_000),
        ("madeup", 4_000_001, 4_000_000),
        ("block", u32::MAX, 4_000_000),
        ("ping", 9, 8),
        ("verack", 1, 0),
        ("inv", 1_800_010, 1_800_009),
    ] {
        let mut header = frame(&Network::regtest(), command, &[]);
        header[16..20].copy_from_slice(&len.to_le_bytes());
        let command = Command::new(command);
        let too_large = Malformed::TooLarge { command: command.into(), len: len.into(), max };
        assert_eq!(malformed(&ended_by(&header).await), too_large);
    }
    // A stranger gets 1,024 bytes.
    let mut header = frame(&Network::regtest(), "version", &[]);
    header[16..20].copy_from_slice(&1_025_u32.to_le_bytes());
    let too_large = Malformed::TooLarge { command: Kind::Version.into(), len: 1_025, max: 1_024 };
    assert_eq!(malformed(&refused_after(&header, &config(V2::Off)).await), too_large);
}

#[tokio::test(start_paused = true)]
async fn oversized_packets_of_v2() {
    // What cannot be read as a length is noise; an authentic one is told by its kind.
    let (mut end, mut remote) = scripted(&config(V2::Required), version(70_016)).await;
    remote.say_payload(Kind::Ping, &[0; 9]).await;
    let too_large = Malformed::TooLarge { command: Kind::Ping.into(), len: 9, max: 8 };
    assert_eq!(malformed(&end.end().await), too_large);
    let (mut end, mut remote) = scripted(&config(V2::Required), version(70_016)).await;
    remote.say_payload(Kind::Block, &vec![0; 4_000_001]).await;
    let reason = malformed(&end.end().await);
    assert!(matches!(reason, Malformed::TooLarge { len: 4_000_001, .. }), "{reason:?}");
}

#[tokio::test(start_paused = true)]
async fn a_bad_checksum() {
    let mut bytes = frame(&Network::regtest(), "ping", &[1; 8]);
    bytes[20] ^= 1;
    let command = Kind::Ping.into();
    assert_eq!(malformed(&ended_by(&bytes).await), Malformed::BadChecksum { command });
    let mut bytes = frame(&Network::regtest(), "sendheaders", &[]);
    bytes[23] ^= 0x80;
    let command = Kind::SendHeaders.into();
    assert_eq!(malformed(&ended_by(&bytes).await), Malformed::BadChecksum { command });
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_no_ascii() {
    for command in [*b"pin\xc3\x28\0\0\0\0\0\0\0", *b"ping\0ping\0\0\0", *b"ping\x07\0\0\0\0\0\0\0"]
    {
        let mut bytes = frame(&Network::regtest(), "ping", &[1; 8]);
        bytes[4..16].copy_from_slice(&command);
        assert_eq!(malformed(&ended_by(&bytes).await), Malformed::BadCommand);
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_commands_are_messages_and_no_error() {
    for v2 in [V2::Off, V2::Required] {
        let (mut end, mut remote) = scripted(&config(v2), version(70_016)).await;
        remote.say(&unknown(15 << 10)).await;
        assert_eq!(end.message().await, unknown(15 << 10));
        remote.say(&Message::GetAddr).await;
        assert_eq!(end.message().await, Message::GetAddr);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_cut_at_any_byte() {
    for message in every_message() {
        let mut whole = Vec::new();
        message.encode(70_016, &mut whole);
        let kind = message.kind();
        if matches!(message, Message::Unknown { .. } | Message::Alert(_)) {
            continue; // any payload will do
        }
        for len in 0..whole.len() {
            let cut = &whole[..len];
            // A reject without its hash is one of another message.
            if Message::decode(kind, cut.to_vec().into(), 70_016).is_ok() {
                assert_eq!(kind, Kind::Reject, "{len} bytes of {kind} are no {kind}");
                continue;
            }
            let reason = ended_by(&frame(&Network::regtest(), &kind.to_string(), cut)).await;
            malformed(&reason);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_cut_at_any_byte() {
    let mut whole = Vec::new();
    Message::Version(Box::new(version(70_016))).encode(70_016, &mut whole);
    let tails = [46, 72, 80, whole.len() - 5, whole.len() - 1];
    for len in (0..whole.len()).filter(|len| !tails.contains(len)) {
        let bytes = frame(&Network::regtest(), "version", &whole[..len]);
        let reason = malformed(&refused_after(&bytes, &config(V2::Off)).await);
        assert_eq!(reason, Malformed::Truncated, "{len}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_cut_at_any_byte_of_a_frame_ends_as_closed() {
    let bytes = frame(&Network::regtest(), "ping", &[1; 8]);
    for len in 1..bytes.len() {
        let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
        remote.say_bytes(&bytes[..len]).await;
        drop(remote);
        let reason = end.end().await;
        assert_eq!(reason, DisconnectReason::RemoteClosed);
        judged(&reason, Fault::Nobody, Retry::Later);
    }
}

#[tokio::test(start_paused = true)]
async fn counts_that_are_not_canonical_or_beyond_the_data() {
    for (payload, expected) in [
        (&[0xfd, 1, 0][..], Malformed::NonCanonicalSize),
        (&[0xfe, 1, 0, 0, 0], Malformed::NonCanonicalSize),
        (&[3, 1, 0, 0, 0], Malformed::Truncated),
        (&[0xfd], Malformed::Truncated),
        (&[], Malformed::Truncated),
    ] {
        for command in ["inv", "getdata", "notfound", "headers", "addr", "addrv2"] {
            let reason = ended_by(&frame(&Network::regtest(), command, payload)).await;
            assert_eq!(malformed(&reason), expected, "{command} {payload:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_before_version() {
    let early = frame(&Network::regtest(), "ping", &[0; 8]);
    let reason = refused_after(&early, &config(V2::Off)).await;
    let unexpected = Violation::Unexpected { command: Kind::Ping.into(), expected: "version" };
    assert_eq!(reason, DisconnectReason::Violation(unexpected));
    judged(&reason, Fault::Remote, Retry::Never);
    let reason = refused_after(&frame(&Network::regtest(), "verack", &[]), &config(V2::Off)).await;
    assert!(matches!(reason, DisconnectReason::Violation(Violation::Unexpected { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_message_before_verack() {
    for message in every_message() {
        let (ours, theirs) = duplex(PIPE);
        let config = config(V2::Off);
        let mut remote = script(theirs, Direction::Inbound, &config);
        let talk = async {
            remote.expect(Kind::Version).await;
            remote.say(&Message::Version(Box::new(version(70_016)))).await;
            remote.say(&message).await;
            remote.say(&Message::Verack).await;
        };
        let result = tokio::join!(initiate(ours, &config), talk).0.map(|_| ());
        if matches!(message, Message::Unknown { .. } | Message::Alert(_)) {
            result.unwrap();
            continue;
        }
        let reason = reason_of(result);
        let command = message.kind().into();
        let unexpected = Violation::Unexpected { command, expected: "verack" };
        assert_eq!(reason, DisconnectReason::Violation(unexpected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_version_or_verack_and_late_features() {
    let introduction = Message::Version(Box::new(version(70_016)));
    for (message, violation) in [
        (introduction, Violation::Duplicate { command: Kind::Version.into() }),
        (Message::Verack, Violation::Duplicate { command: Kind::Verack.into() }),
        (Message::SendAddrV2, Violation::Late { command: Kind::SendAddrV2.into() }),
        (Message::WtxidRelay, Violation::Late { command: Kind::WtxidRelay.into() }),
    ] {
        let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
        remote.say(&message).await;
        let reason = end.end().await;
        assert_eq!(reason, DisconnectReason::Violation(violation));
        judged(&reason, Fault::Remote, Retry::Never);
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_before_the_opening_is_done() {
    let (ours, theirs) = duplex(PIPE);
    let config = config(V2::Off);
    let mut remote = script(theirs, Direction::Inbound, &config);
    let talk = async {
        remote.expect(Kind::Version).await;
        remote.say(&Message::Version(Box::new(version(70_016)))).await;
        for _ in 0..32 {
            remote.say(&unknown(1)).await;
        }
    };
    let reason = reason_of(tokio::join!(initiate(ours, &config), talk).0.map(|_| ()));
    assert_eq!(reason, DisconnectReason::Violation(Violation::OpeningFlood { max: 32 }));
}

#[tokio::test(start_paused = true)]
async fn v2_garbage_without_a_terminator() {
    for v2 in [V2::Preferred, V2::Required] {
        let noise = vec![0x55; 64 + 4_095 + 16];
        let reason = refused_after(&noise, &config(v2)).await;
        assert_eq!(malformed(&reason), Malformed::NoGarbageTerminator);
        // One byte less, and it may still come: until the opening's time is over.
        let start = Instant::now();
        let reason = refused_after(&noise[1..], &config(v2)).await;
        assert_eq!(reason, DisconnectReason::OpeningTimeout);
        assert_eq!(start.elapsed(), 30 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn v2_decoys_without_end_before_the_opening_is_done() {
    let (ours, theirs) = duplex(PIPE);
    let config = config(V2::Required);
    let mut remote = script(theirs, Direction::Outbound, &config);
    let talk = async {
        for _ in 0..17 {
            remote.say_decoy(&[0; 1_000]).await;
        }
    };
    let reason = reason_of(tokio::join!(accept(ours, &config), talk).0.map(|_| ()));
    assert_eq!(reason, DisconnectReason::Violation(Violation::DecoyFlood { max: 16 << 10 }));
}

#[tokio::test(start_paused = true)]
async fn tampered_ciphertext() {
    // Somebody in between flips one bit of a packet: of its length, header, contents or tag.
    for position in [0, 3, 4, 20] {
        let (ours, mut near) = duplex(PIPE);
        let (mut far, theirs) = duplex(PIPE);
        let (dialling, dialled) = (config(V2::Required), config(V2::Required));
        let opened = async { tokio::join!(initiate(ours, &dialling), accept(theirs, &dialled)) };
        let (ours, theirs) = tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => unreachable!("nobody ends"),
            (ours, theirs) = opened => (ours.unwrap(), theirs.unwrap()),
        };
        let mut end = End { peer: theirs.0, events: theirs.1 };
        // What was still on its way when both were content.
        let rest = tokio::io::copy_bidirectional(&mut near, &mut far);
        let _ = tokio::time::timeout(SECOND, rest).await;

        ours.0.send_tracked(&Message::GetAddr).await.unwrap().await.unwrap();
        let mut packet = [0; 33];
        near.read_exact(&mut packet).await.unwrap();
        packet[position] ^= 1;
        far.write_all(&packet).await.unwrap();
        far.write_all(&[0; 300]).await.unwrap(); // in case the length has become larger
        assert_eq!(malformed(&end.end().await), Malformed::BadTag, "{position}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_reads_nothing() {
    let mut config = config(V2::Off);
    config.engine.stall_detection = false;
    let (mut end, mut remote) = scripted(&config, version(70_016)).await;
    let start = Instant::now();
    // It speaks, so that it is not idle, and never reads.
    let talk = async {
        loop {
            remote.say(&Message::SendHeaders).await;
            tokio::time::sleep(10 * SECOND).await;
        }
    };
    let large = Message::Block(block(1_000_000));
    end.peer.try_send(&large).unwrap();
    let reason = tokio::select! {
        () = talk => unreachable!("it talks for ever"),
        reason = end.end() => reason,
    };
    assert_eq!(reason, DisconnectReason::WriteStalled { while_not_reading: false });
    judged(&reason, Fault::Slowness, Retry::Later);
    // 60 s, and 1 s for each 10,000 bytes of the block.
    assert_eq!(start.elapsed().as_secs(), 60 + 100);
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_reads_one_byte_a_second() {
    let (mut end, remote) = scripted(&config(V2::Off), version(70_016)).await;
    let start = Instant::now();
    let mut io = remote.into_io();
    let talk = async {
        let keepalive = frame(&Network::regtest(), "sendheaders", &[]);
        for second in 0.. {
            if second % 60 == 0 {
                io.write_all(&keepalive).await.unwrap();
            }
            let _ = io.read_u8().await.unwrap();
            tokio::time::sleep(SECOND).await;
        }
    };
    end.peer.try_send(&Message::Block(block(1_000_000))).unwrap();
    let reason = tokio::select! {
        () = talk => unreachable!("it reads for ever"),
        reason = end.end() => reason,
    };
    assert_eq!(reason, DisconnectReason::WriteStalled { while_not_reading: false });
    assert_eq!(start.elapsed().as_secs(), 160);
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_sends_one_byte_a_second() {
    // In the opening: 30 s, whatever trickles in.
    let (ours, mut theirs) = duplex(PIPE);
    let start = Instant::now();
    let introduction = frame(&Network::regtest(), "version", &[0; 86]);
    let drip = async {
        for byte in introduction {
            let _ = theirs.write_all(&[byte]).await;
            tokio::time::sleep(SECOND).await;
        }
    };
    let config = config(V2::Off);
    let reason = reason_of(tokio::join!(accept(ours, &config), drip).0.map(|_| ()));
    assert_eq!(reason, DisconnectReason::OpeningTimeout);
    judged(&reason, Fault::Slowness, Retry::Later);
    assert!(start.elapsed() >= 30 * SECOND);

    // After it: five minutes without a whole message, and a second for each 10,000 bytes to come.
    let (end, mut remote) = scripted(&config, version(70_016)).await;
    let start = Instant::now();
    let mut header = frame(&Network::regtest(), "block", &[]);
    header[16..20].copy_from_slice(&1_000_000_u32.to_le_bytes());
    remote.say_bytes(&header).await;
    let drip = async {
        loop {
            remote.say_bytes(&[0]).await;
            tokio::time::sleep(SECOND).await;
        }
    };
    let reason = tokio::select! {
        () = drip => unreachable!("it drips for ever"),
        reason = end.peer.closed() => reason,
    };
    assert_eq!(reason, DisconnectReason::Idle);
    judged(&reason, Fault::Slowness, Retry::Later);
    assert_eq!(start.elapsed().as_secs(), 300 + 100);
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_that_never_says_anything() {
    for (v2, direction) in [
        (V2::Off, Direction::Inbound),
        (V2::Preferred, Direction::Inbound),
        (V2::Required, Direction::Outbound),
        (V2::Off, Direction::Outbound),
    ] {
        let (ours, _theirs) = duplex(PIPE);
        let start = Instant::now();
        let config = config(v2);
        let result = match direction {
            Direction::Inbound => accept(ours, &config).await,
            Direction::Outbound => initiate(ours, &config).await,
        };
        let error = result.map(|_| ()).unwrap_err();
        assert_eq!((error.fault(), error.retry()), (Fault::Slowness, Retry::Later));
        assert_eq!(reason_of(Err(error)), DisconnectReason::OpeningTimeout);
        assert_eq!(start.elapsed(), 30 * SECOND);
    }
    // After the opening: five minutes.
    let (mut end, _remote) = scripted(&config(V2::Off), version(70_016)).await;
    let start = Instant::now();
    let reason = end.end().await;
    assert_eq!(reason, DisconnectReason::Idle);
    assert_eq!(start.elapsed(), 300 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_answers_no_ping() {
    let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    let start = Instant::now();
    remote.set_patience(Duration::MAX);
    let talk = async {
        loop {
            remote.say(&Message::SendHeaders).await;
            tokio::time::sleep(60 * SECOND).await;
        }
    };
    let reason = tokio::select! {
        () = talk => unreachable!("it talks for ever"),
        reason = end.end() => reason,
    };
    assert_eq!(reason, DisconnectReason::PongTimeout);
    judged(&reason, Fault::Slowness, Retry::Later);
    assert_eq!(start.elapsed(), (120 + 300) * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_does_not_answer_a_request() {
    let (mut end, _remote) = scripted(&config(V2::Off), version(70_016)).await;
    let wanted = Inventory::new(&[tx_item(1)]).unwrap();
    let start = Instant::now();
    end.peer.send(&Message::GetData(wanted)).await.unwrap();
    let reason = end.end().await;
    assert_eq!(reason, DisconnectReason::Stalled(Kind::GetData.into()));
    judged(&reason, Fault::Slowness, Retry::Later);
    assert_eq!(start.elapsed(), 30 * SECOND);
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_message() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let config = config(V2::Off);
    let remote = async {
        let mut remote = Script::v1(
            TcpStream::connect(target).await.unwrap(),
            Direction::Outbound,
            &Network::regtest(),
        );
        remote.open(version(70_016), &[]).await;
        remote
    };
    let accepted = async { accept(listener.accept().await.unwrap().0, &config).await };
    let (accepted, mut remote) = tokio::join!(accepted, remote);
    let (peer, events) = accepted.unwrap();
    let mut end = End { peer, events };
    remote.say(&Message::GetAddr).await;
    let whole = frame(&Network::regtest(), "tx", &[0; 500]);
    remote.say_bytes(&whole[..100]).await;
    assert_eq!(end.message().await, Message::GetAddr);
    let socket = remote.into_io();
    socket.set_zero_linger().unwrap();
    drop(socket);
    let reason = end.end().await;
    assert_eq!(reason, DisconnectReason::Io(std::io::ErrorKind::ConnectionReset));
    judged(&reason, Fault::Nobody, Retry::Later);
}

#[tokio::test(start_paused = true)]
async fn unknown_traffic_is_noticed_and_then_ends_the_connection() {
    let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    let talk = async {
        for _ in 0..16 {
            remote.say(&unknown(64 << 10)).await;
        }
    };
    let listen = async {
        let mut noticed = 0;
        loop {
            match end.events.next().await {
                Some(Event::Message(_)) => {}
                Some(Event::Misbehaved(_)) => noticed += 1,
                Some(Event::Disconnected(reason)) => return (noticed, reason),
                other => panic!("{other:?}"),
            }
        }
    };
    let (noticed, reason) = tokio::join!(listen, talk).0;
    assert_eq!(noticed, 1);
    assert_eq!(reason, DisconnectReason::Violation(Violation::UnknownFlood { max: 1 << 20 }));
    judged(&reason, Fault::Remote, Retry::Never);
}

#[tokio::test(start_paused = true)]
async fn memory_follows_the_bytes_that_came_and_not_those_that_were_claimed() {
    let mut config = config(V2::Off);
    config.budget = Budget::new(64 << 20);
    let mut claims: Vec<(End, Remote)> = Vec::new();
    let mut header = frame(&Network::regtest(), "block", &[]);
    header[16..20].copy_from_slice(&4_000_000_u32.to_le_bytes());
    for _ in 0..50 {
        let (end, mut remote) = scripted(&config, version(70_016)).await;
        remote.say_bytes(&header).await;
        remote.say_bytes(&[0; 1_000]).await;
        claims.push((end, remote));
    }
    settle().await;
    assert!(config.budget.used() <= 50 * (128 << 10), "{:?}", config.budget);
    // As much as came, and at most as much again.
    claims[0].1.say_bytes(&vec![0; 1_000_000]).await;
    settle().await;
    assert!(
        config.budget.used() <= 50 * (128 << 10) + (2 << 20) + (128 << 10),
        "{:?}",
        config.budget
    );
    drop(claims);
    settle().await;
    assert_eq!(config.budget.used(), 0, "nothing is left of connections that ended");
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_noise_never_harms_the_next_connection() {
    let config = config(V2::Preferred);
    let mut rng = peerage_wire::Rng::from_seed([9; 32]);
    for _ in 0..50 {
        let mut noise = vec![0; 1 + rng.below(6_000)];
        rng.fill(&mut noise);
        let (ours, theirs) = duplex(PIPE);
        let mut theirs: DuplexStream = theirs;
        let talk = async {
            theirs.write_all(&noise).await.unwrap();
            theirs.shutdown().await.unwrap();
        };
        let error = tokio::join!(accept(ours, &config), talk).0.map(|_| ()).unwrap_err();
        assert!(matches!(error.fault(), Fault::Remote | Fault::Nobody), "{error:?}");
    }
    let (mut end, mut remote) = scripted(&world::config(V2::Off), version(70_016)).await;
    remote.say(&Message::GetAddr).await;
    assert_eq!(end.message().await, Message::GetAddr);
    assert_eq!(HEADER_LEN, 24);
}
