//! An open connection: how messages are cut and packed, who may send how much, and what is written.

mod toy;

use std::time::Duration;

use bytes::Bytes;
use peerage_peer::{Budget, DisconnectReason, Negotiated, TrySendError};
use peerage_wire::{Direction, Kind as _, Malformed};
use tokio::io::duplex;
use toy::remote::framed;
use toy::{
    Client, LARGE, Said, Server, Terms, Which, agree, called, calling, ended, message, within,
};

#[tokio::test(start_paused = true)]
async fn twenty_mebibytes_through_a_window_of_one() {
    let terms = Terms::default();
    for inbound in [false, true] {
        let ((peer, mut events), mut remote) = if inbound {
            called(&terms, Client::default()).await
        } else {
            calling(&terms, Server::default()).await
        };
        let said = Said::new(Which::Large, 20 << 20);
        remote.say_message(&said);
        assert!(message(&mut events).await == said);
        peer.send(&said).await.unwrap();
        assert!(remote.hear_message().await.unwrap() == said.envelope);
    }
    assert_eq!(terms.budget.used(), 0, "given back");
}

#[tokio::test(start_paused = true)]
async fn however_data_frames_cut_messages() {
    let ((_peer, mut events), mut remote) = called(&Terms::default(), Client::default()).await;
    let all: Vec<Said> = (0..10).map(|n| Said::new(Which::Small, n * 100)).collect();
    let stream = all.iter().flat_map(|said| framed(0, &said.envelope)).collect::<Bytes>();
    remote.say(stream.clone());
    for said in &all {
        assert_eq!(message(&mut events).await, *said, "all in one");
    }
    for at in 0..stream.len() {
        remote.say(stream.slice(at..=at));
    }
    for said in &all {
        assert_eq!(message(&mut events).await, *said, "a byte each");
    }
    // A large one in single bytes costs us no more than its bytes.
    let large = Said::new(Which::Large, 200_000);
    let stream = framed(0, &large.envelope);
    for at in 0..stream.len() {
        remote.say(stream.slice(at..=at));
    }
    assert!(message(&mut events).await == large);
}

