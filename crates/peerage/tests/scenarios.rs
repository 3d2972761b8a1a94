//! The scenarios T1 to T20 and T94 to T103 (those of btcd's own tests), as far as they concern this
//! library. Others are where their theme is: T7 in `events.rs`, T5, T17 and T19 in `transport.rs`.
//!
//! Made impossible by the API:
//! - T1, T8, T10: nobody holds a peer without a connection, so nothing can be associated or queued.
//! - T97 (long commands, failing encoders): `Command` has at most 12 bytes, encoding cannot fail.
#![allow(missing_docs, clippy::unwrap_used)] // the helpers of tests are tests

mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use peerage::bitcoin::message::{AddrV2, Inventory, Reject, RejectCode, Tx};
use peerage::bitcoin::types::{InventoryItem, InventoryType, NetworkAddress, Services, UserAgent};
use peerage::bitcoin::{
    self as btc, Command, Config, Direction, DisconnectReason, Event, Fault, Kind, Listener, Local,
    Malformed, Message, Network, OpenError, Refusal, Retry, TrySendError, V2, Violation, accept,
    initiate, initiate_with,
};
use peerage_testkit::{Script, version};
use peerage_wire::Message as _;
use tokio::io::duplex;
use tokio::net::TcpListener;
use world::{
    Log, address, block, config, every_message, hash, join, judged, script, scripted,
    scripted_with, tx_item,
};

// T2
#[tokio::test(start_paused = true)]
async fn t2_disconnecting_twice_is_harmless() {
    let (ours, mut theirs) = join(&config(V2::Off), &config(V2::Off)).await;
    ours.peer.disconnect();
    ours.peer.disconnect();
    let reason = ours.peer.closed().await;
    assert_eq!(reason, DisconnectReason::Local(Local::Requested));
    ours.peer.disconnect();
    assert_eq!(ours.peer.close_reason(), Some(reason));
    assert_eq!(theirs.end().await, DisconnectReason::RemoteClosed);
}

// T3: there is no later association; the race that is left is that of opening and giving up.
#[tokio::test]
async fn t3_a_hundred_openings_given_up_at_any_moment_close_their_stream() {
    for i in 0..100 {
        let (ours, theirs) = duplex(world::PIPE);
        let config = config(V2::Off);
        let opening = tokio::spawn(async move { initiate(ours, &config).await });
        let mut remote = script(theirs, Direction::Inbound, &world::config(V2::Off));
        for _ in 0..i % 4 {
            tokio::task::yield_now().await;
        }
        if i % 3 == 0 {
            let _ = remote.next().await;
            remote.say(&Message::Version(Box::new(version(70_016)))).await;
        }
        opening.abort();
        assert!(opening.await.unwrap_err().is_cancelled());
        while remote.next().await.is_some() {}
    }
}

