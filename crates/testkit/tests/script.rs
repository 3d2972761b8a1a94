//! Two scripts talk to each other.
#![allow(missing_docs)]

use std::time::Duration;

use peerage_testkit::{Script, version};
use peerage_transport::Negotiated;
use peerage_wire::{Direction, EMPTY_CHECKSUM, Message as _};
use peerage_wire_bitcoin::message::Version;
use peerage_wire_bitcoin::{Kind, Message, Network};
use tokio::io::{DuplexStream, duplex};

type Ends = (Script<DuplexStream>, Script<DuplexStream>);

fn ends(v2: bool) -> Ends {
    let (a, b) = duplex(8 << 10);
    let network = Network::regtest();
    if v2 {
        let a = Script::v2(a, Direction::Outbound, &network, 1);
        (a, Script::v2(b, Direction::Inbound, &network, 2))
    } else {
        let a = Script::v1(a, Direction::Outbound, &network);
        (a, Script::v1(b, Direction::Inbound, &network))
    }
}

#[tokio::test(start_paused = true)]
async fn two_scripts_open_and_talk() {
    for v2 in [false, true] {
        let (mut a, mut b) = ends(v2);
        let features = [Message::WtxidRelay, Message::SendAddrV2];
        let (heard_by_a, heard_by_b) =
            tokio::join!(a.open(version(70_016), &features), b.open(version(70_015), &[]));
        assert_eq!(heard_by_a.version, version(70_015));
        assert_eq!(heard_by_b.features, features);
        assert_eq!((a.agreed(), b.agreed()), (70_015, 70_015));
        let transport = a.transport().negotiated();
        assert_eq!(matches!(transport, Some(Negotiated::V2 { .. })), v2);

        let talk = async {
            a.say(&Message::ping(7)).await;
            a.say_decoy(&[1; 100]).await;
            a.say(&Message::GetAddr).await;
            a.expect_message(&Message::pong(7)).await;
            a.close().await;
        };
        let listen = async {
            b.say(&Message::pong(7)).await;
            b.expect(Kind::Ping).await;
            b.skip_to(Kind::GetAddr).await;
            b.expect_closed().await;
        };
        tokio::join!(talk, listen);
        assert_eq!(a.sent(), b.received());
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_are_those_on_the_wire() {
    let (mut a, mut b) = ends(false);
    let header = [&b"\xfa\xbf\xb5\xdaverack\0\0\0\0\0\0\0\0\0\0"[..], &EMPTY_CHECKSUM].concat();
    tokio::join!(a.say(&Message::Verack), b.expect_bytes(&header));
    a.say_bytes(&header).await;
    b.expect_message(&Message::Verack).await;
    b.expect_silence(Duration::from_secs(20)).await;
    a.say_payload(Kind::GetAddr, &[]).await;
    drop(a);
    assert_eq!(b.drain().await, [Message::GetAddr]);
}

#[tokio::test(start_paused = true)]
#[should_panic = "nothing came in time"]
async fn what_does_not_come_fails_the_test() {
    let (_a, mut b) = ends(false);
    b.expect(Kind::Version).await;
}

#[tokio::test(start_paused = true)]
#[should_panic = "came where ping was due"]
async fn another_message_fails_the_test() {
    let (mut a, mut b) = ends(false);
    a.say(&Message::GetAddr).await;
    b.expect(Kind::Ping).await;
}

#[tokio::test(start_paused = true)]
async fn openings_agree_on_old_versions() {
    let (mut a, mut b) = ends(false);
    let old = Version { relay: false, ..version(209) };
    let (_, heard) = tokio::join!(b.open(version(70_017), &[]), a.open(old, &[]));
    assert_eq!(heard.version.version, 70_017);
    assert_eq!((a.agreed(), b.agreed()), (209, 209));
}
