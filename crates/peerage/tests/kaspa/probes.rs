//! The nine probes that kaspad's library was put to, from both sides of the call, and what a sound
//! node does about them. Where it ends the connection it says no `reject`, as kaspad does not.

use bytes::Bytes;
use peerage::kaspa::message::{IbdBlockLocator, Ping, Reject, RequestAddresses};
use peerage::kaspa::{
    AddressAnswers, Config, DisconnectReason, Fault, Kind, Message, Payload, Violation,
};

use crate::remote::{BOTH, Remote, framed, framed_message, listen, reason, version};

/// A remote that packs nothing gets nothing packed, and both sides end cleanly.
#[tokio::test(start_paused = true)]
async fn plain_normal() {
    for caller in BOTH {
        let mut config = Config::simnet();
        config.gzip.send = true;
        config.addresses = many_addresses();
        let (peer, events, mut remote) = Remote::open(caller, &config).await;
        listen(events);
        assert_eq!(remote.headers.get("grpc-accept-encoding").unwrap(), "gzip");
        remote.expect_alive(5).await;
        remote.say(Payload::RequestAddresses(RequestAddresses::default()));
        remote.expect(Kind::Addresses).await;
        assert_eq!(remote.unpacked, 0);
        remote.send.send_data(Bytes::new(), true).unwrap();
        assert_eq!(peer.closed().await, DisconnectReason::RemoteClosed, "{caller:?} called");
        remote.expect_end(caller).await;
    }
}

/// Kaspad packs all it says. We take it, and pack what is large where that is asked for.
#[tokio::test(start_paused = true)]
async fn gzip_normal() {
    for (caller, send) in BOTH.into_iter().flat_map(|caller| [(caller, false), (caller, true)]) {
        let mut config = Config::simnet();
        config.gzip.send = send;
        config.addresses = many_addresses();
        let (peer, events, mut remote) = Remote::open_with(caller, &config, true, version()).await;
        listen(events);
        assert_eq!(remote.headers.get("grpc-encoding").is_some(), send);
        remote.expect_alive(5).await;
        assert_eq!(remote.unpacked, 0, "small ones would grow");
        remote.say(Payload::RequestAddresses(RequestAddresses::default()));
        let Payload::Addresses(told) = remote.expect(Kind::Addresses).await.payload else {
            unreachable!()
        };
        assert_eq!((told.addresses.len(), remote.unpacked), (500, usize::from(send)));
        drop(peer);
        remote.expect_end(caller).await;
    }
}

fn many_addresses() -> AddressAnswers {
    AddressAnswers::from_fn(|_| vec![([10, 0, 0, 1], 16_511).into(); 500])
}

/// Who packs although we did not offer to unpack is let go.
#[tokio::test(start_paused = true)]
async fn gzip_that_was_not_offered() {
    for caller in BOTH {
        let mut config = Config::simnet();
        config.gzip.accept = false;
        let (peer, _events, mut remote) = Remote::open(caller, &config).await;
        assert_eq!(remote.headers.get("grpc-accept-encoding"), None);
        remote.packs = true;
        remote.say(Payload::Ping(Ping { nonce: 5 }));
        let reason = peer.closed().await;
        assert!(matches!(reason, DisconnectReason::Malformed(_)), "{reason}");
        remote.expect_end(caller).await;
    }
}

#[tokio::test(start_paused = true)]
async fn second_version() {
    for caller in BOTH {
        for payload in [Payload::Version(Box::new(version())), Payload::Verack, Payload::Ready] {
            let (peer, _events, mut remote) = Remote::open(caller, &Config::simnet()).await;
            let command = payload.kind().into();
            remote.say(payload);
            let duplicate = Violation::Duplicate { command };
            assert_eq!(peer.closed().await, DisconnectReason::Violation(duplicate));
            remote.expect_end(caller).await;
        }
    }
}

/// Kaspad lets go of whoever sends what it has no route for. Here both what is unknown and what
/// nobody sends any more are events, and the connection lives.
#[tokio::test(start_paused = true)]
async fn unrouted() {
    for caller in BOTH {
        let (_peer, mut events, mut remote) = Remote::open(caller, &Config::simnet()).await;
        let unknown = Payload::Unknown { number: 1_001, body: Bytes::from_static(b"later") };
        let dead = Payload::IbdBlockLocator(IbdBlockLocator::default());
        for payload in [unknown, dead] {
            let message = Message { request_id: 7, response_id: 0, payload };
            remote.say(message.clone());
            assert_eq!(events.message().await.unwrap(), message);
        }
        listen(events);
        remote.expect_alive(5).await;
    }
}