// T4: btcd's figures are 167 bytes each way, with a user agent as long as ours.
#[tokio::test]
async fn t4_an_old_inbound_and_a_new_outbound_peer_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let mut old = config(V2::Off).user_agent("peer", "1.0", &["comment"]).unwrap();
    old.identity.version = 70_002;
    let mut new = config(V2::Off).user_agent("peer", "1.0", &["comment"]).unwrap();
    new.identity.services = Services::NETWORK | Services::WITNESS;
    let inbound = async { accept(listener.accept().await.unwrap().0, &old).await };
    let (dialled, accepted) = tokio::join!(btc::connect(target, &new), inbound);
    let (new_peer, new_events) = dialled.unwrap();
    let (old_peer, old_events) = accepted.unwrap();

    let agent = format!("/peerage:{}/peer:1.0(comment)/", env!("CARGO_PKG_VERSION"));
    let version_len = 24 + 86 + agent.len() as u64;
    let each_way = version_len + 24;
    new_peer.send_tracked(&Message::GetAddr).await.unwrap().await.unwrap();
    old_peer.send_tracked(&Message::GetAddr).await.unwrap().await.unwrap();
    for mut events in [new_events, old_events] {
        assert!(matches!(events.next().await, Some(Event::Message(Message::GetAddr))));
    }

    for (peer, other, direction) in
        [(&new_peer, &old, Direction::Outbound), (&old_peer, &new, Direction::Inbound)]
    {
        let stats = peer.stats();
        let remote = peer.remote();
        assert_eq!((stats.bytes_sent, stats.bytes_received), (each_way + 24, each_way + 24));
        for traffic in [&stats.sent, &stats.received] {
            assert_eq!(traffic.get(Kind::Version).bytes, version_len);
            assert_eq!(
                (traffic.get(Kind::Verack).messages, traffic.get(Kind::Verack).bytes),
                (1, 24)
            );
            assert_eq!(traffic.total().bytes, each_way + 24);
            assert_eq!(traffic.total().messages, 3);
        }
        assert_eq!(remote.user_agent.to_string(), agent);
        assert_eq!(remote.version, i32::try_from(other.identity.version).unwrap());
        assert_eq!(remote.agreed, 70_002);
        assert_eq!(remote.services, other.identity.services);
        assert!(!remote.wants_addrv2 && !remote.wtxid_relay && remote.relay);
        assert_eq!((remote.height, stats.last_block_height), (0, 0));
        assert!((-1..=0).contains(&remote.time_offset));
        assert_eq!(stats.ping, btc::PingStats::default());
        assert_eq!(stats.direction, direction);
        assert_eq!(stats.transport, btc::Negotiated::V1 { after_v2: false });
        assert!(stats.last_received.is_some() && stats.last_sent.is_some());
        assert!(stats.connected_at > 0 && stats.opening_took < Duration::from_secs(30));
    }
    assert!(new_peer.remote().services == Services::NONE);
}

// T6
#[tokio::test(start_paused = true)]
async fn t6_the_snapshot_equals_the_accessors() {
    let (end, _remote) = scripted(&config(V2::Off), version(70_016)).await;
    let (peer, stats) = (&end.peer, end.peer.stats());
    assert_eq!(stats.id, peer.id());
    assert_eq!(stats.direction, peer.direction());
    assert_eq!(stats.remote_addr.as_ref(), peer.remote_addr());
    assert_eq!(stats.remote, *peer.remote());
    assert_eq!(Some(&stats.remote), peer.try_remote());
    assert_eq!(stats.last_block_height, 9);
    assert_eq!((stats.outbox_bytes, stats.announcements_waiting, stats.known_items), (0, 0, 0));
    assert!(!stats.prefers_headers && stats.fee_filter.is_none());
    assert!(stats.compact_blocks.is_none());
    let (other, _remote) = scripted(&config(V2::Off), version(70_016)).await;
    assert!(other.peer.id() > peer.id(), "numbers are never used again");
}

// T9
#[tokio::test(start_paused = true)]
async fn t9_an_unknown_height_fails_the_opening_with_a_local_reason() {
    let (ours, theirs) = duplex(world::PIPE);
    let config = config(V2::Off).best_height(|| None);
    let error = initiate(ours, &config).await.unwrap_err();
    let OpenError::Ended { reason, retry } = &error else { panic!("{error:?}") };
    assert_eq!(*reason, DisconnectReason::Local(Local::NoHeight));
    assert_eq!((error.fault(), *retry), (Fault::Local, Retry::Later));
    let mut remote = Script::v1(theirs, Direction::Inbound, &Network::regtest());
    remote.expect_closed().await;
}

// T11 and T15
#[tokio::test(start_paused = true)]
async fn t11_t15_heights_only_rise_and_the_last_announced_item_is_noted() {
    let height = Arc::new(AtomicI32::new(5));
    let asked = height.clone();
    let ours = config(V2::Off).best_height(move || Some(asked.load(Ordering::Relaxed)));
    height.store(777, Ordering::Relaxed);
    let (ours, theirs) = join(&ours, &config(V2::Off)).await;
    assert_eq!(theirs.peer.remote().height, 777);
    let peer = &theirs.peer;
    for (set, expected) in [(776, 777), (778, 778), (-1, 778), (i32::MAX, i32::MAX)] {
        peer.set_last_block_height(set);
        assert_eq!(peer.stats().last_block_height, expected);
    }
    assert_eq!(peer.remote().height, 777, "what they said does not change");
    let item = InventoryItem::block(hash(1));
    peer.set_last_announced(Some(item));
    assert_eq!(peer.stats().last_announced, Some(item));
    peer.set_last_announced(None);
    assert_eq!(peer.stats().last_announced, None);
    drop(ours);
}

