//! Serving blocks: how long a pong waits behind them, in bytes.
//!
//! Both ends are ours, joined by a pipe that holds next to nothing, so that what is counted is what
//! the library had queued and not what a kernel holds. 100 MB of blocks are asked for in `getdata`
//! and served as fast as the pipe takes them. A ping is always on its way; the bytes that arrive
//! between its sending and its pong are those that were queued before the pong.
#![allow(missing_docs, clippy::unwrap_used)] // the helpers of tests are tests

mod world;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use peerage::bitcoin::message::{Block, Inventory, Ping, Pong};
use peerage::bitcoin::types::InventoryItem;
use peerage::bitcoin::{
    Config, Event, Listener, Message, Peer, Prepared, State, TrySendError, V2, accept, accept_with,
    initiate_with,
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use world::{Log, block, config, hash};

/// What the pipe holds, in bytes.
const SMALL_PIPE: usize = 4 << 10;

/// What is served, in bytes.
const DOWNLOAD: usize = 100_000_000;

/// How many blocks the downloading end has asked for and not received.
const WINDOW: u32 = 16;

/// What a connection queues for callers before it makes them wait: the default of `outbox_limit`.
const OUTBOX: u64 = 1 << 20;

/// What the pipe holds both ways, and what either end had just read or was just writing.
const SLACK: u64 = 2 * SMALL_PIPE as u64 + 1_000;

#[tokio::test]
async fn a_pong_waits_for_at_most_an_outbox_and_a_frame_while_a_task_serves_blocks() {
    for size in [20_000, 250_000, 1_380_000] {
        let waits = each_transport(|config, download| async move {
            let (wanted, asked) = unbounded_channel();
            let (ours, theirs) = duplex(SMALL_PIPE);
            let server = accept_with(theirs, &config, Handing(wanted));
            let (server, ends) = tokio::join!(server, download.begin(ours, &config));
            tokio::spawn(serve(server.unwrap(), asked, size));
            ends
        });
        for wait in waits.await {
            let bound = OUTBOX + frame_len(size) + SLACK;
            assert!(wait.bytes <= bound, "{wait:?}, blocks of {size}, at most {bound}");
        }
    }
}

#[tokio::test]
async fn a_pong_waits_only_for_what_was_asked_before_while_a_reader_of_events_serves_blocks() {
    let size = 250_000;
    let waits = each_transport(|config, download| async move {
        let (ours, theirs) = duplex(SMALL_PIPE);
        let (server, ends) = tokio::join!(accept(theirs, &config), download.begin(ours, &config));
        let (server, mut events) = server.unwrap();
        tokio::spawn(async move {
            let frame = frame(size);
            while let Some(event) = events.next().await {
                let Event::Message(Message::GetData(wanted)) = event else { continue };
                for _ in wanted.iter() {
                    if server.send_prepared(&frame).await.is_err() {
                        return;
                    }
                }
            }
        });
        ends
    });
    assert_in_order(&waits.await, size);
}

#[tokio::test]
async fn a_pong_waits_only_for_what_was_asked_before_while_a_listener_serves_blocks() {
    let size = 250_000;
    let waits = each_transport(|config, download| async move {
        let (ours, theirs) = duplex(SMALL_PIPE);
        let server = accept_with(theirs, &config, Inline { frame: frame(size), owed: 0 });
        let (server, ends) = tokio::join!(server, download.begin(ours, &config));
        Ends { _server: Some(server.unwrap()), ..ends }
    });
    assert_in_order(&waits.await, size);
}

/// Whoever answers in the order of the questions sends a pong behind the blocks that were asked
/// for before the ping, and behind no other.
#[track_caller]
fn assert_in_order(waits: &[Wait], size: usize) {
    for wait in waits {
        let bound = u64::from(wait.outstanding) * frame_len(size) + SLACK;
        assert!(wait.bytes <= bound, "{wait:?}, blocks of {size}, at most {bound}");
    }
}

/// Downloads over both transports; returns what each ping waited for.
async fn each_transport<F>(serve: impl Fn(Config, Download) -> F) -> Vec<Wait>
where
    F: Future<Output = Ends>,
{
    let mut waits = Vec::new();
    for v2 in [V2::Off, V2::Required] {
        let download = Download::default();
        let mut ends = serve(config(v2), download.clone()).await;
        ends.finished.recv().await.expect("the download was finished");
        let some = download.waits.take();
        assert!(some.len() >= 10, "{} pongs", some.len());
        waits.extend(some);
    }
    waits
}

/// A ping's wait.
#[derive(Clone, Copy, Debug)]
struct Wait {
    /// The bytes that arrived between the ping and its pong.
    bytes: u64,
    /// The blocks that had been asked for and had not arrived when it was sent.
    outstanding: u32,
}

/// The end that downloads, and what it notes.
#[derive(Clone, Default)]
struct Download {
    received: Arc<AtomicU64>,
    waits: Log<Wait>,
}

/// What lives as long as the download does.
struct Ends {
    _peer: Peer,
    _server: Option<Peer>,
    finished: UnboundedReceiver<()>,
}

impl Download {
    async fn begin(&self, io: DuplexStream, config: &Config) -> Ends {
        let (told, finished) = unbounded_channel();
        let io = Counted { io, read: self.received.clone() };
        let mut config = config.clone();
        config.identity = Config::regtest().identity;
        let listener =
            Downloading { download: self.clone(), told, asked: 0, came: 0, bytes: 0, ping: None };
        let peer = initiate_with(io, &config, listener).await.unwrap();
        Ends { _peer: peer, _server: None, finished }
    }
}

/// Asks for blocks, `WINDOW` ahead, and has a ping on its way all the time.
struct Downloading {
    download: Download,
    told: UnboundedSender<()>,
    asked: u32,
    came: u32,
    bytes: usize,
    /// The ping on its way: what had arrived when it was sent.
    ping: Option<Wait>,
}

impl Downloading {
    fn ask(&mut self, peer: &Peer, count: u32) {
        let items: Vec<_> =
            (0..count).map(|n| InventoryItem::block(hash(self.asked + n))).collect();
        self.asked += count;
        peer.try_send(&Message::GetData(Inventory::new(&items).unwrap())).unwrap();
    }

    fn ping(&mut self, peer: &Peer) {
        let bytes = self.download.received.load(Ordering::Relaxed);
        self.ping = Some(Wait { bytes, outstanding: self.asked - self.came });
        peer.try_send(&Message::Ping(Ping { nonce: Some(1) })).unwrap();
    }
}

impl Listener for Downloading {
    fn on_state(&mut self, peer: &Peer, state: State) {
        if state == State::Established {
            self.ask(peer, WINDOW);
            self.ping(peer);
        }
    }

    fn on_block(&mut self, peer: &Peer, block: Block) {
        self.came += 1;
        self.bytes += block.bytes().len();
        if self.bytes >= DOWNLOAD {
            // Nobody waits for more.
            let _ = self.told.send(());
        } else {
            self.ask(peer, 1);
        }
    }

    fn on_pong(&mut self, peer: &Peer, _pong: Pong) {
        let Wait { bytes, outstanding } = self.ping.take().expect("a pong answers a ping");
        let bytes = self.download.received.load(Ordering::Relaxed) - bytes;
        self.download.waits.push(Wait { bytes, outstanding });
        self.ping(peer);
    }
}

/// Counts the bytes that were read from it.
struct Counted {
    io: DuplexStream,
    read: Arc<AtomicU64>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buffer);
        self.read.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Hands what is wanted to a task.
struct Handing(UnboundedSender<usize>);

impl Listener for Handing {
    fn on_getdata(&mut self, _peer: &Peer, wanted: Inventory) {
        // The task ends with the connection.
        let _ = self.0.send(wanted.iter().len());
    }
}

/// Sends as many blocks as were asked for, waiting for room.
async fn serve(peer: Peer, mut asked: UnboundedReceiver<usize>, size: usize) {
    let frame = frame(size);
    while let Some(count) = asked.recv().await {
        for _ in 0..count {
            if peer.send_prepared(&frame).await.is_err() {
                return;
            }
        }
    }
}

/// At most the length on the wire of a block that is padded to `size`.
fn frame_len(size: usize) -> u64 {
    size as u64 + 500
}

fn frame(size: usize) -> Prepared {
    Prepared::new(&Message::Block(block(size))).unwrap()
}

/// Answers in the listener itself, and goes on when there is room.
struct Inline {
    frame: Prepared,
    owed: usize,
}

impl Inline {
    fn go_on(&mut self, peer: &Peer) {
        while self.owed > 0 {
            match peer.try_send_prepared(&self.frame) {
                Ok(()) => self.owed -= 1,
                Err(TrySendError::Full) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

impl Listener for Inline {
    fn on_getdata(&mut self, peer: &Peer, wanted: Inventory) {
        self.owed += wanted.iter().len();
        self.go_on(peer);
    }

    fn on_state(&mut self, peer: &Peer, state: State) {
        if state == State::Room {
            self.go_on(peer);
        }
    }
}