#[tokio::test(start_paused = true)]
async fn empty_envelope() {
    for caller in BOTH {
        for body in [&[][..], &[0xb0, 0x06, 0x2a]] {
            let (peer, _events, mut remote) = Remote::open(caller, &Config::simnet()).await;
            remote.say_body(body);
            let reason = peer.closed().await;
            assert!(matches!(reason, DisconnectReason::Malformed(_)), "{reason}");
            assert_eq!(reason.fault(), Fault::Remote);
            remote.expect_end(caller).await;
        }
    }
}

/// Kaspad ends a connection on which it hears one. Here that is the application's to do: it is told,
/// and most remotes hang up by themselves.
#[tokio::test(start_paused = true)]
async fn reject() {
    for caller in BOTH {
        let (peer, mut events, mut remote) = Remote::open(caller, &Config::simnet()).await;
        let payload = Payload::Reject(Reject { reason: "no more of this".into() });
        remote.say(payload.clone());
        assert_eq!(events.message().await.unwrap(), payload.into());
        assert_eq!(peer.close_reason(), None);
        let reply = peer.push_reject("nor of this").await.unwrap();
        assert_eq!(remote.expect_reject().await, "nor of this");
        reply.await.unwrap();
        drop(remote);
        assert_eq!(peer.closed().await, DisconnectReason::RemoteClosed);
    }
}

/// An answer to nothing that was asked is a message like others.
#[tokio::test(start_paused = true)]
async fn bad_response_id() {
    for caller in BOTH {
        let (_peer, mut events, mut remote) = Remote::open(caller, &Config::simnet()).await;
        for response_id in [1, 99, 1 << 31, u32::MAX] {
            let payload = Payload::DoneHeaders;
            let message = Message { request_id: 0, response_id, payload };
            remote.say(message.clone());
            assert_eq!(events.message().await.unwrap(), message);
        }
        listen(events);
        remote.expect_alive(5).await;
    }
}

#[tokio::test(start_paused = true)]
async fn garbage() {
    let bad: [&[u8]; 5] = [
        &framed(0, &[0xff; 16]),                        // an endless number
        &framed(0, &[0x82, 0x01, 0x7f]),                // a ping that ends too soon
        &framed(0, &[0x83, 0x01]),                      // a group
        &framed(2, &[0x82, 0x01, 0x00]),                // no flag that there is
        &[0, 0xff, 0xff, 0xff, 0xff, 0x82, 0x01, 0x00], // 4 GiB
    ];
    for caller in BOTH {
        for bytes in bad {
            let (peer, _events, mut remote) = Remote::open(caller, &Config::simnet()).await;
            remote.say_bytes(bytes.to_vec());
            let reason = peer.closed().await;
            assert!(matches!(reason, DisconnectReason::Malformed(_)), "{reason}");
            assert_eq!(reason.fault(), Fault::Remote);
            remote.expect_end(caller).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nonversion_first() {
    for caller in BOTH {
        let (opened, ()) = Remote::opening(caller, &Config::simnet(), async |remote| {
            remote.say(Payload::Ping(Ping { nonce: 1 }));
            remote.expect(Kind::Version).await;
            remote.expect_end(caller).await;
        })
        .await;
        let expected =
            Violation::Unexpected { command: Kind::Ping.into(), expected: "the opening" };
        assert_eq!(reason(opened), DisconnectReason::Violation(expected));
    }
}

/// What came before the bad message is told; what comes with it is not.
#[tokio::test(start_paused = true)]
async fn everything_before_the_bad_message_counts() {
    for caller in BOTH {
        let (_peer, mut events, mut remote) = Remote::open(caller, &Config::simnet()).await;
        let good = framed_message(Payload::Verack);
        let ping = framed_message(Payload::Reject(Reject { reason: "first".into() }));
        remote.say_bytes([&ping[..], &good, &ping].concat());
        assert_eq!(events.message().await.unwrap().kind(), Kind::Reject);
        let duplicate = Violation::Duplicate { command: Kind::Verack.into() };
        assert_eq!(events.message().await, Err(DisconnectReason::Violation(duplicate)));
    }
}
