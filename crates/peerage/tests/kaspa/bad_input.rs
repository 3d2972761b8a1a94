//! What no honest remote says, over real sockets: each ends with the reason that it is, in every
//! state, and the other connections of the same node live.

use std::time::Duration;

use h2::Reason;
use peerage::kaspa::message::{Ping, Pong};
use peerage::kaspa::{
    Config, DisconnectReason, Events, Fault, Kind, Malformed, Message, Payload, Peer, accept,
    connect,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::remote::{BOTH, Caller, Remote, framed, framed_message, listen, pack, reason, version};

/// A connection of ours to a remote over TCP.
async fn open(caller: Caller, gzip: bool) -> (Peer, Events, Remote) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = Config::simnet();
    let accepting = async { listener.accept().await.unwrap().0 };
    let (opened, remote) = match caller {
        Caller::Remote => {
            let ours = async { accept(accepting.await, &config).await };
            let theirs = async {
                let io = TcpStream::connect(address).await.unwrap();
                let mut remote = Remote::call(io, gzip).await;
                remote.introduce(version()).await;
                remote
            };
            tokio::join!(ours, theirs)
        }
        Caller::We => {
            let theirs = async {
                let mut remote = Remote::answer(accepting.await, gzip).await;
                remote.introduce(version()).await;
                remote
            };
            tokio::join!(connect(address, &config), theirs)
        }
    };
    let (peer, events) = opened.unwrap();
    (peer, events, remote)
}

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("not within 20 s")
}

/// The remote is to blame, and the end comes at once.
async fn blamed(peer: &Peer) -> Malformed {
    match soon(peer.closed()).await {
        DisconnectReason::Malformed(malformed) => malformed,
        other => panic!("{other}"),
    }
}

/// The payload of this number with so many bytes, as the envelope has it.
fn field(number: u32, len: usize) -> Vec<u8> {
    let mut body = Vec::new();
    Message::from(Payload::Unknown { number, body: vec![0; len].into() }).encode(&mut body);
    body
}

/// The cap of a kind holds before its bytes have come, for what is packed as well: what unpacks to
/// a thousand times its size is given up where the cap is reached.
#[tokio::test]
async fn each_kind_has_its_cap() {
    for caller in BOTH {
        for (kind, cap) in [
            (Kind::Ping, 4 << 10),
            (Kind::Reject, 16 << 10),
            (Kind::InvRelayBlock, 64),
            (Kind::RequestAddresses, 1 << 10),
            (Kind::Addresses, 128 << 10),
            (Kind::Transaction, 1 << 20),
            (Kind::Unknown(999), 1 << 20),
        ] {
            for packed in [false, true] {
                let (peer, _events, mut remote) = open(caller, true).await;
                let body = field(kind.number(), 4 * cap);
                if packed {
                    remote.say_bytes(framed(1, &pack(&body)));
                } else {
                    // No more than its head and its first bytes.
                    remote.say_bytes(framed(0, &body)[..5 + 8].to_vec());
                }
                match blamed(&peer).await {
                    Malformed::TooLarge { command, max, .. } => {
                        assert_eq!((command, max), (kind.into(), cap as u64), "packed: {packed}");
                    }
                    other => panic!("{kind}, packed: {packed}: {other}"),
                }
                remote.expect_end(caller).await;
            }
        }
    }
}

/// A packed message that is cut short, followed by more, not gzip at all, or longer when packed.
#[tokio::test]
async fn what_does_not_unpack() {
    let whole = pack(&[0x82, 0x01, 0x00]);
    let mut wrong_sum = whole.clone();
    let last = wrong_sum.len() - 5;
    wrong_sum[last] ^= 1;
    for bad in [
        whole[..whole.len() - 1].to_vec(),
        [&whole[..], b"more"].concat(),
        b"this is no gzip stream".to_vec(),
        wrong_sum,
        Vec::new(),
    ] {
        let (peer, _events, mut remote) = open(Caller::Remote, true).await;
        remote.say_bytes(framed(1, &bad));
        blamed(&peer).await;
        remote.expect_end(Caller::Remote).await;
    }
}

