//! Opening a connection, and failing to.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use peerage::kaspa::message::{NetAddress, Reject, Version};
use peerage::kaspa::{
    Config, Direction, DisconnectReason, Fault, Kind, Listener, Network, OurId, Payload, Refusal,
    Retry, Target, Violation, accept, accept_with, connect, initiate,
};
use tokio::io::duplex;
use tokio::net::TcpListener;

use crate::remote::{BOTH, Caller, PIPE, Remote, listen, reason, version};

#[tokio::test]
async fn two_of_ours_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (mut alice, bob) = (Config::simnet(), Config::simnet());
    alice.identity.address = Some(([127, 0, 0, 1], 16_511).into());
    alice.identity.version = 11;
    let accepting = async { accept(listener.accept().await.unwrap().0, &alice).await };
    let (accepted, dialled) = tokio::join!(accepting, connect(address, &bob));
    let ((alice, _), (bob, _)) = (accepted.unwrap(), dialled.unwrap());
    assert_eq!(bob.remote_addr(), Some(&Target::Address(address)));
    assert_eq!((alice.direction(), bob.direction()), (Direction::Inbound, Direction::Outbound));
    assert_eq!((bob.remote().version, bob.remote().agreed), (11, 10));
    assert_eq!((alice.remote().version, alice.remote().agreed), (10, 10));
    assert_eq!(bob.remote().address, Some(([127, 0, 0, 1], 16_511).into()));
    assert_eq!(bob.remote().id, alice.remote().our_id);
    assert_ne!(bob.remote().id, bob.remote().our_id);
    assert!(alice.remote().time_offset.abs() <= 1);
    bob.disconnect();
    assert_eq!(alice.closed().await, DisconnectReason::RemoteClosed);
}

