//! Two ends of our library, in one process or in two.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use peerage::bitcoin::{Config, Listener, V2};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use crate::coin::{Coin, Hear, Kaspa, KaspaLegacy, Message};
use crate::report::Transport;

/// The runtime that figures are taken on: two workers, as btcd's two processors.
pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// A runtime on the calling thread alone, where allocations can be counted.
pub(crate) fn single_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The defaults, with one transport.
pub(crate) fn config(transport: Transport) -> Config {
    let mut config = Config::regtest();
    config.v2 = match transport {
        Transport::V1 => V2::Off,
        Transport::V2 => V2::Required,
    };
    config
}

/// The same for the other end: two ends with one identity would take each other for themselves.
pub(crate) fn for_other_end(config: &Config) -> Config {
    let mut other = config.clone();
    other.identity = Config::regtest().identity;
    other
}

/// A listener that does nothing.
pub(crate) struct Silent;

impl Listener for Silent {}

impl<C: Coin> Hear<C> for Silent {
    fn hear(&mut self, _peer: &C::Peer, _message: &Message<C>) {}
}

/// A TCP connection over loopback: who dialled, who was dialled.
pub(crate) async fn streams() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
    (ours.expect("somebody listens"), theirs.expect("somebody dials").0)
}

/// Counts what arrives and tells who waits for it.
#[derive(Debug)]
pub(crate) struct Arrivals {
    count: AtomicU64,
    wanted: AtomicU64,
    reached: Notify,
}

impl Arrivals {
    pub(crate) fn new() -> Arc<Self> {
        let wanted = AtomicU64::new(u64::MAX);
        Arc::new(Self { count: AtomicU64::new(0), wanted, reached: Notify::new() })
    }

    pub(crate) fn add(&self, count: u64) {
        let before = self.count.fetch_add(count, Ordering::SeqCst);
        if before + count >= self.wanted.load(Ordering::SeqCst) {
            self.reached.notify_one();
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits until so many have arrived, since the beginning.
    pub(crate) async fn reach(&self, wanted: u64) {
        self.wanted.store(wanted, Ordering::SeqCst);
        while self.count() < wanted {
            self.reached.notified().await;
        }
        self.wanted.store(u64::MAX, Ordering::SeqCst);
    }
}

/// Allows as many open files as the system lets us: 16,000 connections need as many.
pub(crate) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Where it is refused, the cases that need more fail and say so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Another process that answers each line with one line.
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts this program in a role.
    pub(crate) fn child(args: &[&str]) -> Self {
        let this = std::env::current_exe().expect("this program has a path");
        Self::start(&this.to_string_lossy(), args)
    }

    pub(crate) fn start(program: &str, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        let command = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, input, output }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.output.read_line(&mut line).expect("a pipe");
        assert!(read > 0, "the other process has died");
        line.trim_end().to_owned()
    }

    pub(crate) fn ask(&mut self, question: &str) -> serde_json::Value {
        writeln!(self.input, "{question}").expect("a pipe");
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Plays another process's role.
pub(crate) fn child(role: &str, args: &[String]) {
    raise_file_limit();
    let arg = |index: usize| args.get(index).map_or("", String::as_str);
    match role {
        "child-idle-server" | "child-idle-client" => match arg(0) {
            "kaspa" => crate::idle::child(role, Kaspa::Plain, &args[1..]),
            "kaspa-legacy" => crate::idle::child(role, KaspaLegacy, &args[1..]),
            version => crate::idle::child(role, Transport::parse(version), &args[1..]),
        },
        "child-limit-server" => crate::limit::idle::server(),
        "child-limit-client" => crate::limit::idle::client(arg(0), arg(1), arg(2)),
        "child-served" => crate::served::server(),
        "child-limit-served" => crate::limit::served::server(),
        "child-memory-server" => crate::memory::server(Transport::parse(arg(0)), arg(1)),
        other => panic!("{other} is no role"),
    }
}

/// Answers each line on standard input with the number of connections, resident memory and
/// processor time, until there is no more.
pub(crate) fn answer_lines(peers: impl Fn() -> u64) {
    for line in std::io::stdin().lock().lines() {
        if line.is_err() {
            return;
        }
        let cpu = crate::report::cpu_time().as_secs_f64();
        println!(
            "{}",
            serde_json::json!({"peers": peers(), "rss_kb": resident_kb(), "cpu_s": cpu})
        );
    }
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.split_whitespace().next().and_then(|kb| kb.parse().ok()).expect("a number")
}
