//! The helpers that know Bitcoin's messages, the statistics, and the budget that connections share.
#![allow(missing_docs, clippy::unwrap_used)] // the helpers of tests are tests

mod world;

use std::collections::HashSet;
use std::time::Duration;

use peerage::bitcoin::message::{
    AddrV2, FeeFilter, Headers, Inventory, Ping, Pong, RejectCode, SendCmpct,
};
use peerage::bitcoin::types::{InventoryItem, NetworkAddress, PeerAddress, Services, TimedAddress};
use peerage::bitcoin::{
    Budget, Command, Config, DisconnectReason, Event, Kind, Message, Prepared, SendError,
    TrySendError, V2,
};
use peerage_testkit::version;
use peerage_wire::FrameHeader;
use tokio::time::{Instant, timeout};
use world::{
    End, address, block, config, hash, join, scripted, scripted_with, settle, stuff, tx_item,
    unknown,
};

const SECOND: Duration = Duration::from_secs(1);

fn onion(n: u8) -> TimedAddress {
    let peer = PeerAddress::new(Services::NETWORK, NetworkAddress::TorV3([n; 32]), 8333);
    TimedAddress { time: 1, peer }
}

fn addresses(range: std::ops::Range<u32>) -> Vec<TimedAddress> {
    range.map(address).collect()
}

