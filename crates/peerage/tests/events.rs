//! What comes to the application: the event stream with its back-pressure, and listeners.
#![allow(missing_docs, clippy::unwrap_used)] // the helpers of tests are tests

mod world;

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream as _;
use peerage::bitcoin::message::{
    Addr, AddrV2, Block, BlockTxn, CFCheckpt, CFHeaders, CFilter, CmpctBlock, Feature, FeeFilter,
    FilterAdd, FilterLoad, GetBlockTxn, GetCFCheckpt, GetCFHeaders, GetCFilters, Headers,
    Inventory, Locator, MerkleBlock, Ping, Pong, Reject, RejectCode, SendCmpct, SendTxRcncl, Tx,
    Version,
};
use peerage::bitcoin::types::{InventoryItem, Services};
use peerage::bitcoin::{
    Command, Config, Direction, DisconnectReason, Event, Fault, Kind, Listener, Local, Malformed,
    Message, OpenError, Peer, Prepared, Refusal, Remote, Retry, State, V2, accept_with,
    initiate_with,
};
use peerage_testkit::version;
use peerage_wire::{FrameHeader, Message as _, checksum};
use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, timeout};
use world::{
    End, Log, PIPE, Recorder, block, config, every_message, hash, judged, listening, script,
    scripted, settle, tx_item,
};

const SECOND: Duration = Duration::from_secs(1);

fn fee(rate: i64) -> Message {
    Message::FeeFilter(FeeFilter { rate })
}

/// A v1 frame of regtest.
fn frame(message: &Message) -> Vec<u8> {
    let mut payload = Vec::new();
    message.encode(70_016, &mut payload);
    let header = FrameHeader {
        magic: config(V2::Off).identity.network.magic,
        command: message.kind().into(),
        len: u32::try_from(payload.len()).unwrap(),
        checksum: checksum(&payload),
    };
    [&header.to_bytes(), &payload[..]].concat()
}

/// Writes until nothing is taken for a second; returns how much was.
async fn push(io: &mut DuplexStream, bytes: &[u8]) -> usize {
    let mut taken = 0;
    while taken < bytes.len() {
        match timeout(SECOND, io.write(&bytes[taken..])).await {
            Ok(count) => taken += count.unwrap(),
            Err(_) => break,
        }
    }
    taken
}

#[tokio::test(start_paused = true)]
async fn an_unread_stream_stops_the_reading_at_a_mebibyte_and_loses_nothing() {
    let (mut end, remote) = scripted(&config(V2::Off), version(70_016)).await;
    let mut io = remote.into_io();
    let messages: Vec<_> = (0..400).map(|i| Message::Block(block(10_000 + i))).collect();
    let bytes: Vec<u8> = messages.iter().flat_map(frame).collect();
    let taken = push(&mut io, &bytes).await;
    // What the stream may owe, one read and the pipe: charged by what it pins, so never more.
    assert!((PIPE + 200_000..(1 << 20) + 3 * PIPE).contains(&taken), "{taken}");
    // Nine minutes: the remote is not blamed, and we are still patient with ourselves.
    tokio::time::sleep(540 * SECOND).await;
    assert_eq!(end.peer.close_reason(), None);
    let rest = bytes[taken..].to_vec();
    let push = async {
        assert_eq!(push(&mut io, &rest).await, rest.len());
        io
    };
    let read = async {
        for expected in &messages {
            assert_eq!(end.message().await, *expected);
        }
        end
    };
    let (_io, end) = tokio::join!(push, read);
    assert_eq!(end.peer.close_reason(), None);
}

#[tokio::test(start_paused = true)]
async fn small_messages_count_for_what_they_take() {
    let (end, remote) = scripted(&config(V2::Off), version(70_016)).await;
    let mut io = remote.into_io();
    let bytes = frame(&fee(1)).repeat(200_000);
    let taken = push(&mut io, &bytes).await;
    let messages = taken / frame(&fee(1)).len();
    assert!(messages * 128 < (1 << 20) + 5 * PIPE * 4, "{messages} messages wait");
    drop(end);
}

