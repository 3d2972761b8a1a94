//! Remotes whose HTTP/2 is wrong, goes away, or is none.

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use peerage::kaspa::message::Ping;
use peerage::kaspa::{
    Config, DisconnectReason, Events, Fault, Kind, OpenError, Payload, Peer, accept, connect,
    initiate,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::bad_input::soon;
use crate::raw;
use crate::remote::{framed_message, reason, version};

/// What a server says, byte for byte, when we have dialled it, and why that is the end.
async fn dialled_by_us(said: &[u8]) -> Result<(Peer, Events), OpenError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let (mut io, _) = listener.accept().await.unwrap();
        io.write_all(said).await.unwrap();
        let mut rest = Vec::new();
        let _ = io.read_to_end(&mut rest).await;
    };
    let config = Config::simnet();
    let dialling = async {
        let stream = TcpStream::connect(address).await.unwrap();
        initiate(stream, &config).await
    };
    let (opened, ()) = soon(async { tokio::join!(dialling, server) }).await;
    opened
}

/// A server that says goodbye before it has said anything, one that is none, and one that is silent
/// after its first frame.
#[tokio::test]
async fn servers_that_are_none() {
    // It goes away (0), or has had enough of us (11), and did not see our call.
    for goaway in [raw::goaway(0, 0), raw::goaway(0, 11)] {
        let goodbye = [raw::settings(), goaway].concat();
        let ended = reason(dialled_by_us(&goodbye).await);
        assert_eq!(ended, DisconnectReason::RemoteClosed, "{goodbye:x?}");
    }
    for wrong in [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec(),
        vec![0xff; 100],
        [raw::settings(), raw::frame(0, 0, 1, b"data before a head")].concat(),
        [raw::settings(), raw::frame(5, 4, 1, &[0, 0, 0, 2, 0x88])].concat(),
    ] {
        let ended = reason(dialled_by_us(&wrong).await);
        assert_eq!(ended.fault(), Fault::Remote, "{ended}: {wrong:x?}");
    }
    let silent = reason(dialled_by_us(&raw::settings()).await);
    assert_eq!(silent, DisconnectReason::OpeningTimeout);
}

/// Callers that speak something else, or nothing.
#[tokio::test]
async fn callers_that_are_none() {
    use raw::PREFACE;
    let headers = |block: &[u8]| raw::frame(1, 4, 1, block);
    for (said, expected) in [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), Fault::Remote),
        (vec![0; 64], Fault::Remote),
        ([PREFACE, &raw::settings(), &headers(&[0x40])].concat(), Fault::Remote),
        ([PREFACE, &raw::frame(0, 0, 1, b"no call")].concat(), Fault::Remote),
        // It has called something else, which is nobody's fault.
        (
            [PREFACE, &raw::settings(), &headers(&[0x83, 0x86, 0x84, 0x41, 1, b'x'])].concat(),
            Fault::Nobody,
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = Config::simnet();
        let mut io = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        io.write_all(&said).await.unwrap();
        let accepting = async { accept(listener.accept().await.unwrap().0, &config).await };
        let ended = reason(soon(accepting).await);
        assert_eq!(ended.fault(), expected, "{ended}: {said:x?}");
        let mut rest = Vec::new();
        let _ = soon(io.read_to_end(&mut rest)).await;
    }
}

/// A server that goes away while messages are on their way.
#[tokio::test]
async fn goodbye_in_the_middle() {
    for graceful in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (io, _) = listener.accept().await.unwrap();
            let mut connection = h2::server::handshake(io).await.unwrap();
            let (request, mut respond) = connection.accept().await.unwrap().unwrap();
            let mut said = respond.send_response(crate::remote::response(false), false).unwrap();
            for payload in [Payload::Version(Box::new(version())), Payload::Verack, Payload::Ready]
            {
                said.send_data(framed_message(payload).into(), false).unwrap();
            }
            said.send_data(framed_message(Payload::Ping(Ping { nonce: 1 })).into(), false).unwrap();
            let pump = async {
                if !graceful {
                    // Everything said above leaves first.
                    let _ = timeout(Duration::from_millis(200), connection.accept()).await;
                    connection.abrupt_shutdown(Reason::INTERNAL_ERROR);
                } else {
                    connection.graceful_shutdown();
                    said.send_data(Bytes::new(), true).unwrap();
                }
                while let Some(Ok(_)) = connection.accept().await {}
            };
            pump.await;
            drop(request);
        };
        let server = async { timeout(Duration::from_secs(5), server).await };
        let dialling = async {
            let (peer, mut events) = connect(address, &Config::simnet()).await.unwrap();
            assert_eq!(events.message().await.unwrap().kind(), Kind::Ping);
            peer.closed().await
        };
        let (reason, _) = soon(async { tokio::join!(dialling, server) }).await;
        assert_eq!(reason, DisconnectReason::RemoteClosed, "graceful: {graceful}");
    }
}

/// Nobody may make more than one call over a connection: others are refused, and the first lives
/// unless there is no end of them.
#[tokio::test]
async fn one_call_is_enough() {
    for (calls, lives) in [(5, true), (5_000, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = Config::simnet();
        let mut io = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        io.set_nodelay(true).unwrap();
        io.write_all(&raw::opening()).await.unwrap();
        let accepting = async { accept(listener.accept().await.unwrap().0, &config).await };
        let (peer, mut events) = soon(accepting).await.unwrap();
        let script = async {
            for call in 1..=calls {
                // Whoever is let go cannot say more.
                if io.write_all(&raw::call(2 * call + 1)).await.is_err() {
                    return;
                }
            }
            let ping = framed_message(Payload::Ping(Ping { nonce: 1 }));
            let _ = io.write_all(&raw::frame(0, 0, 1, &ping)).await;
            let mut rest = Vec::new();
            let _ = timeout(Duration::from_millis(300), io.read_to_end(&mut rest)).await;
        };
        let (heard, ()) = soon(async { tokio::join!(events.message(), script) }).await;
        match heard {
            Ok(message) => assert!(lives, "{message:?}"),
            Err(reason) => {
                assert!(!lives, "{reason}");
                assert_eq!(reason.fault(), Fault::Remote, "{reason}");
            }
        }
        drop(peer);
    }
}
