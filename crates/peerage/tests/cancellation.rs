//! Whatever is dropped, and whenever, leaves nothing behind; and who panics harms only himself.
//!
//! Futures are dropped after each possible number of steps, not at random: a step is one turn of a
//! runtime of one thread.
#![allow(missing_docs, clippy::unwrap_used)] // the helpers of tests are tests

#[path = "cancellation/panics.rs"]
mod panics;
mod world;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use peerage::bitcoin::message::{FeeFilter, Ping};
use peerage::bitcoin::{
    Direction, DisconnectReason, Events, Local, Message, Peer, V2, accept, initiate,
};
use peerage_testkit::{Script, version};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::runtime::{Builder, Handle};
use world::{PIPE, block, config, join, settle, stuff, unknown};

const RUNTIME_ENDED: DisconnectReason = DisconnectReason::Local(Local::RuntimeEnded);

/// More steps than any opening takes.
const STEPS: usize = 60;

/// Lets everybody else do so many steps.
async fn steps(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

/// Runs a future for so many steps and then drops it.
async fn for_steps<T>(count: usize, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = future => Some(done),
        () = steps(count) => None,
    }
}

async fn no_task_is_left() {
    for _ in 0..1_000 {
        if Handle::current().metrics().num_alive_tasks() == 0 {
            return;
        }
        settle().await;
    }
    panic!("{} tasks are left", Handle::current().metrics().num_alive_tasks());
}

/// A stream that counts itself, and takes no more when it is told so.
struct Counted {
    io: DuplexStream,
    alive: Arc<AtomicUsize>,
    stuck: Arc<AtomicBool>,
}

