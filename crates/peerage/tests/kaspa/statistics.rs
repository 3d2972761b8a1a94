//! What is told of a connection, against what the tests count themselves; and what is left of it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use peerage::kaspa::message::{Ping, RequestAddresses};
use peerage::kaspa::{
    Config, Direction, DisconnectReason, Event, Kind, Local, Payload, Peer, SendError, accept,
    initiate,
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::runtime::Handle;

use crate::remote::{BOTH, Caller, PIPE, Remote, listen};

/// A stream that counts what passes it, and itself.
struct Counted {
    io: DuplexStream,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    read: AtomicU64,
    written: AtomicU64,
    alive: AtomicUsize,
}

impl Counts {
    fn all(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.written.load(Ordering::Relaxed))
    }
}

impl Counted {
    fn new(io: DuplexStream, counts: &Arc<Counts>) -> Self {
        counts.alive.fetch_add(1, Ordering::Relaxed);
        Self { io, counts: counts.clone() }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counts.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.io).poll_read(cx, buf);
        self.counts.read.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        result
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = &result {
            self.counts.written.fetch_add(*count as u64, Ordering::Relaxed);
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

async fn settle() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

fn unknown(len: usize) -> Payload {
    Payload::Unknown { number: 999, body: Bytes::from(vec![7; len]) }
}

#[tokio::test(start_paused = true)]
async fn statistics_are_what_has_passed() {
    let [ours, theirs] = [(); 2].map(|()| Arc::<Counts>::default());
    let (a, b) = duplex(PIPE);
    let (alice, bob) = (Config::simnet(), Config::simnet());
    let dialling = initiate(Counted::new(a, &ours), &alice);
    let accepting = accept(Counted::new(b, &theirs), &bob);
    let (dialled, accepted) = tokio::join!(dialling, accepting);
    let ((alice, heard), (bob, also)) = (dialled.unwrap(), accepted.unwrap());
    listen(heard);
    listen(also);
    let check = |peer: &Peer, counts: &Counts| {
        let stats = peer.stats();
        assert_eq!((stats.bytes_received, stats.bytes_sent), counts.all(), "{}", stats.id);
        assert_eq!(stats.outbox_bytes, 0);
        stats
    };
    settle().await;
    let opened = check(&alice, &ours);
    check(&bob, &theirs);
    for (kind, messages) in [(Kind::Version, 1), (Kind::Verack, 1), (Kind::Ready, 1)] {
        assert_eq!(opened.received.get(kind).messages, messages);
        assert_eq!(opened.sent.get(kind).messages, messages);
    }
    assert_eq!(opened.received.get(Kind::Verack).bytes, 5 + 3, "with its header");

    for len in [0, 100, 5_000, 300_000] {
        alice.send_tracked(&unknown(len).into()).await.unwrap().await.unwrap();
        bob.request(RequestAddresses::default()).await.unwrap();
    }
    settle().await;
    let (alice, bob) = (check(&alice, &ours), check(&bob, &theirs));
    assert_eq!((alice.direction, bob.direction), (Direction::Outbound, Direction::Inbound));
    let sent = alice.sent.get(Kind::Unknown(999));
    assert_eq!((sent.messages, sent), (4, bob.received.get(Kind::Unknown(999))));
    assert_eq!(alice.sent.get(Kind::Addresses), bob.received.get(Kind::Addresses));
    assert_eq!(alice.sent.get(Kind::Addresses).messages, 4);
    // Every byte is a message's or HTTP/2's own, which are heads, windows and the heads of frames.
    let messages = alice.sent.total().bytes;
    let overhead = alice.bytes_sent - messages;
    assert!((100..messages / 50).contains(&overhead), "{overhead} of {}", alice.bytes_sent);
}

/// A receipt comes when all of a message was written, and tells when it never will be.
#[tokio::test(start_paused = true)]
async fn receipts_tell_what_was_written() {
    for caller in BOTH {
        let (peer, events, mut remote) = Remote::open(caller, &Config::simnet()).await;
        listen(events);
        for len in [10, 900_000] {
            let receipt = peer.send_tracked(&unknown(len).into()).await.unwrap();
            let (heard, written) = tokio::join!(remote.hear(), receipt);
            written.unwrap();
            assert_eq!(heard.unwrap().payload, unknown(len));
        }
        drop(remote);
        assert_eq!(peer.closed().await, DisconnectReason::RemoteClosed);
        let late = peer.send(&unknown(1).into()).await;
        assert_eq!(late, Err(SendError::Closed(DisconnectReason::RemoteClosed)));
    }
}

/// Who gives no credit for a message gets no more of it than that, and its receipt waits.
#[tokio::test(start_paused = true)]
async fn without_credit_there_is_no_receipt() {
    let (ours, theirs) = duplex(PIPE);
    let config = Config::simnet();
    let script = async {
        let mut remote = Remote::call_with(theirs, false, 2_000).await;
        remote.introduce(crate::remote::version()).await;
        remote
    };
    let (opened, remote) = tokio::join!(accept(ours, &config), script);
    let (peer, _events) = opened.unwrap();
    let receipt = peer.send_tracked(&unknown(100_000).into()).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(30), receipt).await;
    assert!(waited.is_err(), "{waited:?}");
    assert!(peer.stats().bytes_sent < 5_000);
    let began = tokio::time::Instant::now();
    let receipt = peer.send_tracked(&unknown(10).into()).await.unwrap();
    let reason = peer.closed().await;
    assert!(matches!(reason, DisconnectReason::WriteStalled { .. }), "{reason}");
    assert!(began.elapsed() <= Duration::from_secs(60 + 10));
    assert!(receipt.await.is_err(), "it was never written");
    drop(remote);
}

/// Receipts of what was not written tell it when we end the connection ourselves.
#[tokio::test(start_paused = true)]
async fn receipts_end_with_the_connection() {
    let (peer, events, mut remote) = Remote::open(Caller::We, &Config::simnet()).await;
    let receipts = [
        peer.send_tracked(&unknown(500_000).into()).await.unwrap(),
        peer.send_tracked(&unknown(500_000).into()).await.unwrap(),
    ];
    peer.disconnect();
    assert_eq!(peer.closed().await, DisconnectReason::Local(Local::Requested));
    for receipt in receipts {
        assert!(receipt.await.is_err());
    }
    drop(events);
    // The remote never takes half a message for a whole one.
    let heard = remote.hear().await;
    assert!(heard.is_err(), "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn everybody_can_wait_for_the_end() {
    for caller in BOTH {
        let (peer, mut events, remote) = Remote::open(caller, &Config::simnet()).await;
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let peer = peer.clone();
                tokio::spawn(async move { peer.closed().await })
            })
            .collect();
        assert_eq!(peer.close_reason(), None);
        drop(remote);
        for waiter in waiting {
            assert_eq!(waiter.await.unwrap(), DisconnectReason::RemoteClosed);
        }
        assert_eq!(peer.close_reason(), Some(DisconnectReason::RemoteClosed));
        assert!(matches!(
            events.next().await,
            Some(Event::Disconnected(DisconnectReason::RemoteClosed))
        ));
        assert!(events.next().await.is_none());
    }
}

