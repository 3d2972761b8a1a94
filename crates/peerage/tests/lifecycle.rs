//! The end of connections: who may cause it, what it tells, and that nothing stays behind.
#![allow(missing_docs, clippy::unwrap_used)] // the helpers of tests are tests

mod world;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use peerage::bitcoin::message::FeeFilter;
use peerage::bitcoin::{
    self as btc, Direction, DisconnectReason, Event, Fault, Kind, Listener, Local, Message,
    OpenError, Peer, Retry, State, V2, accept, connect, initiate, initiate_with,
};
use peerage_testkit::version;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use world::{End, Log, PIPE, config, join, judged, listening, script, scripted, settle};

const REQUESTED: DisconnectReason = DisconnectReason::Local(Local::Requested);

fn alive_tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// A stream that tells when it is dropped.
struct Noted(DuplexStream, Arc<AtomicBool>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Relaxed);
    }
}

impl AsyncRead for Noted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Noted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A listener that tells when it is dropped, which is before anybody is told of the end.
struct Mortal(Option<Peer>, Arc<AtomicBool>);

impl Listener for Mortal {
    fn on_state(&mut self, peer: &Peer, _state: State) {
        self.0.get_or_insert_with(|| peer.clone());
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        let untold = self.0.as_ref().is_some_and(|peer| peer.close_reason().is_none());
        self.1.store(untold, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn closed_returns_when_stream_handler_and_task_are_gone() {
    let (stream_gone, listener_gone) = (Arc::default(), Arc::default());
    let (ours, theirs) = duplex(PIPE);
    let config = config(V2::Off);
    let mut remote = script(theirs, Direction::Inbound, &config);
    let ours = Noted(ours, Arc::clone(&stream_gone));
    let opening = initiate_with(ours, &config, Mortal(None, Arc::clone(&listener_gone)));
    let peer = tokio::join!(opening, remote.open(version(70_016), &[])).0.unwrap();
    assert_eq!(alive_tasks(), 1);
    peer.disconnect();
    assert_eq!(peer.close_reason(), None, "disconnect does not wait");
    assert!(!stream_gone.load(Ordering::Relaxed));
    assert_eq!(peer.closed().await, REQUESTED);
    assert!(stream_gone.load(Ordering::Relaxed) && listener_gone.load(Ordering::Relaxed));
    assert_eq!(alive_tasks(), 0);
    judged(&REQUESTED, Fault::Local, Retry::Later);
}

#[tokio::test(start_paused = true)]
async fn everybody_who_waits_is_told_the_same_once_and_for_ever() {
    let (end, remote) = scripted(&config(V2::Off), version(70_016)).await;
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let peer = end.peer.clone();
            tokio::spawn(async move { peer.closed().await })
        })
        .collect();
    settle().await;
    drop(remote);
    for waiter in waiting {
        assert_eq!(waiter.await.unwrap(), DisconnectReason::RemoteClosed);
    }
    end.peer.disconnect();
    assert_eq!(end.peer.closed().await, DisconnectReason::RemoteClosed);
    assert_eq!(end.peer.close_reason(), Some(DisconnectReason::RemoteClosed));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_ends_the_connection_and_not_before() {
    let (End { peer, mut events }, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    let clone = peer.clone();
    drop(peer);
    settle().await;
    clone.try_send(&Message::GetAddr).unwrap();
    remote.expect(Kind::GetAddr).await;
    drop(clone);
    remote.expect_closed().await;
    let reason = DisconnectReason::Local(Local::HandleDropped);
    assert!(matches!(events.next().await, Some(Event::Disconnected(r)) if r == reason));
    assert_eq!(alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_handle_kept_by_a_listener_does_not_keep_the_connection() {
    struct Keeps(Option<Peer>, Log<State>);
    impl Listener for Keeps {
        fn on_state(&mut self, peer: &Peer, state: State) {
            self.0.get_or_insert_with(|| peer.clone());
            self.1.push(state);
        }
    }
    let states = Log::default();
    let listener = Keeps(None, states.clone());
    let (peer, mut remote) = listening(&config(V2::Off), version(70_016), listener).await;
    drop(peer);
    remote.expect_closed().await;
    let reason = DisconnectReason::Local(Local::HandleDropped);
    assert_eq!(states.take(), [State::Established, State::Disconnected(reason)]);
}

#[tokio::test(start_paused = true)]
async fn dropping_an_opening_leaves_neither_task_nor_stream() {
    for v2 in [V2::Off, V2::Preferred] {
        for direction in [Direction::Inbound, Direction::Outbound] {
            let gone = Arc::new(AtomicBool::new(false));
            let (ours, theirs) = duplex(PIPE);
            let ours = Noted(ours, gone.clone());
            let config = config(v2);
            let opening = async {
                match direction {
                    Direction::Inbound => accept(ours, &config).await,
                    Direction::Outbound => initiate(ours, &config).await,
                }
            };
            let given_up = tokio::time::timeout(Duration::from_secs(5), opening).await;
            assert!(given_up.is_err());
            settle().await;
            assert!(gone.load(Ordering::Relaxed));
            assert_eq!(alive_tasks(), 0);
            drop(theirs);
        }
    }
}

#[tokio::test]
async fn dropping_a_connect_leaves_neither_task_nor_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let dialling = tokio::spawn(async move { connect(target, &config(V2::Preferred)).await });
    let (mut socket, _) = listener.accept().await.unwrap();
    dialling.abort();
    assert!(dialling.await.unwrap_err().is_cancelled());
    let mut key = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut key);
    tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap();
    assert_eq!(alive_tasks(), 0);
}

#[test]
fn the_end_of_the_runtime_is_a_reason() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (ours, theirs) = runtime.block_on(join(&config(V2::Off), &config(V2::Off)));
    let receipt = ours.peer.try_send_tracked(&Message::GetAddr);
    drop(runtime);
    let reason = DisconnectReason::Local(Local::RuntimeEnded);
    let outside = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for mut end in [ours, theirs] {
        let told = outside.block_on(end.peer.closed());
        // Whichever task is dropped first looks like a remote that hung up to the other.
        assert!([reason.clone(), DisconnectReason::RemoteClosed].contains(&told), "{told:?}");
        assert!(end.peer.try_send(&Message::GetAddr).is_err());
        outside.block_on(async { while end.events.next().await.is_some() {} });
    }
    // It resolves, one way or the other.
    let _ = outside.block_on(receipt.unwrap());
}

#[tokio::test]
async fn two_hundred_connections_leave_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    let (mut ours, mut theirs) = (config(V2::Preferred), config(V2::Preferred));
    ours.budget = btc::Budget::new(8 << 20);
    theirs.budget = ours.budget.clone();
    for i in 0..200 {
        let v2 = if i % 2 == 0 { V2::Off } else { V2::Preferred };
        (ours.v2, theirs.v2) = (v2, V2::Preferred);
        let inbound = async { accept(listener.accept().await.unwrap().0, &theirs).await };
        let (dialled, accepted) = tokio::join!(connect(target, &ours), inbound);
        let ((a, a_events), (b, b_events)) = (dialled.unwrap(), accepted.unwrap());
        let _ = a.try_send(&world::unknown(10_000));
        match i % 4 {
            0 => a.disconnect(),
            1 => b.disconnect(),
            2 => drop((a_events, b_events)),
            _ => {
                a.disconnect();
                b.disconnect();
            }
        }
        let witness = b.clone();
        drop((a, b));
        if i % 4 == 2 {
            witness.disconnect();
        }
        witness.closed().await;
    }
    let all_gone = async {
        while alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), all_gone).await.expect("every task ends");
    assert_eq!(ours.budget.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn both_sides_may_disconnect_at_once() {
    for v2 in [V2::Off, V2::Required] {
        for _ in 0..20 {
            let (a, b) = join(&config(v2), &config(v2)).await;
            a.peer.try_send(&world::unknown(100_000)).unwrap();
            a.peer.disconnect();
            b.peer.disconnect();
            for mut end in [a, b] {
                let reason = end.end().await;
                assert!(
                    [REQUESTED, DisconnectReason::RemoteClosed].contains(&reason),
                    "{reason:?}"
                );
            }
            assert_eq!(alive_tasks(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_disconnect_and_hears_nothing_after() {
    struct Leaves(Log<Kind>);
    impl Listener for Leaves {
        fn on_message(&mut self, _peer: &Peer, message: &Message) {
            self.0.push(message.kind());
        }
        fn on_feefilter(&mut self, peer: &Peer, _message: FeeFilter) {
            peer.disconnect();
        }
    }
    let log = Log::default();
    let (peer, mut remote) =
        listening(&config(V2::Off), version(70_016), Leaves(log.clone())).await;
    remote.say(&Message::GetAddr).await;
    remote.say(&Message::FeeFilter(FeeFilter { rate: 1 })).await;
    assert_eq!(peer.closed().await, REQUESTED);
    assert_eq!(log.take(), [Kind::Verack, Kind::GetAddr, Kind::FeeFilter]);
    remote.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_disconnect_as_soon_as_it_is_established() {
    struct Leaves;
    impl Listener for Leaves {
        fn on_state(&mut self, peer: &Peer, state: State) {
            if state == State::Established {
                peer.disconnect();
            }
        }
    }
    let (peer, mut remote) = listening(&config(V2::Off), version(70_016), Leaves).await;
    assert_eq!(peer.closed().await, REQUESTED);
    remote.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_still_queued_at_disconnect_is_not_sent_and_its_receipt_says_so() {
    let (end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    let receipt = end.peer.try_send_tracked(&Message::GetAddr).unwrap();
    end.peer.disconnect(); // before the task has run
    assert_eq!(receipt.await, Err(REQUESTED));
    remote.expect_closed().await;
}

#[tokio::test(start_paused = true)]
async fn an_opening_that_fails_leaves_no_task() {
    let (ours, theirs) = duplex(PIPE);
    let config = config(V2::Off);
    let mut remote = script(theirs, Direction::Inbound, &config);
    let talk = async {
        remote.expect(Kind::Version).await;
        remote.close().await;
    };
    let error = tokio::join!(initiate(ours, &config), talk).0.map(|_| ()).unwrap_err();
    let OpenError::Ended { reason, retry } = &error else { panic!("{error:?}") };
    assert_eq!((reason, *retry), (&DisconnectReason::RemoteClosed, Retry::Later));
    assert_eq!(error.fault(), Fault::Nobody);
    settle().await;
    assert_eq!(alive_tasks(), 0);
    assert!(error.to_string().contains("the remote closed"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_nonce_of_ours_that_comes_back_is_ourselves() {
    let shared = config(V2::Off);
    let (ours, theirs) = duplex(PIPE);
    let (a, b) = tokio::join!(initiate(ours, &shared), accept(theirs, &shared));
    let OpenError::Ended { reason, retry } = b.map(|_| ()).unwrap_err() else { panic!() };
    assert_eq!((&reason, retry), (&DisconnectReason::SelfConnection, Retry::Never));
    judged(&reason, Fault::Local, Retry::Never);
    assert!(a.is_err());
    // Unless it is allowed.
    let mut shared = config(V2::Off);
    shared.identity.allow_self_connections = true;
    let (a, b) = join(&shared, &shared).await;
    assert_eq!(a.peer.remote().user_agent, b.peer.remote().user_agent);
}

// The slowest transfer that counts as progress must not be cut by another clock: its pong is behind
// the block.
#[tokio::test(start_paused = true)]
async fn a_slow_and_honest_remote_may_finish_its_block() {
    let (mut end, mut remote) = scripted(&config(V2::Off), version(70_016)).await;
    let large = Message::Block(world::block(3_900_000));
    let Message::Block(block) = &large else { unreachable!() };
    let header = peerage_wire::FrameHeader {
        magic: config(V2::Off).identity.network.magic,
        command: Kind::Block.into(),
        len: u32::try_from(block.bytes().len()).unwrap(),
        checksum: peerage_wire::checksum(block.bytes()),
    };
    tokio::time::sleep(Duration::from_secs(100)).await;
    remote.say_bytes(&header.to_bytes()).await;
    for part in block.bytes().chunks(10_000) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        remote.say_bytes(part).await;
    }
    assert_eq!(end.message().await, large);
    let Message::Ping(ping) = remote.expect(Kind::Ping).await else { unreachable!() };
    let nonce = ping.nonce.unwrap();
    remote.say(&Message::Pong(btc::message::Pong { nonce })).await;
    assert!(matches!(end.message().await, Message::Pong(_)));
    assert!(end.peer.stats().ping.last > Some(Duration::from_secs(300)));
}
