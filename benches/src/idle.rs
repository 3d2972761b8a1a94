//! Memory and processor time of connections on which nothing happens, both ends in processes of
//! their own: ours, btcd's, and tasks that do nothing but wait for their socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::coin::Coin;
use crate::report::{Bench, Row, Transport};
use crate::world::{Process, Silent, answer_lines, runtime};

/// How many connections, and for how many seconds their processor time is measured.
const SIZES: [(u32, f64); 3] = [(1_000, 10.0), (5_000, 60.0), (16_000, 10.0)];

/// The interval of pings where they are wanted, in seconds. Two minutes is the default, which
/// would need a longer look.
const PING_SECONDS: &str = "30";

pub(crate) fn run(bench: &Bench) {
    for (count, seconds) in SIZES {
        let case = format!("idle/{count}");
        measure(bench, &case, gather(bench, &case, "0", count), seconds);
    }
    let case = "idle/5000-with-pings";
    measure(bench, case, gather(bench, case, PING_SECONDS, 5_000), 60.0);
}

/// The first of the sizes, with peers of ours alone.
pub(crate) fn ours(bench: &Bench, coin: impl Coin) {
    let [(count, seconds), ..] = SIZES;
    if let Some(case) = bench.wants_ours(&format!("idle/{count}"), coin) {
        measure(bench, &case, vec![Crowd::ours(coin, "0", count)], seconds);
    }
}

/// Everybody's connections of one case. They are made one after another, and then idle side by side:
/// all of them together use a few hundredths of a core, and eight minutes are one.
fn measure(bench: &Bench, case: &str, mut crowds: Vec<Crowd>, seconds: f64) {
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
        if bench.wants("ours", case, transport) {
            crowds.push(Crowd::ours(transport, ping, count));
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
            crowds.push(Crowd::new("btcd", transport, server, client, count));
        }
    }
    if bench.wants("limit", case, Transport::V1) {
        let server = Process::child(&["child-limit-server"]);
        let client = |address: &str, count: &str| {
            Process::child(&["child-limit-client", address, count, ping])
        };
        crowds.push(Crowd::new("limit", Transport::V1, server, client, count));
    }
    crowds
}

/// A server and its client, with all their connections.
struct Crowd {
    set: &'static str,
    transport: String,
    server: Process,
    _client: Process,
    peers: f64,
    /// Resident memory of the server before and now, in kB.
    empty: f64,
    full: f64,
}

impl Crowd {
    fn ours(coin: impl Coin, ping: &str, count: u32) -> Self {
        let (server, client) =
            (server(coin, ping), |address: &str, count: &str| client(coin, address, count, ping));
        Self::new("ours", coin, server, client, count)
    }

    fn new(
        set: &'static str,
        transport: impl std::fmt::Display,
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
        let transport = transport.to_string();
        Self { set, transport, server, _client: client, peers, empty, full }
    }

    /// The server's processor time until now, in seconds.
    fn cpu(&mut self) -> f64 {
        number(&self.server.ask("cpu")["cpu_s"])
    }

    fn print(&self, case: &str, cpu: f64, seconds: f64) {
        let row = |metric, value, unit| {
            Row::new(self.set, case, &self.transport, metric, value, unit)
                .with("peers", self.peers)
                .with("seconds", seconds)
                .print();
        };
        row("memory", (self.full - self.empty) / self.peers.max(1.0), "kB/peer");
        row("process memory", self.full / 1e3, "MB");
        row("cpu", cpu / seconds * 100.0, "% of a core");
    }
}

pub(crate) fn number(value: &serde_json::Value) -> f64 {
    value.as_f64().expect("a number")
}

/// A process that accepts connections and keeps them.
pub(crate) fn server<C: Coin>(coin: C, ping: &str) -> Process {
    Process::child(&["child-idle-server", &name(coin), ping])
}

/// A process that dials so many connections and keeps them.
pub(crate) fn client<C: Coin>(coin: C, address: &str, count: &str, ping: &str) -> Process {
    Process::child(&["child-idle-client", &name(coin), address, count, ping])
}

/// What the other process calls it.
fn name<C: Coin>(coin: C) -> String {
    if C::GROUP.is_empty() { coin.to_string() } else { C::GROUP.trim_end_matches('/').to_owned() }
}

/// Is one of these processes.
pub(crate) fn child(role: &str, coin: impl Coin, args: &[String]) {
    match args {
        [ping] if role == "child-idle-server" => accept(coin, ping),
        [address, count, ping] => dial(coin, address, count, ping),
        _ => panic!("{role} {args:?} makes no sense"),
    }
}

fn pinging<C: Coin>(coin: C, seconds: &str) -> C::Config {
    let mut config = coin.config();
    let seconds = seconds.parse().expect("a number of seconds");
    C::engine(&mut config).ping_interval = Duration::from_secs(seconds);
    config
}

fn accept<C: Coin>(coin: C, ping: &str) {
    let config = pinging(coin, ping);
    let count: Arc<AtomicU64> = Arc::default();
    let counted = count.clone();
    let runtime = runtime();
    runtime.spawn(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("listening {}", listener.local_addr().expect("it is bound"));
        while let Ok((stream, _)) = listener.accept().await {
            let (config, counted) = (config.clone(), counted.clone());
            tokio::spawn(async move {
                let peer = C::accept(stream, &config, Silent).await;
                std::mem::forget(peer.expect("an opening"));
                counted.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    answer_lines(|| count.load(Ordering::Relaxed));
}

fn dial<C: Coin>(coin: C, address: &str, count: &str, ping: &str) {
    let config = pinging(coin, ping);
    let count: usize = count.parse().expect("a number of connections");
    let runtime = runtime();
    let peers: Vec<C::Peer> = runtime.block_on(async {
        let mut peers = Vec::with_capacity(count);
        for _ in 0..count {
            let stream = TcpStream::connect(address).await.expect("the server listens");
            let peer = C::initiate(stream, &config, Silent).await;
            peers.push(peer.expect("an opening"));
        }
        peers
    });
    println!("dialled {}", peers.len());
    answer_lines(|| peers.len() as u64);
}
