//! One regression test for each defect of btcd that concerns messages and peers, by its number in
//! our list of them.
#![allow(missing_docs, clippy::unwrap_used)] // the helpers of tests are tests

mod world;

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use allocation_counter::measure;
use peerage::bitcoin::message::{CFCheckpt, FeeFilter, Inventory, Ping, Version};
use peerage::bitcoin::types::{InventoryItem, InventoryType};
use peerage::bitcoin::{
    Budget, DisconnectReason, Event, Kind, Listener, Malformed, Message, Negotiated, OpenError,
    Peer, Prepared, Socks5, SocksAuth, TrySendError, V2, Violation, accept, initiate_with,
};
use peerage_testkit::{Script, version};
use peerage_wire::{Direction, FrameHeader, Message as _, checksum};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex};
use tokio::runtime::Runtime;
use tokio::time::Instant;
use world::{
    Log, PIPE, address, block, config, hash, join, listening, script, scripted, scripted_with,
    settle, stuff, tx_item, unknown,
};

const SECOND: Duration = Duration::from_secs(1);

fn inv(items: &[InventoryItem]) -> Message {
    Message::Inv(Inventory::new(items).unwrap())
}

fn fee(rate: i64) -> Message {
    Message::FeeFilter(FeeFilter { rate })
}

/// A v1 frame of regtest.
fn frame(kind: Kind, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader {
        magic: config(V2::Off).identity.network.magic,
        command: kind.into(),
        len: u32::try_from(payload.len()).unwrap(),
        checksum: checksum(payload),
    };
    [&header.to_bytes(), payload].concat()
}

// 1: btcd compares pointers and announces to a peer what that peer has told.
#[tokio::test(start_paused = true)]
async fn d01_what_a_peer_told_us_is_not_announced_to_it_and_nothing_is_twice() {
    let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    remote.say(&inv(&[tx_item(1), tx_item(2)])).await;
    end.message().await;
    end.peer.add_known(&[tx_item(3)]);
    end.peer.announce(&[tx_item(1), tx_item(2), tx_item(3), tx_item(4), tx_item(4)]);
    end.peer.announce(&[tx_item(4)]);
    remote.expect_message(&inv(&[tx_item(4)])).await;
    remote.expect_silence(60 * SECOND).await;
    // Known between the announcement and its trickle: not announced either.
    end.peer.announce(&[tx_item(5), tx_item(6)]);
    remote.say(&inv(&[tx_item(5)])).await;
    remote.expect_message(&inv(&[tx_item(6)])).await;
}

struct Counts(Arc<AtomicUsize>);

impl Listener for Counts {
    fn on_message(&mut self, _peer: &Peer, _message: &Message) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection with a listener that counts, over a pipe of a mebibyte, on a runtime of its own.
struct Inline {
    runtime: Runtime,
    peer: Peer,
    remote: Option<DuplexStream>,
    count: Arc<AtomicUsize>,
}

impl Inline {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let (peer, remote) = runtime.block_on(async {
            let (ours, theirs) = duplex(1 << 20);
            let config = config(V2::Off);
            let mut remote = script(theirs, Direction::Inbound, &config);
            let opening = initiate_with(ours, &config, Counts(count.clone()));
            let peer = tokio::join!(opening, remote.open(version(70_016), &[])).0.unwrap();
            (peer, remote.into_io())
        });
        Self { runtime, peer, remote: Some(remote), count }
    }

    /// Says these bytes and waits until so many messages were handled.
    fn hear(&mut self, bytes: &[u8], messages: usize) {
        let remote = self.remote.as_mut().unwrap();
        let due = self.count.load(Ordering::Relaxed) + messages;
        self.runtime.block_on(async {
            remote.write_all(bytes).await.unwrap();
            while self.count.load(Ordering::Relaxed) < due {
                tokio::task::yield_now().await;
            }
        });
    }
}

