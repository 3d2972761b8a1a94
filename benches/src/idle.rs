//! Memory and processor time of connections on which nothing happens, both ends in processes of
//! their own: ours, btcd's, and tasks that do nothing but wait for their socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use peerage::bitcoin::{self, Config, Peer};
use tokio::net::{TcpListener, TcpStream};

use crate::report::{Bench, Row, Transport};
use crate::world::{Process, Silent, answer_lines, config, runtime};

/// How many connections, and for how many seconds their processor time is measured.
const SIZES: [(u32, f64); 3] = [(1_000, 10.0), (5_000, 60.0), (16_000, 10.0)];

/// The interval of pings where they are wanted, in seconds. Two minutes is the default, which
/// would need a longer look.
const PING_SECONDS: &str = "30";

pub(crate) fn run(bench: &Bench) {
    for (count, seconds) in SIZES {
        for transport in Transport::BOTH {
            let version = transport.to_string();
            let case = format!("idle/{count}");
            if bench.wants("ours", &case, transport) {
                let server = Process::child(&["child-idle-server", &version, "0"]);
                let client = |address: &str, count: &str| {
                    Process::child(&["child-idle-client", &version, address, count, "0"])
                };
                measure(bench, ("ours", &case, transport), server, client, (count, seconds));
            }
            // 16,000 connections of btcd want more memory than this case is worth.
            if let Some(btcd) = bench.btcd.as_ref().filter(|_| count < 16_000)
                && bench.wants("btcd", &case, transport)
            {
                let flag = format!("-v2={}", transport == Transport::V2);
                let server = Process::start(btcd, &[&flag, "idle-server", "127.0.0.1:0"]);
                let client = |address: &str, count: &str| {
                    Process::start(btcd, &[&flag, "idle-client", address, count])
                };
                measure(bench, ("btcd", &case, transport), server, client, (count, seconds));
            }
        }
        let case = format!("idle/{count}");
        if bench.wants("limit", &case, Transport::V1) {
            limit(bench, &case, "0", (count, seconds));
        }
    }
    with_pings(bench);
}

/// 5,000 connections that ping each other, and as many bare sockets that echo as often.
fn with_pings(bench: &Bench) {
    let case = "idle/5000-with-pings";
    for transport in Transport::BOTH {
        if bench.wants("ours", case, transport) {
            let version = transport.to_string();
            let server = Process::child(&["child-idle-server", &version, PING_SECONDS]);
            let client = |address: &str, count: &str| {
                Process::child(&["child-idle-client", &version, address, count, PING_SECONDS])
            };
            measure(bench, ("ours", case, transport), server, client, (5_000, 60.0));
        }
    }
    if bench.wants("limit", case, Transport::V1) {
        limit(bench, case, PING_SECONDS, (5_000, 60.0));
    }
}

fn limit(bench: &Bench, case: &str, ping: &str, size: (u32, f64)) {
    let server = Process::child(&["child-limit-server"]);
    let client =
        |address: &str, count: &str| Process::child(&["child-limit-client", address, count, ping]);
    measure(bench, ("limit", case, Transport::V1), server, client, size);
}

fn measure(
    bench: &Bench,
    (set, case, transport): (&str, &str, Transport),
    mut server: Process,
    client: impl Fn(&str, &str) -> Process,
    (count, seconds): (u32, f64),
) {
    let line = server.line();
    let address = line.rsplit(' ').next().expect("an address");
    let number = |value: &serde_json::Value| value.as_f64().expect("a number");
    let base = number(&server.ask("gc")["rss_kb"]);
    let mut client = client(address, &count.to_string());
    client.line();
    std::thread::sleep(Duration::from_millis(1_000 + u64::from(count) / 4));
    let full = server.ask("gc");
    let (peers, memory) = (number(&full["peers"]), number(&full["rss_kb"]));
    let seconds = bench.seconds(seconds);
    let before = number(&server.ask("cpu")["cpu_s"]);
    std::thread::sleep(seconds);
    let after = number(&server.ask("cpu")["cpu_s"]);
    let share = (after - before) / seconds.as_secs_f64() * 100.0;
    let row = |metric, value, unit| {
        Row::new(set, case, transport, metric, value, unit)
            .with("peers", peers)
            .with("seconds", seconds.as_secs_f64())
            .print();
    };
    row("memory", (memory - base) / peers.max(1.0), "kB/peer");
    row("process memory", memory / 1e3, "MB");
    row("cpu", share, "% of a core");
}

fn pinging(transport: Transport, seconds: &str) -> Config {
    let mut config = config(transport);
    let seconds = seconds.parse().expect("a number of seconds");
    config.engine.ping_interval = Duration::from_secs(seconds);
    config
}

/// Accepts connections and keeps them.
pub(crate) fn server(transport: Transport, ping: &str) {
    let config = pinging(transport, ping);
    let count: Arc<AtomicU64> = Arc::default();
    let counted = count.clone();
    let runtime = runtime();
    runtime.spawn(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("listening {}", listener.local_addr().expect("it is bound"));
        while let Ok((stream, _)) = listener.accept().await {
            let (config, counted) = (config.clone(), counted.clone());
            tokio::spawn(async move {
                let peer = bitcoin::accept_with(stream, &config, Silent).await;
                std::mem::forget(peer.expect("an opening"));
                counted.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    answer_lines(|| count.load(Ordering::Relaxed));
}

/// Dials so many connections and keeps them.
pub(crate) fn client(transport: Transport, address: &str, count: &str, ping: &str) {
    let config = pinging(transport, ping);
    let count: usize = count.parse().expect("a number of connections");
    let runtime = runtime();
    let peers: Vec<Peer> = runtime.block_on(async {
        let mut peers = Vec::with_capacity(count);
        for _ in 0..count {
            let stream = TcpStream::connect(address).await.expect("the server listens");
            let peer = bitcoin::initiate_with(stream, &config, Silent).await;
            peers.push(peer.expect("an opening"));
        }
        peers
    });
    println!("dialled {}", peers.len());
    answer_lines(|| peers.len() as u64);
}
