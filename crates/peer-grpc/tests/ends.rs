//! How connections end, whoever ends them and at whatever moment.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

mod toy;

use bytes::Bytes;
use h2::Reason;
use peerage_peer::{DisconnectReason, OpenError};
use peerage_wire::{Direction, Malformed};
use tokio::io::{AsyncWriteExt as _, duplex};
use tokio::net::{TcpListener, TcpStream};
use toy::remote::framed;
use toy::{
    Client, Remote, Said, Server, Terms, Which, agree, called, calling, ended, message, within,
};

/// The ways in which a remote may hang up.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// It says that it is done.
    EndOfStream,
    Reset(Reason),
    /// It takes no more calls, and ends this one.
    HangUp,
}

const WAYS: [Way; 4] =
    [Way::EndOfStream, Way::Reset(Reason::CANCEL), Way::Reset(Reason::INTERNAL_ERROR), Way::HangUp];

impl Remote {
    async fn leave(mut self, way: Way, server: bool) {
        match way {
            Way::EndOfStream if server => {
                let trailers = [("grpc-status".parse().unwrap(), "0".parse().unwrap())];
                self.send.send_trailers(http::HeaderMap::from_iter(trailers)).unwrap();
            }
            Way::EndOfStream => self.send.send_data(Bytes::new(), true).unwrap(),
            Way::Reset(reason) => self.send.send_reset(reason),
            Way::HangUp => self.work.abort(),
        }
        // What was said is written while the test waits for us.
        let _ = self.work.await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_before_the_end_is_given_first() {
    for way in WAYS {
        for server in [true, false] {
            let terms = Terms::default();
            let ((_peer, mut events), mut remote) = if server {
                calling(&terms, Server::default()).await
            } else {
                called(&terms, Client::default()).await
            };
            let said = Said::new(Which::Large, 100_000);
            remote.say_message(&said);
            remote.say_message(&said);
            // And a message that never becomes whole.
            remote.say(framed(0, &said.envelope).slice(..50_000));
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            tokio::spawn(remote.leave(way, server));
            assert!(message(&mut events).await == said, "{way:?}");
            assert!(message(&mut events).await == said, "{way:?}");
            let reason = ended(&mut events).await;
            let broken = DisconnectReason::Io(std::io::ErrorKind::BrokenPipe);
            let hung_up = matches!(way, Way::HangUp) && reason == broken;
            assert!(reason == DisconnectReason::RemoteClosed || hung_up, "{way:?}: {reason}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn in_the_opening() {
    for way in WAYS {
        for direction in [Direction::Outbound, Direction::Inbound] {
            let (ours, theirs) = duplex(64 << 10);
            let opening = tokio::spawn(async move { Terms::default().open(ours, direction).await });
            let server = direction == Direction::Outbound;
            let mut remote = if server {
                within(Server::default().answer(theirs)).await
            } else {
                within(Client::default().call(theirs)).await.unwrap()
            };
            remote.hear_message().await.unwrap();
            remote.say(framed(0, &Said::new(Which::Hello, 20).envelope).slice(..10));
            tokio::spawn(remote.leave(way, server));
            let OpenError::Ended { reason, .. } = within(opening).await.unwrap().unwrap_err()
            else {
                panic!("{way:?}")
            };
            assert_eq!(reason, DisconnectReason::RemoteClosed, "{way:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_reset_unanswered() {
    let (ours, theirs) = duplex(64 << 10);
    let opening =
        tokio::spawn(async move { Terms::default().open(ours, Direction::Outbound).await });
    let mut connection = h2::server::handshake(theirs).await.unwrap();
    let (_call, mut respond) = within(connection.accept()).await.unwrap().unwrap();
    respond.send_reset(Reason::REFUSED_STREAM);
    let work = tokio::spawn(async move { while connection.accept().await.is_some() {} });
    let error = within(opening).await.unwrap().unwrap_err();
    let OpenError::Ended { reason, .. } = error else { panic!("{error}") };
    assert_eq!(reason, DisconnectReason::RemoteClosed);
    within(work).await.unwrap();
}

#[tokio::test]
async fn a_socket_that_is_dropped() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = tokio::spawn(async move { listener.accept().await.unwrap().0 });
    let io = TcpStream::connect(address).await.unwrap();
    let terms = Terms::default();
    let opening = tokio::spawn(async move { terms.open(io, Direction::Outbound).await });
    let mut remote = within(Server::default().answer(accepted.await.unwrap())).await;
    agree(&mut remote).await;
    let (_peer, mut events) = within(opening).await.unwrap().unwrap();
    remote.say(framed(0, &Said::new(Which::Large, 100_000).envelope).slice(..70_000));
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    remote.work.abort();
    let reason = ended(&mut events).await;
    // A system tells of a socket that was dropped unread as a reset.
    let reset = DisconnectReason::Io(std::io::ErrorKind::ConnectionReset);
    assert!(reason == DisconnectReason::RemoteClosed || reason == reset, "{reason}");
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_does_not_end_this_one() {
    // A server that shuts down says so, and lets the calls that it has come to their end.
    let (ours, theirs) = duplex(64 << 10);
    let opening =
        tokio::spawn(async move { Terms::default().open(ours, Direction::Outbound).await });
    let mut connection = h2::server::handshake::<_>(theirs).await.unwrap();
    let (call, mut respond) = within(connection.accept()).await.unwrap().unwrap();
    let head = http::Response::builder().header("content-type", "application/grpc");
    let mut send = respond.send_response(head.body(()).unwrap(), false).unwrap();
    connection.graceful_shutdown();
    let work = tokio::spawn(async move { while connection.accept().await.is_some() {} });
    send.send_data(framed(0, &Said::new(Which::Hello, 20).envelope), false).unwrap();
    let (_peer, mut events) = within(opening).await.unwrap().unwrap();
    let said = Said::new(Which::Small, 100);
    send.send_data(framed(0, &said.envelope), false).unwrap();
    assert_eq!(message(&mut events).await, said);
    drop((call, send, respond));
    assert_eq!(ended(&mut events).await, DisconnectReason::RemoteClosed);
    within(work).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_ours_ends_as_calls_should() {
    // Everything was written: the end of the stream.
    let ((peer, events), mut remote) = called(&Terms::default(), Client::default()).await;
    let said = Said::new(Which::Small, 100);
    peer.send_tracked(&said).await.unwrap().await.unwrap();
    drop((peer, events));
    assert_eq!(remote.hear_message().await.unwrap(), said.envelope);
    assert_eq!(remote.hear().await, None);
    assert_eq!(within(remote.receive.trailers()).await.unwrap().unwrap()["grpc-status"], "0");

    let ((peer, events), mut remote) = calling(&Terms::default(), Server::default()).await;
    drop((peer, events));
    let end = within(remote.receive.data()).await.expect("the frame that ends the stream");
    assert_eq!(end.unwrap(), Bytes::new());

    // A message is cut: that is no end.
    let ((peer, events), mut remote) = called(&Terms::default(), Client::default()).await;
    peer.send(&Said::new(Which::Large, 3 << 20)).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    drop((peer, events));
    let error = loop {
        match within(remote.receive.data()).await {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("the end of a stream in the middle of a message"),
        }
    };
    assert_eq!(error.reason(), Some(Reason::CANCEL));
}

#[tokio::test(start_paused = true)]
async fn there_is_one_call_a_connection() {
    let (ours, theirs) = duplex(64 << 10);
    let opening =
        tokio::spawn(async move { Terms::default().open(ours, Direction::Inbound).await });
    let (mut calls, connection) = h2::client::handshake(theirs).await.unwrap();
    let work = tokio::spawn(connection);
    let request = || Client::default().request;
    let (first, mut send) = calls.send_request(request(), false).unwrap();
    let first = within(first).await.unwrap();
    send.send_data(framed(0, &Said::new(Which::Hello, 20).envelope), false).unwrap();
    let (_peer, mut events) = within(opening).await.unwrap().unwrap();
    // The library does not send what we forbid: by hand, then, in the test below.
    assert_eq!(calls.current_max_send_streams(), 1);
    drop((first, send));
    assert_eq!(ended(&mut events).await, DisconnectReason::RemoteClosed);
    let _ = within(work).await;
}

/// A frame as the connection carries it.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[a, b, c, kind, flags][..], &stream.to_be_bytes(), payload].concat()
}

/// The head of a call, as an encoder without a table would say it.
fn head(stream: u32) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    let mut literal = |index: u8, name: &str, value: &str| {
        block.push(index);
        if index == 0 {
            block.push(u8::try_from(name.len()).unwrap());
            block.extend(name.as_bytes());
        }
        block.push(u8::try_from(value.len()).unwrap());
        block.extend(value.as_bytes());
    };
    literal(0x04, ":path", "/toy.Toy/Talk");
    literal(0x01, ":authority", "localhost");
    literal(0x00, "content-type", "application/grpc");
    frame(1, 4, stream, &block)
}

/// An open connection whose remote then says these frames by hand.
async fn flooded(frames: impl Iterator<Item = Vec<u8>>) -> DisconnectReason {
    let (ours, theirs) = duplex(1 << 20);
    let opening =
        tokio::spawn(async move { Terms::default().open(ours, Direction::Inbound).await });
    let (mut read, mut write) = tokio::io::split(theirs);
    let reading =
        tokio::spawn(async move { tokio::io::copy(&mut read, &mut tokio::io::sink()).await });
    write.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let hello = framed(0, &Said::new(Which::Hello, 20).envelope);
    let opens = [frame(4, 0, 0, &[]), frame(4, 1, 0, &[]), head(1), frame(0, 0, 1, &hello)];
    write.write_all(&opens.concat()).await.unwrap();
    let (_peer, mut events) = within(opening).await.unwrap().unwrap();
    let ending = tokio::spawn(async move { ended(&mut events).await });
    for frame in frames {
        if write.write_all(&frame).await.is_err() {
            break;
        }
    }
    let _ = write.shutdown().await;
    let reason = within(ending).await.unwrap();
    let _ = within(reading).await;
    reason
}

#[tokio::test(start_paused = true)]
async fn remotes_that_abuse_http2() {
    let broken: DisconnectReason = Malformed::Invalid { what: "HTTP/2" }.into();
    let streams = || (0..1_000).map(|n| 3 + 2 * n);
    type Says = Box<dyn Iterator<Item = Vec<u8>>>;
    let cases: [(&str, Says); 8] = [
        ("streams beside ours", Box::new(streams().map(head))),
        (
            "streams opened and reset",
            Box::new(streams().map(|id| [head(id), frame(3, 0, id, &[0, 0, 0, 8])].concat())),
        ),
        ("empty data", Box::new((0..1_000).map(|_| frame(0, 0, 1, &[])))),
        ("data for no stream", Box::new([frame(0, 0, 99, &[1])].into_iter())),
        ("a frame above the limit", Box::new([frame(0, 0, 1, &[0; 20_000])].into_iter())),
        (
            "a head without an end",
            Box::new(
                [frame(1, 0, 3, &[0x83; 100])]
                    .into_iter()
                    .chain((0..1_000).map(|_| frame(9, 0, 3, &[0x83; 1_000]))),
            ),
        ),
        (
            "more than the window",
            Box::new(
                [framed(0, &Said::new(Which::Large, 3_000_000).envelope)]
                    .into_iter()
                    .flat_map(|message| {
                        message.chunks(16_000).map(<[u8]>::to_vec).collect::<Vec<_>>()
                    })
                    .map(|chunk| frame(0, 0, 1, &chunk)),
            ),
        ),
        ("a window beyond all", Box::new((0..3).map(|_| frame(8, 0, 1, &[0x7f, 255, 255, 255])))),
    ];
    for (what, frames) in cases {
        let reason = flooded(frames).await;
        if what == "more than the window" {
            // Ours takes it as fast as it comes, and opens the window again.
            assert_eq!(reason, DisconnectReason::RemoteClosed, "{what}");
        } else {
            assert_eq!(reason, broken, "{what}");
        }
    }
    // A few streams too many are only refused.
    let few = (0..5).map(|n| head(3 + 2 * n));
    assert_eq!(flooded(few).await, DisconnectReason::RemoteClosed);
    // Honest, if odd: pings, priorities and frames of kinds that nobody knows.
    let pings = (0..10_000).map(|_| frame(6, 0, 0, &[7; 8]));
    assert_eq!(flooded(pings).await, DisconnectReason::RemoteClosed);
    let unknown = (0..10_000).map(|_| frame(200, 0, 0, &[7; 80]));
    assert_eq!(flooded(unknown).await, DisconnectReason::RemoteClosed);
}
