//! Opening a connection, and failing to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use peerage::kaspa_legacy::message::{Ping, RejectCode, Version};
use peerage::kaspa_legacy::types::{
    Hash, PeerAddress, Services, SubnetworkId, TimestampUnit, UserAgent,
};
use peerage::kaspa_legacy::{
    Config, DisconnectReason, Fault, Kind, Listener, Message, OpenError, Peer, Refusal, Retry,
    State, Violation, accept, accept_with, connect, initiate, initiate_with,
};
use peerage_wire::Malformed;
use tokio::io::duplex;
use tokio::net::TcpListener;

use crate::remote::{PIPE, Remote, node, tip, version};

/// Why an opening failed.
fn reason<T: std::fmt::Debug>(result: Result<T, OpenError>) -> DisconnectReason {
    match result {
        Err(OpenError::Ended { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn both_sides_count_the_195_bytes_of_kaspads_own_test() {
    let mut config = Config::simnet();
    config.identity.user_agent =
        UserAgent::from_raw(&b"/kaspad:0.5.0/peer:1.0(comment)/"[..]).unwrap();
    let mut other = config.clone();
    other.identity.nonces = peerage::kaspa_legacy::Nonces::default();
    let (ours, theirs) = duplex(PIPE);
    let (alice, bob) = tokio::join!(initiate(ours, &config), accept(theirs, &other));
    let ((alice, mut heard), (bob, mut also)) = (alice.unwrap(), bob.unwrap());
    assert_eq!(heard.message().await.unwrap(), Message::Verack);
    assert_eq!(also.message().await.unwrap(), Message::Verack);
    tokio::time::sleep(Duration::from_millis(1)).await;
    for stats in [alice.stats(), bob.stats()] {
        assert_eq!((stats.bytes_sent, stats.bytes_received), (195, 195));
        assert!(stats.verack_received);
        assert_eq!(stats.selected_tip, config.identity.network.genesis);
        assert_eq!((stats.remote.version, stats.remote.agreed), (1, 1));
        assert_eq!(stats.remote.user_agent, config.identity.user_agent);
        assert_eq!(stats.remote.time_offset, 0);
    }
}

#[tokio::test]
async fn over_tcp_each_is_told_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (alice, bob) = (node(), Config::simnet());
    let accepting = async { accept(listener.accept().await.unwrap().0, &alice).await };
    let (accepted, dialled) = tokio::join!(accepting, connect(address, &bob));
    let ((alice, _), (bob, _)) = (accepted.unwrap(), dialled.unwrap());
    let told = PeerAddress { services: Services::NETWORK, ..PeerAddress::from(address) };
    assert_eq!(alice.remote().addr_recv, told);
    assert_eq!(alice.remote().addr_from.ip, PeerAddress::UNSPECIFIED.ip);
    assert_eq!(bob.remote().services, Services::NETWORK | Services::BLOOM);
    bob.disconnect();
    assert_eq!(alice.closed().await, DisconnectReason::RemoteClosed);
}

#[tokio::test(start_paused = true)]
async fn the_selected_tip_is_asked_for_with_each_introduction() {
    let synced = Arc::new(AtomicBool::new(false));
    let asked = synced.clone();
    let config = Config::simnet().selected_tip(move || match asked.load(Ordering::Relaxed) {
        true => Hash::of(b"high"),
        false => Hash::of(b"low"),
    });
    for expected in [Hash::of(b"low"), Hash::of(b"high")] {
        let (mut remote, ours) = Remote::pair();
        remote.say(&Message::Version(Box::new(version()))).await;
        let (peer, _events) = accept(ours, &config).await.unwrap();
        let Message::Version(said) = remote.expect(Kind::Version).await else { unreachable!() };
        assert_eq!(said.selected_tip, expected);
        assert_eq!(peer.stats().selected_tip, tip());
        synced.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn timestamps_may_be_milliseconds() {
    let mut config = Config::simnet();
    config.identity.network.timestamps = TimestampUnit::Millis;
    let (mut remote, ours) = Remote::pair();
    let timestamp = 1_593_561_600_000;
    remote.say(&Message::Version(Box::new(Version { timestamp, ..version() }))).await;
    let (peer, _events) = accept(ours, &config).await.unwrap();
    let Message::Version(said) = remote.expect(Kind::Version).await else { unreachable!() };
    assert!(said.timestamp > timestamp, "milliseconds");
    let offset = (timestamp - said.timestamp) / 1_000;
    assert_eq!(peer.remote().time_offset, offset);
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_let_go_after_30_seconds() {
    let began = tokio::time::Instant::now();
    let (mut remote, ours) = Remote::pair();
    let result = accept(ours, &Config::simnet()).await;
    assert_eq!(reason(result), DisconnectReason::OpeningTimeout);
    assert_eq!(began.elapsed().as_secs(), 30);
    remote.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn we_do_not_talk_to_ourselves() {
    let config = Config::simnet();
    let (ours, theirs) = duplex(PIPE);
    let (dialled, accepted) = tokio::join!(initiate(ours, &config), accept(theirs, &config));
    assert_eq!(reason(accepted), DisconnectReason::SelfConnection);
    assert_eq!(reason(dialled), DisconnectReason::RemoteClosed);

    let mut allowed = config;
    allowed.identity.allow_self_connections = true;
    let (ours, theirs) = duplex(PIPE);
    let (dialled, accepted) = tokio::join!(initiate(ours, &allowed), accept(theirs, &allowed));
    assert!(dialled.is_ok() && accepted.is_ok());
}

#[tokio::test(start_paused = true)]
async fn incompatible_remotes_are_refused_without_a_word() {
    let partial = Version { subnetwork: Some(SubnetworkId::from([9; 20])), ..version() };
    let negative = Version { version: -1, ..version() };
    for (theirs, expected) in [
        (partial, Violation::Incompatible { what: "partial nodes are not allowed" }),
        (negative, Violation::Obsolete { version: -1, minimum: 1 }),
    ] {
        let (mut remote, ours) = Remote::pair();
        remote.say(&Message::Version(Box::new(theirs))).await;
        let result = accept(ours, &Config::simnet()).await;
        let error = result.expect_err("the remote does not fit");
        assert_eq!((error.fault(), error.retry()), (Fault::Remote, Retry::Never));
        assert_eq!(reason(Err::<(), _>(error)), DisconnectReason::Violation(expected));
        remote.expect_end().await;
    }
}

/// Refuses everybody, and must never be told of a connection.
struct Refuse;

impl Listener for Refuse {
    fn on_version(&mut self, remote: &peerage::kaspa_legacy::Remote) -> Result<(), Refusal> {
        assert_eq!(remote.selected_tip, tip());
        Err(Refusal::new("not today"))
    }

    fn on_verack(&mut self, _peer: &Peer) {
        panic!("a verack from somebody who was refused");
    }

    fn on_state(&mut self, _peer: &Peer, state: State) {
        let refused = DisconnectReason::Refused(Refusal::new("not today"));
        assert_eq!(state, State::Disconnected(refused));
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_refuse_the_remote() {
    let refused = DisconnectReason::Refused(Refusal::new("not today"));
    let (mut remote, ours) = Remote::pair();
    remote.say(&Message::Version(Box::new(version()))).await;
    remote.say(&Message::Verack).await;
    assert_eq!(reason(accept_with(ours, &Config::simnet(), Refuse).await), refused);
    // It hears the reason, and nothing that would make it believe in a connection.
    assert_eq!(remote.expect_reject().await, ("version".into(), RejectCode::NONSTANDARD.0));
    remote.expect_end().await;

    let (mut remote, ours) = Remote::pair();
    remote.say(&Message::Version(Box::new(version()))).await;
    assert_eq!(reason(initiate_with(ours, &Config::simnet(), Refuse).await), refused);
    remote.expect(Kind::Version).await;
    assert_eq!(remote.expect_reject().await, ("version".into(), RejectCode::NONSTANDARD.0));
    remote.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_with_the_version_is_handled_after_it() {
    let (mut remote, ours) = Remote::pair();
    remote.say(&Message::Version(Box::new(version()))).await;
    remote.say(&Message::Ping(Ping { nonce: 5 })).await;
    let (_peer, mut events) = accept(ours, &Config::simnet()).await.unwrap();
    assert_eq!(events.message().await.unwrap(), Message::Ping(Ping { nonce: 5 }));
    drop(events);
    remote.expect(Kind::Version).await;
    remote.expect(Kind::Verack).await;
    remote.expect(Kind::Pong).await;
}

#[tokio::test(start_paused = true)]
async fn a_stranger_may_not_claim_much() {
    let (mut remote, ours) = Remote::pair();
    remote.say_frame(Kind::Inv.into(), &[0; 1_025]).await;
    let DisconnectReason::Malformed(Malformed::TooLarge { max, .. }) =
        reason(accept(ours, &Config::simnet()).await)
    else {
        panic!("it was taken");
    };
    assert_eq!(max, 1_024);
    remote.expect_end().await;
}