#[tokio::test(start_paused = true)]
async fn addresses_are_shuffled_and_at_most_a_thousand_are_sent_each_once() {
    let (end, mut remote) =
        scripted_with(&config(V2::Off), version(70_016), &[Message::SendAddrV2]).await;
    let offered = addresses(0..3_000);
    let pushed = end.peer.push_addr(&offered).await.unwrap();
    assert_eq!(pushed.sent.len(), 1_000);
    assert!(!pushed.sent.is_sorted());
    let distinct: HashSet<_> = pushed.sent.iter().collect();
    assert_eq!(distinct.len(), 1_000);
    assert!(pushed.sent.iter().all(|sent| offered.contains(sent)));
    let Message::AddrV2(list) = remote.expect(Kind::AddrV2).await else { unreachable!() };
    assert!(list.iter().eq(pushed.sent.iter().copied()), "what is returned is what was sent");
    // The rest comes with the next pushes, nothing comes twice, and then nothing comes.
    let second = end.peer.push_addr(&offered).await.unwrap().sent;
    let third = end.peer.push_addr(&offered).await.unwrap().sent;
    let all: HashSet<_> = pushed.sent.iter().chain(&second).chain(&third).collect();
    assert_eq!(all.len(), 3_000);
    let last = end.peer.push_addr(&offered).await.unwrap();
    assert!(last.sent.is_empty() && last.receipt.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_thousand_are_a_uniform_choice() {
    let offered = addresses(0..1_500);
    let mut chosen = vec![0_u32; offered.len()];
    for _ in 0..200 {
        let (end, _remote) = scripted(&config(V2::Off), version(70_015)).await;
        for sent in end.peer.push_addr(&offered).await.unwrap().sent {
            chosen[offered.binary_search(&sent).unwrap()] += 1;
        }
    }
    // Expected 133, standard deviation 6.7.
    assert!(chosen.iter().all(|count| (90..=176).contains(count)), "{chosen:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_remote_knows_is_left_out() {
    let features = [Message::SendAddrV2];
    let (mut end, mut remote) = scripted_with(&config(V2::Off), version(70_016), &features).await;
    remote.say(&Message::AddrV2(AddrV2::new(&addresses(0..50)).unwrap())).await;
    end.message().await;
    // Neither time nor services make another address of it.
    let mut offered = addresses(0..100);
    offered.iter_mut().for_each(|entry| {
        entry.time += 1;
        entry.peer.services = Services::NETWORK;
    });
    let mut sent = end.peer.push_addr(&offered).await.unwrap().sent;
    sent.sort_unstable();
    assert_eq!(sent, offered[50..]);
    assert!(end.peer.push_addr(&[]).await.unwrap().sent.is_empty());
}

#[tokio::test(start_paused = true)]
async fn addr_leaves_out_what_it_cannot_express() {
    for (features, kind, expected) in
        [(&[][..], Kind::Addr, 1), (&[Message::SendAddrV2], Kind::AddrV2, 2)]
    {
        let (end, mut remote) = scripted_with(&config(V2::Off), version(70_016), features).await;
        let pushed = end.peer.push_addr(&[onion(1), address(1)]).await.unwrap();
        assert_eq!(pushed.sent.len(), expected);
        let message = remote.expect(kind).await;
        let (Message::Addr(_) | Message::AddrV2(_)) = message else { panic!("{message:?}") };
    }
}

#[tokio::test(start_paused = true)]
async fn a_push_that_did_not_happen_is_not_remembered() {
    let (end, mut remote) = scripted(&config(V2::Off), version(70_015)).await;
    let filler = unknown(10_000);
    let queued = stuff(&end.peer, &filler).await;
    let (offered, locator) = ([address(1)], [hash(1)]);
    for _ in 0..2 {
        let push = end.peer.push_addr(&offered);
        assert!(timeout(SECOND, push).await.is_err(), "there is no room");
        let push = end.peer.push_getheaders(&locator, hash(0));
        assert!(timeout(SECOND, push).await.is_err(), "there is no room");
    }
    for _ in 0..queued {
        remote.expect_message(&filler).await;
    }
    assert_eq!(end.peer.push_addr(&[address(1)]).await.unwrap().sent, [address(1)]);
    assert!(end.peer.push_getheaders(&[hash(1)], hash(0)).await.unwrap().is_some());
    remote.expect(Kind::Addr).await;
    remote.expect(Kind::GetHeaders).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_question_is_asked_once_until_it_is_answered_or_expires() {
    let (mut end, mut remote) = scripted(&config(V2::Off), version(70_015)).await;
    let peer = end.peer.clone();
    let headers = |first, stop| {
        let peer = peer.clone();
        async move { peer.push_getheaders(&[hash(first), hash(99)], hash(stop)).await.unwrap() }
    };
    let blocks = |first| {
        let peer = peer.clone();
        async move { peer.push_getblocks(&[hash(first)], hash(0)).await.unwrap().is_some() }
    };
    assert!(headers(1, 0).await.is_some());
    assert!(headers(1, 0).await.is_none());
    assert!(blocks(1).await, "the other helper has a filter of its own");
    assert!(!blocks(1).await);
    assert!(headers(1, 7).await.is_some(), "another stop is another question");
    assert!(headers(2, 0).await.is_some() && headers(2, 0).await.is_none());
    for _ in 0..2 {
        let push = peer.push_getheaders(&[], hash(0)).await.unwrap();
        assert!(push.is_some(), "without a locator nothing is left out");
    }
    // 30 s for blocks, 90 s for headers.
    assert!(headers(3, 0).await.is_some());
    let start = Instant::now();
    tokio::time::sleep_until(start + Duration::from_millis(29_900)).await;
    assert!(!blocks(1).await);
    tokio::time::sleep_until(start + 30 * SECOND).await;
    assert!(blocks(1).await && headers(3, 0).await.is_none());
    tokio::time::sleep_until(start + Duration::from_millis(89_900)).await;
    assert!(headers(3, 0).await.is_none());
    tokio::time::sleep_until(start + 90 * SECOND).await;
    assert!(headers(3, 0).await.is_some());
    // An answer ends it at once.
    assert!(headers(3, 0).await.is_none());
    remote.say(&Message::Headers(Headers::new(&[]).unwrap())).await;
    while !matches!(end.events.next().await, Some(Event::Message(Message::Headers(_)))) {}
    assert!(headers(3, 0).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn rejects_go_to_those_who_know_them() {
    for (number, known) in [(70_001, false), (70_002, true), (70_016, true)] {
        let (end, mut remote) = scripted(&config(V2::Off), version(number)).await;
        let push = end.peer.push_reject(Command::new("tx"), RejectCode(0x42), "fee", Some([1; 32]));
        assert_eq!(push.await.unwrap().is_some(), known, "{number}");
        end.peer.send(&Message::GetAddr).await.unwrap();
        if known {
            remote.expect(Kind::Reject).await;
        }
        remote.expect(Kind::GetAddr).await;
    }
}

#[tokio::test(start_paused = true)]
async fn helpers_on_a_connection_that_ended_say_so() {
    let (end, remote) = scripted(&config(V2::Off), version(70_015)).await;
    drop(remote);
    let reason = end.peer.closed().await;
    let closed = SendError::Closed(reason);
    let peer = &end.peer;
    assert_eq!(peer.push_addr(&[address(1)]).await.unwrap_err(), closed);
    assert_eq!(peer.push_getblocks(&[hash(1)], hash(0)).await.unwrap_err(), closed);
    assert_eq!(peer.push_getheaders(&[hash(1)], hash(0)).await.unwrap_err(), closed);
    let push = peer.push_reject(Command::new("tx"), RejectCode(0x42), "fee", None);
    assert_eq!(push.await.unwrap_err(), closed);
    assert_eq!(peer.announce(&[tx_item(1)]), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_remote_could_not_take_is_not_sent() {
    let (end, mut remote) = scripted(&config(V2::Off), version(70_011)).await;
    let refused = end.peer.try_send(&Message::SendHeaders);
    let Err(TrySendError::TooNew { since, agreed, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!((since, agreed), (70_012, 70_011));
    let prepared = Prepared::new(&Message::SendHeaders).unwrap();
    assert_eq!(end.peer.try_send_prepared(&prepared), refused);
    end.peer.send(&Message::GetAddr).await.unwrap();
    remote.expect(Kind::GetAddr).await;
}

#[tokio::test(start_paused = true)]
async fn wishes_of_the_remote_are_in_the_statistics() {
    let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    let compact = SendCmpct { announce: true, version: 2 };
    for message in [
        Message::FeeFilter(FeeFilter { rate: 1_000 }),
        Message::FeeFilter(FeeFilter { rate: 2_000 }),
        Message::SendHeaders,
        Message::SendCmpct(compact),
    ] {
        remote.say(&message).await;
        end.message().await;
    }
    let stats = end.peer.stats();
    assert_eq!(stats.fee_filter, Some(2_000));
    assert!(stats.prefers_headers);
    assert_eq!(stats.compact_blocks, Some(compact));
    assert_eq!(stats.received.get(Kind::FeeFilter).messages, 2);
    assert_eq!(stats.received.get(Kind::FeeFilter).bytes, 64);
    // They say what is true in the event's moment: the stream may be read much later.
    assert_eq!(stats.remote.height, 9);
}

#[tokio::test(start_paused = true)]
async fn round_trips_are_measured_by_our_own_pings() {
    let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    remote.set_patience(Duration::MAX);
    let reader = tokio::spawn(async move {
        while end.events.next().await.is_some_and(|e| !matches!(e, Event::Disconnected(_))) {}
    });
    let peer = end.peer;
    let start = Instant::now();
    let mut nonces = HashSet::new();
    for (round, millis) in [(1, 300), (2, 100), (3, 200)] {
        let Message::Ping(Ping { nonce: Some(nonce) }) = remote.expect(Kind::Ping).await else {
            panic!("a ping without a nonce")
        };
        assert_eq!(start.elapsed(), round * 120 * SECOND);
        assert!(nonces.insert(nonce));
        remote.say(&Message::Pong(Pong { nonce: nonce ^ 1 })).await; // not the answer
        tokio::time::sleep(Duration::from_millis(millis)).await;
        assert_eq!(peer.stats().ping.waiting, Some(Duration::from_millis(millis)));
        remote.say(&Message::Pong(Pong { nonce })).await;
        settle().await;
        let ping = peer.stats().ping;
        assert_eq!(ping.last, Some(Duration::from_millis(millis)));
        assert_eq!(ping.min, Some(Duration::from_millis(if round == 1 { 300 } else { 100 })));
        assert_eq!(ping.waiting, None);
    }
    drop(peer);
    reader.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn queues_and_times_are_in_the_statistics() {
    let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    let items: Vec<_> = (0..1_500).map(tx_item).collect();
    assert_eq!(end.peer.announce(&items), 1_500);
    settle().await;
    assert_eq!(end.peer.stats().announcements_waiting, 1_500);
    remote.expect(Kind::Inv).await;
    assert_eq!(end.peer.stats().announcements_waiting, 500);
    remote.expect(Kind::Inv).await;
    let stats = end.peer.stats();
    assert_eq!((stats.announcements_waiting, stats.known_items), (0, 1_500));
    remote.say(&Message::Inv(Inventory::new(&[tx_item(5_000)]).unwrap())).await;
    end.message().await;
    assert_eq!(end.peer.stats().known_items, 1_501);
    let queued = stuff(&end.peer, &unknown(10_000)).await;
    let stats = end.peer.stats();
    assert!(stats.outbox_bytes >= 1 << 20 && queued * 10_064 > stats.outbox_bytes);
    assert!(stats.connected_at > 1_500_000_000);
    assert!(stats.last_received >= Some(stats.connected_at) && stats.last_sent.is_some());
    // 1,700,000,000 is what the script's clock shows.
    let offset = stats.remote.time_offset;
    assert!((offset - (1_700_000_000 - stats.connected_at)).abs() <= 1, "{offset}");
}

fn claim(len: usize) -> Vec<u8> {
    let header = FrameHeader {
        magic: config(V2::Off).identity.network.magic,
        command: Kind::Block.into(),
        len: u32::try_from(len).unwrap(),
        checksum: [0; 4],
    };
    header.to_bytes().to_vec()
}

/// Two connections that share 256 KiB, the first of which holds all of it.
async fn short_of_memory(
    patience: Duration,
) -> (Config, (End, world::Remote), (End, world::Remote)) {
    let mut config = config(V2::Off);
    config.engine.memory_patience = patience;
    config.budget = Budget::new(256 << 10);
    let (greedy, mut first) = scripted(&config, version(70_016)).await;
    first.say_bytes(&claim(4_000_000)).await;
    first.say_bytes(&vec![0; 300_000]).await;
    settle().await;
    assert!(config.budget.used() >= config.budget.limit());
    let second = scripted(&config, version(70_016)).await;
    (config, (greedy, first), second)
}

#[tokio::test(start_paused = true)]
async fn a_shared_budget_bounds_what_is_assembled_and_small_messages_pass() {
    let (config, (greedy, first), (mut end, mut remote)) =
        short_of_memory(Duration::from_secs(60)).await;
    // Small ones always pass, both ways.
    remote.say(&Message::GetAddr).await;
    assert_eq!(end.message().await, Message::GetAddr);
    end.peer.try_send(&Message::GetAddr).unwrap();
    remote.expect(Kind::GetAddr).await;
    // A large one waits, and nothing is assembled for it meanwhile.
    let used = config.budget.used();
    assert!(used <= config.budget.limit() + (1 << 20), "{used}");
    let large = Message::Block(block(200_000));
    let say = async {
        remote.say(&large).await;
        remote
    };
    let hear = async {
        assert!(timeout(20 * SECOND, end.events.next()).await.is_err(), "it waits");
        assert_eq!(config.budget.used(), used);
        drop((greedy, first));
        assert_eq!(end.message().await, large);
        end
    };
    let (remote, end) = tokio::join!(say, hear);
    settle().await;
    assert_eq!(config.budget.used(), 0, "a delivered message belongs to whoever took it");
    drop((remote, end));
}

#[tokio::test(start_paused = true)]
async fn no_remote_is_blamed_while_memory_is_short() {
    let (_config, (greedy, mut first), (mut end, mut remote)) =
        short_of_memory(Duration::from_secs(600)).await;
    let large = Message::Block(block(200_000));
    remote.set_patience(Duration::MAX);
    let say = async {
        remote.say(&large).await;
        remote
    };
    let hear = async {
        // Nine minutes: idle, pong and stall clocks of the second have stood still.
        for _ in 0..540 {
            tokio::time::sleep(SECOND).await;
            first.say_bytes(&[0]).await;
            assert_eq!(end.peer.close_reason(), None);
        }
        drop((greedy, first));
        assert_eq!(end.message().await, large);
        end
    };
    tokio::join!(say, hear);
}

/// The first holds all memory and wants more, the second wants some: neither would ever get it.
#[tokio::test(start_paused = true)]
async fn whoever_waits_for_memory_does_not_wait_for_ever() {
    let (_config, (greedy, _first), (mut end, mut remote)) =
        short_of_memory(Duration::from_secs(60)).await;
    let large = Message::Block(block(200_000));
    remote.set_patience(Duration::MAX);
    let start = Instant::now();
    let say = remote.say(&large);
    let hear = async {
        let reason = greedy.peer.closed().await;
        assert_eq!(reason, DisconnectReason::Local(peerage::bitcoin::Local::NoMemory));
        assert_eq!(reason.fault(), peerage::bitcoin::Fault::Local);
        assert!((59..=60).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
        assert_eq!(end.message().await, large, "what it held goes to who waits");
    };
    tokio::join!(say, hear);
}

#[tokio::test(start_paused = true)]
async fn outboxes_count_in_the_budget() {
    let (mut ours, theirs) = (config(V2::Off), config(V2::Off));
    ours.budget = Budget::new(2 << 20);
    let mut ends = Vec::new();
    for _ in 0..10 {
        let (end, _) = (scripted(&ours, version(70_016)).await, ());
        stuff(&end.0.peer, &unknown(10_000)).await;
        assert!(ours.budget.used() <= (2 << 20) + 11_000 * (ends.len() + 1), "{:?}", ours.budget);
        ends.push(end);
    }
    // Whoever holds nothing may still send one message.
    let (fresh, _remote) = scripted(&ours, version(70_016)).await;
    fresh.peer.try_send(&unknown(10_000)).unwrap();
    drop(ends);
    settle().await;
    let (a, b) = join(&ours, &theirs).await;
    a.peer.disconnect();
    assert_eq!(b.peer.closed().await, DisconnectReason::RemoteClosed);
    drop((a, fresh));
    settle().await;
    assert_eq!(ours.budget.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn blocks_are_announced_at_once_and_others_with_the_trickle() {
    let (end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    let tip = InventoryItem::block(hash(7));
    let start = Instant::now();
    assert_eq!(end.peer.announce(&[tx_item(1), tip]), 2);
    let expected = Message::Inv(Inventory::new(&[tip]).unwrap());
    remote.expect_message(&expected).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    let expected = Message::Inv(Inventory::new(&[tx_item(1)]).unwrap());
    remote.expect_message(&expected).await;
    assert!(start.elapsed() > Duration::ZERO);
    assert_eq!(end.peer.announce(&[tip, tx_item(1)]), 2, "accepted, and known already");
    remote.expect_silence(60 * SECOND).await;
}
