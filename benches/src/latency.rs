//! How long a pong takes while 100 MB of blocks come on the same connection.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

use peerage::bitcoin::message::{Block, Ping, Pong};
use peerage::bitcoin::{self, Listener, Message, Peer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::messages::block;
use crate::report::{Bench, Row, Transport};
use crate::world::{Arrivals, Silent, config, for_other_end, runtime, streams};

/// Blocks of 1.38 MB in 100 MB.
const BLOCKS: u64 = 73;

pub(crate) fn run(bench: &Bench) {
    for transport in Transport::BOTH {
        for (case, tuned) in [("latency/tuned", true), ("latency/default-buffers", false)] {
            if bench.wants("ours", case, transport) {
                measure(bench, case, transport, tuned);
            }
        }
    }
}

/// Pings that are on their way: when each left, and what had arrived by then.
#[derive(Default)]
struct Waiting(Mutex<VecDeque<(Instant, u64)>>);

/// The downloading end.
struct Downloader {
    waiting: Arc<Waiting>,
    bytes: Arc<AtomicU64>,
    blocks: Arc<Arrivals>,
    pongs: Arc<Mutex<Vec<(f64, u64)>>>,
}

impl Listener for Downloader {
    fn on_block(&mut self, _peer: &Peer, block: Block) {
        self.bytes.fetch_add(block.bytes().len() as u64 + 24, Ordering::Relaxed);
        self.blocks.add(1);
    }

    fn on_pong(&mut self, _peer: &Peer, _pong: Pong) {
        let waiting = self.waiting.0.lock().expect("nobody panics with it").pop_front();
        let (sent, bytes) = waiting.expect("each pong answers a ping");
        let ahead = self.bytes.load(Ordering::Relaxed) - bytes;
        let micros = sent.elapsed().as_secs_f64() * 1e6;
        self.pongs.lock().expect("nobody panics with it").push((micros, ahead));
    }
}

fn measure(bench: &Bench, case: &str, transport: Transport, tuned: bool) {
    let blocks = bench.count(BLOCKS);
    let pongs: Arc<Mutex<Vec<(f64, u64)>>> = Arc::default();
    let results = pongs.clone();
    let began = Instant::now();
    runtime().block_on(async move {
        let waiting: Arc<Waiting> = Arc::default();
        let bytes: Arc<AtomicU64> = Arc::default();
        let arrived = Arrivals::new();
        let downloader = Downloader {
            waiting: waiting.clone(),
            bytes: bytes.clone(),
            blocks: arrived.clone(),
            pongs,
        };
        let (ours, theirs) = connect(transport, tuned, downloader).await;
        let message = Message::Block(Block::from_bytes(block().clone()).expect("it is a block"));
        let serving = tokio::spawn(async move {
            for _ in 0..blocks {
                theirs.send(&message).await.expect("it is open");
            }
            theirs
        });
        while arrived.count() < blocks {
            waiting
                .0
                .lock()
                .expect("nobody panics with it")
                .push_back((Instant::now(), bytes.load(Ordering::Relaxed)));
            let ping = Message::Ping(Ping { nonce: Some(1) });
            ours.send(&ping).await.expect("it is open");
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        serving.await.expect("no panic");
    });
    print(case, transport, &results.lock().expect("all is over"), began);
}

fn print(case: &str, transport: Transport, pongs: &[(f64, u64)], began: Instant) {
    let mut micros: Vec<f64> = pongs.iter().map(|(micros, _)| *micros).collect();
    micros.sort_by(f64::total_cmp);
    let at = |part: usize| micros.get(micros.len() * part / 100).copied().unwrap_or_default();
    let ahead = pongs.iter().map(|(_, ahead)| *ahead).max().unwrap_or_default();
    let seconds = began.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss)] // at most 100 MB
    let ahead = ahead as f64;
    Row::new("ours", case, transport, "p50", at(50), "µs").with("seconds", seconds).print();
    Row::new("ours", case, transport, "p99", at(99), "µs").with("seconds", seconds).print();
    Row::new("ours", case, transport, "bytes before a pong, at most", ahead, "bytes").print();
}

/// The downloading end and the serving one.
async fn connect(transport: Transport, tuned: bool, downloader: Downloader) -> (Peer, Peer) {
    let config = config(transport);
    let other = for_other_end(&config);
    let (dialled, accepted) = streams().await;
    let ours = bitcoin::initiate_with(dialled, &config, downloader);
    if tuned {
        let (ours, theirs) = tokio::join!(ours, bitcoin::accept_with(accepted, &other, Silent));
        return (ours.expect("an opening"), theirs.expect("an opening"));
    }
    accepted.set_nodelay(true).expect("a socket");
    let theirs = bitcoin::accept_with(Untuned(accepted), &other, Silent);
    let (ours, theirs) = tokio::join!(ours, theirs);
    (ours.expect("an opening"), theirs.expect("an opening"))
}

/// A socket that the library does not know for one, so that the kernel's defaults stay.
struct Untuned(TcpStream);

impl AsyncRead for Untuned {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Untuned {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
