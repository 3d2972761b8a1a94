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
        measure(bench, &format!("idle/{count}"), "0", (count, seconds));
    }
    measure(bench, "idle/5000-with-pings", PING_SECONDS, (5_000, 60.0));
}

/// Everybody's connections of one case. They are made one after another, and then idle side by side:
/// all of them together use a few hundredths of a core, and eight minutes are one.
fn measure(bench: &Bench, case: &str, ping: &str, (count, seconds): (u32, f64)) {
    let crowds = &mut gather(bench, case, ping, count);
    if crowds.is_empty() {
        return;
    }
    let seconds = bench.seconds(seconds);
    let before: Vec<f64> = crowds.iter_mut().map(Crowd::cpu).collect();
    std::thread::sleep(seconds);
    let after: Vec<f64> = crowds.iter_mut().map(Crowd::cpu).collect();
    for (crowd, used) in crowds.iter().zip(after.iter().zip(before).map(|(a, b)| a - b)) {
        crowd.print(case, used, seconds.as_secs_f64());
    }
}

fn gather(bench: &Bench, case: &str, ping: &str, count: u32) -> Vec<Crowd> {
    let mut crowds = Vec::new();
    for transport in Transport::BOTH {
        let version = transport.to_string();
        if bench.wants("ours", case, transport) {
            let server = Process::child(&["child-idle-server", &version, ping]);
            let client = |address: &str, count: &str| {
                Process::child(&["child-idle-client", &version, address, count, ping])
            };
            crowds.push(Crowd::new(("ours", transport), server, client, count));
        }
        // btcd's pings are two minutes apart. 16,000 connections of it want more memory than this
        // case is worth.
        let btcd = bench.btcd.as_ref().filter(|_| count < 16_000 && ping == "0");
        if let Some(btcd) = btcd
            && bench.wants("btcd", case, transport)
        {
            let flag = format!("-v2={}", transport == Transport::V2);
            let server = Process::start(btcd, &[&flag, "idle-server", "127.0.0.1:0"]);
            let client = |address: &str, count: &str| {
                Process::start(btcd, &[&flag, "idle-client", address, count])
            };
            crowds.push(Crowd::new(("btcd", transport), server, client, count));
        }
    }
    if bench.wants("limit", case, Transport::V1) {
        let server = Process::child(&["child-limit-server"]);
        let client = |address: &str, count: &str| {
            Process::child(&["child-limit-client", address, count, ping])
        };
        crowds.push(Crowd::new(("limit", Transport::V1), server, client, count));
    }
    crowds
}

/// A server and its client, with all their connections.
struct Crowd {
    set: &'static str,
    transport: Transport,
    server: Process,
    _client: Process,
    peers: f64,
    /// Resident memory of the server before and now, in kB.
    empty: f64,
    full: f64,
}

impl Crowd {
    fn new(
        (set, transport): (&'static str, Transport),
        mut server: Process,
        client: impl Fn(&str, &str) -> Process,
        count: u32,
    ) -> Self {
        let line = server.line();
        let address = line.rsplit(' ').next().expect("an address");
        let empty = number(&server.ask("gc")["rss_kb"]);
        let mut client = client(address, &count.to_string());
        client.line();
        std::thread::sleep(Duration::from_millis(1_000 + u64::from(count) / 4));
        let answer = server.ask("gc");
        let (peers, full) = (number(&answer["peers"]), number(&answer["rss_kb"]));
        Self { set, transport, server, _client: client, peers, empty, full }
    }

    /// The server's processor time until now, in seconds.
    fn cpu(&mut self) -> f64 {
        number(&self.server.ask("cpu")["cpu_s"])
    }

    fn print(&self, case: &str, cpu: f64, seconds: f64) {
        let row = |metric, value, unit| {
            Row::new(self.set, case, self.transport, metric, value, unit)
                .with("peers", self.peers)
                .with("seconds", seconds)
                .print();
        };
        row("memory", (self.full - self.empty) / self.peers.max(1.0), "kB/peer");
        row("process memory", self.full / 1e3, "MB");
        row("cpu", cpu / seconds * 100.0, "% of a core");
    }
}

fn number(value: &serde_json::Value) -> f64 {
    value.as_f64().expect("a number")
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
