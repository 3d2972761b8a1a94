//! The same client against four servers on loopback: a listener of ours, the daemons bitcoind and
//! btcd, and a bare loop. How many openings a second each takes, and how fast it answers pings.
//!
//! The client blocks, on threads, and uses our framing for both transports; what it costs is the same
//! for every server. Processor time is the server's alone. An opening is one when the server has
//! answered a ping that was sent behind our `verack`. Each comes from another /24 of 127.0.0.0/8,
//! because btcd bounds the openings of one /24, as is right in the open. v2 openings it bounds in all, to
//! 20 a second, so that there is no figure of them.

mod client;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use client::Client;
use peerage::bitcoin::{self, V2};

use crate::report::{Bench, Row, Timed, Transport};
use crate::world::{Process, Silent, answer_lines, config, runtime};

/// How many openings are made at once in the second case.
const AT_ONCE: usize = 16;

/// How many pings are written together where they are pipelined.
const WINDOW: u64 = 256;

pub(crate) fn run(bench: &Bench) {
    const CASES: [&str; 4] =
        ["served/opening", "served/opening-16-at-once", "served/ping", "served/ping-pipelined"];
    for name in ["ours", "limit", "bitcoind", "btcd"] {
        let both = Transport::BOTH.map(|transport| {
            CASES.map(|case| bench.wants(name, case, transport).then_some((case, transport)))
        });
        let mut wanted = both.iter().flatten().flatten().peekable();
        if wanted.peek().is_none() {
            continue;
        }
        let Some(server) = Server::start(bench, name) else { continue };
        for (case, transport) in wanted {
            match *case {
                opening if opening.contains("opening") && !server.takes_openings(*transport) => {}
                "served/opening" => openings(bench, &server, case, *transport, 1),
                "served/opening-16-at-once" => openings(bench, &server, case, *transport, AT_ONCE),
                "served/ping" => pings(bench, &server, *transport),
                _ => pipelined(bench, &server, *transport),
            }
        }
    }
}

fn openings(bench: &Bench, server: &Server, case: &str, transport: Transport, at_once: usize) {
    let (opened, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let address = server.address;
    let meter = server.meter();
    let until = Instant::now() + bench.seconds(0.7);
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while Instant::now() < until {
                    let count = match Client::open(address, transport) {
                        Ok(_) => &opened,
                        Err(_) => &failed,
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let timed = meter.stop(opened.into_inner());
    Row::rate(server.name, case, transport, timed, "openings/s")
        .with("failed", f64::from(u32::try_from(failed.into_inner()).unwrap_or(u32::MAX)))
        .print();
}

fn pings(bench: &Bench, server: &Server, transport: Transport) {
    let mut client = server.patiently_open(transport);
    let mut micros = Vec::with_capacity(200_000);
    let meter = server.meter();
    let until = Instant::now() + bench.seconds(0.7);
    while Instant::now() < until {
        let began = Instant::now();
        client.ping(1).and_then(|()| client.pongs(1)).expect("it answers");
        micros.push(began.elapsed().as_secs_f64() * 1e6);
    }
    let timed = meter.stop(micros.len() as u64);
    micros.sort_by(f64::total_cmp);
    let at = |part: usize| micros[micros.len() * part / 100];
    Row::rate(server.name, "served/ping", transport, timed, "round trips/s")
        .with("p50_us", at(50))
        .with("p99_us", at(99))
        .print();
}

fn pipelined(bench: &Bench, server: &Server, transport: Transport) {
    let mut client = server.patiently_open(transport);
    let mut count = 0;
    let meter = server.meter();
    let until = Instant::now() + bench.seconds(0.7);
    while Instant::now() < until {
        client.ping(WINDOW).and_then(|()| client.pongs(WINDOW)).expect("it answers");
        count += WINDOW;
    }
    let timed = meter.stop(count);
    Row::rate(server.name, "served/ping-pipelined", transport, timed, "pings/s").print();
}

/// A server in a process of its own.
struct Server {
    name: &'static str,
    address: SocketAddr,
    pid: u32,
    _process: Held,
}

/// What ends with it.
#[allow(dead_code)] // they are held, and dropped
enum Held {
    Ours(Process),
    Daemon(Daemon),
}

impl Server {
    /// `None`, and a word about it, if there is no such program.
    fn start(bench: &Bench, name: &'static str) -> Option<Self> {
        let role = match name {
            "ours" => "child-served",
            "limit" => "child-limit-served",
            daemon => {
                let program = bench.daemons.get(daemon).filter(|path| path.is_file());
                if program.is_none() {
                    eprintln!("peerage-benches: served by {daemon}: not measured, not installed");
                }
                return Daemon::start(daemon, program?).map(|daemon| Self {
                    name,
                    address: daemon.address,
                    pid: daemon.child.id(),
                    _process: Held::Daemon(daemon),
                });
            }
        };
        let mut process = Process::child(&[role]);
        let line = process.line();
        let address = line.rsplit(' ').next().and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("{line} is no address"));
        Some(Self { name, address, pid: process.id(), _process: Held::Ours(process) })
    }

    /// Whether it takes as many openings as it can.
    fn takes_openings(&self, transport: Transport) -> bool {
        (self.name, transport) != ("btcd", Transport::V2)
    }

    /// Opens one connection, sooner or later.
    fn patiently_open(&self, transport: Transport) -> Client {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            match Client::open(self.address, transport) {
                Ok(client) => return client,
                Err(error) => assert!(Instant::now() < until, "{}: {error}", self.name),
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Times something by the wall and the server's processor time.
    fn meter(&self) -> ServerMeter<'_> {
        ServerMeter { server: self, began: Instant::now(), cpu: self.cpu() }
    }

    /// User and system time of its process, in steps of 10 ms.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).expect("it runs");
        let (_, fields) = stat.rsplit_once(')').expect("the name is in brackets");
        let ticks = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u32>().expect("user and system time"));
        let each = u32::try_from(rustix::param::clock_ticks_per_second()).expect("100");
        f64::from(ticks.sum::<u32>()) / f64::from(each)
    }
}

struct ServerMeter<'a> {
    server: &'a Server,
    began: Instant,
    cpu: f64,
}