#[tokio::test(start_paused = true)]
async fn local_patience_ends_a_connection_that_nobody_reads() {
    let (mut end, remote) = scripted(&config(V2::Off), version(70_016)).await;
    let mut io = remote.into_io();
    let bytes: Vec<u8> = frame(&Message::Block(block(10_000))).repeat(400);
    let start = Instant::now();
    assert!(push(&mut io, &bytes).await < bytes.len());
    let reason = end.peer.closed().await;
    assert_eq!(reason, DisconnectReason::Local(Local::NotReading));
    judged(&reason, Fault::Local, Retry::Later);
    assert_eq!(start.elapsed().as_secs(), 600);
    assert_eq!(end.end().await, reason, "what was owed is still there, then the end");
}

#[tokio::test(start_paused = true)]
async fn a_remote_that_waits_for_us_is_not_blamed_for_not_reading() {
    let (mut end, remote) = scripted(&config(V2::Off), version(70_016)).await;
    end.peer.try_send(&Message::Block(block(500_000))).unwrap();
    let mut io = remote.into_io();
    let bytes: Vec<u8> = frame(&Message::Block(block(10_000))).repeat(400);
    push(&mut io, &bytes).await;
    let reason = end.peer.closed().await;
    assert_eq!(reason, DisconnectReason::WriteStalled { while_not_reading: true });
    judged(&reason, Fault::Local, Retry::Later);
    end.end().await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_stream_keeps_the_connection_and_answers_pings() {
    let (End { peer, events }, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    // One ping that is owed when the stream goes, and one after it.
    remote.say(&Message::Ping(Ping { nonce: Some(1) })).await;
    settle().await;
    drop(events);
    remote.expect_message(&Message::Pong(Pong { nonce: 1 })).await;
    for nonce in 2..100 {
        remote.say(&Message::Block(block(100_000))).await;
        remote.say(&Message::Ping(Ping { nonce: Some(nonce) })).await;
        remote.expect_message(&Message::Pong(Pong { nonce })).await;
    }
    assert_eq!(peer.close_reason(), None);
    assert_eq!(peer.stats().received.get(Kind::Block).messages, 98);
    peer.disconnect();
    assert_eq!(peer.closed().await, DisconnectReason::Local(Local::Requested));
}

#[tokio::test(start_paused = true)]
async fn the_stream_is_a_stream_that_ends_after_its_last_event() {
    let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    remote.say(&fee(1)).await;
    remote.say(&fee(2)).await;
    remote.close().await;
    let mut seen = Vec::new();
    loop {
        let next = poll_fn(|cx| Pin::new(&mut end.events).poll_next(cx)).await;
        match next {
            Some(event) => seen.push(event),
            None => break,
        }
    }
    let [Event::Message(first), Event::Message(second), Event::Disconnected(reason)] = &seen[..]
    else {
        panic!("{seen:?}")
    };
    assert_eq!((first, second), (&fee(1), &fee(2)));
    assert_eq!(*reason, DisconnectReason::RemoteClosed);
    assert!(end.events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn dropping_a_waiting_next_loses_no_event() {
    let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    for rate in 0..100 {
        let impatient = timeout(Duration::ZERO, end.events.next()).await;
        assert!(impatient.is_err());
        remote.say(&fee(rate)).await;
        assert_eq!(end.message().await, fee(rate));
    }
}

/// Notes the name of each method that is called.
struct Named(Log<&'static str>);

/// Writes the methods that take a message of one type.
macro_rules! named {
    ($($method:ident($body:ty) = $name:literal,)* ; $($empty:ident = $empty_name:literal,)*) => {
        impl Listener for Named {
            fn on_version(&mut self, _remote: &Remote) -> Result<(), Refusal> {
                self.0.push("version");
                Ok(())
            }
            fn on_alert(&mut self, _peer: &Peer, payload: &[u8]) {
                assert_eq!(payload, b"old news");
                self.0.push("alert");
            }
            fn on_unknown(&mut self, _peer: &Peer, command: Command, payload: &[u8]) {
                assert_eq!((command.as_str(), payload.len()), ("filler", 5));
                self.0.push("filler");
            }
            $(fn $method(&mut self, _peer: &Peer, _message: $body) { self.0.push($name); })*
            $(fn $empty(&mut self, _peer: &Peer) { self.0.push($empty_name); })*
        }
    };
}

named! {
    on_sendtxrcncl(SendTxRcncl) = "sendtxrcncl",
    on_feature(Feature) = "feature",
    on_addr(Addr) = "addr",
    on_addrv2(AddrV2) = "addrv2",
    on_ping(Ping) = "ping",
    on_pong(Pong) = "pong",
    on_inv(Inventory) = "inv",
    on_getdata(Inventory) = "getdata",
    on_notfound(Inventory) = "notfound",
    on_getblocks(Locator) = "getblocks",
    on_getheaders(Locator) = "getheaders",
    on_headers(Headers) = "headers",
    on_block(Block) = "block",
    on_tx(Tx) = "tx",
    on_merkleblock(MerkleBlock) = "merkleblock",
    on_feefilter(FeeFilter) = "feefilter",
    on_sendcmpct(SendCmpct) = "sendcmpct",
    on_cmpctblock(CmpctBlock) = "cmpctblock",
    on_getblocktxn(GetBlockTxn) = "getblocktxn",
    on_blocktxn(BlockTxn) = "blocktxn",
    on_filterload(FilterLoad) = "filterload",
    on_filteradd(FilterAdd) = "filteradd",
    on_getcfilters(GetCFilters) = "getcfilters",
    on_cfilter(CFilter) = "cfilter",
    on_getcfheaders(GetCFHeaders) = "getcfheaders",
    on_cfheaders(CFHeaders) = "cfheaders",
    on_getcfcheckpt(GetCFCheckpt) = "getcfcheckpt",
    on_cfcheckpt(CFCheckpt) = "cfcheckpt",
    on_reject(Reject) = "reject",
    ;
    on_verack = "verack",
    on_sendaddrv2 = "sendaddrv2",
    on_wtxidrelay = "wtxidrelay",
    on_getaddr = "getaddr",
    on_sendheaders = "sendheaders",
    on_mempool = "mempool",
    on_filterclear = "filterclear",
}

// T7
#[tokio::test(start_paused = true)]
async fn t7_each_method_is_called_when_its_message_arrives() {
    let log = Log::default();
    let mut config = config(V2::Off);
    config.identity.services = Services::BLOOM;
    config.identity.txrcncl = Some(1);
    let (ours, theirs) = duplex(PIPE);
    let mut remote = script(theirs, Direction::Inbound, &config);
    let features = [
        Message::WtxidRelay,
        Message::SendAddrV2,
        Message::SendTxRcncl(SendTxRcncl { version: 1, salt: 2 }),
        Message::Feature(Feature::new("test/x", &[][..]).unwrap()),
    ];
    let opening = initiate_with(ours, &config, Named(log.clone()));
    let (peer, _) = tokio::join!(opening, remote.open(version(70_017), &features));
    let _peer = peer.unwrap();
    let opening = ["version", "wtxidrelay", "sendaddrv2", "sendtxrcncl", "feature", "verack"];
    assert_eq!(log.take(), opening);
    for message in every_message() {
        remote.say(&message).await;
        settle().await;
        assert_eq!(log.take(), [message.kind().to_string()]);
    }
    let seen = every_message().len() + opening.len();
    assert_eq!(seen, Kind::ALL.len() + 1, "every kind, and an unknown one");
}

/// Calls everything that a peer offers without `async`.
fn call_everything(peer: &Peer) {
    let message = fee(1);
    let prepared = Prepared::new(&message).unwrap();
    let block = InventoryItem::block(hash(1));
    let _ = peer.try_send(&message);
    let _ = peer.try_send_tracked(&message);
    let _ = peer.try_send_prepared(&prepared);
    peer.announce(&[tx_item(1), block]);
    peer.add_known(&[tx_item(2)]);
    peer.set_last_block_height(1);
    peer.set_last_announced(Some(block));
    assert!(peer.id().0 > 0 && peer.remote_addr().is_none());
    assert_eq!(peer.direction(), Direction::Outbound);
    assert_eq!(peer.close_reason(), None);
    assert!(!format!("{peer:?}").is_empty());
    if peer.try_remote().is_some() {
        assert_eq!(peer.remote().agreed, 70_016);
        assert_eq!(peer.stats().id, peer.id());
    }
    peer.clone().disconnect();
}

// Spec 1.3: btcd's callbacks may dead-lock by calling back.
#[tokio::test(start_paused = true)]
async fn a_listener_may_call_everything_from_everywhere() {
    struct Caller(Option<Kind>, Log<State>);
    impl Listener for Caller {
        fn on_message(&mut self, peer: &Peer, message: &Message) {
            if self.0 == Some(message.kind()) {
                call_everything(peer);
            }
        }
        fn on_state(&mut self, peer: &Peer, state: State) {
            if self.0.is_none() || matches!(state, State::Disconnected(_)) {
                call_everything(peer);
            }
            self.1.push(state);
        }
    }
    let reason = DisconnectReason::Local(Local::Requested);
    for kind in every_message().iter().map(|m| Some(m.kind())).chain([None]) {
        let states = Log::default();
        let mut config = config(V2::Off);
        config.identity.services = Services::BLOOM;
        let listener = Caller(kind, states.clone());
        let (peer, mut remote) = listening(&config, version(70_016), listener).await;
        if let Some(message) = every_message().into_iter().find(|m| Some(m.kind()) == kind) {
            remote.say(&message).await;
        }
        let closed = timeout(SECOND, peer.closed()).await.expect("no dead-lock");
        assert_eq!(closed, reason, "{kind:?}");
        assert_eq!(states.take(), [State::Established, State::Disconnected(reason.clone())]);
    }
    // Inside the opening, too, where there is nothing to send to yet.
    let (ours, theirs) = duplex(PIPE);
    let config = config(V2::Off);
    let mut remote = script(theirs, Direction::Inbound, &config);
    let talk = async {
        remote.expect(Kind::Version).await;
        remote.say(&Message::Version(Box::new(version(70_016)))).await;
        remote.say(&Message::SendAddrV2).await;
        remote.drain().await;
    };
    let listener = Caller(Some(Kind::SendAddrV2), Log::default());
    let error = tokio::join!(initiate_with(ours, &config, listener), talk).0.unwrap_err();
    assert!(matches!(error, OpenError::Ended { reason: r, .. } if r == reason));
}

struct Refuses;

impl Listener for Refuses {
    fn on_version(&mut self, remote: &Remote) -> Result<(), Refusal> {
        match remote.services.contains(Services::COMPACT_FILTERS) {
            true => Ok(()),
            false => Err(Refusal::new("no filters")),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_refuse_a_remote_and_old_ones_are_told() {
    for direction in [Direction::Inbound, Direction::Outbound] {
        for (number, told) in [(70_001, false), (70_002, true), (70_015, true), (70_016, false)] {
            let (ours, theirs) = duplex(PIPE);
            let config = config(V2::Off);
            let other = match direction {
                Direction::Inbound => Direction::Outbound,
                Direction::Outbound => Direction::Inbound,
            };
            let mut remote = script(theirs, other, &config);
            let talk = async {
                remote.say(&Message::Version(Box::new(version(number)))).await;
                let mut heard = remote.drain().await;
                heard.retain(|message| !matches!(message, Message::Version(_)));
                heard
            };
            let opening = async {
                match direction {
                    Direction::Inbound => accept_with(ours, &config, Refuses).await,
                    Direction::Outbound => initiate_with(ours, &config, Refuses).await,
                }
            };
            let (result, heard) = tokio::join!(opening, talk);
            let OpenError::Ended { reason, retry } = result.unwrap_err() else { panic!() };
            assert_eq!(reason, DisconnectReason::Refused(Refusal::new("no filters")));
            judged(&reason, Fault::Local, Retry::Never);
            assert_eq!(retry, Retry::Never);
            let reject = Reject::new(Kind::Version.into(), RejectCode::NONSTANDARD, "no filters");
            let expected = if told { vec![Message::Reject(Box::new(reject))] } else { vec![] };
            assert_eq!(heard, expected, "{direction} {number}");
        }
    }
    let services = Services::COMPACT_FILTERS;
    let wanted = Version { services, ..version(70_016) };
    let (peer, _remote) = listening(&config(V2::Off), wanted, Refuses).await;
    assert_eq!(peer.remote().services, services);
}

// T18
#[tokio::test(start_paused = true)]
async fn a_panic_in_a_listener_ends_its_connection_and_no_other() {
    struct Panics;
    impl Listener for Panics {
        fn on_getaddr(&mut self, _peer: &Peer) {
            panic!("on purpose")
        }
    }
    let (mut bystander, mut other) = scripted(&config(V2::Off), version(70_016)).await;
    let (peer, mut remote) = listening(&config(V2::Off), version(70_016), Panics).await;
    let queued = peer.try_send_tracked(&fee(1)).unwrap();
    queued.await.unwrap();
    remote.say(&Message::GetAddr).await;
    let reason = peer.closed().await;
    assert_eq!(reason, DisconnectReason::Local(Local::HandlerPanicked));
    judged(&reason, Fault::Local, Retry::Later);
    assert!(peer.try_send(&fee(1)).is_err());
    remote.expect_message(&fee(1)).await;
    remote.expect_closed().await;
    other.say(&fee(2)).await;
    assert_eq!(bystander.message().await, fee(2));
}

/// Adds up what passes by.
#[derive(Clone, Default)]
struct Meter {
    read: Log<(Option<Kind>, usize)>,
    written: Log<(Kind, usize)>,
    errors: Log<Malformed>,
}

impl Listener for Meter {
    const WIRE: bool = true;

    fn on_read(&mut self, kind: Option<Kind>, bytes: usize, error: Option<&Malformed>) {
        self.read.push((kind, bytes));
        error.copied().inspect(|error| self.errors.push(*error));
    }

    fn on_write(&mut self, kind: Kind, bytes: usize) {
        self.written.push((kind, bytes));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_read_and_written_adds_up_to_the_statistics() {
    for v2 in [V2::Off, V2::Required] {
        let meter = Meter::default();
        let mut config = config(v2);
        config.identity.services = Services::BLOOM;
        let (peer, mut remote) = listening(&config, version(70_016), meter.clone()).await;
        for message in every_message() {
            remote.say(&message).await;
            peer.send_tracked(&message).await.unwrap().await.unwrap();
        }
        settle().await;
        let stats = peer.stats();
        let read: usize = meter.read.take().iter().map(|(_, bytes)| bytes).sum();
        let written = meter.written.take();
        let write_sum: usize = written.iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(read as u64, stats.received.total().bytes, "{v2:?}");
        assert_eq!(write_sum as u64, stats.sent.total().bytes, "{v2:?}");
        assert_eq!(written[0].0, Kind::Version, "the opening is counted");
        if v2 == V2::Off {
            assert_eq!((read as u64, write_sum as u64), (stats.bytes_received, stats.bytes_sent));
        } else {
            // Key, garbage, terminator and an empty version packet.
            for handshake in
                [stats.bytes_received - read as u64, stats.bytes_sent - write_sum as u64]
            {
                assert!((64 + 16 + 20..=64 + 4_094 + 16 + 20).contains(&handshake), "{handshake}");
            }
        }
        while remote.next().await.is_some_and(|message| message != *every_message().last().unwrap())
        {
        }
        settle().await;
        assert_eq!((remote.sent(), remote.received()), (stats.bytes_received, stats.bytes_sent));
        remote.say_payload(Kind::Inv, &[0, 1]).await;
        peer.closed().await;
        assert_eq!(meter.errors.take(), [Malformed::TrailingBytes { count: 1 }]);
    }
}

#[tokio::test(start_paused = true)]
async fn states_begin_with_established_and_end_with_disconnected() {
    let recorder = Recorder::default();
    let (kinds, states) = (recorder.kinds.clone(), recorder.states.clone());
    let (peer, mut remote) = listening(&config(V2::Off), version(70_016), recorder).await;
    remote.say(&Message::MemPool).await;
    remote.close().await;
    let reason = peer.closed().await;
    assert_eq!(states.take(), [State::Established, State::Disconnected(reason)]);
    assert_eq!(kinds.take(), [Kind::Verack, Kind::MemPool]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_may_stay_unanswered_is_reported_and_costs_nothing() {
    let ours: Config = config(V2::Off).best_height(|| Some(9));
    let (mut end, _remote) = scripted(&ours, version(70_016)).await;
    let start = Instant::now();
    // At our height there may be nothing to tell.
    end.peer.push_getblocks(&[hash(1)], hash(0)).await.unwrap();
    let event = end.events.next().await;
    assert!(matches!(event, Some(Event::Unanswered(Kind::GetBlocks))), "{event:?}");
    assert_eq!(start.elapsed(), 30 * SECOND);
    assert_eq!(end.peer.close_reason(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_ping_is_lost_when_the_stream_is_dropped_at_any_moment() {
    for _ in 0..100 {
        let (End { peer, events }, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
        let dropping = tokio::spawn(async move { drop(events) });
        for nonce in 0..20 {
            remote.say(&Message::Ping(Ping { nonce: Some(nonce) })).await;
        }
        // Each is answered once; which goes first in that moment is nobody's concern.
        let mut answered = Vec::new();
        for _ in 0..20 {
            let Message::Pong(Pong { nonce }) = remote.expect(Kind::Pong).await else { panic!() };
            answered.push(nonce);
        }
        answered.sort_unstable();
        assert!(answered.into_iter().eq(0..20));
        dropping.await.unwrap();
        peer.disconnect();
    }
}
