//! How long a pong takes while blocks are downloaded on the same connection, 100 MB at a time, and
//! how many bytes arrive before it: as many were queued before it, by the serving end and by the
//! kernel. Once with the socket options that the library sets on the serving end
//! (`TCP_NOTSENT_LOWAT`, 128 KiB), once with the kernel's defaults.
//!
//! How much the library itself queues is asserted in `crates/peerage/tests/serving.rs`.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use peerage::bitcoin::message::{Block, Inventory, Ping, Pong};
use peerage::bitcoin::types::{InventoryItem, InventoryType};
use peerage::bitcoin::{self, Listener, Message, Peer, State};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::messages::{block, items};
use crate::report::{Bench, Row, Transport};
use crate::world::{config, for_other_end, runtime, streams};

/// Blocks of 1.38 MB in 100 MB.
const BLOCKS: u64 = 73;

/// So many downloads, that there are some hundred pongs.
const TIMES: u64 = 20;

/// How many blocks are asked for ahead.
const WINDOW: u64 = 16;

/// How long after a pong the next ping is sent: so that they come at all places of a block.
const PAUSE: Duration = Duration::from_micros(300);

pub(crate) fn run(bench: &Bench) {
    for transport in Transport::BOTH {
        for (case, tuned) in [("latency/tuned", true), ("latency/default-buffers", false)] {
            if bench.wants("ours", case, transport) {
                measure(bench, case, transport, tuned);
            }
        }
    }
}

/// What both the listener and the pinging task see of the downloading end.
#[derive(Default)]
struct Received {
    /// Bytes, as the socket gave them.
    bytes: AtomicU64,
    pong: tokio::sync::Notify,
}

/// The downloading end.
struct Downloader {
    received: Arc<Received>,
    wanted: u64,
    arrived: u64,
    finished: UnboundedSender<()>,
}

impl Downloader {
    fn ask(peer: &Peer, count: u64) {
        let item = InventoryItem { kind: InventoryType::WITNESS_BLOCK, ..items(1)[0] };
        let count = usize::try_from(count).expect("a window");
        let inventory = Inventory::new(&vec![item; count]).expect("a window is small");
        peer.try_send(&Message::GetData(inventory)).expect("an empty outbox");
    }
}

impl Listener for Downloader {
    fn on_state(&mut self, peer: &Peer, state: State) {
        if state == State::Established {
            Self::ask(peer, WINDOW);
        }
    }

    fn on_block(&mut self, peer: &Peer, block: Block) {
        std::hint::black_box(block);
        self.arrived += 1;
        if self.arrived == self.wanted {
            // Nobody waits any more when the case has ended.
            let _ = self.finished.send(());
        } else if self.arrived < self.wanted {
            Self::ask(peer, 1);
        }
    }

    fn on_pong(&mut self, _peer: &Peer, _pong: Pong) {
        self.received.pong.notify_one();
    }
}

/// The serving end: hands what is wanted to a task that waits for room.
struct Serving(UnboundedSender<usize>);

impl Listener for Serving {
    fn on_getdata(&mut self, _peer: &Peer, wanted: Inventory) {
        // The task ends with the connection.
        let _ = self.0.send(wanted.iter().len());
    }
}

async fn serve(peer: Peer, mut wanted: UnboundedReceiver<usize>) {
    let message = Message::Block(Block::from_bytes(block().clone()).expect("it is a block"));
    while let Some(count) = wanted.recv().await {
        for _ in 0..count {
            if peer.send(&message).await.is_err() {
                return;
            }
        }
    }
}

fn measure(bench: &Bench, case: &str, transport: Transport, tuned: bool) {
    let began = Instant::now();
    let wanted = bench.count(TIMES * BLOCKS);
    let pongs = runtime().block_on(async {
        let received: Arc<Received> = Arc::default();
        let (finished, mut over) = unbounded_channel();
        let downloader = Downloader { received: received.clone(), wanted, arrived: 0, finished };
        let peer = connect(transport, tuned, downloader).await;
        let mut pongs = Vec::new();
        while over.try_recv().is_err() {
            let (bytes, sent) = (received.bytes.load(Ordering::Relaxed), Instant::now());
            peer.send(&Message::Ping(Ping { nonce: Some(1) })).await.expect("it is open");
            received.pong.notified().await;
            let micros = sent.elapsed().as_secs_f64() * 1e6;
            pongs.push((micros, received.bytes.load(Ordering::Relaxed) - bytes));
            tokio::time::sleep(PAUSE).await;
        }
        pongs
    });
    print(case, transport, &pongs, began);
}

fn print(case: &str, transport: Transport, pongs: &[(f64, u64)], began: Instant) {
    let mut micros: Vec<f64> = pongs.iter().map(|(micros, _)| *micros).collect();
    #[allow(clippy::cast_precision_loss)] // at most what a download has
    let mut ahead: Vec<f64> = pongs.iter().map(|(_, ahead)| *ahead as f64).collect();
    micros.sort_by(f64::total_cmp);
    ahead.sort_by(f64::total_cmp);
    let at = |list: &[f64], part: usize| list[(list.len() - 1) * part / 100];
    let row = |metric, value, unit| {
        Row::new("ours", case, transport, metric, value, unit)
            .with("pongs", f64::from(u32::try_from(pongs.len()).unwrap_or(u32::MAX)))
            .with("seconds", began.elapsed().as_secs_f64())
            .print();
    };
    row("pong p50", at(&micros, 50), "µs");
    row("pong p99", at(&micros, 99), "µs");
    row("pong max", at(&micros, 100), "µs");
    row("bytes before a pong, p50", at(&ahead, 50), "bytes");
    row("bytes before a pong, max", at(&ahead, 100), "bytes");
}

/// Both ends; returns the downloading one. The other serves as long as it lives.
async fn connect(transport: Transport, tuned: bool, downloader: Downloader) -> Peer {
    let config = config(transport);
    let other = for_other_end(&config);
    let (dialled, accepted) = streams().await;
    for stream in [&dialled, &accepted] {
        stream.set_nodelay(true).expect("a socket");
    }
    let dialled = Counted { stream: dialled, received: downloader.received.clone() };
    let ours = bitcoin::initiate_with(dialled, &config, downloader);
    let (wanted, asked) = unbounded_channel();
    let (ours, theirs) = if tuned {
        tokio::join!(ours, bitcoin::accept_with(accepted, &other, Serving(wanted)))
    } else {
        let accepted = Counted { stream: accepted, received: Arc::default() };
        tokio::join!(ours, bitcoin::accept_with(accepted, &other, Serving(wanted)))
    };
    tokio::spawn(serve(theirs.expect("an opening"), asked));
    ours.expect("an opening")
}

/// A socket that the library does not know for one, so that the kernel's defaults stay; counts what
/// is read from it.
struct Counted {
    stream: TcpStream,
    received: Arc<Received>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let count = buf.filled().len() - before;
        self.received.bytes.fetch_add(count as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