/// The end comes to all in order: what was said before it is read before it.
#[tokio::test(start_paused = true)]
async fn what_was_said_before_the_end_is_heard() {
    for caller in BOTH {
        let (peer, mut events, mut remote) = Remote::open(caller, &Config::simnet()).await;
        for nonce in 0..100 {
            remote.say(Payload::Ping(Ping { nonce }));
        }
        remote.send.send_data(Bytes::new(), true).unwrap();
        assert_eq!(peer.closed().await, DisconnectReason::RemoteClosed);
        for nonce in 0..100 {
            assert_eq!(events.message().await.unwrap(), Payload::Ping(Ping { nonce }).into());
        }
        assert_eq!(events.message().await, Err(DisconnectReason::RemoteClosed));
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

/// Lets everybody else do so many steps of a runtime of one thread.
async fn steps(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

/// Whoever is dropped, and whenever: no task and no stream is left, and the other side hears it.
#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_who_is_dropped() {
    const STEPS: usize = 60;
    let (mut dropped, mut opened) = (0, 0);
    for count in 0..STEPS {
        for caller in BOTH {
            let counts = Arc::<Counts>::default();
            let (a, b) = duplex(PIPE);
            let (a, b) = (Counted::new(a, &counts), Counted::new(b, &counts));
            let (alice, bob) = (Config::simnet(), Config::simnet());
            let other = tokio::spawn(async move {
                match caller {
                    Caller::We => accept(b, &bob).await,
                    Caller::Remote => initiate(b, &bob).await,
                }
            });
            let ours = async {
                match caller {
                    Caller::We => initiate(a, &alice).await,
                    Caller::Remote => accept(a, &alice).await,
                }
            };
            tokio::select! {
                biased;
                done = ours => {
                    let (peer, events) = done.unwrap();
                    peer.send(&unknown(100_000).into()).await.unwrap();
                    steps(count).await;
                    drop(events);
                    steps(count).await;
                    assert_eq!(peer.close_reason(), None, "a stream keeps nothing alive");
                    opened += 1;
                }
                () = steps(count) => {}
            }
            dropped += 1;
            if let Ok((peer, _events)) = other.await.unwrap() {
                assert_eq!(peer.closed().await, DisconnectReason::RemoteClosed);
            }
            no_task_is_left().await;
            assert_eq!(counts.alive.load(Ordering::Relaxed), 0, "streams are left after {count}");
        }
    }
    assert!(0 < opened && opened < dropped, "{opened} of {dropped} were done");
}