#[tokio::test(start_paused = true)]
async fn another_network_is_refused_with_a_word() {
    for caller in BOTH {
        let (opened, said) = Remote::opening(caller, &Config::simnet(), async |remote| {
            let theirs = Version { network: "kaspa-mainnet".into(), ..version() };
            remote.say(Payload::Version(Box::new(theirs)));
            remote.expect(Kind::Version).await;
            let said = remote.expect_reject().await;
            remote.expect_end(caller).await;
            said
        })
        .await;
        assert_eq!(said, "incompatible: another network");
        let error = opened.unwrap_err();
        assert_eq!((error.fault(), error.retry()), (Fault::Remote, Retry::Never));
        let violation = Violation::Incompatible { what: "another network" };
        assert_eq!(reason(Err::<(), _>(error)), DisconnectReason::Violation(violation));
    }
    // Two of ours: whoever is told first has its reason, and neither gets a connection.
    let (ours, theirs) = duplex(PIPE);
    let (simnet, devnet) = (Config::simnet(), Config::new(Network::devnet()));
    let (dialled, accepted) = tokio::join!(initiate(ours, &simnet), accept(theirs, &devnet));
    let reasons = [reason(dialled), reason(accepted)];
    assert!(reasons.iter().any(|it| matches!(it, DisconnectReason::Violation(_))), "{reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn old_versions_are_refused_with_a_word() {
    for (caller, mirror) in [(Caller::Remote, false), (Caller::We, false), (Caller::We, true)] {
        let mut config = Config::simnet();
        config.identity.mirror = mirror;
        let (opened, said) = Remote::opening(caller, &config, async |remote| {
            let theirs = Version { protocol_version: 9, ..version() };
            remote.say(Payload::Version(Box::new(theirs)));
            if !mirror {
                remote.expect(Kind::Version).await;
            }
            remote.expect_reject().await
        })
        .await;
        assert_eq!(said, "protocol version 9, our minimum is 10");
        let violation = Violation::Obsolete { version: 9, minimum: 10 };
        assert_eq!(reason(opened), DisconnectReason::Violation(violation));
    }
}

/// Our own protocol version, that of the remote, and what is agreed.
#[tokio::test(start_paused = true)]
async fn the_lower_version_is_agreed() {
    for (ours, theirs, agreed) in [(10, 12, 10), (11, 12, 11), (11, 10, 10), (12, 12, 11)] {
        for caller in BOTH {
            let mut config = Config::simnet();
            config.identity.version = ours;
            let theirs = Version { protocol_version: theirs, ..version() };
            let (peer, _events, _remote) =
                Remote::open_with(caller, &config, false, theirs.clone()).await;
            let remote = peer.remote();
            assert_eq!((remote.version, remote.agreed), (theirs.protocol_version, agreed));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_mirror_says_what_it_has_heard() {
    for (theirs, said) in [(10, 10), (11, 11), (12, 11)] {
        let mut config = Config::simnet();
        config.identity.mirror = true;
        let (opened, ()) = Remote::opening(Caller::We, &config, async |remote| {
            remote
                .say(Payload::Version(Box::new(Version { protocol_version: theirs, ..version() })));
            let Payload::Version(heard) = remote.expect(Kind::Version).await.payload else {
                unreachable!()
            };
            assert_eq!(heard.protocol_version, said);
            remote.expect(Kind::Verack).await;
            remote.say(Payload::Ready);
            remote.say(Payload::Verack);
            remote.expect(Kind::Ready).await;
        })
        .await;
        assert_eq!(opened.unwrap().0.remote().agreed, said);
    }
    // What a mirror has not said cannot be accepted.
    let mut config = Config::simnet();
    config.identity.mirror = true;
    let (opened, ()) = Remote::opening(Caller::We, &config, async |remote| {
        remote.say(Payload::Verack);
        remote.expect_end(Caller::We).await;
    })
    .await;
    let unexpected =
        Violation::Unexpected { command: Kind::Verack.into(), expected: "the opening" };
    assert_eq!(reason(opened), DisconnectReason::Violation(unexpected));
}

/// What of the three comes when is the remote's affair.
#[tokio::test(start_paused = true)]
async fn any_order_will_do() {
    for caller in BOTH {
        let (opened, ()) = Remote::opening(caller, &Config::simnet(), async |remote| {
            remote.say(Payload::Ready);
            remote.say(Payload::Unknown { number: 70, body: Bytes::new() });
            remote.say(Payload::Verack);
            remote.say(Payload::Version(Box::new(version())));
            remote.expect(Kind::Version).await;
            remote.expect(Kind::Verack).await;
            remote.expect(Kind::Ready).await;
        })
        .await;
        opened.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn we_do_not_talk_to_ourselves() {
    let config = Config::simnet();
    let (ours, theirs) = duplex(PIPE);
    let (dialled, accepted) = tokio::join!(initiate(ours, &config), accept(theirs, &config));
    let reasons = [reason(dialled), reason(accepted)];
    assert!(reasons.contains(&DisconnectReason::SelfConnection), "{reasons:?}");
    let fits =
        |it: &_| matches!(it, DisconnectReason::SelfConnection | DisconnectReason::RemoteClosed);
    assert!(reasons.iter().all(fits), "{reasons:?}");

    let mut allowed = config;
    allowed.identity.allow_self_connections = true;
    let (ours, theirs) = duplex(PIPE);
    let (dialled, accepted) = tokio::join!(initiate(ours, &allowed), accept(theirs, &allowed));
    assert!(dialled.is_ok() && accepted.is_ok());
}

/// Takes every node once, as kaspad does.
#[derive(Clone, Default)]
struct Once(Arc<Mutex<HashSet<[u8; 16]>>>);

impl Listener for Once {
    fn on_version(&mut self, remote: &peerage::kaspa::Remote) -> Result<(), Refusal> {
        match self.0.lock().unwrap().insert(remote.id.to_bytes()) {
            true => Ok(()),
            false => Err(Refusal::new("DUPLICATE_CONNECTION")),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_refuses_duplicates_as_kaspad_does() {
    let (node, once) = (Config::simnet(), Once::default());
    let mut crawler = Config::simnet();
    let refused = DisconnectReason::Refused(Refusal::new("DUPLICATE_CONNECTION"));
    let mut kept = Vec::new();
    for (id, taken) in
        [(OurId::PerNode, true), (OurId::PerNode, false), (OurId::PerConnection, true)]
    {
        crawler.identity.id = id;
        let (ours, theirs) = duplex(PIPE);
        let accepting = accept_with(theirs, &node, once.clone());
        let (dialled, accepted) = tokio::join!(initiate(ours, &crawler), accepting);
        if taken {
            kept.push((dialled.unwrap(), accepted.unwrap()));
            continue;
        }
        assert_eq!(reason(accepted), refused);
        let told = reason(dialled);
        assert_eq!(told.to_string(), "the remote refused us: DUPLICATE_CONNECTION");
        assert_eq!((told.fault(), told.retry()), (Fault::Nobody, Retry::Later));
    }
    assert_eq!(kept.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn long_names_are_cut_between_characters() {
    let odd = format!("x{}", "ü".repeat(200));
    for (name, kept) in
        [("x".repeat(256), 256), ("x".repeat(300), 256), ("ü".repeat(200), 256), (odd, 255)]
    {
        let theirs = Version { user_agent: name.clone(), ..version() };
        let (peer, _events, _remote) =
            Remote::open_with(Caller::Remote, &Config::simnet(), false, theirs).await;
        let remote = peer.remote();
        assert_eq!(remote.user_agent.as_text().as_bytes(), &name.as_bytes()[..kept]);
    }
}

/// An address that is none is left out; an id that is none cannot be.
#[tokio::test(start_paused = true)]
async fn what_kaspad_would_not_read() {
    let address = Some(NetAddress { timestamp: 0, ip: Bytes::from_static(&[1; 5]), port: 1 });
    let theirs = Version { address, ..version() };
    let (peer, events, mut remote) =
        Remote::open_with(Caller::Remote, &Config::simnet(), false, theirs).await;
    assert_eq!(peer.remote().address, None);
    listen(events);
    remote.expect_alive(1).await;

    for len in [0, 15, 17] {
        let (opened, _) = Remote::opening(Caller::Remote, &Config::simnet(), async |remote| {
            let id = Bytes::from(vec![1; len]);
            remote.say(Payload::Version(Box::new(Version { id, ..version() })));
            remote.expect(Kind::Version).await;
            remote.expect_reject().await
        })
        .await;
        assert!(matches!(reason(opened), DisconnectReason::Violation(_)), "{len}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reject_inside_the_opening_is_the_reason() {
    for caller in BOTH {
        for after_version in [false, true] {
            let (opened, ()) = Remote::opening(caller, &Config::simnet(), async |remote| {
                remote.expect(Kind::Version).await;
                if after_version {
                    remote.say(Payload::Version(Box::new(version())));
                    remote.expect(Kind::Verack).await;
                }
                let reason = "LOOPBACK_CONNECTION".into();
                remote.say(Payload::Reject(Reject { reason }));
                remote.expect_end(caller).await;
            })
            .await;
            let told = reason(opened).to_string();
            assert_eq!(told, "the remote refused us: LOOPBACK_CONNECTION");
        }
    }
    // No more of it is kept than anybody reads.
    let (opened, ()) = Remote::opening(Caller::We, &Config::simnet(), async |remote| {
        remote.say(Payload::Reject(Reject { reason: "é".repeat(1_500) }));
        while remote.hear().await.is_ok() {}
    })
    .await;
    let DisconnectReason::Rejected(why) = reason(opened) else { panic!("it is a rejection") };
    assert_eq!(why.as_bytes(), "é".repeat(512).as_bytes());
}