// 2: an inv pins its whole array in btcd's cache: 1.8 GB a peer.
#[test]
fn d02_known_items_pin_no_message() {
    let mut inline = Inline::new();
    let mut items = vec![InventoryItem { kind: InventoryType(99), hash: [1; 32] }; 49_999];
    items.push(tx_item(0));
    let say = |inline: &mut Inline, n| {
        *items.last_mut().unwrap() = tx_item(n);
        let mut payload = Vec::new();
        inv(&items).encode(70_016, &mut payload);
        inline.hear(&frame(Kind::Inv, &payload), 1);
    };
    let mut say = say;
    (0..3).for_each(|n| say(&mut inline, n)); // buffers and the filter are there now
    let kept = measure(|| (3..30).for_each(|n| say(&mut inline, n)));
    assert!(kept.bytes_current < 300_000, "{kept:?}");
}

// 3
#[tokio::test(start_paused = true)]
async fn d03_more_than_a_thousand_addresses_are_neither_doubled_nor_lost() {
    let (end, _remote) =
        scripted_with(&config(V2::Off), version(70_016), &[Message::SendAddrV2]).await;
    let offered: Vec<_> = (0..2_500).map(address).collect();
    let mut all = HashSet::new();
    for expected in [1_000, 1_000, 500] {
        let sent = end.peer.push_addr(&offered).await.unwrap().sent;
        assert_eq!(sent.len(), expected);
        assert!(sent.into_iter().all(|entry| all.insert(entry)));
    }
    assert_eq!(all.len(), 2_500);
}

// 4
#[tokio::test(start_paused = true)]
async fn d04_a_negative_version_is_below_the_minimum() {
    for number in [-1, -70_016, i32::MIN] {
        let (ours, theirs) = duplex(PIPE);
        let config = config(V2::Off);
        let mut remote = script(theirs, Direction::Outbound, &config);
        let talk = async {
            remote.say(&Message::Version(Box::new(version(number)))).await;
            remote.expect_closed().await;
        };
        let error = tokio::join!(accept(ours, &config), talk).0.map(|_| ()).unwrap_err();
        let OpenError::Ended { reason, .. } = error else { panic!("{error:?}") };
        let obsolete = Violation::Obsolete { version: number, minimum: 209 };
        assert_eq!(reason, DisconnectReason::Violation(obsolete));
    }
}

