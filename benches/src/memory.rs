//! What a connection holds in memory while somebody does not do his part.
//!
//! The end that is measured runs in a process of its own and does one of these:
//!
//! - `flooded`: listens, while the remote sends as fast as it can (btcd's as well);
//! - `unread-stream`: does not read its event stream, while the remote sends as fast as it can;
//! - `unread-remote`: sends as much as it may, while the remote does not read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use peerage::bitcoin::{self, Message, Peer};
use tokio::net::{TcpListener, TcpStream};

use crate::messages::flooded;
use crate::report::{Bench, Row, Transport};
use crate::world::{Process, Silent, answer_lines, config, runtime};

const CONNECTIONS: u32 = 50;

pub(crate) fn run(bench: &Bench) {
    for transport in Transport::BOTH {
        for mode in ["flooded", "unread-stream", "unread-remote"] {
            let case = format!("memory/{mode}");
            if bench.wants("ours", &case, transport) {
                let version = transport.to_string();
                let server = Process::child(&["child-memory-server", &version, mode]);
                measure(bench, ("ours", &case, transport), server, mode);
            }
        }
        if let Some(btcd) = &bench.btcd
            && bench.wants("btcd", "memory/flooded", transport)
        {
            let flag = format!("-v2={}", transport == Transport::V2);
            let server = Process::start(btcd, &[&flag, "idle-server", "127.0.0.1:0"]);
            measure(bench, ("btcd", "memory/flooded", transport), server, "flooded");
        }
    }
}

fn measure(
    bench: &Bench,
    (set, case, transport): (&str, &str, Transport),
    mut server: Process,
    mode: &str,
) {
    let line = server.line();
    let address = line.rsplit(' ').next().expect("an address").to_owned();
    let before = server.ask("now")["rss_kb"].as_f64().expect("a number");
    let runtime = runtime();
    let reads = mode != "unread-remote";
    let peers = runtime.block_on(async {
        let mut peers = Vec::new();
        for _ in 0..CONNECTIONS {
            peers.push(remote(transport, &address, reads).await);
        }
        peers
    });
    // Not before all are there, who would have to come in between.
    for peer in peers.iter().filter(|_| reads) {
        runtime.spawn(flood(peer.clone()));
    }
    let wait = bench.seconds(3.0);
    std::thread::sleep(wait);
    let during = server.ask("now")["rss_kb"].as_f64().expect("a number");
    drop(peers);
    let each = (during - before) / f64::from(CONNECTIONS);
    Row::new(set, case, transport, "resident memory", each, "kB/connection")
        .with("seconds", wait.as_secs_f64())
        .print();
}

/// The other end: one that reads and will flood, or one that neither reads nor sends.
async fn remote(transport: Transport, address: &str, reads: bool) -> Peer {
    let config = config(transport);
    let stream = TcpStream::connect(address).await.expect("the child listens");
    if !reads {
        // Its event stream is never read, so it soon stops reading from its socket.
        let (peer, events) = bitcoin::initiate(stream, &config).await.expect("an opening");
        std::mem::forget(events);
        return peer;
    }
    bitcoin::initiate_with(stream, &config, Silent).await.expect("an opening")
}

async fn flood(peer: Peer) {
    let messages = ["inv", "tx", "headers", "addr"].map(flooded);
    for message in messages.iter().cycle() {
        if peer.send(message).await.is_err() {
            return;
        }
    }
}

/// The end that is measured.
pub(crate) fn server(transport: Transport, mode: &str) {
    let count: Arc<AtomicU64> = Arc::default();
    let (counted, mode) = (count.clone(), mode.to_owned());
    let runtime = runtime();
    let config = config(transport);
    runtime.spawn(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("{}", listener.local_addr().expect("it is bound"));
        while let Ok((stream, _)) = listener.accept().await {
            match mode.as_str() {
                "flooded" => {
                    let peer = bitcoin::accept_with(stream, &config, Silent).await;
                    std::mem::forget(peer.expect("an opening"));
                }
                "unread-stream" => {
                    let opened = bitcoin::accept(stream, &config).await.expect("an opening");
                    std::mem::forget(opened);
                }
                _ => {
                    let peer = bitcoin::accept_with(stream, &config, Silent).await;
                    tokio::spawn(send_on(peer.expect("an opening")));
                }
            }
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    answer_lines(|| count.load(Ordering::Relaxed));
}

/// Sends until the connection ends; most of the time it waits for room. Not a message that the
/// outboxes of all connections would share.
async fn send_on(peer: Peer) {
    let message: Message = flooded("addr");
    while peer.send(&message).await.is_ok() {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(3_600)).await;
}