// T12
#[tokio::test(start_paused = true)]
async fn t12_the_push_helpers_send_what_they_say() {
    let (end, mut remote) = scripted(&config(V2::Off), version(70_015)).await;
    let peer = &end.peer;
    let pushed = peer.push_addr(&(0..5).map(address).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(pushed.sent.len(), 5);
    pushed.receipt.unwrap().await.unwrap();
    let Message::Addr(addr) = remote.expect(Kind::Addr).await else { unreachable!() };
    assert!(addr.iter().eq(pushed.sent));
    peer.push_getblocks(&[], hash(0)).await.unwrap().unwrap().await.unwrap();
    peer.push_getheaders(&[], hash(0)).await.unwrap().unwrap().await.unwrap();
    for kind in [Kind::GetBlocks, Kind::GetHeaders] {
        let (Message::GetBlocks(locator) | Message::GetHeaders(locator)) =
            remote.expect(kind).await
        else {
            unreachable!()
        };
        assert!(locator.is_empty() && locator.stop() == hash(0) && locator.version() == 70_015);
    }
    for (command, hash) in [("block", Some([7; 32])), ("block", None), ("ping", Some([7; 32]))] {
        let command = Command::new(command);
        let push = peer.push_reject(command, RejectCode(0x10), "no", hash);
        push.await.unwrap().unwrap().await.unwrap();
        let Message::Reject(reject) = remote.expect(Kind::Reject).await else { unreachable!() };
        let of_block = command == Command::new("block");
        assert_eq!(reject.hash(), of_block.then_some(hash.unwrap_or_default()));
        assert_eq!((reject.command(), reject.code()), (command, RejectCode(0x10)));
    }
    peer.send_tracked(&Message::MemPool).await.unwrap().await.unwrap();
    remote.expect(Kind::MemPool).await;
}

// T13
#[tokio::test(start_paused = true)]
async fn t13_version_1_gets_our_version_and_nothing_more() {
    for number in [1, 208, 0, -1, i32::MIN] {
        let (ours, theirs) = duplex(world::PIPE);
        let config = config(V2::Off);
        let opening = initiate(ours, &config);
        let mut remote = script(theirs, Direction::Inbound, &config);
        let talk = async {
            remote.expect(Kind::Version).await;
            remote.say(&Message::Version(Box::new(version(number)))).await;
            remote.expect_closed().await;
        };
        let error = tokio::join!(opening, talk).0.unwrap_err();
        let OpenError::Ended { reason, .. } = &error else { panic!("{error:?}") };
        let obsolete = Violation::Obsolete { version: number, minimum: 209 };
        assert_eq!(*reason, DisconnectReason::Violation(obsolete));
        judged(reason, Fault::Remote, Retry::Never);
    }
}

// T14
#[tokio::test(start_paused = true)]
async fn t14_a_second_version_ends_the_connection_and_old_peers_are_told() {
    for (number, told) in [(70_001, false), (70_002, true), (70_015, true), (70_016, false)] {
        let (mut end, mut remote) = scripted(&config(V2::Off), version(number)).await;
        remote.say(&Message::Version(Box::new(version(number)))).await;
        let duplicate = Violation::Duplicate { command: Kind::Version.into() };
        assert_eq!(end.end().await, DisconnectReason::Violation(duplicate.clone()));
        let rejects = remote.drain().await;
        let reason = duplicate.to_string();
        let reject = Reject::new(Kind::Version.into(), RejectCode::DUPLICATE, &reason);
        let expected = if told { vec![Message::Reject(Box::new(reject))] } else { vec![] };
        assert_eq!(rejects, expected, "{number}");
    }
}

// T16
#[tokio::test(start_paused = true)]
async fn t16_addrv2_is_agreed_on_from_70016() {
    for (dialling, dialled, wanted) in [
        (70_017, 70_017, true),
        (70_016, 70_016, true),
        (70_015, 70_016, false),
        (70_016, 70_015, false),
        (70_015, 70_015, false),
    ] {
        let with = |number| {
            let mut config = config(V2::Off);
            config.identity.version = number;
            config
        };
        let (a, b) = join(&with(dialling), &with(dialled)).await;
        for end in [a, b] {
            assert_eq!(end.peer.remote().wants_addrv2, wanted, "{dialling} and {dialled}");
            assert_eq!(end.peer.remote().agreed, dialling.min(dialled));
        }
    }
}

// T18: in full in `events.rs`.
#[tokio::test(start_paused = true)]
async fn t18_a_panic_in_a_listener_inside_the_opening_fails_the_opening() {
    struct Panics;
    impl Listener for Panics {
        fn on_version(&mut self, _remote: &btc::Remote) -> Result<(), Refusal> {
            panic!("on purpose")
        }
    }
    let (ours, theirs) = duplex(world::PIPE);
    let config = config(V2::Off);
    let mut remote = script(theirs, Direction::Inbound, &config);
    let talk = async {
        remote.expect(Kind::Version).await;
        remote.say(&Message::Version(Box::new(version(70_016)))).await;
        remote.expect_closed().await;
    };
    let error = tokio::join!(initiate_with(ours, &config, Panics), talk).0.unwrap_err();
    let OpenError::Ended { reason, .. } = error else { panic!("{error:?}") };
    assert_eq!(reason, DisconnectReason::Local(Local::HandlerPanicked));
}

// T20: btcd's example.
#[tokio::test]
async fn t20_an_outbound_peer_prints_the_version_that_it_was_told() {
    #[derive(Default)]
    struct Receipt(Log<String>);
    impl Listener for Receipt {
        fn on_version(&mut self, remote: &btc::Remote) -> Result<(), Refusal> {
            self.0.push(format!("outbound: received version {}", remote.version));
            Ok(())
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let log = Log::default();
    let config = Config::regtest();
    let inbound = async { accept(listener.accept().await.unwrap().0, &Config::regtest()).await };
    let dialling = btc::connect_with(target.as_str(), &config, || Receipt(log.clone()));
    let (ours, theirs) = tokio::join!(dialling, inbound);
    assert_eq!(log.take(), ["outbound: received version 70017"]);
    ours.unwrap().disconnect();
    let (peer, _events) = theirs.unwrap();
    assert_eq!(peer.closed().await, DisconnectReason::RemoteClosed);
}

// T94
#[tokio::test(start_paused = true)]
async fn t94_every_message_arrives_as_it_was_sent_with_its_bytes_counted() {
    for v2 in [V2::Off, V2::Required] {
        let mut serving = config(v2);
        serving.identity.services = Services::BLOOM;
        let (ours, mut theirs) = join(&config(v2), &serving).await;
        for message in every_message() {
            let before = ours.peer.stats();
            ours.peer.send_tracked(&message).await.unwrap().await.unwrap();
            assert_eq!(theirs.message().await, message, "{v2:?}");
            let kind = message.kind();
            let mut payload = Vec::new();
            message.encode(70_017, &mut payload);
            let overhead = match v2 {
                V2::Off => 24,
                _ if peerage_wire::Kind::policy(kind).short_id.is_some() => 21,
                _ => 33,
            };
            let after = ours.peer.stats();
            let moved = after.sent.get(kind).bytes - before.sent.get(kind).bytes;
            assert_eq!(moved, (payload.len() + overhead) as u64, "{kind} {v2:?}");
            assert_eq!(after.bytes_sent - before.bytes_sent, moved, "{kind} {v2:?}");
            assert_eq!(theirs.peer.stats().received.get(kind), after.sent.get(kind));
        }
    }
}

// T96
#[tokio::test(start_paused = true)]
async fn t96_trailing_bytes_are_refused_in_both_transports() {
    for v2 in [V2::Off, V2::Required] {
        let (mut end, mut remote) = scripted(&config(v2), version(70_016)).await;
        remote.say_payload(Kind::Pong, &[0; 8]).await;
        assert!(matches!(end.message().await, Message::Pong(_)));
        remote.say_payload(Kind::SendHeaders, &[0]).await;
        let reason = end.end().await;
        let too_long = Malformed::TooLarge { command: Kind::SendHeaders.into(), len: 1, max: 0 };
        assert_eq!(reason, DisconnectReason::Malformed(too_long));

        let (mut end, mut remote) = scripted(&config(v2), version(70_016)).await;
        remote.say_payload(Kind::Inv, &[0, 9, 9]).await;
        let trailing = DisconnectReason::Malformed(Malformed::TrailingBytes { count: 2 });
        assert_eq!(end.end().await, trailing);
        judged(&trailing, Fault::Remote, Retry::Never);
    }
}

// T98
#[tokio::test(start_paused = true)]
async fn t98_messages_newer_than_the_agreed_version_are_refused() {
    for (kind, payload, since) in [
        (Kind::Pong, &[0; 8][..], 60_001),
        (Kind::MemPool, &[], 60_002),
        (Kind::FilterClear, &[], 70_001),
        (Kind::Reject, &[1, b'x', 1, 0], 70_002),
        (Kind::SendHeaders, &[], 70_012),
        (Kind::FeeFilter, &[0; 8], 70_013),
        (Kind::SendCmpct, &[1, 2, 0, 0, 0, 0, 0, 0, 0], 70_014),
    ] {
        let mut serving = config(V2::Off);
        serving.identity.services = Services::BLOOM;
        let (mut end, mut remote) = scripted(&serving, version(since)).await;
        remote.say_payload(kind, payload).await;
        assert_eq!(end.message().await.kind(), kind);

        let (mut end, mut remote) = scripted(&serving, version(since - 1)).await;
        remote.say_payload(kind, payload).await;
        let agreed = u32::try_from(since - 1).unwrap();
        let too_new = Malformed::TooNew { command: kind.into(), since: agreed + 1, agreed };
        assert_eq!(end.end().await, DisconnectReason::Malformed(too_new));
    }
}

// T98: fields that old versions do not have are lost, nothing else is.
#[tokio::test(start_paused = true)]
async fn t98_old_encodings_lose_what_they_cannot_carry() {
    let (mut end, mut remote) = scripted(&config(V2::Off), version(31_401)).await;
    assert!(end.peer.push_addr(&[address(1)]).await.unwrap().receipt.is_some());
    let Message::Addr(addr) = remote.expect(Kind::Addr).await else { unreachable!() };
    let [entry] = addr.decode().try_into().unwrap();
    assert_eq!((entry.time, entry.peer), (0, address(1).peer));
    remote.say_payload(Kind::Ping, &[]).await;
    assert_eq!(end.message().await, Message::Ping(btc::message::Ping { nonce: None }));
    end.peer.send(&Message::GetAddr).await.unwrap();
    remote.expect(Kind::GetAddr).await; // and no pong before it
}

// T99
#[tokio::test(start_paused = true)]
async fn t99_counts_are_canonical_and_bounded() {
    let too_many = |what, count, max| Malformed::TooMany { what, count, max };
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    for (kind, payload, expected) in [
        (Kind::Inv, &[0xfd, 1, 0][..], Malformed::NonCanonicalSize),
        (Kind::Inv, &[0xfe, 0xff, 0xff, 0, 0], Malformed::NonCanonicalSize),
        (Kind::Inv, &[0xff, 1, 0, 0, 0, 0, 0, 0, 0], Malformed::NonCanonicalSize),
        (Kind::Inv, &[0xfd, 0x51, 0xc3], too_many("inventory entries", 50_001, 50_000)),
        (Kind::Inv, &huge, too_many("inventory entries", u64::MAX, 50_000)),
        (Kind::Headers, &[0xfd, 0xd1, 7], too_many("headers", 2_001, 2_000)),
        (Kind::Inv, &[2], Malformed::Truncated),
    ] {
        let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
        remote.say_payload(kind, payload).await;
        let reason = end.end().await;
        let DisconnectReason::Malformed(found) = reason else { panic!("{reason:?}") };
        match (found, expected) {
            // The name of what was counted is not part of the contract.
            (
                Malformed::TooMany { count, max, .. },
                Malformed::TooMany { count: c, max: m, .. },
            ) => assert_eq!((count, max), (c, m)),
            (found, expected) => assert_eq!(found, expected, "{kind}"),
        }
    }
    // Counts of transactions, inputs, outputs, witness items and hashes that no payload holds.
    let tx_start = [2, 0, 0, 0];
    let claims = [
        (Kind::Tx, [&tx_start[..], &huge].concat()),
        (Kind::Tx, [&tx_start[..], &[0, 1], &huge].concat()),
        (Kind::Block, [&[0; 80][..], &huge].concat()),
        (Kind::MerkleBlock, [&[0; 84][..], &huge].concat()),
        (Kind::CFilter, [&[0; 33][..], &huge].concat()),
        (Kind::Reject, huge.to_vec()),
    ];
    for (kind, payload) in claims {
        let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
        remote.say_payload(kind, &payload).await;
        let reason = end.end().await;
        assert!(matches!(reason, DisconnectReason::Malformed(_)), "{kind}: {reason:?}");
    }
}

// T100
#[tokio::test(start_paused = true)]
async fn t100_a_version_may_end_before_any_later_field() {
    let mut whole = Vec::new();
    Message::Version(Box::new(version(70_016))).encode(70_016, &mut whole);
    let agent_end = whole.len() - 5;
    for len in [46, 72, 80, agent_end, whole.len() - 1, whole.len()] {
        let (ours, theirs) = duplex(world::PIPE);
        let config = config(V2::Off);
        let mut remote = script(theirs, Direction::Inbound, &config);
        let talk = async {
            remote.expect(Kind::Version).await;
            remote.say_payload(Kind::Version, &whole[..len]).await;
            remote.say(&Message::Verack).await;
        };
        let (peer, _events) = tokio::join!(initiate(ours, &config), talk).0.unwrap();
        let told = peer.remote();
        assert_eq!(told.nonce, if len >= 80 { 77 } else { 0 });
        assert_eq!(told.user_agent.to_string(), if len >= agent_end { "/script:1/" } else { "" });
        assert_eq!(told.height, if len > agent_end { 9 } else { 0 });
        assert!(told.relay, "announced unless it says otherwise");
    }
}

// T101
#[tokio::test(start_paused = true)]
async fn t101_addrv2_takes_each_network_with_its_length_and_skips_unknown_ones() {
    let entry = |network: u8, len: usize| {
        let size = if len < 0xfd {
            vec![u8::try_from(len).unwrap()]
        } else {
            [&[0xfd][..], &u16::try_from(len).unwrap().to_le_bytes()].concat()
        };
        [&[0, 0, 0, 0, 1, network][..], &size, &vec![8; len], &[0x20, 0x8d]].concat()
    };
    let payload = |count: u8, entries: &[Vec<u8>]| [&[count][..], &entries.concat()].concat();
    let known = [(1, 4), (2, 16), (3, 10), (4, 32), (5, 32), (6, 16)];
    let all: Vec<_> = known.iter().map(|(network, len)| entry(*network, *len)).collect();
    let with_unknown = [&all[..], &[entry(99, 512), entry(7, 0)]].concat();
    let (mut end, mut remote) =
        scripted_with(&config(V2::Off), version(70_016), &[Message::SendAddrV2]).await;
    remote.say_payload(Kind::AddrV2, &payload(8, &with_unknown)).await;
    let Message::AddrV2(list) = end.message().await else { panic!("not addrv2") };
    assert_eq!((list.len(), list.iter().count()), (8, 6));
    assert!(list.iter().any(|a| matches!(a.peer.address, NetworkAddress::TorV3(_))));

    let many = [&[0xfd, 0xe9, 0x03][..], &entry(1, 4).repeat(1_001)].concat();
    let mut bad: Vec<Vec<u8>> = known.map(|(net, len)| payload(1, &[entry(net, len + 1)])).to_vec();
    bad.extend([payload(1, &[entry(99, 513)]), payload(2, &[entry(1, 4)]), many]);
    for payload in bad {
        let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
        remote.say_payload(Kind::AddrV2, &payload).await;
        let reason = end.end().await;
        assert!(matches!(reason, DisconnectReason::Malformed(_)), "{reason:?}");
    }
    assert!(AddrV2::new(&vec![address(1); 1_001]).is_err());
}

// T102: there is no slab to overflow; a script of 4 MB is as good as any.
#[tokio::test(start_paused = true)]
async fn t102_a_superfluous_witness_is_refused() {
    let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    let large = block(3_900_000);
    remote.say(&Message::Block(large.clone())).await;
    assert_eq!(end.message().await, Message::Block(large));
    let input = [&[7; 32][..], &[0; 4], &[0], &[0xff; 4]].concat();
    let output = [0; 9];
    let superfluous = [
        &[2, 0, 0, 0, 0, 1, 1][..], // version, marker, flag, one input
        &input,
        &[1],
        &output,
        &[0], // its witness is empty
        &[0; 4],
    ]
    .concat();
    assert!(Tx::from_bytes(superfluous.clone().into()).is_err());
    remote.say_payload(Kind::Tx, &superfluous).await;
    let reason = end.end().await;
    assert!(matches!(reason, DisconnectReason::Malformed(_)), "{reason:?}");
}

// T103
#[test]
fn t103_names_are_shown_as_people_know_them() {
    let services = Services::NETWORK | Services::WITNESS | Services::from_bits(1 << 40);
    assert_eq!(services.to_string(), "NETWORK|WITNESS|0x10000000000");
    assert_eq!(Network::from_name("regtest").unwrap().name, "regtest");
    let names = [Network::mainnet(), Network::simnet()].map(|network| network.name.to_string());
    assert!(names[0] != names[1] && Network::from_name(&names[1]).is_some());
    for kind in [InventoryType::TX, InventoryType::WITNESS_BLOCK, InventoryType(77)] {
        assert!(!kind.to_string().is_empty());
    }
    assert_ne!(InventoryType::TX.to_string(), InventoryType::WITNESS_TX.to_string());
    assert_ne!(RejectCode(0x10).to_string(), RejectCode(0x40).to_string());
    assert!(tx_item(1).to_string().contains(&hash(1).to_string()));
    assert_eq!(format!("{:?}", Message::SendHeaders), "sendheaders");
    let agent = UserAgent::from_raw(Bytes::from_static(b"/evil\x1b[2J\n/")).unwrap();
    assert!(agent.to_string().chars().all(|c| c.is_ascii_graphic() || c == ' '));
}

// T97
#[tokio::test(start_paused = true)]
async fn t97_what_is_above_its_cap_is_not_sent() {
    let (end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    let too_large = world::unknown(4_000_001);
    assert_eq!(end.peer.try_send(&too_large), Err(TrySendError::TooLarge { len: 4_000_001 }));
    end.peer.send(&Message::GetAddr).await.unwrap();
    remote.expect(Kind::GetAddr).await;
    assert!(Inventory::new(&vec![tx_item(1); 50_001]).is_err());
}

// An early event is no loss: events that came before the stream was read are all there.
#[tokio::test(start_paused = true)]
async fn what_came_before_anybody_listened_is_there() {
    let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    for rate in 0..100 {
        remote.say(&Message::FeeFilter(btc::message::FeeFilter { rate })).await;
    }
    drop(remote);
    assert_eq!(end.peer.closed().await, DisconnectReason::RemoteClosed);
    for rate in 0..100 {
        let expected = Message::FeeFilter(btc::message::FeeFilter { rate });
        assert_eq!(end.message().await, expected);
    }
    assert!(matches!(end.events.next().await, Some(Event::Disconnected(_))));
}