impl ServerMeter<'_> {
    fn stop(&self, ops: u64) -> Timed {
        let seconds = self.began.elapsed().as_secs_f64();
        #[allow(clippy::cast_precision_loss)] // a count of operations, far below 2^52
        let ops = (ops as f64).max(1.0);
        Timed { ops, seconds, cpu_us_per_op: (self.server.cpu() - self.cpu) / ops * 1e6 }
    }
}

/// A node of somebody else's, on an empty chain of its own, that dials nobody.
struct Daemon {
    child: Child,
    folder: PathBuf,
    address: SocketAddr,
}

impl Daemon {
    fn start(name: &str, program: &Path) -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("peerage-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for its data");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let address = free.expect("a free port");
        let empty = folder.join("empty.conf");
        std::fs::write(&empty, "").expect("a folder to write to");
        let (dir, empty) = (folder.display(), empty.display());
        let args = match name {
            "bitcoind" => format!(
                "-regtest -daemon=0 -server=0 -listen=1 -bind={address} -datadir={dir} -connect=0 \
                 -v2transport=1 -maxconnections=1000 -fixedseeds=0 -dnsseed=0 -discover=0 \
                 -natpmp=0 -listenonion=0 -printtoconsole=0 -conf={empty}"
            ),
            _ => format!(
                "--regtest --configfile={empty} --datadir={dir} --logdir={dir}/logs --norpc \
                 --listen={address} --nodnsseed --connect=127.0.0.1:1 --v2transport \
                 --maxpeers=1000 --nobanning"
            ),
        };
        let child = Command::new(program)
            .args(args.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child =
            child.inspect_err(|error| eprintln!("peerage-benches: {name}: {error}")).ok()?;
        let daemon = Self { child, folder, address };
        let until = Instant::now() + Duration::from_secs(30);
        while Client::open(address, Transport::V1).is_err() {
            if Instant::now() > until {
                eprintln!("peerage-benches: {name} does not answer: not measured");
                return None;
            }
            thread::sleep(Duration::from_millis(100));
        }
        Some(daemon)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Its data goes with it, so it need not put anything in order.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Our server: whoever comes, with whichever transport, is kept until he goes.
pub(crate) fn server() {
    let mut config = config(Transport::V1);
    config.v2 = V2::Preferred;
    let runtime = runtime();
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("listening {}", listener.local_addr().expect("it is bound"));
        while let Ok((stream, _)) = listener.accept().await {
            let config = config.clone();
            tokio::spawn(async move {
                // Who does not get through the opening is his own loss.
                if let Ok(peer) = bitcoin::accept_with(stream, &config, Silent).await {
                    peer.closed().await;
                }
            });
        }
    });
    answer_lines(|| 0);
}