#[tokio::test(start_paused = true)]
async fn packed_where_both_want_it() {
    let packing = Terms::options(|options| options.send_gzip = true);
    let [(dialler, mut dialled), (listener, mut listened)] = packing.pair().await;
    for said in [
        Said::dull(Which::Large, 1_000_000),
        Said::new(Which::Large, 1_000_000),
        Said::dull(Which::Small, 1_023),
        Said::dull(Which::Small, 10),
    ] {
        let before = dialler.stats().bytes_sent;
        dialler.send_tracked(&said).await.unwrap().await.unwrap();
        assert!(message(&mut listened).await == said);
        listener.send(&said).await.unwrap();
        assert!(message(&mut dialled).await == said);
        tokio::time::sleep(Duration::from_secs(1)).await;
        if said == Said::dull(Which::Large, 1_000_000) {
            let took = dialler.stats().bytes_sent - before;
            assert!(took < 20_000, "{took} bytes for a million that are all the same");
        }
    }

    // A remote that does not unpack gets plain bytes.
    let ((peer, mut events), mut remote) = called(&packing, Client::default()).await;
    assert_eq!(peer.stats().transport, Negotiated::Grpc { gzip: false });
    let dull = Said::dull(Which::Large, 10_000);
    peer.send(&dull).await.unwrap();
    assert_eq!(remote.hear().await, Some((0, dull.envelope.to_vec())));
    // Nor may it pack, because it did not say that it would.
    remote.say(framed(1, &dull.envelope));
    let what = "gRPC flag: packed, which was not agreed";
    assert_eq!(ended(&mut events).await, Malformed::Invalid { what }.into());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_unpack_says_so() {
    let plain = Terms::options(|options| options.accept_gzip = false);
    let ((_peer, mut events), mut remote) = calling(&plain, Server::default()).await;
    assert!(!remote.headers.contains_key("grpc-accept-encoding"));
    remote.say(framed(1, &[4; 30]));
    let what = "gRPC flag: packed, which was not agreed";
    assert_eq!(ended(&mut events).await, Malformed::Invalid { what }.into());

    let packing = Terms::options(|options| options.send_gzip = true);
    let ((peer, mut events), mut remote) = calling(
        &packing,
        Server::default().header("grpc-encoding", "gzip").header("grpc-accept-encoding", "gzip"),
    )
    .await;
    let dull = Said::dull(Which::Large, 100_000);
    peer.send(&dull).await.unwrap();
    let (flag, packed) = remote.hear().await.unwrap();
    assert_eq!(flag, 1);
    assert!(packed.len() < 2_000);
    remote.say(framed(1, &packed));
    assert!(message(&mut events).await == dull);
}

#[tokio::test(start_paused = true)]
async fn lengths_and_bombs_end_it_at_once() {
    let ((_peer, mut events), mut remote) = called(&Terms::default(), Client::default()).await;
    remote.say(&[0, 255, 255, 255, 255][..]);
    let DisconnectReason::Malformed(Malformed::TooLarge { len, max, .. }) =
        ended(&mut events).await
    else {
        panic!()
    };
    assert_eq!((len, max), (u64::from(u32::MAX), LARGE as u64));
    // Its last words, and a clean end.
    assert_eq!(remote.hear_message().await.unwrap(), Said::new(Which::Small, 8).envelope);
    assert_eq!(remote.hear().await, None);
    assert_eq!(within(remote.receive.trailers()).await.unwrap().unwrap()["grpc-status"], "0");

    let terms = Terms { budget: Budget::new(64 << 20), ..Terms::default() };
    let client = Client::default().header("grpc-encoding", "gzip");
    let ((_peer, mut events), mut remote) = called(&terms, client).await;
    let mut bomb = vec![0; 400_000_000];
    bomb[0] = 5;
    let mut packer = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packer, &bomb).unwrap();
    remote.say(framed(1, &packer.finish().unwrap()));
    let reason = ended(&mut events).await;
    let DisconnectReason::Malformed(Malformed::TooLarge { command, max, .. }) = reason else {
        panic!("{reason}")
    };
    assert_eq!((command, max), (Which::Large.name(), LARGE as u64));
    assert_eq!(terms.budget.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn before_both_agree_little_is_taken() {
    let (ours, theirs) = duplex(64 << 10);
    let opening =
        tokio::spawn(async move { Terms::default().open(ours, Direction::Inbound).await });
    let mut remote = within(Client::default().call(theirs)).await.unwrap();
    remote.say(framed(0, &[5; 5_000]));
    let error = within(opening).await.unwrap().unwrap_err().to_string();
    assert!(error.contains("5000 bytes, the limit is 4096"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_receipt_comes_when_the_last_byte_was_written() {
    // What the socket holds is little, so what was not read was not written.
    let (ours, theirs) = duplex(1_000);
    let opening =
        tokio::spawn(async move { Terms::default().open(ours, Direction::Inbound).await });
    let mut remote = within(Client::default().call(theirs)).await.unwrap();
    agree(&mut remote).await;
    let (peer, _events) = within(opening).await.unwrap().unwrap();
    // The remote moves its connection, and takes what its window of 1 MiB allows.
    let first = peer.try_send_tracked(&Said::new(Which::Large, 500_000)).unwrap();
    within(first).await.unwrap();
    let mut second = peer.try_send_tracked(&Said::new(Which::Large, 600_000)).unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(30), &mut second).await;
    assert!(waited.is_err(), "the window ends 50,000 bytes before the message does");
    assert_eq!(remote.hear_message().await.unwrap().len(), 500_001);
    within(second).await.unwrap();
    assert_eq!(remote.hear_message().await.unwrap().len(), 600_001);
}

#[tokio::test(start_paused = true)]
async fn who_gives_no_window_is_let_go() {
    let ((peer, mut events), remote) = called(&Terms::default(), Client::default()).await;
    let began = tokio::time::Instant::now();
    let mut held = 0;
    let full = loop {
        match peer.try_send(&Said::new(Which::Large, 100_000)) {
            Ok(()) => held += 100_000,
            Err(full) => break full,
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(full, TrySendError::Full);
    // Its window, our outbox, and a message more for each.
    assert!(held <= (1 << 20) + (1 << 20) + 200_000, "{held} bytes");
    assert_eq!(
        ended(&mut events).await,
        DisconnectReason::WriteStalled { while_not_reading: false }
    );
    let took = began.elapsed().as_secs();
    assert!((60..=75).contains(&took), "{took} s: a minute, and the time of the message");
    drop(remote);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_read_must_stop() {
    let terms = Terms::config(|config| config.event_limit = 100_000);
    let ((peer, mut events), mut remote) = called(&terms, Client::default()).await;
    // Nobody takes the events.
    let said = Said::new(Which::Large, 50_000);
    for _ in 0..100 {
        remote.say_message(&said);
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    // What is measured is told after each round of work.
    peer.send_tracked(&Said::new(Which::Small, 1)).await.unwrap().await.unwrap();
    let received = peer.stats().bytes_received;
    // What the events hold, one read, the window, and the frames' headers.
    assert!(received < 100_000 + (128 << 10) + (1 << 20) + 20_000, "{received} bytes");
    assert!(received > 1 << 20, "{received} bytes: all of the window");
    for _ in 0..100 {
        assert!(message(&mut events).await == said);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_for_memory_that_others_hold() {
    let terms = Terms { budget: Budget::new(400_000), ..Terms::default() };
    let ((_peer, mut first), mut hoarder) = called(&terms, Client::default()).await;
    let ((_also, mut second), mut other) = called(&terms, Client::default()).await;
    let said = Said::new(Which::Large, 300_000);
    let stream = framed(0, &said.envelope);
    hoarder.say(stream.slice(..290_000));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(terms.budget.used(), 300_001);
    other.say(stream.clone());
    let waited = tokio::time::timeout(Duration::from_secs(20), second.next()).await;
    assert!(waited.is_err(), "there is no memory for the second");
    hoarder.say(stream.slice(290_000..));
    assert!(message(&mut first).await == said);
    assert!(message(&mut second).await == said);
    assert_eq!(terms.budget.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_over_the_stream() {
    let ((_peer, mut events), mut remote) = called(&Terms::default(), Client::default()).await;
    for nonce in 0..5_000_u64 {
        let mut ping = vec![2];
        ping.extend(nonce.to_be_bytes());
        remote.say(framed(0, &ping));
    }
    let reading = tokio::spawn(async move { ended(&mut events).await });
    for nonce in 0..5_000_u64 {
        let pong = remote.hear_message().await.unwrap();
        assert_eq!((pong[0], &pong[1..]), (3, &nonce.to_be_bytes()[..]));
    }
    drop(remote);
    assert_eq!(within(reading).await.unwrap(), DisconnectReason::RemoteClosed);
}