// 12
#[tokio::test(start_paused = true)]
async fn d12_a_question_whose_answer_was_lost_may_be_asked_again() {
    let (end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    for _ in 0..3 {
        assert!(end.peer.push_getblocks(&[hash(1)], hash(0)).await.unwrap().is_some());
        assert!(end.peer.push_getblocks(&[hash(1)], hash(0)).await.unwrap().is_none());
        remote.expect(Kind::GetBlocks).await;
        remote.expect_silence(31 * SECOND).await;
    }
}

// 13
#[tokio::test(start_paused = true)]
async fn d13_silence_at_the_tip_is_honest_and_of_a_peer_ahead_it_is_not() {
    for (our_height, honest) in [(9, true), (10, true), (8, false)] {
        let config = config(V2::Off).best_height(move || Some(our_height));
        let (mut end, _remote) = scripted(&config, version(70_016)).await;
        end.peer.push_getblocks(&[hash(1)], hash(0)).await.unwrap();
        match end.events.next().await.unwrap() {
            Event::Unanswered(Kind::GetBlocks) => assert!(honest),
            Event::Disconnected(DisconnectReason::Stalled(_)) => assert!(!honest),
            other => panic!("{other:?}"),
        }
    }
}

// 16
#[tokio::test(start_paused = true)]
async fn d16_cfcheckpt_reaches_its_listener() {
    struct Hears(Log<usize>);
    impl Listener for Hears {
        fn on_cfcheckpt(&mut self, _peer: &Peer, message: CFCheckpt) {
            self.0.push(message.bytes().len());
        }
    }
    let log = Log::default();
    let (_peer, mut remote) =
        listening(&config(V2::Off), version(70_016), Hears(log.clone())).await;
    remote.say_payload(Kind::CFCheckpt, &[&[0][..], &[1; 32], &[1], &[2; 32]].concat()).await;
    settle().await;
    assert_eq!(log.take(), [66]);
}

// 18
#[tokio::test(start_paused = true)]
async fn d18_whoever_asks_and_does_not_read_is_let_go() {
    struct Serves(Arc<[Prepared]>);
    impl Listener for Serves {
        fn on_getdata(&mut self, peer: &Peer, _wanted: Inventory) {
            for block in &*self.0 {
                let _ = peer.try_send_prepared(block);
            }
        }
    }
    let block = Prepared::new(&Message::Block(block(1_000_000))).unwrap();
    let (peer, mut remote) =
        listening(&config(V2::Off), version(70_016), Serves([block].into())).await;
    let start = Instant::now();
    let wanted = Message::GetData(Inventory::new(&[InventoryItem::block(hash(1))]).unwrap());
    remote.set_patience(Duration::MAX);
    let ask = async {
        loop {
            remote.say(&wanted).await;
            tokio::time::sleep(SECOND).await;
        }
    };
    let reason = tokio::select! {
        () = ask => unreachable!("it asks for ever"),
        reason = peer.closed() => reason,
    };
    assert_eq!(reason, DisconnectReason::WriteStalled { while_not_reading: false });
    assert_eq!(start.elapsed().as_secs(), 60 + 100);
}

// 19
#[tokio::test(start_paused = true)]
async fn d19_nothing_waits_without_a_bound() {
    let (end, _remote) = scripted(&config(V2::Off), version(70_016)).await;
    stuff(&end.peer, &unknown(1_000)).await;
    assert!(end.peer.stats().outbox_bytes <= (1 << 20) + 1_064);
    let items: Vec<_> = (0..60_000).map(tx_item).collect();
    assert_eq!(end.peer.announce(&items), 50_000);
    assert_eq!(end.peer.announce(&items), 0);
    settle().await;
    assert_eq!(end.peer.announce(&items[..1]), 0);
    assert_eq!(end.peer.stats().announcements_waiting, 50_000);
}

// 21
#[test]
fn d21_claimed_counts_allocate_nothing() {
    let many = [0xfe, 0x00, 0x09, 0x3d, 0x00]; // 4,000,000
    let input = [&[7; 32][..], &[0; 4], &[0], &[0xff; 4]].concat();
    let tx = [&[2, 0, 0, 0][..], &many].concat();
    let witness = [&[2, 0, 0, 0, 0, 1, 1][..], &input, &[1], &[0; 9], &many].concat();
    for (kind, payload) in [
        (Kind::Tx, tx.clone()),
        (Kind::Tx, witness),
        (Kind::Block, [&[0; 80][..], &many].concat()),
        (Kind::Block, [&[0; 80][..], &[1], &tx].concat()),
        (Kind::MerkleBlock, [&[0; 84][..], &many].concat()),
        (Kind::CmpctBlock, [&[0; 88][..], &many].concat()),
        (Kind::BlockTxn, [&[0; 32][..], &many].concat()),
        (Kind::CFHeaders, [&[0; 65][..], &[0xfd, 0xd0, 7]].concat()),
        (Kind::Inv, vec![0xfd, 0x50, 0xc3]),
    ] {
        let payload = bytes::Bytes::from(payload);
        let mut result = None;
        let decoding = measure(|| result = Some(Message::decode(kind, payload, 70_016)));
        assert!(result.unwrap().is_err());
        assert!(decoding.bytes_total < 1_024, "{kind}: {decoding:?}");
    }
}

// 22
#[tokio::test(start_paused = true)]
async fn d22_an_unauthenticated_length_allocates_nothing() {
    let mut config = config(V2::Required);
    config.budget = Budget::new(16 << 20);
    let mut open = Vec::new();
    for noise in 0..40 {
        let (end, mut remote) = scripted(&config, version(70_016)).await;
        remote.say_bytes(&[noise; 3]).await; // decrypts to any length below 2^24
        open.push((end, remote));
    }
    settle().await;
    assert_eq!(config.budget.used(), 0);
    let refused = open.iter().filter_map(|(end, _)| end.peer.close_reason());
    let mut count = 0;
    for reason in refused {
        assert!(matches!(reason, DisconnectReason::Malformed(Malformed::TooLarge { .. })));
        count += 1;
    }
    assert!((20..40).contains(&count), "three quarters are above the limit: {count}");
}

// 26
#[tokio::test(start_paused = true)]
async fn d26_unknown_messages_are_verified_counted_and_bounded() {
    let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    remote.say(&unknown(1_000)).await;
    let kind = end.message().await.kind();
    let count = end.peer.stats().received.get(kind);
    assert_eq!((count.messages, count.bytes), (1, 1_024));
    let mut bad = frame(kind, &[1, 2, 3]);
    *bad.last_mut().unwrap() ^= 1;
    remote.say_bytes(&bad).await;
    let expected = Malformed::BadChecksum { command: kind.into() };
    assert_eq!(end.end().await, DisconnectReason::Malformed(expected));

    let (end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    drop(end.events);
    for _ in 0..16 {
        remote.say(&unknown(64 << 10)).await;
    }
    let flood = Violation::UnknownFlood { max: 1 << 20 };
    assert_eq!(end.peer.closed().await, DisconnectReason::Violation(flood));
}

// 30
#[tokio::test(start_paused = true)]
async fn d30_nothing_can_be_queued_before_the_opening_is_done() {
    struct Eager(Log<TrySendError>);
    impl Listener for Eager {
        fn on_sendaddrv2(&mut self, peer: &Peer) {
            for _ in 0..100 {
                self.0.push(peer.try_send(&Message::GetAddr).unwrap_err());
            }
        }
    }
    let log = Log::default();
    let (ours, theirs) = duplex(PIPE);
    let config = config(V2::Off);
    let mut remote = script(theirs, Direction::Inbound, &config);
    let talk = async {
        remote.expect(Kind::Version).await;
        remote.say(&Message::Version(Box::new(version(70_016)))).await;
        remote.say(&Message::SendAddrV2).await;
        remote.close().await;
    };
    assert!(tokio::join!(initiate_with(ours, &config, Eager(log.clone())), talk).0.is_err());
    assert_eq!(log.take(), vec![TrySendError::NotOpen; 100]);
}

// 31
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d31_facts_do_not_change_under_a_snapshot() {
    let (a, mut b) = join(&config(V2::Preferred), &config(V2::Preferred)).await;
    let before = a.peer.stats();
    assert!(matches!(before.transport, Negotiated::V2 { .. }));
    assert!(before.bytes_received > 0 && before.bytes_sent > 0);
    let peer = a.peer.clone();
    let snapshots = std::thread::spawn(move || {
        let mut last = before;
        while peer.close_reason().is_none() {
            let now = peer.stats();
            assert_eq!((now.transport, &now.remote), (last.transport, &last.remote));
            assert!(now.bytes_sent >= last.bytes_sent);
            assert!(now.sent.total().messages >= last.sent.total().messages);
            last = now;
        }
        last
    });
    for rate in 0..2_000 {
        a.peer.send(&fee(rate)).await.unwrap();
        assert_eq!(b.message().await, fee(rate));
    }
    a.peer.disconnect();
    a.peer.closed().await;
    let last = snapshots.join().unwrap();
    assert!(last.sent.get(Kind::FeeFilter).messages <= 2_000);
    assert_eq!(a.peer.stats().sent.get(Kind::FeeFilter).messages, 2_000);
}

// 33
#[tokio::test(start_paused = true)]
async fn d33_neither_time_nor_order_of_an_announcement_tells_its_origin() {
    let (end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    let mut waits = Vec::new();
    for n in 0..100 {
        let start = Instant::now();
        end.peer.announce(&[tx_item(n)]);
        remote.skip_to(Kind::Inv).await;
        waits.push(start.elapsed().as_secs_f64());
    }
    let mean = waits.iter().sum::<f64>() / 100.0;
    assert!((1.2..2.8).contains(&mean), "a Poisson process of 2 s: {mean}");
    assert!(waits.iter().any(|wait| *wait < 0.5) && waits.iter().any(|wait| *wait > 4.0));
    // At most 1,000 at a time, in no order that could tell which came first.
    let items: Vec<_> = (1_000..4_000).map(tx_item).collect();
    end.peer.announce(&items);
    let mut heard = Vec::new();
    while heard.len() < 3_000 {
        let Message::Inv(batch) = remote.skip_to(Kind::Inv).await else { unreachable!() };
        assert!(batch.len() <= 1_000);
        assert!(!batch.iter().is_sorted_by_key(|item| items.iter().position(|i| *i == item)));
        heard.extend(batch.iter());
    }
    let first_half = heard[..1_000].iter().filter(|item| items[..1_500].contains(item)).count();
    assert!((400..600).contains(&first_half), "{first_half}");
}

// 36
#[tokio::test(start_paused = true)]
async fn d36_nonces_are_random_and_link_no_two_connections() {
    let config = config(V2::Off);
    let mut nonces = HashSet::new();
    let mut high_bit = 0;
    for _ in 0..30 {
        let (ours, theirs) = duplex(PIPE);
        let mut remote = Script::v1(theirs, Direction::Inbound, &config.identity.network);
        remote.set_patience(Duration::MAX);
        let opening = peerage::bitcoin::initiate(ours, &config);
        let (opened, heard) = tokio::join!(opening, remote.open(version(70_016), &[]));
        let _opened = opened.unwrap();
        let Message::Ping(Ping { nonce: Some(ping) }) = remote.expect(Kind::Ping).await else {
            panic!("a ping without a nonce")
        };
        for nonce in [heard.version.nonce, ping] {
            assert!(nonces.insert(nonce));
            high_bit += nonce >> 63;
        }
    }
    assert!((15..=45).contains(&high_bit), "all 64 bits are random: {high_bit} of 60");
}

// 37
#[tokio::test(start_paused = true)]
async fn d37_no_secret_is_ever_printed() {
    let mut config = config(V2::Required);
    let auth = SocksAuth::Password { name: "me".into(), password: "hunter2".into() };
    let mut socks = Socks5::new(std::net::SocketAddr::from(([127, 0, 0, 1], 9050)));
    socks.auth = auth;
    config.proxy = Some(socks);
    config.admit = Some(Arc::new(|| None));
    assert!(!format!("{config:?}").contains("hunter2"));
    let mut dialled = world::config(V2::Required);
    dialled.identity.txrcncl = Some(1);
    let (a, _b) = join(&config, &dialled).await;
    let Negotiated::V2 { session_id } = a.peer.stats().transport else { panic!("not v2") };
    let shown = format!("{:?} {:?} {:?}", a.peer, a.events, config.identity.nonces);
    let hex: String = session_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!shown.contains(&hex));
    for word in ["key", "secret", "garbage", "cipher"] {
        assert!(!shown.to_lowercase().contains(word), "{shown}");
    }
}

// 38, inbound: no allocation per message.
#[test]
fn d38_handling_a_small_message_allocates_nothing() {
    const N: usize = 20_000;
    let mut inline = Inline::new();
    let frames = frame(Kind::FeeFilter, &[1, 0, 0, 0, 0, 0, 0, 0]).repeat(N);
    inline.hear(&frames, N); // buffers and rows are there now
    let heard = measure(|| inline.hear(&frames, N));
    let reads = frames.len().div_ceil(64 << 10) as u64;
    assert!(heard.count_total <= 2 * reads + 4, "{} reads: {heard:?}", reads);
}

// 38, outbound: no allocation per message; a burst may cost a few, which an idle peer gives back.
#[test]
fn d38_sending_a_small_message_allocates_nothing() {
    const N: usize = 10_000;
    let mut inline = Inline::new();
    let message = fee(1);
    let mut remote = inline.remote.take().unwrap();
    let mut sink = vec![0; N * 32];
    let mut round = |inline: &Inline, burst: usize| {
        inline.runtime.block_on(async {
            for _ in 0..N / burst {
                for _ in 0..burst {
                    inline.peer.try_send(&message).unwrap();
                }
                tokio::task::yield_now().await;
            }
            tokio::io::AsyncReadExt::read_exact(&mut remote, &mut sink).await.unwrap();
        });
    };
    let n = N as u64;
    for (burst, allowed) in [(1, 10), (20, n / 20 * 4), (100, n / 10), (1_000, n / 20)] {
        round(&inline, burst);
        let sent = measure(|| round(&inline, burst));
        assert!(sent.count_total <= allowed, "{burst} at a time: {sent:?}");
    }
}

/// Counts the calls that moved something.
struct Counted {
    io: DuplexStream,
    reads: Arc<AtomicUsize>,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let poll = Pin::new(&mut self.io).poll_read(cx, buf);
        self.reads.fetch_add(poll.is_ready().into(), Ordering::Relaxed);
        poll
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write(cx, buf);
        self.writes.fetch_add(poll.is_ready().into(), Ordering::Relaxed);
        poll
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let poll = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.writes.fetch_add(poll.is_ready().into(), Ordering::Relaxed);
        poll
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

// 38: btcd writes header and payload separately and reads without a buffer.
#[tokio::test(start_paused = true)]
async fn d38_one_write_carries_header_and_payload_and_many_messages() {
    let (reads, writes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let count = Arc::new(AtomicUsize::new(0));
    let (ours, theirs) = duplex(4 << 20);
    let config = config(V2::Off);
    let mut remote = script(theirs, Direction::Inbound, &config);
    let ours = Counted { io: ours, reads: reads.clone(), writes: writes.clone() };
    let opening = initiate_with(ours, &config, Counts(count.clone()));
    let ours = Version { nonce: 1, ..version(70_016) };
    let peer = tokio::join!(opening, remote.open(ours, &[])).0.unwrap();
    settle().await;
    let taken = |counter: &AtomicUsize| counter.swap(0, Ordering::Relaxed);
    taken(&writes);
    peer.send_tracked(&Message::Block(block(1_000_000))).await.unwrap().await.unwrap();
    assert_eq!(taken(&writes), 1, "one message");
    for rate in 0..999 {
        peer.try_send(&fee(rate)).unwrap();
    }
    peer.try_send_tracked(&fee(999)).unwrap().await.unwrap();
    assert_eq!(taken(&writes), 1, "a thousand messages");

    taken(&reads);
    let frames = frame(Kind::FeeFilter, &[0; 8]).repeat(1_000);
    remote.say_bytes(&frames).await;
    settle().await;
    assert_eq!(count.load(Ordering::Relaxed), 1_001, "and verack");
    assert!(taken(&reads) <= 2, "32,000 bytes");
}

// 38: btcd serialises a block once for each peer.
#[tokio::test(start_paused = true)]
async fn d38_a_prepared_block_is_encoded_once_for_a_hundred_peers() {
    let prepared = Prepared::new(&Message::Block(block(1_000_000))).unwrap();
    let mut ends = Vec::new();
    for _ in 0..100 {
        ends.push(scripted(&config(V2::Off), version(70_016)).await);
    }
    let queued = measure(|| {
        ends.iter().for_each(|(end, _)| end.peer.try_send_prepared(&prepared).unwrap());
    });
    assert!(queued.bytes_total < 100 * 4_096, "{queued:?}");
}