/// However messages are cut, they arrive.
#[tokio::test]
async fn pieces_of_one_byte() {
    for caller in BOTH {
        let (_peer, mut events, mut remote) = open(caller, true).await;
        let body = field(999, 700);
        for framed in [framed(0, &body), framed(1, &pack(&body))] {
            let message = [&framed[..], &framed_message(Payload::Ping(Ping { nonce: 5 }))].concat();
            for byte in message {
                remote.say_bytes(vec![byte]);
                tokio::task::yield_now().await;
            }
            let heard = soon(events.message()).await.unwrap();
            assert_eq!(heard.kind(), Kind::Unknown(999));
            let ping = soon(events.message()).await.unwrap();
            assert_eq!(ping.payload, Payload::Ping(Ping { nonce: 5 }));
        }
        listen(events);
        for nonce in [5, 5] {
            assert_eq!(remote.expect(Kind::Pong).await.payload, Payload::Pong(Pong { nonce }));
        }
    }
}

/// Protobuf as no encoder writes it, and what must be made of it: numbers before the payload,
/// several payloads, none.
#[tokio::test]
async fn odd_envelopes() {
    const ID: &[u8] = &[0xb0, 0x06, 0x2a];
    const RESPONSE: &[u8] = &[0xa8, 0x06, 0x07];
    const PING: &[u8] = &[0x82, 0x01, 0x02, 0x08, 0x05];
    const PONG: &[u8] = &[0x8a, 0x01, 0x02, 0x08, 0x06];
    const LATER: &[u8] = &[0x98, 0x7e, 0x01];
    let ping = Payload::Ping(Ping { nonce: 5 });
    let pong = Payload::Pong(Pong { nonce: 6 });
    for (parts, expected) in [
        // Numbers first, in either order; unknown fields; the last of several payloads.
        (vec![RESPONSE, ID, PING], Some((42, 7, ping.clone()))),
        (vec![ID, PING, RESPONSE], Some((42, 7, ping.clone()))),
        (vec![LATER, PING, LATER], Some((0, 0, ping.clone()))),
        (vec![PING, PONG], Some((0, 0, pong.clone()))),
        (vec![PONG, PING], Some((0, 0, ping.clone()))),
        (vec![PING, ID, PING], Some((42, 0, ping))),
        // A payload that is missing, cut off, or of another wire type; a number that is none.
        (vec![ID], None),
        (vec![LATER], None),
        (vec![&PING[..4]], None),
        (vec![&[0x80, 0x01, 0x05]], None),
        (vec![&[0xb2, 0x06, 0x01, 0x2a], PING], None),
    ] {
        let (peer, mut events, mut remote) = open(Caller::Remote, false).await;
        remote.say_body(&parts.concat());
        match expected {
            Some((request_id, response_id, payload)) => {
                let expected = Message { request_id, response_id, payload };
                assert_eq!(soon(events.message()).await.unwrap(), expected, "{parts:x?}");
            }
            None => drop(blamed(&peer).await),
        }
    }
}

/// The call is broken off, in each state and by either side of it.
#[tokio::test]
async fn resets() {
    for caller in BOTH {
        for code in
            [Reason::CANCEL, Reason::NO_ERROR, Reason::INTERNAL_ERROR, Reason::PROTOCOL_ERROR]
        {
            let (peer, mut events, mut remote) = open(caller, false).await;
            remote.say(Payload::Ping(Ping { nonce: 1 }));
            assert!(soon(events.message()).await.is_ok());
            remote.send.send_reset(code);
            let reason = soon(peer.closed()).await;
            assert_eq!(reason, DisconnectReason::RemoteClosed, "{caller:?}, {code:?}");
            assert_eq!(reason.fault(), Fault::Nobody);
        }
        // In the middle of a message, and of the opening.
        let (peer, _events, mut remote) = open(caller, false).await;
        remote.say_bytes(framed(0, &field(999, 5_000))[..3_000].to_vec());
        tokio::time::sleep(Duration::from_millis(20)).await;
        remote.send.send_reset(Reason::CANCEL);
        assert_eq!(soon(peer.closed()).await, DisconnectReason::RemoteClosed);

        let (opened, ()) = Remote::opening(caller, &Config::simnet(), async |remote| {
            remote.say(Payload::Version(Box::new(version())));
            remote.expect(Kind::Version).await;
            remote.send.send_reset(Reason::CANCEL);
            while remote.hear().await.is_ok() {}
        })
        .await;
        assert_eq!(reason(opened), DisconnectReason::RemoteClosed);
    }
}