impl Counted {
    fn new(io: DuplexStream, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self { io, alive: alive.clone(), stuck: Arc::default() }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match self.stuck.load(Ordering::Relaxed) {
            true => Poll::Pending,
            false => Pin::new(&mut self.io).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn an_opening_may_be_dropped_at_any_step() {
    for v2 in [V2::Off, V2::Required] {
        let (mut dropped, mut opened) = (0, 0);
        for count in 0..STEPS {
            for direction in [Direction::Outbound, Direction::Inbound] {
                let alive = Arc::new(AtomicUsize::new(0));
                let (ours, theirs) = (config(v2), config(v2));
                let (a, b) = duplex(PIPE);
                let (a, b) = (Counted::new(a, &alive), Counted::new(b, &alive));
                // Whose opening is dropped, and who is left behind.
                let left_behind = match direction {
                    Direction::Outbound => {
                        let other = tokio::spawn(async move { accept(b, &theirs).await });
                        let done = for_steps(count, initiate(a, &ours)).await;
                        opened += usize::from(done.is_some());
                        other.await.unwrap()
                    }
                    Direction::Inbound => {
                        let other = tokio::spawn(async move { initiate(b, &theirs).await });
                        let done = for_steps(count, accept(a, &ours)).await;
                        opened += usize::from(done.is_some());
                        other.await.unwrap()
                    }
                };
                dropped += 1;
                if let Ok((peer, _events)) = left_behind {
                    assert_eq!(peer.closed().await, DisconnectReason::RemoteClosed);
                }
                no_task_is_left().await;
                assert_eq!(alive.load(Ordering::Relaxed), 0, "streams are left after {count}");
            }
        }
        assert!(0 < opened && opened < dropped, "{opened} of {dropped} were done");
    }
}

#[tokio::test(start_paused = true)]
async fn handle_and_stream_may_be_dropped_at_any_step() {
    for count in 0..STEPS {
        for first_the_handle in [true, false] {
            let (a, mut b) = join(&config(V2::Preferred), &config(V2::Preferred)).await;
            a.peer.send(&Message::GetAddr).await.unwrap();
            b.peer.send(&Message::Ping(Ping { nonce: Some(1) })).await.unwrap();
            steps(count / 2).await;
            if first_the_handle {
                drop(a.peer);
                steps(count / 2).await;
                drop(a.events);
            } else {
                drop(a.events);
                steps(count / 2).await;
                assert_eq!(a.peer.close_reason(), None, "a stream keeps nothing alive");
                drop(a.peer);
            }
            assert_eq!(b.end().await, DisconnectReason::RemoteClosed);
            no_task_is_left().await;
        }
    }
}

#[test]
fn a_runtime_may_be_dropped_at_any_step() {
    for count in 0..STEPS {
        let alive = Arc::new(AtomicUsize::new(0));
        let (a, b) = duplex(1_000);
        let (a, b) = (Counted::new(a, &alive), Counted::new(b, &alive));
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (ours, theirs) = (config(V2::Preferred), config(V2::Preferred));
        let kept: Option<(Peer, Events)> = runtime.block_on(async {
            let talk = tokio::spawn(async move {
                let (peer, mut events) = accept(b, &theirs).await.unwrap();
                while events.next().await.is_some() {}
                drop(peer);
            });
            let opened = for_steps(count, initiate(a, &ours)).await;
            if let Some(Ok((peer, _))) = &opened {
                let _ = peer.try_send(&unknown(5_000));
                steps(count / 3).await;
            }
            drop(talk);
            opened.transpose().unwrap()
        });
        drop(runtime);
        assert_eq!(alive.load(Ordering::Relaxed), 0, "streams are left after {count}");
        let Some((peer, mut events)) = kept else { continue };
        assert_eq!(peer.close_reason(), Some(RUNTIME_ENDED));
        // Nobody is left who could wake us, so everything must be ready.
        let mut cx = Context::from_waker(Waker::noop());
        let mut next = Box::pin(events.message());
        let Poll::Ready(end) = next.as_mut().poll(&mut cx) else { panic!("the stream hangs") };
        assert_eq!(end.unwrap_err(), RUNTIME_ENDED);
        assert!(peer.try_send(&Message::GetAddr).is_err());
        let mut closed = Box::pin(peer.closed());
        assert!(closed.as_mut().poll(&mut cx).is_ready());
    }
}

#[test]
fn a_runtime_of_many_threads_may_be_dropped_while_all_are_busy() {
    for round in 0..20 {
        let alive = Arc::new(AtomicUsize::new(0));
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let kept = runtime.block_on(async {
            let mut kept = Vec::new();
            for _ in 0..10 {
                let (a, b) = duplex(PIPE);
                let (a, b) = (Counted::new(a, &alive), Counted::new(b, &alive));
                let (ours, theirs) = (config(V2::Preferred), config(V2::Preferred));
                let (a, b) = tokio::join!(initiate(a, &ours), accept(b, &theirs));
                for (peer, mut events) in [a.unwrap(), b.unwrap()] {
                    let talking = peer.clone();
                    tokio::spawn(async move { while talking.send(&unknown(900)).await.is_ok() {} });
                    tokio::spawn(async move { while events.next().await.is_some() {} });
                    kept.push(peer);
                }
            }
            tokio::time::sleep(Duration::from_micros(300 * round)).await;
            kept
        });
        drop(runtime);
        assert_eq!(alive.load(Ordering::Relaxed), 0, "streams are left");
        for peer in kept {
            assert!(peer.close_reason().is_some(), "{peer:?} has no reason");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_send_that_is_dropped_while_it_waits_has_queued_nothing() {
    for count in 0..12 {
        let mut ours = config(V2::Off);
        ours.engine.outbox_limit = 10_000;
        let (mut a, mut b) = join(&ours, &config(V2::Off)).await;
        // The other side does not read, until the outbox is full.
        let mut theirs = config(V2::Off);
        theirs.engine.event_limit = 1;
        let filler = Message::Block(block(100_000));
        let accepted = for_steps(5_000, stuff(&a.peer, &filler)).await;
        let fee = Message::FeeFilter(FeeFilter { rate: 1 });
        let sent = for_steps(count, a.peer.send_tracked(&fee)).await;
        let sent = sent.is_some_and(|sent| sent.is_ok());
        let last = Message::FeeFilter(FeeFilter { rate: 2 });
        let (receipt, seen) =
            tokio::join!(async { a.peer.send_tracked(&last).await.unwrap().await }, async {
                let mut fees = Vec::new();
                while fees.last() != Some(&2) {
                    if let Message::FeeFilter(fee) = b.message().await {
                        fees.push(fee.rate);
                    }
                }
                fees
            });
        assert_eq!(receipt, Ok(()));
        let expected: &[i64] = if sent { &[1, 2] } else { &[2] };
        assert_eq!(seen, expected, "{accepted:?} fillers, dropped after {count}");
        drop(b);
        a.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn disconnect_is_quick_although_the_socket_is_stuck() {
    for v2 in [V2::Off, V2::Required] {
        let alive = Arc::new(AtomicUsize::new(0));
        let (a, b) = duplex(PIPE);
        let (a, b) = (Counted::new(a, &alive), Counted::new(b, &alive));
        let stuck = a.stuck.clone();
        let (ours, theirs) = (config(v2), config(v2));
        let (opened, other) = tokio::join!(initiate(a, &ours), accept(b, &theirs));
        let ((peer, _events), _other) = (opened.unwrap(), other.unwrap());
        stuck.store(true, Ordering::Relaxed);
        stuff(&peer, &Message::Block(block(500_000))).await;
        let receipt = tokio::spawn({
            let peer = peer.clone();
            async move { peer.send_tracked(&Message::GetAddr).await.map(|_| ()) }
        });
        settle().await;
        peer.disconnect();
        let closed = tokio::time::timeout(Duration::from_millis(1), peer.closed()).await;
        assert_eq!(closed, Ok(Local::Requested.into()));
        assert!(receipt.await.unwrap().is_err(), "whoever waits for room is told");
    }
}

#[tokio::test(start_paused = true)]
async fn last_words_do_not_wait_for_a_stuck_socket() {
    let alive = Arc::new(AtomicUsize::new(0));
    let (a, b) = duplex(PIPE);
    let a = Counted::new(a, &alive);
    let stuck = a.stuck.clone();
    let ours = config(V2::Off);
    let mut remote = Script::v1(b, Direction::Inbound, &ours.identity.network);
    let (opened, _) = tokio::join!(initiate(a, &ours), remote.open(version(70_014), &[]));
    let (peer, _events) = opened.unwrap();
    stuck.store(true, Ordering::Relaxed);
    // A second introduction is a violation, of which this remote would be told.
    remote.say(&Message::Version(Box::new(version(70_014)))).await;
    let closed = tokio::time::timeout(Duration::from_secs(2), peer.closed()).await;
    assert!(matches!(closed, Ok(DisconnectReason::Violation(_))), "{closed:?}");
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

/// What several threads do to one connection at once. Messages are numbered by their sender.
async fn quarrel(seed: u64) {
    let (a, mut b) = join(&config(V2::Preferred), &config(V2::Preferred)).await;
    drop(a.events);
    let mut senders = Vec::new();
    for sender in 0..4_i64 {
        let peer = a.peer.clone();
        senders.push(tokio::spawn(async move {
            let mut receipts = Vec::new();
            for number in 0..200 {
                let message = Message::FeeFilter(FeeFilter { rate: sender * 1_000 + number });
                let sent = match (seed + u64::try_from(number).unwrap()) % 3 {
                    0 => peer.try_send_tracked(&message).ok(),
                    _ => peer.send_tracked(&message).await.ok(),
                };
                receipts.extend(sent);
                peer.announce(&[world::tx_item(u32::try_from(number).unwrap())]);
                assert!(peer.stats().outbox_bytes <= (1 << 20) + (5 << 10));
            }
            receipts
        }));
    }
    let quit = seed.is_multiple_of(2);
    let quitter = quit.then(|| a.peer.clone());
    let reading = tokio::spawn(async move {
        let mut last = [-1; 4];
        let mut count = 0;
        while let Ok(message) = b.events.message().await {
            let Message::FeeFilter(fee) = message else { continue };
            let sender = usize::try_from(fee.rate / 1_000).unwrap();
            assert!(fee.rate % 1_000 > last[sender], "a sender's messages keep their order");
            last[sender] = fee.rate % 1_000;
            count += 1;
            if count == 300 {
                quitter.iter().for_each(|peer| peer.disconnect());
            }
        }
        count
    });
    let mut written = 0;
    for sender in senders {
        for receipt in sender.await.unwrap() {
            let told = tokio::time::timeout(Duration::from_secs(20), receipt).await;
            written += usize::from(told.expect("every receipt is told").is_ok());
        }
    }
    if !quit {
        assert!(written >= 500, "{written} of 800");
        // What was written is read before the end is.
        drop(a.peer);
    }
    let read = tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap().unwrap();
    assert!(if quit { read >= 300 } else { read == written }, "{read} of {written}");
}

#[test]
fn many_threads_share_one_connection() {
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    for seed in 0..60 {
        runtime.block_on(quarrel(seed));
    }
}
