//! What kaspad wants of every peer: answers to `requestAddresses`, pongs, and pings of ours.

use std::net::SocketAddr;
use std::time::Duration;

use peerage::kaspa::message::{Addresses, Ping, Pong, RequestAddresses};
use peerage::kaspa::types::SubnetworkId;
use peerage::kaspa::{
    AddressAnswers, Config, DisconnectReason, Kind, Listener, Message, Payload, Peer, PongOrder,
    accept_with,
};
use tokio::io::duplex;
use tokio::time::Instant;

use crate::remote::{BOTH, Caller, PIPE, Remote, listen, version};

fn address(n: u16) -> SocketAddr {
    let [high, low] = n.to_be_bytes();
    ([10, 1, high, low], 16_511).into()
}

/// Asks for addresses with this number, and gives those that come.
async fn ask(remote: &mut Remote, request_id: u32) -> Vec<SocketAddr> {
    let request = RequestAddresses {
        include_all_subnetworks: request_id == 7,
        subnetwork_id: (request_id == 8).then_some(SubnetworkId::NATIVE),
    };
    let payload = Payload::RequestAddresses(request);
    remote.say(Message { request_id, response_id: 0, payload });
    let answer = remote.expect(Kind::Addresses).await;
    assert_eq!(answer.response_id, request_id, "an answer names the number, if there is one");
    let Payload::Addresses(answer) = answer.payload else { unreachable!() };
    answer.addresses.iter().map(|address| address.try_into().unwrap()).collect()
}

/// Kaspad lets go of who does not answer within two minutes, also if he has no addresses. Nobody has
/// to read events for that.
#[tokio::test(start_paused = true)]
async fn addresses_are_none_unless_told_otherwise() {
    for caller in BOTH {
        let (_peer, mut events, mut remote) = Remote::open(caller, &Config::simnet()).await;
        for id in [0, 5] {
            assert_eq!(ask(&mut remote, id).await, []);
            let seen = events.message().await.unwrap();
            assert_eq!((seen.kind(), seen.request_id), (Kind::RequestAddresses, id));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_function_may_tell_them_and_at_most_a_thousand_are_sent() {
    let mut config = Config::simnet();
    config.addresses = AddressAnswers::from_fn(|request| {
        let count = match (request.include_all_subnetworks, request.subnetwork_id) {
            (true, _) => 3,
            (false, Some(_)) => 5_000,
            (false, None) => 1_000,
        };
        (0..count).map(address).collect()
    });
    for caller in BOTH {
        let (_peer, events, mut remote) = Remote::open(caller, &config).await;
        listen(events);
        for (id, count) in [(7, 3), (8, 1_000), (0, 1_000)] {
            let all: Vec<_> = (0..count).map(address).collect();
            assert_eq!(ask(&mut remote, id).await, all);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_application_may_answer() {
    let mut config = Config::simnet();
    config.addresses = AddressAnswers::ByApplication;
    let (peer, mut events, mut remote) = Remote::open(Caller::Remote, &config).await;
    let answer = async {
        let asked = events.message().await.unwrap();
        let addresses = vec![address(1).into()];
        peer.send(&asked.answer(Payload::Addresses(Addresses { addresses }))).await.unwrap();
    };
    let (heard, ()) = tokio::join!(ask(&mut remote, 5), answer);
    assert_eq!(heard, [address(1)]);
    listen(events);
    remote.say(Payload::RequestAddresses(RequestAddresses::default()));
    remote.expect_alive(1).await;
}

/// Answers from its own method, beside what is done for it.
struct Echo;

impl Listener for Echo {
    fn on_request_addresses(&mut self, peer: &Peer, message: &Message, _: &RequestAddresses) {
        let addresses = vec![address(2).into()];
        let answer = message.answer(Payload::Addresses(Addresses { addresses }));
        peer.try_send(&answer).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_answer() {
    let mut config = Config::simnet();
    config.addresses = AddressAnswers::ByApplication;
    let (ours, theirs) = duplex(PIPE);
    let remote = async {
        let mut remote = Remote::call(theirs, false).await;
        remote.introduce(version()).await;
        remote
    };
    let (peer, mut remote) = tokio::join!(accept_with(ours, &config, Echo), remote);
    assert_eq!(ask(&mut remote, 9).await, [address(2)]);
    drop(peer);
    remote.expect_end(Caller::Remote).await;
}

/// Whoever asks again and again without reading the answers is not read any more; nothing piles up.
#[tokio::test(start_paused = true)]
async fn who_asks_without_reading_is_not_read() {
    let mut config = Config::simnet();
    config.addresses = AddressAnswers::from_fn(|_| (0..1_000).map(address).collect());
    let (ours, theirs) = duplex(PIPE);
    let script = async {
        let mut remote = Remote::call_with(theirs, false, 1_000).await;
        remote.introduce(version()).await;
        remote
    };
    let (opened, mut remote) = tokio::join!(peerage::kaspa::accept(ours, &config), script);
    let (peer, events) = opened.unwrap();
    drop(events);
    for _ in 0..5_000 {
        remote.say(Payload::RequestAddresses(RequestAddresses::default()));
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    let answered = peer.stats().received.get(Kind::RequestAddresses).messages;
    assert!((1..200).contains(&answered), "{answered} of 5,000 were answered");
    assert!(peer.stats().outbox_bytes < 2 << 20, "{}", peer.stats().outbox_bytes);
    // Who takes nothing of a message for a minute is let go.
    let reason = peer.closed().await;
    assert!(matches!(reason, DisconnectReason::WriteStalled { .. }), "{reason}");
}

/// A pong leaves when what came before its ping was read, unless it shall leave at once.
#[tokio::test(start_paused = true)]
async fn pongs_follow_what_was_read() {
    for at_once in [false, true] {
        let mut config = Config::simnet();
        config.engine.pong = if at_once { PongOrder::AtOnce } else { PongOrder::Ordered };
        let (_peer, mut events, mut remote) = Remote::open(Caller::We, &config).await;
        remote.say(Payload::Ping(Ping { nonce: 5 }));
        let waited = tokio::time::timeout(Duration::from_secs(1), remote.hear()).await;
        assert_eq!(waited.is_ok(), at_once);
        if !at_once {
            assert_eq!(events.message().await.unwrap(), Payload::Ping(Ping { nonce: 5 }).into());
            listen(events);
            remote.expect(Kind::Pong).await;
        }
    }
}

/// Our pings go out every two minutes, as kaspad's do, and may take two minutes.
#[tokio::test(start_paused = true)]
async fn our_pings_are_to_be_answered() {
    let (peer, events, mut remote) = Remote::open(Caller::Remote, &Config::simnet()).await;
    listen(events);
    let began = Instant::now();
    for round in 1..3 {
        let Payload::Ping(Ping { nonce }) = remote.expect(Kind::Ping).await.payload else {
            unreachable!()
        };
        assert_eq!(began.elapsed().as_secs(), 120 * round);
        remote.say(Payload::Pong(Pong { nonce }));
    }
    remote.expect(Kind::Ping).await;
    remote.say(Payload::Pong(Pong { nonce: 1 }));
    assert_eq!(peer.closed().await, DisconnectReason::PongTimeout);
    assert_eq!(began.elapsed().as_secs(), 120 * 3 + 120);
    assert!(peer.stats().ping.last.is_some());
    remote.expect_end(Caller::Remote).await;
}
